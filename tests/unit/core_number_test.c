#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../harness/aborts.h"
#include "core/number.h"

static void assert_i64(const char *text, int64_t expected)
{
    int64_t value = 12345;
    assert_int_equal(bk_str_to_i64(bk_str_of(text), &value), BK_OK);
    assert_true(value == expected);
}

static void test_integers_are_exact_to_the_last(void **state)
{
    (void)state;
    assert_i64("0", 0);
    assert_i64("-0", 0);
    assert_i64("7", 7);
    assert_i64("-42", -42);
    assert_i64("9007199254740993", 9007199254740993);
    assert_i64("9223372036854775807", INT64_MAX);
    assert_i64("-9223372036854775808", INT64_MIN);
}

static void test_what_is_no_integer_or_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "-",
        "+1",
        "01",
        "-01",
        "00",
        " 1",
        "1 ",
        "1.0",
        "1e2",
        "0x1",
        "a",
        "1a",
        "--1",
        "9223372036854775808",
        "-9223372036854775809",
        "9999999999999999999",
        "18446744073709551616",
        "100000000000000000000",
        "\xd9\xa1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t value = 12345;
        assert_int_equal(bk_str_to_i64(bk_str_of(bad[i]), &value), BK_EINVAL);
        assert_int_equal(value, 12345);
    }
    int64_t value;
    assert_int_equal(bk_str_to_i64((bk_str){0}, &value), BK_EINVAL);
    assert_int_equal(bk_str_to_i64(bk_str_at("1\0", 2), &value), BK_EINVAL);
}

static void test_only_the_view_is_read(void **state)
{
    (void)state;
    int64_t whole;
    double real;
    assert_int_equal(bk_str_to_i64(bk_str_at("123", 2), &whole), BK_OK);
    assert_int_equal(whole, 12);
    assert_int_equal(bk_str_to_f64(bk_str_at("1.25", 3), &real), BK_OK);
    assert_true(real == 1.2);
    assert_int_equal(bk_str_to_f64(bk_str_at("12e5", 3), &real), BK_EINVAL);
}

static void assert_f64(const char *text, double expected)
{
    double value = NAN;
    assert_int_equal(bk_str_to_f64(bk_str_of(text), &value), BK_OK);
    if (memcmp(&value, &expected, sizeof(value)) != 0)
        fail_msg("%s gave %.17g, not %.17g", text, value, expected);
}

static void test_doubles_are_the_nearest(void **state)
{
    (void)state;
    assert_f64("0", 0.0);
    assert_f64("-0", -0.0);
    assert_f64("0e999999999999999999999", 0.0);
    assert_f64("-0.0e-5", -0.0);
    assert_f64("1.5", 1.5);
    assert_f64("1E2", 100);
    assert_f64("1e+2", 100);
    assert_f64("0.1", 0.1);
    assert_f64("123456789012345678", 123456789012345678.0);
    assert_f64("9007199254740993", 9007199254740992.0);
    assert_f64("1.7976931348623157e308", DBL_MAX);
    assert_f64("2.2250738585072011e-308", 2.2250738585072011e-308);
    assert_f64("5e-324", 4.9406564584124654e-324);
    assert_f64("2e-324", 0.0);
    assert_f64("1e-400", 0.0);
    assert_f64("1e-99999999999999999999999", 0.0);
    assert_f64("1e22", 1e22);
    assert_f64("1e23", 1e23);
    assert_f64("3e-22", 3e-22);
}

static void test_what_is_no_json_number_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "-",
        "+1",
        "01",
        ".5",
        "5.",
        "1e",
        "1e+",
        "1.e1",
        "nan",
        "inf",
        "-",
        "0x1",
        "1e5 ",
        " 1",
        "1,5",
        "1e1.0",
        "--1",
        "1e--1",
        "Infinity",
        "1e309",
        "-1e309",
        "1e99999999999999999999",
        "1.8e308",
        "1..2",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double value = 12345;
        assert_int_equal(bk_str_to_f64(bk_str_of(bad[i]), &value), BK_EINVAL);
        assert_true(value == 12345);
    }
    double value;
    assert_int_equal(bk_str_to_f64((bk_str){0}, &value), BK_EINVAL);
}

static void test_a_digit_far_behind_decides_a_tie(void **state)
{
    (void)state;
    /* 2^53 + 1 lies halfway: to even without more, up with one more. */
    char text[2000];
    memset(text, '0', sizeof(text));
    memcpy(text, "9007199254740993.", 17);
    text[1998] = '\0';
    assert_f64(text, 9007199254740992.0);
    text[1997] = '1';
    assert_f64(text, 9007199254740994.0);
}

static void test_long_runs_of_zeros_and_a_large_exponent_cancel(void **state)
{
    (void)state;
    char text[3000];
    memset(text, '0', sizeof(text));
    memcpy(text, "0.", 2);
    strcpy(text + 2500, "125e2500");
    assert_f64(text, 12.5);
    memset(text, '0', sizeof(text));
    text[0] = '5';
    strcpy(text + 2500, "e-2500");
    assert_f64(text, 0.5);
}

static void assert_text(double value, const char *expected)
{
    char text[BK__F64_TEXT + 1];
    size_t len = bk__f64_text(value, text);
    assert_true(len <= BK__F64_TEXT);
    text[len] = '\0';
    assert_string_equal(text, expected);
}

static void test_doubles_are_written_in_their_shortest_form(void **state)
{
    (void)state;
    assert_text(0, "0");
    assert_text(-0.0, "-0");
    assert_text(1, "1");
    assert_text(-1.5, "-1.5");
    assert_text(0.1, "0.1");
    assert_text(0.05, "0.05");
    assert_text(12.34, "12.34");
    assert_text(100, "100");
    assert_text(1e15, "1000000000000000");
    assert_text(123456789012345680000.0, "123456789012345680000");
    assert_text(1e20, "100000000000000000000");
    assert_text(1e21, "1e+21");
    assert_text(1.5e300, "1.5e+300");
    assert_text(0.000001, "0.000001");
    assert_text(0.0000001, "1e-7");
    assert_text(0.00000123456789, "0.00000123456789");
    assert_text(0.1 + 0.2, "0.30000000000000004");
    assert_text(1.0 / 3, "0.3333333333333333");
    assert_text(DBL_MAX, "1.7976931348623157e+308");
    assert_text(-DBL_MIN, "-2.2250738585072014e-308");
    assert_text(4.9406564584124654e-324, "5e-324");
    assert_text(9007199254740993.0, "9007199254740992");
    assert_text(5e-5, "0.00005");
    assert_text(1234567.125, "1234567.125");
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void test_every_double_reads_back_the_same(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252;
    for (int i = 0; i < 300000; i++) {
        char text[BK__F64_TEXT + 1];
        double value, read, by_libc;
        uint64_t bits = next_random(&seed);
        if (i % 3 == 0)
            value = (double)(bits % 100000000) / 1000;
        else if (i % 3 == 1)
            value = (double)(int64_t)bits;
        else
            memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        size_t len = bk__f64_text(value, text);
        text[len] = '\0';
        by_libc = strtod(text, NULL);
        assert_int_equal(bk_str_to_f64(bk_str_at(text, len), &read), BK_OK);
        if (memcmp(&read, &value, sizeof(value)) != 0 || by_libc != value)
            fail_msg("%.17g became %s", value, text);
    }
}

static void test_no_shorter_text_reads_back_the_same(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (int i = 0; i < 20000; i++) {
        char text[BK__F64_TEXT + 1], shorter[400];
        double value = (double)(next_random(&seed) % 1000000000) / 7919;
        size_t digits = 0;
        text[bk__f64_text(value, text)] = '\0';
        for (const char *c = text; *c != '\0'; c++)
            digits += *c != '.' && !(digits == 0 && *c == '0');
        if (digits < 2)
            continue;
        snprintf(shorter, sizeof(shorter), "%.*g", (int)digits - 1, value);
        if (strtod(shorter, NULL) == value)
            fail_msg("%s is longer than %s", text, shorter);
    }
}

static void test_the_locale_plays_no_part(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    bool found = false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !found; i++)
        found = setlocale(LC_NUMERIC, names[i]) != NULL;
    if (!found)
        skip();
    assert_text(0.1 + 0.2, "0.30000000000000004");
    assert_text(1.5e300, "1.5e+300");
    assert_f64("1.7976931348623157e308", DBL_MAX);
    assert_f64("123456.789012345678901234", 123456.789012345678901234);
    setlocale(LC_NUMERIC, "C");
}

static void assert_int_text(int64_t value, const char *expected)
{
    char text[BK__I64_TEXT + 1];
    text[bk__i64_text(value, text)] = '\0';
    assert_string_equal(text, expected);
}

static void test_integers_are_written_in_full(void **state)
{
    (void)state;
    assert_int_text(0, "0");
    assert_int_text(9, "9");
    assert_int_text(10, "10");
    assert_int_text(99, "99");
    assert_int_text(100, "100");
    assert_int_text(-1, "-1");
    assert_int_text(-12345, "-12345");
    assert_int_text(INT64_MAX, "9223372036854775807");
    assert_int_text(INT64_MIN, "-9223372036854775808");
    for (int64_t value = 1, i = 0; i < 18; i++, value *= 10) {
        char expected[32];
        snprintf(expected, sizeof(expected), "%lld", (long long)(value - 1));
        assert_int_text(value - 1, expected);
    }
}

static void write_nan(void)
{
    char text[BK__F64_TEXT];
    bk__f64_text(NAN, text);
}

static void test_nan_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(write_nan));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_exact_to_the_last),
        cmocka_unit_test(test_what_is_no_integer_or_does_not_fit_is_refused),
        cmocka_unit_test(test_only_the_view_is_read),
        cmocka_unit_test(test_doubles_are_the_nearest),
        cmocka_unit_test(test_what_is_no_json_number_is_refused),
        cmocka_unit_test(test_a_digit_far_behind_decides_a_tie),
        cmocka_unit_test(test_long_runs_of_zeros_and_a_large_exponent_cancel),
        cmocka_unit_test(test_doubles_are_written_in_their_shortest_form),
        cmocka_unit_test(test_every_double_reads_back_the_same),
        cmocka_unit_test(test_no_shorter_text_reads_back_the_same),
        cmocka_unit_test(test_the_locale_plays_no_part),
        cmocka_unit_test(test_integers_are_written_in_full),
        cmocka_unit_test(test_nan_stops_the_program),
    };
    return cmocka_run_group_tests_name("core/number", tests, NULL, NULL);
}
