/*
 * hub.c: what all queues of one Redis share. See hub.h.
 */
#include "queue/hub.h"

#include <stdlib.h>

#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "queue/events.h"
#include "queue/lock.h"
#include "redis/cluster.h"
#include "redis/redis.h"
#include "redis/slots.h"

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

    hub->redis->hub = NULL; /* the others are freed as well */
    free(hub);
}

static const bk_part_type part = {.name = "queues", .drain = drain, .stop = stop, .free = free_hub};

static bool is_of(const struct bk__hub *hub, bk_str base)
{
    return hub->redis->target->kind != BK__REDIS_CLUSTER ||
           bk__redis_slot_of(hub->place) == bk__redis_slot_of(base);
}

struct bk__hub *bk__hub_of(bk_app *app, bk_redis *redis, bk_str base)
{
    for (struct bk__hub *it = redis->hub; it != NULL; it = it->next)
        if (is_of(it, base))
            return it;
    struct bk__hub *hub = calloc(1, sizeof *hub);
    bk_assert(hub != NULL);
    hub->app = app;
    hub->redis = redis;
    hub->place = base;
    hub->next = redis->hub;
    bk__list_init(&hub->workers);
    redis->hub = hub;
    bk_app_part(app, &part, hub);
    return hub;
}

void bk__hub_tell(struct bk__hub *hub, const bk_str *words, size_t count)
{
    const bk_str place[] = {BK_LIT("EXISTS"), hub->place};
    struct bk__redis_link *link = bk__redis_link_for(hub->redis, place, 2);

    if (link == NULL || bk__redis_link_send(link, words, count, NULL) != BK_OK)
        bk_error_clear();
}

bool bk__hub_learn(const bk_redis *redis, bk_str error)
{
    bool pause;

    return redis->cluster != NULL && bk__redis_cluster_learn(redis->cluster, error, &pause);
}
