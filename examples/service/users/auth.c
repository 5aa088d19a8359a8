/* auth.c: /api/auth over HTTP: accounts, tokens, session cookies. */
#include "users.h"

#define TOKEN_LIFETIME_S 3600

struct claims {
    int64_t ver; /* void when the account has another */
    bk_str role; /* for services that only know the secret */
};

struct pass {
    bk_str token;
    struct user user;
};

/* clang-format off */
BK_DESCRIBE(claims_desc, struct claims, BK_I64(ver), BK_STR(role))

BK_DESCRIBE(pass_desc, struct pass, BK_STR(token), BK_STRUCT(user, user_desc))
/* clang-format on */

static bk_err sign_up(bk_req *req, bk_res *res) /* POST /api/auth/register */
{
    bk_arena *arena = bk_req_arena(req);
    struct user user;

    BK_TRY(users_register(shop_of(req), arena, bk_valid_body(req), &user));
    BK_TRY(bk_res_created(res, bk_arena_printf(arena, "/api/users/%lld", (long long)user.id)));
    return bk_res_object(res, 201, user_desc, &user);
}

static bk_err log_in(bk_req *req, bk_res *res) /* POST /api/auth/login */
{
    struct shop *shop = shop_of(req);
    bk_arena *arena = bk_req_arena(req);
    bk_session *session;
    struct pass pass;
    int64_t version;

    BK_TRY(users_check_login(shop, bk_req_client(req), bk_valid_body(req), &pass.user, &version));
    struct claims claims = {version, pass.user.role};
    bk_jwt_sign_opts about = {
        .subject = bk_arena_printf(arena, "%lld", (long long)pass.user.id),
        .lifetime_s = TOKEN_LIFETIME_S,
    };
    BK_TRY(bk_jwt_sign_object(shop->keys, arena, claims_desc, &claims, &about, &pass.token));
    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_session_login(session, about.subject));
    bk_session_set_i64(session, "userId", pass.user.id); /* for services in Node */
    BK_TRY(bk_res_header(res, "Cache-Control", BK_LIT("no-store")));
    return bk_res_object(res, 200, pass_desc, &pass);
}

/* The token of who comes with one, and all of his; else the session. */
static bk_err log_out(bk_req *req, bk_res *res) /* POST /api/auth/logout */
{
    bk_session *session;

    if (bk_req_jwt(req) != NULL) {
        BK_TRY(users_void_tokens(shop_of(req), who_is(req)));
    } else {
        BK_TRY(bk_session_of(req, &session));
        bk_session_destroy(session);
    }
    return bk_res_empty(res);
}

void auth_routes(bk_app *app, bk_router *api, struct shop *shop)
{
    static const bk_openapi_doc doc = {.tag = "auth"}, own = {.tag = "auth", .security = "bearer"};

    (void)app;
    bk_post(api, "/auth/register", sign_up,
            &(bk_route_opts){.body = registration_desc,
                             .answer = user_desc,
                             .openapi = &doc,
                             .summary = "Make an account"});
    bk_post(api, "/auth/login", log_in,
            &(bk_route_opts){.body = login_desc,
                             .answer = pass_desc,
                             .openapi = &doc,
                             .summary = "Get a token and a session cookie"});
    bk_post(api, "/auth/logout", log_out,
            &(bk_route_opts){
                .use = shop->members, .openapi = &own, .summary = "Void the token or the session"});
}
