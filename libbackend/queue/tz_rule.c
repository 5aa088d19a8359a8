/*
 * tz_rule.c: "CET-1CEST,M3.5.0,M10.5.0/3". See tz_rule.h.
 */
#include "queue/tz_rule.h"

#include <backend/str.h>

#include "core/calendar.h"

#define HOUR 3600

/* --- Reading: each step takes what it wants off the front, or fails. --- */

static bool take(bk_str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    rest->ptr++;
    rest->len--;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_number(bk_str *rest, int min, int max, int *out)
{
    int value = 0;
    if (rest->len == 0 || !is_digit(rest->ptr[0]))
        return false;
    while (rest->len > 0 && is_digit(rest->ptr[0]) && value <= max) {
        value = value * 10 + (rest->ptr[0] - '0');
        rest->ptr++;
        rest->len--;
    }
    *out = value;
    return value >= min && value <= max;
}

/* "CET", or anything of letters, digits and signs in "<+0330>". */
static bool take_name(bk_str *rest)
{
    size_t len = 0;
    bool quoted = take(rest, '<');
    while (len < rest->len && (is_letter(rest->ptr[len]) ||
                               (quoted && (is_digit(rest->ptr[len]) || rest->ptr[len] == '+' ||
                                           rest->ptr[len] == '-'))))
        len++;
    rest->ptr += len;
    rest->len -= len;
    return len >= 3 && (!quoted || take(rest, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(bk_str *rest, int hours_max, int32_t *out)
{
    int hours, minutes = 0, seconds = 0;
    bool negative = take(rest, '-');
    if (!negative)
        (void)take(rest, '+');
    if (!take_number(rest, 0, hours_max, &hours))
        return false;
    if (take(rest, ':')) {
        if (!take_number(rest, 0, 59, &minutes))
            return false;
        if (take(rest, ':') && !take_number(rest, 0, 59, &seconds))
            return false;
    }
    *out = hours * HOUR + minutes * 60 + seconds;
    if (negative)
        *out = -*out;
    return true;
}

/* POSIX counts west of Greenwich as positive; we do not. */
static bool take_offset(bk_str *rest, int32_t *out)
{
    if (!take_time(rest, 24, out))
        return false;
    *out = -*out;
    return true;
}

static bool take_change(bk_str *rest, struct bk__tz_change *out)
{
    *out = (struct bk__tz_change){.time = 2 * HOUR};
    bool read;
    if (!take(rest, ','))
        return false;
    if (take(rest, 'M')) {
        out->kind = BK__TZ_WEEKDAY;
        read = take_number(rest, 1, 12, &out->month) && take(rest, '.') &&
               take_number(rest, 1, 5, &out->week) && take(rest, '.') &&
               take_number(rest, 0, 6, &out->day);
    } else if (take(rest, 'J')) {
        out->kind = BK__TZ_JULIAN;
        read = take_number(rest, 1, 365, &out->day);
    } else {
        out->kind = BK__TZ_ORDINAL;
        read = take_number(rest, 0, 365, &out->day);
    }
    return read && (!take(rest, '/') || take_time(rest, 167, &out->time));
}

bool bk__tz_rule_parse(bk_str text, struct bk__tz_rule *out)
{
    struct bk__tz_rule rule = {0};
    if (!take_name(&text) || !take_offset(&text, &rule.standard))
        return false;
    rule.summer = rule.standard + HOUR;
    rule.has_summer = text.len > 0;
    if (rule.has_summer) {
        if (!take_name(&text))
            return false;
        if (text.len > 0 && text.ptr[0] != ',' && !take_offset(&text, &rule.summer))
            return false;
        if (!take_change(&text, &rule.begin) || !take_change(&text, &rule.end))
            return false;
    }
    if (text.len > 0)
        return false;
    *out = rule;
    return true;
}

/* --- Asking --- */

/* The change in @p year, as seconds since 1970 by the local clock. */
static int64_t change_in(const struct bk__tz_change *change, int64_t year)
{
    int64_t day = bk__calendar_days(year, 1, 1);
    switch (change->kind) {
    case BK__TZ_WEEKDAY: {
        int64_t first = bk__calendar_days(year, change->month, 1);
        int64_t into = bk__floor_mod(change->day - bk__calendar_weekday(first), 7);
        into += 7 * (change->week - 1);
        if (into >= bk__calendar_days_in(year, change->month))
            into -= 7;
        day = first + into;
        break;
    }
    case BK__TZ_JULIAN:
        day += change->day - 1 + (change->day > 59 && bk__calendar_leap(year));
        break;
    case BK__TZ_ORDINAL:
        day += change->day;
        break;
    }
    return day * BK__DAY_SECONDS + change->time;
}

struct moment {
    int64_t at;
    int32_t offset; /* from then on */
};

/* By time. Of two at the same instant, as "summer all year" has them, the later one comes last. */
static void insert(struct moment *moments, int count, struct moment moment)
{
    while (count > 0 && moments[count - 1].at > moment.at) {
        moments[count] = moments[count - 1];
        count--;
    }
    moments[count] = moment;
}

void bk__tz_rule_span(const struct bk__tz_rule *rule, int64_t at, struct bk__tz_span *out)
{
    struct moment moments[6];
    int count = 0;

    *out = (struct bk__tz_span){INT64_MIN, INT64_MAX, rule->standard, rule->standard};
    if (!rule->has_summer)
        return;
    int64_t days = bk__floor_div(at + rule->standard, BK__DAY_SECONDS);
    int64_t year = bk__calendar_date(days).year;
    for (int64_t y = year - 1; y <= year + 1; y++) {
        struct moment begin = {change_in(&rule->begin, y) - rule->standard, rule->summer};
        struct moment end = {change_in(&rule->end, y) - rule->summer, rule->standard};
        insert(moments, count++, begin);
        insert(moments, count++, end);
    }

    out->offset = moments[0].offset == rule->summer ? rule->standard : rule->summer;
    out->before = out->offset;
    for (int i = 0; i < count; i++) {
        if (i + 1 < count && moments[i + 1].at == moments[i].at)
            continue; /* lasts no time */
        if (moments[i].offset == out->offset)
            continue;
        if (moments[i].at > at) {
            out->until = moments[i].at;
            return;
        }
        out->from = moments[i].at;
        out->before = out->offset;
        out->offset = moments[i].offset;
    }
}
