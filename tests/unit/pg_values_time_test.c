/* Times and dates out of both formats. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pg_bytes.h"

static int tear_down(void **state)
{
    (void)state;
    bk_error_clear();
    return 0;
}

static bk_time time_of(const struct bk__pg_value *value)
{
    bk_time out = 12345;
    assert_int_equal(bk__pg_to_time(value, &out), BK_OK);
    return out;
}

static bool no_time(const struct bk__pg_value *value, const char *words)
{
    bk_time out;
    return bk__pg_to_time(value, &out) == BK_EINTERNAL && says(words);
}

static void test_times_in_both_formats(void **state)
{
    const bk_time at = 1767323045123456; /* 2026-01-02T03:04:05.123456Z */

    (void)state;
    assert_int_equal(time_of(BIN(BK__PG_TIMESTAMPTZ, "\0\0\0\0\0\0\0\1")), 946684800000001);
    assert_int_equal(time_of(BIN(BK__PG_DATE, "\xff\xff\xff\xff")), 946684800000000 - 86400000000);
    assert_int_equal(time_of(TXT(BK__PG_TIMESTAMPTZ, "2026-01-02 03:04:05.123456+00")), at);
    assert_int_equal(time_of(TXT(BK__PG_TIMESTAMPTZ, "2026-01-02 08:34:05.123456+05:30")), at);
    assert_int_equal(time_of(TXT(BK__PG_TIMESTAMPTZ, "2026-01-01 22:04:05.123456-05")), at);
    assert_int_equal(time_of(TXT(BK__PG_TIMESTAMPTZ, "2026-01-02 03:23:37.123456+00:19:32")), at);
    assert_int_equal(time_of(TXT(BK__PG_TIMESTAMP, "2026-01-02 03:04:05")), at - 123456);
    assert_int_equal(time_of(TXT(BK__PG_TIMESTAMP, "2026-01-02 03:04:05.1")), at - 23456);
    assert_int_equal(time_of(TXT(BK__PG_DATE, "1970-01-01")), 0);
    assert_int_equal(time_of(TXT(BK__PG_DATE, "2000-02-29")), 951782400000000);
    assert_int_equal(time_of(TXT(BK__PG_DATE, "0001-12-31 BC")), -62135596800000000 - 86400000000);
    assert_int_equal(time_of(TXT(BK__PG_TIMESTAMP, "0001-12-31 23:59:59.999999 BC")),
                     -62135596800000001);
    assert_int_equal(time_of(TXT(BK__PG_DATE, "12345-06-07")), 327416947200000000);
}

static void test_what_is_no_time(void **state)
{
    (void)state;
    assert_true(no_time(BIN(BK__PG_TIMESTAMPTZ, "\x7f\xff\xff\xff\xff\xff\xff\xff"), "infinity"));
    assert_true(no_time(BIN(BK__PG_TIMESTAMP, "\x80\0\0\0\0\0\0\0"), "infinity"));
    assert_true(no_time(BIN(BK__PG_DATE, "\x7f\xff\xff\xff"), "infinity"));
    assert_true(no_time(TXT(BK__PG_DATE, "-infinity"), "infinity"));
    assert_true(no_time(BIN(BK__PG_TIMESTAMP, "\x7f\xff\xff\xff\xff\xff\xff\xfe"), "too far"));
    assert_true(no_time(BIN(BK__PG_DATE, "\x7f\xff\xff\xfe"), "too far"));
    assert_true(no_time(TXT(BK__PG_DATE, "5874897-12-31"), "too far"));
    assert_true(no_time(BIN(BK__PG_TIMESTAMP, "\0\0\0\0"), "no TIMESTAMP"));
    assert_true(no_time(BIN(BK__PG_DATE, "\0\0\0\0\0"), "no DATE"));
    static const char *const damaged[] = {"",
                                          "2026",
                                          "2026-13-01",
                                          "2026-02-29",
                                          "2026-01-00",
                                          "99-01-01",
                                          "2026-01-01x",
                                          "2026-01-01 BD",
                                          "2026-01-01 24:00:00",
                                          "2026-01-01 00:60:00",
                                          "2026-01-01 00:00",
                                          "2026-01-01 00:00:00.",
                                          "2026-01-01 00:00:00.1234567",
                                          "2026-01-01 00:00:00+",
                                          "2026-01-01 00:00:00+5",
                                          "01.02.2026",
                                          "10000000-01-01"};
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        struct bk__pg_value value = {BK__PG_TIMESTAMP, 0, false,
                                     bk_str_at(damaged[i], strlen(damaged[i]))};
        if (!no_time(&value, "no TIMESTAMP"))
            fail_msg("\"%s\" was read", damaged[i]);
    }
    assert_true(no_time(TXT(BK__PG_TEXT, "2026-01-01"), "TEXT is no time"));
}

static void test_infinities_are_told_apart(void **state)
{
    (void)state;
    assert_true(bk__pg_is_infinite(BIN(BK__PG_DATE, "\x80\0\0\0")));
    assert_true(bk__pg_is_infinite(TXT(BK__PG_TIMESTAMP, "infinity")));
    assert_false(bk__pg_is_infinite(BIN(BK__PG_DATE, "\0\0\0\0")));
    assert_false(bk__pg_is_infinite(BIN(BK__PG_TIMESTAMP, "\x80\0\0\0\0\0\0\1")));
    assert_false(bk__pg_is_infinite(BIN(BK__PG_TIMESTAMP, "")));
    assert_false(bk__pg_is_infinite(TXT(BK__PG_DATE, "2026-01-02")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_in_both_formats),
        cmocka_unit_test(test_what_is_no_time),
        cmocka_unit_test(test_infinities_are_told_apart),
    };
    return cmocka_run_group_tests_name("pg/values_time", tests, NULL, tear_down);
}
