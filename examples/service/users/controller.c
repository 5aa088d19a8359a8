/* controller.c: /api/users and /api/me over HTTP. */
#include "users.h"

/* The {id} of the path, for the user itself and for admins. */
static bk_err id_allowed(const bk_req *req, int64_t *id)
{
    BK_TRY(bk_req_param_i64(req, "id", id));
    if (who_is(req) != *id && !who_is_admin(req))
        return bk_fail(BK_EFORBIDDEN, "this is another user's account");
    return BK_OK;
}

static bk_err me(bk_req *req, bk_res *res) /* GET /api/me */
{
    struct user user;

    BK_TRY(users_find(shop_of(req)->db, who_is(req), &user));
    return bk_res_object(res, 200, user_desc, &user);
}

static bk_err list(bk_req *req, bk_res *res) /* GET /api/users */
{
    struct user_page page = {0};

    BK_TRY(users_list(shop_of(req)->db, bk_valid_query(req), &page));
    return bk_res_object(res, 200, user_page_desc, &page);
}

static bk_err show(bk_req *req, bk_res *res) /* GET /api/users/{id} */
{
    struct user user;
    int64_t id;

    BK_TRY(id_allowed(req, &id));
    BK_TRY(users_find(shop_of(req)->db, id, &user));
    return bk_res_object(res, 200, user_desc, &user);
}

static bk_err change(bk_req *req, bk_res *res) /* PATCH /api/users/{id} */
{
    const struct user_change *in = bk_valid_body(req);
    struct user user;
    int64_t id;

    BK_TRY(id_allowed(req, &id));
    if (bk_str_present(in->role) && !who_is_admin(req))
        return bk_fail(BK_EFORBIDDEN, "only an admin gives roles");
    BK_TRY(users_change(shop_of(req), bk_req_arena(req), id, in, &user));
    return bk_res_object(res, 200, user_desc, &user);
}

static bk_err remove_user(bk_req *req, bk_res *res) /* DELETE /api/users/{id} */
{
    int64_t id;

    BK_TRY(id_allowed(req, &id));
    BK_TRY(users_remove(shop_of(req), id));
    return bk_res_empty(res);
}

void users_routes(bk_app *app, bk_router *api, struct shop *shop)
{
    static const bk_openapi_doc doc = {.tag = "users", .security = "bearer"};

    (void)app;
    bk_get(api, "/me", me,
           &(bk_route_opts){.use = shop->members,
                            .answer = user_desc,
                            .openapi = &doc,
                            .summary = "The user who is logged in"});
    bk_get(api, "/users", list,
           &(bk_route_opts){.use = shop->admins,
                            .query = page_desc,
                            .answer = user_page_desc,
                            .openapi = &doc,
                            .summary = "All users, by id"});
    bk_get(api, "/users/{id}", show,
           &(bk_route_opts){
               .use = shop->members, .answer = user_desc, .openapi = &doc, .summary = "A user"});
    bk_patch(api, "/users/{id}", change,
             &(bk_route_opts){.use = shop->members,
                              .body = user_change_desc,
                              .answer = user_desc,
                              .openapi = &doc,
                              .summary = "Change a user"});
    bk_delete(api, "/users/{id}", remove_user,
              &(bk_route_opts){.use = shop->members, .openapi = &doc, .summary = "Delete a user"});
}
