/*
 * observe.h: how long statements take, and what a trace is told of them.
 */
#ifndef BK_PG_OBSERVE_H
#define BK_PG_OBSERVE_H

#include <backend/metrics.h>
#include <backend/trace.h>

#include "pg/conn.h"

/* What statements do, as metrics and spans tell them apart: few, whatever the SQL is. */
enum bk__pg_operation {
    BK__PG_SELECT,
    BK__PG_INSERT,
    BK__PG_UPDATE,
    BK__PG_DELETE,
    BK__PG_MERGE,
    BK__PG_WITH,
    BK__PG_COMMIT,
    BK__PG_ROLLBACK,
    BK__PG_BATCH, /* several at once */
    BK__PG_OTHER,
    BK__PG_OPERATIONS
};

/* By its first word. */
enum bk__pg_operation bk__pg_operation_of(const char *sql);

const char *bk__pg_operation_name(enum bk__pg_operation operation);

/* A run of statements while it lasts, on the stack of the fiber that waits. */
struct bk__pg_observation {
    bk_span *span;           /* NULL: nobody records the trace */
    bk_histogram *durations; /* NULL: nobody reads metrics */
    uint64_t begun_ns;
    char comment[80]; /* what the statements carry along */
};

/* May give @p works a comment, which lives as long as @p seen. */
void bk__pg_observe(struct bk__pg_observation *seen, struct bk__pg_pool *pool,
                    struct bk__pg_work *works, size_t count);
void bk__pg_observed(struct bk__pg_observation *seen, bk_err err);

#endif
