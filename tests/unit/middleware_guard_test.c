/*
 * Who is let in, by what a middleware before says of him.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/middleware/guard.h>

#include "text.h"
#include "harness/http_app.h"

static const char *const editor[] = {"reader", "editor", NULL};
static const char *const writes[] = {"posts:read", "posts:write", NULL};
static const char *const editors[] = {"admin", "editor", NULL};
static const char *const admins[] = {"admin", NULL};
static const char *const deletes[] = {"posts:write", "posts:delete", NULL};

/* The header X-Who says who it is: a stand-in for any middleware that finds out. */
static bk_err find_out(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    bk_str who = bk_req_header(req, "x-who");

    (void)data;
    if (bk_str_present(who))
        bk_req_set_principal(
            req, &(bk_principal){.id = who,
                                 .roles = bk_str_eq(who, BK_LIT("ed")) ? editor : NULL,
                                 .permissions = bk_str_eq(who, BK_LIT("ed")) ? writes : NULL});
    return bk_next_run(next, req, res);
}

static bk_err show(bk_req *req, bk_res *res)
{
    const bk_principal *who = bk_req_principal(req);

    return bk_res_text(res, 200, who != NULL ? who->id : BK_LIT("nobody"));
}

static struct http_app open_with(const bk_mw_guard_opts *opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    bk_use(root, bk_mw(find_out, NULL));
    bk_get(root, "/open", show);
    bk_router *inner = bk_router_group(root, "/inner");
    bk_use(inner, bk_mw_guard(it.app, opts));
    bk_get(inner, "/", show);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static void test_who_is_not_known_gets_401_with_a_challenge(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);
    bk_test_res *res = bk_test_get(it.test, "/inner");

    assert_problem(res, 401, "this needs a login");
    assert_text(bk_test_header(res, "WWW-Authenticate"), "Bearer");
    assert_answer(bk_test_get(it.test, "/open"), 200, "nobody");
    http_app_close(&it);
}

static void test_the_challenge_can_be_another(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_guard_opts){.challenge = "Cookie"});

    assert_text(bk_test_header(bk_test_get(it.test, "/inner"), "WWW-Authenticate"), "Cookie");
    http_app_close(&it);
}

static void test_who_is_known_passes_where_nothing_else_is_asked(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);

    assert_answer(http_get(&it, "/inner", "x-who", "bob"), 200, "bob");
    http_app_close(&it);
}

static void test_one_of_the_roles_is_enough(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_guard_opts){.any_role = editors});

    assert_answer(http_get(&it, "/inner", "x-who", "ed"), 200, "ed");
    bk_test_res *res = http_get(&it, "/inner", "x-who", "bob");
    assert_problem(res, 403, "this needs a role that you do not have");
    assert_absent(bk_test_header(res, "WWW-Authenticate"));
    http_app_close(&it);
    it = open_with(&(bk_mw_guard_opts){.any_role = admins});
    assert_status(http_get(&it, "/inner", "x-who", "ed"), 403);
    http_app_close(&it);
}

static void test_every_permission_is_needed(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_guard_opts){.all_permissions = writes});

    assert_status(http_get(&it, "/inner", "x-who", "ed"), 200);
    assert_problem(http_get(&it, "/inner", "x-who", "bob"), 403,
                   "this needs the permission \\\"posts:read\\\"");
    http_app_close(&it);
    it = open_with(&(bk_mw_guard_opts){.all_permissions = deletes});
    assert_problem(http_get(&it, "/inner", "x-who", "ed"), 403,
                   "this needs the permission \\\"posts:delete\\\"");
    http_app_close(&it);
}

static void test_nobody_has_no_roles(void **state)
{
    (void)state;
    const bk_principal ed = {.roles = editor, .permissions = writes}, bob = {0};

    assert_true(bk_principal_has_role(&ed, "editor"));
    assert_false(bk_principal_has_role(&ed, "edit"));
    assert_false(bk_principal_has_role(&bob, "editor"));
    assert_false(bk_principal_has_role(NULL, "editor"));
    assert_true(bk_principal_has_permission(&ed, "posts:write"));
    assert_false(bk_principal_has_permission(&ed, "editor"));
    assert_false(bk_principal_has_permission(NULL, "posts:write"));
}

/* --- sessions --------------------------------------------------------------------------------- */

static const char *const secrets[] = {"a secret of at least thirty-two bytes", NULL};

static bk_err log_in(bk_req *req, bk_res *res)
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_session_login(session, bk_req_header(req, "x-who")));
    return bk_res_empty(res);
}

/* As a service in Node logs one in. */
static bk_err log_in_elsewhere(bk_req *req, bk_res *res)
{
    bk_session *session;
    int64_t number;

    BK_TRY(bk_session_of(req, &session));
    if (bk_str_to_i64(bk_req_header(req, "x-who"), &number) == BK_OK)
        bk_session_set_i64(session, "userId", number);
    else
        bk_session_set_str(session, "userId", bk_req_header(req, "x-who"));
    return bk_res_empty(res);
}

static bk_err load(bk_req *req, bk_principal *who, void *data)
{
    (void)req;
    (void)data;
    if (bk_str_eq(who->id, BK_LIT("gone")))
        return bk_fail(BK_ENOTFOUND, "no such user");
    if (bk_str_eq(who->id, BK_LIT("unlucky")))
        return bk_fail(BK_EUNAVAILABLE, "the database is not there");
    if (bk_str_eq(who->id, BK_LIT("ed")))
        who->roles = editor;
    return BK_OK;
}

static struct http_app open_site(const bk_mw_session_auth_opts *opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);
    bk_sessions *sessions = bk_sessions_new(it.app, &(bk_sessions_opts){.secrets = secrets});

    bk_use(root, bk_mw_session(it.app, &(bk_mw_session_opts){.sessions = sessions}));
    bk_use(root, bk_mw_session_auth(it.app, opts));
    bk_post(root, "/login", log_in);
    bk_post(root, "/elsewhere", log_in_elsewhere);
    bk_get(root, "/open", show);
    bk_router *inner = bk_router_group(root, "/inner");
    bk_use(inner, bk_mw_guard(it.app, &(bk_mw_guard_opts){.any_role = editors}));
    bk_get(inner, "/", show);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

/* GET @p target as @p who, logged in at @p login. */
static bk_test_res *ask_after(struct http_app *it, const char *login, const char *who,
                              const char *target)
{
    bk_test_res *res = http_send(it, "POST", login, FIELDS("x-who", who), NULL);
    bk_str line = bk_test_header(res, "Set-Cookie"), pair;
    char cookie[256];

    assert_status(res, 204);
    assert_true(bk_str_split(&line, ';', &pair));
    snprintf(cookie, sizeof cookie, "%.*s", BK_PRI(pair));
    return http_get(it, target, "cookie", cookie);
}

static bk_test_res *ask_as(struct http_app *it, const char *who, const char *target)
{
    return ask_after(it, "/login", who, target);
}

static void test_a_sessions_user_is_the_principal(void **state)
{
    (void)state;
    struct http_app it = open_site(NULL);

    assert_answer(bk_test_get(it.test, "/open"), 200, "nobody");
    assert_answer(ask_as(&it, "ann", "/open"), 200, "ann");
    assert_status(ask_as(&it, "ann", "/inner"), 403);
    http_app_close(&it);
}

static void test_what_is_known_of_a_user_is_loaded(void **state)
{
    (void)state;
    struct http_app it = open_site(&(bk_mw_session_auth_opts){.load = load});

    assert_answer(ask_as(&it, "ed", "/inner"), 200, "ed");
    assert_answer(ask_as(&it, "ann", "/open"), 200, "ann");
    assert_answer(ask_as(&it, "gone", "/open"), 200, "nobody");
    assert_status(ask_as(&it, "gone", "/inner"), 401);
    assert_status(ask_as(&it, "unlucky", "/open"), 503);
    http_app_close(&it);
}

static void test_a_login_of_another_service_is_one(void **state)
{
    (void)state;
    struct http_app it = open_site(&(bk_mw_session_auth_opts){.key = "userId"});

    assert_answer(ask_after(&it, "/elsewhere", "ann", "/open"), 200, "ann");
    assert_answer(ask_after(&it, "/elsewhere", "7", "/open"), 200, "7");
    assert_answer(ask_as(&it, "bob", "/open"), 200, "bob");
    assert_answer(bk_test_get(it.test, "/open"), 200, "nobody");
    http_app_close(&it);
    it = open_site(NULL);
    assert_answer(ask_after(&it, "/elsewhere", "ann", "/open"), 200, "nobody");
    http_app_close(&it);
}

static bk_err know_already(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    (void)data;
    bk_req_set_principal(req, &(bk_principal){.id = BK_LIT("ed")});
    return bk_next_run(next, req, res);
}

/* No session stands around it, so a look at one would end the program. */
static void test_who_is_known_already_needs_no_session(void **state)
{
    (void)state;
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    bk_use(root, bk_mw(know_already, NULL));
    bk_use(root, bk_mw_session_auth(it.app, NULL));
    bk_get(root, "/open", show);
    it.test = bk_test_new(it.app, NULL);
    assert_answer(bk_test_get(it.test, "/open"), 200, "ed");
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_not_known_gets_401_with_a_challenge),
        cmocka_unit_test(test_the_challenge_can_be_another),
        cmocka_unit_test(test_who_is_known_passes_where_nothing_else_is_asked),
        cmocka_unit_test(test_one_of_the_roles_is_enough),
        cmocka_unit_test(test_every_permission_is_needed),
        cmocka_unit_test(test_nobody_has_no_roles),
        cmocka_unit_test(test_a_sessions_user_is_the_principal),
        cmocka_unit_test(test_what_is_known_of_a_user_is_loaded),
        cmocka_unit_test(test_a_login_of_another_service_is_one),
        cmocka_unit_test(test_who_is_known_already_needs_no_session),
    };
    return cmocka_run_group_tests_name("middleware_guard", tests, NULL, NULL);
}
