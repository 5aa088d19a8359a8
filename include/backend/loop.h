/**
 * @file backend/loop.h
 * @brief Waiting for file descriptors, reaching a loop from other threads, living with an app.
 *
 * Each running app has one loop on one thread. Handlers rarely need this header: it is for bringing
 * another library's descriptors, threads or connections in.
 */
#ifndef BACKEND_LOOP_H
#define BACKEND_LOOP_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** A file descriptor registered with the loop. */
typedef struct bk_watch bk_watch;

/** What to wait for. */
enum {
    BK_READABLE = 1,
    BK_WRITABLE = 2
};

/**
 * Registers @p fd with the loop of the calling thread, once for all its waits (edge-triggered).
 *
 * @param fd  Non-blocking; borrowed, close it after bk_watch_free(). A regular file is refused.
 * @param out Receives the watch. Yours: bk_watch_free().
 * @return BK_OK; BK_EIO when the kernel refuses @p fd.
 */
BK_API BK_NODISCARD bk_err bk_watch_new(int fd, bk_watch **out);

/** Forgets the descriptor. No fiber may wait on it. NULL is fine. */
BK_API void bk_watch_free(bk_watch *watch);

/**
 * Waits until @p fd is ready for any of @p events, an error or a hang-up counting as both. Call it
 * only after an operation said EAGAIN: readiness is reported once per change.
 *
 * @param ready  Receives what is ready; may be NULL.
 * @return BK_OK, BK_ETIMEDOUT or BK_ECANCELED.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_watch_wait(bk_watch *watch, unsigned events,
                                                   unsigned *ready);

/** Something that an app has in each worker, such as a pool: what it does in the app's life. */
typedef struct bk_part_type {
    const char *name; /**< For logs. Borrowed. */

    /** Opens it, on a fiber, before on_worker_start; parts open in the order of their declaration.
     *  An error stops the app. May be NULL. */
    bk_err (*start)(void *data);

    /** The app takes no more requests and waits for those that run: ends what they could wait for
     *  without end. On no fiber, must not wait. May be NULL. */
    void (*drain)(void *data);

    /** Closes it, on a fiber, after on_worker_stop and when every other fiber has ended; in the
     *  reverse order. Only for those whose start succeeded. May be NULL. */
    void (*stop)(void *data);

    /** Frees it with the app, which does not run any more. May be NULL. */
    void (*free)(void *data);
} bk_part_type;

/** Adds a part to @p app, before the app runs.
 *  @param type  Borrowed for as long as the app.
 *  @param data  Handed to its functions. */
BK_API void bk_app_part(bk_app *app, const bk_part_type *type, void *data);

/** How many processes of this service divide among them what it may have of something, such as
 *  connections to a database: 1 when it is alone, else its workers and those that a reload adds. A
 *  worker's share of `most` is `most / sharers`, at least 1. To be asked when a part starts. */
BK_API uint32_t bk_app_sharers(const bk_app *app);

/** What a worker does; a set of these. */
enum {
    BK_ROLE_WEB = 1,  /**< It answers requests. */
    BK_ROLE_JOBS = 2, /**< It runs jobs. */
    BK_ROLE_OWN = 4   /**< It runs jobs of a role of their own, and nothing else: bk_app_role(). */
};

/** What this worker does: a set of BK_ROLE_. The first two, unless a supervisor has divided the
 *  work; none in bk_app_call(). */
BK_API unsigned bk_app_roles(const bk_app *app);

/** The role whose jobs this worker runs, as bk_worker_opts.role has it; NULL, unless it has
 *  BK_ROLE_OWN. Borrowed from the app. */
BK_API const char *bk_app_role(const bk_app *app);

/** Called on the loop's thread, on no fiber. */
typedef void (*bk_post_fn)(void *data);

/**
 * Runs `fn(data)` on the loop of @p app, soon. In order with other posts of the same thread.
 *
 * @return BK_OK; BK_ECLOSED when the app is not running.
 * @threads Any.
 */
BK_API BK_NODISCARD bk_err bk_loop_post(bk_app *app, bk_post_fn fn, void *data);

BK_END_DECLS

#endif
