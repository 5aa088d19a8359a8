/*
 * values_time.c: times and dates out of PostgreSQL's formats.
 *
 * PostgreSQL counts microseconds, or days, from 2000-01-01 on; bk_time from 1970-01-01 on. What it
 * knows reaches a little further than bk_time does, and it has infinities, which a bk_time has not:
 * both are errors.
 */
#include "pg/values.h"

#include "pg/wire.h"

#define YEARS_AHEAD  8000 /* added so that no year is negative; whole cycles of 400 years */
#define DAYS_IN_400  146097
#define DAYS_TO_1970 719468 /* from 0000-03-01 */
#define YEAR_MAX     9999999
#define SECONDS_US   ((int64_t)1000000)

bool bk__pg_is_infinite(const struct bk__pg_value *value)
{
    struct bk__pg_reader reader = bk__pg_reader_of(value->bytes);

    if (value->format == 0)
        return bk_str_eq(value->bytes, BK_LIT("infinity")) ||
               bk_str_eq(value->bytes, BK_LIT("-infinity"));
    if (value->type == BK__PG_DATE) {
        int32_t days = (int32_t)bk__pg_read_u32(&reader);
        return !reader.bad && (days == INT32_MAX || days == INT32_MIN);
    }
    int64_t us = (int64_t)bk__pg_read_u64(&reader);
    return !reader.bad && (us == INT64_MAX || us == INT64_MIN);
}

static bk_err out_of_range(void)
{
    return bk_fail(BK_EINTERNAL, "a time too far from ours");
}

/* --- binary ----------------------------------------------------------------------------------- */

static bk_err binary_date(const struct bk__pg_value *value, bk_time *out)
{
    struct bk__pg_reader reader = bk__pg_reader_of(value->bytes);
    int32_t days = (int32_t)bk__pg_read_u32(&reader);

    if (reader.bad || reader.at != reader.end)
        return bk__pg_damaged(value);
    if (__builtin_mul_overflow(days, BK__PG_DAY_US, out) ||
        __builtin_add_overflow(*out, BK__PG_EPOCH_US, out))
        return out_of_range();
    return BK_OK;
}

static bk_err binary_timestamp(const struct bk__pg_value *value, bk_time *out)
{
    struct bk__pg_reader reader = bk__pg_reader_of(value->bytes);
    int64_t us = (int64_t)bk__pg_read_u64(&reader);

    if (reader.bad || reader.at != reader.end)
        return bk__pg_damaged(value);
    if (__builtin_add_overflow(us, BK__PG_EPOCH_US, out))
        return out_of_range();
    return BK_OK;
}

/* --- text: "2026-01-02", "2026-01-02 03:04:05.123+05:30", both with " BC" behind it ------------ */

struct moment {
    int64_t year;
    int month, day, hour, minute, second;
    int us;
    int zone; /* seconds east of UTC */
};

static bool take(bk_str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    rest->ptr++;
    rest->len--;
    return true;
}

static bool take_two(bk_str *rest, int *out)
{
    if (rest->len < 2)
        return false;
    int tens = rest->ptr[0] - '0', ones = rest->ptr[1] - '0';
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9)
        return false;
    *out = tens * 10 + ones;
    rest->ptr += 2;
    rest->len -= 2;
    return true;
}

static bool take_year(bk_str *rest, int64_t *year)
{
    size_t digits = 0;

    for (*year = 0; rest->len > 0 && rest->ptr[0] >= '0' && rest->ptr[0] <= '9'; digits++) {
        *year = *year * 10 + (rest->ptr[0] - '0');
        if (*year > YEAR_MAX)
            return false;
        rest->ptr++;
        rest->len--;
    }
    return digits >= 4;
}

static bool take_fraction(bk_str *rest, int *us)
{
    int place = 100000;

    if (!take(rest, '.'))
        return true;
    for (; rest->len > 0 && rest->ptr[0] >= '0' && rest->ptr[0] <= '9'; place /= 10) {
        if (place == 0)
            return false;
        *us += (rest->ptr[0] - '0') * place;
        rest->ptr++;
        rest->len--;
    }
    return place != 100000;
}

/* [+-]hh[:mm[:ss]] */
static bool take_zone(bk_str *rest, int *zone)
{
    int hours, minutes = 0, seconds = 0;
    bool west = take(rest, '-');

    if (!west && !take(rest, '+'))
        return true;
    if (!take_two(rest, &hours) || (take(rest, ':') && !take_two(rest, &minutes)) ||
        (take(rest, ':') && !take_two(rest, &seconds)))
        return false;
    *zone = (hours * 60 + minutes) * 60 + seconds;
    if (west)
        *zone = -*zone;
    return true;
}

static bool take_moment(bk_str text, struct moment *moment)
{
    *moment = (struct moment){0};
    if (!take_year(&text, &moment->year) || !take(&text, '-') || !take_two(&text, &moment->month) ||
        !take(&text, '-') || !take_two(&text, &moment->day))
        return false;
    if (text.len > 1 && text.ptr[1] != 'B') {
        if (!take(&text, ' ') || !take_two(&text, &moment->hour) || !take(&text, ':') ||
            !take_two(&text, &moment->minute) || !take(&text, ':') ||
            !take_two(&text, &moment->second) || !take_fraction(&text, &moment->us) ||
            !take_zone(&text, &moment->zone))
            return false;
    }
    if (bk_str_eq(text, BK_LIT(" BC")))
        moment->year = 1 - moment->year;
    else if (text.len != 0)
        return false;
    return true;
}

static bool is_possible(const struct moment *moment)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = moment->year + YEARS_AHEAD;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return year >= 1 && moment->month >= 1 && moment->month <= 12 && moment->day >= 1 &&
           moment->day <= days[moment->month - 1] + (leap && moment->month == 2) &&
           moment->hour <= 23 && moment->minute <= 59 && moment->second <= 59;
}

/* Days from 1970-01-01 on. A year begins in March here, so that a leap day is its last. */
static int64_t days_of(const struct moment *moment)
{
    bool late = moment->month < 3; /* belongs to the year before */
    int64_t year = moment->year + YEARS_AHEAD - late;
    int month = moment->month - 3 + (late ? 12 : 0);

    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + moment->day -
           1 - YEARS_AHEAD / 400 * DAYS_IN_400 - DAYS_TO_1970;
}

static bk_err text_time(const struct bk__pg_value *value, bk_time *out)
{
    struct moment moment;
    int64_t days_us;

    if (!take_moment(value->bytes, &moment) || !is_possible(&moment))
        return bk__pg_damaged(value);
    int64_t seconds = moment.hour * 3600 + moment.minute * 60 + moment.second - moment.zone;
    if (__builtin_mul_overflow(days_of(&moment), BK__PG_DAY_US, &days_us) ||
        __builtin_add_overflow(days_us, seconds * SECONDS_US + moment.us, out))
        return out_of_range();
    return BK_OK;
}

bk_err bk__pg_to_time(const struct bk__pg_value *value, bk_time *out)
{
    char name[BK__PG_TYPE_NAME];
    bool is_date = value->type == BK__PG_DATE;

    if (!bk__pg_is_time(value->type))
        return bk_fail(BK_EINTERNAL, "%s is no time", bk__pg_type_name(value->type, name));
    if (bk__pg_is_infinite(value))
        return bk_fail(BK_EINTERNAL, "infinity is no point in time");
    if (value->format == 0)
        return text_time(value, out);
    return is_date ? binary_date(value, out) : binary_timestamp(value, out);
}
