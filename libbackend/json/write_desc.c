/*
 * write_desc.c: a described struct to JSON.
 *
 * The reverse of bind.c, member by member in the description's order. Recursion follows the nesting
 * of the data; the writer stops a program that nests deeper than it can note.
 */
#include <backend/json.h>

#include "core/assert.h"
#include "json/field.h"

static void write_object(bk_json_writer *writer, const bk_desc *desc, const void *object);

static const char *name_of(const bk_field *field, int index)
{
    bk_assert(index >= 0);
    for (int i = 0; i <= index; i++)
        bk_assert(field->names[i] != NULL); /* an index that is no name's */
    return field->names[index];
}

static void write_array(bk_json_writer *writer, const bk_field *field, const bk_array *array);

static void write_value(bk_json_writer *writer, const bk_field *field, bk_field_type type,
                        const void *slot)
{
    switch (type) {
    case BK_TYPE_STR:
        bk_json_write_str(writer, *(const bk_str *)slot);
        break;
    case BK_TYPE_I64:
        bk_json_write_i64(writer, *(const int64_t *)slot);
        break;
    case BK_TYPE_I32:
        bk_json_write_i64(writer, *(const int32_t *)slot);
        break;
    case BK_TYPE_F64:
        bk_json_write_f64(writer, *(const double *)slot);
        break;
    case BK_TYPE_BOOL:
        bk_json_write_bool(writer, *(const bool *)slot);
        break;
    case BK_TYPE_TIME:
        bk_json_write_time(writer, *(const bk_time *)slot);
        break;
    case BK_TYPE_ENUM:
        bk_json_write_str(writer, bk_str_of(name_of(field, *(const int *)slot)));
        break;
    case BK_TYPE_JSON:
        if (((const bk_str *)slot)->ptr != NULL)
            bk_json_write_raw(writer, *(const bk_str *)slot);
        else
            bk_json_write_null(writer);
        break;
    case BK_TYPE_STRUCT:
        write_object(writer, field->of(), slot);
        break;
    case BK_TYPE_ARRAY:
        write_array(writer, field, slot);
        break;
    }
}

static void write_array(bk_json_writer *writer, const bk_field *field, const bk_array *array)
{
    size_t item_bytes = bk__item_bytes(field);
    const char *item = array->items;

    bk_json_begin_array(writer);
    for (size_t i = 0; i < array->count; i++, item += item_bytes)
        write_value(writer, field, field->item_type, item);
    bk_json_end_array(writer);
}

static bool is_absent(const bk_field *field, const void *object, const void *slot)
{
    if (field->has && !*(const bool *)((const char *)object + field->has_offset))
        return true;
    switch (field->type) {
    case BK_TYPE_STR:
    case BK_TYPE_JSON:
        return ((const bk_str *)slot)->ptr == NULL;
    case BK_TYPE_ARRAY:
        return ((const bk_array *)slot)->items == NULL && !field->required;
    default:
        return false;
    }
}

static void write_object(bk_json_writer *writer, const bk_desc *desc, const void *object)
{
    bk_json_begin_object(writer);
    for (size_t i = 0; i < desc->count; i++) {
        const bk_field *field = &desc->fields[i];
        const void *slot = (const char *)object + field->offset;
        if (field->write_only || is_absent(field, object, slot))
            continue;
        bk_json_write_key(writer, bk_str_of(bk__field_key(field)));
        write_value(writer, field, field->type, slot);
    }
    bk_json_end_object(writer);
}

void bk__write_object(bk_json_writer *writer, bk_desc_fn desc, const void *object)
{
    write_object(writer, desc(), object);
}

void bk_write_json(bk_buf *buf, bk_desc_fn desc, const void *object)
{
    bk_json_writer writer = {.buf = buf};
    write_object(&writer, desc(), object);
}
