/*
 * observe.c: how long statements take, and what a trace is told of them, as OpenTelemetry names it.
 * See observe.h.
 *
 * On the way of every statement: without a reader of metrics and a trace that is recorded this is
 * two looks and nothing more.
 */
#include "pg/observe.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <backend/clock.h>
#include <backend/pg.h>
#include <backend/str.h>

#include "core/metrics.h"
#include "core/span.h"
#include "core/task.h"
#include "pg/pg.h"

static const bk_str names[BK__PG_OPERATIONS] = {
    [BK__PG_SELECT] = {"SELECT", 6}, [BK__PG_INSERT] = {"INSERT", 6},
    [BK__PG_UPDATE] = {"UPDATE", 6}, [BK__PG_DELETE] = {"DELETE", 6},
    [BK__PG_MERGE] = {"MERGE", 5},   [BK__PG_WITH] = {"WITH", 4},
    [BK__PG_COMMIT] = {"COMMIT", 6}, [BK__PG_ROLLBACK] = {"ROLLBACK", 8},
    [BK__PG_BATCH] = {"BATCH", 5},   [BK__PG_OTHER] = {"OTHER", 5},
};

const char *bk__pg_operation_name(enum bk__pg_operation operation)
{
    return names[operation].ptr;
}

enum bk__pg_operation bk__pg_operation_of(const char *sql)
{
    sql += strspn(sql, " \t\r\n(");
    size_t len = strcspn(sql, " \t\r\n(;");

    for (enum bk__pg_operation i = 0; i < BK__PG_BATCH; i++)
        if (len == names[i].len && strncasecmp(sql, names[i].ptr, len) == 0)
            return i;
    return BK__PG_OTHER;
}

/* The span's text is short, and its last attribute gives way: so the SQL comes last, cut. */
static bk_span *begin_span(const struct bk__pg_pool *pool, enum bk__pg_operation operation,
                           const char *sql, size_t count)
{
    bk_span *span = bk_span_begin(bk__pg_operation_name(operation), BK_SPAN_CLIENT);

    bk_span_str(span, "db.system.name", BK_LIT("postgresql"));
    bk_span_str(span, "db.operation.name", names[operation]);
    bk_span_str(span, "db.client.connection.pool.name", bk_str_of(pool->opts.name));
    if (count > 1)
        bk_span_i64(span, "db.operation.batch.size", (int64_t)count);
    bk_span_str(span, "db.query.text", bk_str_at(sql, strnlen(sql, 128)));
    return span;
}

static void comment(struct bk__pg_observation *seen, struct bk__pg_work *works, size_t count)
{
    bk_str id = bk_trace_id(), span = bk_trace_span_id();

    snprintf(seen->comment, sizeof seen->comment, " /*traceparent='00-%.*s-%.*s-01'*/", BK_PRI(id),
             BK_PRI(span));
    for (size_t i = 0; i < count; i++)
        works[i].comment = seen->comment;
}

void bk__pg_observe(struct bk__pg_observation *seen, struct bk__pg_pool *pool,
                    struct bk__pg_work *works, size_t count)
{
    const struct bk__trace *trace = bk__task_current != NULL ? bk__task_current->trace : NULL;
    bool is_traced = trace != NULL && bk__spans_want(trace);
    bool is_measured = pool->metrics->is_sampled;
    enum bk__pg_operation operation;

    seen->span = NULL;
    seen->durations = NULL;
    if (is_traced || is_measured)
        operation = count == 1 ? bk__pg_operation_of(works[0].sql) : BK__PG_BATCH;
    if (is_traced)
        seen->span = begin_span(pool, operation, works[0].sql, count);
    if (pool->opts.trace_comments && trace != NULL && bk__trace_is_sampled(trace))
        comment(seen, works, count);
    if (is_measured) {
        seen->durations = pool->durations[operation];
        seen->begun_ns = bk_now_ns();
    }
}

void bk__pg_observed(struct bk__pg_observation *seen, bk_err err)
{
    if (seen->durations != NULL)
        bk_histogram_observe(seen->durations, (double)(bk_now_ns() - seen->begun_ns) / 1e9);
    bk_span_end(seen->span, err == BK_ENOTFOUND ? BK_OK : err);
}
