/*
 * workers.c: what a supervisor tells of its workers. See workers.h.
 */
#include "ops/workers.h"

#include <stdlib.h>

#include <backend/loop.h>
#include <backend/metrics.h>
#include <backend/str.h>

#include "core/assert.h"

struct bk__workers_metrics {
    bk_gauge *workers;
    bk_counter *restarts;
};

/* Shown from the start: what rises from nothing is no rise to Prometheus. */
static const char *const reasons[] = {"crash", "memory", "heartbeat"};

static const bk_part_type part = {.name = "workers", .free = free};

struct bk__workers_metrics *bk__workers_declare(bk_app *app)
{
    struct bk__workers_metrics *metrics = calloc(1, sizeof *metrics);

    bk_assert(metrics != NULL);
    metrics->workers = bk_gauge_new(app, &(bk_metric_opts){
                                             .name = "workers",
                                             .help = "Worker processes.",
                                             .labels = {"role", "state"},
                                         });
    metrics->restarts = bk_counter_new(app, &(bk_metric_opts){
                                                .name = "worker_restarts_total",
                                                .help = "Workers that were replaced.",
                                                .labels = {"role", "reason"},
                                            });
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        (void)bk_counter_with(metrics->restarts, BK_LABELS(BK_LIT("web"), bk_str_of(reasons[i])));
    bk_app_part(app, &part, metrics);
    return metrics;
}

void bk__workers_report(const struct bk__workers_metrics *metrics, const char *role,
                        const char *state, unsigned count)
{
    bk_gauge_set(bk_gauge_with(metrics->workers, BK_LABELS(bk_str_of(role), bk_str_of(state))),
                 count);
}

void bk__workers_restarted(const struct bk__workers_metrics *metrics, const char *role,
                           const char *reason)
{
    bk_counter_add(
        bk_counter_with(metrics->restarts, BK_LABELS(bk_str_of(role), bk_str_of(reason))), 1);
}
