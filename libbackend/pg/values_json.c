/*
 * values_json.c: values as JSON, from the bytes that came.
 *
 * A number's text is JSON already, save that JSON has no NaN and no infinity. What PostgreSQL keeps
 * as JSON goes in as it is; arrays become JSON's; times are RFC 3339, dates the part of it before
 * the T; the rest are strings.
 */
#include <backend/clock.h>

#include "core/arena.h"
#include "core/assert.h"
#include "json/number.h"
#include "pg/items.h"
#include "pg/values.h"
#include "pg/values_text.h"

#define SCRATCH 512

static bool is_special(bk_str text)
{
    return bk_str_eq(text, BK_LIT("NaN")) || bk_str_eq(text, BK_LIT("Infinity")) ||
           bk_str_eq(text, BK_LIT("-Infinity"));
}

static bk_err write_number(const struct bk__pg_value *value, bk_str text, bk_json_writer *writer)
{
    struct bk__number number;
    const char *at = text.ptr, *end = text.ptr + text.len;

    if (bk__number_scan(&at, end, &number) && at == end)
        bk_json_write_raw(writer, text);
    else if (is_special(text))
        bk_json_write_null(writer);
    else
        return bk__pg_damaged(value);
    return BK_OK;
}

static bk_err write_bool(const struct bk__pg_value *value, bk_json_writer *writer)
{
    bool truth;

    BK_TRY(bk__pg_to_bool(value, &truth));
    bk_json_write_bool(writer, truth);
    return BK_OK;
}

static bk_err write_time(const struct bk__pg_value *value, bk_json_writer *writer)
{
    char text[BK_TIME_TEXT];
    bk_time at;

    if (bk__pg_is_infinite(value)) {
        bk_json_write_null(writer);
        return BK_OK;
    }
    BK_TRY(bk__pg_to_time(value, &at));
    if (value->type != BK__PG_DATE) {
        bk_json_write_time(writer, at);
        return BK_OK;
    }
    size_t len = bk_time_format(at, text);
    const char *end = memchr(text, 'T', len);
    bk_json_write_str(writer, bk_str_at(text, (size_t)(end - text)));
    return BK_OK;
}

static bk_err write_json(const struct bk__pg_value *value, bk_json_writer *writer)
{
    bk_str text;

    BK_TRY(bk__pg_json_text(value, &text));
    bk_json_write_raw(writer, text);
    return BK_OK;
}

/* A value whose text has to be made first. */
static bk_err write_binary(const struct bk__pg_value *value, bk_json_writer *writer)
{
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    bk_arena scratch;

    bk__arena_init(&scratch, lent, sizeof(lent));
    bk_buf text = {.arena = &scratch};
    bk_err err = bk__pg_add_text(value, &text);
    if (err == BK_OK && bk__pg_is_number(value->type))
        err = write_number(value, bk_buf_str(&text), writer);
    else if (err == BK_OK)
        bk_json_write_str(writer, bk_buf_str(&text));
    bk__arena_fini(&scratch);
    return err;
}

/* A value that is no array. */
static bk_err write_scalar(const struct bk__pg_value *value, bk_json_writer *writer)
{
    switch (value->type) {
    case BK__PG_BOOL:
        return write_bool(value, writer);
    case BK__PG_DATE:
    case BK__PG_TIMESTAMP:
    case BK__PG_TIMESTAMPTZ:
        return write_time(value, writer);
    case BK__PG_JSON:
    case BK__PG_JSONB:
        return write_json(value, writer);
    default:
        break;
    }
    if (value->format == 1 && !bk__pg_is_text(value->type))
        return write_binary(value, writer);
    if (bk__pg_is_number(value->type))
        return write_number(value, value->bytes, writer);
    bk_json_write_str(writer, value->bytes);
    return BK_OK;
}

static bk_err write_item(struct bk__pg_items *items, bk_json_writer *writer)
{
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    bk_arena scratch;

    if (items->value.null) {
        bk_json_write_null(writer);
        return BK_OK;
    }
    if (!items->escaped)
        return write_scalar(&items->value, writer);
    bk__arena_init(&scratch, lent, sizeof(lent));
    bk__pg_items_unescape(items, &scratch);
    bk_err err = write_scalar(&items->value, writer);
    bk__arena_fini(&scratch);
    return err;
}

static bk_err write_array(const struct bk__pg_value *value, bk_json_writer *writer)
{
    struct bk__pg_items items;
    enum bk__pg_item item;

    bk__pg_items_begin(&items, value);
    while ((item = bk__pg_items_next(&items)) != BK__PG_ITEM_END) {
        if (item == BK__PG_ITEM_BAD)
            return bk__pg_damaged(value);
        if (item == BK__PG_ITEM_OPEN)
            bk_json_begin_array(writer);
        else if (item == BK__PG_ITEM_CLOSE)
            bk_json_end_array(writer);
        else
            BK_TRY(write_item(&items, writer));
    }
    return BK_OK;
}

bk_err bk__pg_to_json(const struct bk__pg_value *value, bk_json_writer *writer)
{
    if (value->null) {
        bk_json_write_null(writer);
        return BK_OK;
    }
    return bk__pg_element(value->type) != 0 ? write_array(value, writer)
                                            : write_scalar(value, writer);
}
