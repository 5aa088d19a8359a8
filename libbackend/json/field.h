/*
 * field.h: what all users of a description ask of its fields.
 */
#ifndef BK_JSON_FIELD_H
#define BK_JSON_FIELD_H

#include <backend/describe.h>
#include <backend/json.h>

/* A description may have so many; bk_desc_check() says so. */
#define BK__FIELDS_MAX 256

static inline const char *bk__field_key(const bk_field *field)
{
    return field->key != NULL ? field->key : field->member;
}

/* True when the field's key is @p key, which holds no NUL. */
static inline bool bk__field_is(const bk_field *field, bk_str key)
{
    const char *name = bk__field_key(field);
    for (size_t i = 0; i < key.len; i++) {
        if (name[i] != key.ptr[i])
            return false;
    }
    return name[key.len] == '\0';
}

/* The field of @p key; NULL when there is none. The search begins at *next, which then moves behind
 * what was found: keys mostly come in the description's order. */
static inline const bk_field *bk__field_find(const bk_desc *desc, bk_str key, size_t *next)
{
    size_t at = *next;
    for (size_t left = desc->count; left > 0; left--, at++) {
        if (at >= desc->count)
            at = 0;
        if (bk__field_is(&desc->fields[at], key)) {
            *next = at + 1;
            return &desc->fields[at];
        }
    }
    return NULL;
}

/* The size of a value of @p type, which is none of the composed ones. */
static inline size_t bk__scalar_bytes(bk_field_type type)
{
    switch (type) {
    case BK_TYPE_STR:
    case BK_TYPE_JSON:
        return sizeof(bk_str);
    case BK_TYPE_I64:
    case BK_TYPE_TIME:
        return sizeof(int64_t);
    case BK_TYPE_I32:
        return sizeof(int32_t);
    case BK_TYPE_F64:
        return sizeof(double);
    case BK_TYPE_BOOL:
        return sizeof(bool);
    case BK_TYPE_ENUM:
        return sizeof(int);
    case BK_TYPE_STRUCT:
    case BK_TYPE_ARRAY:
        break;
    }
    return 0;
}

/* The size of an array's items. */
static inline size_t bk__item_bytes(const bk_field *field)
{
    return field->item_type == BK_TYPE_STRUCT ? field->of()->bytes
                                              : bk__scalar_bytes(field->item_type);
}

/* The type to which the field's rules for values apply: an array's are its items'. */
static inline bk_field_type bk__value_type(const bk_field *field)
{
    return field->type == BK_TYPE_ARRAY ? field->item_type : field->type;
}

/* The bool that tells whether the field is there. */
static inline bool *bk__field_has(const bk_field *field, void *object)
{
    return (bool *)((char *)object + field->has_offset);
}

/* bk_write_json() with a writer that has begun, or has settings. */
void bk__write_object(bk_json_writer *writer, bk_desc_fn desc, const void *object);

#endif
