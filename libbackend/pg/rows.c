/*
 * rows.c: rows whose shape is not described.
 *
 * A row is kept as it came, in one piece with views of its values in front; a value is read when it
 * is asked for.
 */
#include "pg/rows.h"

#include "core/arena.h"
#include "core/assert.h"

#define FIRST_ROWS 16

bk_rows *bk__pg_rows_new(const struct bk__pg_shape *shape, bool text, bk_arena *arena)
{
    bk_rows *rows = BK_NEW(arena, bk_rows);
    size_t count = shape->column_count;

    rows->arena = arena;
    rows->column_count = count;
    rows->columns = bk_arena_alloc(arena, count * sizeof(*rows->columns));
    rows->formats = bk_arena_zalloc(arena, count);
    for (size_t i = 0; i < count; i++) {
        rows->columns[i] = shape->columns[i];
        rows->columns[i].name = bk_arena_dup(arena, shape->columns[i].name);
        rows->formats[i] = text ? 0 : shape->row_formats[i];
    }
    return rows;
}

/* Room for another row. */
static void grow(bk_rows *rows)
{
    size_t cap = rows->cap != 0 ? 2 * rows->cap : FIRST_ROWS;
    size_t old = rows->cap * sizeof(*rows->items), size = cap * sizeof(*rows->items);

    if (rows->cap == 0 || !bk__arena_extend(rows->arena, rows->items, old, size)) {
        bk_str **items = bk__arena_get(rows->arena, size);
        if (rows->count != 0)
            memcpy(items, rows->items, rows->count * sizeof(*items));
        rows->items = items;
    }
    rows->cap = cap;
}

bk_err bk__pg_rows_add(bk_rows *rows, bk_str row)
{
    size_t head = rows->column_count * sizeof(bk_str);
    bk_str *values = bk__arena_get(rows->arena, head + row.len);
    char *copy = (char *)values + head;

    memcpy(copy, row.ptr, row.len);
    struct bk__pg_reader reader = bk__pg_reader_of(bk_str_at(copy, row.len));
    if (bk__pg_read_u16(&reader) != rows->column_count)
        return bk_fail(BK_EINTERNAL, "a damaged row");
    for (size_t i = 0; i < rows->column_count; i++) {
        values[i] = (bk_str){NULL, 0};
        (void)bk__pg_read_value(&reader, &values[i]);
    }
    if (reader.bad || reader.at != reader.end)
        return bk_fail(BK_EINTERNAL, "a damaged row");
    if (rows->count == rows->cap)
        grow(rows);
    rows->items[rows->count++] = values;
    return BK_OK;
}

size_t bk_rows_count(const bk_rows *rows)
{
    return rows->count;
}

size_t bk_rows_columns(const bk_rows *rows)
{
    return rows->column_count;
}

bk_str bk_rows_name(const bk_rows *rows, size_t column)
{
    bk_assert(column < rows->column_count);
    return rows->columns[column].name;
}

size_t bk_rows_column(const bk_rows *rows, const char *name)
{
    bk_str wanted = bk_str_of(name);

    for (size_t i = 0; i < rows->column_count; i++) {
        if (bk_str_eq(rows->columns[i].name, wanted))
            return i;
    }
    return SIZE_MAX;
}

static struct bk__pg_value value_at(const bk_rows *rows, size_t row, size_t column)
{
    bk_assert(row < rows->count && column < rows->column_count);
    bk_str bytes = rows->items[row][column];
    return (struct bk__pg_value){
        .type = rows->columns[column].type,
        .format = rows->formats[column],
        .null = bytes.ptr == NULL,
        .bytes = bytes,
    };
}

/* Names the column in the chain of an error. */
static bk_err told(bk_err err, const bk_rows *rows, size_t row, size_t column)
{
    return bk_context(err, "row %zu, column \"%.*s\"", row, BK_PRI(rows->columns[column].name));
}

bool bk_rows_null(const bk_rows *rows, size_t row, size_t column)
{
    return value_at(rows, row, column).null;
}

/* The columns come in bk__pg_format_for_rows(), or as text; only bytea needs a look. */
bk_str bk_rows_str(const bk_rows *rows, size_t row, size_t column)
{
    struct bk__pg_value value = value_at(rows, row, column);
    bk_str text = value.bytes;

    if (value.null || value.type != BK__PG_BYTEA || value.format == 1)
        return text;
    return bk__pg_to_text(&value, rows->arena, &text) == BK_OK ? text : value.bytes;
}

bk_err bk_rows_i64(const bk_rows *rows, size_t row, size_t column, int64_t *out)
{
    struct bk__pg_value value = value_at(rows, row, column);

    *out = 0;
    return value.null ? BK_OK : told(bk__pg_to_i64(&value, out), rows, row, column);
}

bk_err bk_rows_f64(const bk_rows *rows, size_t row, size_t column, double *out)
{
    struct bk__pg_value value = value_at(rows, row, column);

    *out = 0;
    return value.null ? BK_OK : told(bk__pg_to_f64(&value, out), rows, row, column);
}

bk_err bk_rows_bool(const bk_rows *rows, size_t row, size_t column, bool *out)
{
    struct bk__pg_value value = value_at(rows, row, column);

    *out = false;
    return value.null ? BK_OK : told(bk__pg_to_bool(&value, out), rows, row, column);
}

bk_err bk_rows_time(const bk_rows *rows, size_t row, size_t column, bk_time *out)
{
    struct bk__pg_value value = value_at(rows, row, column);

    *out = 0;
    return value.null ? BK_OK : told(bk__pg_to_time(&value, out), rows, row, column);
}

bk_err bk_rows_array(const bk_rows *rows, size_t row, size_t column, bk_field_type item_type,
                     bk_array *out)
{
    struct bk__pg_value value = value_at(rows, row, column);

    *out = (bk_array){NULL, 0};
    if (value.null)
        return BK_OK;
    return told(bk__pg_to_array(&value, item_type, rows->arena, out), rows, row, column);
}
