/*
 * middleware.c: what each middleware adds to a request, in nanoseconds.
 *
 *   build-release/tests/bench/middleware
 *
 * Log lines go to /tmp/bk-bench.log, by the way that they take in service.
 *
 * GET / of an app with the middleware and of one without, turn by turn, through the test transport
 * (no socket; the answer is copied); the difference of the best rounds. A middleware that adds
 * headers pays for their copies in the test client, too.
 */
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <backend/backend.h>
#include <backend/testing.h>

#define REQUESTS 2000
#define ROUNDS   41
#define LOG_FILE "/tmp/bk-bench.log"

static const char secret[] = "a secret of at least thirty-two bytes";

static bk_err hello(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("Hello, World!"));
}

/* Looks at its session, which has nothing in it. */
static bk_err look(bk_req *req, bk_res *res)
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    return hello(req, res);
}

struct page {
    int64_t page, limit;
};

BK_DESCRIBE(page_desc, struct page, BK_I64(page, BK_MIN(1)), BK_I64(limit, BK_MIN(1), BK_MAX(100)))

static bk_middleware shed(bk_app *app)
{
    return bk_mw_shed(app, NULL);
}

static bk_middleware rate_limit(bk_app *app)
{
    return bk_mw_rate_limit(app, &(bk_mw_rate_limit_opts){.limit = {.limit = 1000000}});
}

static bk_middleware security_headers(bk_app *app)
{
    return bk_mw_security_headers(app, NULL);
}

static bk_middleware cors(bk_app *app)
{
    static const char *const origins[] = {"https://shop.example", NULL};

    return bk_mw_cors(app, &(bk_mw_cors_opts){.origins = origins});
}

static bk_middleware csrf(bk_app *app)
{
    return bk_mw_csrf(app, NULL);
}

static bk_middleware compress(bk_app *app)
{
    return bk_mw_compress(app, NULL);
}

static bk_middleware idempotency(bk_app *app)
{
    return bk_mw_idempotency(app, NULL);
}

static bk_middleware session(bk_app *app)
{
    static const char *const secrets[] = {secret, NULL};

    bk_sessions *sessions = bk_sessions_new(app, &(bk_sessions_opts){.secrets = secrets});
    return bk_mw_session(app, &(bk_mw_session_opts){.sessions = sessions});
}

static bk_err pass(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    (void)data;
    return bk_next_run(next, req, res);
}

static bk_middleware validate(bk_app *app)
{
    return bk_mw_validate(app, NULL);
}

/* No middleware, but it counts and times each request as one would. */
static bk_middleware metrics(bk_app *app)
{
    bk_metrics_serve(app, NULL, NULL);
    return bk_mw(pass, NULL);
}

static bk_middleware request_id(bk_app *app)
{
    return bk_mw_request_id(app, NULL);
}

static bk_middleware access_log(bk_app *app)
{
    return bk_mw_access_log(app, NULL);
}

static bk_middleware trace(bk_app *app)
{
    return bk_mw_trace(app, NULL);
}

static bk_middleware timeout(bk_app *app)
{
    return bk_mw_timeout(app, &(bk_mw_timeout_opts){.timeout_ms = 2000});
}

static bk_middleware recover(bk_app *app)
{
    return bk_mw_recover(app, NULL);
}

/* What most services have outermost. */
static bk_middleware observe(bk_app *app)
{
    bk_use(bk_app_router(app), bk_mw_request_id(app, NULL));
    bk_use(bk_app_router(app), bk_mw_trace(app, NULL));
    return bk_mw_access_log(app, NULL);
}

static char bearer[512];

static bk_pair from_browser[] = {
    {.name = BK_LIT("origin"), .value = BK_LIT("https://shop.example")},
    {.name = BK_LIT("accept-encoding"), .value = BK_LIT("gzip, deflate, br")},
    {.name = BK_LIT("authorization"), .value = {bearer, 0}},
    {.name = {0}},
};

static void must(bk_err err)
{
    if (err != BK_OK)
        exit(1);
}

/* Of one key, which signs a token of a user with an address and a day to live. */
static bk_middleware jwt_of(bk_app *app, bk_jwt_keys *keys)
{
    bk_arena *arena = bk_arena_new();
    bk_str token;

    must(bk_jwt_sign(keys, arena, BK_LIT("{\"sub\":1,\"email\":\"user1@example.test\"}"),
                     &(bk_jwt_sign_opts){.lifetime_s = 86400}, &token));
    from_browser[2].value.len =
        (size_t)snprintf(bearer, sizeof bearer, "Bearer %.*s", BK_PRI(token));
    bk_arena_free(arena);
    return bk_mw_jwt(app, &(bk_mw_jwt_opts){.keys = keys});
}

static bk_middleware jwt_hs256(bk_app *app)
{
    bk_jwt_keys *keys = bk_jwt_keys_new(app);

    must(bk_jwt_keys_add_secret(keys, BK_LIT("a secret of at least thirty-two bytes"), NULL));
    return jwt_of(app, keys);
}

static bk_middleware jwt_es256(bk_app *app)
{
    bk_jwt_keys *keys = bk_jwt_keys_new(app);

    must(bk_jwt_keys_add_jwk(keys,
                             BK_LIT("{\"kty\":\"EC\",\"crv\":\"P-256\","
                                    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
                                    "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}"),
                             NULL));
    return jwt_of(app, keys);
}

static const struct row {
    const char *name;
    bk_middleware (*make)(bk_app *app); /* NULL: none */
    const char *target;
    bk_handler handler;
    bk_desc_fn query;
} rows[] = {
    {"request id, echoed", request_id, "/", hello, NULL},
    {"trace, a new one", trace, "/", hello, NULL},
    {"access log, to a file", access_log, "/", hello, NULL},
    {"request id, trace and access log", observe, "/", hello, NULL},
    {"timeout", timeout, "/", hello, NULL},
    {"recover", recover, "/", hello, NULL},
    {"load shedding", shed, "/", hello, NULL},
    {"rate limit, by address", rate_limit, "/", hello, NULL},
    {"security headers (13)", security_headers, "/", hello, NULL},
    {"CORS, of another origin", cors, "/", hello, NULL},
    {"CSRF, of a GET", csrf, "/", hello, NULL},
    {"compress, below its threshold", compress, "/", hello, NULL},
    {"idempotency keys, of a GET", idempotency, "/", hello, NULL},
    {"session, not looked at", session, "/", hello, NULL},
    {"session, looked at, none sent", session, "/", look, NULL},
    {"metrics of HTTP", metrics, "/", hello, NULL},
    {"JWT, HS256", jwt_hs256, "/", hello, NULL},
    {"JWT, ES256", jwt_es256, "/", hello, NULL},
    {"validate, a query of two numbers", validate, "/?page=2&limit=20", hello, page_desc},
};

/* Nanoseconds a request. */
static double ask(const struct row *row, bool with)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.secret = bk_str_of(secret)});

    if (with)
        bk_use(bk_app_router(app), row->make(app));
    bk_get(bk_app_router(app), "/", with ? row->handler : hello,
           &(bk_route_opts){.query = row->query});
    bk_test *test = bk_test_new(app, NULL);
    bk_log_set_sink(NULL, NULL); /* lines go their usual way, not into the test */
    uint64_t begun = bk_now_ns();
    for (int i = 0; i < REQUESTS; i++) {
        bk_test_res *res =
            bk_test_send(test, &(bk_test_req){.target = row->target, .headers = from_browser});
        if (bk_test_status(res) != 200) {
            fprintf(stderr, "%s: %d\n", row->name, bk_test_status(res));
            exit(1);
        }
    }
    double each = (double)(bk_now_ns() - begun) / REQUESTS;
    bk_test_free(test);
    bk_app_free(app);
    return each;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

int main(void)
{
    if (bk_log_setup(&(bk_log_opts){.file = LOG_FILE}) != BK_OK)
        return 1;
    mallopt(M_TRIM_THRESHOLD, INT_MAX); /* no page is given back and faulted in again */
    mallopt(M_MMAP_THRESHOLD, INT_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double with = 1e99, without = 1e99;

        for (int round = 0; round < ROUNDS; round++) {
            without = least(without, ask(&rows[i], false));
            with = least(with, ask(&rows[i], true));
        }
        printf("| %s | %.0f |\n", rows[i].name, with - without);
        fflush(stdout);
    }
    unlink(LOG_FILE);
    return 0;
}
