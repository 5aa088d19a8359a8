/*
 * queue_timing_test.c: which run of a schedule comes next, whoever is late.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/clock.h>
#include <backend/str.h>

#include "queue/timing.h"

static int64_t at(const char *text)
{
    bk_time time;
    if (bk_time_parse(bk_str_of(text), &time) != BK_OK)
        fail_msg("no time: %s", text);
    return time / 1000;
}

static int64_t first(const struct bk__timing *timing, int64_t now)
{
    int64_t run;
    assert_int_equal(bk__timing_first(timing, now, &run), BK_OK);
    return run;
}

static int64_t next(const struct bk__timing *timing, int64_t run, int64_t now)
{
    int64_t then;
    assert_int_equal(bk__timing_next(timing, run, now, &then), BK_OK);
    return then;
}

static void test_every_counts_from_its_first_run(void **state)
{
    struct bk__timing timing = {.every = 1000, .offset = -1};

    (void)state;
    assert_int_equal(first(&timing, 12345), 12345);
    assert_int_equal(next(&timing, 12345, 12360), 13345);
    timing.start = 20000;
    assert_int_equal(first(&timing, 12345), 20000);
}

static void test_aligned_runs_keep_to_multiples(void **state)
{
    struct bk__timing timing = {.every = 60000, .offset = 0};

    (void)state;
    assert_int_equal(first(&timing, 59999), 60000);
    assert_int_equal(first(&timing, 60000), 120000);
    timing.offset = 7000;
    assert_int_equal(first(&timing, 1795877366895), 1795877407000);
}

static void test_a_late_run_does_not_make_the_others_late(void **state)
{
    struct bk__timing timing = {.every = 500, .offset = 441};

    (void)state;
    /* As BullMQ does it: 1795877431441 was taken at ...434332. */
    assert_int_equal(next(&timing, 1795877431441, 1795877434332), 1795877434441);
    assert_int_equal(next(&timing, 1795877431441, 1795877434441), 1795877434941);
    assert_int_equal(next(&timing, 1795877431441, 1795877431940), 1795877431941);
}

static void test_all_missed_runs_are_made_up_for_where_that_is_asked(void **state)
{
    struct bk__timing timing = {.every = 500, .offset = 0, .missed = BK_MISSED_ALL};
    struct bk__timing nightly = {.pattern = BK_LIT("0 3 * * *"), .missed = BK_MISSED_ALL};

    (void)state;
    assert_int_equal(next(&timing, 1000, 60000), 1500);
    assert_int_equal(next(&nightly, at("2026-11-20T03:00:00Z"), at("2026-11-28T12:00:00Z")),
                     at("2026-11-21T03:00:00Z"));
    nightly.missed = BK_MISSED_ONCE;
    assert_int_equal(next(&nightly, at("2026-11-20T03:00:00Z"), at("2026-11-28T12:00:00Z")),
                     at("2026-11-29T03:00:00Z"));
}

static void test_a_pattern_goes_by_its_zone(void **state)
{
    struct bk__timing timing = {.pattern = BK_LIT("30 2 * * *"), .zone = BK_LIT("Europe/Paris")};

    (void)state;
    assert_int_equal(first(&timing, at("2026-03-28T12:00:00Z")), at("2026-03-29T01:00:00Z"));
    assert_int_equal(next(&timing, at("2026-03-29T01:00:00Z"), at("2026-03-29T01:00:01Z")),
                     at("2026-03-30T00:30:00Z"));
    /* A worker whose clock is behind takes it early: not twice. */
    assert_int_equal(next(&timing, at("2026-03-29T01:00:00Z"), at("2026-03-29T00:59:58Z")),
                     at("2026-03-30T00:30:00Z"));
    timing.start = at("2026-06-01T00:30:00Z");
    assert_int_equal(first(&timing, at("2026-03-28T12:00:00Z")), timing.start);
}

static void test_there_is_no_run_after_the_end(void **state)
{
    struct bk__timing timing = {.every = 1000, .offset = -1, .end = 5000};
    int64_t run = 4711;

    (void)state;
    assert_int_equal(next(&timing, 4000, 4001), 5000);
    assert_int_equal(bk__timing_next(&timing, 5000, 5001, &run), BK_EGONE);
    assert_int_equal(bk__timing_first(&timing, 5001, &run), BK_EGONE);
    assert_int_equal(run, 4711);
}

static void test_what_another_program_wrote_may_be_no_pattern(void **state)
{
    struct bk__timing timing = {.pattern = BK_LIT("whenever")};
    int64_t run;

    (void)state;
    assert_int_equal(bk__timing_next(&timing, 0, 0, &run), BK_EINVAL);
    timing = (struct bk__timing){.pattern = BK_LIT("@daily"), .zone = BK_LIT("No/Where")};
    assert_int_equal(bk__timing_next(&timing, 0, 0, &run), BK_ENOTFOUND);
}

static void test_the_same_times_are_known_as_such(void **state)
{
    struct bk__timing a = {.pattern = BK_LIT("@daily"), .limit = 5}, b = a;

    (void)state;
    b.limit = 6;
    b.missed = BK_MISSED_SKIP;
    assert_true(bk__timing_same(&a, &b));
    b.zone = BK_LIT("Europe/Paris");
    assert_false(bk__timing_same(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_counts_from_its_first_run),
        cmocka_unit_test(test_aligned_runs_keep_to_multiples),
        cmocka_unit_test(test_a_late_run_does_not_make_the_others_late),
        cmocka_unit_test(test_all_missed_runs_are_made_up_for_where_that_is_asked),
        cmocka_unit_test(test_a_pattern_goes_by_its_zone),
        cmocka_unit_test(test_there_is_no_run_after_the_end),
        cmocka_unit_test(test_what_another_program_wrote_may_be_no_pattern),
        cmocka_unit_test(test_the_same_times_are_known_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
