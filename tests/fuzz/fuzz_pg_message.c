/*
 * A stream of messages as a server might send it: descriptions make shapes, rows go into structs,
 * undescribed rows and JSON, as text and as asked for. All or nothing: a row that is refused leaves
 * zeros, and its result no array.
 */
#include <stdint.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/json.h>

#include "core/assert.h"
#include "pg/shape.h"
#include "pg/sink.h"
#include "pg/wire.h"
#include "pg_described.h"

#define MESSAGE_MAX 4096
#define ROWS_MAX    64

/* What was seen since the last description. */
struct session {
    bk_arena *arena;
    bk_str parameters;
    struct bk__pg_shape *shape;
    bk_str rows[ROWS_MAX];
    size_t count;
};

static void judge_one(struct session *session, const struct bk__pg_fit *fit, bool text, bk_str body)
{
    static const struct row zero;
    struct row row;

    memset(&row, 0x5a, sizeof(row));
    if (bk__pg_read_row(session->shape, fit, text, body, session->arena, &row) == BK_OK) {
        bk_buf buf = {.arena = session->arena};
        for (size_t i = 0; i < session->shape->column_count; i++)
            bk_assert(fit->formats[i] <= 1);
        if (row.json.ptr == NULL && row.jsons.items == NULL)
            bk_write_json(&buf, row_desc, &row);
    } else {
        bk_assert(bk_error_chain() != NULL);
        bk_assert(memcmp(&row, &zero, sizeof(row)) == 0);
    }
    bk_error_clear();
}

static void look_at_rows(const bk_rows *rows)
{
    for (size_t row = 0; row < bk_rows_count(rows); row++) {
        for (size_t column = 0; column < bk_rows_columns(rows); column++) {
            int64_t i64;
            double f64;
            bk_time at;
            bk_array array;
            bool null = bk_rows_null(rows, row, column);
            bk_assert(bk_str_present(bk_rows_str(rows, row, column)) == !null);
            bk_err err = bk_rows_i64(rows, row, column, &i64);
            bk_assert(err == BK_OK || i64 == 0);
            (void)!bk_rows_f64(rows, row, column, &f64);
            (void)!bk_rows_time(rows, row, column, &at);
            (void)!bk_rows_array(rows, row, column, BK_TYPE_STR, &array);
        }
    }
}

static void fill(struct session *session, struct bk__pg_sink *sink, bool text)
{
    (void)bk__pg_sink_formats(sink, session->shape);
    bk__pg_sink_begin(sink, session->shape, text);
    for (size_t i = 0; i < session->count; i++)
        bk__pg_sink_row(sink, session->rows[i]);
}

static void drain(struct session *session, bool text)
{
    const struct bk__pg_fit *fit;
    bk_array all = {NULL, 0};
    bk_rows *rows = NULL;
    struct bk__pg_sink structs = {.kind = BK__PG_SINK_ALL, .desc = row_desc, .out = &all};
    struct bk__pg_sink plain = {.kind = BK__PG_SINK_ROWS, .out = &rows, .limit = 2000};
    struct bk__pg_sink json = {.kind = BK__PG_SINK_JSON};

    if (bk__pg_shape_fit(session->shape, row_desc(), &fit) == BK_OK) {
        for (size_t i = 0; i < session->count; i++)
            judge_one(session, fit, text, session->rows[i]);
    }
    structs.arena = plain.arena = json.arena = session->arena;
    fill(session, &structs, text);
    if (bk__pg_sink_end(&structs) == BK_OK)
        bk_assert(all.items != NULL && all.count == session->count);
    else
        bk_assert(all.items == NULL);
    fill(session, &plain, text);
    if (bk__pg_sink_end(&plain) == BK_OK)
        look_at_rows(rows);
    fill(session, &json, text);
    if (bk__pg_sink_end(&json) == BK_OK)
        bk_assert(json.json.ptr[0] == '[' && json.json.ptr[json.json.len - 1] == ']');
    bk_error_clear();
}

static void finish_rows(struct session *session)
{
    if (session->shape == NULL)
        return;
    drain(session, false);
    drain(session, true);
    bk_assert(session->shape->refs == 1);
    bk__pg_shape_unref(session->shape);
    session->shape = NULL;
    session->count = 0;
}

/* The fields of an error: a letter and a string each, until a NUL. */
static void read_fields(bk_str body)
{
    struct bk__pg_reader reader = bk__pg_reader_of(body);

    while (reader.at < reader.end && *reader.at++ != '\0') {
        bk_str text = bk__pg_read_cstr(&reader);
        if (reader.bad)
            return;
        bk_assert(text.ptr[text.len] == '\0');
    }
}

static void take(struct session *session, const struct bk__pg_message *message)
{
    bk_str body = bk_str_at(message->body, message->len);

    switch (message->type) {
    case 't':
        session->parameters = body;
        break;
    case 'T':
        finish_rows(session);
        session->shape = bk__pg_shape_new();
        if (!bk__pg_shape_learn(session->shape, session->parameters, body)) {
            bk__pg_shape_unref(session->shape);
            session->shape = NULL;
        }
        session->parameters = (bk_str){NULL, 0};
        break;
    case 'D':
        if (session->shape != NULL && session->count < ROWS_MAX)
            session->rows[session->count++] = body;
        break;
    case 'C':
        bk_assert(bk__pg_tag_count(body) >= 0);
        break;
    case 'E':
    case 'N':
        read_fields(body);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    struct session session = {.arena = bk_arena_new()};
    struct bk__pg_message message;
    size_t left = size, wanted, whole;

    while ((whole = bk__pg_read_message(at, left, MESSAGE_MAX, &message, &wanted)) != 0) {
        if (whole == SIZE_MAX)
            break;
        bk_assert(whole <= left && message.len <= MESSAGE_MAX - 4);
        take(&session, &message);
        at += whole;
        left -= whole;
    }
    bk_assert(whole != 0 || wanted == 0 || wanted > left);
    finish_rows(&session);
    bk_arena_free(session.arena);
    return 0;
}
