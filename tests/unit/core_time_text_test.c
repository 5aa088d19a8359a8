#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include <backend/str.h>

#include "core/clock.h"

#define SECOND  ((bk_time)1000000)
#define EXAMPLE (784111777 * SECOND) /* Sun, 06 Nov 1994 08:49:37 GMT */

static void assert_format(bk_time at, const char *expected)
{
    char text[BK_TIME_TEXT];
    assert_int_equal(bk_time_format(at, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void test_times_are_written_as_rfc_3339(void **state)
{
    (void)state;
    assert_format(0, "1970-01-01T00:00:00.000Z");
    assert_format(EXAMPLE, "1994-11-06T08:49:37.000Z");
    assert_format(EXAMPLE + 120000, "1994-11-06T08:49:37.120Z");
    assert_format(EXAMPLE + 1, "1994-11-06T08:49:37.000001Z");
    assert_format(-1, "1969-12-31T23:59:59.999999Z");
    assert_format(951782400 * SECOND, "2000-02-29T00:00:00.000Z");
    assert_format(951868800 * SECOND, "2000-03-01T00:00:00.000Z");
    assert_format(-62167219200 * SECOND, "0000-01-01T00:00:00.000Z");
    assert_format(253402300799 * SECOND, "9999-12-31T23:59:59.000Z");
}

static void test_years_of_more_digits_have_a_sign(void **state)
{
    (void)state;
    assert_format(253402300800 * SECOND, "+010000-01-01T00:00:00.000Z");
    assert_format(-62167219201 * SECOND, "-000001-12-31T23:59:59.000Z");
    assert_format(INT64_MAX, "+294247-01-10T04:00:54.775807Z");
    assert_format(INT64_MIN, "-290308-12-21T19:59:05.224192Z");
}

static void assert_parse(const char *text, bk_time expected)
{
    bk_time at = 4711;
    if (bk_time_parse(bk_str_of(text), &at) != BK_OK || at != expected)
        fail_msg("%s", text);
}

static void test_rfc_3339_is_read_with_any_zone(void **state)
{
    (void)state;
    assert_parse("1994-11-06T08:49:37Z", EXAMPLE);
    assert_parse("1994-11-06t08:49:37z", EXAMPLE);
    assert_parse("1994-11-06T08:49:37.5Z", EXAMPLE + 500000);
    assert_parse("1994-11-06T08:49:37.000001Z", EXAMPLE + 1);
    assert_parse("1994-11-06T08:49:37.123456999999Z", EXAMPLE + 123456);
    assert_parse("1994-11-06T10:49:37+02:00", EXAMPLE);
    assert_parse("1994-11-06T03:19:37-05:30", EXAMPLE);
    assert_parse("1994-11-07T08:48:37+23:59", EXAMPLE);
    assert_parse("1994-11-06T08:49:37-00:00", EXAMPLE);
    assert_parse("1969-12-31T23:59:59.999999Z", -1);
    assert_parse("0000-02-29T00:00:00Z", -62162121600 * SECOND);
    assert_parse("0000-01-01T00:00:00+23:59", -62167305540 * SECOND);
}

static void test_a_leap_second_is_the_first_of_the_next_day(void **state)
{
    (void)state;
    assert_parse("2016-12-31T23:59:60Z", 1483228800 * SECOND);
    assert_parse("2016-12-31T23:59:60.25Z", 1483228800 * SECOND + 250000);
    assert_parse("1990-12-31T15:59:60-08:00", 662688000 * SECOND);
}

static void test_what_is_no_date_time_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1994-11-06",
        "1994-11-06T08:49:37",
        "1994-11-06 08:49:37Z",
        "1994-11-06T08:49Z",
        "1994-11-06T08:49:37.Z",
        "1994-11-06T08:49:37,5Z",
        "1994-11-06T08:49:37+0200",
        "1994-11-06T08:49:37+02",
        "1994-11-06T08:49:37+24:00",
        "1994-11-06T08:49:37+00:60",
        "1994-11-06T08:49:37Z ",
        " 1994-11-06T08:49:37Z",
        "1994-00-06T08:49:37Z",
        "1994-13-06T08:49:37Z",
        "1994-11-00T08:49:37Z",
        "1994-11-31T08:49:37Z",
        "1994-02-29T08:49:37Z",
        "1900-02-29T08:49:37Z",
        "1994-11-06T24:00:00Z",
        "1994-11-06T08:60:37Z",
        "1994-11-06T08:49:61Z",
        "1994-11-06T08:49:60Z",      /* not the last second of a day */
        "1994-11-06T23:59:60+01:00", /* nor this, in UTC */
        "94-11-06T08:49:37Z",
        "+1994-11-06T08:49:37Z",
        "01994-11-06T08:49:37Z",
        "1994-1-06T08:49:37Z",
        "1994-11-6T08:49:37Z",
        "1994-11-06T8:49:37Z",
        "199a-11-06T08:49:37Z",
    };
    bk_time at = 4711;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (bk_time_parse(bk_str_of(bad[i]), &at) != BK_EINVAL || at != 4711)
            fail_msg("%s", bad[i]);
    }
    assert_int_equal(bk_time_parse((bk_str){0}, &at), BK_EINVAL);
}

static void test_every_day_of_eight_centuries_agrees_with_libc(void **state)
{
    (void)state;
    for (int64_t day = -146097; day < 146097; day++) {
        char expected[BK_TIME_TEXT], text[BK_TIME_TEXT];
        struct tm tm;
        time_t seconds = (time_t)(day * 86400 + 86399);
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        size_t len = bk_time_format(seconds * SECOND, text);
        bk_time back;
        assert_string_equal(text, expected);
        assert_int_equal(bk_time_parse(bk_str_at(text, len), &back), BK_OK);
        assert_true(back == seconds * SECOND);
    }
}

static void test_http_dates_agree_with_libc(void **state)
{
    (void)state;
    for (int64_t day = -40000; day < 80000; day++) {
        char expected[64], text[30] = "";
        struct tm tm;
        time_t seconds = (time_t)(day * 86400 + 12345);
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        bk__clock_http_date(seconds * SECOND + 999999, text);
        assert_string_equal(text, expected);
        bk_time back;
        assert_int_equal(bk__clock_parse_http_date(bk_str_of(text), &back), BK_OK);
        assert_true(back == seconds * SECOND);
    }
}

static void test_an_http_date_has_four_digits_for_the_year(void **state)
{
    (void)state;
    char text[30] = "";
    bk__clock_http_date(INT64_MAX, text);
    assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    bk__clock_http_date(INT64_MIN, text);
    assert_string_equal(text, "Sat, 01 Jan 0000 00:00:00 GMT");
}

static bk_err parse_http(const char *text, bk_time *at)
{
    return bk__clock_parse_http_date(bk_str_of(text), at);
}

static void test_all_three_forms_of_an_http_date_are_read(void **state)
{
    (void)state;
    static const char *const same[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    for (int i = 0; i < 3; i++) {
        bk_time at = 0;
        assert_int_equal(parse_http(same[i], &at), BK_OK);
        assert_true(at == EXAMPLE);
    }
    bk_time at;
    assert_int_equal(parse_http("Wed Nov 16 08:49:37 1994", &at), BK_OK);
    assert_true(at == EXAMPLE + 10 * 86400 * SECOND);
}

static void test_two_digits_of_a_year_are_at_most_50_years_ahead(void **state)
{
    (void)state;
    struct bk__clock clock = {.is_virtual = true, .now = 1795458600 * SECOND}; /* in 2026 */
    bk_time in_76, in_77;
    bk__clock_current = &clock;
    assert_int_equal(parse_http("Thursday, 05-Nov-76 08:49:37 GMT", &in_76), BK_OK);
    assert_int_equal(parse_http("Sunday, 06-Nov-77 08:49:37 GMT", &in_77), BK_OK);
    bk__clock_current = NULL;
    assert_true(in_76 > clock.now);
    assert_true(in_77 < clock.now);
    char text[BK_TIME_TEXT];
    bk_time_format(in_76, text);
    assert_memory_equal(text, "2076-11-05", 10);
    bk_time_format(in_77, text);
    assert_memory_equal(text, "1977-11-06", 10);
}

static void test_what_is_no_http_date_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0",
        "-1",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sundat, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov 06 08:49:37 1994 GMT",
        "1994-11-06T08:49:37Z",
    };
    bk_time at = 4711;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_http(bad[i], &at) != BK_EINVAL || at != 4711)
            fail_msg("%s", bad[i]);
    }
    assert_int_equal(bk__clock_parse_http_date((bk_str){0}, &at), BK_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_are_written_as_rfc_3339),
        cmocka_unit_test(test_years_of_more_digits_have_a_sign),
        cmocka_unit_test(test_rfc_3339_is_read_with_any_zone),
        cmocka_unit_test(test_a_leap_second_is_the_first_of_the_next_day),
        cmocka_unit_test(test_what_is_no_date_time_is_refused_and_changes_nothing),
        cmocka_unit_test(test_every_day_of_eight_centuries_agrees_with_libc),
        cmocka_unit_test(test_http_dates_agree_with_libc),
        cmocka_unit_test(test_an_http_date_has_four_digits_for_the_year),
        cmocka_unit_test(test_all_three_forms_of_an_http_date_are_read),
        cmocka_unit_test(test_two_digits_of_a_year_are_at_most_50_years_ahead),
        cmocka_unit_test(test_what_is_no_http_date_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("core/time_text", tests, NULL, NULL);
}
