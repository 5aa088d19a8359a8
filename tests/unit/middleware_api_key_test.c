/*
 * Which API keys are taken, and where they may stand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/middleware/api_key.h>

#include "text.h"
#include "harness/aborts.h"
#include "harness/http_app.h"

struct shop {
    bk_api_key key;
    int asked;
    bk_err fails_with; /* BK_OK: it does not */
};

static bk_err find(bk_req *req, bk_str id, bk_str *hash, bk_principal *out, void *data)
{
    struct shop *shop = data;

    (void)req;
    shop->asked++;
    if (shop->fails_with != BK_OK)
        return bk_fail(shop->fails_with, "the table is not there");
    if (!bk_str_eq(id, shop->key.id))
        return bk_fail(BK_ENOTFOUND, "no such key");
    *hash = shop->key.hash;
    out->id = BK_LIT("robot");
    return BK_OK;
}

static bk_err show(bk_req *req, bk_res *res)
{
    const bk_principal *who = bk_req_principal(req);

    return bk_res_text(res, 200, who != NULL ? who->id : BK_LIT("nobody"));
}

static struct http_app open_shop(struct shop *shop, bk_arena *arena, bool optional)
{
    struct http_app it = {.app = bk_app_new(NULL)};

    *shop = (struct shop){0};
    bk_api_key_new(arena, "shop", &shop->key);
    bk_use(bk_app_router(it.app),
           bk_mw_api_key(it.app,
                         &(bk_mw_api_key_opts){
                             .prefix = "shop", .find = find, .data = shop, .optional = optional}));
    bk_get(bk_app_router(it.app), "/", show);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static void test_a_key_is_taken_from_either_header(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct shop shop;
    struct http_app it = open_shop(&shop, arena, false);
    char bearer[128];

    snprintf(bearer, sizeof bearer, "bearer  %s", shop.key.text.ptr);
    assert_answer(http_get(&it, "/", "x-api-key", shop.key.text.ptr), 200, "robot");
    assert_answer(http_get(&it, "/", "authorization", bearer), 200, "robot");
    http_app_close(&it);
    bk_arena_free(arena);
}

static void test_without_a_key_there_is_a_challenge(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct shop shop;
    struct http_app it = open_shop(&shop, arena, false);

    bk_test_res *res = bk_test_get(it.test, "/");
    assert_problem(res, 401, "this needs an API key");
    assert_text(bk_test_header(res, "WWW-Authenticate"), "ApiKey");
    assert_problem(http_get(&it, "/", "authorization", "Basic YTpi"), 401, "this needs an API key");
    assert_problem(http_get(&it, "/", "authorization", "Bearer e30.e30.x"), 401,
                   "this needs an API key");
    assert_int_equal(shop.asked, 0);
    http_app_close(&it);
    bk_arena_free(arena);
}

static void test_a_wrong_key_is_refused(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct shop shop;
    struct http_app it = open_shop(&shop, arena, true); /* optional does not let wrong ones in */
    char key[128];

    assert_problem(http_get(&it, "/", "x-api-key", "guess"), 401, "the API key is not valid");
    assert_int_equal(shop.asked, 0);
    snprintf(key, sizeof key, "%s", shop.key.text.ptr);
    size_t last = shop.key.text.len - 1;
    key[last] = key[last] == 'x' ? 'y' : 'x';
    assert_problem(http_get(&it, "/", "x-api-key", key), 401, "the API key is not valid");
    bk_api_key other;
    bk_api_key_new(arena, "shop", &other);
    assert_problem(http_get(&it, "/", "x-api-key", other.text.ptr), 401,
                   "the API key is not valid");
    assert_int_equal(shop.asked, 2);
    http_app_close(&it);
    bk_arena_free(arena);
}

static void test_optional_lets_in_who_sends_none_or_another_kind(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct shop shop;
    struct http_app it = open_shop(&shop, arena, true);

    assert_answer(bk_test_get(it.test, "/"), 200, "nobody");
    assert_answer(http_get(&it, "/", "authorization", "Bearer e30.e30.x"), 200, "nobody");
    assert_answer(http_get(&it, "/", "x-api-key", shop.key.text.ptr), 200, "robot");
    http_app_close(&it);
    bk_arena_free(arena);
}

static void test_a_store_that_fails_is_no_401(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct shop shop;
    struct http_app it = open_shop(&shop, arena, false);

    shop.fails_with = BK_EUNAVAILABLE;
    bk_test_res *res = http_get(&it, "/", "x-api-key", shop.key.text.ptr);
    assert_status(res, 503);
    assert_absent(bk_test_header(res, "WWW-Authenticate"));
    http_app_close(&it);
    bk_arena_free(arena);
}

static void nothing_to_find_by(void)
{
    bk_middleware never = bk_mw_api_key(bk_app_new(NULL), &(bk_mw_api_key_opts){.prefix = "shop"});
    (void)never;
}

static void test_settings_that_are_missing_stop_the_program(void **state)
{
    (void)state;
    assert_true(aborts(nothing_to_find_by));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_is_taken_from_either_header),
        cmocka_unit_test(test_without_a_key_there_is_a_challenge),
        cmocka_unit_test(test_a_wrong_key_is_refused),
        cmocka_unit_test(test_optional_lets_in_who_sends_none_or_another_kind),
        cmocka_unit_test(test_a_store_that_fails_is_no_401),
        cmocka_unit_test(test_settings_that_are_missing_stop_the_program),
    };
    return cmocka_run_group_tests_name("middleware_api_key", tests, NULL, NULL);
}
