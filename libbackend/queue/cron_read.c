/*
 * cron_read.c: the text of a cron expression. See backend/cron.h for the language.
 *
 * An expression may come from another program by way of Redis. So each refusal names the field and
 * what is wrong with it: it is read in a log, far from who wrote it.
 */
#include <backend/str.h>

#include "queue/cron.h"

#define TEXT_MAX 256
#define STEP_MAX 9999
#define FIELDS   6

enum {
    SECOND,
    MINUTE,
    HOUR,
    DAY,
    MONTH,
    WEEKDAY
};

static const struct field {
    const char *name;
    int min, max;
    const char *words; /* of three letters each, the first of which means `min`; NULL: none */
} fields[FIELDS] = {
    [SECOND] = {"second", 0, 59, NULL},
    [MINUTE] = {"minute", 0, 59, NULL},
    [HOUR] = {"hour", 0, 23, NULL},
    [DAY] = {"day of month", 1, 31, NULL},
    [MONTH] = {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
    [WEEKDAY] = {"day of week", 0, 7, "SUNMONTUEWEDTHUFRISAT"},
};

static const struct nickname {
    bk_str name;
    const char *text;
} nicknames[] = {
    {{"@yearly", 7}, "0 0 0 1 1 *"},     {{"@annually", 9}, "0 0 0 1 1 *"},
    {{"@monthly", 8}, "0 0 0 1 * *"},    {{"@weekly", 7}, "0 0 0 * * 0"},
    {{"@daily", 6}, "0 0 0 * * *"},      {{"@hourly", 7}, "0 0 * * * *"},
    {{"@minutely", 9}, "0 * * * * *"},   {{"@secondly", 9}, "* * * * * *"},
    {{"@weekdays", 9}, "0 0 0 * * 1-5"}, {{"@weekends", 9}, "0 0 0 * * 0,6"},
};

/* What is being read. */
struct parser {
    bk_str whole;
    const struct field *field;
    bk_str text; /* of the field */
};

static bk_err refuse(const struct parser *parser, bk_str part, const char *why)
{
    return bk_fail(BK_EINVAL, "cron \"%.*s\": %s (%d-%d): \"%.*s\" %s", BK_PRI(parser->whole),
                   parser->field->name, parser->field->min, parser->field->max, BK_PRI(part), why);
}

/* One or two digits, or a name; -1 for anything else. */
static int value_of(const struct field *field, bk_str text)
{
    int value = 0;

    if (text.len == 3 && field->words != NULL) {
        for (int i = 0; field->words[3 * (size_t)i] != '\0'; i++)
            if (bk_str_ieq(text, bk_str_at(field->words + 3 * (size_t)i, 3)))
                return field->min + i;
    }
    if (text.len < 1 || text.len > 2)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        value = value * 10 + (text.ptr[i] - '0');
    }
    return value;
}

static bk_err read_value(const struct parser *parser, bk_str text, int *out)
{
    if (text.len == 0)
        return refuse(parser, parser->text, "lacks a value");
    *out = value_of(parser->field, text);
    if (*out < 0 && (text.ptr[0] == 'H' || text.ptr[0] == 'h'))
        return refuse(parser, text, "is not supported: write the value that you want");
    if (*out < 0)
        return refuse(parser, text, "is not a value");
    if (*out < parser->field->min || *out > parser->field->max)
        return refuse(parser, text, "is out of range");
    return BK_OK;
}

static bk_err read_step(const struct parser *parser, bk_str text, int *out)
{
    int64_t step;
    if (bk_str_to_i64(text, &step) != BK_OK || step < 1 || step > STEP_MAX)
        return refuse(parser, text, "is not a step, from 1 on");
    *out = (int)step;
    return BK_OK;
}

static bool is_any(bk_str text)
{
    return bk_str_eq(text, BK_LIT("*")) || bk_str_eq(text, BK_LIT("?"));
}

/* "*", "5", "1-5", each with a step perhaps. Adds its values to @p set. */
static bk_err read_item(const struct parser *parser, bk_str item, uint64_t *set)
{
    int first = parser->field->min, last = parser->field->max, step = 1;
    uint64_t values = 0;
    bk_str step_text = item, range, first_text;

    (void)bk_str_split(&step_text, '/', &range);
    if (bk_str_present(step_text))
        BK_TRY(read_step(parser, step_text, &step));
    if (!is_any(range)) {
        (void)bk_str_split(&range, '-', &first_text);
        BK_TRY(read_value(parser, first_text, &first));
        if (bk_str_present(range))
            BK_TRY(read_value(parser, range, &last));
        else if (!bk_str_present(step_text))
            last = first;
        if (last < first)
            return refuse(parser, item, "ends before it begins");
    }
    for (int value = first; value <= last; value += step)
        values |= (uint64_t)1 << value;
    if (parser->field == &fields[WEEKDAY])
        values = (values | values >> 7) & 0x7f; /* 7 is 0 */
    if ((*set & values) != 0)
        return refuse(parser, item, "has a value that the list has already");
    *set |= values;
    return BK_OK;
}

/* "5L": the last Friday. */
static bk_err read_last_weekday(const struct parser *parser, bk_str item, bk_cron *cron)
{
    int day;
    if (item.len == 1)
        return refuse(parser, item, "needs a day before it: 5L is the last Friday");
    BK_TRY(read_value(parser, bk_str_at(item.ptr, item.len - 1), &day));
    cron->last_weekdays |= (uint8_t)(1 << day % 7);
    return BK_OK;
}

/* "2#1": the first Tuesday. The only one of its field, so that there is one `nth`. */
static bk_err read_nth_weekday(const struct parser *parser, bk_cron *cron, uint64_t *set)
{
    bk_str nth = parser->text, day_text;
    int day;

    (void)bk_str_split(&nth, '#', &day_text);
    BK_TRY(read_value(parser, day_text, &day));
    if (nth.len != 1 || nth.ptr[0] < '1' || nth.ptr[0] > '5')
        return refuse(parser, parser->text, "may have 1 to 5 after the #, and stands alone");
    cron->nth = nth.ptr[0] - '0';
    *set = (uint64_t)1 << day % 7;
    return BK_OK;
}

/* What L and # mean depends on the field; all else is the same in each. */
static bk_err read_field(const struct parser *parser, bk_cron *cron, uint64_t *set)
{
    int index = (int)(parser->field - fields);
    bk_str rest = parser->text, item;
    bool any = is_any(rest);

    if (index == DAY)
        cron->any_day = any;
    if (index == WEEKDAY)
        cron->any_weekday = any;
    if (index == WEEKDAY && memchr(rest.ptr, '#', rest.len) != NULL)
        return read_nth_weekday(parser, cron, set);
    while (bk_str_split(&rest, ',', &item)) {
        bool last = item.len > 0 && (item.ptr[item.len - 1] | 0x20) == 'l';
        if (last && index == DAY && item.len == 1)
            cron->last_day = true;
        else if (last && index == WEEKDAY)
            BK_TRY(read_last_weekday(parser, item, cron));
        else
            BK_TRY(read_item(parser, item, set));
    }
    return BK_OK;
}

static bk_str next_word(bk_str *rest)
{
    *rest = bk_str_trim(*rest);
    size_t len = 0;
    while (len < rest->len && rest->ptr[len] != ' ' && rest->ptr[len] != '\t')
        len++;
    bk_str word = bk_str_at(rest->ptr, len);
    rest->ptr += len;
    rest->len -= len;
    return word;
}

static size_t split_words(bk_str text, bk_str words[FIELDS])
{
    for (size_t count = 0; count < FIELDS; count++) {
        words[count] = next_word(&text);
        if (words[count].len == 0)
            return count;
    }
    return bk_str_trim(text).len == 0 ? FIELDS : FIELDS + 1;
}

static bool expand(bk_str *text)
{
    for (size_t i = 0; i < sizeof nicknames / sizeof nicknames[0]; i++) {
        if (bk_str_eq(*text, nicknames[i].name)) {
            *text = bk_str_of(nicknames[i].text);
            return true;
        }
    }
    return false;
}

/* The calendar repeats itself after 400 years. */
static bool ever_comes(const bk_cron *cron)
{
    for (int64_t year = 2000; year < 2400; year++)
        for (int month = 1; month <= 12; month++)
            if (bk__cron_days(cron, year, month) != 0)
                return true;
    return false;
}

bk_err bk__cron_read(bk_str text, bk_cron *out)
{
    bk_str words[FIELDS];
    uint64_t sets[FIELDS] = {[SECOND] = 1};
    bk_cron cron = {0};

    if (text.len > TEXT_MAX)
        return bk_fail(BK_EINVAL, "a cron expression has at most %d bytes, not %zu", TEXT_MAX,
                       text.len);
    text = bk_str_trim(text);
    struct parser parser = {.whole = text};
    if (text.len > 0 && text.ptr[0] == '@' && !expand(&text))
        return bk_fail(BK_EINVAL,
                       "cron \"%.*s\": there is @yearly, @annually, @monthly, @weekly, @daily, "
                       "@hourly, @minutely, @secondly, @weekdays and @weekends",
                       BK_PRI(text));
    size_t count = split_words(text, words);
    if (count != 5 && count != FIELDS)
        return bk_fail(BK_EINVAL, "cron \"%.*s\": has %s than the 5 or 6 fields of an expression",
                       BK_PRI(text), count < 5 ? "fewer" : "more");
    for (size_t i = 0; i < count; i++) {
        size_t index = i + FIELDS - count;
        parser.field = &fields[index];
        parser.text = words[i];
        sets[index] = 0;
        BK_TRY(read_field(&parser, &cron, &sets[index]));
    }
    cron.seconds = sets[SECOND];
    cron.minutes = sets[MINUTE];
    cron.hours = (uint32_t)sets[HOUR];
    cron.days = (uint32_t)sets[DAY];
    cron.months = (uint32_t)sets[MONTH];
    cron.weekdays = (uint8_t)sets[WEEKDAY];
    if (!ever_comes(&cron))
        return bk_fail(BK_EINVAL, "cron \"%.*s\": there is no such day in any year",
                       BK_PRI(parser.whole));
    *out = cron;
    return BK_OK;
}
