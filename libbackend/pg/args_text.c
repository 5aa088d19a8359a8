/*
 * args_text.c: a statement's values as text, and rows of COPY, which are text.
 *
 * A value's text is what PostgreSQL's input function for its type reads, whatever the type is.
 */
#include "pg/args.h"

#include <math.h>

#include <backend/clock.h>

#include "core/assert.h"
#include "core/encode.h"
#include "core/number.h"
#include "pg/wire.h"

bk_arg bk__pg_item_at(const bk_arg *array, size_t i)
{
    const void *items = array->array.items;

    switch (array->item_type) {
    case BK_TYPE_STR:
    case BK_TYPE_JSON:
        return bk_text(((const bk_str *)items)[i]);
    case BK_TYPE_I64:
        return bk_i64(((const int64_t *)items)[i]);
    case BK_TYPE_I32:
        return bk_i64(((const int32_t *)items)[i]);
    case BK_TYPE_F64:
        return bk_f64(((const double *)items)[i]);
    case BK_TYPE_BOOL:
        return bk_bool(((const bool *)items)[i]);
    case BK_TYPE_TIME:
        return bk_timestamp(((const bk_time *)items)[i]);
    case BK_TYPE_ENUM:
    case BK_TYPE_STRUCT:
    case BK_TYPE_ARRAY:
        break;
    }
    bk_unreachable("bk_array_of() takes no items of that type");
}

/* What was taken last was more than was needed: it ends at @p end. */
static void took(struct bk__pg_out *out, const char *end)
{
    out->end = (size_t)(end - out->ptr);
}

static void put_i64(struct bk__pg_out *out, int64_t value)
{
    char *at = bk__pg_out_take(out, BK__I64_TEXT);
    took(out, at + bk__i64_text(value, at));
}

static void put_f64(struct bk__pg_out *out, double value)
{
    if (isnan(value)) {
        bk__pg_put_bytes(out, BK_LIT("NaN"));
    } else if (isinf(value)) {
        bk__pg_put_bytes(out, value > 0 ? BK_LIT("Infinity") : BK_LIT("-Infinity"));
    } else {
        char *at = bk__pg_out_take(out, BK__F64_TEXT);
        took(out, at + bk__f64_text(value, at));
    }
}

/* RFC 3339 with PostgreSQL's years: no sign, and 1 BC is the year before 1. */
static void put_time(struct bk__pg_out *out, bk_time at)
{
    char text[BK_TIME_TEXT];
    size_t len = bk_time_format(at, text);
    bool before = text[0] == '-', wide = before || text[0] == '+';
    size_t digits = wide ? 6 : 4;
    const char *year = text + wide;
    int64_t number = 0;

    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (year[i] - '0');
    if (before || number == 0) {
        number = 1 + number;
        before = true;
    }
    for (int64_t least = 1000; least > number; least /= 10)
        bk__pg_put_bytes(out, BK_LIT("0"));
    put_i64(out, number);
    const char *rest = year + digits;
    bk__pg_put_bytes(out, bk_str_at(rest, len - (size_t)(rest - text)));
    if (before)
        bk__pg_put_bytes(out, BK_LIT(" BC"));
}

static void put_hex(struct bk__pg_out *out, bk_str bytes)
{
    char *at = bk__pg_out_take(out, 2 + 2 * bytes.len);
    memcpy(at, "\\x", 2);
    bk__hex(bytes.ptr, bytes.len, at + 2);
}

/* Text within an array: always in quotes. */
static void put_quoted(struct bk__pg_out *out, bk_str text)
{
    char *at = bk__pg_out_take(out, 2 + 2 * text.len);

    *at++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            *at++ = '\\';
        *at++ = text.ptr[i];
    }
    *at++ = '"';
    took(out, at);
}

/* What is neither NULL nor an array. */
static const char *put_scalar(struct bk__pg_out *out, const bk_arg *arg, bool quoted)
{
    switch (arg->kind) {
    case BK_ARG_TEXT:
        if (!bk_str_utf8(arg->text))
            return "is not UTF-8, or has a NUL in it";
        if (quoted)
            put_quoted(out, arg->text);
        else
            bk__pg_put_bytes(out, arg->text);
        return NULL;
    case BK_ARG_I64:
        put_i64(out, arg->i64);
        return NULL;
    case BK_ARG_F64:
        put_f64(out, arg->f64);
        return NULL;
    case BK_ARG_BOOL:
        bk__pg_put_bytes(out, arg->i64 != 0 ? BK_LIT("t") : BK_LIT("f"));
        return NULL;
    case BK_ARG_TIME:
        put_time(out, arg->i64);
        return NULL;
    case BK_ARG_BYTES:
        put_hex(out, arg->text);
        return NULL;
    case BK_ARG_NULL:
    case BK_ARG_ARRAY:
        break;
    }
    bk_unreachable("NULL and arrays are not put here");
}

static const char *put_array(struct bk__pg_out *out, const bk_arg *array)
{
    const char *wrong = NULL;

    *bk__pg_out_take(out, 1) = '{';
    for (size_t i = 0; i < array->array.count && wrong == NULL; i++) {
        bk_arg item = bk__pg_item_at(array, i);
        if (i != 0)
            *bk__pg_out_take(out, 1) = ',';
        if (item.kind == BK_ARG_NULL)
            bk__pg_put_bytes(out, BK_LIT("NULL"));
        else
            wrong = put_scalar(out, &item, true);
    }
    *bk__pg_out_take(out, 1) = '}';
    return wrong;
}

const char *bk__pg_put_as_text(struct bk__pg_out *out, const bk_arg *arg)
{
    return arg->kind == BK_ARG_ARRAY ? put_array(out, arg) : put_scalar(out, arg, false);
}

/* --- COPY ------------------------------------------------------------------------------------- */

/* The letter that stands behind a backslash for @p c in COPY's text format; 0: it stands for
 * itself. */
static char letter_of(char c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\v':
        return 'v';
    default:
        return 0;
    }
}

/* Escapes what was appended from @p mark on. */
static void escape_from(struct bk__pg_out *out, size_t mark)
{
    const char *text = out->ptr + out->start + mark;
    size_t more = 0, len = out->end - out->start - mark;

    for (size_t i = 0; i < len; i++)
        more += letter_of(text[i]) != 0;
    if (more == 0)
        return;
    bk__pg_out_take(out, more);
    char *to = out->ptr + out->end, *from = to - more;
    while (to != from) { /* from the back; they meet before the first that is escaped */
        char c = *--from, letter = letter_of(c);
        *--to = letter != 0 ? letter : c;
        if (letter != 0)
            *--to = '\\';
    }
}

static const char *put_column(struct bk__pg_out *out, const bk_arg *arg)
{
    if (arg->kind == BK_ARG_NULL) {
        bk__pg_put_bytes(out, BK_LIT("\\N"));
        return NULL;
    }
    size_t mark = out->end - out->start;
    const char *wrong = bk__pg_put_as_text(out, arg);
    if (wrong == NULL)
        escape_from(out, mark);
    return wrong;
}

bk_err bk__pg_put_copy_row(struct bk__pg_out *out, bk_args args)
{
    size_t mark = bk__pg_begin_message(out, 'd');

    for (size_t i = 0; i < args.count; i++) {
        if (i != 0)
            *bk__pg_out_take(out, 1) = '\t';
        const char *wrong = put_column(out, &args.items[i]);
        if (wrong == NULL && out->end - out->start - mark > BK__PG_MESSAGE_MAX)
            wrong = "is too large";
        if (wrong != NULL) {
            bk__pg_drop_message(out, mark);
            return bk_fail(BK_EINVAL, "$%zu %s", i + 1, wrong);
        }
    }
    *bk__pg_out_take(out, 1) = '\n';
    bk__pg_end_message(out, mark);
    return BK_OK;
}
