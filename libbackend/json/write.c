/*
 * write.c: JSON piece by piece, straight into a buffer.
 *
 * The writer knows what may come next, so it puts the commas and stops a program that would write
 * something else than JSON. Strings go out in runs of bytes that need no escape; bytes that are no
 * UTF-8 become U+FFFD, so that whatever a database or a peer delivered, the output is JSON.
 */
#include <backend/json.h>

#include <math.h>

#include <backend/clock.h>

#include "core/assert.h"
#include "core/number.h"
#include "core/utf8.h"
#include "json/plain.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* What may come next. */
enum state {
    TOP,   /* the one value */
    FIRST, /* an entry of the level just opened, or its end */
    MORE,  /* a comma and another entry, or the end of the level */
    VALUE, /* the value of the key just written */
    DONE   /* nothing */
};

static inline bool in_object(const bk_json_writer *writer)
{
    return writer->depth != 0 && (writer->objects >> (writer->depth - 1) & 1) != 0;
}

/* Room for @p more bytes; the caller moves len. */
static inline char *room(bk_buf *buf, size_t more)
{
    return buf->cap - buf->len >= more && buf->ptr != NULL ? buf->ptr + buf->len
                                                           : bk_buf_reserve(buf, more);
}

/* Room for a value of @p more bytes, behind the comma if one is due. */
static inline char *begin_value(bk_json_writer *writer, size_t more)
{
    bk_buf *buf = writer->buf;
    char *at = room(buf, more + 1);

    if (writer->state == MORE) {
        bk_assert(!in_object(writer)); /* a key must come before the value */
        *at++ = ',';
        buf->len++;
    } else {
        bk_assert(writer->state == VALUE || writer->state == TOP ||
                  (writer->state == FIRST && !in_object(writer)));
    }
    return at;
}

static inline void end_value(bk_json_writer *writer)
{
    writer->state = writer->depth != 0 ? MORE : DONE;
}

static void put_value(bk_json_writer *writer, const char *text, size_t len)
{
    memcpy(begin_value(writer, len), text, len);
    writer->buf->len += len;
    end_value(writer);
}

static void open(bk_json_writer *writer, bool object)
{
    bk_assert(writer->depth < 64);
    *begin_value(writer, 1) = object ? '{' : '[';
    writer->buf->len++;
    uint64_t bit = (uint64_t)1 << writer->depth;
    writer->objects = object ? writer->objects | bit : writer->objects & ~bit;
    writer->depth++;
    writer->state = FIRST;
}

static void close(bk_json_writer *writer, bool object)
{
    bk_assert(writer->depth > 0 && in_object(writer) == object);
    bk_assert(writer->state == FIRST || writer->state == MORE);
    *room(writer->buf, 1) = object ? '}' : ']';
    writer->buf->len++;
    writer->depth--;
    end_value(writer);
}

void bk_json_begin_object(bk_json_writer *writer)
{
    open(writer, true);
}

void bk_json_end_object(bk_json_writer *writer)
{
    close(writer, true);
}

void bk_json_begin_array(bk_json_writer *writer)
{
    open(writer, false);
}

void bk_json_end_array(bk_json_writer *writer)
{
    close(writer, false);
}

/* Writes one byte that cannot stand in a string as it is. */
static size_t escape(unsigned char c, char out[6])
{
    static const char hex[] = "0123456789abcdef";
    static const char names[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *name = memchr(names, c, sizeof(names) - 1);

    out[0] = '\\';
    if (name != NULL) {
        out[1] = letters[name - names];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

/* Writes what follows the plain part of @p text, the bytes up to @p at. The opening quote and the
 * plain part are not written yet. */
static void quote_slowly(bk_buf *buf, bk_str text, const char *at)
{
    const char *end = text.ptr + text.len, *run = text.ptr;

    bk_buf_add_char(buf, '"');
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        size_t len = c >= 0x80 ? bk__utf8_char(at, (size_t)(end - at)) : 0;
        if (len == 0) {
            bk_buf_add(buf, bk_str_at(run, (size_t)(at - run)));
            if (c >= 0x80)
                bk_buf_add(buf, BK_LIT(REPLACEMENT));
            else
                buf->len += escape(c, bk_buf_reserve(buf, 6));
            run = at + 1;
            len = 1;
        }
        at = bk__plain_end(at + len, end);
    }
    bk_buf_add(buf, bk_str_at(run, (size_t)(end - run)));
    bk_buf_add_char(buf, '"');
}

/* Writes @p text as a JSON string. */
static inline void quote(bk_buf *buf, bk_str text)
{
    const char *end = text.ptr + text.len, *plain = bk__plain_end(text.ptr, end);

    if (bk__unlikely(plain != end)) {
        quote_slowly(buf, text, plain);
        return;
    }
    char *to = room(buf, text.len + 2);
    *to++ = '"';
    memcpy(to, text.ptr, text.len);
    to[text.len] = '"';
    buf->len += text.len + 2;
}

void bk_json_write_key(bk_json_writer *writer, bk_str key)
{
    bk_buf *buf = writer->buf;

    bk_assert(in_object(writer) && (writer->state == FIRST || writer->state == MORE));
    if (writer->state == MORE) {
        *room(buf, 1) = ',';
        buf->len++;
    }
    quote(buf, key.ptr != NULL ? key : BK_LIT(""));
    *room(buf, 1) = ':';
    buf->len++;
    writer->state = VALUE;
}

void bk_json_write_str(bk_json_writer *writer, bk_str text)
{
    if (text.ptr == NULL) {
        bk_json_write_null(writer);
        return;
    }
    begin_value(writer, 0);
    quote(writer->buf, text);
    end_value(writer);
}

void bk_json_write_i64(bk_json_writer *writer, int64_t value)
{
    size_t len = bk__i64_text(value, begin_value(writer, BK__I64_TEXT));
    writer->buf->len += len;
    end_value(writer);
}

void bk_json_write_f64(bk_json_writer *writer, double value)
{
    if (!isfinite(value)) {
        bk_json_write_null(writer);
        return;
    }
    size_t len = bk__f64_text(value, begin_value(writer, BK__F64_TEXT));
    writer->buf->len += len;
    end_value(writer);
}

void bk_json_write_bool(bk_json_writer *writer, bool value)
{
    put_value(writer, value ? "true" : "false", value ? 4 : 5);
}

void bk_json_write_null(bk_json_writer *writer)
{
    put_value(writer, "null", 4);
}

static void write_seconds(bk_json_writer *writer, bk_time value)
{
    if (value % 1000000 == 0)
        bk_json_write_i64(writer, value / 1000000);
    else
        bk_json_write_f64(writer, (double)value / 1e6);
}

void bk_json_write_time(bk_json_writer *writer, bk_time value)
{
    if (writer->numeric_time) {
        write_seconds(writer, value);
        return;
    }
    char *at = begin_value(writer, BK_TIME_TEXT + 2);

    *at = '"';
    size_t len = bk_time_format(value, at + 1);
    at[len + 1] = '"';
    writer->buf->len += len + 2;
    end_value(writer);
}

void bk_json_write_raw(bk_json_writer *writer, bk_str json)
{
    bk_assert(json.len != 0);
    put_value(writer, json.ptr, json.len);
}
