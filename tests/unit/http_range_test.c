#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/str.h>

#include "http/range.h"
#include "text.h"

/* The outcome in words: "none", "416", or the ranges as "0-4 9-9". */
static const char *outcome(const char *header, uint64_t size)
{
    static char text[1024];
    struct bk__range ranges[BK__RANGES_MAX];
    size_t count = 99, at = 0;
    switch (bk__range_parse(bk_str_of(header), size, ranges, &count)) {
    case BK__RANGE_NONE:
        assert_int_equal(count, 0);
        return "none";
    case BK__RANGE_UNSATISFIABLE:
        assert_int_equal(count, 0);
        return "416";
    case BK__RANGE_SOME:
        break;
    }
    assert_in_range(count, 1, BK__RANGES_MAX);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%llu-%llu", i > 0 ? " " : "",
                               (unsigned long long)ranges[i].first,
                               (unsigned long long)ranges[i].last);
    return text;
}

#define assert_outcome(header, size, want) assert_string_equal(outcome(header, size), want)

static void test_one_range_is_cut_to_the_size(void **state)
{
    (void)state;
    assert_outcome("bytes=0-4", 10, "0-4");
    assert_outcome("bytes=0-0", 10, "0-0");
    assert_outcome("bytes=9-9", 10, "9-9");
    assert_outcome("bytes=5-", 10, "5-9");
    assert_outcome("bytes=0-", 10, "0-9");
    assert_outcome("bytes=5-99", 10, "5-9");
    assert_outcome("bytes=-3", 10, "7-9");
    assert_outcome("bytes=-10", 10, "0-9");
    assert_outcome("bytes=-11", 10, "0-9");
    assert_outcome("BYTES=0-4", 10, "0-4");
    assert_outcome("bytes=007-8", 10, "7-8");
}

static void test_several_ranges_keep_their_order(void **state)
{
    (void)state;
    assert_outcome("bytes=0-0,-1", 10, "0-0 9-9");
    assert_outcome("bytes=8-9, 0-1", 10, "8-9 0-1");
    assert_outcome("bytes=, 0-1 ,\t,4-5,", 10, "0-1 4-5");
    assert_outcome("bytes=20-30,0-1", 10, "0-1");
}

static void test_ranges_that_overlap_or_touch_become_one(void **state)
{
    (void)state;
    assert_outcome("bytes=0-5,3-7", 10, "0-7");
    assert_outcome("bytes=0-4,5-7", 10, "0-7");
    assert_outcome("bytes=5-7,0-4", 10, "0-7");
    assert_outcome("bytes=0-4,6-7", 10, "0-4 6-7");
    assert_outcome("bytes=0-9,2-3", 10, "0-9");
    assert_outcome("bytes=2-3,0-9", 10, "0-9");
    assert_outcome("bytes=0-,0-,0-,0-,0-,0-,0-,0-", 10, "0-9");
    assert_outcome("bytes=20-21,0-1,10-11,2-9,5-5", 30, "20-21 0-11");
    assert_outcome("bytes=0-1,4-5,8-9,2-3,6-7", 20, "0-9");
    assert_outcome("bytes=8-9,4-5,0-1,12-13,3-6", 20, "8-9 3-6 0-1 12-13");
    assert_outcome("bytes=4-5,0-0,8-8,1-7", 20, "0-8");
}

static void test_what_lies_outside_cannot_be_satisfied(void **state)
{
    (void)state;
    assert_outcome("bytes=10-", 10, "416");
    assert_outcome("bytes=10-12", 10, "416");
    assert_outcome("bytes=-0", 10, "416");
    assert_outcome("bytes=10-11,99-", 10, "416");
    assert_outcome("bytes=0-0", 0, "416");
    assert_outcome("bytes=0-", 0, "416");
    assert_outcome("bytes=-0", 0, "416");
}

static void test_the_end_of_nothing_is_all_of_it(void **state)
{
    (void)state;
    assert_outcome("bytes=-1", 0, "none");
    assert_outcome("bytes=0-,-1", 0, "none");
}

static void test_bad_syntax_asks_for_the_whole(void **state)
{
    static const char *const bad[] = {
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes= ",
        "=0-1",
        "items=0-1",
        "bytes:0-1",
        "bytes =0-1",
        " bytes=0-1",
        "bytes=-",
        "bytes=1",
        "bytes=a-b",
        "bytes=0-b",
        "bytes=0x0-1",
        "bytes=1-0",
        "bytes=0-1-2",
        "bytes=--1",
        "bytes=0 -1",
        "bytes=0- 1",
        "bytes=+0-1",
        "bytes=0-1;",
        "bytes=0-1,x",
        "bytes=0-1,5-4",
        "bytes=0-1 2-3",
        "bytes=\"0-1\"",
        "bytes=0-1,\"2-3\"",
        "bytes==0-1",
        "bytes=0.5-1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_outcome(bad[i], 10, "none");
    assert_outcome(NULL, 10, "none");
}

static void test_huge_numbers_saturate(void **state)
{
    (void)state;
    assert_outcome("bytes=0-18446744073709551615", 10, "0-9");
    assert_outcome("bytes=0-18446744073709551616", 10, "0-9");
    assert_outcome("bytes=0-99999999999999999999999999", 10, "0-9");
    assert_outcome("bytes=99999999999999999999999999-", 10, "416");
    assert_outcome("bytes=-99999999999999999999999999", 10, "0-9");
    assert_outcome("bytes=18446744073709551620-4", 10, "none");
    assert_outcome("bytes=18446744073709551614-", UINT64_MAX,
                   "18446744073709551614-18446744073709551614");
    assert_outcome("bytes=0-,0-18446744073709551615", UINT64_MAX, "0-18446744073709551614");
    assert_outcome("bytes=18446744073709551615-", UINT64_MAX, "416");
}

static void test_more_than_sixteen_ranges_ask_for_the_whole(void **state)
{
    char header[512] = "bytes=0-0";
    (void)state;
    for (int i = 1; i < 16; i++)
        sprintf(header + strlen(header), ",%d-%d", i * 2, i * 2);
    struct bk__range ranges[BK__RANGES_MAX];
    size_t count;
    assert_int_equal(bk__range_parse(bk_str_of(header), 100, ranges, &count), BK__RANGE_SOME);
    assert_int_equal(count, 16);
    strcat(header, ",50-50");
    assert_outcome(header, 100, "none");

    strcpy(header, "bytes=0-0");
    for (int i = 1; i < 17; i++)
        strcat(header, ",0-0");
    assert_outcome(header, 100, "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_range_is_cut_to_the_size),
        cmocka_unit_test(test_several_ranges_keep_their_order),
        cmocka_unit_test(test_ranges_that_overlap_or_touch_become_one),
        cmocka_unit_test(test_what_lies_outside_cannot_be_satisfied),
        cmocka_unit_test(test_the_end_of_nothing_is_all_of_it),
        cmocka_unit_test(test_bad_syntax_asks_for_the_whole),
        cmocka_unit_test(test_huge_numbers_saturate),
        cmocka_unit_test(test_more_than_sixteen_ranges_ask_for_the_whole),
    };
    return cmocka_run_group_tests_name("http/range", tests, NULL, NULL);
}
