/**
 * @file backend/limit.h
 * @brief How often may this key do that? Limits of a host, or of all hosts through Redis.
 *
 * Declare it once, before the app runs; use it in any handler:
 *
 * @code
 * bk_limiter *logins = bk_limiter_new(app, &(bk_limiter_opts){
 *     .name = "login", .limit = 5, .window_ms = 60000, .redis = redis});
 *
 * bk_limit_result result;
 * BK_TRY(bk_limiter_take(logins, email, 1, &result));
 * if (!result.allowed)
 *     return too_many(res, result.retry_after_ms);
 * @endcode
 *
 * **Without Redis** (`redis` NULL) all workers of this host count together, in memory that they
 * share. No more than the limit is allowed, however many take at the same instant. A take costs
 * some tens of nanoseconds and never waits.
 *
 * **With Redis** all hosts count together, one round trip for each take, by the clock of Redis.
 * While Redis does not answer within redis_ms, on_store_error decides: by default each host goes on
 * by its own count, which begins with what it took lately. Such answers are marked `degraded`.
 *
 * What is not allowed is not counted.
 */
#ifndef BACKEND_LIMIT_H
#define BACKEND_LIMIT_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/redis.h>

BK_BEGIN_DECLS

/** Limits of an app, as this worker sees them. */
typedef struct bk_limiter bk_limiter;

/** How takes are counted. */
typedef enum bk_limit_algorithm {
    BK_LIMIT_FIXED,   /**< A key's window begins with its first take, and ends window_ms later with
                           all forgotten. Around the end twice the limit may pass. The default. */
    BK_LIMIT_SLIDING, /**< The last window_ms count, those in the window before as if they had been
                           spread over it evenly. */
    BK_LIMIT_GCRA     /**< A bucket of `burst` that refills evenly, `limit` in window_ms: smooth,
                           no window at all. */
} bk_limit_algorithm;

/** What decides while Redis does not answer. */
typedef enum bk_limit_fallback {
    BK_LIMIT_LOCAL,  /**< The count of this host. The default. */
    BK_LIMIT_REFUSE, /**< Nothing: bk_limiter_take() returns BK_EUNAVAILABLE. */
    BK_LIMIT_ALLOW   /**< All is allowed. */
} bk_limit_fallback;

/** Settings. Zero means default. */
typedef struct bk_limiter_opts {
    const char *name; /**< In Redis, keys are `limit:<name>:<key>`; who has the same name
                           shares them, and must have the same settings. Borrowed.
                           Default "default". */
    bk_limit_algorithm algorithm; /**< Default BK_LIMIT_FIXED. */
    uint32_t           limit;     /**< How much in window_ms; at most 1,000,000. Default 100. */
    uint32_t           window_ms; /**< At most 31 days. Default 60,000. */
    uint32_t           burst;    /**< GCRA: how much at once; at most 1,000,000. Default `limit`. */
    bk_redis          *redis;    /**< NULL: limits of this host only. */
    uint32_t           redis_ms; /**< Longest that a take waits for Redis. After one that was late,
                                      Redis is left alone for ten times that. Default 50. */
    bk_limit_fallback on_store_error; /**< Default BK_LIMIT_LOCAL. */
    uint32_t          slots; /**< Keys that this host follows at once, at 64 bytes each, taken as
                                  they are used; at most 16,777,216. With more, those that would
                                  end first are forgotten early. Default 65,536. */
} bk_limiter_opts;

/** What came of a take. */
typedef struct bk_limit_result {
    bool     allowed;        /**< Go on. Of a take of 0: whether 1 would be allowed. */
    bool     degraded;       /**< Redis was not heard; see on_store_error. */
    uint32_t limit;          /**< The most that can be free: `limit`, or with GCRA `burst`. */
    uint32_t remaining;      /**< How much is free after this. */
    uint64_t reset_ms;       /**< In so long all is free again; 0: it is now. */
    uint64_t retry_after_ms; /**< In so long the same take would be allowed, were there no others;
                                  0 when it was. */
} bk_limit_result;

/** Counters since the start, of this worker. */
typedef struct bk_limiter_stats {
    uint64_t allowed;      /**< Takes allowed. */
    uint64_t denied;       /**< Takes not allowed. */
    uint64_t degraded;     /**< Of both, without Redis that should have been asked. */
    uint64_t store_errors; /**< Redis failed or was late. */
    uint64_t evicted;      /**< Keys forgotten early for want of slots. */
} bk_limiter_stats;

/** Declares limits of @p app, before the app runs and before workers are forked. Settings that are
 *  not possible stop the program with words. Freed with the app.
 *  @param opts  Copied. May be NULL. */
BK_API BK_NODISCARD bk_limiter *bk_limiter_new(bk_app *app, const bk_limiter_opts *opts);

/**
 * Takes @p cost from what @p key is allowed, if so much is free; else takes nothing.
 *
 * Waits only for Redis, at most redis_ms.
 *
 * @param key   1 to 512 bytes of any content: an address, a user, both with a route.
 * @param cost  0 takes nothing and only tells.
 * @param out   Receives the decision. Zeroed on error.
 * @return BK_OK when it is decided, one way or the other; BK_EINVAL for a key or a cost that can
 *         never be; BK_EUNAVAILABLE only under BK_LIMIT_REFUSE.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_limiter_take(bk_limiter *limiter, bk_str key, uint32_t cost,
                                                     bk_limit_result *out);

/** Forgets what @p key has taken, as after a login that went well. BK_EUNAVAILABLE when Redis could
 *  not be told; this host has forgotten it in any case. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_limiter_forget(bk_limiter *limiter, bk_str key);

/** Fills @p stats. */
BK_API void bk_limiter_get_stats(const bk_limiter *limiter, bk_limiter_stats *stats);

BK_END_DECLS

#endif
