/*
 * scan.c: from bytes to JSON tokens.
 *
 * What may come next depends on one small state and on whether the innermost open level is an
 * object, so the grammar needs no stack but a bit per level. A key takes its colon with it. Strings
 * are looked through eight bytes at a time until something needs attention.
 *
 * What must hold: nothing is read at or past `end`; after an error every call answers with it
 * again, so that callers' loops end without asking twice.
 */
#include "json/scan.h"

#include <stddef.h>

#include "core/arena.h"
#include "core/utf8.h"
#include "json/plain.h"

enum expect {
    EXPECT_VALUE,
    EXPECT_FIRST, /* a level was just opened: its first entry, or its end */
    EXPECT_MORE,  /* a comma and an entry, or the end of the level or of the text */
    FAILED
};

void bk__scan_init(struct bk__scan *scan, bk_str text, size_t max_depth, size_t max_nodes)
{
    const char *begin = text.ptr != NULL ? text.ptr : "";

    scan->at = scan->begin = scan->start = begin;
    scan->end = begin + text.len;
    scan->objects = 0;
    scan->depth = 0;
    scan->max_depth =
        max_depth == 0 || max_depth > BK__JSON_DEPTH_MAX ? BK__JSON_DEPTH_MAX : (unsigned)max_depth;
    scan->nodes_left = max_nodes != 0 ? max_nodes : BK__JSON_NODES_DEFAULT;
    scan->expect = EXPECT_VALUE;
    scan->err = BK_OK;
}

static enum bk__token fail(struct bk__scan *scan, bk_err err, const char *at, const char *why)
{
    scan->at = at;
    scan->err = err;
    scan->why = why;
    scan->expect = FAILED;
    return BK__TOKEN_ERROR;
}

/* What stands at @p at is not what the grammar wants there. */
static enum bk__token unexpected(struct bk__scan *scan, const char *at, const char *why)
{
    return fail(scan, BK_EINVAL, at, at == scan->end ? "unexpected end" : why);
}

void bk__scan_refuse(struct bk__scan *scan, const char *at, const char *why)
{
    (void)fail(scan, BK_EINVAL, at, why);
}

bk_err bk__scan_fail(const struct bk__scan *scan)
{
    return bk_fail(scan->err, "invalid JSON: %s at byte %zu", scan->why,
                   (size_t)(scan->at - scan->begin));
}

static bool in_object(const struct bk__scan *scan)
{
    return scan->depth != 0 && (scan->objects >> (scan->depth - 1) & 1) != 0;
}

static void skip_blanks(struct bk__scan *scan)
{
    const char *at = scan->at;

    while (at < scan->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    scan->at = at;
}

/* The value of four hex digits; -1 when there are none. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)at[i], lower = c | 0x20;
        if (c >= '0' && c <= '9')
            value = value << 4 | (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value << 4 | (lower - 'a' + 10);
        else
            return -1;
    }
    return value;
}

static bool is_high(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Checks the escape at @p at; returns what follows, NULL when it is bad and *why is set. */
static const char *scan_escape(const char *at, const char *end, const char **why)
{
    *why = "unknown escape";
    if (end - at < 2)
        return NULL;
    if (at[1] != 'u')
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? at + 2 : NULL;

    int32_t unit = hex4(at + 2, end);
    *why = unit < 0 ? "\\u needs four hex digits" : "NUL is not allowed in a string";
    if (unit <= 0)
        return NULL;
    at += 6;
    if (is_high(unit)) {
        *why = "lone surrogate";
        if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || !is_low(hex4(at + 2, end)))
            return NULL;
        return at + 6;
    }
    *why = "lone surrogate";
    return is_low(unit) ? NULL : at;
}

/* Reads the string whose opening quote is at scan->at. */
static bool scan_string(struct bk__scan *scan)
{
    const char *begin = scan->at + 1, *at = begin, *end = scan->end;
    const char *why;

    scan->escaped = false;
    for (;;) {
        at = bk__plain_end(at, end);
        if (at == end) {
            fail(scan, BK_EINVAL, at, "string without end");
            return false;
        }
        unsigned char c = (unsigned char)*at;
        if (c == '"')
            break;
        if (c == '\\') {
            const char *after = scan_escape(at, end, &why);
            if (after == NULL) {
                fail(scan, BK_EINVAL, at, why);
                return false;
            }
            scan->escaped = true;
            at = after;
        } else if (c < 0x20) {
            fail(scan, BK_EINVAL, at, "control character in a string");
            return false;
        } else {
            size_t len = bk__utf8_char(at, (size_t)(end - at));
            if (len == 0) {
                fail(scan, BK_EINVAL, at, "bytes that are not UTF-8");
                return false;
            }
            at += len;
        }
    }
    scan->text = bk_str_at(begin, (size_t)(at - begin));
    scan->at = at + 1;
    return true;
}

static enum bk__token key(struct bk__scan *scan)
{
    scan->start = scan->at;
    if (scan->at == scan->end || *scan->at != '"')
        return unexpected(scan, scan->at, "expected a key in quotes");
    if (!scan_string(scan))
        return BK__TOKEN_ERROR;
    skip_blanks(scan);
    if (scan->at == scan->end || *scan->at != ':')
        return unexpected(scan, scan->at, "expected ':'");
    scan->at++;
    scan->expect = EXPECT_VALUE;
    return BK__TOKEN_KEY;
}

static enum bk__token open(struct bk__scan *scan, bool object)
{
    if (scan->depth == scan->max_depth)
        return fail(scan, BK_ETOOBIG, scan->at, "nested too deep");
    uint64_t bit = (uint64_t)1 << scan->depth;
    scan->objects = object ? scan->objects | bit : scan->objects & ~bit;
    scan->depth++;
    scan->at++;
    scan->expect = EXPECT_FIRST;
    return object ? BK__TOKEN_BEGIN_OBJECT : BK__TOKEN_BEGIN_ARRAY;
}

static enum bk__token close(struct bk__scan *scan)
{
    bool object = in_object(scan);

    scan->start = scan->at;
    scan->at++;
    scan->depth--;
    scan->expect = EXPECT_MORE;
    return object ? BK__TOKEN_END_OBJECT : BK__TOKEN_END_ARRAY;
}

static enum bk__token literal(struct bk__scan *scan, const char *word, size_t len,
                              enum bk__token token)
{
    if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
        return fail(scan, BK_EINVAL, scan->at, "expected a value");
    scan->at += len;
    scan->expect = EXPECT_MORE;
    return token;
}

static enum bk__token number(struct bk__scan *scan)
{
    const char *at = scan->at;

    if (!bk__number_scan(&at, scan->end, &scan->number))
        return unexpected(scan, at, "expected a digit");
    scan->at = at;
    scan->expect = EXPECT_MORE;
    return BK__TOKEN_NUMBER;
}

static enum bk__token value(struct bk__scan *scan)
{
    scan->start = scan->at;
    if (scan->at == scan->end)
        return unexpected(scan, scan->at, NULL);
    if (scan->nodes_left == 0)
        return fail(scan, BK_ETOOBIG, scan->at, "too many values");
    scan->nodes_left--;

    switch (*scan->at) {
    case '"':
        scan->expect = EXPECT_MORE;
        return scan_string(scan) ? BK__TOKEN_STRING : BK__TOKEN_ERROR;
    case '{':
        return open(scan, true);
    case '[':
        return open(scan, false);
    case 't':
        return literal(scan, "true", 4, BK__TOKEN_TRUE);
    case 'f':
        return literal(scan, "false", 5, BK__TOKEN_FALSE);
    case 'n':
        return literal(scan, "null", 4, BK__TOKEN_NULL);
    default:
        if (*scan->at != '-' && (unsigned char)(*scan->at - '0') > 9)
            return fail(scan, BK_EINVAL, scan->at, "expected a value");
        return number(scan);
    }
}

enum bk__token bk__scan_next(struct bk__scan *scan)
{
    if (scan->expect == FAILED)
        return BK__TOKEN_ERROR;
    skip_blanks(scan);
    if (scan->expect == EXPECT_VALUE)
        return value(scan);

    const char *at = scan->at;
    if (scan->depth == 0) {
        if (at != scan->end)
            return fail(scan, BK_EINVAL, at, "text after the value");
        return BK__TOKEN_END;
    }
    bool object = in_object(scan);
    if (at < scan->end && *at == (object ? '}' : ']'))
        return close(scan);
    if (scan->expect == EXPECT_MORE) {
        if (at == scan->end || *at != ',')
            return unexpected(scan, at, object ? "expected ',' or '}'" : "expected ',' or ']'");
        scan->at++;
        skip_blanks(scan);
    }
    return object ? key(scan) : value(scan);
}

/* Writes the scalar value @p code; returns the length. */
static size_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(0xf00 >> len | code);
    return len;
}

size_t bk__scan_unescape(bk_str raw, char *out)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    char *to = out;

    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
        } else if (at[1] != 'u') {
            *to++ = values[strchr(names, at[1]) - names];
            at += 2;
        } else {
            int32_t unit = hex4(at + 2, end);
            at += 6;
            if (is_high(unit)) {
                unit = 0x10000 + ((unit - 0xd800) << 10) + (hex4(at + 2, end) - 0xdc00);
                at += 6;
            }
            to += put_utf8(to, (uint32_t)unit);
        }
    }
    return (size_t)(to - out);
}

bk_str bk__scan_text(const struct bk__scan *scan, bk_arena *arena)
{
    if (!scan->escaped)
        return scan->text;
    char *out = bk__arena_get(arena, scan->text.len);
    return bk_str_at(out, bk__scan_unescape(scan->text, out));
}
