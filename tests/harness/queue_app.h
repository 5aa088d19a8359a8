/*
 * queue_app.h: an app with a queue and a worker, on a Redis of the test's own.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_QUEUE_APP_H
#define TESTS_HARNESS_QUEUE_APP_H

#include <backend/backend.h>
#include <backend/testing.h>

#include "harness/patient_run.h"
#include "harness/redis.h"

#define QUEUE_APP_PATIENCE_MS 20000

struct queue_app {
    struct redis *server;
    bk_app *app;
    bk_test *test;
    bk_redis *redis;
    bk_queue *queue;
    bk_worker *worker; /* NULL: none */
};

/* An app that is not running yet: what else it has is declared next, then queue_app_begin().
 * @p opts: NULL for no worker. Nothing is left in Redis from before. */
static inline struct queue_app queue_app_make(struct redis *server, const bk_worker_opts *opts,
                                              uint32_t drain_ms)
{
    struct queue_app it = {.server = server};

    it.app = bk_app_new(&(bk_app_opts){.timeouts = {.drain_ms = drain_ms}});
    it.redis = bk_redis_new(it.app, &(bk_redis_opts){.url = bk_str_of(server->url)});
    it.queue = bk_queue_new(it.app, &(bk_queue_opts){.name = "q", .redis = it.redis});
    if (opts != NULL)
        it.worker = bk_worker_new(it.app, it.queue, opts);
    return it;
}

static inline void queue_app_begin(struct queue_app *it)
{
    it->test = bk_test_new(it->app, NULL);
}

/* Runs @p fn on a fiber; it must succeed. */
static inline void queue_app_run(struct queue_app *it, bk_err (*fn)(void *data))
{
    bk_err err = patient_run(it->test, fn, it);

    if (err == BK_OK)
        return;
    print_error("%s\n%.*s\n", bk_err_slug(err), BK_PRI(bk_test_logs(it->test)));
    fail_msg("the fiber of the test has failed");
}

/* Stops the app. */
static inline void queue_app_end(struct queue_app *it)
{
    bk_test_free(it->test);
    bk_app_free(it->app);
}

/* Waits until a job is in a state. */
static inline bk_err queue_app_await(const struct queue_app *it, bk_str id, bk_job_state wanted)
{
    bk_job_state state = BK_JOB_UNKNOWN;

    for (int ms = 0; ms < QUEUE_APP_PATIENCE_MS; ms += 5) {
        if (bk_queue_job_state(it->queue, id, &state) == BK_OK && state == wanted)
            return BK_OK;
        bk_error_clear();
        BK_TRY(bk_sleep_ms(5));
    }
    return bk_fail(BK_ETIMEDOUT, "job %.*s is %s, not %s", BK_PRI(id), bk_job_state_name(state),
                   bk_job_state_name(wanted));
}

#endif
