/*
 * visit.c: one reader's way through the cache. See visit.h.
 *
 * Who finds nothing usable leads a load, which stands in the cache's list until it ends; who comes
 * meanwhile waits for it. It ends by landing (its value goes to all who wait), by being passed
 * (each loads for itself: what came was for one alone), or by being left (the leader was cancelled:
 * the first who waits tries again, and leads).
 *
 * What must hold: a waiter lies on its fiber's stack; who ends a load has served or sent off every
 * waiter before the load is freed.
 */
#include "cache/visit.h"

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "cache/cache.h"
#include "core/assert.h"
#include "core/random.h"
#include "fiber/waiter.h"

enum {
    LOAD_MAX_MS = 3600 * 1000, /* a value that took longer is not stored */
    POLL_FIRST_MS = 20,
    POLL_MAX_MS = 100,
    POLL_WHOLE_MS = 10000
};

enum end {
    LANDED,
    PASSED,
    LEFT
};

/* A fiber that waits for another's load. */
struct follower {
    struct bk__waiter waiter; /* first */
    bk_arena *arena;
    struct bk__cache_visit *visit;
    enum end end;
};

/* --- loads ------------------------------------------------------------------------------------ */

static const struct bk__list *loads_of(const bk_cache *cache, bk_str key)
{
    return &cache->loads[bk__slot_of_key(&cache->generations, key) % BK__CACHE_LOAD_LISTS];
}

static bool is_current(const bk_cache *cache, const struct bk__cache_load *load)
{
    for (size_t i = 0; i < load->dependency_count; i++)
        if (bk__generation(&cache->generations, load->dependencies[i].slot) !=
            load->dependencies[i].generation)
            return false;
    return load->epoch == cache->epoch;
}

/* One whose value will be good for who comes now: an invalidation since it began makes it one for
 * those alone who waited then. */
static struct bk__cache_load *find_load(const bk_cache *cache, bk_str key)
{
    bk__list_each(it, loads_of(cache, key)) {
        struct bk__cache_load *load = bk__container_of(it, struct bk__cache_load, link);
        if (bk_str_eq(load->key, key) && is_current(cache, load))
            return load;
    }
    return NULL;
}

void bk__cache_depend(bk_cache *cache, struct bk__cache_load *load, uint32_t slot)
{
    for (size_t i = 0; i < load->dependency_count; i++)
        if (load->dependencies[i].slot == slot)
            return; /* since before: that is the stricter one */
    if (load->dependency_count == BK__DEPENDENCIES_MAX)
        load->sound = false; /* one more than L1 can watch */
    else
        load->dependencies[load->dependency_count++] =
            (struct bk__dependency){bk__generation(&cache->generations, slot), slot};
}

static struct bk__cache_load *begin_load(bk_cache *cache, bk_str key, const bk_cache_policy *policy)
{
    size_t tag_bytes = 0;

    for (size_t i = 0; i < policy->tag_count; i++)
        tag_bytes += policy->tags[i].len;
    struct bk__cache_load *load = calloc(1, sizeof *load + key.len + tag_bytes);
    bk_assert(load != NULL);
    char *at = (char *)(load + 1);
    memcpy(at, key.ptr, key.len);
    load->key = (bk_str){at, key.len};
    at += key.len;
    bk__list_init(&load->waiters);
    load->began_ms = bk_now_ms();
    load->sound = bk__cache_l1_sound(cache);
    load->epoch = cache->epoch;
    bk__cache_depend(cache, load, bk__slot_of_key(&cache->generations, key));
    for (size_t i = 0; i < policy->tag_count; i++) {
        bk_str tag = policy->tags[i];
        memcpy(at, tag.ptr, tag.len);
        load->tags[load->tag_count++].name = (bk_str){at, tag.len};
        at += tag.len;
        bk__cache_depend(cache, load, bk__slot_of_tag(&cache->generations, tag));
    }
    bk__list_push(&cache->loads[load->dependencies[0].slot % BK__CACHE_LOAD_LISTS], &load->link);
    return load;
}

/* Sends a waiter off with how it ended. */
static void serve(struct follower *follower, enum end end)
{
    follower->end = end;
    bk__waiter_serve(&follower->waiter, BK_OK);
}

static struct follower *first_follower(const struct bk__cache_load *load)
{
    struct bk__waiter *first = bk__waiter_first(&load->waiters);

    return first != NULL ? bk__container_of(first, struct follower, waiter) : NULL;
}

static void free_load(struct bk__cache_load *load)
{
    bk_debug_assert(bk__list_empty(&load->waiters));
    bk__list_remove(&load->link);
    free(load);
}

static void give_value(struct follower *follower, const struct bk__cache_visit *from)
{
    struct bk__cache_visit *visit = follower->visit;

    visit->value = bk_arena_dup(follower->arena, from->value);
    visit->absent = from->absent;
    visit->age_ms = from->age_ms;
    visit->fresh_ms = from->fresh_ms;
    visit->err = from->err;
    serve(follower, LANDED);
}

/* The visit's value and state go to all who wait; the load is over. */
static void share(struct bk__cache_visit *visit)
{
    struct follower *follower;

    while ((follower = first_follower(visit->load)) != NULL)
        give_value(follower, visit);
    free_load(visit->load);
    visit->load = NULL;
}

static void drop_lock(struct bk__cache_visit *visit)
{
    if (visit->load == NULL || !visit->load->owns_lock)
        return;
    visit->load->owns_lock = false;
    bk__l2_unlock(visit->cache, visit->load->key, &visit->load->owner);
}

/* --- L1 --------------------------------------------------------------------------------------- */

static void show_item(struct bk__cache_visit *visit, struct bk__l1_item *item, uint64_t now)
{
    bk__l1_pin(item);
    visit->pinned = item;
    visit->value = (bk_str){item->value, item->value_len};
    visit->absent = item->absent;
    visit->from_l1 = true;
    visit->age_ms = (int64_t)(now - item->life.born);
    visit->fresh_ms = (int64_t)(item->life.fresh_until - now);
}

/* What is in L1 and may be used, if only when all else fails: it is pinned. */
static struct bk__l1_item *look_into_l1(struct bk__cache_visit *visit, uint64_t now)
{
    bk_cache *cache = visit->cache;
    struct bk__l1_item *item = cache->opts.no_l1 ? NULL : bk__l1_find(&cache->l1, visit->key);

    if (item == NULL)
        return NULL;
    if (now >= item->life.error_until || !bk__cache_valid(cache, item)) {
        bk__l1_drop(&cache->l1, item);
        return NULL;
    }
    show_item(visit, item, now);
    return item;
}

static void put_into_l1(struct bk__cache_visit *visit, const struct bk__lifetime *life)
{
    bk_cache *cache = visit->cache;
    const struct bk__cache_load *load = visit->load;

    if (cache->opts.no_l1 || !load->sound || !is_current(cache, load) || !bk__cache_l1_sound(cache))
        return;
    struct bk__l1_item *item = bk__l1_put(&cache->l1, load->key, visit->value, visit->absent, life,
                                          load->dependencies, load->dependency_count);
    if (item != NULL)
        item->epoch = load->epoch;
}

/* --- L2 --------------------------------------------------------------------------------------- */

static void show_stored(struct bk__cache_visit *visit, const struct bk__stored *stored)
{
    int64_t age = bk_time_now() / 1000 - stored->born_ms;

    visit->value = stored->payload;
    visit->absent = stored->absent;
    visit->age_ms = age > 0 ? age : 0;
    visit->fresh_ms = (int64_t)stored->ttl_ms - visit->age_ms;
}

static struct bk__lifetime lifetime_of(const struct bk__stored *stored, int64_t age_ms)
{
    return bk__cache_lifetime(bk_now_ms(), age_ms, stored->ttl_ms, stored->stale_ms,
                              stored->error_ms);
}

/* What Redis has, in the leader's view. False when it is of no use but for an error. */
static bool look_into_l2(struct bk__cache_visit *visit, bk_err *err)
{
    bk_cache *cache = visit->cache;
    struct bk__cache_load *load = visit->load;
    struct bk__l2_value value;

    if (!bk__l2_usable(cache, load->dependencies[0].slot))
        return false;
    *err = bk__l2_read(cache, load, &value);
    if (*err != BK_OK || !value.found)
        return false;
    show_stored(visit, &value.stored);
    visit->from_l1 = false;
    if (visit->fresh_ms <= 0 && visit->fresh_ms + (int64_t)value.stored.stale_ms <= 0)
        return false;
    struct bk__lifetime life = lifetime_of(&value.stored, visit->age_ms);
    put_into_l1(visit, &life);
    return true;
}

/* Another worker loads it: waits until its value is there, or it has given up. */
static bool wait_for_fleet(struct bk__cache_visit *visit, bk_err *err)
{
    struct bk__cache_load *load = visit->load;
    uint32_t ms = POLL_FIRST_MS;
    uint64_t until = bk_now_ms() + POLL_WHOLE_MS;

    while (bk_now_ms() < until) {
        if (bk__l2_lock(visit->cache, load->key, &load->owner)) {
            load->owns_lock = true;
            /* It may have been filled before the lock was free. */
            return look_into_l2(visit, err);
        }
        if (bk_fiber_interrupted() != BK_OK || !bk__l2_is_locked(visit->cache, load->key))
            break;
        *err = bk_sleep_ms(ms);
        if (*err != BK_OK || look_into_l2(visit, err))
            return *err == BK_OK;
        ms = 2 * ms < POLL_MAX_MS ? 2 * ms : POLL_MAX_MS;
    }
    return false;
}

/* --- waiting for another ------------------------------------------------------------------------ */

static enum end follow(struct bk__cache_visit *visit, struct bk__cache_load *load, bk_err *err)
{
    struct follower self = {.arena = bk_fiber_arena(), .visit = visit};

    visit->cache->stats.shared++;
    *err = bk__waiter_wait(&self.waiter, &load->waiters);
    return self.end;
}

/* --- the visit ---------------------------------------------------------------------------------- */

/* A value that another fiber of this worker, or of the fleet, has brought. */
static enum bk__cache_state settle(struct bk__cache_visit *visit)
{
    if (visit->err != BK_OK)
        return BK__CACHE_FAILED;
    return visit->fresh_ms > 0 || visit->absent ? BK__CACHE_FRESH : BK__CACHE_STALE;
}

static enum bk__cache_state fail(struct bk__cache_visit *visit, bk_err err)
{
    visit->err = err;
    return BK__CACHE_FAILED;
}

/* The leader looks into Redis before it loads. */
static enum bk__cache_state lead(struct bk__cache_visit *visit)
{
    bk_err err = BK_OK;
    bool found = look_into_l2(visit, &err);

    if (!found && err == BK_OK && visit->policy.once_per_fleet &&
        bk__l2_usable(visit->cache, visit->load->dependencies[0].slot))
        found = wait_for_fleet(visit, &err);
    if (err != BK_OK) {
        bk__cache_leave(visit);
        return fail(visit, err);
    }
    if (!found) {
        visit->cache->stats.misses++;
        return BK__CACHE_LEAD;
    }
    visit->cache->stats.l2_hits++;
    drop_lock(visit);
    if (visit->fresh_ms > 0) {
        share(visit);
        return BK__CACHE_FRESH;
    }
    visit->cache->stats.stale_hits++;
    struct follower *follower;
    while ((follower = first_follower(visit->load)) != NULL)
        give_value(follower, visit);
    return BK__CACHE_REFRESH;
}

static void forget_pin(struct bk__cache_visit *visit)
{
    if (visit->pinned != NULL)
        bk__l1_unpin(visit->pinned);
    visit->pinned = NULL;
}

/* A usable item of L1: what it says by itself. Else @p done is false. */
static enum bk__cache_state visit_l1(struct bk__cache_visit *visit, bool *done)
{
    bk_cache *cache = visit->cache;
    uint64_t now = bk_now_ms();
    const struct bk__l1_item *item = look_into_l1(visit, now);

    *done = true;
    if (item != NULL && bk__cache_sure(cache, item)) {
        if (now < item->life.fresh_until) {
            cache->stats.l1_hits++;
            return BK__CACHE_FRESH;
        }
        if (now < item->life.stale_until) {
            cache->stats.l1_hits++;
            cache->stats.stale_hits++;
            if (find_load(cache, visit->key) != NULL)
                return BK__CACHE_STALE;
            visit->load = begin_load(cache, visit->key, &visit->policy);
            return BK__CACHE_REFRESH;
        }
    }
    *done = false;
    return BK__CACHE_LEAD;
}

static enum bk__cache_state visit_others(struct bk__cache_visit *visit)
{
    struct bk__cache_load *load;

    while ((load = find_load(visit->cache, visit->key)) != NULL) {
        bk_err err;
        enum end end = follow(visit, load, &err);
        if (err != BK_OK)
            return fail(visit, err);
        if (end == LANDED)
            return settle(visit);
        if (end == PASSED) {
            visit->cache->stats.misses++;
            return BK__CACHE_LEAD;
        }
    }
    visit->load = begin_load(visit->cache, visit->key, &visit->policy);
    return lead(visit);
}

enum bk__cache_state bk__cache_enter(bk_cache *cache, bk_str key, const bk_cache_policy *policy,
                                     struct bk__cache_visit *visit)
{
    bool done;

    *visit = (struct bk__cache_visit){.cache = cache, .key = key};
    visit->err = bk__cache_check_key(key);
    if (visit->err != BK_OK)
        return BK__CACHE_FAILED;
    visit->policy = bk__cache_policy(cache, policy);
    enum bk__cache_state state = visit_l1(visit, &done);
    return done ? state : visit_others(visit);
}

bk_err bk__cache_visit_tag(struct bk__cache_visit *visit, bk_str tag)
{
    struct bk__cache_load *load = visit->load;
    bk_cache *cache = visit->cache;
    struct bk__nonce version = {0};

    if (load == NULL)
        return BK_OK;
    for (size_t i = 0; i < load->tag_count; i++)
        if (bk_str_eq(load->tags[i].name, tag))
            return BK_OK;
    if (load->tag_count == BK__TAGS_MAX)
        return bk_fail(BK_ETOOBIG, "more than %d tags", BK__TAGS_MAX);
    bk__cache_depend(cache, load, bk__slot_of_tag(&cache->generations, tag));
    if (load->from_redis) {
        bk_err err = bk__l2_tag_version(cache, tag, &version);
        BK_TRY(bk_fiber_interrupted());
        if (err != BK_OK) { /* without it Redis could not tell later whether the value is valid */
            bk_error_clear();
            load->from_redis = false;
        }
    }
    load->tags[load->tag_count++] =
        (struct bk__stored_tag){bk_arena_dup(bk_fiber_arena(), tag), version};
    return BK_OK;
}

/* --- the end of a load -------------------------------------------------------------------------- */

static struct bk__stored stored_of(const struct bk__cache_visit *visit,
                                   const bk_cache_policy *policy, uint32_t ttl_ms, int64_t born_ms)
{
    const struct bk__cache_load *load = visit->load;
    struct bk__stored stored = {
        .absent = visit->absent,
        .born_ms = born_ms,
        .ttl_ms = ttl_ms,
        .stale_ms = policy->stale_ms,
        .error_ms = policy->stale_if_error_ms,
        .marker = load->marker,
        .tag_count = load->tag_count,
        .payload = visit->value,
    };

    memcpy(stored.tags, load->tags, load->tag_count * sizeof load->tags[0]);
    return stored;
}

/* Those who wait get the value first: storing it takes a round trip. */
static void store(struct bk__cache_visit *visit, const bk_cache_policy *policy, uint32_t ttl_ms)
{
    bk_cache *cache = visit->cache;
    uint64_t now = bk_now_ms();
    int64_t took = (int64_t)(now - visit->load->began_ms);
    uint32_t ttl = bk__cache_jitter(ttl_ms);
    struct bk__lifetime life =
        bk__cache_lifetime(now, took, ttl, policy->stale_ms, policy->stale_if_error_ms);
    struct bk__stored stored = stored_of(visit, policy, ttl, bk_time_now() / 1000 - took);
    bool keeps = visit->value.len <= cache->opts.value_bytes && took < LOAD_MAX_MS;
    bool in_redis =
        keeps && visit->load->from_redis && bk__l2_usable(cache, visit->load->dependencies[0].slot);

    visit->age_ms = 0;
    visit->fresh_ms = ttl;
    if (keeps)
        put_into_l1(visit, &life);
    bk_str key = bk_arena_dup(bk_fiber_arena(), visit->load->key); /* the load goes before it */
    for (size_t i = 0; in_redis && i < stored.tag_count; i++)
        stored.tags[i].name = bk_arena_dup(bk_fiber_arena(), stored.tags[i].name);
    bool owned = visit->load->owns_lock;
    struct bk__nonce owner = visit->load->owner;
    share(visit);
    if (in_redis && !bk__l2_fill(cache, key, &stored))
        cache->stats.refused_fills++;
    if (owned)
        bk__l2_unlock(cache, key, &owner);
}

void bk__cache_land(struct bk__cache_visit *visit, bk_err err, bk_str value,
                    const bk_cache_policy *policy)
{
    if (visit->load == NULL)
        return;
    if (policy == NULL)
        policy = &visit->policy;
    visit->cache->stats.loads++;
    visit->cache->stats.load_errors += err != BK_OK && err != BK_ENOTFOUND;
    if (err != BK_OK && (err != BK_ENOTFOUND || policy->absent_ms == 0)) {
        struct follower *follower;
        while ((follower = first_follower(visit->load)) != NULL) {
            follower->visit->err = err;
            serve(follower, LANDED);
        }
        drop_lock(visit);
        free_load(visit->load);
        visit->load = NULL;
        return;
    }
    forget_pin(visit);
    visit->value = value;
    visit->absent = err == BK_ENOTFOUND;
    visit->err = BK_OK;
    store(visit, policy, visit->absent ? policy->absent_ms : policy->ttl_ms);
}

void bk__cache_pass(struct bk__cache_visit *visit)
{
    struct follower *follower;

    if (visit->load == NULL)
        return;
    while ((follower = first_follower(visit->load)) != NULL)
        serve(follower, PASSED);
    drop_lock(visit);
    free_load(visit->load);
    visit->load = NULL;
}

bool bk__cache_stale_if_error(struct bk__cache_visit *visit)
{
    const struct bk__l1_item *item = visit->pinned;
    uint64_t now = bk_now_ms();

    /* From L1, pinned when the visit began; or from Redis, read when it led. */
    if (visit->policy.stale_if_error_ms == 0 || visit->value.ptr == NULL)
        return false;
    return item == NULL || now < item->life.error_until;
}

void bk__cache_take_lead(struct bk__cache_visit *from, struct bk__cache_visit *to)
{
    *to = (struct bk__cache_visit){
        .cache = from->cache,
        .key = from->load->key,
        .policy = from->policy,
        .load = from->load,
    };
    from->load = NULL;
}

void bk__cache_leave(struct bk__cache_visit *visit)
{
    struct follower *follower;

    forget_pin(visit);
    if (visit->load == NULL)
        return;
    /* All try again: the first of them leads, and the others wait for it. A lock of the fleet runs
     * out by itself, since the fiber may not be able to wait any more. */
    while ((follower = first_follower(visit->load)) != NULL)
        serve(follower, LEFT);
    free_load(visit->load);
    visit->load = NULL;
}
