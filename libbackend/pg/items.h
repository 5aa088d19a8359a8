/*
 * items.h: an array's items, one after another, whatever its format.
 */
#ifndef BK_PG_ITEMS_H
#define BK_PG_ITEMS_H

#include "pg/values.h"
#include "pg/wire.h"

#define BK__PG_DIMENSIONS_MAX 6 /* PostgreSQL's own limit */

enum bk__pg_item {
    BK__PG_ITEM_BAD,   /* and ever after: the bytes are no array */
    BK__PG_ITEM_END,   /* the outermost array has closed, and nothing follows */
    BK__PG_ITEM_OPEN,  /* an array begins, the outermost or one within */
    BK__PG_ITEM_CLOSE, /* it ends */
    BK__PG_ITEM_VALUE
};

struct bk__pg_items {
    struct bk__pg_value value; /* of the last VALUE: borrowed from the array */
    bool escaped;              /* it has backslashes: see bk__pg_items_unescape() */
    struct bk__pg_reader reader;
    unsigned depth;
    bool begun;          /* the outermost array has been opened */
    bool first;          /* text: nothing follows the opening brace yet */
    unsigned dimensions; /* binary */
    uint32_t lengths[BK__PG_DIMENSIONS_MAX], at[BK__PG_DIMENSIONS_MAX]; /* binary */
};

/* The items of an array; of one whose type is not known, as text. */
void bk__pg_items_begin(struct bk__pg_items *items, const struct bk__pg_value *array);

enum bk__pg_item bk__pg_items_next(struct bk__pg_items *items);

/* The value without its backslashes; in @p arena where there were some. */
void bk__pg_items_unescape(struct bk__pg_items *items, bk_arena *arena);

#endif
