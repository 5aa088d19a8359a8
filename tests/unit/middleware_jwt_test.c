/*
 * Who is let in by a bearer token, and what those are told who are not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/middleware/jwt.h>

#include "jwt_examples.h"
#include "text.h"
#include "harness/aborts.h"
#include "harness/http_app.h"

#define INVALID "Bearer error=\"invalid_token\", error_description="

static const char *const admins[] = {"admin", NULL};
static const char *const writes[] = {"posts:read", "posts:write", NULL};

static bk_err show(bk_req *req, bk_res *res)
{
    const bk_principal *who = bk_req_principal(req);
    const bk_jwt *jwt = bk_req_jwt(req);

    assert_int_equal(jwt != NULL, who != NULL);
    return bk_res_text(res, 200, who != NULL ? who->id : BK_LIT("nobody"));
}

static struct http_app open_with(const bk_mw_jwt_opts *opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    bk_use(root, bk_mw_jwt(it.app, opts));
    bk_get(root, "/", show);
    bk_router *inner = bk_router_group(root, "/admin");
    bk_use(inner, bk_mw_guard(it.app, &(bk_mw_guard_opts){.any_role = admins}));
    bk_get(inner, "/", show);
    bk_router *posts = bk_router_group(root, "/posts");
    bk_use(posts, bk_mw_guard(it.app, &(bk_mw_guard_opts){.all_permissions = writes}));
    bk_get(posts, "/", show);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

/* GET @p target with a token of @p claims. */
static bk_test_res *ask(struct http_app *it, bk_jwt_keys *keys, const char *target,
                        const char *claims)
{
    bk_arena *arena = bk_arena_new();
    bk_str token;

    assert_int_equal(bk_jwt_sign(keys, arena, bk_str_of(claims), NULL, &token), BK_OK);
    bk_str field = bk_arena_printf(arena, "Bearer %.*s", BK_PRI(token));
    bk_test_res *res = http_get(it, target, "authorization", field.ptr);
    bk_arena_free(arena);
    return res;
}

static void test_the_subject_is_the_principal(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, NULL);
    struct http_app it = open_with(&(bk_mw_jwt_opts){.keys = keys});

    assert_answer(ask(&it, keys, "/", "{\"sub\":\"ann\"}"), 200, "ann");
    assert_answer(ask(&it, keys, "/", "{\"sub\":7}"), 200, "7");
    assert_answer(ask(&it, keys, "/", NULL), 200, "");
    http_app_close(&it);
    bk_jwt_keys_free(keys);
}

static void test_without_a_token_there_is_a_plain_challenge(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, NULL);
    struct http_app it = open_with(&(bk_mw_jwt_opts){.keys = keys});
    static const char *const fields[] = {"Basic YTpi", "Bearer", "Bearer ", "Bearerx.y.z", ""};

    assert_field(bk_test_get(it.test, "/"), "WWW-Authenticate", "Bearer");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        bk_test_res *res = http_get(&it, "/", "authorization", fields[i]);
        assert_problem(res, 401, "this needs a token");
        assert_field(res, "WWW-Authenticate", "Bearer");
    }
    http_app_close(&it);
    bk_jwt_keys_free(keys);
}

static void test_a_wrong_token_is_told_why(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, NULL), *others = keys_of_secret(OTHER_SECRET, NULL);
    struct http_app it = open_with(&(bk_mw_jwt_opts){.keys = keys});

    bk_test_res *res = ask(&it, others, "/", "{\"sub\":\"ann\"}");
    assert_problem(res, 401, "the token's signature is wrong");
    assert_field(res, "WWW-Authenticate", INVALID "\"the token's signature is wrong\"");
    res = ask(&it, keys, "/", "{\"exp\":1}");
    assert_problem(res, 401, "the token has expired");
    assert_field(res, "WWW-Authenticate", INVALID "\"the token has expired\"");
    res = http_get(&it, "/", "authorization", "Bearer x\"y, realm=\"z\"");
    assert_problem(res, 401, "this is no token");
    assert_field(res, "WWW-Authenticate", INVALID "\"this is no token\"");
    http_app_close(&it);
    bk_jwt_keys_free(keys);
    bk_jwt_keys_free(others);
}

static void test_two_tokens_are_none(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, NULL);
    struct http_app it = open_with(&(bk_mw_jwt_opts){.keys = keys});
    bk_arena *arena = bk_arena_new();
    bk_str token;

    assert_int_equal(bk_jwt_sign(keys, arena, bk_str_of(NULL), NULL, &token), BK_OK);
    bk_str field = bk_arena_printf(arena, "Bearer %.*s", BK_PRI(token));
    assert_status(http_get(&it, "/", "authorization", field.ptr), 200);
    assert_status(http_get(&it, "/", "authorization", field.ptr, "authorization", field.ptr), 401);
    bk_arena_free(arena);
    http_app_close(&it);
    bk_jwt_keys_free(keys);
}

static void test_claims_are_roles_and_permissions(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, NULL);
    struct http_app it = open_with(&(bk_mw_jwt_opts){.keys = keys});

    assert_status(ask(&it, keys, "/admin", "{\"sub\":\"a\",\"role\":\"admin\"}"), 200);
    assert_status(ask(&it, keys, "/admin", "{\"sub\":\"a\",\"roles\":[\"x\",\"admin\"]}"), 200);
    assert_status(ask(&it, keys, "/admin", "{\"role\":\"x\",\"roles\":[\"admin\"]}"), 200);
    assert_status(ask(&it, keys, "/admin", "{\"role\":\"admin\",\"roles\":[\"x\"]}"), 200);
    assert_status(ask(&it, keys, "/admin", "{\"sub\":\"a\",\"roles\":{\"admin\":true}}"), 403);
    assert_status(ask(&it, keys, "/admin", "{\"sub\":\"admin\"}"), 403);
    assert_status(ask(&it, keys, "/admin", "{\"role\":\"no admin\"}"), 403); /* one role */
    assert_status(ask(&it, keys, "/admin", "{\"roles\":[\"no admin\"]}"), 403);
    assert_status(ask(&it, keys, "/posts", "{\"scope\":\"posts:write posts:read\"}"), 200);
    assert_status(ask(&it, keys, "/posts",
                      "{\"scp\":[\"posts:read\"],\"permissions\":"
                      "[\"posts:write\"]}"),
                  200);
    assert_status(ask(&it, keys, "/posts", "{\"scope\":\"posts:write\"}"), 403);
    assert_status(bk_test_get(it.test, "/posts"), 401);
    http_app_close(&it);
    bk_jwt_keys_free(keys);
}

static void test_other_claims_may_hold_them(void **state)
{
    (void)state;
    static const char *const groups[] = {"groups", NULL}, *const none[] = {NULL};
    bk_jwt_keys *keys = keys_of_secret(SECRET, NULL);
    struct http_app it =
        open_with(&(bk_mw_jwt_opts){.keys = keys, .roles = groups, .permissions = none});

    assert_status(ask(&it, keys, "/admin", "{\"groups\":[\"admin\"]}"), 200);
    assert_status(ask(&it, keys, "/admin", "{\"role\":\"admin\"}"), 403);
    assert_status(ask(&it, keys, "/posts", "{\"scope\":\"posts:write posts:read\"}"), 403);
    http_app_close(&it);
    bk_jwt_keys_free(keys);
}

static void test_optional_lets_in_who_sends_none_or_another_kind(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, NULL);
    struct http_app it = open_with(&(bk_mw_jwt_opts){.keys = keys, .optional = true});

    assert_answer(bk_test_get(it.test, "/"), 200, "nobody");
    assert_answer(http_get(&it, "/", "authorization", "Basic YTpi"), 200, "nobody");
    assert_answer(http_get(&it, "/", "authorization", "Bearer shop_key_secret"), 200, "nobody");
    assert_status(http_get(&it, "/", "authorization", "Bearer e30.e30.x"), 401);
    assert_answer(ask(&it, keys, "/", "{\"sub\":\"ann\"}"), 200, "ann");
    http_app_close(&it);
    bk_jwt_keys_free(keys);
}

/* --- hooks ------------------------------------------------------------------------------------ */

static bk_err load(bk_req *req, const bk_jwt *jwt, bk_principal *out, void *data)
{
    (void)req;
    (void)data;
    BK_TRY(bk_sleep_ms(1)); /* it may wait */
    if (bk_str_eq(jwt->id, BK_LIT("revoked")))
        return bk_fail(BK_ENOTFOUND, "not \"there\"");
    if (bk_str_eq(out->id, BK_LIT("gone")))
        return bk_fail(BK_EUNAUTHORIZED, "not \"there\" either");
    if (bk_str_eq(out->id, BK_LIT("unlucky")))
        return bk_fail(BK_EUNAVAILABLE, "the database is not there");
    if (bk_str_eq(out->id, BK_LIT("root")))
        out->roles = admins;
    return BK_OK;
}

static void test_what_is_known_of_a_bearer_is_loaded(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, NULL);
    struct http_app it = open_with(&(bk_mw_jwt_opts){.keys = keys, .load = load});

    assert_status(ask(&it, keys, "/admin", "{\"sub\":\"root\"}"), 200);
    assert_status(ask(&it, keys, "/admin", "{\"sub\":\"ann\"}"), 403);
    for (const char *const *claims =
             (const char *const[]){"{\"jti\":\"revoked\"}", "{\"sub\":\"gone\"}", NULL};
         *claims != NULL; claims++) {
        bk_test_res *res = ask(&it, keys, "/", *claims);
        assert_problem(res, 401, "the token has been revoked");
        assert_field(res, "WWW-Authenticate", INVALID "\"the token has been revoked\"");
    }
    bk_test_res *res = ask(&it, keys, "/", "{\"sub\":\"unlucky\"}");
    assert_status(res, 503);
    assert_absent(bk_test_header(res, "WWW-Authenticate"));
    http_app_close(&it);
    bk_jwt_keys_free(keys);
}

struct issuer {
    const char *secret, *kid; /* what it publishes now */
    int asked;
    bk_err fails_with; /* BK_OK: it does not */
};

static bk_err refresh(bk_jwt_keys *keys, void *data)
{
    struct issuer *issuer = data;

    issuer->asked++;
    BK_TRY(bk_sleep_ms(1));
    if (issuer->fails_with != BK_OK)
        return bk_fail(issuer->fails_with, "the issuer is not there");
    bk_jwt_keys_replace(keys, keys_of_secret(issuer->secret, issuer->kid));
    return BK_OK;
}

static void test_keys_are_fetched_again_when_one_is_not_known(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, "one"), *next = keys_of_secret(OTHER_SECRET, "two");
    struct issuer issuer = {OTHER_SECRET, "two", 0, BK_OK};
    struct http_app it =
        open_with(&(bk_mw_jwt_opts){.keys = keys, .refresh = refresh, .data = &issuer});

    assert_status(ask(&it, keys, "/", "{}"), 200);
    assert_status(ask(&it, keys, "/", "{\"exp\":1}"), 401);
    assert_int_equal(issuer.asked, 0);
    assert_status(ask(&it, next, "/", "{}"), 200);
    assert_int_equal(issuer.asked, 1);
    assert_status(ask(&it, next, "/", "{}"), 200);
    assert_int_equal(issuer.asked, 1);
    http_app_close(&it);
    bk_jwt_keys_free(keys);
    bk_jwt_keys_free(next);
}

static void test_an_issuer_that_fails_is_no_401(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, "one"), *next = keys_of_secret(OTHER_SECRET, "two");
    struct issuer issuer = {OTHER_SECRET, "two", 0, BK_EUNAVAILABLE};
    struct http_app it =
        open_with(&(bk_mw_jwt_opts){.keys = keys, .refresh = refresh, .data = &issuer});

    assert_status(ask(&it, next, "/", "{}"), 503);
    issuer.fails_with = BK_EUNAUTHORIZED; /* it does not let us in: our affair */
    assert_status(ask(&it, next, "/", "{}"), 500);
    http_app_close(&it);
    bk_jwt_keys_free(keys);
    bk_jwt_keys_free(next);
}

/* OpenSSL's arithmetic fits on a fiber's stack. */
static void test_every_kind_of_key_works_on_a_fiber(void **state)
{
    (void)state;
    static const char *const all[] = {A1_KEY, A2_KEY, A3_KEY, A4_KEY, ED_KEY};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bk_jwt_keys *keys = keys_of_jwk(all[i], BK_JWT_BY_KEY);
        struct http_app it = open_with(&(bk_mw_jwt_opts){.keys = keys});
        assert_answer(ask(&it, keys, "/", "{\"sub\":\"ann\"}"), 200, "ann");
        http_app_close(&it);
        bk_jwt_keys_free(keys);
    }
}

static void no_keys(void)
{
    bk_middleware never = bk_mw_jwt(bk_app_new(NULL), &(bk_mw_jwt_opts){.optional = true});
    (void)never;
}

static void test_settings_that_are_missing_stop_the_program(void **state)
{
    (void)state;
    assert_true(aborts(no_keys));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_subject_is_the_principal),
        cmocka_unit_test(test_without_a_token_there_is_a_plain_challenge),
        cmocka_unit_test(test_a_wrong_token_is_told_why),
        cmocka_unit_test(test_two_tokens_are_none),
        cmocka_unit_test(test_claims_are_roles_and_permissions),
        cmocka_unit_test(test_other_claims_may_hold_them),
        cmocka_unit_test(test_optional_lets_in_who_sends_none_or_another_kind),
        cmocka_unit_test(test_what_is_known_of_a_bearer_is_loaded),
        cmocka_unit_test(test_keys_are_fetched_again_when_one_is_not_known),
        cmocka_unit_test(test_an_issuer_that_fails_is_no_401),
        cmocka_unit_test(test_every_kind_of_key_works_on_a_fiber),
        cmocka_unit_test(test_settings_that_are_missing_stop_the_program),
    };
    return cmocka_run_group_tests_name("middleware_jwt", tests, NULL, NULL);
}
