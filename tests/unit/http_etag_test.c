#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include <backend/str.h>

#include "http/etag.h"
#include "text.h"

static bool none_match(const char *header, const char *tag)
{
    return bk__etag_none_match_hits(bk_str_of(header), bk_str_of(tag));
}

static bool if_match(const char *header, const char *tag)
{
    return bk__etag_match_hits(bk_str_of(header), bk_str_of(tag));
}

static void test_a_made_tag_is_weak_valid_and_tells_the_length(void **state)
{
    char out[BK__ETAG_MAX];
    char *body = calloc(1, 0x12345);
    (void)state;

    size_t len = bk__etag_weak(BK_LIT(""), out);
    assert_true(bk_str_starts(bk_str_at(out, len), BK_LIT("W/\"0-")));
    assert_true(bk__etag_valid(bk_str_at(out, len)));
    assert_int_equal(len, 3 + 1 + 1 + 16 + 1);
    assert_int_equal(bk__etag_weak((bk_str){0}, out), len);

    len = bk__etag_weak(bk_str_at(body, 16), out);
    assert_true(bk_str_starts(bk_str_at(out, len), BK_LIT("W/\"10-")));
    len = bk__etag_weak(bk_str_at(body, 0x12345), out);
    assert_true(bk_str_starts(bk_str_at(out, len), BK_LIT("W/\"12345-")));
    assert_true(bk__etag_valid(bk_str_at(out, len)));
    assert_in_range(len, 1, BK__ETAG_MAX);
    free(body);
}

static void test_equal_bodies_have_equal_tags_and_others_have_others(void **state)
{
    char a[BK__ETAG_MAX], b[BK__ETAG_MAX];
    (void)state;
    size_t len = bk__etag_weak(BK_LIT("{\"id\":1}"), a);
    assert_int_equal(bk__etag_weak(BK_LIT("{\"id\":1}"), b), len);
    assert_memory_equal(a, b, len);
    assert_int_equal(bk__etag_weak(BK_LIT("{\"id\":2}"), b), len);
    assert_memory_not_equal(a, b, len);
    assert_true(bk__etag_none_match_hits(bk_str_at(a, len), bk_str_at(a, len)));
    assert_false(bk__etag_none_match_hits(bk_str_at(a, len), bk_str_at(b, len)));
}

static void test_valid_tags_are_quoted_visible_bytes(void **state)
{
    static const char *const good[] = {"\"\"", "\"a\"", "W/\"a\"", "W/\"\"",
                                       "\"a,\\b'!#~\x80\xff\""};
    static const char *const bad[] = {"",          "a",        "\"",      "\"a",    "a\"",
                                      "W/",        "W/a",      "w/\"a\"", "W\"a\"", "\"a\"b",
                                      "\"a b\"",   "\"a\"\"",  " \"a\"",  "\"a\" ", "\"a\x7f\"",
                                      "\"a\x01\"", "W/ \"a\"", "*"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(bk__etag_valid(bk_str_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(bk__etag_valid(bk_str_of(bad[i])));
    assert_false(bk__etag_valid((bk_str){0}));
    assert_false(bk__etag_valid(bk_str_at("\"a\0\"", 4)));
}

static void test_if_none_match_compares_weakly(void **state)
{
    (void)state;
    assert_true(none_match("\"a\"", "\"a\""));
    assert_true(none_match("W/\"a\"", "\"a\""));
    assert_true(none_match("\"a\"", "W/\"a\""));
    assert_true(none_match("W/\"a\"", "W/\"a\""));
    assert_false(none_match("\"a\"", "\"b\""));
    assert_false(none_match("\"a\"", "\"A\""));
    assert_false(none_match("\"ab\"", "\"a\""));
}

static void test_if_match_compares_strongly(void **state)
{
    (void)state;
    assert_true(if_match("\"a\"", "\"a\""));
    assert_false(if_match("W/\"a\"", "\"a\""));
    assert_false(if_match("\"a\"", "W/\"a\""));
    assert_false(if_match("W/\"a\"", "W/\"a\""));
    assert_true(if_match("W/\"a\", \"a\"", "\"a\""));
}

static void test_any_tag_of_a_list_counts(void **state)
{
    (void)state;
    assert_true(none_match("\"x\", \"a\"", "\"a\""));
    assert_true(none_match("\"a\",\"x\"", "\"a\""));
    assert_true(none_match("  , \"x\"\t,,W/\"a\" ,", "\"a\""));
    assert_true(none_match("\"x,y\", \"a\"", "\"a\""));
    assert_true(none_match("\"x\\\", \"a\"", "\"a\""));
    assert_false(none_match("\"x,\", \"y\"", "\"a\""));
}

static void test_a_star_hits_whatever_exists(void **state)
{
    (void)state;
    assert_true(none_match("*", "\"a\""));
    assert_true(none_match(" * ", "W/\"a\""));
    assert_true(if_match("*", "W/\"a\""));
    assert_true(none_match("*", NULL));
    assert_false(none_match("*, \"b\"", "\"a\""));
    assert_false(none_match("\"*\"", "\"a\""));
}

static void test_a_malformed_list_matches_nothing(void **state)
{
    static const char *const bad[] = {
        "\"a\" \"b\"",    "\"a\"b",   "a",          "\"a\", b",  "\"a\", \"b",
        "\"a\", W/",      "\"a\", *", "\"a\";",     "\"a\", \"", "w/\"a\", \"a\"",
        "\"a\", \"b c\"", "'a'",      "\"a\"\"a\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(none_match(bad[i], "\"a\""));
        assert_false(if_match(bad[i], "\"a\""));
    }
}

static void test_what_is_not_there_matches_nothing(void **state)
{
    (void)state;
    assert_false(none_match(NULL, "\"a\""));
    assert_false(none_match("", "\"a\""));
    assert_false(none_match(", ,", "\"a\""));
    assert_false(none_match("\"a\"", NULL));
    assert_false(none_match("\"\"", ""));
    assert_false(none_match("\"a\"", "a"));
    assert_false(if_match(NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_made_tag_is_weak_valid_and_tells_the_length),
        cmocka_unit_test(test_equal_bodies_have_equal_tags_and_others_have_others),
        cmocka_unit_test(test_valid_tags_are_quoted_visible_bytes),
        cmocka_unit_test(test_if_none_match_compares_weakly),
        cmocka_unit_test(test_if_match_compares_strongly),
        cmocka_unit_test(test_any_tag_of_a_list_counts),
        cmocka_unit_test(test_a_star_hits_whatever_exists),
        cmocka_unit_test(test_a_malformed_list_matches_nothing),
        cmocka_unit_test(test_what_is_not_there_matches_nothing),
    };
    return cmocka_run_group_tests_name("http/etag", tests, NULL, NULL);
}
