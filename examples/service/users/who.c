/*
 * who.c: who is asking: the bearer of a token, or whose session it is. What is known of him comes
 * from the cache, so a token is void as soon as its user is deleted or has logged out.
 */
#include "users.h"

static const char *const user_roles[] = {"user", NULL};
static const char *const admin_roles[] = {"admin", NULL};

/* BK_ENOTFOUND: nobody. */
static bk_err load(struct shop *shop, bk_principal *who, struct account *account)
{
    int64_t id;

    if (bk_str_to_i64(who->id, &id) != BK_OK)
        return BK_ENOTFOUND;
    BK_TRY(users_account(shop, id, account));
    who->roles = bk_str_eq(account->role, BK_LIT("admin")) ? admin_roles : user_roles;
    who->data = account;
    return BK_OK;
}

static bk_err load_by_token(bk_req *req, const bk_jwt *jwt, bk_principal *who, void *data)
{
    struct account *account = BK_NEW(bk_req_arena(req), struct account);
    int64_t version;

    BK_TRY(load(data, who, account));
    BK_TRY(bk_jwt_i64(jwt, "ver", &version));
    return version == account->token_version ? BK_OK : BK_ENOTFOUND;
}

static bk_err load_by_session(bk_req *req, bk_principal *who, void *data)
{
    return load(data, who, BK_NEW(bk_req_arena(req), struct account));
}

int64_t who_is(const bk_req *req)
{
    const struct account *account = bk_req_principal(req)->data;
    return account->id;
}

bool who_is_admin(const bk_req *req)
{
    return bk_principal_has_role(bk_req_principal(req), "admin");
}

/* POSTs with an Idempotency-Key are remembered by user. */
static bk_str key_owner(bk_req *req, void *data)
{
    (void)data;
    return bk_req_principal(req)->id;
}

void who_declare(bk_app *app, struct shop *shop)
{
    const bk_middleware members[] = {
        bk_mw_jwt(app,
                  &(bk_mw_jwt_opts){
                      .keys = shop->keys, .load = load_by_token, .data = shop, .optional = true}),
        bk_mw_session_auth(
            app,
            &(bk_mw_session_auth_opts){.load = load_by_session, .data = shop, .key = "userId"}),
        bk_mw_guard(app, NULL),
        bk_mw_idempotency(app, &(bk_mw_idempotency_opts){.redis = shop->redis, .scope = key_owner}),
    };
    enum {
        COUNT = sizeof members / sizeof members[0]
    };

    memcpy(shop->members, members, sizeof members);
    memcpy(shop->admins, members, sizeof members);
    shop->admins[2] = bk_mw_guard(app, &(bk_mw_guard_opts){.any_role = admin_roles});
    _Static_assert(COUNT < sizeof shop->members / sizeof shop->members[0],
                   "the list ends with NULL");
}
