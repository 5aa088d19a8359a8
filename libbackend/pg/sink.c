/*
 * sink.c: rows on their way to whoever asked for them.
 *
 * Each kind knows how a row is taken and what is handed over at the end. A sink that failed takes
 * nothing more, but stays until the end: the rows still come, and must be passed over.
 */
#include "pg/sink.h"

#include "core/arena.h"
#include "core/assert.h"
#include "pg/rows.h"

#define FIRST_ITEMS 8

/* --- beginning -------------------------------------------------------------------------------- */

/* True when its rows become structs. */
static bool is_described(const struct bk__pg_sink *sink)
{
    return sink->kind == BK__PG_SINK_ONE || sink->kind == BK__PG_SINK_ALL ||
           (sink->kind == BK__PG_SINK_RAW && sink->desc != NULL);
}

const uint8_t *bk__pg_sink_formats(struct bk__pg_sink *sink, struct bk__pg_shape *shape)
{
    const struct bk__pg_fit *fit;

    if (is_described(sink))
        return bk__pg_shape_fit(shape, sink->desc(), &fit) == BK_OK ? fit->formats : NULL;
    if (sink->kind == BK__PG_SINK_ROWS)
        return shape->row_formats;
    return sink->kind == BK__PG_SINK_JSON ? shape->json_formats : NULL;
}

void bk__pg_sink_begin(struct bk__pg_sink *sink, struct bk__pg_shape *shape, bool text)
{
    bk_assert(sink->shape == NULL);
    sink->shape = bk__pg_shape_ref(shape);
    sink->text = text;
    if (is_described(sink) && shape->names == NULL) {
        sink->err = bk_fail(BK_EINTERNAL, "the statement returns no rows");
    } else if (is_described(sink)) {
        sink->err = bk__pg_shape_fit(shape, sink->desc(), &sink->fit);
    } else if (sink->kind == BK__PG_SINK_ROWS) {
        sink->rows = bk__pg_rows_new(shape, text, sink->arena);
    } else if (sink->kind == BK__PG_SINK_JSON) {
        sink->json = (bk_buf){.arena = sink->arena};
        sink->writer = (bk_json_writer){.buf = &sink->json};
        bk_json_begin_array(&sink->writer);
    }
}

/* --- rows ------------------------------------------------------------------------------------- */

static bk_err take_one(struct bk__pg_sink *sink, bk_str row)
{
    if (sink->count != 0) {
        memset(sink->out, 0, sink->fit->desc->bytes);
        return bk_fail(BK_EINTERNAL, "more than one row, where one was asked for");
    }
    return bk__pg_read_row(sink->shape, sink->fit, sink->text, row, sink->arena, sink->out);
}

static void grow(struct bk__pg_sink *sink, size_t item_bytes)
{
    size_t cap = sink->cap != 0 ? 2 * sink->cap : FIRST_ITEMS;

    /* The arena extends pieces of whole 16 bytes, which 8 items take if their size is even. */
    bool extended =
        sink->cap != 0 && item_bytes % 2 == 0 &&
        bk__arena_extend(sink->arena, sink->items, sink->cap * item_bytes, cap * item_bytes);
    if (!extended) {
        char *items = bk__arena_get(sink->arena, cap * item_bytes);
        if (sink->count != 0)
            memcpy(items, sink->items, sink->count * item_bytes);
        sink->items = items;
    }
    sink->cap = cap;
}

static bk_err take_item(struct bk__pg_sink *sink, bk_str row)
{
    size_t item_bytes = sink->fit->desc->bytes;

    if (sink->count == sink->cap)
        grow(sink, item_bytes);
    return bk__pg_read_row(sink->shape, sink->fit, sink->text, row, sink->arena,
                           sink->items + sink->count * item_bytes);
}

static bk_err take_json(struct bk__pg_sink *sink, bk_str row)
{
    const struct bk__pg_shape *shape = sink->shape;
    struct bk__pg_reader reader = bk__pg_reader_of(row);
    bk_json_writer *writer = &sink->writer;

    if (bk__pg_read_u16(&reader) != shape->column_count)
        return bk_fail(BK_EINTERNAL, "a damaged row");
    bk_json_begin_object(writer);
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct bk__pg_column *column = &shape->columns[i];
        struct bk__pg_value value = {
            .type = column->type,
            .format = sink->text ? 0 : shape->json_formats[i],
        };
        value.null = !bk__pg_read_value(&reader, &value.bytes);
        if (reader.bad)
            break;
        bk_json_write_key(writer, column->name);
        bk_err err = bk__pg_to_json(&value, writer);
        if (err != BK_OK)
            return bk_context(err, "column \"%.*s\"", BK_PRI(column->name));
    }
    if (reader.bad || reader.at != reader.end)
        return bk_fail(BK_EINTERNAL, "a damaged row");
    bk_json_end_object(writer);
    return BK_OK;
}

static bk_err take(struct bk__pg_sink *sink, bk_str row)
{
    switch (sink->kind) {
    case BK__PG_SINK_NONE:
        return BK_OK;
    case BK__PG_SINK_ONE:
        return take_one(sink, row);
    case BK__PG_SINK_ALL:
        return take_item(sink, row);
    case BK__PG_SINK_ROWS:
        return bk__pg_rows_add(sink->rows, row);
    case BK__PG_SINK_JSON:
        return take_json(sink, row);
    case BK__PG_SINK_RAW:
        sink->raw(sink, row);
        return sink->err;
    }
    bk_unreachable("all kinds are above");
}

void bk__pg_sink_row(struct bk__pg_sink *sink, bk_str row)
{
    if (sink->err != BK_OK)
        return;
    sink->bytes += row.len;
    if (sink->limit != 0 && sink->bytes > sink->limit) {
        sink->err = bk_fail(BK_EINTERNAL, "a result of more than %zu bytes", sink->limit);
        return;
    }
    sink->err = take(sink, row);
    sink->count += sink->err == BK_OK;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void hand_over(struct bk__pg_sink *sink)
{
    switch (sink->kind) {
    case BK__PG_SINK_ALL:
        if (sink->items == NULL) /* none is not the same as absent */
            sink->items = bk__arena_get(sink->arena, 1);
        *(bk_array *)sink->out = (bk_array){sink->items, sink->count};
        break;
    case BK__PG_SINK_ROWS:
        *(bk_rows **)sink->out = sink->rows;
        break;
    case BK__PG_SINK_JSON:
        bk_json_end_array(&sink->writer);
        break;
    case BK__PG_SINK_NONE:
    case BK__PG_SINK_ONE:
    case BK__PG_SINK_RAW:
        break;
    }
}

bk_err bk__pg_sink_end(struct bk__pg_sink *sink)
{
    bk_err err = sink->err;

    if (err == BK_OK && sink->shape == NULL && sink->kind != BK__PG_SINK_NONE)
        err = bk_fail(BK_EINTERNAL, "a statement that returns no rows");
    if (err == BK_OK && sink->kind == BK__PG_SINK_ONE && sink->count == 0)
        err = bk_fail(BK_ENOTFOUND, "there is no such row");
    if (err == BK_OK)
        hand_over(sink);
    else if (sink->kind == BK__PG_SINK_ONE)
        memset(sink->out, 0, sink->desc()->bytes);
    bk__pg_shape_unref(sink->shape);
    sink->shape = NULL;
    return err;
}

void bk__pg_sink_reset(struct bk__pg_sink *sink)
{
    if (sink->kind == BK__PG_SINK_ONE)
        memset(sink->out, 0, sink->desc()->bytes);
    bk__pg_shape_unref(sink->shape);
    sink->shape = NULL;
    sink->fit = NULL;
    sink->text = false;
    sink->err = BK_OK;
    sink->count = sink->cap = sink->bytes = 0;
    sink->items = NULL;
    sink->rows = NULL;
    sink->json = (bk_buf){0};
}
