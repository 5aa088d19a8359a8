/**
 * @file backend/health.h
 * @brief What an orchestrator asks a service: does it live, may it get requests, has it started.
 *
 * @code
 * bk_health *health = bk_health_new(app, NULL); // GET /livez, /readyz, /startupz
 * bk_health_add_pg(health, db, NULL);
 * bk_health_add_redis(health, redis, &(bk_health_opts){.optional = true});
 * @endcode
 *
 * - **`/livez`** is 200 as long as the loop turns. It asks nobody else: a dead database is no
 *   reason to kill the processes that wait for it.
 * - **`/readyz`** is 200 when every check passes; 503 when one fails, when the app is draining, and
 *   after `bk_health_set_ready(health, false)`.
 * - **`/startupz`** is 503 until the checks with `at_start` have passed once, 200 from then on.
 *
 * The answer names the checks and nothing of what went wrong, which goes to the log:
 *
 *     {"status":"error","checks":{"pg":{"status":"error"},"redis":{"status":"ok"}}}
 *
 * `status` is "ok"; "degraded", which is 200 (an optional check fails); "error"; "starting";
 * "not_ready"; or "shutting_down".
 *
 * Checks run side by side, each with a time limit, on a fiber of the app's own, so that a prober
 * that hangs up stops none; what they said is good for a second, however often it is asked for.
 * Load shedding lets these paths through (bk_mw_shed()).
 */
#ifndef BACKEND_HEALTH_H
#define BACKEND_HEALTH_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/pg.h>
#include <backend/redis.h>

BK_BEGIN_DECLS

/** The checks of an app. */
typedef struct bk_health bk_health;

/** Settings. Zero means default. */
typedef struct bk_health_settings {
    bk_router  *router;    /**< Where the routes go. Default: the app's own. */
    const char *prefix;    /**< Before their paths, such as "/health". Default none. */
    uint32_t    cached_ms; /**< How long a result is good for. Default 1 s. */
} bk_health_settings;

/** How to take a check. Zero means default. */
typedef struct bk_health_opts {
    const char *name;    /**< In the answer; copied. Default: "pg", "redis"; a check of your own
                              has no default. */
    uint32_t timeout_ms; /**< Longest that it may take; then it has failed. Default 1 s. */
    bool     optional;   /**< Where it fails the service is "degraded", but ready. */
    bool     at_start;   /**< It is asked until it has passed once, and not again: for what is
                              made ready once, such as a warm cache. Keeps /startupz and /readyz at
                              503 until then. */
} bk_health_opts;

/** A check. Runs on a fiber with timeout_ms as deadline, and may wait.
 *  @return BK_OK when all is well. The chain of an error is logged when the check begins to fail.
 */
typedef bk_err (*bk_health_fn)(void *data);

/** Declares checks and their routes, before the app runs. @param settings  May be NULL.
 *  @return Borrowed from the app. */
BK_API BK_NODISCARD bk_health *bk_health_new(bk_app *app, const bk_health_settings *settings);

/** Adds a check. Two of one name, and more than 32, stop the program with words.
 *  @param opts  With a name. @param data  Handed to @p fn; may be NULL. */
BK_API void bk_health_add(bk_health *health, const bk_health_opts *opts, bk_health_fn fn,
                          void *data);

/** Adds: PostgreSQL answers `SELECT 1`. @param opts  May be NULL. */
BK_API void bk_health_add_pg(bk_health *health, bk_pg *pg, const bk_health_opts *opts);

/** Adds: Redis answers `PING`. Nothing is added for NULL, which is a store in memory.
 *  @param opts  May be NULL; a service that only caches in it sets `optional`. */
BK_API void bk_health_add_redis(bk_health *health, bk_redis *redis, const bk_health_opts *opts);

/** Takes this worker out of the rotation, or back in. It is in when it starts. */
BK_API void bk_health_set_ready(bk_health *health, bool ready);

BK_END_DECLS

#endif
