/**
 * @file backend/pool.h
 * @brief A bounded set of things that are costly to open: sizes, fair waiting, health.
 *
 * A pool keeps `min` resources open from the start and opens more, up to `max`, while fibers wait.
 * Who finds none stands in line, first come first served, until acquire_ms or the fiber's own
 * deadline; a line of `waiting` fibers is full, and the next one is told so at once. What was
 * idle or open for too long is closed and, below min, replaced. Where opening fails, the pool
 * tries again by itself, later each time.
 *
 * bk_pg has a pool inside and takes the same options. For other resources:
 *
 * @code
 * static const bk_pool_type smtp = {.name = "smtp", .open = smtp_open, .close = smtp_close};
 * bk_pool *pool = bk_pool_new(app, &smtp, &(bk_pool_opts){.max = 10}, settings);
 *
 * struct smtp *conn;
 * BK_TRY(bk_pool_acquire(pool, (void **)&conn));
 * bk_err err = smtp_send(conn, mail);
 * bk_pool_release(pool, conn, err == BK_EIO ? BK_POOL_BROKEN : BK_POOL_GOOD);
 * @endcode
 */
#ifndef BACKEND_POOL_H
#define BACKEND_POOL_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** Sizes and times of a pool. Zero means the default; BK_UNLIMITED switches a time off. */
typedef struct bk_pool_opts {
    uint32_t min;         /**< Kept open from the start, by all workers of the service together.
                               Default 5, or max where that is less. */
    uint32_t max;         /**< Open at most, likewise: a worker's share is max / bk_app_sharers(),
                               at least 1. Default 50. */
    uint32_t waiting;     /**< Fibers in line; the next gets 503 at once. Default 10,000. */
    uint32_t acquire_ms;  /**< Longest wait in line; then 503. Default 5 s. */
    uint32_t idle_ms;     /**< Unused for so long: closed, down to min. Default 60 s. */
    uint32_t lifetime_ms; /**< Open for so long: replaced once it is free. Each one's own is up to a
                               tenth shorter, so that not all end at once. Default 30 min. */
    uint32_t connecting;  /**< Being opened at a time. Default 4. */
    uint32_t connect_ms;  /**< Longest that opening one may take. Default 5 s. */
    bool     lazy;        /**< Open none before it is needed: min is kept, but not made. */
} bk_pool_opts;

/** What a pool looks like now, and what it has done since it started. */
typedef struct bk_pool_stats {
    uint32_t open;          /**< Open, in use or not. */
    uint32_t idle;          /**< Open and not in use. */
    uint32_t held;          /**< Lent to one fiber each. */
    uint32_t opening;       /**< Being opened. */
    uint32_t waiting;       /**< Fibers in line. */
    uint32_t max;           /**< This worker's share of bk_pool_opts.max. */
    uint64_t acquired;      /**< Times that one was lent. */
    uint64_t waited;        /**< Times that a fiber had to stand in line. */
    uint64_t waited_ms;     /**< Sum of those waits. */
    uint64_t waited_max_ms; /**< The longest of them. */
    uint64_t refused;       /**< Times that the line was full. */
    uint64_t timed_out;     /**< Times that acquire_ms passed. */
    uint64_t opened;        /**< Resources opened. */
    uint64_t open_failed;   /**< Attempts that failed. */
    uint64_t lost;          /**< Closed because they were broken. */
} bk_pool_stats;

/** What a pool is made of. */
typedef struct bk_pool_type {
    const char *name; /**< For logs and errors. Borrowed. */

    /** Opens one. Runs on a fiber of its own with connect_ms as deadline.
     *  @param resource  Receives it; not NULL. */
    bk_err (*open)(void *data, void **resource);

    /** Closes one. On the loop's stack or any fiber: it must not wait. */
    void (*close)(void *data, void *resource);

    /** Looks whether one that was idle for a while still works, without waiting, before it is lent.
     *  May be NULL. */
    bool (*works)(void *data, void *resource);
} bk_pool_type;

/** In what state a resource comes back. */
typedef enum bk_pool_state {
    BK_POOL_GOOD,  /**< As it was lent. */
    BK_POOL_BROKEN /**< To be closed. */
} bk_pool_state;

typedef struct bk_pool bk_pool; /**< A pool. */

/**
 * Declares a pool of @p app, before the app runs: it opens when a worker starts, closes when it
 * stops, and is freed with the app. Wrong options stop the program with words.
 *
 * @param type  Borrowed for as long as the app.
 * @param opts  Copied. May be NULL.
 * @param data  Handed to the functions of @p type.
 */
BK_API BK_NODISCARD bk_pool *bk_pool_new(bk_app *app, const bk_pool_type *type,
                                         const bk_pool_opts *opts, void *data);

/**
 * Borrows a resource; no other fiber has it until bk_pool_release(). A fiber that ends without
 * giving it back leaks it: the pool closes it then, and the log names the line that borrowed it.
 *
 * @param resource  Receives it. Untouched on error.
 * @return BK_OK; BK_EUNAVAILABLE when the line is full, or after acquire_ms; BK_ETIMEDOUT or
 *         BK_ECANCELED when the fiber ran out of time first.
 */
#define bk_pool_acquire(pool, resource) bk_pool_acquire_at(pool, resource, __FILE__, __LINE__)

/** What bk_pool_acquire() calls. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pool_acquire_at(bk_pool *pool, void **resource,
                                                        const char *file, int line);

/** Gives it back, on the fiber that borrowed it. */
BK_API void bk_pool_release(bk_pool *pool, void *resource, bk_pool_state state);

/** Fills @p stats. */
BK_API void bk_pool_get_stats(const bk_pool *pool, bk_pool_stats *stats);

BK_END_DECLS

#endif
