#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/number.h"

/* Scans all of @p text. */
static struct bk__number scan(const char *text)
{
    struct bk__number number;
    const char *at = text;
    assert_true(bk__number_scan(&at, text + strlen(text), &number));
    assert_ptr_equal(at, text + strlen(text));
    assert_int_equal(number.text.len, strlen(text));
    return number;
}

static void assert_i64(const char *text, int64_t want)
{
    struct bk__number number = scan(text);
    int64_t got = want ^ 1;
    assert_int_equal(bk__number_i64(&number, &got), BK__FITS);
    assert_true(got == want);
}

static void assert_no_i64(const char *text, enum bk__number_fit why)
{
    struct bk__number number = scan(text);
    int64_t got = 77;
    assert_int_equal(bk__number_i64(&number, &got), why);
    assert_int_equal(got, 77);
}

static void test_integers_are_exact_to_64_bits(void **state)
{
    (void)state;
    assert_i64("0", 0);
    assert_i64("-0", 0);
    assert_i64("9007199254740993", 9007199254740993);
    assert_i64("9223372036854775807", INT64_MAX);
    assert_i64("-9223372036854775808", INT64_MIN);
    assert_no_i64("9223372036854775808", BK__OUT_OF_RANGE);
    assert_no_i64("-9223372036854775809", BK__OUT_OF_RANGE);
    assert_no_i64("18446744073709551616", BK__OUT_OF_RANGE);
    assert_no_i64("100000000000000000000000000", BK__OUT_OF_RANGE);
    assert_no_i64("1e400", BK__OUT_OF_RANGE);
}

static void test_a_fraction_of_zero_is_none(void **state)
{
    (void)state;
    assert_i64("1.0", 1);
    assert_i64("1e2", 100);
    assert_i64("1E+2", 100);
    assert_i64("1500e-2", 15);
    assert_i64("-1.25e2", -125);
    assert_i64("0.0e999999999999", 0);
    assert_i64("9223372036854775807.000", INT64_MAX);
    assert_i64("0.9223372036854775807e19", INT64_MAX);
    assert_no_i64("1.5", BK__FRACTION);
    assert_no_i64("1e-1", BK__FRACTION);
    assert_no_i64("125e-2", BK__FRACTION);
    assert_no_i64("1844674407370955161.05", BK__FRACTION);
    assert_no_i64("1844674407370955160.0000000000000000000000000000001", BK__FRACTION);
    assert_no_i64("1e-99999999999999999", BK__FRACTION);
}

static void test_what_is_no_number_is_refused_at_its_byte(void **state)
{
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {{"", 0},   {"-", 1},   {"-x", 1},   {".5", 0}, {"1.", 2},  {"1.e3", 2},
                 {"1e", 2}, {"1e+", 2}, {"1e-x", 2}, {"x", 0},  {"--1", 1}, {"+1", 0}};
    struct bk__number number;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *at = cases[i].text;
        assert_false(bk__number_scan(&at, at + strlen(at), &number));
        assert_int_equal(at - cases[i].text, cases[i].at);
    }
}

static void test_a_leading_zero_ends_the_number(void **state)
{
    const char *text = "012", *at = text;
    struct bk__number number;

    (void)state;
    assert_true(bk__number_scan(&at, text + 3, &number));
    assert_int_equal(at - text, 1);
}

static void assert_f64(const char *text)
{
    struct bk__number number = scan(text);
    double got, want = strtod(text, NULL);
    if (isinf(want)) {
        assert_true(bk__number_is_huge(&number));
        assert_int_equal(bk__number_f64(&number, &got), BK__OUT_OF_RANGE);
        return;
    }
    assert_false(bk__number_is_huge(&number));
    assert_int_equal(bk__number_f64(&number, &got), BK__FITS);
    assert_memory_equal(&got, &want, sizeof(got));
}

static void test_doubles_are_the_nearest_ones(void **state)
{
    (void)state;
    assert_f64("0");
    assert_f64("-0");
    assert_f64("-0.0e5");
    assert_f64("0.1");
    assert_f64("12.5");
    assert_f64("9007199254740993");
    assert_f64("1e22");
    assert_f64("1e23");
    assert_f64("9007199254740992e22");
    assert_f64("123456789012345678901234567890");
    assert_f64("2.2250738585072011e-308");
    assert_f64("4.9e-324");
    assert_f64("1e-400");
    assert_f64("1.7976931348623157e308");
    assert_f64("1.7976931348623159e308");
    assert_f64("1e309");
    assert_f64("-1e99999999999999999999");
    assert_f64("0.000000000000000000000000000000000000000000000000000000000000001e70");
}

static void test_any_double_is_read_like_strtod_reads_it(void **state)
{
    char text[64];
    uint64_t bits = 0x9e3779b97f4a7c15;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        double value;
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        if (i % 2 == 0)
            memcpy(&value, &bits, sizeof(value));
        else
            value = (double)(int64_t)(bits >> 20) / 1e4;
        if (!isfinite(value))
            continue;
        snprintf(text, sizeof(text), "%.*g", 1 + i % 20, value);
        assert_f64(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_exact_to_64_bits),
        cmocka_unit_test(test_a_fraction_of_zero_is_none),
        cmocka_unit_test(test_what_is_no_number_is_refused_at_its_byte),
        cmocka_unit_test(test_a_leading_zero_ends_the_number),
        cmocka_unit_test(test_doubles_are_the_nearest_ones),
        cmocka_unit_test(test_any_double_is_read_like_strtod_reads_it),
    };
    return cmocka_run_group_tests_name("json/number", tests, NULL, NULL);
}
