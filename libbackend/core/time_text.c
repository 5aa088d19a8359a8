/*
 * time_text.c: dates as people and protocols write them.
 *
 * All is UTC and the proleptic Gregorian calendar of core/calendar.h.
 */
#include "core/clock.h"

#include <backend/str.h>

#include "core/calendar.h"

#define DAY_US     (BK__DAY_SECONDS * 1000000)
#define YEAR_0     (-719528 * DAY_US)
#define YEAR_10000 (2932897 * DAY_US)

struct date {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second, us;
};

/* Names of three letters, one behind the other. */
static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* What a day's full name has behind them. */
static const char day_rests[][8] = {"day", "day", "sday", "nesday", "rsday", "day", "urday"};

static struct date to_date(bk_time at)
{
    int64_t us = bk__floor_mod(at, DAY_US);
    int64_t seconds = us / 1000000;
    struct bk__date date = bk__calendar_date(bk__floor_div(at, DAY_US));

    return (struct date){
        .year = date.year,
        .month = date.month,
        .day = date.day,
        .hour = (int)(seconds / 3600),
        .minute = (int)(seconds / 60 % 60),
        .second = (int)(seconds % 60),
        .us = (int)(us % 1000000),
    };
}

/* A leap second, which Unix time does not have, is the first second of the next day; it can only be
 * the last of a UTC day. */
static bool to_time(const struct date *date, int offset_minutes, bk_time *out)
{
    if (date->month < 1 || date->month > 12 || date->day < 1 ||
        date->day > bk__calendar_days_in(date->year, date->month))
        return false;
    if (date->hour > 23 || date->minute > 59 || date->second > 60)
        return false;
    int64_t days = bk__calendar_days(date->year, date->month, date->day);
    int64_t minutes = days * 1440 + date->hour * 60 + date->minute - offset_minutes;
    if (date->second == 60 && bk__floor_mod(minutes, 1440) != 1439)
        return false;
    *out = (minutes * 60 + date->second) * 1000000 + date->us;
    return true;
}

static char *write_digits(char *at, int64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

static char *write_text(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static char *write_clock(char *at, const struct date *date)
{
    at = write_digits(at, date->hour, 2);
    *at++ = ':';
    at = write_digits(at, date->minute, 2);
    *at++ = ':';
    return write_digits(at, date->second, 2);
}

size_t bk_time_format(bk_time at, char *out)
{
    struct date date = to_date(at);
    char *end = out;
    if (date.year < 0 || date.year > 9999) {
        *end++ = date.year < 0 ? '-' : '+';
        end = write_digits(end, date.year < 0 ? -date.year : date.year, 6);
    } else {
        end = write_digits(end, date.year, 4);
    }
    *end++ = '-';
    end = write_digits(end, date.month, 2);
    *end++ = '-';
    end = write_digits(end, date.day, 2);
    *end++ = 'T';
    end = write_clock(end, &date);
    *end++ = '.';
    end =
        date.us % 1000 == 0 ? write_digits(end, date.us / 1000, 3) : write_digits(end, date.us, 6);
    *end++ = 'Z';
    *end = '\0';
    return (size_t)(end - out);
}

/* Reading: each step takes what it wants off the front, or fails. */

static bool take(bk_str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    rest->ptr++;
    rest->len--;
    return true;
}

static bool take_either(bk_str *rest, char a, char b)
{
    return take(rest, a) || take(rest, b);
}

static bool take_number(bk_str *rest, size_t width, int *out)
{
    int value = 0;
    if (rest->len < width)
        return false;
    for (size_t i = 0; i < width; i++) {
        char c = rest->ptr[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    rest->ptr += width;
    rest->len -= width;
    *out = value;
    return true;
}

static bool take_text(bk_str *rest, bk_str text)
{
    if (!bk_str_starts(*rest, text))
        return false;
    rest->ptr += text.len;
    rest->len -= text.len;
    return true;
}

static bool take_clock(bk_str *rest, struct date *date)
{
    return take_number(rest, 2, &date->hour) && take(rest, ':') &&
           take_number(rest, 2, &date->minute) && take(rest, ':') &&
           take_number(rest, 2, &date->second);
}

static bool take_fraction(bk_str *rest, int *us)
{
    int digit, place = 100000;
    if (!take(rest, '.'))
        return true;
    if (!take_number(rest, 1, &digit))
        return false;
    do {
        *us += digit * place;
        place /= 10; /* comes to 0 after the sixth */
    } while (take_number(rest, 1, &digit));
    return true;
}

static bool take_zone(bk_str *rest, int *offset_minutes)
{
    int hours, minutes;
    if (take_either(rest, 'Z', 'z')) {
        *offset_minutes = 0;
        return true;
    }
    bool west = take(rest, '-');
    if (!west && !take(rest, '+'))
        return false;
    if (!take_number(rest, 2, &hours) || !take(rest, ':') || !take_number(rest, 2, &minutes))
        return false;
    *offset_minutes = west ? -(hours * 60 + minutes) : hours * 60 + minutes;
    return hours <= 23 && minutes <= 59;
}

bk_err bk_time_parse(bk_str text, bk_time *out)
{
    struct date date = {0};
    int year, offset;
    bool read =
        take_number(&text, 4, &year) && take(&text, '-') && take_number(&text, 2, &date.month) &&
        take(&text, '-') && take_number(&text, 2, &date.day) && take_either(&text, 'T', 't') &&
        take_clock(&text, &date) && take_fraction(&text, &date.us) && take_zone(&text, &offset);
    if (!read || text.len > 0)
        return BK_EINVAL;
    date.year = year;
    return to_time(&date, offset, out) ? BK_OK : BK_EINVAL;
}

void bk__clock_http_date(bk_time at, char out[29])
{
    if (at < YEAR_0)
        at = YEAR_0;
    if (at >= YEAR_10000)
        at = YEAR_10000 - 1;
    struct date date = to_date(at);
    int day = bk__calendar_weekday(bk__floor_div(at, DAY_US));
    char *end = write_text(out, day_names + 3 * day, 3);
    end = write_text(end, ", ", 2);
    end = write_digits(end, date.day, 2);
    *end++ = ' ';
    end = write_text(end, month_names + 3 * (date.month - 1), 3);
    *end++ = ' ';
    end = write_digits(end, date.year, 4);
    *end++ = ' ';
    end = write_clock(end, &date);
    write_text(end, " GMT", 4);
}

/* Takes one of the names of three letters; @p index counts from 0. */
static bool take_name(bk_str *rest, const char *names, int *index)
{
    for (*index = 0; *names != '\0'; names += 3, ++*index) {
        if (take_text(rest, bk_str_at(names, 3)))
            return true;
    }
    return false;
}

/* Whether it is the right day for the date is not looked at: the date decides. */
static bool take_day_name(bk_str *rest, bool in_full)
{
    int day;
    return take_name(rest, day_names, &day) &&
           (!in_full || take_text(rest, bk_str_of(day_rests[day])));
}

static bool take_month_name(bk_str *rest, int *month)
{
    bool found = take_name(rest, month_names, month);
    ++*month;
    return found;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool read_imf(bk_str text, struct date *date)
{
    int year = 0;
    bool read = take_day_name(&text, false) && take_text(&text, BK_LIT(", ")) &&
                take_number(&text, 2, &date->day) && take(&text, ' ') &&
                take_month_name(&text, &date->month) && take(&text, ' ') &&
                take_number(&text, 4, &year) && take(&text, ' ') && take_clock(&text, date) &&
                take_text(&text, BK_LIT(" GMT"));
    date->year = year;
    return read && text.len == 0;
}

/* Sunday, 06-Nov-94 08:49:37 GMT: a year that would be more than 50 years ahead is in the past. */
static bool read_rfc850(bk_str text, struct date *date)
{
    int year = 0;
    bool read = take_day_name(&text, true) && take_text(&text, BK_LIT(", ")) &&
                take_number(&text, 2, &date->day) && take(&text, '-') &&
                take_month_name(&text, &date->month) && take(&text, '-') &&
                take_number(&text, 2, &year) && take(&text, ' ') && take_clock(&text, date) &&
                take_text(&text, BK_LIT(" GMT"));
    int64_t now = to_date(bk_time_now()).year;
    date->year = now - now % 100 + year;
    if (date->year > now + 50)
        date->year -= 100;
    else if (date->year <= now - 50)
        date->year += 100;
    return read && text.len == 0;
}

/* Sun Nov  6 08:49:37 1994 */
static bool read_asctime(bk_str text, struct date *date)
{
    int year = 0;
    bool read = take_day_name(&text, false) && take(&text, ' ') &&
                take_month_name(&text, &date->month) && take(&text, ' ') &&
                (take(&text, ' ') ? take_number(&text, 1, &date->day)
                                  : take_number(&text, 2, &date->day)) &&
                take(&text, ' ') && take_clock(&text, date) && take(&text, ' ') &&
                take_number(&text, 4, &year);
    date->year = year;
    return read && text.len == 0;
}

bk_err bk__clock_parse_http_date(bk_str text, bk_time *out)
{
    struct date date = {0};
    if (!read_imf(text, &date) && !read_rfc850(text, &date) && !read_asctime(text, &date))
        return BK_EINVAL;
    return to_time(&date, 0, out) ? BK_OK : BK_EINVAL;
}
