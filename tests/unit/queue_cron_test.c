/*
 * queue_cron_test.c: cron expressions. What is right is said by examples, by the rules that hold
 * for all expressions, and by a slow second opinion: each minute of days around the changes of the
 * clock, by the C library's own idea of local time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <backend/clock.h>
#include <backend/cron.h>
#include <backend/str.h>

#include "core/calendar.h"
#include "queue/cron.h"

#define SECOND ((bk_time)1000000)

static bk_time at(const char *text)
{
    bk_time time;
    if (bk_time_parse(bk_str_of(text), &time) != BK_OK)
        fail_msg("no time: %s", text);
    return time;
}

static bk_cron *parse(const char *text, const char *zone)
{
    bk_cron *cron = NULL;
    if (bk_cron_parse(bk_str_of(text), bk_str_of(zone), &cron) != BK_OK)
        fail_msg("%s in %s: %.*s", text, zone != NULL ? zone : "UTC",
                 BK_PRI(bk_error_chain()->message));
    return cron;
}

/* The times after @p after are @p wanted, separated by blanks. */
static void assert_times(const char *text, const char *zone, const char *after, const char *wanted)
{
    bk_cron *cron = parse(text, zone);
    bk_time time = at(after);
    bk_str rest = bk_str_of(wanted), want;
    char got[BK_TIME_TEXT];

    while (bk_str_split(&rest, ' ', &want)) {
        assert_int_equal(bk_cron_next(cron, time, &time), BK_OK);
        size_t len = bk_time_format(time, got) - 5; /* without ".000Z" */
        if (!bk_str_eq(bk_str_at(got, len), want))
            fail_msg("%s after %s: %s, not %.*s", text, after, got, BK_PRI(want));
    }
    bk_cron_free(cron);
}

static void test_each_field_restricts_the_time(void **state)
{
    (void)state;
    assert_times("* * * * *", NULL, "2026-11-28T14:30:00Z",
                 "2026-11-28T14:31:00 2026-11-28T14:32:00");
    assert_times("15 30 8 * * *", NULL, "2026-11-28T14:30:00Z",
                 "2026-11-29T08:30:15 2026-11-30T08:30:15");
    assert_times("*/20 * * * * *", NULL, "2026-12-31T23:59:20Z",
                 "2026-12-31T23:59:40 2027-01-01T00:00:00 2027-01-01T00:00:20");
    assert_times("5/10 9-10 * * *", NULL, "2026-11-28T10:44:59Z",
                 "2026-11-28T10:45:00 2026-11-28T10:55:00 2026-11-29T09:05:00");
    assert_times("0 0 1 JAN,mar *", NULL, "2026-11-28T00:00:00Z",
                 "2027-01-01T00:00:00 2027-03-01T00:00:00 2028-01-01T00:00:00");
    assert_times("1-5/2,7 0 * * *", NULL, "2026-11-28T00:01:00Z",
                 "2026-11-28T00:03:00 2026-11-28T00:05:00 2026-11-28T00:07:00 2026-11-29T00:01:00");
    assert_times("  0 \t 0 * * ? ", NULL, "2026-11-28T00:00:00Z", "2026-11-29T00:00:00");
}

static void test_sunday_is_0_and_7(void **state)
{
    (void)state;
    assert_times("0 0 * * 0", NULL, "2026-11-28T00:00:00Z", "2026-11-29T00:00:00");
    assert_times("0 0 * * 7", NULL, "2026-11-28T00:00:00Z", "2026-11-29T00:00:00");
    assert_times("0 0 * * 5-7", NULL, "2026-11-28T00:00:00Z",
                 "2026-11-29T00:00:00 2026-12-04T00:00:00 2026-12-05T00:00:00 2026-12-06T00:00:00");
    assert_times("0 0 * * sun", NULL, "2026-11-28T00:00:00Z", "2026-11-29T00:00:00");
}

static void test_either_day_field_is_enough_when_both_restrict(void **state)
{
    (void)state;
    assert_times("0 0 1 * MON", NULL, "2026-11-28T00:00:00Z",
                 "2026-11-30T00:00:00 2026-12-01T00:00:00 2026-12-07T00:00:00");
    assert_times("0 0 30 2 1", NULL, "2026-11-28T00:00:00Z",
                 "2027-02-01T00:00:00 2027-02-08T00:00:00");
    /* Only the star restricts nothing; so it is with cron-parser. */
    assert_times("0 0 ? * 1", NULL, "2026-11-28T00:00:00Z",
                 "2026-11-30T00:00:00 2026-12-07T00:00:00");
    assert_times("0 0 1-31 * 1", NULL, "2026-11-28T00:00:00Z",
                 "2026-11-29T00:00:00 2026-11-30T00:00:00 2026-12-01T00:00:00");
    assert_times("0 0 1 * 0-6", NULL, "2026-11-28T00:00:00Z",
                 "2026-11-29T00:00:00 2026-11-30T00:00:00 2026-12-01T00:00:00");
}

static void test_last_and_nth_days_are_found(void **state)
{
    (void)state;
    assert_times("0 0 L * *", NULL, "2028-01-31T00:00:00Z",
                 "2028-02-29T00:00:00 2028-03-31T00:00:00 2028-04-30T00:00:00");
    assert_times("0 0 L,15 * *", NULL, "2026-11-28T00:00:00Z",
                 "2026-11-30T00:00:00 2026-12-15T00:00:00");
    assert_times("0 0 * * 5L", NULL, "2026-11-28T00:00:00Z",
                 "2026-12-25T00:00:00 2027-01-29T00:00:00");
    assert_times("0 0 * * 1L,wedL", NULL, "2026-11-28T00:00:00Z",
                 "2026-11-30T00:00:00 2026-12-28T00:00:00 2026-12-30T00:00:00");
    assert_times("0 0 * * MON#2", NULL, "2026-11-28T00:00:00Z",
                 "2026-12-14T00:00:00 2027-01-11T00:00:00");
    assert_times("0 0 * 2 5#5", NULL, "2026-11-28T00:00:00Z",
                 "2036-02-29T00:00:00 2064-02-29T00:00:00");
}

static void test_rare_dates_are_found(void **state)
{
    (void)state;
    assert_times("0 0 29 2 *", NULL, "2096-02-29T00:00:00Z",
                 "2104-02-29T00:00:00 2108-02-29T00:00:00");
    assert_times("0 0 29 2 *", "Europe/Paris", "2096-03-29T00:00:00Z", "2104-02-28T23:00:00");
}

static void test_nicknames_stand_for_expressions(void **state)
{
    static const struct {
        const char *name, *next;
    } names[] = {
        {"@yearly", "2027-01-01T00:00:00"},   {"@annually", "2027-01-01T00:00:00"},
        {"@monthly", "2026-12-01T00:00:00"},  {"@weekly", "2026-11-29T00:00:00"},
        {"@daily", "2026-11-29T00:00:00"},    {"@hourly", "2026-11-28T15:00:00"},
        {"@minutely", "2026-11-28T14:31:00"}, {"@secondly", "2026-11-28T14:30:01"},
        {"@weekdays", "2026-11-30T00:00:00"}, {"@weekends", "2026-11-29T00:00:00"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_times(names[i].name, NULL, "2026-11-28T14:30:00Z", names[i].next);
}

static void assert_refused(const char *text, const char *words)
{
    bk_cron *cron = (bk_cron *)&text;
    if (bk_cron_parse(bk_str_of(text), bk_str_of(NULL), &cron) != BK_EINVAL)
        fail_msg("%s is taken", text);
    assert_ptr_equal(cron, &text);
    bk_str message = bk_error_chain()->message;
    if (memmem(message.ptr, message.len, words, strlen(words)) == NULL)
        fail_msg("%s: %.*s", text, BK_PRI(message));
}

static void test_a_refusal_names_the_field_and_the_reason(void **state)
{
    char long_text[300];

    (void)state;
    assert_refused("60 * * * *", "cron \"60 * * * *\": minute (0-59): \"60\" is out of range");
    assert_refused("60 * * * * *", "second (0-59)");
    assert_refused("0 24 * * *", "hour (0-23): \"24\" is out of range");
    assert_refused("0 0 0 * *", "day of month (1-31): \"0\" is out of range");
    assert_refused("0 0 1 13 *", "month (1-12): \"13\"");
    assert_refused("0 0 1 january *", "\"january\" is not a value");
    assert_refused("0 0 * * 8", "day of week (0-7): \"8\"");
    assert_refused("0 0 * * SAT-SUN", "\"SAT-SUN\" ends before it begins");
    assert_refused("*/0 * * * *", "minute (0-59): \"0\" is not a step");
    assert_refused("1/5/2 * * * *", "\"5/2\" is not a step");
    assert_refused("5- * * * *", "\"5-\" lacks a value");
    assert_refused("-1 * * * *", "lacks a value");
    assert_refused("1,,2 * * * *", "\"1,,2\" lacks a value");
    assert_refused("1.5 * * * *", "\"1.5\" is not a value");
    assert_refused("1-5,3 * * * *", "\"3\" has a value that the list has already");
    assert_refused("0 0 * * 0,5-7", "\"5-7\" has a value");
    assert_refused("H * * * *", "\"H\" is not supported");
    assert_refused("0 0 * * L", "needs a day before it");
    assert_refused("0 0 15W * *", "\"15W\" is not a value");
    assert_refused("0 0 * * 1#6", "\"1#6\" may have 1 to 5 after the #");
    assert_refused("0 0 * * 1#1,3", "stands alone");
    assert_refused("0 0 30 2 *", "there is no such day in any year");
    assert_refused("0 0 31 4,6 *", "there is no such day in any year");
    assert_refused("* * * *", "fewer than the 5 or 6 fields");
    assert_refused("", "fewer than");
    assert_refused("* * * * * * *", "more than");
    assert_refused("@reboot", "there is @yearly");
    memset(long_text, ' ', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_refused(long_text, "at most 256 bytes, not 299");
}

static void test_zones_that_are_not_there_are_refused(void **state)
{
    bk_cron *cron = NULL;

    (void)state;
    assert_int_equal(bk_cron_parse(BK_LIT("@daily"), BK_LIT("Europe/Atlantis"), &cron),
                     BK_ENOTFOUND);
    assert_int_equal(bk_cron_parse(BK_LIT("@daily"), BK_LIT("../../etc/passwd"), &cron), BK_EINVAL);
    assert_null(cron);
    bk_cron_free(NULL);
}

static void test_there_is_no_time_after_the_year_9999(void **state)
{
    bk_cron *cron = parse("@yearly", "Europe/Paris");
    bk_time time = 4711;

    (void)state;
    assert_int_equal(bk_cron_next(cron, at("9999-12-31T23:00:00Z"), &time), BK_ENOTFOUND);
    assert_int_equal(bk_cron_next(cron, INT64_MAX, &time), BK_ENOTFOUND);
    assert_int_equal(time, 4711);
    assert_int_equal(bk_cron_next(cron, INT64_MIN, &time), BK_OK);
    bk_cron_free(cron);
}

/* Paris, 29 March 2026: 02:00 becomes 03:00, which is 01:00 UTC. */
static void test_what_a_clock_skips_fires_once_right_after(void **state)
{
    const char *before = "2026-03-29T00:20:00Z";
    (void)state;
    assert_times("30 2 * * *", "Europe/Paris", before, "2026-03-29T01:00:00 2026-03-30T00:30:00");
    assert_times("*/15 2 * * *", "Europe/Paris", before, "2026-03-29T01:00:00 2026-03-30T00:00:00");
    assert_times("0 2,3 * * *", "Europe/Paris", before,
                 "2026-03-29T01:00:00 2026-03-30T00:00:00 2026-03-30T01:00:00");
    assert_times("15 1-4 * * *", "Europe/Paris", before,
                 "2026-03-29T01:00:00 2026-03-29T01:15:00 2026-03-29T02:15:00 2026-03-29T23:15:00");
    /* The day of Samoa that never was. */
    assert_times("0 12 * * *", "Pacific/Apia", "2011-12-29T22:00:00Z",
                 "2011-12-30T10:00:00 2011-12-30T22:00:00");
}

/* Paris, 25 October 2026: 03:00 becomes 02:00, which is 01:00 UTC. */
static void test_what_a_clock_repeats_fires_the_first_time(void **state)
{
    const char *before = "2026-10-24T23:20:00Z";
    (void)state;
    assert_times("30 2 * * *", "Europe/Paris", before, "2026-10-25T00:30:00 2026-10-26T01:30:00");
    assert_times("0 2,3 * * *", "Europe/Paris", before,
                 "2026-10-25T00:00:00 2026-10-25T02:00:00 2026-10-26T01:00:00");
    assert_times("0 */2 * * *", "Europe/Paris", before, "2026-10-25T00:00:00 2026-10-25T03:00:00");
    /* Asked in the middle of the second pass. */
    assert_times("*/15 2 * * *", "Europe/Paris", "2026-10-25T01:20:00Z", "2026-10-26T01:00:00");
}

static void test_every_hour_goes_by_time_that_passes(void **state)
{
    (void)state;
    assert_times("30 * * * *", "Europe/Paris", "2026-03-28T23:40:00Z",
                 "2026-03-29T00:30:00 2026-03-29T01:30:00");
    assert_times("30 * * * *", "Europe/Paris", "2026-10-24T23:40:00Z",
                 "2026-10-25T00:30:00 2026-10-25T01:30:00 2026-10-25T02:30:00");
}

/* --- A second opinion --- */

/* Like that of rand_r(), whose low bits are poor, but the same everywhere. */
static uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % bound;
}

static int between(uint64_t *seed, int min, int max)
{
    return min + (int)random_below(seed, (uint32_t)(max - min + 1));
}

static int write_field(uint64_t *seed, int min, int max, char *out)
{
    int a = between(seed, min, max), b = between(seed, a, max);
    switch (random_below(seed, 6)) {
    case 0:
        return sprintf(out, "%d", a);
    case 1:
        return sprintf(out, "%d-%d", a, b);
    case 2:
        return sprintf(out, "*/%d", between(seed, 1, max));
    case 3:
        return sprintf(out, a < b ? "%d,%d" : "%d", a, b);
    default:
        return sprintf(out, "*");
    }
}

static void write_expression(uint64_t *seed, char *out)
{
    static const int bounds[5][2] = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}};
    for (int i = 0; i < 5; i++) {
        out += write_field(seed, bounds[i][0], bounds[i][1], out);
        *out++ = ' ';
    }
    out[-1] = '\0';
}

static bool fits(const bk_cron *cron, const struct tm *local)
{
    uint32_t days = bk__cron_days(cron, local->tm_year + 1900, local->tm_mon + 1);
    return (cron->minutes >> local->tm_min & 1) != 0 && (cron->hours >> local->tm_hour & 1) != 0 &&
           (days >> local->tm_mday & 1) != 0;
}

/* Whether the expression, whose hours are restricted, skips from one minute to the next over a time
 * that fits. */
static bool skipped(const bk_cron *cron, time_t minute, long step)
{
    for (long i = 0; i < step; i += 60) {
        time_t as_if = minute + i; /* read as local time */
        struct tm tm;
        gmtime_r(&as_if, &tm);
        if (fits(cron, &tm))
            return true;
    }
    return false;
}

/* By the C library's zone: is @p minute a time of the expression? */
static bool fires(const bk_cron *cron, time_t minute)
{
    time_t last_minute = minute - 60;
    struct tm local, last, earlier;

    localtime_r(&minute, &local);
    if (cron->hours == 0xffffff)
        return fits(cron, &local);
    localtime_r(&last_minute, &last);
    long step = local.tm_gmtoff - last.tm_gmtoff;
    if (step > 0 && skipped(cron, minute + last.tm_gmtoff, step))
        return true;
    if (!fits(cron, &local))
        return false;
    /* Had the clock been here already? The changes that are tried are of an hour at most. */
    for (time_t ago = 1800; ago <= 3600; ago += 1800) {
        time_t then = minute - ago;
        localtime_r(&then, &earlier);
        if (earlier.tm_hour == local.tm_hour && earlier.tm_min == local.tm_min)
            return false;
    }
    return true;
}

static void compare_over_days(const char *zone, const char *from, uint64_t *seed)
{
    char text[128];
    bk_cron *cron = NULL;
    time_t start = at(from) / SECOND;

    write_expression(seed, text);
    if (bk_cron_parse(bk_str_of(text), bk_str_of(zone), &cron) != BK_OK)
        return; /* a day that never comes, or a list of one value twice */
    bk_time next = start * SECOND - SECOND;
    assert_int_equal(bk_cron_next(cron, next, &next), BK_OK);
    for (time_t minute = start; minute < start + 3 * 86400; minute += 60) {
        bool fired = next == minute * SECOND;
        if (fired != fires(cron, minute))
            fail_msg("\"%s\" in %s: %lld %s", text, zone, (long long)minute,
                     fired ? "should not be" : "is missed");
        if (fired)
            assert_int_equal(bk_cron_next(cron, next, &next), BK_OK);
    }
    bk_cron_free(cron);
}

static void test_no_minute_around_a_change_is_missed_or_added(void **state)
{
    static const char *const places[][2] = {
        {"Europe/Paris", "2026-03-28T00:00:00Z"},
        {"Europe/Paris", "2026-10-24T00:00:00Z"},
        {"America/New_York", "2027-03-13T00:00:00Z"},
        {"America/New_York", "2090-11-04T00:00:00Z"},
        {"Australia/Lord_Howe", "2026-04-04T00:00:00Z"},
        {"Australia/Lord_Howe", "2050-10-01T00:00:00Z"},
        {"America/Sao_Paulo", "2018-11-03T00:00:00Z"},
        {"Africa/Casablanca", "2027-02-06T00:00:00Z"},
        {"Europe/Dublin", "2060-03-27T00:00:00Z"},
        {"Asia/Kathmandu", "2026-02-27T00:00:00Z"},
    };
    uint64_t seed = 20261128;

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        setenv("TZ", places[i][0], 1);
        tzset();
        for (int k = 0; k < 40; k++)
            compare_over_days(places[i][0], places[i][1], &seed);
    }
    unsetenv("TZ");
    tzset();
}

/* Over years, which are too long to go through by minutes. */
static void test_times_rise_and_fit_their_fields(void **state)
{
    uint64_t seed = 4711;
    char text[128];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        bk_cron *cron = NULL;
        write_expression(&seed, text);
        if (bk_cron_parse(bk_str_of(text), bk_str_of(NULL), &cron) != BK_OK)
            continue;
        bk_time time = (bk_time)random_below(&seed, UINT32_C(2000000000)) * SECOND + 1;
        for (int k = 0; k < 50; k++) {
            bk_time before = time;
            assert_int_equal(bk_cron_next(cron, time, &time), BK_OK);
            assert_true(time > before);
            time_t seconds = time / SECOND;
            struct tm tm;
            gmtime_r(&seconds, &tm);
            if (!fits(cron, &tm) || tm.tm_sec != 0 || time % SECOND != 0)
                fail_msg("\"%s\": %lld", text, (long long)seconds);
            /* Whatever lies between has the same next time. */
            bk_time middle = before + (time - before) / 2, again;
            assert_int_equal(bk_cron_next(cron, middle, &again), BK_OK);
            assert_int_equal(again, time);
        }
        bk_cron_free(cron);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_field_restricts_the_time),
        cmocka_unit_test(test_sunday_is_0_and_7),
        cmocka_unit_test(test_either_day_field_is_enough_when_both_restrict),
        cmocka_unit_test(test_last_and_nth_days_are_found),
        cmocka_unit_test(test_rare_dates_are_found),
        cmocka_unit_test(test_nicknames_stand_for_expressions),
        cmocka_unit_test(test_a_refusal_names_the_field_and_the_reason),
        cmocka_unit_test(test_zones_that_are_not_there_are_refused),
        cmocka_unit_test(test_there_is_no_time_after_the_year_9999),
        cmocka_unit_test(test_what_a_clock_skips_fires_once_right_after),
        cmocka_unit_test(test_what_a_clock_repeats_fires_the_first_time),
        cmocka_unit_test(test_every_hour_goes_by_time_that_passes),
        cmocka_unit_test(test_no_minute_around_a_change_is_missed_or_added),
        cmocka_unit_test(test_times_rise_and_fit_their_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
