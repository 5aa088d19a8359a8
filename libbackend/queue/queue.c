/*
 * queue.c: a queue's settings and life. See <backend/queue.h>.
 */
#include "queue/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "queue/hub.h"
#include "redis/redis.h"
#include "redis/slots.h"

enum {
    EVENTS_DEFAULT = 10000
};

static void free_queue(void *data)
{
    bk_queue *queue = data;

    bk__producer_fini(queue);
    free((char *)(uintptr_t)queue->base.ptr);
    free(queue->prefix);
    free(queue->name);
    free(queue);
}

static const bk_part_type part = {.name = "queue", .free = free_queue};

static void check(const bk_queue_opts *opts)
{
    bk_job_opts job = opts->job;

    job.id = job.dedup.id = (bk_str){NULL, 0};
    if (opts->redis == NULL)
        bk__setup_error("bk_queue_opts", 0, "a queue lies in Redis: redis is NULL");
    if (bk__queue_name_check(opts->name) != BK_OK || bk__opts_check(&job) != BK_OK)
        bk__setup_error("bk_queue_opts", 0, "%.*s", BK_PRI(bk_error_chain()->message));
}

/* A script may only touch keys of one slot. */
static void check_place(const bk_queue *queue)
{
    if (queue->redis->target->kind == BK__REDIS_CLUSTER && !bk__redis_tag_of(queue->base, NULL))
        bk__setup_error("bk_queue_opts", 0,
                        "queue %s lies in a Redis Cluster, where its keys need a hash tag to be "
                        "together: give it the prefix \"{%s}\", here and in all that use it",
                        queue->name, queue->prefix);
}

bk_queue *bk_queue_new(bk_app *app, const bk_queue_opts *opts)
{
    bk_queue *queue = calloc(1, sizeof *queue);
    const char *prefix = opts->prefix != NULL ? opts->prefix : "bull";

    bk_assert(queue != NULL);
    check(opts);
    queue->app = app;
    queue->redis = opts->redis;
    queue->job = opts->job;
    queue->events = opts->events != 0 ? opts->events : EVENTS_DEFAULT;
    queue->name = strdup(opts->name);
    queue->prefix = strdup(prefix);
    size_t len = strlen(prefix) + strlen(opts->name) + 2;
    char *base = malloc(len + 1);
    bk_assert(queue->name != NULL && queue->prefix != NULL && base != NULL);
    snprintf(base, len + 1, "%s:%s:", prefix, opts->name);
    queue->base = bk_str_at(base, len);
    check_place(queue);
    queue->hub = bk__hub_of(app, opts->redis, queue->base);
    bk__producer_init(queue);
    bk_app_part(app, &part, queue);
    bk__queue_measure(queue, opts->metrics_ms);
    return queue;
}

const char *bk_queue_name(const bk_queue *queue)
{
    return queue->name;
}
