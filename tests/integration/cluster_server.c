/*
 * cluster_server.c: a service whose workers can be made to fail in all ways. For cluster_test.py.
 *
 *   CLUSTER_TLS=1        listens twice, plain and with TLS (TLS_CERT, TLS_KEY)
 *   CLUSTER_BROKEN=FILE  a worker fails to start while FILE exists; "hang" in it: it hangs there
 *   CLUSTER_HANG_MS, CLUSTER_START_MS, CLUSTER_MEMORY_MB, CLUSTER_AT_ONCE   as in bk_cluster_opts
 *   CLUSTER_DRAIN_MS     as in bk_timeouts
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <backend/backend.h>

static bk_err who(bk_req *req, bk_res *res)
{
    bk_app *app = bk_req_state(req);
    bk_json_writer *w = bk_res_json_writer(res, 200);

    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("pid"));
    bk_json_write_i64(w, getpid());
    bk_json_write_key(w, BK_LIT("slot"));
    bk_json_write_i64(w, bk_app_slot(app));
    bk_json_write_key(w, BK_LIT("generation"));
    bk_json_write_i64(w, bk_app_generation(app));
    bk_json_write_key(w, BK_LIT("sharers"));
    bk_json_write_i64(w, bk_app_sharers(app));
    bk_json_write_key(w, BK_LIT("roles"));
    bk_json_write_i64(w, bk_app_roles(app));
    bk_json_write_key(w, BK_LIT("draining"));
    bk_json_write_bool(w, bk_app_draining(app));
    bk_json_write_key(w, BK_LIT("uid"));
    bk_json_write_i64(w, getuid());
    bk_json_end_object(w);
    return BK_OK;
}

static bk_err nap(bk_req *req, bk_res *res)
{
    int64_t ms;

    BK_TRY(bk_req_query_i64(req, "ms", 100, 0, 600000, &ms));
    BK_TRY(bk_sleep_ms((uint64_t)ms));
    return bk_res_text(res, 200, BK_LIT("rested\n"));
}

/* The loop does not turn any more. */
static bk_err hang(bk_req *req, bk_res *res)
{
    static volatile bool for_ever = true;

    (void)req;
    while (for_ever)
        continue;
    return bk_res_text(res, 200, BK_LIT("never\n"));
}

static bk_err crash(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    abort();
}

static bk_err grow(bk_req *req, bk_res *res)
{
    static char *volatile kept;
    size_t bytes = (size_t)64 << 20;
    char *memory = malloc(bytes);

    (void)req;
    if (memory == NULL)
        return BK_EUNAVAILABLE;
    memset(memory, 1, bytes);
    kept = memory;
    (void)kept;
    return bk_res_text(res, 200, BK_LIT("fat\n"));
}

static bk_err echo(bk_req *req, bk_res *res)
{
    bk_ws *ws;
    bk_ws_message message;

    BK_TRY(bk_ws_accept(req, res, NULL, &ws));
    for (;;) {
        BK_TRY(bk_ws_recv(ws, &message));
        BK_TRY(bk_ws_send_text(ws, message.bytes));
    }
}

static bk_err events(bk_req *req, bk_res *res)
{
    bk_sse *sse;

    BK_TRY(bk_sse_open(req, res, &(bk_sse_opts){.retry_ms = 50}, &sse));
    for (;;) {
        BK_TRY(bk_sse_send(sse, &(bk_sse_event){.data = BK_LIT("tick")}));
        BK_TRY(bk_sleep_ms(20));
    }
}

static bk_err start(bk_app *app, void *data, void **state)
{
    const char *broken = getenv("CLUSTER_BROKEN");
    char word[8] = "";

    (void)data;
    *state = app;
    FILE *file = broken != NULL ? fopen(broken, "re") : NULL;
    if (file == NULL)
        return BK_OK;
    (void)!fgets(word, sizeof word, file);
    fclose(file);
    if (strcmp(word, "hang") == 0)
        BK_TRY(bk_sleep_ms(3600000));
    return bk_fail(BK_EUNAVAILABLE, "%s is there", broken);
}

static uint32_t number(const char *variable)
{
    const char *text = getenv(variable);

    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static bool listen_twice(bk_app *app)
{
    bk_listen_opts plain = {.port = 0};
    bk_listen_opts tls = {.port = 0, .tls_cert = getenv("TLS_CERT"), .tls_key = getenv("TLS_KEY")};

    return bk_app_listen(app, &plain) == BK_OK && bk_app_listen(app, &tls) == BK_OK;
}

int main(int argc, char **argv)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "cluster",
                                            .on_worker_start = start,
                                            .timeouts = {.drain_ms = number("CLUSTER_DRAIN_MS")}});
    bk_router *router = bk_app_router(app);

    bk_get(router, "/who", who);
    bk_get(router, "/nap", nap, &(bk_route_opts){.timeout_ms = BK_UNLIMITED});
    bk_get(router, "/hang", hang);
    bk_get(router, "/crash", crash);
    bk_get(router, "/grow", grow);
    bk_get(router, "/events", events, &(bk_route_opts){.timeout_ms = BK_UNLIMITED});
    bk_get(router, "/echo", echo, &(bk_route_opts){.timeout_ms = BK_UNLIMITED});
    bk_app_cluster(app, &(bk_cluster_opts){
                            .hang_ms = number("CLUSTER_HANG_MS"),
                            .start_ms = number("CLUSTER_START_MS"),
                            .memory_bytes = (size_t)number("CLUSTER_MEMORY_MB") << 20,
                            .reload_at_once = number("CLUSTER_AT_ONCE") != 0,
                            .backoff_ms = 10,
                        });
    (void)!bk_health_new(app, NULL);
    bk_metrics_serve(app, NULL, NULL);
    if (getenv("CLUSTER_TLS") != NULL && !listen_twice(app))
        return 1;
    return bk_app_main(app, argc, argv);
}
