/* authentication.c: who it is, and what he may. See docs/guide/authentication.md. */
#include "authentication.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct credentials {
    bk_str name, password;
};

BK_DESCRIBE(credentials_desc, struct credentials, BK_STR(name, BK_REQUIRED, BK_LEN(1, 60)),
            BK_STR(password, BK_REQUIRED, BK_LEN(12, 128)))

/* --- what a database would do --- */

static struct account *find_by(struct office *office, bk_str text, bool by_key)
{
    for (size_t i = 0; i < office->count; i++) {
        struct account *it = &office->accounts[i];
        if (bk_str_eq(text, bk_str_of(by_key ? it->key_id : it->name)))
            return it;
    }
    return NULL;
}

static bk_err insert(struct office *office, bk_str name, bk_str password_hash)
{
    if (office->count == sizeof office->accounts / sizeof office->accounts[0])
        return bk_fail(BK_EUNAVAILABLE, "no more accounts");
    struct account *it = &office->accounts[office->count++];
    snprintf(it->name, sizeof it->name, "%.*s", BK_PRI(name));
    snprintf(it->password, sizeof it->password, "%.*s", BK_PRI(password_hash));
    return BK_OK;
}

/* --- passwords --- */

/* snippet: register */
static bk_err sign_up(bk_req *req, bk_res *res) /* POST /accounts */
{
    struct office *office = bk_req_state(req);
    struct credentials in;
    bk_str hash;

    BK_TRY(bk_req_bind(req, credentials_desc, &in));
    if (find_by(office, in.name, false) != NULL)
        return bk_fail(BK_ECONFLICT, "this name is taken");
    BK_TRY(bk_password_hash(bk_req_arena(req), in.password, NULL, &hash));
    BK_TRY(insert(office, in.name, hash));
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: login */
static bk_err log_in(bk_req *req, bk_res *res) /* POST /login */
{
    struct office *office = bk_req_state(req);
    struct credentials in;
    bk_limit_result guess;
    bk_session *session;

    BK_TRY(bk_req_bind(req, credentials_desc, &in));
    BK_TRY(bk_limiter_take(office->guesses, in.name, 1, &guess));
    if (!guess.allowed)
        return bk_fail(BK_ELIMITED, "too many attempts for this name, try again later");
    const struct account *account = find_by(office, in.name, false);
    bk_str hash = bk_str_of(account != NULL ? account->password : NULL);
    if (bk_password_verify(in.password, hash, NULL, NULL) != BK_OK)
        return bk_fail(BK_EUNAUTHORIZED, "wrong name or password");
    BK_TRY(bk_limiter_forget(office->guesses, in.name));
    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_session_login(session, in.name));
    return bk_res_empty(res);
}
/* end of snippet */

/* --- API keys --- */

/* snippet: new_key */
static bk_err make_key(bk_req *req, bk_res *res) /* POST /me/key */
{
    struct office *office = bk_req_state(req);
    struct account *account = find_by(office, bk_req_principal(req)->id, false);
    bk_api_key key;

    bk_api_key_new(bk_req_arena(req), "office", &key);
    snprintf(account->key_id, sizeof account->key_id, "%.*s", BK_PRI(key.id));
    memcpy(account->key, key.hash.ptr, key.hash.len);
    return bk_res_text(res, 201, key.text); /* the one time that it can be read */
}
/* end of snippet */

/* snippet: find_key */
static bk_err find_key(bk_req *req, bk_str id, bk_str *hash, bk_principal *who, void *data)
{
    const struct account *account = find_by(data, id, true);

    (void)req;
    if (account == NULL)
        return BK_ENOTFOUND;
    *hash = bk_str_at(account->key, BK_TOKEN_HASH);
    who->id = bk_str_of(account->name);
    return BK_OK;
}
/* end of snippet */

/* --- tokens --- */

/* snippet: new_token */
struct badge {
    bk_str role;
};

BK_DESCRIBE(badge_desc, struct badge, BK_STR(role, BK_REQUIRED))

#define ISSUER "https://office.example"

static bk_err give_token(bk_req *req, bk_res *res) /* POST /me/token */
{
    const struct office *office = bk_req_state(req);
    const bk_principal *who = bk_req_principal(req);
    bool is_admin = bk_principal_has_role(who, "admin");
    struct badge badge = {.role = is_admin ? BK_LIT("admin") : BK_LIT("user")};
    bk_jwt_sign_opts about = {.subject = who->id, .issuer = BK_LIT(ISSUER), .lifetime_s = 15 * 60};
    bk_str token;

    BK_TRY(
        bk_jwt_sign_object(office->tokens, bk_req_arena(req), badge_desc, &badge, &about, &token));
    return bk_res_text(res, 201, token);
}
/* end of snippet */

/* snippet: claims */
static bk_err badge_of(bk_req *req, bk_res *res) /* GET /mobile/badge */
{
    struct badge badge;

    BK_TRY(bk_jwt_bind(bk_req_jwt(req), badge_desc, &badge));
    return bk_res_object(res, 200, badge_desc, &badge);
}
/* end of snippet */

/* snippet: renew */
bk_err authentication_renew(bk_jwt_keys *keys, bk_str jwks)
{
    bk_jwt_keys *fresh = bk_jwt_keys_new(NULL);
    bk_err err = bk_jwt_keys_add_jwk(fresh, jwks, NULL);

    if (err == BK_OK)
        bk_jwt_keys_replace(keys, fresh);
    else
        bk_jwt_keys_free(fresh); /* those from before stay */
    return err;
}
/* end of snippet */

/* snippet: jwks */
bk_middleware authentication_by_issuer(bk_app *app)
{
    bk_jwt_keys *keys = bk_jwt_keys_new(app);
    const bk_jwks_opts from = {.client = bk_http_client_new(app, NULL),
                               .keys = keys,
                               .url = "https://id.example/.well-known/jwks.json"};
    const bk_mw_jwt_opts opts = {
        .keys = keys,
        .rules = {.issuer = "https://id.example", .audience = "https://shop.example"},
        .refresh = bk_jwks_refresh,
        .data = bk_jwks_new(app, &from),
    };

    return bk_mw_jwt(app, &opts);
}
/* end of snippet */

/* What is wrong at the start ends the program. */
static void must(bk_err err)
{
    if (err == BK_OK)
        return;
    fprintf(stderr, "%.*s\n", BK_PRI(bk_error_chain()->message));
    exit(1);
}

/* --- who may what --- */

/* snippet: roles */
static const char *const admin_roles[] = {"admin", NULL};

static bk_err load_roles(bk_req *req, bk_principal *who, void *data)
{
    (void)req;
    if (find_by(data, who->id, false) == NULL)
        return BK_ENOTFOUND; /* it has been deleted: the session is nobody's */
    if (bk_str_eq(who->id, BK_LIT("root")))
        who->roles = admin_roles;
    return BK_OK;
}
/* end of snippet */

static bk_err me(bk_req *req, bk_res *res) /* GET /me, GET /api/me */
{
    return bk_res_text(res, 200, bk_req_principal(req)->id);
}

static bk_err count(bk_req *req, bk_res *res) /* GET /admin/count */
{
    const struct office *office = bk_req_state(req);

    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%zu", office->count));
}

void authentication_declare(bk_app *app, struct office *office, const char *const *secrets)
{
    bk_router *root = bk_app_router(app);
    bk_sessions *sessions = bk_sessions_new(app, &(bk_sessions_opts){.secrets = secrets});

    /* snippet: declare */
    office->guesses = bk_limiter_new(
        app, &(bk_limiter_opts){.name = "login", .limit = 5, .window_ms = 15 * 60 * 1000});

    bk_router *site = bk_router_group(root, "/");
    bk_use(site, bk_mw_session(app, &(bk_mw_session_opts){.sessions = sessions}));
    bk_use(site,
           bk_mw_session_auth(app, &(bk_mw_session_auth_opts){.load = load_roles, .data = office}));
    bk_post(site, "/accounts", sign_up);
    bk_post(site, "/login", log_in);

    bk_router *own = bk_router_group(site, "/me");
    bk_use(own, bk_mw_guard(app, NULL));
    bk_get(own, "/", me);
    bk_post(own, "/key", make_key);
    bk_post(own, "/token", give_token);

    bk_router *admin = bk_router_group(site, "/admin");
    bk_use(admin, bk_mw_guard(app, &(bk_mw_guard_opts){.any_role = admin_roles}));
    bk_get(admin, "/count", count);

    bk_router *api = bk_router_group(root, "/api");
    bk_use(api, bk_mw_api_key(app, &(bk_mw_api_key_opts){
                                       .prefix = "office", .find = find_key, .data = office}));
    bk_get(api, "/me", me);
    /* end of snippet */

    /* snippet: bearer */
    office->tokens = bk_jwt_keys_new(app);
    for (size_t i = 0; secrets[i] != NULL; i++) /* the first signs, all verify */
        must(bk_jwt_keys_add_secret(office->tokens, bk_str_of(secrets[i]), NULL));

    bk_router *mobile = bk_router_group(root, "/mobile");
    bk_use(mobile,
           bk_mw_jwt(app, &(bk_mw_jwt_opts){.keys = office->tokens, .rules = {.issuer = ISSUER}}));
    bk_get(mobile, "/me", me);
    bk_get(mobile, "/badge", badge_of);
    /* end of snippet */
}
