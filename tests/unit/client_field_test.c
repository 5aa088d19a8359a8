/* What may stand in fields of a head, and what Cache-Control says. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/str.h>

#include "client/field.h"

static int64_t age(const char *text)
{
    return bk__field_max_age(bk_str_of(text));
}

static void test_max_age_is_found_among_other_directives(void **state)
{
    (void)state;
    assert_int_equal(age("max-age=60"), 60);
    assert_int_equal(age("public, MAX-AGE=60 , must-revalidate"), 60);
    assert_int_equal(age("max-age=\"60\""), 60);
    assert_int_equal(age("max-age=0"), 0);
    assert_int_equal(age("max-age=1, max-age=2"), 1);
}

static void test_what_must_not_be_stored_has_no_age(void **state)
{
    (void)state;
    assert_int_equal(age("max-age=60, no-store"), 0);
    assert_int_equal(age("No-Cache"), 0);
}

static void test_without_a_number_it_does_not_say(void **state)
{
    static const char *const texts[] = {
        "",           "public",     "max-age",     "max-age=",    "max-age=\"\"",
        "max-age=\"", "max-age=-1", "max-age=6 0", "max-age=1e3", "s-maxage=60",
        ",,,",        "max-age=x",  "max-age =1",
    };

    (void)state;
    assert_int_equal(bk__field_max_age(bk_str_at(NULL, 0)), -1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (age(texts[i]) != -1)
            fail_msg("\"%s\"", texts[i]);
}

static void test_a_number_without_end_is_a_year(void **state)
{
    (void)state;
    assert_int_equal(age("max-age=99999999999999999999999999999999"), 365 * 24 * 60 * 60);
}

static void test_names_are_tokens_and_values_have_no_controls(void **state)
{
    (void)state;
    assert_true(bk__field_is_name(BK_LIT("X-One")));
    assert_false(bk__field_is_name(BK_LIT("X One")));
    assert_false(bk__field_is_name(BK_LIT("")));
    assert_true(bk__field_is_value(BK_LIT("a\tb")));
    assert_false(bk__field_is_value(BK_LIT("a\r\nb")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max_age_is_found_among_other_directives),
        cmocka_unit_test(test_what_must_not_be_stored_has_no_age),
        cmocka_unit_test(test_without_a_number_it_does_not_say),
        cmocka_unit_test(test_a_number_without_end_is_a_year),
        cmocka_unit_test(test_names_are_tokens_and_values_have_no_controls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
