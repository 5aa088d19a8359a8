/*
 * hub.h: what all queues of one Redis share in a process: a connection that waits for jobs, a
 * thread that renews locks, and a connection that reads events.
 */
#ifndef BK_QUEUE_HUB_H
#define BK_QUEUE_HUB_H

#include <backend/redis.h>

#include "core/list.h"

struct bk__blocker;
struct bk__event_reader;
struct bk__locks;

struct bk__hub {
    bk_app *app;
    bk_redis *redis;
    struct bk__list workers;         /* bk_worker.hub_link: those that were started */
    struct bk__blocker *blocker;     /* NULL while no worker has been started */
    struct bk__locks *locks;         /* likewise */
    struct bk__event_reader *reader; /* NULL until somebody hears events */
};

/* The hub of @p redis, which is made when it is first asked for, before the app runs. */
struct bk__hub *bk__hub_of(bk_app *app, bk_redis *redis);

/* --- blocker.c: the connection on which idle workers wait ---------------------------------------- */

struct bk__blocker *bk__blocker_new(struct bk__hub *hub, const char *client_name);
void bk__blocker_free(struct bk__blocker *blocker); /* NULL is fine */

/* A worker has become idle: waits for its queue's marker too. */
void bk__blocker_watch(struct bk__blocker *blocker);

#endif
