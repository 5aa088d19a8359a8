/* middleware.c: see docs/guide/middleware.md. */
#include "guide.h"

/* snippet: around */
static bk_err timed(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    uint64_t start = bk_now_ns();
    bk_err err = bk_next_run(next, req, res);

    (void)data;
    bk_info("request.done", bk_kv_cstr("method", bk_method_name(bk_req_method(req))),
            bk_kv_i64("status", err == BK_OK ? bk_res_get_status(res) : bk_err_status(err)),
            bk_kv_i64("us", (int64_t)((bk_now_ns() - start) / 1000)));
    return err;
}
/* end of snippet */

/* snippet: guard */
struct user {
    bk_str name;
    bool is_admin;
};

static const char user_key; /* its address is the key */

static bk_err signed_in(bk_req *req, bk_res *res, bk_next *next, void *token)
{
    if (!bk_str_eq(bk_req_header(req, "Authorization"), bk_str_of(token)))
        return bk_fail(BK_EUNAUTHORIZED, "sign in first");

    struct user *user = BK_NEW(bk_req_arena(req), struct user);
    user->name = BK_LIT("ann");
    bk_req_set(req, &user_key, user);
    return bk_next_run(next, req, res);
}

static bk_err only_admins(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct user *user = bk_req_get(req, &user_key);

    (void)data;
    if (!user->is_admin)
        return bk_fail(BK_EFORBIDDEN, "this is for admins");
    return bk_next_run(next, req, res);
}
/* end of snippet */

/* snippet: repair */
static bk_err empty_when_missing(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    bk_err err = bk_next_run(next, req, res);

    (void)data;
    if (err != BK_ENOTFOUND)
        return err;
    bk_error_clear();
    return bk_res_text(res, 200, BK_LIT("nothing yet\n"));
}
/* end of snippet */

static bk_err me(bk_req *req, bk_res *res)
{
    const struct user *user = bk_req_get(req, &user_key);

    return bk_res_text(res, 200, user->name);
}

static bk_err missing(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_ENOTFOUND, "there is no such list");
}

/* snippet: use */
void middleware_routes(bk_router *router)
{
    static char token[] = "Bearer 1234";
    static const bk_middleware admin[] = {{only_admins, NULL}, {NULL, NULL}};
    static const bk_middleware mild[] = {{empty_when_missing, NULL}, {NULL, NULL}};

    bk_use(router,
           bk_mw(timed, NULL)); /* around every request, when this is the app's own router */

    bk_router *own = bk_router_group(router, "/own");
    bk_use(own, bk_mw(signed_in, token)); /* around the routes of the group */
    bk_get(own, "/me", me);
    bk_get(own, "/users", me, &(bk_route_opts){.use = admin}); /* around this route */
    bk_get(own, "/list", missing, &(bk_route_opts){.use = mild});
}
/* end of snippet */
