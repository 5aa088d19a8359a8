/*
 * calendar.c: dates and day numbers. See calendar.h.
 *
 * Days are counted with the year beginning in March, so that a leap day is the last of its year and
 * a date's day number is a sum.
 */
#include "core/calendar.h"

#define DAYS_IN_400_YRS 146097
#define DAYS_TO_1970    719468 /* from March 1, 0000 */

bool bk__calendar_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int bk__calendar_days_in(int64_t year, int month)
{
    if (month == 2)
        return bk__calendar_leap(year) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Days from March 1 to the first of the month that comes @p months later: 0, 31, 61, 92, 122, 153
 * ... */
static int days_of_months(int months)
{
    return (153 * months + 2) / 5;
}

int64_t bk__calendar_days(int64_t year, int month, int day)
{
    int months = (month + 9) % 12;              /* since March */
    int64_t shifted = year + 400 - (month < 3); /* never negative */
    int64_t days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400;
    return days - DAYS_IN_400_YRS + days_of_months(months) + day - 1 - DAYS_TO_1970;
}

struct bk__date bk__calendar_date(int64_t days)
{
    days += DAYS_TO_1970;
    int64_t cycle = bk__floor_div(days, DAYS_IN_400_YRS);
    int in_cycle = (int)bk__floor_mod(days, DAYS_IN_400_YRS);
    /* Without its leap days a cycle has 365 days in each year. The last day of 4 years and the last
     * of 400 are leap days; that of a century is none. */
    int year = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
    int in_year = in_cycle - (365 * year + year / 4 - year / 100);
    int months = (5 * in_year + 2) / 153;
    int month = months < 10 ? months + 3 : months - 9;
    return (struct bk__date){
        .year = cycle * 400 + year + (month < 3),
        .month = month,
        .day = in_year - days_of_months(months) + 1,
    };
}
