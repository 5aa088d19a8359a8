/**
 * @file backend/middleware/shed.h
 * @brief Refuse early what could only be answered late: 503 for some instead of timeouts for all.
 *
 * @code
 * bk_use(bk_app_router(app), bk_mw_shed(app, NULL)); // outermost, before all that costs
 *
 * bk_post(api, "/orders", order, &(bk_route_opts){.priority = BK_PRIORITY_CRITICAL});
 * bk_get(api, "/suggestions", suggest, &(bk_route_opts){.priority = BK_PRIORITY_LOW});
 * @endcode
 *
 * **When a worker sheds**, each by default unless it says otherwise:
 * - More requests are at work than its limit, which it finds by itself, between `least` and `most`:
 *   it goes down while routes take more than twice as long as they usually do, and up again when
 *   they do not. A route that is slow by nature is no reason. A route that becomes slower for good
 *   is, until the limit has reached `least`; then that is its usual latency, and some seconds later
 *   the limit has grown again. Streams that have begun do not count.
 * - The loop lags by `lag_ms`: handlers compute more than one thread can. So many requests a second
 *   are let in then as it can bear.
 * - Its memory passes `rss_bytes`, or what `queue` tells passes `queue_most`. Off by default.
 *
 * **Who is shed**: first routes of BK_PRIORITY_LOW, from four fifths of each limit on; then those
 * of no priority; BK_PRIORITY_CRITICAL only at `most`. Paths in `exempt` never.
 *
 * **What it answers**: 503 with `Retry-After: 1` and a problem. When it begins and ends, not each
 * time, a line is logged.
 */
#ifndef BACKEND_MIDDLEWARE_SHED_H
#define BACKEND_MIDDLEWARE_SHED_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** How many are waiting somewhere, as in a pool. Asked ten times a second, on no fiber; must not
 *  wait. @param data  Of the settings. */
typedef uint64_t (*bk_shed_queue_fn)(void *data);

/** Settings. Zero means default. */
typedef struct bk_mw_shed_opts {
    uint32_t least;         /**< So many at once are always let in. Default 20. */
    uint32_t most;          /**< Never more at once than so many. Default 10,000. */
    bool     fixed;         /**< The limit is `most`, and is not looked for. */
    uint32_t lag_ms;        /**< How late the loop may be, three times in a row. Default 250;
                                 BK_UNLIMITED: as late as it likes. */
    uint64_t rss_bytes;     /**< Memory of this worker that is in use. Default: not looked at. */
    bk_shed_queue_fn queue; /**< Default: none. */
    uint64_t         queue_most; /**< What it may tell. Must be set where `queue` is. */
    void            *data;       /**< For `queue`. May be NULL. */
    /** Paths, with all below them, that are always let in. Ends with NULL; borrowed as long as the
     *  app. Default: /health, /healthz, /live, /livez, /ready, /readyz, /up, /metrics. */
    const char *const *exempt;
} bk_mw_shed_opts;

/** What a worker does now, and has done since its start. */
typedef struct bk_shed_stats {
    uint32_t limit;         /**< How many it lets in at once. */
    uint32_t at_work;       /**< How many there are. */
    uint32_t lag_ms;        /**< How late the loop was last. */
    uint32_t pace;          /**< Requests a second that it lets in since the loop lags; 0: all. */
    uint64_t rss_bytes;     /**< Memory in use; 0 where it is not looked at. */
    uint64_t let_in;        /**< Requests. */
    uint64_t shed_at_limit; /**< Since too many were at work. */
    uint64_t shed_by_lag;   /**< Since the loop lagged. */
    uint64_t shed_by_load;  /**< For memory or the queue. */
} bk_shed_stats;

/** The middleware. Settings that are not possible stop the program with words.
 *  @param opts  Copied. May be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_shed(bk_app *app, const bk_mw_shed_opts *opts);

/** Fills @p stats, of the calling worker. @param shed  Of bk_mw_shed(); another is a bug. */
BK_API void bk_shed_get_stats(bk_middleware shed, bk_shed_stats *stats);

BK_END_DECLS

#endif
