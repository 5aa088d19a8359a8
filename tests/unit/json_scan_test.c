#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>

#include "json/keys.h"
#include "json/plain.h"
#include "json/scan.h"
#include "text.h"

static void test_tokens_come_in_the_order_of_the_grammar(void **state)
{
    static const enum bk__token want[] = {
        BK__TOKEN_BEGIN_OBJECT, BK__TOKEN_KEY,       BK__TOKEN_BEGIN_ARRAY, BK__TOKEN_NUMBER,
        BK__TOKEN_TRUE,         BK__TOKEN_FALSE,     BK__TOKEN_NULL,        BK__TOKEN_BEGIN_OBJECT,
        BK__TOKEN_END_OBJECT,   BK__TOKEN_END_ARRAY, BK__TOKEN_KEY,         BK__TOKEN_STRING,
        BK__TOKEN_END_OBJECT,   BK__TOKEN_END,       BK__TOKEN_END,
    };
    struct bk__scan scan;

    (void)state;
    bk__scan_init(&scan, BK_LIT(" { \"a\" : [ 1 , true,false,null,{}] , \"b\":\"c\" } "), 0, 0);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(bk__scan_next(&scan), want[i]);
}

static void test_an_error_is_answered_for_ever(void **state)
{
    struct bk__scan scan;

    (void)state;
    bk__scan_init(&scan, BK_LIT("[1,,2]"), 0, 0);
    assert_int_equal(bk__scan_next(&scan), BK__TOKEN_BEGIN_ARRAY);
    assert_int_equal(bk__scan_next(&scan), BK__TOKEN_NUMBER);
    for (int i = 0; i < 3; i++)
        assert_int_equal(bk__scan_next(&scan), BK__TOKEN_ERROR);
    assert_int_equal(bk__scan_fail(&scan), BK_EINVAL);
    assert_text(bk_error_chain()->message, "invalid JSON: expected a value at byte 3");
}

static void test_its_user_may_refuse_as_well(void **state)
{
    struct bk__scan scan;

    (void)state;
    bk__scan_init(&scan, BK_LIT("[1,2]"), 0, 0);
    (void)bk__scan_next(&scan);
    bk__scan_refuse(&scan, scan.start, "not today");
    assert_int_equal(bk__scan_next(&scan), BK__TOKEN_ERROR);
    assert_int_equal(bk__scan_fail(&scan), BK_EINVAL);
    assert_text(bk_error_chain()->message, "invalid JSON: not today at byte 0");
}

/* Scans one string and returns its value. */
static bk_str value_of(bk_arena *arena, const char *json, bool escaped)
{
    struct bk__scan scan;
    bk__scan_init(&scan, bk_str_of(json), 0, 0);
    assert_int_equal(bk__scan_next(&scan), BK__TOKEN_STRING);
    assert_int_equal(scan.escaped, escaped);
    bk_str value = bk__scan_text(&scan, arena);
    if (!escaped)
        assert_ptr_equal(value.ptr, json + 1); /* borrowed */
    assert_int_equal(bk__scan_next(&scan), BK__TOKEN_END);
    return value;
}

static void test_strings_are_borrowed_or_unescaped(void **state)
{
    bk_arena *arena = bk_arena_new();

    (void)state;
    assert_text(value_of(arena, "\"plain\"", false), "plain");
    assert_text(value_of(arena, "\"\"", false), "");
    assert_text(value_of(arena, "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"", false),
                "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_text(value_of(arena, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", true), "\"\\/\b\f\n\r\t");
    assert_text(value_of(arena, "\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\\uffff\"", true),
                "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf");
    assert_text(value_of(arena, "\"\\u007f\\u0080\\u07ff\\u0800\\udbff\\udfff\"", true),
                "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xf4\x8f\xbf\xbf");
    bk_arena_free(arena);
}

static void test_plain_runs_end_where_a_bytewise_look_ends_them(void **state)
{
    unsigned char bytes[24];

    (void)state;
    srand(7);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand() % (sizeof(bytes) + 1);
        for (size_t i = 0; i < len; i++)
            bytes[i] = rand() % 8 != 0 ? (unsigned char)('a' + rand() % 26) : (unsigned char)rand();
        size_t want = 0;
        while (want < len && bk__plain(bytes[want]))
            want++;
        const char *at = (const char *)bytes;
        assert_int_equal(bk__plain_end(at, at + len) - at, want);
    }
}

static void test_nothing_is_read_past_the_end(void **state)
{
    static const char text[] = "{\"k\\n\":[1.5e3,\"a\\u20ac\xe2\x82\xac\",true,null,false,-0]}";

    (void)state;
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char *exact = malloc(len + 1); /* a sanitizer sees the byte behind */
        struct bk__scan scan;
        enum bk__token token;
        memcpy(exact + 1, text, len);
        bk__scan_init(&scan, bk_str_at(exact + 1, len), 0, 0);
        do {
            token = bk__scan_next(&scan);
        } while (token != BK__TOKEN_ERROR && token != BK__TOKEN_END);
        assert_int_equal(token, BK__TOKEN_ERROR);
        free(exact);
    }
}

static void test_keys_are_compared_in_their_own_object_only(void **state)
{
    bk_arena *arena = bk_arena_new();
    struct bk__keys keys;
    struct bk__key twice;

    (void)state;
    bk__keys_init(&keys, arena);
    bk__keys_push(&keys, BK_LIT("a"), 1, 1);
    bk__keys_push(&keys, BK_LIT("b"), 2, 2);
    bk__keys_push(&keys, BK_LIT("a"), 3, 2);
    assert_false(bk__keys_pop(&keys, 2, &twice));
    bk__keys_push(&keys, BK_LIT("a"), 4, 1);
    assert_true(bk__keys_pop(&keys, 1, &twice));
    assert_int_equal(twice.at, 4);
    assert_text(twice.text, "a");
    assert_int_equal(keys.count, 0);
    bk_arena_free(arena);
}

static void test_checking_a_value_stops_behind_it(void **state)
{
    bk_arena *arena = bk_arena_new();
    struct bk__keys keys;
    struct bk__scan scan;

    (void)state;
    bk__keys_init(&keys, arena);
    bk__scan_init(&scan, BK_LIT("[{\"a\":[1,{}]},2]"), 0, 0);
    (void)bk__scan_next(&scan);
    assert_true(bk__keys_check_value(&keys, &scan, bk__scan_next(&scan)));
    assert_int_equal(bk__scan_next(&scan), BK__TOKEN_NUMBER);
    assert_true(bk__keys_check_value(&keys, &scan, BK__TOKEN_NUMBER));
    assert_int_equal(bk__scan_next(&scan), BK__TOKEN_END_ARRAY);
    bk_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_come_in_the_order_of_the_grammar),
        cmocka_unit_test(test_an_error_is_answered_for_ever),
        cmocka_unit_test(test_its_user_may_refuse_as_well),
        cmocka_unit_test(test_strings_are_borrowed_or_unescaped),
        cmocka_unit_test(test_plain_runs_end_where_a_bytewise_look_ends_them),
        cmocka_unit_test(test_nothing_is_read_past_the_end),
        cmocka_unit_test(test_keys_are_compared_in_their_own_object_only),
        cmocka_unit_test(test_checking_a_value_stops_behind_it),
    };
    return cmocka_run_group_tests_name("json/scan", tests, NULL, NULL);
}
