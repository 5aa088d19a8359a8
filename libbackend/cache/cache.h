/*
 * cache.h: a bk_cache from inside.
 */
#ifndef BK_CACHE_CACHE_H
#define BK_CACHE_CACHE_H

#include <backend/cache.h>

#include "cache/generation.h"
#include "cache/l1.h"
#include "cache/stored.h"
#include "cache/visit.h"
#include "core/list.h"
#include "redis/feed.h"

enum {
    BK__CACHE_LOAD_LISTS = 64
};

struct bk_cache {
    bk_cache_opts opts; /* defaults filled in */
    bk_str prefix;
    bk_str watched[2]; /* prefixes of markers and of tags' versions */
    struct bk__generations generations;
    struct bk__l1 l1;
    struct bk__redis_watch watches[2];
    uint64_t epoch;                              /* times that invalidations may have been missed */
    struct bk__list loads[BK__CACHE_LOAD_LISTS]; /* bk__cache_load.link, by the key's slot */
    struct bk__list owed;                        /* owed.c */
    bool paying;                                 /* a fiber sees to what is owed */
    bool running;
    bk_cache_stats stats;
};

/* A load in progress: made by who leads, and known to all who wait. */
struct bk__cache_load {
    struct bk__link link; /* in bk_cache.loads, until it has landed or was passed */
    bk_str key;           /* copied */
    struct bk__list waiters;
    uint64_t began_ms;
    bool sound;     /* L1 could be relied on when it began */
    uint64_t epoch; /* then */
    struct bk__dependency dependencies[BK__DEPENDENCIES_MAX];
    size_t dependency_count;
    /* What Redis had then. */
    bool from_redis; /* it was asked, and answered */
    struct bk__nonce marker;
    struct bk__stored_tag tags[BK__TAGS_MAX];
    size_t tag_count;
    bool owns_lock;         /* of the fleet */
    struct bk__nonce owner; /* that it holds it by */
};

/* What is loaded depends on a slot, from now on. Before what the slot stands for is read. */
void bk__cache_depend(bk_cache *cache, struct bk__cache_load *load, uint32_t slot);

/* --- l2.c: what Redis has ------------------------------------------------------------------------ */

/* True when Redis can be asked about this key now. */
bool bk__l2_usable(const bk_cache *cache, uint32_t slot);

/* A value read, in the fiber's arena. */
struct bk__l2_value {
    bool found; /* there is one, and it is valid */
    struct bk__stored stored;
};

/* Reads what @p load is about, notes the marker and the tags' versions in it. An error of Redis is
 * a miss. Only the fiber's own interruption is an error. */
BK_YIELDS bk_err bk__l2_read(bk_cache *cache, struct bk__cache_load *load,
                             struct bk__l2_value *value);

/* Reads several at once; `found` says which are there. */
BK_YIELDS bk_err bk__l2_read_many(bk_cache *cache, const bk_str *keys, size_t count,
                                  struct bk__l2_value *values);

/* The version of a tag, now. */
BK_YIELDS bk_err bk__l2_tag_version(bk_cache *cache, bk_str tag, struct bk__nonce *version);

/* Stores, unless an invalidation came since the load began. False when it did. */
BK_YIELDS bool bk__l2_fill(bk_cache *cache, bk_str key, const struct bk__stored *stored);

/* Tells of invalidations: of keys; of a tag; of a key that has a new value at once. */
BK_YIELDS bk_err bk__l2_invalidate(bk_cache *cache, const bk_str *keys, size_t count);
BK_YIELDS bk_err bk__l2_invalidate_tag(bk_cache *cache, bk_str tag);
BK_YIELDS bk_err bk__l2_replace(bk_cache *cache, bk_str key, struct bk__stored *stored);

/* The lock of the fleet for a key: taken, or held by another. */
BK_YIELDS bool bk__l2_lock(bk_cache *cache, bk_str key, struct bk__nonce *owner);
BK_YIELDS bool bk__l2_is_locked(bk_cache *cache, bk_str key);
BK_YIELDS void bk__l2_unlock(bk_cache *cache, bk_str key, const struct bk__nonce *owner);

/* The longest that a value lives in Redis; markers and versions live as long at least. */
#define BK__L2_LIFE_MAX_MS (INT64_C(23) * 3600 * 1000)

/* --- owed.c: invalidations that Redis was not told of -------------------------------------------- */

/* Sees to it that Redis is told as soon as it can be; until then, the host does not use what it has
 * in the slot. @p tag: @p name is a tag's and not a key's. */
void bk__cache_owe(bk_cache *cache, bk_str name, bool tag);
void bk__cache_owed_stop(bk_cache *cache);

/* --- cache.c ------------------------------------------------------------------------------------ */

/* True when what L1 has may be used: nothing that was invalidated more than a moment ago is in it.
 */
bool bk__cache_l1_sound(const bk_cache *cache);

bk_err bk__cache_check_key(bk_str key);

/* The policy with the cache's own in place of zeros. */
bk_cache_policy bk__cache_policy(const bk_cache *cache, const bk_cache_policy *policy);

/* How long a value of that age and these times is good for yet. */
struct bk__lifetime bk__cache_lifetime(uint64_t now_ms, int64_t age_ms, uint32_t ttl_ms,
                                       uint32_t stale_ms, uint32_t error_ms);

/* A time, less up to a tenth. */
uint32_t bk__cache_jitter(uint32_t ttl_ms);

/* True when nothing that an L1 item depends on was invalidated, as far as this worker knows. */
bool bk__cache_valid(const bk_cache *cache, const struct bk__l1_item *item);

/* True when it also knows of all invalidations since. */
bool bk__cache_sure(const bk_cache *cache, const struct bk__l1_item *item);

#endif
