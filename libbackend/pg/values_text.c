/*
 * values_text.c: values as text.
 *
 * What came as text is copied. What came as binary is written as PostgreSQL would, with times in
 * UTC.
 */
#include "pg/values_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <backend/clock.h>

#include "core/arena.h"
#include "core/assert.h"
#include "core/encode.h"
#include "core/number.h"
#include "pg/items.h"
#include "pg/wire.h"

/* --- numbers ---------------------------------------------------------------------------------- */

/* Signs of a numeric. */
enum {
    NUMERIC_PLUS = 0x0000,
    NUMERIC_MINUS = 0x4000,
    NUMERIC_NAN = 0xc000,
    NUMERIC_INFINITY = 0xd000,
    NUMERIC_MINUS_INFINITY = 0xf000
};

#define NUMERIC_SCALE_MAX 0x3fff

/* Digits to the base 10,000: the one at @p at, counted from the point leftwards, is
 * digits[weight - at]. */
struct numeric {
    bk_str digits; /* two bytes each */
    int count, weight;
    uint16_t sign;
    int scale; /* decimal digits behind the point */
};

static bool read_numeric(bk_str bytes, struct numeric *numeric)
{
    struct bk__pg_reader reader = bk__pg_reader_of(bytes);

    numeric->count = bk__pg_read_u16(&reader);
    numeric->weight = (int16_t)bk__pg_read_u16(&reader);
    numeric->sign = bk__pg_read_u16(&reader);
    numeric->scale = bk__pg_read_u16(&reader);
    if (reader.bad || numeric->scale > NUMERIC_SCALE_MAX ||
        reader.end - reader.at != 2 * (ptrdiff_t)numeric->count)
        return false;
    numeric->digits = bk_str_at(reader.at, (size_t)(reader.end - reader.at));
    while (reader.at < reader.end) {
        if (bk__pg_read_u16(&reader) > 9999)
            return false;
    }
    return true;
}

/* Appends four decimal digits. */
static void add_digit(bk_buf *buf, const struct numeric *numeric, int at)
{
    int index = numeric->weight - at;
    uint16_t digit = 0;
    char *to = bk_buf_reserve(buf, 4);

    if (index >= 0 && index < numeric->count)
        memcpy(&digit, numeric->digits.ptr + 2 * index, 2);
    unsigned value = be16toh(digit);
    for (int i = 3; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
    buf->len += 4;
}

static void add_whole(bk_buf *buf, const struct numeric *numeric)
{
    size_t begin = buf->len, zeros = 0;

    for (int at = numeric->weight; at >= 0; at--)
        add_digit(buf, numeric, at);
    size_t len = buf->len - begin;
    while (zeros < len && buf->ptr[begin + zeros] == '0')
        zeros++;
    if (zeros == len) {
        buf->len = begin;
        bk_buf_add_char(buf, '0');
        return;
    }
    memmove(buf->ptr + begin, buf->ptr + begin + zeros, len - zeros);
    buf->len -= zeros;
}

static void add_fraction(bk_buf *buf, const struct numeric *numeric)
{
    if (numeric->scale == 0)
        return;
    bk_buf_add_char(buf, '.');
    size_t end = buf->len + (size_t)numeric->scale;
    for (int at = -1; buf->len < end; at--)
        add_digit(buf, numeric, at);
    buf->len = end;
}

static bk_err add_numeric(const struct bk__pg_value *value, bk_buf *buf)
{
    struct numeric numeric;

    if (!read_numeric(value->bytes, &numeric))
        return bk__pg_damaged(value);
    switch (numeric.sign) {
    case NUMERIC_NAN:
        bk_buf_add(buf, BK_LIT("NaN"));
        return BK_OK;
    case NUMERIC_INFINITY:
        bk_buf_add(buf, BK_LIT("Infinity"));
        return BK_OK;
    case NUMERIC_MINUS_INFINITY:
        bk_buf_add(buf, BK_LIT("-Infinity"));
        return BK_OK;
    case NUMERIC_MINUS:
        bk_buf_add_char(buf, '-');
        break;
    case NUMERIC_PLUS:
        break;
    default:
        return bk__pg_damaged(value);
    }
    add_whole(buf, &numeric);
    add_fraction(buf, &numeric);
    return BK_OK;
}

bk_err bk__pg_numeric_text(const struct bk__pg_value *value, bk_arena *arena, bk_str *out)
{
    bk_buf buf = {.arena = arena};

    BK_TRY(add_numeric(value, &buf));
    *out = bk_buf_str(&buf);
    return BK_OK;
}

/* The double whose shortest text is that of @p narrow: 0.1, where (double)0.1f has 17 digits. */
static double widen(float narrow)
{
    double wide = (double)narrow;

    for (int precision = 1; precision <= 9; precision++) {
        char text[32], digits[32];
        size_t count = 0;
        int len = snprintf(text, sizeof(text), "%.*e", precision - 1, wide);
        const char *exponent = memchr(text, 'e', (size_t)len);
        for (const char *at = text; at < exponent; at++) {
            if ((*at >= '0' && *at <= '9') || *at == '-') /* not a locale's point */
                digits[count++] = *at;
        }
        count += (size_t)snprintf(digits + count, sizeof(digits) - count, "e%d",
                                  (int)strtol(exponent + 1, NULL, 10) - (precision - 1));
        double read;
        if (bk_str_to_f64(bk_str_at(digits, count), &read) == BK_OK && (float)read == narrow)
            return read;
    }
    return wide;
}

static bk_err add_float(const struct bk__pg_value *value, bk_buf *buf)
{
    double number;

    BK_TRY(bk__pg_to_f64(value, &number));
    if (isnan(number))
        bk_buf_add(buf, BK_LIT("NaN"));
    else if (isinf(number))
        bk_buf_add(buf, number > 0 ? BK_LIT("Infinity") : BK_LIT("-Infinity"));
    else
        bk_buf_add_f64(buf, value->type == BK__PG_FLOAT4 ? widen((float)number) : number);
    return BK_OK;
}

/* --- the rest --------------------------------------------------------------------------------- */

/* PostgreSQL's years have no sign: the one before 1 is 1 BC. */
static bk_err add_time(const struct bk__pg_value *value, bk_buf *buf)
{
    char text[BK_TIME_TEXT];
    bk_time at;

    if (bk__pg_is_infinite(value)) {
        bk_buf_add(buf, value->bytes.ptr[0] < 0 ? BK_LIT("-infinity") : BK_LIT("infinity"));
        return BK_OK;
    }
    BK_TRY(bk__pg_to_time(value, &at));
    bk_time_format(at, text);
    long year = strtol(text, NULL, 10);
    const char *rest = strchr(text + 1, '-');
    bk_buf_printf(buf, "%04ld%.6s", year > 0 ? year : 1 - year, rest);
    if (value->type != BK__PG_DATE) {
        const char *clock = rest + 7, *end = strchr(clock, 'Z');
        while (end[-1] == '0' && end - clock > 8)
            end--; /* no zeros behind the point */
        end -= end[-1] == '.';
        bk_buf_printf(buf, " %.*s%s", (int)(end - clock), clock,
                      value->type == BK__PG_TIMESTAMPTZ ? "+00" : "");
    }
    if (year <= 0)
        bk_buf_add(buf, BK_LIT(" BC"));
    return BK_OK;
}

static bk_err add_uuid(const struct bk__pg_value *value, bk_buf *buf)
{
    static const unsigned char ends[] = {4, 6, 8, 10, 16};
    size_t from = 0;

    if (value->bytes.len != 16)
        return bk__pg_damaged(value);
    char *at = bk_buf_reserve(buf, 36);
    for (size_t i = 0; i < sizeof(ends); i++) {
        if (i != 0)
            *at++ = '-';
        bk__hex(value->bytes.ptr + from, ends[i] - from, at);
        at += 2 * (ends[i] - from);
        from = ends[i];
    }
    buf->len += 36;
    return BK_OK;
}

static void add_hex(bk_str bytes, bk_buf *buf)
{
    char *at = bk_buf_reserve(buf, 2 + 2 * bytes.len);

    memcpy(at, "\\x", 2);
    bk__hex(bytes.ptr, bytes.len, at + 2);
    buf->len += 2 + 2 * bytes.len;
}

static bk_err add_binary(const struct bk__pg_value *value, bk_buf *buf)
{
    char name[BK__PG_TYPE_NAME];
    int64_t integer;
    bool truth;
    bk_str json;

    switch (value->type) {
    case BK__PG_INT2:
    case BK__PG_INT4:
    case BK__PG_INT8:
    case BK__PG_OID:
        BK_TRY(bk__pg_to_i64(value, &integer));
        bk_buf_add_i64(buf, integer);
        return BK_OK;
    case BK__PG_FLOAT4:
    case BK__PG_FLOAT8:
        return add_float(value, buf);
    case BK__PG_NUMERIC:
        return add_numeric(value, buf);
    case BK__PG_BOOL:
        BK_TRY(bk__pg_to_bool(value, &truth));
        bk_buf_add_char(buf, truth ? 't' : 'f');
        return BK_OK;
    case BK__PG_DATE:
    case BK__PG_TIMESTAMP:
    case BK__PG_TIMESTAMPTZ:
        return add_time(value, buf);
    case BK__PG_UUID:
        return add_uuid(value, buf);
    case BK__PG_BYTEA:
        add_hex(value->bytes, buf);
        return BK_OK;
    case BK__PG_JSONB:
        BK_TRY(bk__pg_json_text(value, &json));
        bk_buf_add(buf, json);
        return BK_OK;
    default:
        return bk_fail(BK_EINTERNAL, "%s came as binary", bk__pg_type_name(value->type, name));
    }
}

static bool is_plain(const struct bk__pg_value *value)
{
    return value->format == 0 || bk__pg_is_text(value->type) || value->type == BK__PG_JSON;
}

bk_err bk__pg_add_text(const struct bk__pg_value *value, bk_buf *buf)
{
    if (!is_plain(value))
        return add_binary(value, buf);
    bk_buf_add(buf, value->bytes);
    return BK_OK;
}

/* An item in an array's text: in quotes where it would be read as something else. */
static void add_item(bk_str text, bk_buf *buf)
{
    static const char special[] = "{},\"\\ \t\n\r\v\f";
    bool quoted = text.len == 0 || bk_str_ieq(text, BK_LIT("NULL"));

    for (size_t i = 0; i < text.len && !quoted; i++)
        quoted = memchr(special, text.ptr[i], sizeof(special) - 1) != NULL;
    if (!quoted) {
        bk_buf_add(buf, text);
        return;
    }
    bk_buf_add_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            bk_buf_add_char(buf, '\\');
        bk_buf_add_char(buf, text.ptr[i]);
    }
    bk_buf_add_char(buf, '"');
}

/* The text of an array that came as binary. */
static bk_err add_array(const struct bk__pg_value *value, bk_buf *buf)
{
    struct bk__pg_items items;
    enum bk__pg_item item;
    bool more = false;

    bk__pg_items_begin(&items, value);
    while ((item = bk__pg_items_next(&items)) != BK__PG_ITEM_END) {
        if (item == BK__PG_ITEM_BAD)
            return bk__pg_damaged(value);
        if (more && item != BK__PG_ITEM_CLOSE)
            bk_buf_add_char(buf, ',');
        more = item != BK__PG_ITEM_OPEN;
        if (item == BK__PG_ITEM_VALUE && !items.value.null) {
            bk_buf text = {.arena = buf->arena};
            BK_TRY(bk__pg_add_text(&items.value, &text));
            add_item(bk_buf_str(&text), buf);
        } else {
            bk_buf_add(buf, item == BK__PG_ITEM_OPEN    ? BK_LIT("{")
                            : item == BK__PG_ITEM_CLOSE ? BK_LIT("}")
                                                        : BK_LIT("NULL"));
        }
    }
    return BK_OK;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bk_err unhex(const struct bk__pg_value *value, bk_arena *arena, bk_str *out)
{
    bk_str text = value->bytes;
    size_t len = text.len / 2 - 1;

    if (text.len % 2 != 0 || !bk_str_starts(text, BK_LIT("\\x")))
        return bk__pg_damaged(value);
    char *bytes = bk__arena_get(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(text.ptr[2 + 2 * i]), low = hex_value(text.ptr[3 + 2 * i]);
        if (high < 0 || low < 0)
            return bk__pg_damaged(value);
        bytes[i] = (char)(high << 4 | low);
    }
    bytes[len] = '\0';
    *out = bk_str_at(bytes, len);
    return BK_OK;
}

bk_err bk__pg_to_text(const struct bk__pg_value *value, bk_arena *arena, bk_str *out)
{
    bk_buf buf = {.arena = arena};

    if (value->type == BK__PG_BYTEA && value->format == 0)
        return unhex(value, arena, out);
    if (value->type == BK__PG_BYTEA || is_plain(value)) {
        *out = bk_arena_dup(arena, value->bytes);
        return BK_OK;
    }
    BK_TRY(bk__pg_element(value->type) != 0 ? add_array(value, &buf)
                                            : bk__pg_add_text(value, &buf));
    bk_buf_reserve(&buf, 1)[0] = '\0';
    *out = bk_buf_str(&buf);
    return BK_OK;
}
