/*
 * rows.h: a bk_rows from the inside.
 */
#ifndef BK_PG_ROWS_H
#define BK_PG_ROWS_H

#include <backend/pg.h>

#include "pg/shape.h"

struct bk_rows {
    bk_arena *arena;
    struct bk__pg_column *columns; /* all that a shape knows of them: it may be gone by now */
    uint8_t *formats;              /* of the columns */
    size_t column_count;
    bk_str **items; /* a row: its values, in the order of the columns; absent: NULL */
    size_t count, cap;
};

/* Without rows yet. @p text: all columns come as text. */
bk_rows *bk__pg_rows_new(const struct bk__pg_shape *shape, bool text, bk_arena *arena);

/* Adds a row from a DataRow body. BK_EINTERNAL when it is damaged. */
bk_err bk__pg_rows_add(bk_rows *rows, bk_str row);

#endif
