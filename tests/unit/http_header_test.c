#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "http/header.h"
#include "text.h"

static int new_arena(void **state)
{
    *state = bk_arena_new();
    return 0;
}

static int free_arena(void **state)
{
    bk_arena_free(*state);
    return 0;
}

static void test_a_token_is_one_or_more_tchar(void **state)
{
    (void)state;
    assert_true(bk__header_is_token(BK_LIT("x")));
    assert_true(bk__header_is_token(BK_LIT("!#$%&'*+-.^_`|~09azAZ")));
    assert_false(bk__header_is_token(BK_LIT("")));
    assert_false(bk__header_is_token((bk_str){0}));
    for (const char *bad = " \t\r\n\"(),/:;<=>?@[\\]{}\x7f\x80\xff"; *bad != '\0'; bad++) {
        char text[] = {'a', *bad, 'b'};
        assert_false(bk__header_is_token(bk_str_at(text, sizeof(text))));
    }
    assert_false(bk__header_is_token(bk_str_at("a\0b", 3)));
}

static void test_a_value_has_no_controls_but_tab(void **state)
{
    (void)state;
    assert_true(bk__header_is_value(BK_LIT("")));
    assert_true(bk__header_is_value((bk_str){0}));
    assert_true(bk__header_is_value(BK_LIT("a\tb \"~\" \x80\xff")));
    for (int c = 0; c < 256; c++) {
        char text[] = {'a', (char)c};
        bool fits = (c >= 0x20 && c != 0x7f) || c == '\t';
        assert_int_equal(bk__header_is_value(bk_str_at(text, 2)), fits);
    }
}

static void assert_list(const char *list, const char *const *elements)
{
    bk_str rest = bk_str_of(list), element;
    for (; *elements != NULL; elements++) {
        assert_true(bk__header_list_next(&rest, &element));
        assert_text(element, *elements);
    }
    assert_false(bk__header_list_next(&rest, &element));
    assert_false(bk__header_list_next(&rest, &element));
}

static void test_a_list_gives_its_elements_without_blanks_and_empty_ones(void **state)
{
    (void)state;
    assert_list("a", (const char *[]){"a", NULL});
    assert_list("a,b", (const char *[]){"a", "b", NULL});
    assert_list(" a ,\tb c , ", (const char *[]){"a", "b c", NULL});
    assert_list(",, ,a,,", (const char *[]){"a", NULL});
    assert_list("", (const char *[]){NULL});
    assert_list(NULL, (const char *[]){NULL});
    assert_list(" , ", (const char *[]){NULL});
}

static void test_quoted_commas_separate_nothing(void **state)
{
    (void)state;
    assert_list("a=\"1,2\", b", (const char *[]){"a=\"1,2\"", "b", NULL});
    assert_list("\"a\\\",b\",c", (const char *[]){"\"a\\\",b\"", "c", NULL});
    assert_list("\"a\\\\\",c", (const char *[]){"\"a\\\\\"", "c", NULL});
    assert_list("a,\"b,c", (const char *[]){"a", "\"b,c", NULL});
    assert_list("a,\"b\\", (const char *[]){"a", "\"b\\", NULL});
    assert_list("a\\,b", (const char *[]){"a\\", "b", NULL});
}

static void test_a_list_has_a_token_in_any_case(void **state)
{
    (void)state;
    assert_true(bk__header_list_has(BK_LIT("keep-alive, Close"), BK_LIT("close")));
    assert_true(bk__header_list_has(BK_LIT("close"), BK_LIT("CLOSE")));
    assert_false(bk__header_list_has(BK_LIT("keep-alive, closed"), BK_LIT("close")));
    assert_false(bk__header_list_has(BK_LIT("close;q=1"), BK_LIT("close")));
    assert_false(bk__header_list_has(BK_LIT("\"a, close\""), BK_LIT("close")));
    assert_false(bk__header_list_has((bk_str){0}, BK_LIT("close")));
}

static bk_str param(bk_arena *arena, const char *value, const char *name)
{
    return bk__header_param(arena, bk_str_of(value), bk_str_of(name));
}

static void test_a_parameter_is_found_by_its_name_in_any_case(void **state)
{
    assert_text(param(*state, "text/html; charset=utf-8", "charset"), "utf-8");
    assert_text(param(*state, "text/html;Charset=UTF-8", "charset"), "UTF-8");
    assert_text(param(*state, "a/b; x=1 ; y=2", "y"), "2");
    assert_text(param(*state, "a/b;;; ;x=1;", "x"), "1");
    assert_text(param(*state, "a/b;x=1;x=2", "x"), "1");
    assert_text(param(*state, "a/b; boundary=a/b:c=d", "boundary"), "a/b:c=d");
    assert_absent(param(*state, "a/b", "x"));
    assert_absent(param(*state, "x=1", "x"));
    assert_absent(param(*state, "", "x"));
    assert_absent(param(*state, NULL, "x"));
    assert_absent(param(*state, "a/b; xx=1", "x"));
}

static void test_a_quoted_parameter_loses_quotes_and_escapes(void **state)
{
    assert_text(param(*state, "a/b; x=\"y z\"", "x"), "y z");
    assert_text(param(*state, "a/b; x=\"\"", "x"), "");
    assert_text(param(*state, "a/b; x=\"a;b=c\"; y=1", "y"), "1");
    assert_text(param(*state, "a/b; x=\"a\\\"b\\\\c\\d\"", "x"), "a\"b\\cd");
}

static void test_nothing_is_read_behind_what_is_malformed(void **state)
{
    static const char *const bad[] = {
        "a/b; x; y=1",          "a/b; =1; y=1",          "a/b; x=; y=1",       "a/b; x =1; y=1",
        "a/b; x= 1; y=1",       "a/b; x=\"1; y=1",       "a/b; x=\"1\"2; y=1", "a/b; x=a\"b\"; y=1",
        "a/b; x=\"; y=1",       "a/b; x=\"a\\\"; y=1",   "a/b; x=a b; y=1",    "a/b; x y=1; y=1",
        "a/b; x=\xc3\xa9; y=1", "a/b; x=\"a\x01\"; y=1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_absent(param(*state, bad[i], "y"));
}

static void test_parameters_come_one_by_one_and_the_rest_tells_why_it_ended(void **state)
{
    bk_str rest = bk__header_params(BK_LIT("form-data; name=\"a\"; b=c; bad")), name, value;
    (void)state;
    assert_true(bk__header_param_next(&rest, &name, &value));
    assert_text(name, "name");
    assert_text(value, "\"a\"");
    assert_true(bk__header_param_next(&rest, &name, &value));
    assert_text(name, "b");
    assert_text(value, "c");
    assert_false(bk__header_param_next(&rest, &name, &value));
    assert_text(rest, " bad");
    assert_false(bk__header_param_next(&rest, &name, &value));

    rest = bk__header_params(BK_LIT("a/b ; "));
    assert_false(bk__header_param_next(&rest, &name, &value));
    assert_int_equal(rest.len, 0);
    assert_int_equal(bk__header_params(BK_LIT("a/b")).len, 0);
}

static void test_unquote_leaves_what_has_no_quotes(void **state)
{
    assert_text(bk__header_unquote(*state, BK_LIT("a\\b")), "a\\b");
    assert_text(bk__header_unquote(*state, BK_LIT("\"a\\b\"")), "ab");
    assert_text(bk__header_unquote(*state, BK_LIT("\"\"")), "");
    assert_text(bk__header_unquote(*state, BK_LIT("")), "");
}

static void test_the_media_type_is_what_precedes_the_parameters(void **state)
{
    (void)state;
    assert_text(bk__header_media_type(BK_LIT(" Text/HTML ; charset=x")), "Text/HTML");
    assert_text(bk__header_media_type(BK_LIT("a/b")), "a/b");
    assert_text(bk__header_media_type(BK_LIT("")), "");
    assert_text(bk__header_media_type(BK_LIT(";a=b")), "");
    assert_absent(bk__header_media_type((bk_str){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_is_one_or_more_tchar),
        cmocka_unit_test(test_a_value_has_no_controls_but_tab),
        cmocka_unit_test(test_a_list_gives_its_elements_without_blanks_and_empty_ones),
        cmocka_unit_test(test_quoted_commas_separate_nothing),
        cmocka_unit_test(test_a_list_has_a_token_in_any_case),
        cmocka_unit_test(test_a_parameter_is_found_by_its_name_in_any_case),
        cmocka_unit_test(test_a_quoted_parameter_loses_quotes_and_escapes),
        cmocka_unit_test(test_nothing_is_read_behind_what_is_malformed),
        cmocka_unit_test(test_parameters_come_one_by_one_and_the_rest_tells_why_it_ended),
        cmocka_unit_test(test_unquote_leaves_what_has_no_quotes),
        cmocka_unit_test(test_the_media_type_is_what_precedes_the_parameters),
    };
    return cmocka_run_group_tests_name("http/header", tests, new_arena, free_arena);
}
