/*
 * A value of any type in either format into everything that it can become: each decoder takes it or
 * says why not, the quick ones as the others; what becomes JSON is JSON.
 *
 * Input: a byte that chooses the type, one for the format, then the value.
 */
#include <stdint.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/json.h>

#include "core/assert.h"
#include "json/field.h"
#include "pg/values.h"
#include "pg_described.h"

static const uint32_t types[] = {
#define BOTH(name, id, array) id, array,
    BK__PG_TYPES(BOTH)
#undef BOTH
        600, /* a type that is not known */
};

static bk_err judged(bk_err err)
{
    if (err != BK_OK) {
        bk_assert(err == BK_EINTERNAL);
        bk_assert(bk_error_chain()->message.len > 0);
    }
    bk_error_clear();
    return err;
}

static void try_member(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena)
{
    struct row one = {0}, other = {0};
    char *slot = (char *)&one + field->offset, *again = (char *)&other + field->offset;
    bool fits = bk__pg_fits(value->type, field);

    bk_err err = judged(bk__pg_to_field(value, field, arena, slot));
    bk_assert(fits || err != BK_OK);
    if (!fits)
        return;
    bk__pg_decode_fn decode = bk__pg_decoder(value->type, value->format, field);
    bk_assert(judged(decode(value, field, arena, again)) == err);
    bk_assert(bk__pg_format_for_field(value->type, field) <= 1);
    if (err == BK_OK && field->type == BK_TYPE_I64)
        bk_assert(one.wide == other.wide);
    if (err == BK_OK && field->type == BK_TYPE_TIME)
        bk_assert(one.at == other.at);
}

static void try_arrays(const struct bk__pg_value *value, bk_arena *arena)
{
    static const bk_field_type items[] = {BK_TYPE_STR, BK_TYPE_I64,  BK_TYPE_I32,
                                          BK_TYPE_F64, BK_TYPE_BOOL, BK_TYPE_TIME};
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        bk_array array = {NULL, 0};
        if (judged(bk__pg_to_array(value, items[i], arena, &array)) == BK_OK)
            bk_assert(array.items != NULL && array.count <= value->bytes.len);
    }
}

/* bk_json_check() refuses more than the grammar does: numbers too large for a double, NUL. And json
 * is what the server says it is. */
static bool is_checked(uint32_t type, bk_str bytes)
{
    if (bytes.len != 0 && memchr(bytes.ptr, '\0', bytes.len) != NULL)
        return false;
    uint32_t item = bk__pg_element(type) != 0 ? bk__pg_element(type) : type;
    return item != BK__PG_JSON && item != BK__PG_JSONB && item != BK__PG_NUMERIC &&
           item != BK__PG_FLOAT4 && item != BK__PG_FLOAT8 && item != BK__PG_INT2 &&
           item != BK__PG_INT4 && item != BK__PG_INT8 && item != BK__PG_OID;
}

static void try_json(const struct bk__pg_value *value, bk_arena *arena)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer writer = {.buf = &buf};

    if (judged(bk__pg_to_json(value, &writer)) == BK_OK && is_checked(value->type, value->bytes))
        bk_assert(bk_json_check(bk_buf_str(&buf), NULL) == BK_OK);
}

/* What is an array in binary is one in its text, too. */
static void try_text(const struct bk__pg_value *value, bk_arena *arena)
{
    bk_str text = {NULL, 0};

    if (judged(bk__pg_to_text(value, arena, &text)) != BK_OK)
        return;
    bk_assert(text.ptr != NULL && text.ptr[text.len] == '\0');
    if (value->format == 1 && bk__pg_element(value->type) == BK__PG_TEXT) {
        struct bk__pg_value again = {value->type, 0, false, text};
        bk_str same;
        bk_assert(judged(bk__pg_to_text(&again, arena, &same)) == BK_OK);
        try_json(&again, arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const bk_desc *desc = row_desc();
    int64_t i64;
    double f64;
    bool truth;
    bk_time at;

    if (size < 2)
        return 0;
    struct bk__pg_value value = {
        .type = types[data[0] % (sizeof(types) / sizeof(types[0]))],
        .format = data[1] & 1,
        .bytes = bk_str_at((const char *)data + 2, size - 2),
    };
    bk_arena *arena = bk_arena_new();
    (void)judged(bk__pg_to_i64(&value, &i64));
    (void)judged(bk__pg_to_f64(&value, &f64));
    (void)judged(bk__pg_to_bool(&value, &truth));
    (void)judged(bk__pg_to_time(&value, &at));
    for (size_t i = 0; i < desc->count; i++)
        try_member(&value, &desc->fields[i], arena);
    try_arrays(&value, arena);
    try_text(&value, arena);
    try_json(&value, arena);
    bk_arena_free(arena);
    return 0;
}
