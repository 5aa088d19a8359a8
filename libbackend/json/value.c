/*
 * value.c: values whose shape is not known ahead: reading them and building them.
 *
 * Members are walked, never fetched by index or by cJSON's look-ups, which ignore case or need a
 * NUL. What must hold: a value is in one container at most.
 */
#include "json/value.h"

#include <math.h>

#include "core/arena.h"
#include "core/assert.h"

static bk_json *new_value(bk_arena *arena, int type)
{
    bk_json *value = bk__arena_get(arena, sizeof(*value));
    *value = (bk_json){.node.type = type, .arena = arena};
    return value;
}

bk_json *bk__json_new_number(bk_arena *arena, const struct bk__number *number)
{
    bk_json *value = new_value(arena, cJSON_Number);
    value->exact = bk__number_i64(number, &value->integer) == BK__FITS;
    if (bk__number_f64(number, &value->node.valuedouble) != BK__FITS)
        bk_unreachable("the scanner lets no such number through");
    return value;
}

bk_json *bk__json_new_text(bk_arena *arena, char *text, size_t len)
{
    bk_json *value = new_value(arena, cJSON_String);
    value->node.valuestring = text;
    value->len = len;
    return value;
}

/* Reading. */

bk_json_type bk_json_type_of(const bk_json *value)
{
    switch (value != NULL ? value->node.type & 0xff : cJSON_NULL) {
    case cJSON_True:
    case cJSON_False:
        return BK_JSON_BOOL;
    case cJSON_Number:
        return BK_JSON_NUMBER;
    case cJSON_String:
        return BK_JSON_STRING;
    case cJSON_Array:
        return BK_JSON_ARRAY;
    case cJSON_Object:
        return BK_JSON_OBJECT;
    default:
        return BK_JSON_NULL;
    }
}

static bool is_container(const bk_json *value)
{
    return value != NULL && (cJSON_IsArray(&value->node) || cJSON_IsObject(&value->node));
}

const bk_json *bk_json_get(const bk_json *object, bk_str key)
{
    if (object == NULL || !cJSON_IsObject(&object->node))
        return NULL;
    const bk_json *member = bk_json_first(object);
    while (member != NULL && !bk_str_eq(bk_json_key(member), key))
        member = bk_json_next(member);
    return member;
}

size_t bk_json_len(const bk_json *value)
{
    return is_container(value) ? value->len : 0;
}

const bk_json *bk_json_first(const bk_json *value)
{
    return is_container(value) ? bk__json_of(value->node.child) : NULL;
}

const bk_json *bk_json_next(const bk_json *item)
{
    return item != NULL ? bk__json_of(item->node.next) : NULL;
}

bk_str bk_json_key(const bk_json *member)
{
    if (member == NULL || member->node.string == NULL)
        return (bk_str){0};
    return bk_str_at(member->node.string, member->key_len);
}

bk_str bk_json_str(const bk_json *value)
{
    if (value == NULL || !cJSON_IsString(&value->node))
        return (bk_str){0};
    return bk_str_at(value->node.valuestring, value->len);
}

/* BK_EINVAL that says what @p value should be, and by its key which one is meant. */
static bk_err mismatch(const bk_json *value, const char *wanted)
{
    if (value != NULL && value->node.string != NULL)
        return bk_fail(BK_EINVAL, "\"%s\" must be %s", value->node.string, wanted);
    return bk_fail(BK_EINVAL, "the value must be %s", wanted);
}

bk_err bk_json_i64(const bk_json *value, int64_t *out)
{
    if (bk_json_type_of(value) != BK_JSON_NUMBER)
        return mismatch(value, "an integer");
    if (!value->exact)
        return mismatch(value, "an integer of at most 64 bits");
    *out = value->integer;
    return BK_OK;
}

bk_err bk_json_f64(const bk_json *value, double *out)
{
    if (bk_json_type_of(value) != BK_JSON_NUMBER)
        return mismatch(value, "a number");
    *out = value->node.valuedouble;
    return BK_OK;
}

bool bk_json_bool(const bk_json *value)
{
    return value != NULL && cJSON_IsTrue(&value->node);
}

/* Building. */

bk_json *bk_json_new_object(bk_arena *arena)
{
    return new_value(arena, cJSON_Object);
}

bk_json *bk_json_new_array(bk_arena *arena)
{
    return new_value(arena, cJSON_Array);
}

bk_json *bk_json_new_null(bk_arena *arena)
{
    return new_value(arena, cJSON_NULL);
}

/* A copy with a NUL behind it, "" for an absent one. */
static char *copy(bk_arena *arena, bk_str text)
{
    char *out = bk__arena_get(arena, text.len + 1);
    if (text.len != 0)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return out;
}

bk_json *bk_json_new_str(bk_arena *arena, bk_str text)
{
    return bk__json_new_text(arena, copy(arena, text), text.len);
}

bk_json *bk_json_new_i64(bk_arena *arena, int64_t number)
{
    bk_json *value = new_value(arena, cJSON_Number);
    value->exact = true;
    value->integer = number;
    value->node.valuedouble = (double)number;
    return value;
}

bk_json *bk_json_new_f64(bk_arena *arena, double number)
{
    bk_assert(isfinite(number));
    bk_json *value = new_value(arena, cJSON_Number);
    value->node.valuedouble = number;
    if (number >= -0x1p53 && number <= 0x1p53 && nearbyint(number) == number) {
        value->exact = true;
        value->integer = (int64_t)number;
    }
    return value;
}

bk_json *bk_json_new_bool(bk_arena *arena, bool truth)
{
    return new_value(arena, truth ? cJSON_True : cJSON_False);
}

static bool is_free(const bk_json *value)
{
    return value->node.prev == NULL;
}

void bk__json_link(bk_json *object, const char *key, size_t key_len, bk_json *value)
{
    cJSON_AddItemToObjectCS(&object->node, key, &value->node);
    value->key_len = key_len;
    object->len++;
}

void bk_json_set(bk_json *object, bk_str key, bk_json *value)
{
    bk_assert(object != NULL && cJSON_IsObject(&object->node));
    bk_assert(value != NULL && value != object && is_free(value));
    bk_debug_assert(bk_json_get(object, key) == NULL);
    bk__json_link(object, copy(object->arena, key), key.len, value);
}

void bk_json_append(bk_json *array, bk_json *value)
{
    bk_assert(array != NULL && cJSON_IsArray(&array->node));
    bk_assert(value != NULL && value != array && is_free(value));
    cJSON_AddItemToArray(&array->node, &value->node);
    array->len++;
}
