/*
 * calendar.h: the proleptic Gregorian calendar, computed here: the C library's depends on TZ and
 * locks.
 */
#ifndef BK_CORE_CALENDAR_H
#define BK_CORE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define BK__DAY_SECONDS ((int64_t)86400)

/* Division that rounds down, so that what is before 1970 is not special; @p by is positive. */
static inline int64_t bk__floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

static inline int64_t bk__floor_mod(int64_t value, int64_t by)
{
    int64_t rest = value % by;
    return rest < 0 ? rest + by : rest;
}

/* A date. */
struct bk__date {
    int64_t year;
    int month, day; /* from 1 */
};

bool bk__calendar_leap(int64_t year);

/* How many days @p month, from 1, has. */
int bk__calendar_days_in(int64_t year, int month);

/* Days from 1970-01-01 to a date of a year from 0 on. */
int64_t bk__calendar_days(int64_t year, int month, int day);

/* The date @p days after 1970-01-01. */
struct bk__date bk__calendar_date(int64_t days);

/* The day of the week @p days after 1970-01-01; 0 is Sunday. */
static inline int bk__calendar_weekday(int64_t days)
{
    return (int)bk__floor_mod(days + 4, 7); /* 1970-01-01 was a Thursday */
}

#endif
