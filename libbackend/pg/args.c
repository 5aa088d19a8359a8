/*
 * args.c: a statement's values as Bind and COPY carry them.
 *
 * Where the server has told the type it expects, and its binary format is ours within a few
 * instructions, a value goes as binary; else as text, which the server reads for every type, so
 * that it is the server who says what is wrong with a value. An array is binary when all its items
 * are.
 *
 * Values are appended to the message as they are encoded. The encoders return NULL, or what is
 * wrong with the value: then the message is taken off again.
 */
#include "pg/args.h"

#include <math.h>

#include "core/assert.h"
#include "pg/values.h"
#include "pg/wire.h"

#define PARAMS_MAX UINT16_MAX

/* 4714-11-24 BC, the first day that PostgreSQL knows, in microseconds from 2000-01-01 on. */
#define PG_TIME_MIN (-211813488000000000)

static const char too_narrow_i16[] = "does not fit into a smallint";
static const char too_narrow_i32[] = "does not fit into an integer";

static bool is_integer(uint32_t type)
{
    return type == BK__PG_INT4 || type == BK__PG_INT8 || type == BK__PG_INT2;
}

/* --- binary ----------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The 16 bytes of a UUID in its usual form; PostgreSQL knows more of them. */
static bool read_uuid(bk_str text, char bytes[16])
{
    size_t at = 0;

    if (text.len != 36)
        return false;
    for (size_t i = 0; i < 16; i++) {
        if ((at == 8 || at == 13 || at == 18 || at == 23) && text.ptr[at++] != '-')
            return false;
        int high = hex_value(text.ptr[at]), low = hex_value(text.ptr[at + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (char)(high << 4 | low);
        at += 2;
    }
    return true;
}

/* True when the value can be sent in the binary format of @p type. */
static bool is_binary(const bk_arg *arg, uint32_t type)
{
    char uuid[16];
    uint32_t element;

    switch (arg->kind) {
    case BK_ARG_NULL:
        return true;
    case BK_ARG_I64:
        return is_integer(type) || bk__pg_is_float(type);
    case BK_ARG_F64:
        return bk__pg_is_float(type);
    case BK_ARG_BOOL:
        return type == BK__PG_BOOL;
    case BK_ARG_TIME:
        return bk__pg_is_time(type);
    case BK_ARG_BYTES:
        return type == BK__PG_BYTEA;
    case BK_ARG_TEXT:
        return bk__pg_is_text(type) || type == BK__PG_JSON || type == BK__PG_JSONB ||
               (type == BK__PG_UUID && read_uuid(arg->text, uuid));
    case BK_ARG_ARRAY:
        break;
    }
    element = bk__pg_element(type);
    if (element == 0)
        return false;
    for (size_t i = 0; i < arg->array.count; i++) {
        bk_arg item = bk__pg_item_at(arg, i);
        if (!is_binary(&item, element))
            return false;
    }
    return true;
}

static const char *put_integer(struct bk__pg_out *out, int64_t value, uint32_t type)
{
    switch (type) {
    case BK__PG_INT4:
        if (value < INT32_MIN || value > INT32_MAX)
            return too_narrow_i32;
        bk__pg_set_u32(bk__pg_out_take(out, 4), (uint32_t)value);
        return NULL;
    case BK__PG_INT2:
        if (value < INT16_MIN || value > INT16_MAX)
            return too_narrow_i16;
        bk__pg_set_u16(bk__pg_out_take(out, 2), (uint16_t)value);
        return NULL;
    default:
        bk__pg_set_u64(bk__pg_out_take(out, 8), (uint64_t)value);
        return NULL;
    }
}

static const char *put_float(struct bk__pg_out *out, double value, uint32_t type)
{
    if (type == BK__PG_FLOAT8) {
        uint64_t bits;
        memcpy(&bits, &value, 8);
        bk__pg_set_u64(bk__pg_out_take(out, 8), bits);
        return NULL;
    }
    float narrow = (float)value;
    uint32_t bits;
    if (isinf(narrow) && !isinf(value))
        return "does not fit into a real";
    memcpy(&bits, &narrow, 4);
    bk__pg_set_u32(bk__pg_out_take(out, 4), bits);
    return NULL;
}

/* @p at in PostgreSQL's microseconds; false: it knows no such time. */
static bool to_pg_time(bk_time at, int64_t *us)
{
    return !__builtin_sub_overflow(at, BK__PG_EPOCH_US, us) && *us >= PG_TIME_MIN;
}

static const char *put_time(struct bk__pg_out *out, bk_time at, uint32_t type)
{
    int64_t us;

    if (!to_pg_time(at, &us))
        return "is a time before 4714 BC";
    if (type != BK__PG_DATE) {
        bk__pg_set_u64(bk__pg_out_take(out, 8), (uint64_t)us);
        return NULL;
    }
    int64_t days = us / BK__PG_DAY_US - (us % BK__PG_DAY_US < 0);
    bk__pg_set_u32(bk__pg_out_take(out, 4), (uint32_t)(int32_t)days);
    return NULL;
}

static const char *put_checked(struct bk__pg_out *out, bk_str text)
{
    if (!bk_str_utf8(text))
        return "is not UTF-8, or has a NUL in it";
    bk__pg_put_bytes(out, text);
    return NULL;
}

static const char *put_text(struct bk__pg_out *out, bk_str text, uint32_t type)
{
    if (type == BK__PG_UUID) {
        bool read = read_uuid(text, bk__pg_out_take(out, 16));
        bk_assert(read); /* is_binary() saw to it */
        return NULL;
    }
    if (type == BK__PG_JSONB)
        *bk__pg_out_take(out, 1) = 1; /* the format's version */
    return put_checked(out, text);
}

/* Appends a value that is no array in the binary format of @p type, for which is_binary() holds. */
static const char *put_binary(struct bk__pg_out *out, const bk_arg *arg, uint32_t type)
{
    switch (arg->kind) {
    case BK_ARG_I64:
        if (bk__pg_is_float(type))
            return put_float(out, (double)arg->i64, type);
        return put_integer(out, arg->i64, type);
    case BK_ARG_F64:
        return put_float(out, arg->f64, type);
    case BK_ARG_BOOL:
        *bk__pg_out_take(out, 1) = arg->i64 != 0;
        return NULL;
    case BK_ARG_TIME:
        return put_time(out, arg->i64, type);
    case BK_ARG_BYTES:
        bk__pg_put_bytes(out, arg->text);
        return NULL;
    case BK_ARG_TEXT:
        return put_text(out, arg->text, type);
    case BK_ARG_NULL:
    case BK_ARG_ARRAY:
        break;
    }
    bk_unreachable("NULL and arrays are not put here");
}

/* --- values with their lengths ---------------------------------------------------------------- */

/* Where a length goes that is not known yet, counted from the start of what waits. */
static size_t begin_length(struct bk__pg_out *out)
{
    bk__pg_out_take(out, 4);
    return out->end - out->start;
}

static void end_length(struct bk__pg_out *out, size_t mark)
{
    size_t len = out->end - out->start - mark;
    bk__pg_set_u32(out->ptr + out->start + mark - 4, (uint32_t)len);
}

static void put_null(struct bk__pg_out *out)
{
    bk__pg_set_u32(bk__pg_out_take(out, 4), UINT32_MAX);
}

static const char *put_item(struct bk__pg_out *out, const bk_arg *item, uint32_t type)
{
    if (item->kind == BK_ARG_NULL) {
        put_null(out);
        return NULL;
    }
    size_t mark = begin_length(out);
    const char *wrong = put_binary(out, item, type);
    end_length(out, mark);
    return wrong;
}

/* Dimensions, whether there are NULLs, the element's type; of each dimension its length and first
 * subscript; the items. */
static const char *put_binary_array(struct bk__pg_out *out, const bk_arg *array, uint32_t type)
{
    uint32_t element = bk__pg_element(type);
    size_t count = array->array.count;
    char *head = bk__pg_out_take(out, count != 0 ? 20 : 12);
    size_t head_at = (size_t)(head - out->ptr) - out->start;
    bool nulls = false;
    const char *wrong = NULL;

    if (count > INT32_MAX)
        return "has too many items";
    bk__pg_set_u32(head, count != 0 ? 1 : 0);
    bk__pg_set_u32(head + 8, element);
    if (count != 0) {
        bk__pg_set_u32(head + 12, (uint32_t)count);
        bk__pg_set_u32(head + 16, 1);
    }
    for (size_t i = 0; i < count && wrong == NULL; i++) {
        bk_arg item = bk__pg_item_at(array, i);
        nulls |= item.kind == BK_ARG_NULL;
        wrong = put_item(out, &item, element);
    }
    bk__pg_set_u32(out->ptr + out->start + head_at + 4, nulls);
    return wrong;
}

/* What no column of @p type can hold, whatever the server would say of its text. */
static const char *refuse(const bk_arg *arg, uint32_t type)
{
    if (arg->kind == BK_ARG_F64 && !isfinite(arg->f64) && is_integer(type))
        return "is not finite";
    if (arg->kind == BK_ARG_F64 && !isfinite(arg->f64) &&
        (type == BK__PG_JSON || type == BK__PG_JSONB))
        return "is not finite, which JSON has no number for";
    return NULL;
}

static const char *put_value(struct bk__pg_out *out, const bk_arg *arg, uint32_t type, bool binary)
{
    if (arg->kind == BK_ARG_NULL) {
        put_null(out);
        return NULL;
    }
    const char *wrong = refuse(arg, type);
    if (wrong != NULL)
        return wrong;
    size_t mark = begin_length(out);
    if (!binary)
        wrong = bk__pg_put_as_text(out, arg);
    else if (arg->kind == BK_ARG_ARRAY)
        wrong = put_binary_array(out, arg, type);
    else
        wrong = put_binary(out, arg, type);
    end_length(out, mark);
    return wrong;
}

/* --- Bind ------------------------------------------------------------------------------------- */

/* One format code stands for all where they are the same. */
static bool all_binary(const struct bk__pg_bind *bind)
{
    for (size_t i = 0; i < bind->args.count; i++) {
        if (!is_binary(&bind->args.items[i], bind->types[i]))
            return false;
    }
    return true;
}

static bool put_param_formats(struct bk__pg_out *out, const struct bk__pg_bind *bind)
{
    size_t count = bind->args.count;

    if (bind->types == NULL || count == 0) {
        bk__pg_set_u16(bk__pg_out_take(out, 2), 0);
        return false;
    }
    if (all_binary(bind)) {
        char *at = bk__pg_out_take(out, 4);
        bk__pg_set_u16(at, 1);
        bk__pg_set_u16(at + 2, 1);
        return true;
    }
    char *at = bk__pg_out_take(out, 2 + 2 * count);
    bk__pg_set_u16(at, (uint16_t)count);
    for (size_t i = 0; i < count; i++)
        bk__pg_set_u16(at + 2 + 2 * i, is_binary(&bind->args.items[i], bind->types[i]));
    return false;
}

/* @p all: all go as binary. @p mark: where the message began. */
static bk_err put_params(struct bk__pg_out *out, const struct bk__pg_bind *bind, bool all,
                         size_t mark)
{
    bk__pg_set_u16(bk__pg_out_take(out, 2), (uint16_t)bind->args.count);
    for (size_t i = 0; i < bind->args.count; i++) {
        const bk_arg *arg = &bind->args.items[i];
        uint32_t type = bind->types != NULL ? bind->types[i] : 0;
        const char *wrong = put_value(out, arg, type, all || (type != 0 && is_binary(arg, type)));
        if (wrong != NULL)
            return bk_fail(BK_EINVAL, "$%zu %s", i + 1, wrong);
        if (out->end - out->start - mark > BK__PG_MESSAGE_MAX)
            return bk_fail(BK_EINVAL, "$%zu is too large", i + 1);
    }
    return BK_OK;
}

static void put_result_formats(struct bk__pg_out *out, const struct bk__pg_bind *bind)
{
    size_t count = bind->formats != NULL ? bind->format_count : 0;
    bool same = true;

    for (size_t i = 1; i < count && same; i++)
        same = bind->formats[i] == bind->formats[0];
    if (count != 0 && same)
        count = bind->formats[0] != 0;
    char *at = bk__pg_out_take(out, 2 + 2 * count);
    bk__pg_set_u16(at, (uint16_t)count);
    for (size_t i = 0; i < count; i++)
        bk__pg_set_u16(at + 2 + 2 * i, bind->formats[i]);
}

bk_err bk__pg_put_bind(struct bk__pg_out *out, const struct bk__pg_bind *bind)
{
    size_t name_size = strlen(bind->statement) + 1;

    if (bind->args.count > PARAMS_MAX)
        return bk_fail(BK_EINVAL, "%zu values are more than a statement can have",
                       bind->args.count);
    size_t mark = bk__pg_begin_message(out, 'B');
    char *at = bk__pg_out_take(out, 1 + name_size);
    *at = '\0'; /* the unnamed portal */
    memcpy(at + 1, bind->statement, name_size);
    bool all = put_param_formats(out, bind);
    bk_err err = put_params(out, bind, all, mark);
    if (err != BK_OK) {
        bk__pg_drop_message(out, mark);
        return err;
    }
    put_result_formats(out, bind);
    bk__pg_end_message(out, mark);
    return BK_OK;
}
