/*
 * metrics.c: a pool of PostgreSQL connections as metrics, as OpenTelemetry names them where it has
 * a name. See metrics.h.
 */
#include "pg/metrics.h"

#include "core/metrics.h"
#include "core/stats.h"
#include "pg/pg.h"

#define COUNT      "db_client_connection_count"
#define COUNT_HELP "Connections, by whether somebody uses them."
#define STATE      "db_client_connection_state"

#define POOLS 16 /* that are told apart */

struct all {
    bk_pg_stats pg;
    uint32_t used;
};

static const struct bk__stat stats[] = {
    BK__STAT_BY(struct all, pg.pool.idle, COUNT, COUNT_HELP, STATE, "idle"),
    BK__STAT_BY(struct all, used, COUNT, COUNT_HELP, STATE, "used"),
    BK__STAT(struct all, pg.pool.max, "db_client_connection_max", "Connections that may be open."),
    BK__STAT(struct all, pg.pool.waiting, "db_client_connection_pending_requests",
             "Fibers in line for a connection."),
    BK__STAT(struct all, pg.pool.timed_out, "db_client_connection_timeouts_total",
             "Times that none came free in time."),
    BK__STAT(struct all, pg.pool.refused, "db_client_connection_refused_total",
             "Times that the line was full."),
    BK__STAT(struct all, pg.pool.opened, "db_client_connection_opened_total",
             "Connections opened."),
    BK__STAT(struct all, pg.pool.open_failed, "db_client_connection_failures_total",
             "Attempts to open one that failed."),
    BK__STAT(struct all, pg.pool.lost, "db_client_connection_lost_total",
             "Connections that broke."),
    BK__STAT(struct all, pg.statements, "pg_statements_total",
             "Statements answered, well or with an error."),
    BK__STAT(struct all, pg.errors, "pg_statement_errors_total",
             "Statements answered with an error."),
    BK__STAT(struct all, pg.lost, "pg_statements_lost_total",
             "Statements whose outcome is unknown."),
    BK__STAT(struct all, pg.resent, "pg_statements_resent_total", "Statements sent again."),
    BK__STAT(struct all, pg.cancelled, "pg_cancels_total", "Cancel requests sent."),
    BK__STAT(struct all, pg.prepared, "pg_prepares_total", "Times a statement was prepared."),
    BK__STAT(struct all, pg.flushes, "pg_writes_total", "Writes to sockets."),
    BK__STAT(struct all, pg.in_flight, "pg_statements_in_flight", "Statements on their way."),
};

static void read_stats(const void *object, void *out)
{
    struct all *all = out;

    bk_pg_get_stats(object, &all->pg);
    all->used = all->pg.pool.open - all->pg.pool.idle;
}

/* As OpenTelemetry advises for databases. */
static const double bounds[] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};

static void measure_durations(bk_app *app, bk_pg *pg, bk_str name)
{
    bk_histogram *all = bk_histogram_new(
        app,
        &(bk_metric_opts){
            .name = "db_client_operation_duration_seconds",
            .help = "From asking for a statement to its result, with the wait for a connection.",
            .labels = {"db_client_connection_pool_name", "db_operation_name"},
            .series = POOLS * BK__PG_OPERATIONS,
            .buckets = bounds,
            .bucket_count = sizeof bounds / sizeof bounds[0],
        });

    pg->pool->metrics = bk__metrics_of(app);
    for (enum bk__pg_operation i = 0; i < BK__PG_OPERATIONS; i++)
        pg->pool->durations[i] =
            bk_histogram_with(all, BK_LABELS(name, bk_str_of(bk__pg_operation_name(i))));
}

void bk__pg_measure(bk_app *app, bk_pg *pg)
{
    static const struct bk__stats_type type = {
        .label = "db_client_connection_pool_name",
        .stats = stats,
        .count = sizeof stats / sizeof stats[0],
        .read = read_stats,
    };
    bk_str name = bk__stats_sample(app, &type, pg->pool->opts.name, pg);

    pg->pool->members.waits = bk_histogram_with(
        bk_histogram_new(app,
                         &(bk_metric_opts){
                             .name = "db_client_connection_wait_time_seconds",
                             .help = "How long those waited who had to stand in line.",
                             .labels = {"db_client_connection_pool_name"},
                         }),
        BK_LABELS(name));
    measure_durations(app, pg, name);
}
