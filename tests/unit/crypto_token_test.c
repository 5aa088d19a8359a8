/*
 * Tokens and API keys: their form, and what matches them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/token.h>

#include "text.h"
#include "harness/aborts.h"

static void test_a_hash_is_sha256(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    /* of FIPS 180-4's example "abc" */
    assert_text(bk_token_hash(arena, BK_LIT("abc")),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    bk_arena_free(arena);
}

static void test_only_the_token_matches_its_hash(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    bk_str one = bk_token_new(arena), other = bk_token_new(arena);
    bk_str hash = bk_token_hash(arena, one);

    assert_int_equal(one.len, 43);
    assert_false(bk_str_eq(one, other));
    assert_true(bk_token_matches(one, hash));
    assert_false(bk_token_matches(other, hash));
    assert_false(bk_token_matches(one, bk_str_at(hash.ptr, BK_TOKEN_HASH - 1)));
    assert_false(bk_token_matches(one, bk_str_of(NULL)));
    assert_false(bk_token_matches(bk_str_of(NULL), hash));
    bk_arena_free(arena);
}

static void test_a_key_holds_its_id_and_is_kept_as_a_hash(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    bk_api_key key;

    bk_api_key_new(arena, "shop", &key);
    assert_int_equal(key.text.len, 4 + 1 + 12 + 1 + 40);
    assert_memory_equal(key.text.ptr, "shop_", 5);
    assert_int_equal(key.id.len, 12);
    assert_true(bk_str_eq(bk_api_key_id(key.text, "shop"), key.id));
    assert_true(bk_token_matches(key.text, key.hash));
    bk_arena_free(arena);
}

static void test_what_has_not_the_form_of_a_key_has_no_id(void **state)
{
    (void)state;
    static const char good[] = "shop_0123456789Ab_0123456789012345678901234567890123456789";
    char bad[sizeof good];

    assert_text(bk_api_key_id(bk_str_of(good), "shop"), "0123456789Ab");
    assert_absent(bk_api_key_id(bk_str_of(good), "ship"));
    assert_absent(bk_api_key_id(bk_str_of(good), "sho"));
    assert_absent(bk_api_key_id(bk_str_of(good), "shops"));
    assert_absent(bk_api_key_id(bk_str_of(NULL), "shop"));
    assert_absent(bk_api_key_id(BK_LIT(""), "shop"));
    for (size_t len = 0; len < strlen(good); len++)
        assert_absent(bk_api_key_id(bk_str_at(good, len), "shop"));
    for (size_t i = 0; i < strlen(good); i++) {
        memcpy(bad, good, sizeof good);
        bad[i] = i % 2 ? '-' : '\0';
        assert_absent(bk_api_key_id(bk_str_at(bad, strlen(good)), "shop"));
    }
}

static void no_prefix(void)
{
    bk_api_key key;
    bk_api_key_new(bk_arena_new(), "", &key);
}

static void prefix_with_a_bar(void)
{
    bk_api_key key;
    bk_api_key_new(bk_arena_new(), "my_shop", &key);
}

static void test_a_prefix_that_would_not_be_found_again_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(no_prefix));
    assert_true(aborts(prefix_with_a_bar));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hash_is_sha256),
        cmocka_unit_test(test_only_the_token_matches_its_hash),
        cmocka_unit_test(test_a_key_holds_its_id_and_is_kept_as_a_hash),
        cmocka_unit_test(test_what_has_not_the_form_of_a_key_has_no_id),
        cmocka_unit_test(test_a_prefix_that_would_not_be_found_again_stops_the_program),
    };
    return cmocka_run_group_tests_name("crypto_token", tests, NULL, NULL);
}
