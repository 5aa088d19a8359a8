/*
 * log_pretty.c: a log line for people.
 *
 * It reads the JSON that log_line.c made, so there is one place that decides what a line says. What
 * a terminal could take for a command is escaped there already.
 */
#include "core/log_pretty.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <backend/log.h>
#include <backend/str.h>

#define GRAY  "\033[90m"
#define CYAN  "\033[36m"
#define PLAIN "\033[0m"

/* What is said first, in this order, whatever the order in the line. */
struct head {
    bk_str level, time, msg; /* as in the line */
    bk_str method, url;      /* of the request that the line is about; empty: of none */
    bk_str status, answered_in;
};

/* Bytes of the JSON value at the beginning of @p text, which is whole. */
static size_t value_length(bk_str text)
{
    size_t depth = 0, at = 0;
    bool quoted = false;

    for (; at < text.len; at++) {
        char c = text.ptr[at];
        if (quoted && c == '\\') {
            at++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '{' || c == '[')) {
            depth++;
        } else if (!quoted && (c == '}' || c == ']' || c == ',')) {
            if (depth == 0)
                break;
            depth -= c != ',';
        }
    }
    return at < text.len ? at : text.len;
}

/* Takes the next `"name":value` off @p rest. */
static bool next_field(bk_str *rest, bk_str *name, bk_str *value)
{
    if (rest->len < 4 || (rest->ptr[0] != '{' && rest->ptr[0] != ','))
        return false;
    bk_str text = bk_str_at(rest->ptr + 2, rest->len - 2); /* behind the name's first quote */
    if (!bk_str_split(&text, '"', name) || text.len == 0)
        return false;
    text.ptr++; /* the colon */
    text.len--;
    *value = bk_str_at(text.ptr, value_length(text));
    *rest = bk_str_at(text.ptr + value->len, text.len - value->len);
    return true;
}

static bk_str unquoted(bk_str value)
{
    return value.len >= 2 && value.ptr[0] == '"' ? bk_str_at(value.ptr + 1, value.len - 2) : value;
}

static char *put(char *out, bk_str text)
{
    if (text.len != 0)
        memcpy(out, text.ptr, text.len);
    return out + text.len;
}

static char *put_time(char *out, bk_str ms_text)
{
    int64_t ms = 0;
    struct tm tm;

    (void)!bk_str_to_i64(ms_text, &ms);
    time_t seconds = (time_t)(ms / 1000);
    localtime_r(&seconds, &tm);
    return out +
           sprintf(out, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
}

static char *put_level(char *out, bk_str level_text, bool colors)
{
    static const struct {
        int64_t level;
        const char *name, *color;
    } levels[] = {{BK_LOG_TRACE, "TRACE", GRAY},       {BK_LOG_DEBUG, "DEBUG", "\033[34m"},
                  {BK_LOG_INFO, "INFO ", "\033[32m"},  {BK_LOG_WARN, "WARN ", "\033[33m"},
                  {BK_LOG_ERROR, "ERROR", "\033[31m"}, {BK_LOG_FATAL, "FATAL", "\033[41m"}};
    int64_t level = 0;
    size_t at = 0;

    (void)!bk_str_to_i64(level_text, &level);
    while (at + 1 < sizeof levels / sizeof *levels && levels[at].level < level)
        at++;
    return out + sprintf(out, " %s%s%s ", colors ? levels[at].color : "", levels[at].name,
                         colors ? PLAIN : "");
}

/* The member of an object; empty where it has none. */
static bk_str member(bk_str object, bk_str wanted)
{
    bk_str name, value;

    while (next_field(&object, &name, &value))
        if (bk_str_eq(name, wanted))
            return unquoted(value);
    return BK_LIT("");
}

/* Which fields a line has that nobody who looks at a terminal needs, or that stand before. */
static bool is_left_out(bk_str name, const struct head *head)
{
    static const char *const always[] = {"pid", "hostname",    "level",    "time",
                                         "msg", "trace_flags", "trace_id", "span_id"};
    static const char *const of_request[] = {"req", "res", "responseTime"};

    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (bk_str_eq(name, bk_str_of(always[i])))
            return true;
    for (size_t i = 0; i < sizeof of_request / sizeof *of_request; i++)
        if (head->url.len != 0 && bk_str_eq(name, bk_str_of(of_request[i])))
            return true;
    return false;
}

static struct head read_head(bk_str line)
{
    struct head head = {.level = BK_LIT("0"), .time = BK_LIT("0")};
    bk_str name, value;

    while (next_field(&line, &name, &value)) {
        if (bk_str_eq(name, BK_LIT("level"))) {
            head.level = value;
        } else if (bk_str_eq(name, BK_LIT("time"))) {
            head.time = value;
        } else if (bk_str_eq(name, BK_LIT("msg"))) {
            head.msg = unquoted(value);
        } else if (bk_str_eq(name, BK_LIT("req"))) {
            head.method = member(value, BK_LIT("method"));
            head.url = member(value, BK_LIT("url"));
        } else if (bk_str_eq(name, BK_LIT("res"))) {
            head.status = member(value, BK_LIT("statusCode"));
        } else if (bk_str_eq(name, BK_LIT("responseTime"))) {
            head.answered_in = value;
        }
    }
    return head;
}

static bk_str status_color(bk_str status)
{
    switch (status.ptr[0]) {
    case '4':
        return BK_LIT("\033[33m");
    case '5':
        return BK_LIT("\033[31m");
    default:
        return BK_LIT("\033[32m");
    }
}

/* ` GET /api/products/42 200 0.213 ms` */
static char *put_request(char *out, const struct head *head, bool colors)
{
    out = put(out, BK_LIT(" "));
    out = put(out, head->method);
    out = put(out, BK_LIT(" "));
    out = put(out, head->url);
    if (head->status.len != 0) {
        out = put(out, BK_LIT(" "));
        out = put(out, colors ? status_color(head->status) : BK_LIT(""));
        out = put(out, head->status);
        out = put(out, colors ? BK_LIT(PLAIN) : BK_LIT(""));
    }
    if (head->answered_in.len != 0) {
        out = put(out, BK_LIT(" "));
        out = put(out, head->answered_in);
        out = put(out, BK_LIT(" ms"));
    }
    return out;
}

/* A word stands without quotes, all else as in JSON. */
static char *put_value(char *out, bk_str value)
{
    bk_str text = unquoted(value);
    bool is_word = text.len != 0 && memchr(text.ptr, ' ', text.len) == NULL &&
                   memchr(text.ptr, '\\', text.len) == NULL;

    return put(out, is_word ? text : value);
}

size_t bk__log_pretty(bk_str line, bool colors, char *out)
{
    struct head head = read_head(line);
    char *at = out;
    bk_str name, value;

    at = put(at, colors ? BK_LIT(GRAY) : BK_LIT(""));
    at = put_time(at, head.time);
    at = put(at, colors ? BK_LIT(PLAIN) : BK_LIT(""));
    at = put_level(at, head.level, colors);
    at = put(at, head.msg);
    if (head.url.len != 0)
        at = put_request(at, &head, colors);
    at = put(at, colors ? BK_LIT(CYAN) : BK_LIT(""));
    while (next_field(&line, &name, &value)) {
        if (is_left_out(name, &head))
            continue;
        at = put(at, BK_LIT(" "));
        at = put(at, name);
        at = put(at, BK_LIT("="));
        at = put_value(at, value);
    }
    at = put(at, colors ? BK_LIT(PLAIN "\n") : BK_LIT("\n"));
    return (size_t)(at - out);
}
