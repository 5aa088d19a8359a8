/**
 * @file backend/loop.h
 * @brief Waiting for file descriptors, and reaching a loop from other threads.
 *
 * Each running app has one loop on one thread. Handlers rarely need this header: it is for bringing
 * another library's descriptors or threads in.
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
