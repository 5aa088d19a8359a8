/*
 * meter.c: queues and workers as metrics. See queue.h and worker.h.
 *
 * How deep a queue is only Redis knows, and each worker of the service that runs jobs asks it: a
 * script call for each queue, all of one turn of the loop, so they travel together. All see the
 * same queue, so the service's value is the largest, not the sum.
 */
#include <math.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/metrics.h>
#include <backend/queue_admin.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/metrics.h"
#include "core/stats.h"
#include "queue/scripts.h"
#include "queue/worker.h"

enum {
    EVERY_MS = 5000,
    QUEUES = 64, /* that are told apart */
    STATES = BK_JOB_FAILED - BK_JOB_WAITING + 1,
    /* what measure.lua answers */
    PAUSED = STATES,
    SINCE,
    ANSWERS
};

struct bk__queue_meter {
    bk_queue *queue;
    uint32_t every_ms;
    struct bk_loop *loop; /* NULL: nobody asks */
    struct bk__timer timer;
    struct bk__script_call call;
    bool is_known; /* the last answer was one */
    bk_gauge *counts[STATES], *paused, *oldest;
};

/* --- the depth of a queue --------------------------------------------------------------------- */

/* A value that is not known is not shown. */
static void forget(struct bk__queue_meter *meter)
{
    for (int i = 0; i < STATES; i++)
        bk_gauge_set(meter->counts[i], NAN);
    bk_gauge_set(meter->paused, NAN);
    bk_gauge_set(meter->oldest, NAN);
}

static double seconds_since(int64_t ms)
{
    int64_t now = bk__queue_now();

    return ms > 0 && ms < now ? (double)(now - ms) / 1000 : 0;
}

static void on_done(struct bk__script_call *call, bk_err err, const bk_reply *reply)
{
    struct bk__queue_meter *meter = bk__container_of(call, struct bk__queue_meter, call);
    bool was_known = meter->is_known;

    meter->is_known = err == BK_OK && reply->type == BK_REPLY_ARRAY && reply->count == ANSWERS;
    if (!meter->is_known) {
        forget(meter);
        if (was_known)
            bk_warn("queue.not_measured", bk_kv_cstr("queue", meter->queue->name),
                    bk_kv_cstr("why", err != BK_OK ? call->why : "an answer of another shape"));
        return;
    }
    for (int i = 0; i < STATES; i++)
        bk_gauge_set(meter->counts[i], (double)reply->items[i].i64);
    bk_gauge_set(meter->paused, (double)reply->items[PAUSED].i64);
    bk_gauge_set(meter->oldest, seconds_since(reply->items[SINCE].i64));
}

static void ask(struct bk__queue_meter *meter)
{
    bk__timer_set(meter->loop, &meter->timer, meter->loop->clock.now_ms + meter->every_ms);
    if (meter->call.link != NULL)
        return;
    bk__script_begin(&meter->call.argv, &bk__script_measure, meter->queue->base);
    if (bk__script_call_send(&meter->call) != BK_OK) {
        bk_error_clear();
        forget(meter);
    }
}

static void on_timer(struct bk__timer *timer)
{
    ask(bk__container_of(timer, struct bk__queue_meter, timer));
}

/* --- its life --------------------------------------------------------------------------------- */

static bk_err start(void *data)
{
    struct bk__queue_meter *meter = data;
    bk_app *app = meter->queue->app;

    if (!bk__metrics_of(app)->is_sampled || (bk_app_roles(app) & BK_ROLE_JOBS) == 0)
        return BK_OK;
    bk__script_call_init(&meter->call, meter->queue->redis, &bk__script_measure);
    meter->call.done = on_done;
    meter->loop = bk__loop_current;
    meter->is_known = true;
    ask(meter);
    return BK_OK;
}

static void stop(void *data)
{
    struct bk__queue_meter *meter = data;

    if (meter->loop == NULL)
        return;
    bk__timer_stop(meter->loop, &meter->timer);
    bk__script_call_abandon(&meter->call);
    bk__script_call_fini(&meter->call);
    meter->loop = NULL;
}

static bk_gauge *gauge(bk_app *app, const char *name, const char *help, const char *label)
{
    return bk_gauge_new(app, &(bk_metric_opts){.name = name,
                                               .help = help,
                                               .labels = {"queue", label},
                                               .series = QUEUES * (label != NULL ? STATES : 1),
                                               .policy = BK_GAUGE_MAX});
}

/* The queue's name; that of a second one with the same name, and another prefix, is NAME-2. */
static bk_str label_of(bk_queue *queue, const bk_gauge *of, bk_arena *arena)
{
    bk_str name = bk_str_of(queue->name);

    for (int i = 2; bk__series_exists(of->series.metric, BK_LABELS(name)); i++)
        name = bk_arena_printf(arena, "%s-%d", queue->name, i);
    return name;
}

static void declare(struct bk__queue_meter *meter)
{
    bk_app *app = meter->queue->app;
    bk_arena *arena = bk_arena_new();
    bk_gauge *counts = gauge(app, "bullmq_job_count", "Jobs of a queue in each state.", "state");
    bk_gauge *paused = gauge(app, "bullmq_queue_paused", "Whether nobody takes jobs.", NULL);
    bk_gauge *oldest =
        gauge(app, "bullmq_job_oldest_waiting_seconds",
              "How long the job has been ready that waits longest for a worker.", NULL);
    bk_str name = label_of(meter->queue, paused, arena);

    for (int i = 0; i < STATES; i++) {
        bk_str state = bk_str_of(bk_job_state_name((bk_job_state)(BK_JOB_WAITING + i)));
        meter->counts[i] = bk_gauge_with(counts, BK_LABELS(name, state));
    }
    meter->paused = bk_gauge_with(paused, BK_LABELS(name));
    meter->oldest = bk_gauge_with(oldest, BK_LABELS(name));
    bk_arena_free(arena);
}

void bk__queue_measure(bk_queue *queue, uint32_t every_ms)
{
    static const bk_part_type part = {
        .name = "queue meter", .start = start, .stop = stop, .free = free};
    struct bk__queue_meter *meter;

    if (every_ms == BK_UNLIMITED)
        return;
    meter = calloc(1, sizeof *meter);
    bk_assert(meter != NULL);
    meter->queue = queue;
    meter->every_ms = every_ms != 0 ? every_ms : EVERY_MS;
    meter->timer.fn = on_timer;
    declare(meter);
    bk_app_part(queue->app, &part, meter);
}

/* --- what a worker counts --------------------------------------------------------------------- */

static const struct bk__stat stats[] = {
    BK__STAT(bk_worker_stats, running, "bullmq_worker_jobs", "Jobs that this service runs."),
    BK__STAT(bk_worker_stats, completed, "bullmq_job_completed_total",
             "Jobs that this service has ended well."),
    BK__STAT(bk_worker_stats, failed, "bullmq_job_failed_total",
             "Jobs that have failed for good in this service."),
    BK__STAT(bk_worker_stats, retried, "bullmq_job_retried_total",
             "Attempts that failed and left others."),
    BK__STAT(bk_worker_stats, lost, "bullmq_job_lost_total", "Jobs whose lock was lost."),
    BK__STAT(bk_worker_stats, returned, "bullmq_job_returned_total", "Jobs given back."),
    BK__STAT(bk_worker_stats, stalled, "bullmq_job_stalled_total",
             "Jobs of dead workers that this service has found."),
    BK__STAT(bk_worker_stats, calls, "bullmq_worker_calls_total",
             "Scripts run to take and to end jobs."),
};

static void read_stats(const void *worker, void *out)
{
    bk_worker_get_stats(worker, out);
}

void bk__worker_measure(const bk_worker *worker)
{
    static const struct bk__stats_type type = {
        .label = "queue",
        .stats = stats,
        .count = sizeof stats / sizeof stats[0],
        .read = read_stats,
        .series = QUEUES,
    };

    (void)bk__stats_sample(worker->queue->app, &type, worker->queue->name, worker);
}
