/**
 * @file backend/fiber.h
 * @brief Fibers: code that waits without holding the thread.
 *
 * Every request, job and background task is a fiber: it has a small stack of its own (64 KiB,
 * touched lazily, guarded at its end) and reads top to bottom. When it waits, others run. Fibers
 * of one app share one thread and never run at the same time, so between two waits nothing needs
 * a lock.
 *
 * **Cancelling.** bk_fiber_cancel() asks: the fiber's present wait, and each later one, returns
 * BK_ECANCELED. It unwinds by its own code, and its arena runs what was deferred.
 *
 * **Deadlines** ride on the fiber: a wait that outlasts the deadline returns BK_ETIMEDOUT. A
 * request starts with its route's timeout; bk_deadline_push() narrows it for a while.
 *
 * **Structure.** A fiber's children live in a bk_group, which cannot outlive the fiber that
 * opened it. Nothing is fired and forgotten but bk_spawn(), whose fibers the app ends when it
 * stops.
 */
#ifndef BACKEND_FIBER_H
#define BACKEND_FIBER_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** What a fiber runs. Its result goes to its group. */
typedef bk_err (*bk_fiber_fn)(void *data);

/** Called from bk_offload() on another thread. */
typedef void (*bk_offload_fn)(void *data);

/** The fiber that calls; NULL outside any (in loop callbacks). Borrowed while it runs. */
BK_API bk_fiber *bk_fiber_self(void);

/** The arena of the calling fiber. Only inside one. */
BK_API bk_arena *bk_fiber_arena(void);

/** Names the calling fiber for logs, crash reports and the debugger.
 *  @param name  Borrowed as long as the fiber lives; a literal is best. */
BK_API void bk_fiber_name(const char *name);

/**
 * Starts a background fiber of the running app. It begins at the next turn of the loop; when the
 * app stops it is cancelled and waited for.
 *
 * @param name  Borrowed; a literal is best.
 * @param fn    Runs on the new fiber. An error it returns is logged.
 * @param data  Handed to @p fn; may be NULL. Borrowed until it ends.
 * @return BK_OK; BK_EUNAVAILABLE when the app has as many fibers as it may (bk_app_opts).
 */
BK_API BK_NODISCARD bk_err bk_spawn(const char *name, bk_fiber_fn fn, void *data);

/** Asks @p fiber to end: its waits return BK_ECANCELED from now on. Twice is as once. */
BK_API void bk_fiber_cancel(bk_fiber *fiber);

/** BK_ECANCELED once the calling fiber was cancelled, BK_ETIMEDOUT once its deadline has passed,
 *  else BK_OK. For loops that compute for long without waiting. */
BK_API bk_err bk_fiber_interrupted(void);

/**
 * Waits until bk_fiber_wake(). The building block for bridging foreign callbacks; prefer what
 * sync.h has.
 *
 * A wake may be a stale one, meant for a wait that ended otherwise: look at what you wait for, and
 * park again.
 *
 * @return BK_OK when woken (also when the wake came before); BK_ETIMEDOUT; BK_ECANCELED.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_fiber_park(void);

/** Ends a bk_fiber_park() of @p fiber, now or, if it is not parked, the next one. Many wakes count
 *  as one. */
BK_API void bk_fiber_wake(bk_fiber *fiber);

/** Lets other fibers run and comes back. BK_ECANCELED and BK_ETIMEDOUT like any wait. */
BK_API BK_YIELDS bk_err bk_yield(void);

/** Waits @p ms milliseconds. BK_OK after them; BK_ECANCELED; BK_ETIMEDOUT when the fiber's deadline
 *  comes first. */
BK_API BK_YIELDS bk_err bk_sleep_ms(uint64_t ms);

/** A deadline that bk_deadline_push() covered up; give it back to bk_deadline_pop(). */
typedef struct bk_deadline {
    uint64_t at_ms; /**< Not yours to change. */
} bk_deadline;

/**
 * Narrows the calling fiber's deadline to @p ms from now, where that is earlier.
 *
 * @code
 * bk_deadline before = bk_deadline_push(200);
 * bk_err err = ask_the_slow_one(...);
 * bk_deadline_pop(before);
 * @endcode
 */
BK_API BK_NODISCARD bk_deadline bk_deadline_push(uint64_t ms);

/** Restores what bk_deadline_push() returned. */
BK_API void bk_deadline_pop(bk_deadline before);

/** Milliseconds until the calling fiber's deadline: 0 when it has passed, UINT64_MAX when there is
 *  none. */
BK_API uint64_t bk_deadline_left_ms(void);

/** The header by which services tell each other how long the caller waits. */
#define BK_DEADLINE_HEADER "X-Request-Timeout-Ms"

/** What to send as BK_DEADLINE_HEADER to those whom this fiber calls: bk_deadline_left_ms() as
 * text. Absent when there is no deadline. Lives as long as @p arena. */
BK_API bk_str bk_deadline_header(bk_arena *arena);

/** Children of a fiber. */
typedef struct bk_group bk_group;

/**
 * Opens a group for the calling fiber. It ends with bk_group_wait(); if that is not called, the end
 * of the fiber cancels the children and waits for them.
 *
 * @return Request-owned: do not free.
 */
BK_API BK_NODISCARD bk_group *bk_group_open(void);

/**
 * Starts a child. It has the deadline of the fiber that opened the group.
 *
 * Where that cannot be done, the group fails as if the child had run and failed: bk_group_wait()
 * returns BK_EUNAVAILABLE when the app has as many fibers as it may. So a function that has started
 * a child has one way on, to bk_group_wait(), and what it lent to its children stays valid. In a
 * group that was cancelled or has failed, the child does not run.
 *
 * @param group  May be used by the opener and by children of the group.
 * @param name   Borrowed; a literal is best.
 * @param fn     Runs on the new fiber.
 * @param data   Borrowed until the group ends; may be NULL.
 */
BK_API void bk_group_spawn(bk_group *group, const char *name, bk_fiber_fn fn, void *data);

/**
 * Waits for all children. The first that fails cancels the others. When the waiting fiber is
 * cancelled or runs out of time, the children are cancelled, and still waited for.
 *
 * @param group  Only by the fiber that opened it. Afterwards it is empty and can be used again.
 * @return BK_OK when all did; else the error of the first that failed, with its chain.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_group_wait(bk_group *group);

/** Cancels all children. */
BK_API void bk_group_cancel(bk_group *group);

/**
 * Runs `fn(data)` on a thread of the app's pool while the calling fiber waits: for what would block
 * the loop (hashing a password, reading a file, resolving a name).
 *
 * Returns only when @p fn has ended or has not begun, so @p data may live on the caller's stack.
 * @p fn must not call any function of libbackend that is not marked `@threads Any`.
 *
 * @return BK_OK when @p fn ran, even past the deadline; BK_ECANCELED or BK_ETIMEDOUT when it had
 * not begun; BK_EUNAVAILABLE when the queue of the pool is full.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_offload(bk_offload_fn fn, void *data);

BK_END_DECLS

#endif
