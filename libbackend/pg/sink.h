/*
 * sink.h: where the rows of a statement go.
 *
 * Rows are taken on the loop's stack while the fiber that wants them waits, straight from the input
 * buffer, into that fiber's arena; nothing of the input is kept. The first thing that goes wrong is
 * recorded on that fiber (bk__task_current points at its task meanwhile) and kept in `err`; the
 * rows that follow are passed over.
 */
#ifndef BK_PG_SINK_H
#define BK_PG_SINK_H

#include <backend/pg.h>

#include "pg/shape.h"

enum bk__pg_sink_kind {
    BK__PG_SINK_NONE, /* rows are not looked at */
    BK__PG_SINK_ONE,  /* one struct */
    BK__PG_SINK_ALL,  /* a bk_array of structs */
    BK__PG_SINK_ROWS, /* a bk_rows */
    BK__PG_SINK_JSON, /* a JSON array, in a buffer of its own */
    BK__PG_SINK_RAW   /* each DataRow body is handed to `raw` */
};

struct bk__pg_sink {
    enum bk__pg_sink_kind kind;
    bk_desc_fn desc; /* ONE, ALL; RAW that reads its rows by the fit, else NULL */
    void *out;       /* ONE: the struct; ALL: bk_array *; ROWS: bk_rows ** */
    bk_arena *arena; /* of the fiber */
    size_t limit;    /* most bytes of rows; 0: none */
    void (*raw)(struct bk__pg_sink *sink, bk_str row); /* RAW */
    /* While it runs; zero before. */
    struct bk__pg_shape *shape;   /* a reference */
    const struct bk__pg_fit *fit; /* where there is a desc */
    bool text;                    /* all columns come as text */
    bk_err err;                   /* the first error */
    size_t count, cap, bytes;     /* rows taken, room for rows, bytes of rows */
    char *items;                  /* ALL: being filled */
    bk_rows *rows;                /* ROWS: being filled */
    bk_buf json;                  /* JSON: being filled */
    bk_json_writer writer; /* JSON: points at json, so a sink that has begun stays in place */
};

/* The formats to ask for, one for each column of @p shape; NULL: all as text, which is what a sink
 * of kind NONE gets, and one whose description does not fit (bk__pg_sink_begin() will say so). */
const uint8_t *bk__pg_sink_formats(struct bk__pg_sink *sink, struct bk__pg_shape *shape);

/* Before the first row, and when none comes. @p text: nothing was known of the shape when it was
 * asked for. */
void bk__pg_sink_begin(struct bk__pg_sink *sink, struct bk__pg_shape *shape, bool text);

/* A DataRow body. */
void bk__pg_sink_row(struct bk__pg_sink *sink, bk_str row);

/* After the last row, on the waiting fiber: hands the result over: writes *out. @return err;
 * BK_ENOTFOUND (with words) for ONE without a row. */
bk_err bk__pg_sink_end(struct bk__pg_sink *sink);

/* Forgets what was taken, to run once more or to give up; *out of ONE is zeroed. */
void bk__pg_sink_reset(struct bk__pg_sink *sink);

#endif
