/*
 * redis.c: a bk_redis' settings and life. See <backend/redis.h>.
 */
#include "redis/redis.h"

#include <stdlib.h>

#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "redis/cluster.h"
#include "redis/feed.h"
#include "redis/metrics.h"
#include "redis/sentinel.h"

struct bk__redis_link *bk__redis_link_for(bk_redis *redis, const bk_str *words, size_t count)
{
    if (redis->cluster != NULL)
        return bk__redis_cluster_link_for(redis->cluster, words, count);
    if (redis->link != NULL)
        return redis->link;
    bk_assert(redis->sentinel != NULL); /* the app runs */
    (void)bk_fail(BK_EUNAVAILABLE, "%s: no sentinel has named the master", redis->opts.name);
    return NULL;
}

bk_err bk__redis_settle(bk_redis *redis, const bk_str *words, size_t count, bk_reply *reply)
{
    if (redis->cluster == NULL || reply->type != BK_REPLY_ERROR)
        return BK_OK;
    return bk__redis_cluster_settle(redis->cluster, words, count, reply);
}

void bk__redis_open(bk_redis *redis)
{
    if (redis->target->kind == BK__REDIS_CLUSTER)
        redis->cluster = bk__redis_cluster_new(redis);
    else if (redis->target->kind == BK__REDIS_SENTINEL)
        redis->sentinel = bk__redis_sentinel_new(redis);
    else
        redis->link = bk__redis_link_new(&(struct bk__redis_link_opts){
            .name = redis->opts.name,
            .limits = &redis->opts,
            .to = redis->target,
            .read_only_is_lost = true,
        });
}

static bk_err start(void *data)
{
    bk_redis *redis = data;

    /* A server that is not there is no reason not to start. */
    bk__redis_open(redis);
    if (redis->cluster != NULL)
        return bk__redis_cluster_wait(redis->cluster);
    if (redis->sentinel != NULL)
        return bk__redis_sentinel_wait(redis->sentinel);
    return bk__redis_link_wait(redis->link);
}

void bk__redis_close(bk_redis *redis)
{
    bk__redis_feed_stop(redis);
    bk__redis_sentinel_free(redis->sentinel);
    bk__redis_cluster_free(redis->cluster);
    bk__redis_link_free(redis->link);
    redis->sentinel = NULL;
    redis->cluster = NULL;
    redis->link = NULL;
}

static void stop(void *data)
{
    bk__redis_close(data);
}

bk_redis *bk__redis_clone(const bk_redis *redis, const char *name, uint32_t command_ms)
{
    bk_redis *clone = calloc(1, sizeof *clone);

    bk_assert(clone != NULL);
    clone->opts = redis->opts;
    clone->opts.name = name;
    if (command_ms != 0)
        clone->opts.command_ms = command_ms;
    clone->target = bk__redis_target_ref(redis->target);
    bk__list_init(&clone->scripts);
    return clone;
}

static void free_redis(void *data)
{
    bk_redis *redis = data;

    bk__redis_scripts_free(redis);
    bk__redis_target_unref(redis->target);
    free(redis);
}

void bk__redis_clone_free(bk_redis *clone)
{
    if (clone != NULL)
        free_redis(clone);
}

static const bk_part_type part = {
    .name = "redis", .start = start, .stop = stop, .free = free_redis};

static void fill(uint32_t *value, uint32_t said, uint32_t fallback)
{
    if (*value == 0)
        *value = said != 0 ? said : fallback;
}

bk_redis *bk_redis_new(bk_app *app, const bk_redis_opts *opts)
{
    bk_redis_opts all = opts != NULL ? *opts : (bk_redis_opts){0};
    bk_str url = bk_str_present(all.url) ? all.url : BK_LIT("redis://127.0.0.1:6379");
    struct bk__redis_target *target;

    if (bk__redis_target_parse(url, &target) != BK_OK)
        bk__setup_error(__FILE__, __LINE__, "%.*s", BK_PRI(bk_error_chain()->message));
    if (target->kind == BK__REDIS_MEMORY) {
        bk__redis_target_unref(target);
        return NULL;
    }
    bk_redis *redis = calloc(1, sizeof *redis);
    bk_assert(redis != NULL);
    all.url = (bk_str){NULL, 0};
    if (all.name == NULL)
        all.name = target->name != NULL ? target->name : "redis";
    fill(&all.command_ms, target->command_ms, 1000);
    fill(&all.connect_ms, target->connect_ms, 2000);
    fill(&all.pending, 0, 100000);
    fill(&all.pending_bytes, 0, 64 * 1024 * 1024);
    fill(&all.reply_bytes, 0, 64 * 1024 * 1024);
    redis->opts = all;
    redis->target = target;
    bk__list_init(&redis->scripts);
    bk_app_part(app, &part, redis);
    bk__redis_measure(app, redis);
    return redis;
}

void bk_redis_get_stats(const bk_redis *redis, bk_redis_stats *stats)
{
    *stats = (bk_redis_stats){0};
    if (redis->link != NULL)
        bk__redis_link_add_stats(redis->link, stats);
    if (redis->cluster != NULL)
        bk__redis_cluster_add_stats(redis->cluster, stats);
}
