/**
 * @file backend/cache.h
 * @brief Two tiers: L1 in the worker's memory, bounded by bytes, in front of L2 in Redis.
 *
 * Declare it once, before the app runs; use it in any handler:
 *
 * @code
 * bk_cache *cache = bk_cache_new(app, &(bk_cache_opts){.redis = redis});
 *
 * struct product product;
 * BK_TRY(bk_cache_fetch_object(cache, key, &(bk_cache_policy){.ttl_ms = 60000}, product_desc,
 *                              load_product, &query, &product));
 * ...
 * BK_TRY(bk_cache_del(cache, key)); // after the write, before the answer
 * @endcode
 *
 * **Coherence.** When an invalidation (bk_cache_del(), bk_cache_del_tag(), bk_cache_set()) has
 * returned BK_OK, L2 and every worker of this host have it: none will return the old value. Workers
 * of other hosts have it as soon as Redis' message reaches them; an L1 that has not heard from that
 * channel for 2 s stops serving, and one whose channel was lost forgets all. A load that began
 * before an invalidation never fills the cache with what it read. What this cannot cover: a Redis
 * that forgets invalidations itself, by a failover to a replica that had not received them, or by
 * evicting what it wrote seconds ago.
 *
 * **Without Redis** (`redis` NULL) L1 is all there is, and invalidations reach all workers of this
 * host. **While Redis is gone** lookups go to the loader; L1 serves only what stale_if_error_ms
 * allows. An invalidation returns BK_EUNAVAILABLE then: this host takes no value of that key from
 * L2 until it could be delivered, which the library goes on trying; other hosts may.
 *
 * **One loader per key**: fibers of a worker that miss a key together share one run of the loader,
 * and with once_per_fleet all workers of all hosts do. An error of the loader goes to all who wait
 * and is not cached.
 */
#ifndef BACKEND_CACHE_H
#define BACKEND_CACHE_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/redis.h>

BK_BEGIN_DECLS

/** A cache of an app, as this worker sees it. */
typedef struct bk_cache bk_cache;

/** How long a value is good for, and how it is loaded. Zero means the cache's own policy, whose
 *  zeros mean the defaults named here. */
typedef struct bk_cache_policy {
    uint32_t ttl_ms;            /**< Fresh for so long, less up to a tenth, so that not all expire
                                     at once. Default 60 s. */
    uint32_t stale_ms;          /**< After that, served while one fiber in the background loads
                                     anew (stale-while-revalidate, RFC 5861). Default 0. */
    uint32_t stale_if_error_ms; /**< After that, served where the loader fails (stale-if-error,
                                     RFC 5861). Default 0. */
    uint32_t absent_ms;         /**< How long it is remembered that the loader has found nothing
                                     (BK_ENOTFOUND). Default 0: not at all. */
    bool once_per_fleet;        /**< One loader in all workers of all hosts; the others wait. For
                                     loads that cost far more than a round trip to Redis. */
    uint32_t data_bytes;        /**< With stale_ms: the size of what `data` points to, which is
                                     copied for a load in the background. Default 0: `data` lives as
                                     long as the app. */
    const bk_str *tags;         /**< The value is dropped with any of these: bk_cache_del_tag(). */
    size_t        tag_count;    /**< How many, at most 16. */
} bk_cache_policy;

/** Settings. Zero means default. */
typedef struct bk_cache_opts {
    bk_redis   *redis;           /**< L2. NULL: none. */
    const char *prefix;          /**< Before every key in Redis, a version in it where the values'
                                      shape changes: "shop:v2:". Borrowed. Default "cache:". No
                                      other cache's prefix may begin with it. */
    size_t          l1_bytes;    /**< Keys, values and their bookkeeping in L1. Default 32 MiB. */
    bool            no_l1;       /**< Ask Redis every time. */
    uint32_t        value_bytes; /**< A larger value is not cached. Default 1 MiB. */
    bk_cache_policy policy;      /**< Of keys that come without one, or with zeros. */
} bk_cache_opts;

/** Counters since the start, of this worker. */
typedef struct bk_cache_stats {
    uint64_t l1_hits;       /**< Answered from L1. */
    uint64_t l2_hits;       /**< Answered from Redis. */
    uint64_t stale_hits;    /**< Of both, past ttl_ms. */
    uint64_t misses;        /**< In neither. */
    uint64_t loads;         /**< Runs of a loader. */
    uint64_t load_errors;   /**< Of those, failed. */
    uint64_t shared;        /**< Misses that waited for another's load. */
    uint64_t refused_fills; /**< Values not stored, because an invalidation came after their load
                                 had begun. */
    uint64_t invalidations; /**< By this worker. */
    uint64_t owed;          /**< Invalidations that Redis has not been told yet. */
    uint64_t l1_items;      /**< Now in L1. */
    uint64_t l1_bytes;      /**< Their bytes. */
    uint64_t l1_evicted;    /**< Dropped to make room. */
    uint64_t l1_flushes;    /**< Times that L1 forgot all. */
} bk_cache_stats;

/** Declares a cache of @p app, before the app runs.
 *  @param opts  Copied. May be NULL. */
BK_API BK_NODISCARD bk_cache *bk_cache_new(bk_app *app, const bk_cache_opts *opts);

/** Fills @p stats. */
BK_API void bk_cache_get_stats(const bk_cache *cache, bk_cache_stats *stats);

/** Finds the value of @p key for the cache: asks the database. Runs on the fiber that missed, or on
 *  one of its own (see stale_ms).
 *  @param key   Borrowed.
 *  @param data  As given to bk_cache_fetch().
 *  @param out   Receives the value; it lives until the fiber ends: bk_fiber_arena().
 *  @return BK_OK; BK_ENOTFOUND when there is no such thing; any other error. */
typedef bk_err (*bk_cache_load_fn)(bk_str key, void *data, bk_str *out);

/**
 * Reads @p key; on a miss runs @p load and stores what it made.
 *
 * @param key     1 to 512 bytes of any content.
 * @param policy  May be NULL.
 * @param load    Called at most once on this fiber.
 * @param data    Handed to @p load. May be NULL.
 * @param out     Receives the value, request-owned. Absent on error.
 * @return BK_OK; BK_ENOTFOUND when there is no such thing, by the loader or by what it said lately;
 *         what else @p load returned. That Redis is gone is no error here, only a miss.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_cache_fetch(bk_cache *cache, bk_str key,
                                                    const bk_cache_policy *policy,
                                                    bk_cache_load_fn load, void *data, bk_str *out);

/** As bk_cache_load_fn, into a described struct, zeroed before. */
typedef bk_err (*bk_cache_load_object_fn)(bk_str key, void *data, void *out);

/** bk_cache_fetch() for a described struct, kept as JSON. A kept value that does not fit the
 *  description any more is a miss. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_cache_fetch_object(bk_cache *cache, bk_str key,
                                                           const bk_cache_policy  *policy,
                                                           bk_desc_fn              desc,
                                                           bk_cache_load_object_fn load, void *data,
                                                           void *out);

/** Reads @p key. BK_ENOTFOUND on a miss. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_cache_get(bk_cache *cache, bk_str key, bk_str *out);

/** Reads several keys with one round trip at most. @param out  Receives a value for each; absent
 *  where there is none. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_cache_mget(bk_cache *cache, const bk_str *keys,
                                                   size_t count, bk_str *out);

/** Stores a value, which invalidates what was there. @param policy  May be NULL.
 *  @return BK_OK; BK_ETOOBIG over value_bytes; BK_EUNAVAILABLE as an invalidation. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_cache_set(bk_cache *cache, bk_str key, bk_str value,
                                                  const bk_cache_policy *policy);

/** Drops a key. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_cache_del(bk_cache *cache, bk_str key);

/** Drops several keys with one round trip. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_cache_del_many(bk_cache *cache, const bk_str *keys,
                                                       size_t count);

/** Drops every value that has this tag, at the cost of one key: none is looked for. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_cache_del_tag(bk_cache *cache, bk_str tag);

BK_END_DECLS

#endif
