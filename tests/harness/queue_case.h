/*
 * queue_case.h: a test with a queue in a Redis of its own, and workers, under a clock that obeys.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_QUEUE_CASE_H
#define TESTS_HARNESS_QUEUE_CASE_H

#include <time.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "harness/redis.h"

/* A process, as it were: an app with a queue. */
struct queue_case {
    struct redis *server;
    bk_app *app;
    bk_test *test;
    bk_redis *redis;
    bk_queue *queue;
    bk_worker *worker; /* NULL: it has none */
};

/* Declares; workers get their handlers before queue_case_start(). */
static inline struct queue_case queue_case_new(struct redis *server, const char *name,
                                               const bk_worker_opts *worker)
{
    struct queue_case it = {.server = server, .app = bk_app_new(NULL)};

    it.redis = bk_redis_new(it.app, &(bk_redis_opts){.url = bk_str_of(server->url)});
    it.queue = bk_queue_new(it.app, &(bk_queue_opts){.name = name, .redis = it.redis});
    if (worker != NULL)
        it.worker = bk_worker_new(it.app, it.queue, worker);
    return it;
}

/* @p now: the time of day, which stands still from then on; 0: the real one. */
static inline void queue_case_start(struct queue_case *it, bk_time now)
{
    it->test = bk_test_new(it->app, &(bk_test_opts){.virtual_clock = now != 0, .start_at = now});
}

static inline void queue_case_end(struct queue_case *it)
{
    bk_test_free(it->test);
    bk_app_free(it->app);
}

/* Fails the test with what was logged when @p fn does not return BK_OK. */
static inline void queue_case_run(struct queue_case *it, bk_err (*fn)(void *data), void *data)
{
    bk_err err = bk_test_run(it->test, fn, data);

    if (err != BK_OK) {
        bk_str logs = bk_test_logs(it->test);
        print_error("%s\n%.*s\n", bk_err_slug(err), BK_PRI(logs));
        for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
            print_error("%s:%d: %.*s\n", link->file, link->line, BK_PRI(link->message));
    }
    assert_int_equal(err, BK_OK);
}

static inline bk_err queue_case_ping(void *data)
{
    return bk_redis_run(data, "PING", BK_NO_ARGS, NULL);
}

/* Lets real time go on until `*value` is @p wanted, at most 20 s. */
static inline void queue_case_until(struct queue_case *it, const int *value, int wanted)
{
    struct timespec pause = {0, 2000000};

    for (int i = 0; *value != wanted; i++) {
        if (i == 10000)
            fail_msg("%d, not %d: %.*s", *value, wanted, BK_PRI(bk_test_logs(it->test)));
        queue_case_run(it, queue_case_ping, it->redis);
        nanosleep(&pause, NULL);
    }
}

/* Gives what should not happen a moment to happen. */
static inline void queue_case_linger(struct queue_case *it)
{
    struct timespec pause = {0, 2000000};

    for (int i = 0; i < 50; i++) {
        queue_case_run(it, queue_case_ping, it->redis);
        nanosleep(&pause, NULL);
    }
}

#endif
