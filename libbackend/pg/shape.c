/*
 * shape.c: descriptions of statements, and rows into structs.
 *
 * A shape is made once for each statement. Fits hang on it, one for each description that its rows
 * were ever asked for, which are few.
 *
 * Reading a row is the busiest loop here. All that can be decided beforehand is in the fit. The
 * texts of a row, which are most of what needs memory, are measured first and share one piece.
 */
#include "pg/shape.h"

#include <stdlib.h>

#include "core/arena.h"
#include "core/assert.h"
#include "json/field.h"

#define DAMAGED_ROW "a damaged row"

/* --- shapes ----------------------------------------------------------------------------------- */

static void *zalloc(size_t count, size_t size)
{
    void *memory = calloc(count != 0 ? count : 1, size);
    bk_assert(memory != NULL);
    return memory;
}

static bool read_params(struct bk__pg_shape *shape, bk_str parameters)
{
    if (parameters.ptr == NULL)
        return true;
    struct bk__pg_reader reader = bk__pg_reader_of(parameters);
    shape->param_count = bk__pg_read_u16(&reader);
    shape->params = zalloc(shape->param_count, sizeof(*shape->params));
    for (size_t i = 0; i < shape->param_count; i++)
        shape->params[i] = bk__pg_read_u32(&reader);
    return !reader.bad && reader.at == reader.end;
}

static bool read_columns(struct bk__pg_shape *shape, bk_str row)
{
    if (row.ptr == NULL)
        return true;
    /* The names stay where they are in a copy of the message. */
    shape->names = zalloc(row.len, 1);
    memcpy(shape->names, row.ptr, row.len);
    struct bk__pg_reader reader = bk__pg_reader_of(bk_str_at(shape->names, row.len));
    shape->column_count = bk__pg_read_u16(&reader);
    shape->columns = zalloc(shape->column_count, sizeof(*shape->columns));
    for (size_t i = 0; i < shape->column_count; i++) {
        shape->columns[i].name = bk__pg_read_cstr(&reader);
        (void)bk__pg_read_u32(&reader); /* table */
        (void)bk__pg_read_u16(&reader); /* column of the table */
        shape->columns[i].type = bk__pg_read_u32(&reader);
        (void)bk__pg_read_u16(&reader); /* size of the type */
        (void)bk__pg_read_u32(&reader); /* its modifier */
        (void)bk__pg_read_u16(&reader); /* format */
    }
    return !reader.bad && reader.at == reader.end;
}

struct bk__pg_shape *bk__pg_shape_new(void)
{
    struct bk__pg_shape *shape = zalloc(1, sizeof(*shape));

    shape->refs = 1;
    return shape;
}

bool bk__pg_shape_learn(struct bk__pg_shape *shape, bk_str parameters, bk_str row)
{
    if (shape->known || !read_params(shape, parameters) || !read_columns(shape, row))
        return false;
    shape->row_formats = zalloc(shape->column_count, 1);
    shape->json_formats = zalloc(shape->column_count, 1);
    for (size_t i = 0; i < shape->column_count; i++) {
        shape->row_formats[i] = bk__pg_format_for_rows(shape->columns[i].type);
        shape->json_formats[i] = bk__pg_format_for_json(shape->columns[i].type);
    }
    shape->known = true;
    return true;
}

struct bk__pg_shape *bk__pg_shape_ref(struct bk__pg_shape *shape)
{
    shape->refs++;
    return shape;
}

void bk__pg_shape_unref(struct bk__pg_shape *shape)
{
    if (shape == NULL || --shape->refs != 0)
        return;
    while (shape->fits != NULL) {
        struct bk__pg_fit *fit = shape->fits;
        shape->fits = fit->next;
        free(fit->slots);
        free(fit->formats);
        free(fit);
    }
    free(shape->params);
    free(shape->columns);
    free(shape->names);
    free(shape->row_formats);
    free(shape->json_formats);
    free(shape);
}

/* --- fits ------------------------------------------------------------------------------------- */

static const bk_field *find_field(const bk_desc *desc, bk_str name)
{
    size_t next = 0;
    return bk__field_find(desc, name, &next);
}

/* True when the value's bytes are the member's text in either format. */
static bool is_copied(uint32_t type, const bk_field *field)
{
    return field->type == BK_TYPE_STR && (bk__pg_is_text(type) || type == BK__PG_JSON);
}

static bk_err fit_column(struct bk__pg_fit *fit, size_t i, const struct bk__pg_column *column)
{
    const bk_field *field = find_field(fit->desc, column->name);
    struct bk__pg_slot *slot = &fit->slots[i];
    char type[BK__PG_TYPE_NAME];

    if (field == NULL)
        return BK_OK;
    if (!bk__pg_fits(column->type, field))
        return bk_fail(BK_EINTERNAL,
                       "column \"%.*s\", which is %s, does not fit the member %s of %s",
                       BK_PRI(column->name), bk__pg_type_name(column->type, type), field->member,
                       fit->desc->name);
    fit->formats[i] = bk__pg_format_for_field(column->type, field);
    *slot = (struct bk__pg_slot){
        .field = field,
        .type = column->type,
        .format = fit->formats[i],
        .copied = is_copied(column->type, field),
        .decode = bk__pg_decoder(column->type, fit->formats[i], field),
    };
    fit->has_copied |= slot->copied;
    return BK_OK;
}

static bk_err fit_columns(struct bk__pg_fit *fit, const struct bk__pg_shape *shape)
{
    for (size_t i = 0; i < shape->column_count; i++) {
        BK_TRY(fit_column(fit, i, &shape->columns[i]));
        for (size_t k = 0; k < i && fit->slots[i].field != NULL; k++) {
            if (fit->slots[k].field == fit->slots[i].field)
                return bk_fail(BK_EINTERNAL, "two columns are called \"%.*s\"",
                               BK_PRI(shape->columns[i].name));
        }
    }
    return BK_OK;
}

bk_err bk__pg_shape_fit(struct bk__pg_shape *shape, const bk_desc *desc,
                        const struct bk__pg_fit **out)
{
    struct bk__pg_fit *fit;

    for (fit = shape->fits; fit != NULL; fit = fit->next) {
        if (fit->desc == desc) {
            *out = fit;
            return BK_OK;
        }
    }
    fit = zalloc(1, sizeof(*fit));
    fit->desc = desc;
    fit->slots = zalloc(shape->column_count, sizeof(*fit->slots));
    fit->formats = zalloc(shape->column_count, 1);
    bk_err err = fit_columns(fit, shape);
    if (err != BK_OK) {
        free(fit->slots);
        free(fit->formats);
        free(fit);
        return err;
    }
    fit->next = shape->fits;
    shape->fits = fit;
    *out = fit;
    return BK_OK;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* The bytes of all texts that are copied, each with a NUL behind it. */
static size_t measure(const struct bk__pg_fit *fit, size_t count, struct bk__pg_reader reader)
{
    size_t bytes = 0;
    bk_str value;

    for (size_t i = 0; i < count; i++) {
        if (bk__pg_read_value(&reader, &value) && fit->slots[i].copied)
            bytes += value.len + 1;
    }
    return bytes;
}

static bk_str copy_text(bk_str text, char **room)
{
    char *copy = *room;

    bk_assert(copy != NULL); /* it was measured */
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *room += text.len + 1;
    return bk_str_at(copy, text.len);
}

static bk_err read_columns_into(const struct bk__pg_shape *shape, const struct bk__pg_fit *fit,
                                bool text, struct bk__pg_reader reader, bk_arena *arena,
                                char *object)
{
    size_t count = shape->column_count;
    char *room = fit->has_copied ? bk__arena_get(arena, measure(fit, count, reader)) : NULL;

    for (size_t i = 0; i < count; i++) {
        const struct bk__pg_slot *slot = &fit->slots[i];
        const bk_field *field = slot->field;
        struct bk__pg_value value;
        if (!bk__pg_read_value(&reader, &value.bytes)) {
            if (reader.bad)
                break;
            continue;
        }
        if (field == NULL)
            continue;
        char *member = object + field->offset;
        if (slot->copied) {
            *(bk_str *)member = copy_text(value.bytes, &room);
        } else {
            value.type = slot->type;
            value.format = text ? 0 : slot->format;
            value.null = false;
            bk_err err = text ? bk__pg_to_field(&value, field, arena, member)
                              : slot->decode(&value, field, arena, member);
            if (err != BK_OK)
                return bk_context(err, "column \"%.*s\"", BK_PRI(shape->columns[i].name));
        }
        if (field->has)
            *bk__field_has(field, object) = true;
    }
    if (reader.bad || reader.at != reader.end)
        return bk_fail(BK_EINTERNAL, DAMAGED_ROW);
    return BK_OK;
}

bk_err bk__pg_read_row(const struct bk__pg_shape *shape, const struct bk__pg_fit *fit, bool text,
                       bk_str row, bk_arena *arena, void *object)
{
    struct bk__pg_reader reader = bk__pg_reader_of(row);

    memset(object, 0, fit->desc->bytes);
    if (bk__pg_read_u16(&reader) != shape->column_count)
        return bk_fail(BK_EINTERNAL, DAMAGED_ROW);
    bk_err err = read_columns_into(shape, fit, text, reader, arena, object);
    if (err != BK_OK)
        memset(object, 0, fit->desc->bytes);
    return err;
}
