/*
 * values.c: which column can fill which member, in which format, and by which function.
 *
 * What is known of a type is asked here and nowhere else. A type that is not known has text, which
 * is all that is asked of it.
 */
#include "pg/values.h"

#include <stdio.h>

#include "core/arena.h"
#include "core/assert.h"
#include "json/bind.h"
#include "pg/wire.h"

/* --- types ------------------------------------------------------------------------------------ */

uint32_t bk__pg_element(uint32_t type)
{
    switch (type) {
#define ELEMENT(name, id, array)                                                                   \
    case array:                                                                                    \
        return array != 0 ? id : 0;
        BK__PG_TYPES(ELEMENT)
#undef ELEMENT
    default:
        return 0;
    }
}

const char *bk__pg_type_name(uint32_t type, char room[BK__PG_TYPE_NAME])
{
    switch (type) {
#define NAME(name, id, array)                                                                      \
    case id:                                                                                       \
        return #name;
        BK__PG_TYPES(NAME)
#undef NAME
    default:
        break;
    }
    char element[BK__PG_TYPE_NAME];
    if (bk__pg_element(type) != 0)
        snprintf(room, BK__PG_TYPE_NAME, "%s[]", bk__pg_type_name(bk__pg_element(type), element));
    else
        snprintf(room, BK__PG_TYPE_NAME, "type %u", (unsigned)type);
    return room;
}

static bool is_known(uint32_t type)
{
    switch (type) {
#define KNOWN(name, id, array) case id:
        BK__PG_TYPES(KNOWN)
#undef KNOWN
        return true;
    default:
        return bk__pg_element(type) != 0;
    }
}

static bool is_json(uint32_t type)
{
    return type == BK__PG_JSON || type == BK__PG_JSONB;
}

bk_err bk__pg_damaged(const struct bk__pg_value *value)
{
    char name[BK__PG_TYPE_NAME];
    return bk_fail(BK_EINTERNAL, "%zu bytes that are no %s", value->bytes.len,
                   bk__pg_type_name(value->type, name));
}

/* --- what fits, and in which format ----------------------------------------------------------- */

static bool fits_item(uint32_t type, bk_field_type member)
{
    switch (member) {
    case BK_TYPE_STR:
        return true;
    case BK_TYPE_I64:
    case BK_TYPE_I32:
        return bk__pg_is_integer(type) || type == BK__PG_NUMERIC;
    case BK_TYPE_F64:
        return bk__pg_is_integer(type) || bk__pg_is_float(type) || type == BK__PG_NUMERIC;
    case BK_TYPE_BOOL:
        return type == BK__PG_BOOL;
    case BK_TYPE_TIME:
        return bk__pg_is_time(type);
    case BK_TYPE_ENUM:
        return bk__pg_is_integer(type) || bk__pg_is_text(type) || !is_known(type);
    case BK_TYPE_JSON:
    case BK_TYPE_STRUCT:
        return is_json(type);
    case BK_TYPE_ARRAY:
        break;
    }
    return false;
}

bool bk__pg_fits(uint32_t type, const bk_field *field)
{
    if (field->type != BK_TYPE_ARRAY)
        return fits_item(type, field->type);
    if (field->item_type == BK_TYPE_STRUCT)
        return is_json(type);
    if (!is_known(type)) /* an array of enums, say: its items are read as text */
        return field->item_type == BK_TYPE_STR || field->item_type == BK_TYPE_ENUM;
    return bk__pg_element(type) != 0 && fits_item(bk__pg_element(type), field->item_type);
}

static uint8_t format_for_item(uint32_t type, bk_field_type member)
{
    if (type == BK__PG_NUMERIC || !is_known(type))
        return 0;
    if (member == BK_TYPE_STR)
        return bk__pg_is_text(type) || is_json(type) || type == BK__PG_BYTEA;
    return 1;
}

uint8_t bk__pg_format_for_field(uint32_t type, const bk_field *field)
{
    if (field->type != BK_TYPE_ARRAY || field->item_type == BK_TYPE_STRUCT)
        return bk__pg_element(type) != 0 ? 0 : format_for_item(type, field->type);
    return format_for_item(bk__pg_element(type), field->item_type);
}

/* As bk_rows_str() gives them; the text of a number is read in no time. */
uint8_t bk__pg_format_for_rows(uint32_t type)
{
    return type == BK__PG_BYTEA;
}

/* As text, numbers and JSON need only be copied. */
uint8_t bk__pg_format_for_json(uint32_t type)
{
    return bk__pg_is_time(type) || bk__pg_is_time(bk__pg_element(type));
}

/* --- into members ----------------------------------------------------------------------------- */

static bk_err to_i32(const struct bk__pg_value *value, int32_t *out)
{
    int64_t wide;

    BK_TRY(bk__pg_to_i64(value, &wide));
    if (wide < INT32_MIN || wide > INT32_MAX)
        return bk_fail(BK_EINTERNAL, "%lld does not fit in 32 bits", (long long)wide);
    *out = (int32_t)wide;
    return BK_OK;
}

static bk_err to_enum(const struct bk__pg_value *value, const bk_field *field, int *out)
{
    int64_t number = 0;

    if (bk__pg_is_integer(value->type)) {
        int64_t count = 0;
        BK_TRY(bk__pg_to_i64(value, &number));
        while (field->names[count] != NULL)
            count++;
        if (number < 0 || number >= count)
            return bk_fail(BK_EINTERNAL, "%lld is the number of no name", (long long)number);
        *out = (int)number;
        return BK_OK;
    }
    for (; field->names[number] != NULL; number++) {
        if (bk_str_eq(value->bytes, bk_str_of(field->names[number]))) {
            *out = (int)number;
            return BK_OK;
        }
    }
    return bk_fail(BK_EINTERNAL, "\"%.*s\" is none of the names",
                   (int)(value->bytes.len < 64 ? value->bytes.len : 64), value->bytes.ptr);
}

bk_err bk__pg_json_text(const struct bk__pg_value *value, bk_str *out)
{
    bk_str text = value->bytes;

    if (value->type == BK__PG_JSONB && value->format == 1) {
        if (text.len == 0 || text.ptr[0] != 1) /* the format's version */
            return bk__pg_damaged(value);
        text = bk_str_at(text.ptr + 1, text.len - 1);
    }
    if (text.len == 0)
        return bk__pg_damaged(value);
    *out = text;
    return BK_OK;
}

static bk_err to_json_text(const struct bk__pg_value *value, bk_arena *arena, bk_str *out)
{
    bk_str text = {0};

    BK_TRY(bk__pg_json_text(value, &text));
    *out = bk_arena_dup(arena, text);
    return BK_OK;
}

static bk_err to_described(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena,
                           void *slot)
{
    bk_str text;

    BK_TRY(to_json_text(value, arena, &text));
    return bk__bind_stored(arena, text, field, slot);
}

static bk_err mismatch(const struct bk__pg_value *value)
{
    char name[BK__PG_TYPE_NAME];
    return bk_fail(BK_EINTERNAL, "%s does not fit the member", bk__pg_type_name(value->type, name));
}

bk_err bk__pg_to_field(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena,
                       void *slot)
{
    if (!bk__pg_fits(value->type, field))
        return mismatch(value);
    switch (field->type) {
    case BK_TYPE_STR:
        return bk__pg_to_text(value, arena, slot);
    case BK_TYPE_I64:
        return bk__pg_to_i64(value, slot);
    case BK_TYPE_I32:
        return to_i32(value, slot);
    case BK_TYPE_F64:
        return bk__pg_to_f64(value, slot);
    case BK_TYPE_BOOL:
        return bk__pg_to_bool(value, slot);
    case BK_TYPE_TIME:
        return bk__pg_to_time(value, slot);
    case BK_TYPE_ENUM:
        return to_enum(value, field, slot);
    case BK_TYPE_JSON:
        return to_json_text(value, arena, slot);
    case BK_TYPE_STRUCT:
        return to_described(value, field, arena, slot);
    case BK_TYPE_ARRAY:
        if (field->item_type == BK_TYPE_STRUCT)
            return to_described(value, field, arena, slot);
        return bk__pg_to_items(value, field, arena, slot);
    }
    bk_unreachable("all types are above");
}

/* --- the usual ones, without questions -------------------------------------------------------- */

static bk_err int4_to_i32(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena,
                          void *slot)
{
    struct bk__pg_reader reader = bk__pg_reader_of(value->bytes);

    (void)field, (void)arena;
    if (value->bytes.len != 4)
        return bk__pg_damaged(value);
    *(int32_t *)slot = (int32_t)bk__pg_read_u32(&reader);
    return BK_OK;
}

static bk_err int4_to_i64(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena,
                          void *slot)
{
    struct bk__pg_reader reader = bk__pg_reader_of(value->bytes);

    (void)field, (void)arena;
    if (value->bytes.len != 4)
        return bk__pg_damaged(value);
    *(int64_t *)slot = (int32_t)bk__pg_read_u32(&reader);
    return BK_OK;
}

static bk_err int8_to_i64(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena,
                          void *slot)
{
    struct bk__pg_reader reader = bk__pg_reader_of(value->bytes);

    (void)field, (void)arena;
    if (value->bytes.len != 8)
        return bk__pg_damaged(value);
    *(int64_t *)slot = (int64_t)bk__pg_read_u64(&reader);
    return BK_OK;
}

static bk_err to_time(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena,
                      void *slot)
{
    (void)field, (void)arena;
    return bk__pg_to_time(value, slot);
}

bk__pg_decode_fn bk__pg_decoder(uint32_t type, uint8_t format, const bk_field *field)
{
    bk_assert(bk__pg_fits(type, field));
    if (format == 1 && type == BK__PG_INT4 && field->type == BK_TYPE_I32)
        return int4_to_i32;
    if (format == 1 && type == BK__PG_INT4 && field->type == BK_TYPE_I64)
        return int4_to_i64;
    if (format == 1 && type == BK__PG_INT8 && field->type == BK_TYPE_I64)
        return int8_to_i64;
    if (field->type == BK_TYPE_TIME)
        return to_time;
    return bk__pg_to_field;
}
