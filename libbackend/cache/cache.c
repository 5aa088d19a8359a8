/*
 * cache.c: a bk_cache's life and its calls. See <backend/cache.h>.
 */
#include "cache/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "cache/metrics.h"
#include "core/assert.h"
#include "core/random.h"

enum {
    KEY_MAX = 512,
    L1_BYTES = 32 * 1024 * 1024
};

/* --- what Redis tells --------------------------------------------------------------------------- */

/* The name in PREFIX i:{name}. */
static bk_str name_in(const struct bk__redis_watch *watch, bk_str key)
{
    size_t front = watch->prefix.len;

    if (key.len <= front)
        return BK_LIT("");
    return (bk_str){key.ptr + front, key.len - front - 1};
}

static void on_key_changed(struct bk__redis_watch *watch, bk_str key)
{
    bk_cache *cache = bk__container_of(watch, bk_cache, watches[0]);

    bk__generation_heard(&cache->generations,
                         bk__slot_of_key(&cache->generations, name_in(watch, key)));
}

static void on_tag_changed(struct bk__redis_watch *watch, bk_str key)
{
    bk_cache *cache = bk__container_of(watch, bk_cache, watches[1]);

    bk__generation_heard(&cache->generations,
                         bk__slot_of_tag(&cache->generations, name_in(watch, key)));
}

static void forget_all(bk_cache *cache)
{
    cache->epoch++;
    cache->stats.l1_flushes++;
}

static void on_keys_lost(struct bk__redis_watch *watch)
{
    forget_all(bk__container_of(watch, bk_cache, watches[0]));
}

static void on_tags_lost(struct bk__redis_watch *watch)
{
    bk__container_of(watch, bk_cache, watches[1])->epoch++;
}

bool bk__cache_l1_sound(const bk_cache *cache)
{
    return cache->opts.redis == NULL ||
           bk__redis_watch_sound(cache->opts.redis, &cache->watches[0]);
}

bool bk__cache_valid(const bk_cache *cache, const struct bk__l1_item *item)
{
    for (uint32_t i = 0; i < item->dependency_count; i++)
        if (bk__generation(&cache->generations, item->dependencies[i].slot) !=
            item->dependencies[i].generation)
            return false;
    return true;
}

bool bk__cache_sure(const bk_cache *cache, const struct bk__l1_item *item)
{
    return item->epoch == cache->epoch && bk__cache_l1_sound(cache);
}

/* --- times ------------------------------------------------------------------------------------ */

uint32_t bk__cache_jitter(uint32_t ttl_ms)
{
    uint32_t dice;

    bk__random(&dice, sizeof dice);
    return ttl_ms - dice % (ttl_ms / 10 + 1);
}

struct bk__lifetime bk__cache_lifetime(uint64_t now_ms, int64_t age_ms, uint32_t ttl_ms,
                                       uint32_t stale_ms, uint32_t error_ms)
{
    uint64_t age = age_ms > 0 ? (uint64_t)age_ms : 0;
    struct bk__lifetime life = {.born = now_ms > age ? now_ms - age : 0};

    life.fresh_until = life.born + ttl_ms;
    life.stale_until = life.fresh_until + stale_ms;
    life.error_until = life.fresh_until + (stale_ms > error_ms ? stale_ms : error_ms);
    return life;
}

/* --- settings --------------------------------------------------------------------------------- */

static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

bk_cache_policy bk__cache_policy(const bk_cache *cache, const bk_cache_policy *policy)
{
    const bk_cache_policy *own = &cache->opts.policy;
    bk_cache_policy all = policy != NULL ? *policy : *own;

    bk_assert(all.tag_count <= BK__TAGS_MAX);
    fill(&all.ttl_ms, own->ttl_ms);
    fill(&all.stale_ms, own->stale_ms);
    fill(&all.stale_if_error_ms, own->stale_if_error_ms);
    fill(&all.absent_ms, own->absent_ms);
    return all;
}

bk_err bk__cache_check_key(bk_str key)
{
    if (key.len == 0 || key.len > KEY_MAX)
        return bk_fail(BK_EINVAL, "a cache key has 1 to %d bytes, not %zu", KEY_MAX, key.len);
    return BK_OK;
}

/* --- its life --------------------------------------------------------------------------------- */

static bk_err start(void *data)
{
    bk_cache *cache = data;

    bk__generations_start(&cache->generations);
    bk__l1_init(&cache->l1, cache->opts.l1_bytes);
    for (size_t i = 0; i < BK__CACHE_LOAD_LISTS; i++)
        bk__list_init(&cache->loads[i]);
    bk__list_init(&cache->owed);
    cache->running = true;
    if (cache->opts.redis == NULL)
        return BK_OK;
    for (size_t i = 0; i < 2; i++)
        bk__redis_watch_add(cache->opts.redis, &cache->watches[i]);
    return BK_OK;
}

static void stop(void *data)
{
    bk_cache *cache = data;

    cache->running = false;
    for (size_t i = 0; cache->opts.redis != NULL && i < 2; i++)
        bk__redis_watch_remove(cache->opts.redis, &cache->watches[i]);
    bk__cache_owed_stop(cache);
    bk__l1_fini(&cache->l1);
    bk__generations_stop(&cache->generations);
}

static void free_cache(void *data)
{
    bk_cache *cache = data;

    bk__generations_fini(&cache->generations);
    for (size_t i = 0; i < 2; i++)
        free((char *)(uintptr_t)cache->watches[i].prefix.ptr);
    free(cache);
}

static const bk_part_type part = {
    .name = "cache", .start = start, .stop = stop, .free = free_cache};

static bk_str watched_prefix(bk_str prefix, const char *kind)
{
    char *text = malloc(prefix.len + 4);

    bk_assert(text != NULL);
    memcpy(text, prefix.ptr, prefix.len);
    memcpy(text + prefix.len, kind, 4); /* "i:{" and its NUL */
    return (bk_str){text, prefix.len + 3};
}

bk_cache *bk_cache_new(bk_app *app, const bk_cache_opts *opts)
{
    bk_cache *cache = calloc(1, sizeof *cache);

    bk_assert(cache != NULL);
    cache->opts = opts != NULL ? *opts : (bk_cache_opts){0};
    if (cache->opts.prefix == NULL)
        cache->opts.prefix = "cache:";
    if (cache->opts.l1_bytes == 0)
        cache->opts.l1_bytes = L1_BYTES;
    fill(&cache->opts.value_bytes, 1024 * 1024);
    fill(&cache->opts.policy.ttl_ms, 60000);
    cache->prefix = bk_str_of(cache->opts.prefix);
    cache->watches[0] = (struct bk__redis_watch){.prefix = watched_prefix(cache->prefix, "i:{"),
                                                 .changed = on_key_changed,
                                                 .lost = on_keys_lost};
    cache->watches[1] = (struct bk__redis_watch){.prefix = watched_prefix(cache->prefix, "t:{"),
                                                 .changed = on_tag_changed,
                                                 .lost = on_tags_lost};
    bk__generations_init(&cache->generations);
    bk_app_part(app, &part, cache);
    bk__cache_measure(app, cache);
    return cache;
}

void bk_cache_get_stats(const bk_cache *cache, bk_cache_stats *stats)
{
    *stats = cache->stats;
    stats->l1_items = cache->l1.count;
    stats->l1_bytes = cache->l1.bytes;
    stats->l1_evicted = cache->l1.evicted;
}

/* --- invalidating ------------------------------------------------------------------------------- */

/* An invalidation of Redis between the two halves of one of the host: loads that began before the
 * first half, or between the two, must not fill L1. */
static void invalidate_slots(bk_cache *cache, const bk_str *names, size_t count, bool tag)
{
    for (size_t i = 0; i < count; i++) {
        const struct bk__generations *all = &cache->generations;
        bk__generation_invalidate(&cache->generations, tag ? bk__slot_of_tag(all, names[i])
                                                           : bk__slot_of_key(all, names[i]));
    }
}

static bk_err tell_redis(bk_cache *cache, const bk_str *names, size_t count, bool tag)
{
    if (cache->opts.redis == NULL)
        return BK_OK;
    bk_err err =
        tag ? bk__l2_invalidate_tag(cache, names[0]) : bk__l2_invalidate(cache, names, count);
    for (size_t i = 0; err != BK_OK && i < count; i++)
        bk__cache_owe(cache, names[i], tag);
    return err;
}

static bk_err invalidate(bk_cache *cache, const bk_str *names, size_t count, bool tag)
{
    for (size_t i = 0; i < count; i++)
        BK_TRY(bk__cache_check_key(names[i]));
    if (count == 0)
        return BK_OK;
    cache->stats.invalidations += count;
    invalidate_slots(cache, names, count, tag);
    bk_err err = tell_redis(cache, names, count, tag);
    invalidate_slots(cache, names, count, tag);
    return err;
}

bk_err bk_cache_del(bk_cache *cache, bk_str key)
{
    return invalidate(cache, &key, 1, false);
}

bk_err bk_cache_del_many(bk_cache *cache, const bk_str *keys, size_t count)
{
    return invalidate(cache, keys, count, false);
}

bk_err bk_cache_del_tag(bk_cache *cache, bk_str tag)
{
    return invalidate(cache, &tag, 1, true);
}

/* The versions that the tags of a value have now. */
static bk_err find_versions(bk_cache *cache, const bk_cache_policy *policy,
                            struct bk__stored *stored)
{
    for (size_t i = 0; i < policy->tag_count; i++) {
        stored->tags[i].name = policy->tags[i];
        BK_TRY(bk__l2_tag_version(cache, policy->tags[i], &stored->tags[i].version));
    }
    stored->tag_count = policy->tag_count;
    return BK_OK;
}

static bk_err replace(bk_cache *cache, bk_str key, bk_str value, const bk_cache_policy *policy)
{
    struct bk__stored stored = {
        .born_ms = bk_time_now() / 1000,
        .ttl_ms = bk__cache_jitter(policy->ttl_ms),
        .stale_ms = policy->stale_ms,
        .error_ms = policy->stale_if_error_ms,
        .payload = value,
    };

    bk_err err = find_versions(cache, policy, &stored);
    if (err == BK_OK)
        err = bk__l2_replace(cache, key, &stored);
    if (err != BK_OK)
        bk__cache_owe(cache, key, false);
    return err;
}

/* Without Redis. The value counts from the second half on. */
static void put_into_l1(bk_cache *cache, bk_str key, bk_str value, const bk_cache_policy *policy)
{
    struct bk__dependency dependencies[BK__DEPENDENCIES_MAX];
    uint32_t slot = bk__slot_of_key(&cache->generations, key);
    struct bk__lifetime life = bk__cache_lifetime(bk_now_ms(), 0, bk__cache_jitter(policy->ttl_ms),
                                                  policy->stale_ms, policy->stale_if_error_ms);

    dependencies[0] = (struct bk__dependency){bk__generation(&cache->generations, slot), slot};
    for (size_t i = 0; i < policy->tag_count; i++) {
        slot = bk__slot_of_tag(&cache->generations, policy->tags[i]);
        dependencies[1 + i] =
            (struct bk__dependency){bk__generation(&cache->generations, slot), slot};
    }
    struct bk__l1_item *item =
        bk__l1_put(&cache->l1, key, value, false, &life, dependencies, 1 + policy->tag_count);
    if (item != NULL)
        item->epoch = cache->epoch;
}

bk_err bk_cache_set(bk_cache *cache, bk_str key, bk_str value, const bk_cache_policy *policy)
{
    bk_cache_policy all = bk__cache_policy(cache, policy);
    bk_err err = BK_OK;

    BK_TRY(bk__cache_check_key(key));
    if (value.len > cache->opts.value_bytes)
        return bk_fail(BK_ETOOBIG, "a value of %zu bytes: the cache takes %u", value.len,
                       cache->opts.value_bytes);
    cache->stats.invalidations++;
    invalidate_slots(cache, &key, 1, false);
    if (cache->opts.redis != NULL)
        err = replace(cache, key, value, &all);
    invalidate_slots(cache, &key, 1, false);
    if (cache->opts.redis == NULL && !cache->opts.no_l1)
        put_into_l1(cache, key, value, &all);
    return err;
}

/* --- reading ---------------------------------------------------------------------------------- */

bk_err bk_cache_mget(bk_cache *cache, const bk_str *keys, size_t count, bk_str *out)
{
    bk_arena *arena = bk_fiber_arena();
    bk_str *asked = bk_arena_alloc(arena, (count + 1) * sizeof *asked);
    size_t *places = bk_arena_alloc(arena, (count + 1) * sizeof *places);
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        BK_TRY(bk__cache_check_key(keys[i]));
        struct bk__l1_item *item = cache->opts.no_l1 ? NULL : bk__l1_find(&cache->l1, keys[i]);
        out[i] = (bk_str){NULL, 0};
        if (item != NULL && bk__cache_sure(cache, item) && bk__cache_valid(cache, item) &&
            bk_now_ms() < item->life.fresh_until) {
            cache->stats.l1_hits++;
            if (!item->absent)
                out[i] = bk_arena_dup(arena, bk_str_at(item->value, item->value_len));
        } else if (bk__l2_usable(cache, bk__slot_of_key(&cache->generations, keys[i]))) {
            places[left] = i;
            asked[left++] = keys[i];
        } else {
            cache->stats.misses++;
        }
    }
    struct bk__l2_value *values = bk_arena_zalloc(arena, (left + 1) * sizeof *values);
    BK_TRY(bk__l2_read_many(cache, asked, left, values));
    for (size_t i = 0; i < left; i++) {
        const struct bk__stored *stored = &values[i].stored;
        bool fresh = values[i].found && bk_time_now() / 1000 - stored->born_ms < stored->ttl_ms;
        if (fresh && !stored->absent)
            out[places[i]] = stored->payload;
        if (fresh)
            cache->stats.l2_hits++;
        else
            cache->stats.misses++;
    }
    return BK_OK;
}

bk_err bk_cache_get(bk_cache *cache, bk_str key, bk_str *out)
{
    BK_TRY(bk_cache_mget(cache, &key, 1, out));
    return bk_str_present(*out) ? BK_OK : bk_fail(BK_ENOTFOUND, "the cache does not have it");
}
