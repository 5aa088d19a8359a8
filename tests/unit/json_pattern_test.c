#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/str.h>

#include "../harness/aborts.h"
#include "json/pattern.h"

static void test_a_pattern_matches_somewhere(void **state)
{
    (void)state;
    assert_true(bk__pattern_match("b+", BK_LIT("abbc")));
    assert_false(bk__pattern_match("^b+", BK_LIT("abbc")));
    assert_true(bk__pattern_match("^$", BK_LIT("")));
    assert_true(bk__pattern_match("", BK_LIT("x")));
}

static void test_the_end_is_the_end(void **state)
{
    (void)state;
    assert_true(bk__pattern_match("^[a-z]+$", BK_LIT("abc")));
    assert_false(bk__pattern_match("^[a-z]+$", BK_LIT("abc\n")));
}

static void test_characters_are_code_points(void **state)
{
    (void)state;
    assert_true(bk__pattern_match("^.$", BK_LIT("\xf0\x9f\x98\x80")));
    assert_true(bk__pattern_match("^[\xc3\xa0-\xc3\xbf]$", BK_LIT("\xc3\xa9")));
    assert_false(bk__pattern_match("^..$", BK_LIT("\xc3\xa9")));
}

static void test_a_wrong_pattern_is_explained(void **state)
{
    char room[128];

    (void)state;
    assert_null(bk__pattern_check("^a$", room, sizeof(room)));
    assert_null(bk__pattern_check("^a$", room, sizeof(room)));
    assert_string_equal(bk__pattern_check("(a", room, sizeof(room)), "missing closing parenthesis");
    assert_non_null(bk__pattern_check("\\C", room, sizeof(room)));
    assert_non_null(bk__pattern_check("\xff", room, sizeof(room)));
}

static void match_a_wrong_one(void)
{
    (void)bk__pattern_match("[", BK_LIT("x"));
}

static void test_matching_with_a_wrong_pattern_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(match_a_wrong_one));
}

/* Patterns that take for ever on texts made for that. */
static void test_no_text_makes_a_pattern_slow(void **state)
{
    static const char *const patterns[] = {"^(a+)+$", "^(a|aa)*$", "^(.*a){20}$", "(x+x+)+y",
                                           "^((a*)*)*b"};
    static char text[100001];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 2] = '!';
    uint64_t start = bk_now_ms();
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        (void)bk__pattern_match(patterns[i], bk_str_of(text));
        (void)bk__pattern_match(patterns[i], BK_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"));
        (void)bk__pattern_match(patterns[i], BK_LIT("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    }
    assert_true(bk_now_ms() - start < 20000);
}

static void test_long_honest_texts_pass(void **state)
{
    static char text[1000001];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    assert_true(bk__pattern_match("^[a-z]+$", bk_str_of(text)));
    assert_true(bk__pattern_match("a$", bk_str_of(text)));
    for (size_t i = 5; i < 100000; i += 6)
        text[i] = ',';
    text[100000] = '\0';
    assert_true(bk__pattern_match("^([a-z]+,)*[a-z]+$", bk_str_of(text)));
    assert_true(bk__pattern_match("^(?:\\w|,)+$", bk_str_of(text)));
}

/* Returns @p mistakes, NULL, when there was none. */
static void *match_often(void *mistakes)
{
    static char one;
    for (int i = 0; i < 2000; i++) {
        if (!bk__pattern_match("^(shared|pattern)$", BK_LIT("shared")) ||
            bk__pattern_match("^other-\\d+$", BK_LIT("other-")))
            return &one;
    }
    return mistakes;
}

static void test_threads_share_patterns(void **state)
{
    pthread_t threads[4];
    void *result;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, match_often, NULL), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pattern_matches_somewhere),
        cmocka_unit_test(test_the_end_is_the_end),
        cmocka_unit_test(test_characters_are_code_points),
        cmocka_unit_test(test_a_wrong_pattern_is_explained),
        cmocka_unit_test(test_matching_with_a_wrong_pattern_stops_the_program),
        cmocka_unit_test(test_no_text_makes_a_pattern_slow),
        cmocka_unit_test(test_long_honest_texts_pass),
        cmocka_unit_test(test_threads_share_patterns),
    };
    return cmocka_run_group_tests_name("json/pattern", tests, NULL, NULL);
}
