/*
 * cron.c: the next time of a cron expression. See backend/cron.h for what is promised.
 *
 * A zone's clock is a row of spans in which local time is UTC plus a constant. Within one, the
 * search is plain arithmetic on sets of bits, month by month. What remains are the edges: where a
 * span begins with the clock put forward, local times were skipped; where it begins with the clock
 * put back, some come a second time.
 */
#include "queue/cron.h"

#include <stdlib.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/calendar.h"

#define SECOND_US ((int64_t)1000000)
#define ALL_HOURS UINT32_C(0xffffff)
#define WEEK      0x7f
#define EARLIEST  INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define LATEST    INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define NO_SECOND (-1)

bk_err bk_cron_parse(bk_str text, bk_str zone, bk_cron **out)
{
    bk_cron read;

    BK_TRY(bk__cron_read(text, &read));
    if (zone.len > 0 && !bk_str_eq(zone, BK_LIT("UTC")))
        BK_TRY(bk__tz_open(zone, &read.tz));
    bk_cron *cron = malloc(sizeof *cron);
    bk_assert(cron != NULL);
    *cron = read;
    *out = cron;
    return BK_OK;
}

void bk_cron_free(bk_cron *cron)
{
    if (cron == NULL)
        return;
    bk__tz_free(cron->tz);
    free(cron);
}

/* The days from @p from to @p to, both included, as bits from 1. */
static uint32_t days_between(int from, int to)
{
    return (uint32_t)(((uint64_t)2 << to) - ((uint64_t)1 << from));
}

/* The days of a month that are one of @p weekdays; @p first is the weekday of the first. */
static uint32_t spread(uint32_t weekdays, int first)
{
    uint64_t week = (weekdays >> first | weekdays << (7 - first)) & WEEK;
    return (uint32_t)((week | week << 7 | week << 14 | week << 21 | week << 28) << 1);
}

static uint32_t days_by_weekday(const bk_cron *cron, int64_t year, int month, int count)
{
    int first = bk__calendar_weekday(bk__calendar_days(year, month, 1));
    uint32_t days = spread(cron->weekdays, first);

    if (cron->nth > 0)
        days &= days_between(7 * cron->nth - 6, cron->nth < 5 ? 7 * cron->nth : 31);
    if (cron->last_weekdays != 0)
        days |= spread(cron->last_weekdays, first) & days_between(count - 6, count);
    return days;
}

uint32_t bk__cron_days(const bk_cron *cron, int64_t year, int month)
{
    if ((cron->months >> month & 1) == 0)
        return 0;
    int count = bk__calendar_days_in(year, month);
    uint32_t days = cron->days;

    if (cron->last_day)
        days |= UINT32_C(1) << count;
    if (!cron->any_weekday) {
        uint32_t by_weekday = days_by_weekday(cron, year, month, count);
        days = cron->any_day ? by_weekday : days | by_weekday;
    }
    return days & days_between(1, count);
}

/* The first member of @p set from @p from on; -1: there is none. */
static int member_from(uint64_t set, int from)
{
    set = set >> from << from;
    return set != 0 ? __builtin_ctzll(set) : -1;
}

static int second_of_day(const bk_cron *cron, int hour, int minute)
{
    return hour * 3600 + minute * 60 + __builtin_ctzll(cron->seconds);
}

/* The first second of a day that fits, from @p from on. */
static int second_from(const bk_cron *cron, int from)
{
    int hour = from / 3600, minute = from / 60 % 60, found;
    int first_minute = __builtin_ctzll(cron->minutes);

    if ((cron->hours >> hour & 1) != 0) {
        if ((cron->minutes >> minute & 1) != 0 &&
            (found = member_from(cron->seconds, from % 60)) >= 0)
            return hour * 3600 + minute * 60 + found;
        if ((found = member_from(cron->minutes, minute + 1)) >= 0)
            return second_of_day(cron, hour, found);
    }
    found = member_from(cron->hours, hour + 1);
    return found >= 0 ? second_of_day(cron, found, first_minute) : NO_SECOND;
}

/* The first local time in [from, until) that fits, as seconds since 1970 by the local clock. */
static bool find(const bk_cron *cron, int64_t from, int64_t until, int64_t *out)
{
    int64_t day = bk__floor_div(from, BK__DAY_SECONDS);
    struct bk__date date = bk__calendar_date(day);
    int second = second_from(cron, (int)bk__floor_mod(from, BK__DAY_SECONDS));
    uint32_t days = bk__cron_days(cron, date.year, date.month);

    if (second != NO_SECOND && (days >> date.day & 1) != 0) {
        *out = day * BK__DAY_SECONDS + second;
        return *out < until;
    }
    int64_t first = day - (date.day - 1); /* of the month */
    days &= ~days_between(1, date.day);
    while (days == 0) {
        first += bk__calendar_days_in(date.year, date.month);
        if (first * BK__DAY_SECONDS >= until)
            return false;
        date.year += date.month == 12;
        date.month = date.month % 12 + 1;
        days = bk__cron_days(cron, date.year, date.month);
    }
    second = second_of_day(cron, __builtin_ctz(cron->hours), __builtin_ctzll(cron->minutes));
    *out = (first + __builtin_ctz(days) - 1) * BK__DAY_SECONDS + second;
    return *out < until;
}

/* The first instant in @p span from @p at on, which is in it. */
static bool find_in(const bk_cron *cron, const struct bk__tz_span *span, int64_t at, int64_t *out)
{
    int64_t last = span->until <= LATEST ? span->until : LATEST + 1;
    int64_t from = at + span->offset, local;

    if (cron->hours != ALL_HOURS && span->from != INT64_MIN) {
        int64_t old = span->from + span->before; /* what the clock had come to */
        if (at == span->from && find(cron, old, from, &local)) {
            *out = at;
            return true;
        }
        if (from < old)
            from = old;
    }
    if (!find(cron, from, last + span->offset, &local))
        return false;
    *out = local - span->offset;
    return true;
}

bk_err bk_cron_next(const bk_cron *cron, bk_time after, bk_time *out)
{
    struct bk__tz_span span = {INT64_MIN, INT64_MAX, 0, 0};
    int64_t at = bk__floor_div(after, SECOND_US) + 1, found;

    if (at < EARLIEST)
        at = EARLIEST;
    while (at <= LATEST) {
        if (cron->tz != NULL)
            bk__tz_span(cron->tz, at, &span);
        if (find_in(cron, &span, at, &found)) {
            *out = found * SECOND_US;
            return BK_OK;
        }
        at = span.until;
    }
    return bk_fail(BK_ENOTFOUND, "the cron expression has no time before the year 10000");
}
