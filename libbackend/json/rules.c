/*
 * rules.c: is a value what its field asks for?
 *
 * Each function checks one value by its field's rules and stores it, or records every rule it
 * breaks with the place where it stands. The codes are JSON Schema's keywords where it has one.
 */
#include "json/bind.h"

#include <stdarg.h>
#include <stdio.h>

#include <backend/clock.h>

#include "core/arena.h"
#include "core/assert.h"
#include "core/task.h"
#include "json/format.h"
#include "json/pattern.h"
#include "json/scan.h"

void bk__bind_init(struct bk__bind *bind, bk_arena *arena, const bk_bind_opts *opts)
{
    *bind = (struct bk__bind){
        .arena = arena,
        .refuse_unknown = opts != NULL && opts->unknown == BK_UNKNOWN_REFUSED,
        .numeric_time = opts != NULL && opts->numeric_time,
        .partial = opts != NULL && opts->partial,
    };
}

static void add_escaped(bk_buf *buf, bk_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] == '~')
            bk_buf_add(buf, BK_LIT("~0"));
        else if (key.ptr[i] == '/')
            bk_buf_add(buf, BK_LIT("~1"));
        else
            bk_buf_add_char(buf, key.ptr[i]);
    }
}

bk_str bk__place_pointer(bk_arena *arena, const struct bk__place *place)
{
    const struct bk__place *way[BK__JSON_DEPTH_MAX + 1];
    bk_buf buf = {.arena = arena};
    size_t count = 0;

    for (; place != NULL; place = place->up) {
        bk_assert(count < sizeof(way) / sizeof(way[0]));
        way[count++] = place;
    }
    while (count-- > 0) {
        bk_buf_add_char(&buf, '/');
        if (way[count]->key.ptr != NULL)
            add_escaped(&buf, way[count]->key);
        else
            bk_buf_add_i64(&buf, (int64_t)way[count]->index);
    }
    return bk_buf_str(&buf);
}

bool bk__bind_error(struct bk__bind *bind, const struct bk__place *place, const char *code,
                    const char *format, ...)
{
    va_list args;

    if (bind->errors == 0)
        bk_fail(BK_EINVAL, "some values are not valid"); /* a chain of its own */
    if (bind->errors++ >= BK__FIELD_ERRORS_MAX)
        return false;
    va_start(args, format);
    bk_str detail = bk__arena_vprintf(bind->arena, format, args);
    va_end(args);
    bk_str pointer = bind->form ? place->key : bk__place_pointer(bind->arena, place);
    bk_fail_field(BK_EINVAL, pointer, bk_str_of(code), detail);
    return false;
}

static bool check_i64(struct bk__bind *bind, const bk_field *field, int64_t value,
                      const struct bk__place *place)
{
    if (bind->stored)
        return true;
    if (field->has_min && value < field->min_i64)
        return bk__bind_error(bind, place, "minimum", "must be at least %lld",
                              (long long)field->min_i64);
    if (field->has_max && value > field->max_i64)
        return bk__bind_error(bind, place, "maximum", "must be at most %lld",
                              (long long)field->max_i64);
    return true;
}

static bool bind_integer(struct bk__bind *bind, const bk_field *field,
                         const struct bk__number *number, void *slot, const struct bk__place *place)
{
    bool narrow = bk__value_type(field) == BK_TYPE_I32;
    int64_t value = 0;

    enum bk__number_fit fit = bk__number_i64(number, &value);
    if (fit == BK__FRACTION)
        return bk__bind_error(bind, place, "type", "must be an integer");
    if (fit == BK__OUT_OF_RANGE || (narrow && (value < INT32_MIN || value > INT32_MAX)))
        return bk__bind_error(bind, place, "range", "must fit in %d bits", narrow ? 32 : 64);
    if (!check_i64(bind, field, value, place))
        return false;
    if (narrow)
        *(int32_t *)slot = (int32_t)value;
    else
        *(int64_t *)slot = value;
    return true;
}

static bool bind_f64(struct bk__bind *bind, const bk_field *field, const struct bk__number *number,
                     double *slot, const struct bk__place *place)
{
    double value;

    if (bk__number_f64(number, &value) != BK__FITS)
        return bk__bind_error(bind, place, "range", "is too large");
    if (!bind->stored && field->has_min && value < field->min_f64)
        return bk__bind_error(bind, place, "minimum", "must be at least %.15g", field->min_f64);
    if (!bind->stored && field->has_max && value > field->max_f64)
        return bk__bind_error(bind, place, "maximum", "must be at most %.15g", field->max_f64);
    *slot = value;
    return true;
}

bool bk__bind_number(struct bk__bind *bind, const bk_field *field, const struct bk__number *number,
                     void *slot, const struct bk__place *place)
{
    if (bk__value_type(field) == BK_TYPE_F64)
        return bind_f64(bind, field, number, slot, place);
    return bind_integer(bind, field, number, slot, place);
}

/* Code points in @p len bytes of UTF-8. */
static size_t count_points(bk_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static bool check_length(struct bk__bind *bind, const bk_field *field, bk_str text,
                         const struct bk__place *place)
{
    if (field->type == BK_TYPE_ARRAY) {
        return text.len <= BK__ITEM_STR_MAX ||
               bk__bind_error(bind, place, "maxLength", "must have at most %zu bytes",
                              BK__ITEM_STR_MAX);
    }
    if (!field->has_len)
        return true;
    size_t count = count_points(text);
    if (count < field->min_len)
        return bk__bind_error(bind, place, "minLength", "must have at least %zu character%s",
                              field->min_len, field->min_len == 1 ? "" : "s");
    if (count > field->max_len)
        return bk__bind_error(bind, place, "maxLength", "must have at most %zu character%s",
                              field->max_len, field->max_len == 1 ? "" : "s");
    return true;
}

static bool bind_str(struct bk__bind *bind, const bk_field *field, bk_str text, bk_str *slot,
                     const struct bk__place *place)
{
    if (bind->stored) {
        *slot = text;
        return true;
    }
    bool good = check_length(bind, field, text, place);
    if (!bk__format_match(field->format, text))
        good = bk__bind_error(bind, place, "format", "must be %s", bk__format_words(field->format));
    /* A text that is too long is not worth the search. */
    if (good && field->pattern != NULL && !bk__pattern_match(field->pattern, text))
        good = bk__bind_error(bind, place, "pattern", "must match %s", field->pattern);
    if (good)
        *slot = text;
    return good;
}

static bool bind_enum(struct bk__bind *bind, const bk_field *field, bk_str text, int *slot,
                      const struct bk__place *place)
{
    for (int i = 0; field->names[i] != NULL; i++) {
        if (bk_str_eq(bk_str_of(field->names[i]), text)) {
            *slot = i;
            return true;
        }
    }
    bk_buf names = {.arena = bind->arena};
    for (int i = 0; field->names[i] != NULL; i++)
        bk_buf_printf(&names, "%s%s", i != 0 ? ", " : "", field->names[i]);
    return bk__bind_error(bind, place, "enum", "must be one of: %.*s", BK_PRI(names));
}

bool bk__bind_text(struct bk__bind *bind, const bk_field *field, bk_str text, void *slot,
                   const struct bk__place *place)
{
    switch (bk__value_type(field)) {
    case BK_TYPE_STR:
        return bind_str(bind, field, text, slot, place);
    case BK_TYPE_ENUM:
        return bind_enum(bind, field, text, slot, place);
    case BK_TYPE_TIME:
        return bk_time_parse(text, slot) == BK_OK ||
               bk__bind_error(bind, place, "format", "must be a time such as 2026-11-23T18:30:00Z");
    default:
        bk_unreachable("only these are text");
    }
}

static size_t aligned(size_t size)
{
    return (size + BK__ARENA_ALIGN - 1) & ~(size_t)(BK__ARENA_ALIGN - 1);
}

/* Room doubles whenever the count has come to a power of two, so none but the count is kept. */
void *bk__bind_item(struct bk__bind *bind, bk_array *array, size_t item_bytes)
{
    size_t count = array->count++;

    if (count == 0) {
        array->items = bk__arena_get(bind->arena, 4 * item_bytes);
    } else if (count >= 4 && (count & (count - 1)) == 0) {
        size_t old = count * item_bytes;
        if (!bk__arena_extend(bind->arena, array->items, aligned(old), aligned(2 * old))) {
            void *items = bk__arena_get(bind->arena, 2 * old);
            memcpy(items, array->items, old);
            array->items = items;
        }
    }
    return memset((char *)array->items + count * item_bytes, 0, item_bytes);
}

bool bk__bind_count(struct bk__bind *bind, const bk_field *field, bk_array *array, size_t count,
                    const struct bk__place *place)
{
    if (array->items == NULL)
        array->items = bk__arena_get(bind->arena, 1);
    if (!field->has_len || bind->stored)
        return true;
    if (count < field->min_len)
        return bk__bind_error(bind, place, "minItems", "must have at least %zu item%s",
                              field->min_len, field->min_len == 1 ? "" : "s");
    if (count > field->max_len)
        return bk__bind_error(bind, place, "maxItems", "must have at most %zu item%s",
                              field->max_len, field->max_len == 1 ? "" : "s");
    return true;
}
