/*
 * workers.h: what a supervisor tells of its workers, as metrics.
 *
 * It declares them before it forks, and reports from its own process: there its counts go to a
 * slot of their own. When a worker has died, also bk__metrics_vacate() its slot.
 */
#ifndef BK_OPS_WORKERS_H
#define BK_OPS_WORKERS_H

#include <backend/base.h>

struct bk__workers_metrics;

/* Borrowed from @p app. */
struct bk__workers_metrics *bk__workers_declare(bk_app *app);

/* So many workers of @p role ("web", "job") are in @p state ("starting", "ready", "draining"). */
void bk__workers_report(const struct bk__workers_metrics *metrics, const char *role,
                        const char *state, unsigned count);

/* A worker of @p role is replaced. @p reason  "crash", "memory", "heartbeat", or "start": it did
 * not become ready. */
void bk__workers_restarted(const struct bk__workers_metrics *metrics, const char *role,
                           const char *reason);

#endif
