/* A program whose limits and timeouts come from the environment. For http1_test.py and
 * http2_test.py. */
#include <stdlib.h>
#include <string.h>

#include <backend/backend.h>

struct counters {
    int64_t begun, ended, gone;
};

static struct counters *counters(bk_req *req)
{
    return bk_app_data(bk_req_app(req));
}

static bk_err hello(bk_req *req, bk_res *res)
{
    counters(req)->begun++;
    return bk_res_text(res, 200, BK_LIT("Hello, world!\n"));
}

/* What happened so far, also to requests whose clients are gone. */
static bk_err count(bk_req *req, bk_res *res)
{
    const struct counters *c = counters(req);
    bk_json_writer *w = bk_res_json_writer(res, 200);

    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("begun"));
    bk_json_write_i64(w, c->begun);
    bk_json_write_key(w, BK_LIT("ended"));
    bk_json_write_i64(w, c->ended);
    bk_json_write_key(w, BK_LIT("gone"));
    bk_json_write_i64(w, c->gone);
    bk_json_end_object(w);
    return BK_OK;
}

static bk_err nap(bk_req *req, bk_res *res)
{
    int64_t ms;

    BK_TRY(bk_req_param_i64(req, "ms", &ms));
    counters(req)->begun++;
    bk_err err = bk_sleep_ms((uint64_t)ms);
    counters(req)->ended++;
    counters(req)->gone += bk_req_gone(req);
    BK_TRY(err);
    return bk_res_text(res, 200, BK_LIT("late"));
}

static bk_err large(bk_req *req, bk_res *res)
{
    int64_t bytes;

    BK_TRY(bk_req_param_i64(req, "bytes", &bytes));
    char *text = bk_arena_alloc(bk_req_arena(req), (size_t)bytes);
    memset(text, 'x', (size_t)bytes);
    return bk_res_bytes(res, 200, "application/octet-stream", bk_str_at(text, (size_t)bytes));
}

static bk_err stream(bk_req *req, bk_res *res)
{
    enum {
        PIECE = 10000
    };
    int64_t pieces;
    char *piece = bk_arena_alloc(bk_req_arena(req), PIECE);

    BK_TRY(bk_req_param_i64(req, "pieces", &pieces));
    counters(req)->begun++;
    memset(piece, 'y', PIECE);
    bk_err err = bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN);
    for (int64_t i = 0; i < pieces && err == BK_OK; i++)
        err = bk_res_write(res, bk_str_at(piece, PIECE));
    counters(req)->ended++;
    counters(req)->gone += bk_req_gone(req);
    return err;
}

/* Fails in the middle of its answer. */
static bk_err broken(bk_req *req, bk_res *res)
{
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, bk_req_path(req)));
    return bk_fail(BK_EINTERNAL, "on purpose");
}

static bk_err body_length(bk_req *req, bk_res *res)
{
    counters(req)->begun++;
    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%zu", bk_req_body(req).len));
}

static bk_err echo(bk_req *req, bk_res *res)
{
    bk_str path = bk_req_path(req), query = bk_req_query(req);

    return bk_res_text(res, 200,
                       bk_arena_printf(bk_req_arena(req), "%.*s?%.*s\n%.*s", (int)path.len,
                                       path.ptr, (int)query.len,
                                       bk_str_present(query) ? query.ptr : "",
                                       (int)bk_req_body(req).len, bk_req_body(req).ptr));
}

static bk_err echo_headers(bk_req *req, bk_res *res)
{
    bk_pairs pairs = bk_req_headers(req);
    bk_buf buf = {.arena = bk_req_arena(req)};

    for (size_t i = 0; i < pairs.count; i++)
        bk_buf_printf(&buf, "%.*s: %.*s\n", (int)pairs.items[i].name.len, pairs.items[i].name.ptr,
                      (int)pairs.items[i].value.len, pairs.items[i].value.ptr);
    bk_buf_printf(&buf, "version %d, %.*s from %.*s\n", bk_req_version(req),
                  (int)bk_req_scheme(req).len, bk_req_scheme(req).ptr, (int)bk_req_client(req).len,
                  bk_req_client(req).ptr);
    BK_TRY(bk_res_header(res, "X-Upper-Case", BK_LIT("yes")));
    BK_TRY(bk_res_header(res, "Proxy-Connection", BK_LIT("close")));
    return bk_res_text(res, 200, bk_buf_str(&buf));
}

static uint32_t from_env(const char *name)
{
    const char *text = getenv(name);

    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    struct counters counters = {0, 0, 0};
    bk_app *app = bk_app_new(&(bk_app_opts){
        .name = "http2",
        .data = &counters,
        .limits = {.body_bytes = from_env("BODY_BYTES"),
                   .bodies_bytes = from_env("BODIES_BYTES"),
                   .connections = from_env("CONNECTIONS"),
                   .requests_per_connection = from_env("REQUESTS_PER_CONNECTION"),
                   .fibers = from_env("FIBERS")},
        .half_close_is_gone = from_env("HALF_CLOSE_IS_GONE") != 0,
        .timeouts = {.head_ms = from_env("HEAD_MS"),
                     .body_ms = from_env("BODY_MS"),
                     .idle_ms = from_env("IDLE_MS"),
                     .write_ms = from_env("WRITE_MS"),
                     .drain_ms = from_env("DRAIN_MS")},
    });
    bk_router *router = bk_app_router(app);

    bk_get(router, "/", hello);
    bk_get(router, "/count", count);
    bk_get(router, "/nap/{ms}", nap);
    bk_post(router, "/nap/{ms}", nap);
    bk_get(router, "/large/{bytes}", large);
    bk_get(router, "/stream/{pieces}", stream);
    bk_get(router, "/short/{pieces}", stream, &(bk_route_opts){.timeout_ms = 300});
    bk_get(router, "/broken", broken);
    bk_get(router, "/headers", echo_headers);
    bk_get(router, "/echo/{path*}", echo);
    bk_post(router, "/echo/{path*}", echo);
    bk_post(router, "/length", body_length);
    bk_post(router, "/length/short", body_length, &(bk_route_opts){.body_limit_bytes = 100});
    return bk_app_main(app, argc, argv);
}
