#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "http/form.h"
#include "text.h"

static int new_arena(void **state)
{
    *state = bk_arena_new();
    return 0;
}

static int free_arena(void **state)
{
    bk_arena_free(*state);
    bk_error_clear();
    return 0;
}

/* @p want: name, value, name, value ..., NULL. */
static void assert_pairs(bk_arena *arena, const char *text, const char *const *want)
{
    bk_pairs pairs;
    size_t count = 0;
    assert_int_equal(bk__form_parse(arena, bk_str_of(text), &pairs), BK_OK);
    for (; want[count * 2] != NULL; count++) {
        assert_true(count < pairs.count);
        assert_text(pairs.items[count].name, want[count * 2]);
        assert_text(pairs.items[count].value, want[count * 2 + 1]);
    }
    assert_int_equal(pairs.count, count);
}

static bk_str find(bk_arena *arena, const char *text, const char *name)
{
    bk_str value = BK_LIT("not set");
    assert_int_equal(bk__form_find(arena, bk_str_of(text), bk_str_of(name), &value), BK_OK);
    return value;
}

static void test_pairs_come_in_order_and_may_repeat(void **state)
{
    assert_pairs(*state, "a=1&b=2&a=3", (const char *[]){"a", "1", "b", "2", "a", "3", NULL});
    assert_pairs(*state, "x=y", (const char *[]){"x", "y", NULL});
}

static void test_nothing_has_no_pairs(void **state)
{
    assert_pairs(*state, "", (const char *[]){NULL});
    assert_pairs(*state, NULL, (const char *[]){NULL});
    assert_pairs(*state, "&&&", (const char *[]){NULL});
}

static void test_empty_pieces_are_passed_over(void **state)
{
    assert_pairs(*state, "&a=1&&b=2&", (const char *[]){"a", "1", "b", "2", NULL});
}

static void test_names_and_values_may_be_empty(void **state)
{
    assert_pairs(*state, "a&b=&=c&=", (const char *[]){"a", "", "b", "", "", "c", "", "", NULL});
    assert_pairs(*state, "a=b=c", (const char *[]){"a", "b=c", NULL});
}

static void test_plus_and_escapes_are_decoded_once(void **state)
{
    assert_pairs(*state, "a+b=c+%2B", (const char *[]){"a b", "c +", NULL});
    assert_pairs(*state, "%61=%62&%2526=%2541", (const char *[]){"a", "b", "%26", "%41", NULL});
    assert_pairs(*state, "q=a%26b%3Dc", (const char *[]){"q", "a&b=c", NULL});
    assert_pairs(*state, "q=%e2%82%AC", (const char *[]){"q", "\xe2\x82\xac", NULL});
    assert_pairs(*state, "q=\xe2\x82\xac", (const char *[]){"q", "\xe2\x82\xac", NULL});
}

static void test_a_percent_without_two_digits_stays(void **state)
{
    assert_pairs(*state, "a=100%", (const char *[]){"a", "100%", NULL});
    assert_pairs(*state, "a=%4", (const char *[]){"a", "%4", NULL});
    assert_pairs(*state, "a=%&b=%4&c=%zz%4g%%41",
                 (const char *[]){"a", "%", "b", "%4", "c", "%zz%4g%A", NULL});
}

static void test_what_was_not_encoded_is_not_copied(void **state)
{
    bk_str text = BK_LIT("name=value&empty=");
    bk_pairs pairs;
    assert_int_equal(bk__form_parse(*state, text, &pairs), BK_OK);
    assert_ptr_equal(pairs.items[0].name.ptr, text.ptr);
    assert_ptr_equal(pairs.items[0].value.ptr, text.ptr + 5);
    assert_ptr_equal(pairs.items[1].value.ptr, text.ptr + text.len);
}

static void test_what_is_not_utf8_is_refused_and_changes_nothing(void **state)
{
    static const char *const bad[] = {
        "a=%ff",       "a=%00",     "%ff=a",          "%00",    "a=\xff", "a=%c3", "a=%c0%80",
        "a=%ed%a0%80", "a=1&b=%80", "a=%f4%90%80%80", "\xc3=1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bk_pairs pairs = {NULL, 42};
        assert_int_equal(bk__form_parse(*state, bk_str_of(bad[i]), &pairs), BK_EINVAL);
        assert_int_equal(pairs.count, 42);
    }
    bk_pairs pairs;
    assert_int_equal(bk__form_parse(*state, bk_str_at("a=\0", 3), &pairs), BK_EINVAL);
    assert_non_null(bk_error_chain());
}

static void test_more_than_a_thousand_pairs_are_refused(void **state)
{
    char *text = malloc(3 * 1001);
    bk_pairs pairs;
    for (size_t i = 0; i < 1001; i++)
        memcpy(text + 3 * i, "&a=", 3);
    assert_int_equal(bk__form_parse(*state, bk_str_at(text, 3 * BK__FORM_PAIRS_MAX), &pairs),
                     BK_OK);
    assert_int_equal(pairs.count, BK__FORM_PAIRS_MAX);
    assert_int_equal(bk__form_parse(*state, bk_str_at(text, 3 * 1001), &pairs), BK_EINVAL);
    memset(text, '&', 3 * 1001);
    assert_int_equal(bk__form_parse(*state, bk_str_at(text, 3 * 1001), &pairs), BK_OK);
    assert_int_equal(pairs.count, 0);
    free(text);
}

static void test_find_gives_the_first_value_decoded(void **state)
{
    assert_text(find(*state, "a=1&b=2&b=3", "b"), "2");
    assert_text(find(*state, "a=1&b=x+%79", "b"), "x y");
    assert_text(find(*state, "a=1&b", "b"), "");
    assert_text(find(*state, "&&b=1", "b"), "1");
    assert_text(find(*state, "=1", ""), "1");
    assert_absent(find(*state, "a=1", "b"));
    assert_absent(find(*state, "ab=1", "a"));
    assert_absent(find(*state, "a=1", "ab"));
    assert_absent(find(*state, "a=b", "b"));
    assert_absent(find(*state, "", "a"));
    assert_absent(find(*state, NULL, "a"));
}

static void test_find_compares_names_decoded(void **state)
{
    assert_text(find(*state, "%61%5B%5D=1", "a[]"), "1");
    assert_text(find(*state, "a+b=1", "a b"), "1");
    assert_absent(find(*state, "a+b=1", "a+b"));
    assert_text(find(*state, "a%=1", "a%"), "1");
    assert_text(find(*state, "%C3%A9=1", "\xc3\xa9"), "1");
    assert_absent(find(*state, "%61=1", "%61"));
}

static void test_find_refuses_only_the_value_that_it_returns(void **state)
{
    bk_str value = BK_LIT("kept");
    assert_text(find(*state, "%ff=%ff&a=1&b=%ff", "a"), "1");
    assert_int_equal(bk__form_find(*state, BK_LIT("a=1&b=%ff"), BK_LIT("b"), &value), BK_EINVAL);
    assert_text(value, "kept");
    assert_int_equal(bk__form_find(*state, BK_LIT("b=%00"), BK_LIT("b"), &value), BK_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_come_in_order_and_may_repeat),
        cmocka_unit_test(test_nothing_has_no_pairs),
        cmocka_unit_test(test_empty_pieces_are_passed_over),
        cmocka_unit_test(test_names_and_values_may_be_empty),
        cmocka_unit_test(test_plus_and_escapes_are_decoded_once),
        cmocka_unit_test(test_a_percent_without_two_digits_stays),
        cmocka_unit_test(test_what_was_not_encoded_is_not_copied),
        cmocka_unit_test(test_what_is_not_utf8_is_refused_and_changes_nothing),
        cmocka_unit_test(test_more_than_a_thousand_pairs_are_refused),
        cmocka_unit_test(test_find_gives_the_first_value_decoded),
        cmocka_unit_test(test_find_compares_names_decoded),
        cmocka_unit_test(test_find_refuses_only_the_value_that_it_returns),
    };
    return cmocka_run_group_tests_name("http/form", tests, new_arena, free_arena);
}
