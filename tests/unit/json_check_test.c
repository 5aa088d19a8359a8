/* What is JSON, by the files of JSONTestSuite and by the rules that we add. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/json.h>

#include "json/check.h"

#ifndef BK_SOURCE_ROOT
#define BK_SOURCE_ROOT "."
#endif

static bk_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = bk_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bk_arena_free(arena);
    return 0;
}

static void assert_taken(const char *text)
{
    bk_json *value;
    assert_int_equal(bk_json_check(bk_str_of(text), NULL), BK_OK);
    assert_int_equal(bk_json_parse(arena, bk_str_of(text), NULL, &value), BK_OK);
    assert_true(bk__json_valid(bk_str_of(text)));
}

/* Both ways refuse it, for the same reason at the same byte. */
static void assert_refused(const char *text, const char *why)
{
    bk_json *value;
    assert_int_equal(bk_json_check(bk_str_of(text), NULL), BK_EINVAL);
    assert_string_equal(bk_error_chain()->message.ptr, why);
    assert_int_equal(bk_json_parse(arena, bk_str_of(text), NULL, &value), BK_EINVAL);
    assert_string_equal(bk_error_chain()->message.ptr, why);
    assert_false(bk__json_valid(bk_str_of(text)));
}

static bk_str read_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(size + 1); /* of its own, so that a sanitizer sees a read past the end */
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, size, file), size);
    fclose(file);
    return bk_str_at(bytes, size);
}

/* Well-formed, but not what we take: duplicate keys, and NUL in a key or a string. */
static bool refused_by_our_rules(const char *name)
{
    static const char *const names[] = {
        "y_object_duplicated_key.json",
        "y_object_duplicated_key_and_value.json",
        "y_object_escaped_null_in_key.json",
        "y_string_null_escape.json",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static void test_json_test_suite_is_judged_right_by_check_and_parse(void **state)
{
    const char *folder = getenv("BK_JSON_SUITE");
    int taken = 0, refused = 0, free_ones = 0;
    struct dirent *entry;
    bk_json *value;

    (void)state;
    if (folder == NULL)
        folder = BK_SOURCE_ROOT "/tests/fuzz/corpus/json";
    DIR *files = opendir(folder);
    assert_non_null(files);
    while ((entry = readdir(files)) != NULL) {
        char kind = entry->d_name[0];
        if (entry->d_name[1] != '_' || strchr("yni", kind) == NULL)
            continue;
        bk_str text = read_file(folder, entry->d_name);
        bk_err checked = bk_json_check(text, NULL);
        bk_err parsed = bk_json_parse(arena, text, NULL, &value);
        bool good = kind == 'y' && !refused_by_our_rules(entry->d_name);
        if (checked != parsed || (good && checked != BK_OK) ||
            (!good && kind != 'i' && checked == BK_OK))
            fail_msg("%s: check says %d, parse says %d", entry->d_name, checked, parsed);
        taken += kind == 'y';
        refused += kind == 'n';
        free_ones += kind == 'i';
        free((void *)(uintptr_t)text.ptr);
    }
    closedir(files);
    assert_int_equal(taken, 95);
    assert_int_equal(refused, 188);
    assert_int_equal(free_ones, 35);
}

static void test_any_value_may_stand_at_the_top(void **state)
{
    (void)state;
    assert_taken("{}");
    assert_taken(" [ ] ");
    assert_taken("\"\"");
    assert_taken("-0");
    assert_taken("null");
    assert_taken("\t\r\n true \n");
}

static void test_what_is_wrong_is_said_with_its_byte(void **state)
{
    (void)state;
    assert_refused("", "invalid JSON: unexpected end at byte 0");
    assert_refused("  ", "invalid JSON: unexpected end at byte 2");
    assert_refused("{\"a\":1,}", "invalid JSON: expected a key in quotes at byte 7");
    assert_refused("{\"a\" 1}", "invalid JSON: expected ':' at byte 5");
    assert_refused("{\"a\":1 \"b\":2}", "invalid JSON: expected ',' or '}' at byte 7");
    assert_refused("[1,]", "invalid JSON: expected a value at byte 3");
    assert_refused("[1 2]", "invalid JSON: expected ',' or ']' at byte 3");
    assert_refused("[1", "invalid JSON: unexpected end at byte 2");
    assert_refused("1 2", "invalid JSON: text after the value at byte 2");
    assert_refused("01", "invalid JSON: text after the value at byte 1");
    assert_refused("-", "invalid JSON: unexpected end at byte 1");
    assert_refused("1.x", "invalid JSON: expected a digit at byte 2");
    assert_refused("+1", "invalid JSON: expected a value at byte 0");
    assert_refused("nul", "invalid JSON: expected a value at byte 0");
    assert_refused("\"abc", "invalid JSON: string without end at byte 4");
    assert_refused("\"a\tb\"", "invalid JSON: control character in a string at byte 2");
    assert_refused("\"\\x\"", "invalid JSON: unknown escape at byte 1");
    assert_refused("\"\\u12g4\"", "invalid JSON: \\u needs four hex digits at byte 1");
    assert_refused("\"a\\u0000\"", "invalid JSON: NUL is not allowed in a string at byte 2");
    assert_refused("\"\\ud800\"", "invalid JSON: lone surrogate at byte 1");
    assert_refused("\"\\udc00\"", "invalid JSON: lone surrogate at byte 1");
    assert_refused("\"\\ud800\\u0041\"", "invalid JSON: lone surrogate at byte 1");
    assert_refused("\"ok\xc0\xaf\"", "invalid JSON: bytes that are not UTF-8 at byte 3");
    assert_refused("\"\xed\xa0\x80\"", "invalid JSON: bytes that are not UTF-8 at byte 1");
    assert_refused("\"\xf4\x90\x80\x80\"", "invalid JSON: bytes that are not UTF-8 at byte 1");
    assert_refused("\xef\xbb\xbf{}", "invalid JSON: expected a value at byte 0");
}

static void test_a_raw_nul_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    assert_int_equal(bk_json_check(bk_str_at("\"a\0b\"", 5), NULL), BK_EINVAL);
    assert_int_equal(bk_json_check(bk_str_at("[\0]", 3), NULL), BK_EINVAL);
    assert_int_equal(bk_json_check(bk_str_at("1\0", 2), NULL), BK_EINVAL);
    assert_int_equal(bk_json_check((bk_str){0}, NULL), BK_EINVAL);
}

static void test_numbers_must_be_in_the_range_of_double(void **state)
{
    (void)state;
    assert_taken("1e308");
    assert_taken("1.7976931348623157e308");
    assert_taken("1e-400");
    assert_taken("0e999999999999");
    assert_refused("1e309", "invalid JSON: number out of range at byte 0");
    assert_refused("[1, -1e400]", "invalid JSON: number out of range at byte 4");
    assert_refused("1.7976931348623159e308", "invalid JSON: number out of range at byte 0");
}

static void test_duplicate_keys_are_refused_in_one_object_only(void **state)
{
    (void)state;
    assert_taken("[{\"a\":1},{\"a\":2},{\"b\":{\"a\":{\"b\":3}},\"a\":4}]");
    assert_taken("{\"a\":1,\"A\":2,\"\":3,\"aa\":4}");
    assert_refused("{\"a\":1,\"a\":2}", "invalid JSON: duplicate key at byte 7");
    assert_refused("{\"a\":1,\"\\u0061\":2}", "invalid JSON: duplicate key at byte 7");
    assert_refused("{\"x\":{\"\":1,\"b\":[{}],\"\":1}}", "invalid JSON: duplicate key at byte 20");
    assert_refused("{\"\xc3\xa9\":1,\"\\u00e9\":2}", "invalid JSON: duplicate key at byte 8");
}

/* {"<prefix>0":0,"<prefix>1":0,...} with the last key equal to key `again`, if that is not -1. */
static bk_str many_keys(int count, int again)
{
    bk_buf buf = {.arena = arena};
    bk_buf_add_char(&buf, '{');
    for (int i = 0; i < count; i++) {
        int key = i == count - 1 && again >= 0 ? again : i;
        bk_buf_printf(&buf, "%s\"the-same-beginning-%06d\":0", i != 0 ? "," : "", key);
    }
    bk_buf_add_char(&buf, '}');
    return bk_buf_str(&buf);
}

static void test_duplicates_are_found_among_few_and_many(void **state)
{
    (void)state;
    for (int count = 2; count < 40; count++) {
        assert_int_equal(bk_json_check(many_keys(count, -1), NULL), BK_OK);
        for (int again = 0; again < count - 1; again++)
            assert_int_equal(bk_json_check(many_keys(count, again), NULL), BK_EINVAL);
    }
}

static void test_the_time_for_a_hundred_thousand_keys_is_not_quadratic(void **state)
{
    const bk_json_limits limits = {.max_nodes = 200000};
    bk_json *value;

    (void)state;
    bk_str text = many_keys(100000, -1), twice = many_keys(100000, 77);
    uint64_t start = bk_now_ms();
    assert_int_equal(bk_json_check(text, &limits), BK_OK);
    assert_int_equal(bk_json_parse(arena, text, &limits, &value), BK_OK);
    assert_int_equal(bk_json_check(twice, &limits), BK_EINVAL);
    assert_true(bk_now_ms() - start < 3000); /* 10^10 comparisons would take longer */
}

static bk_str nested(unsigned depth)
{
    bk_buf buf = {.arena = arena};
    for (unsigned i = 0; i < depth; i++)
        bk_buf_add(&buf, i % 2 != 0 ? BK_LIT("{\"a\":") : BK_LIT("["));
    bk_buf_add(&buf, BK_LIT("1"));
    for (unsigned i = depth; i > 0; i--)
        bk_buf_add_char(&buf, i % 2 == 0 ? '}' : ']');
    return bk_buf_str(&buf);
}

static void test_depth_is_limited(void **state)
{
    const bk_json_limits three = {.max_depth = 3}, beyond = {.max_depth = 1000};
    bk_json *value;

    (void)state;
    assert_int_equal(bk_json_check(nested(64), NULL), BK_OK);
    assert_int_equal(bk_json_check(nested(65), NULL), BK_ETOOBIG);
    assert_int_equal(bk_json_check(nested(65), &beyond), BK_ETOOBIG);
    assert_int_equal(bk_json_check(nested(3), &three), BK_OK);
    assert_int_equal(bk_json_check(nested(4), &three), BK_ETOOBIG);
    assert_int_equal(bk_json_parse(arena, nested(64), NULL, &value), BK_OK);
    assert_int_equal(bk_json_parse(arena, nested(65), NULL, &value), BK_ETOOBIG);
    assert_string_equal(bk_error_chain()->message.ptr, "invalid JSON: nested too deep at byte 192");
}

static void test_the_number_of_values_is_limited(void **state)
{
    const bk_json_limits four = {.max_nodes = 4};
    bk_buf buf = {.arena = arena};

    (void)state;
    assert_int_equal(bk_json_check(BK_LIT("[1,{\"a\":2}]"), &four), BK_OK);
    assert_int_equal(bk_json_check(BK_LIT("[1,{\"a\":2},3]"), &four), BK_ETOOBIG);
    bk_buf_add_char(&buf, '[');
    for (int i = 0; i < 99998; i++)
        bk_buf_add(&buf, BK_LIT("1,"));
    size_t len = buf.len;
    bk_buf_add(&buf, BK_LIT("1]"));
    assert_int_equal(bk_json_check(bk_buf_str(&buf), NULL), BK_OK);
    buf.len = len;
    bk_buf_add(&buf, BK_LIT("1,1]"));
    assert_int_equal(bk_json_check(bk_buf_str(&buf), NULL), BK_ETOOBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_test_suite_is_judged_right_by_check_and_parse),
        cmocka_unit_test(test_any_value_may_stand_at_the_top),
        cmocka_unit_test(test_what_is_wrong_is_said_with_its_byte),
        cmocka_unit_test(test_a_raw_nul_is_refused_wherever_it_stands),
        cmocka_unit_test(test_numbers_must_be_in_the_range_of_double),
        cmocka_unit_test(test_duplicate_keys_are_refused_in_one_object_only),
        cmocka_unit_test(test_duplicates_are_found_among_few_and_many),
        cmocka_unit_test(test_the_time_for_a_hundred_thousand_keys_is_not_quadratic),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_the_number_of_values_is_limited),
    };
    return cmocka_run_group_tests_name("json/check", tests, set_up, tear_down);
}
