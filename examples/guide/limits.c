/* limits.c: who may do how much, and what goes first. See docs/guide/limits.md. */
#include "limits.h"

static bk_err pay(bk_req *req, bk_res *res) /* POST /payments */
{
    return bk_res_text(
        res, 201, bk_arena_printf(bk_req_arena(req), "payment %.*s\n", BK_PRI(bk_req_id(req))));
}

static bk_err log_in(bk_req *req, bk_res *res) /* POST /login */
{
    if (!bk_str_eq(bk_req_body(req), BK_LIT("open sesame")))
        return bk_fail(BK_EUNAUTHORIZED, "wrong password");
    return bk_res_empty(res);
}

static bk_err search(bk_req *req, bk_res *res) /* GET /search */
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("found\n"));
}

/* snippet: key */
/* A user is counted wherever he comes from; who has not logged in, by address. */
static bk_str by_user(bk_req *req, void *data)
{
    bk_session *session;

    (void)data;
    if (bk_session_of(req, &session) != BK_OK)
        return bk_str_of(NULL);
    return bk_session_user(session);
}
/* end of snippet */

/* snippet: rate */
static void limit(bk_app *app, bk_redis *redis)
{
    bk_router *root = bk_app_router(app);
    bk_router *login = bk_router_group(root, "/login");

    /* 100 in a minute for each address, counted by this host */
    bk_use(root, bk_mw_rate_limit(app, NULL));

    /* 5 wrong passwords in a quarter of an hour, counted by all hosts */
    bk_use(login, bk_mw_rate_limit(app, &(bk_mw_rate_limit_opts){.limit = {.name = "login",
                                                                           .limit = 5,
                                                                           .window_ms = 15 * 60000,
                                                                           .redis = redis},
                                                                 .failures_only = true}));
    bk_post(login, "/", log_in);
}
/* end of snippet */

/* snippet: shed */
static void shed(bk_app *app)
{
    bk_router *root = bk_app_router(app);
    static const bk_route_opts low = {.priority = BK_PRIORITY_LOW};

    bk_use(root, bk_mw_shed(app, NULL)); /* outermost: what is refused costs nothing else */
    bk_get(root, "/search", search, &low);
}
/* end of snippet */

/* snippet: idempotency */
static void once(bk_app *app, bk_redis *redis)
{
    bk_router *payments = bk_router_group(bk_app_router(app), "/payments");

    bk_use(payments,
           bk_mw_idempotency(app, &(bk_mw_idempotency_opts){.redis = redis, .required = true}));
    bk_post(payments, "/", pay, &(bk_route_opts){.priority = BK_PRIORITY_CRITICAL});
}
/* end of snippet */

/* snippet: users */
static void limit_users(bk_app *app, bk_router *router, bk_redis *redis)
{
    bk_use(router,
           bk_mw_rate_limit(app, &(bk_mw_rate_limit_opts){.limit = {.name = "user",
                                                                    .algorithm = BK_LIMIT_GCRA,
                                                                    .limit = 600,
                                                                    .burst = 50,
                                                                    .redis = redis},
                                                          .key = by_user}));
}
/* end of snippet */

void limits_declare(bk_app *app, bk_redis *redis, const char *const *secrets)
{
    bk_router *api = bk_router_group(bk_app_router(app), "/api");
    bk_sessions *sessions =
        bk_sessions_new(app, &(bk_sessions_opts){.redis = redis, .secrets = secrets});

    shed(app);
    limit(app, redis);
    once(app, redis);
    bk_use(api, bk_mw_session(app, &(bk_mw_session_opts){.sessions = sessions}));
    limit_users(app, api, redis);
    bk_get(api, "/search", search);
}
