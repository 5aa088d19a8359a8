#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/calendar.h"

static void assert_day(int64_t days, int64_t year, int month, int day, int weekday)
{
    struct bk__date date = bk__calendar_date(days);

    assert_int_equal(bk__calendar_days(year, month, day), days);
    assert_int_equal(date.year, year);
    assert_int_equal(date.month, month);
    assert_int_equal(date.day, day);
    assert_int_equal(bk__calendar_weekday(days), weekday);
}

static void test_known_days_have_their_dates(void **state)
{
    (void)state;
    assert_day(0, 1970, 1, 1, 4);
    assert_day(-1, 1969, 12, 31, 3);
    assert_day(11016, 2000, 2, 29, 2);
    assert_day(20785, 2026, 11, 28, 6);
    assert_day(-719528, 0, 1, 1, 6);
    assert_day(2932896, 9999, 12, 31, 5);
}

/* One cycle of the calendar, day by day, against the lengths of months. */
static void test_each_day_follows_the_one_before(void **state)
{
    int64_t year = 1900, from = bk__calendar_days(1900, 1, 1);
    int month = 1, day = 1;

    (void)state;
    for (int64_t days = from; days < from + 146097; days++) {
        assert_day(days, year, month, day, (int)((days - from + 1) % 7)); /* it was a Monday */
        if (++day <= bk__calendar_days_in(year, month))
            continue;
        day = 1;
        month = month % 12 + 1;
        year += month == 1;
    }
    assert_int_equal(year, 2300);
}

static void test_leap_years_are_the_gregorian_ones(void **state)
{
    (void)state;
    assert_true(bk__calendar_leap(2000));
    assert_true(bk__calendar_leap(2028));
    assert_false(bk__calendar_leap(2026));
    assert_false(bk__calendar_leap(2100));
    assert_int_equal(bk__calendar_days_in(2028, 2), 29);
    assert_int_equal(bk__calendar_days_in(2100, 2), 28);
    assert_int_equal(bk__calendar_days_in(2026, 9), 30);
}

static void test_division_rounds_down(void **state)
{
    (void)state;
    assert_int_equal(bk__floor_div(-1, 86400), -1);
    assert_int_equal(bk__floor_mod(-1, 86400), 86399);
    assert_int_equal(bk__floor_div(-86400, 86400), -1);
    assert_int_equal(bk__floor_mod(-86400, 86400), 0);
    assert_int_equal(bk__floor_div(86400, 86400), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_days_have_their_dates),
        cmocka_unit_test(test_each_day_follows_the_one_before),
        cmocka_unit_test(test_leap_years_are_the_gregorian_ones),
        cmocka_unit_test(test_division_rounds_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
