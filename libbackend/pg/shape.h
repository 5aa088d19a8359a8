/*
 * shape.h: what a statement takes and gives, and how its columns fill a described struct.
 *
 * The server describes a statement when it is prepared. Whoever prepares it makes a shape for what
 * will be said, and all who count on that preparation have a reference to it: whatever is prepared
 * under the same name later is none of their business. How a shape fills a description (a fit) is
 * worked out once and kept with the shape, so that a row costs a loop over its columns and no
 * look-ups.
 */
#ifndef BK_PG_SHAPE_H
#define BK_PG_SHAPE_H

#include <backend/describe.h>

#include "pg/values.h"
#include "pg/wire.h"

struct bk__pg_column {
    bk_str name;
    uint32_t type;
};

/* Where a column goes. */
struct bk__pg_slot {
    const bk_field *field;   /* NULL: nowhere */
    bk__pg_decode_fn decode; /* for values in the format below */
    uint32_t type;
    uint8_t format;
    bool copied; /* the bytes that come are the member's, in either format */
};

/* How the rows of a shape fill structs of one description. */
struct bk__pg_fit {
    struct bk__pg_fit *next;
    const bk_desc *desc;
    struct bk__pg_slot *slots; /* one for each column */
    uint8_t *formats;          /* a column: 0 text, 1 binary */
    bool has_copied;           /* one of the slots is */
};

struct bk__pg_shape {
    uint32_t refs;
    bool known; /* the server has described it; else only the references count */
    uint16_t param_count, column_count;
    uint32_t *params; /* OIDs; NULL: not known */
    struct bk__pg_column *columns;
    char *names; /* what the columns' names point into; NULL: the statement returns no rows */
    struct bk__pg_fit *fits; /* made so far */
    uint8_t *row_formats;    /* for bk_rows; never NULL */
    uint8_t *json_formats;   /* for JSON; never NULL */
};

/* One that is not known yet, with one reference. */
struct bk__pg_shape *bk__pg_shape_new(void);

/* Makes it known, from the bodies of ParameterDescription (may be absent: no parameters are known)
 * and RowDescription (absent: no rows). False when it is known already, or they are damaged. */
bool bk__pg_shape_learn(struct bk__pg_shape *shape, bk_str parameters, bk_str row);

struct bk__pg_shape *bk__pg_shape_ref(struct bk__pg_shape *shape);
void bk__pg_shape_unref(struct bk__pg_shape *shape); /* NULL is fine */

/* The fit of @p desc. BK_EINTERNAL, with words that name column, type and member, when a column can
 * never fill its member. Columns match members by bk__field_key(). */
bk_err bk__pg_shape_fit(struct bk__pg_shape *shape, const bk_desc *desc,
                        const struct bk__pg_fit **fit);

/* Reads a DataRow body into *object, which is zeroed first. @p text: all columns came as text, else
 * as fit->formats says. On error *object is zeroed; words name the column. */
bk_err bk__pg_read_row(const struct bk__pg_shape *shape, const struct bk__pg_fit *fit, bool text,
                       bk_str row, bk_arena *arena, void *object);

#endif
