/*
 * hub.c: what all queues of one Redis share. See hub.h.
 */
#include "queue/hub.h"

#include <stdlib.h>

#include <backend/loop.h>

#include "core/assert.h"
#include "queue/events.h"
#include "queue/lock.h"
#include "redis/redis.h"

static void drain(void *data)
{
    struct bk__hub *hub = data;

    bk__event_reader_end(hub->reader);
}

static void stop(void *data)
{
    struct bk__hub *hub = data;

    bk__event_reader_free(hub->reader);
    hub->reader = NULL;
    bk__blocker_free(hub->blocker);
    hub->blocker = NULL;
    bk__locks_free(hub->locks);
    hub->locks = NULL;
}

static void free_hub(void *data)
{
    struct bk__hub *hub = data;

    hub->redis->hub = NULL;
    free(hub);
}

static const bk_part_type part = {.name = "queues", .drain = drain, .stop = stop, .free = free_hub};

struct bk__hub *bk__hub_of(bk_app *app, bk_redis *redis)
{
    struct bk__hub *hub = redis->hub;

    if (hub != NULL)
        return hub;
    hub = calloc(1, sizeof *hub);
    bk_assert(hub != NULL);
    hub->app = app;
    hub->redis = redis;
    bk__list_init(&hub->workers);
    redis->hub = hub;
    bk_app_part(app, &part, hub);
    return hub;
}
