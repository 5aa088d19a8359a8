/*
 * hub.h: what all queues of one Redis share in a process: a connection that waits for jobs, a
 * thread that renews locks, and a connection that reads events. In a Cluster, one command may only
 * name keys of one slot: there it is all queues of a slot that share them.
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
    struct bk__hub *next;            /* of the same Redis */
    bk_str place;                    /* of a key beside its queues; borrowed from the first */
    struct bk__list workers;         /* bk_worker.hub_link: those that were started */
    struct bk__blocker *blocker;     /* NULL while no worker has been started */
    struct bk__locks *locks;         /* likewise */
    struct bk__event_reader *reader; /* NULL until somebody hears events */
};

/* The hub on @p redis of the queue whose keys begin with @p base, which lives as long as the app.
 * It is made when it is first asked for, before the app runs. */
struct bk__hub *bk__hub_of(bk_app *app, bk_redis *redis, bk_str base);

/* Sends a command that names no key to the server of the hub's queues; nobody hears its answer. */
void bk__hub_tell(struct bk__hub *hub, const bk_str *words, size_t count);

/* A blocking command on @p redis, a clone of the hub's, was refused with @p error. True: the slot
 * is elsewhere, or on its way, and another attempt will find it. */
bool bk__hub_learn(const bk_redis *redis, bk_str error);

/* --- blocker.c: the connection on which idle workers wait ---------------------------------------- */

struct bk__blocker *bk__blocker_new(struct bk__hub *hub, const char *client_name);
void bk__blocker_free(struct bk__blocker *blocker); /* NULL is fine */

/* A worker has become idle: waits for its queue's marker too. */
void bk__blocker_watch(struct bk__blocker *blocker);

#endif
