/**
 * @file backend/sync.h
 * @brief Mutex, condition, semaphore, channel and select for fibers of one app.
 *
 * None of them locks a thread: a fiber that waits is parked. Waiters are served in the order in
 * which they came. All waits end by result, deadline (BK_ETIMEDOUT) or cancel (BK_ECANCELED), and a
 * waiter that left early has taken nothing. Where there is nothing to wait for, a cancelled fiber
 * is served like any other.
 *
 * Between threads use bk_loop_post() (backend/loop.h).
 */
#ifndef BACKEND_SYNC_H
#define BACKEND_SYNC_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** One fiber at a time. Needed only where the guarded code itself waits. */
typedef struct bk_mutex bk_mutex;

BK_API BK_NODISCARD bk_mutex *bk_mutex_new(void); /**< Yours: bk_mutex_free(). */
BK_API void bk_mutex_free(bk_mutex *mutex);       /**< Nobody may hold it or wait. NULL is fine. */

/** Waits for @p mutex. Not recursive: locking twice is a bug and stops the program. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_mutex_lock(bk_mutex *mutex);

/** Takes it if it is free. */
BK_API BK_NODISCARD bool bk_mutex_try_lock(bk_mutex *mutex);

/** Hands it to the first waiter. Only by the fiber that holds it. */
BK_API void bk_mutex_unlock(bk_mutex *mutex);

/** Fibers that wait for something to become true. */
typedef struct bk_cond bk_cond;

BK_API BK_NODISCARD bk_cond *bk_cond_new(void);           /**< Yours: bk_cond_free(). */
BK_API void                  bk_cond_free(bk_cond *cond); /**< Nobody may wait. NULL is fine. */

/** Waits for a signal. Check what you wait for in a loop: another fiber may have come first. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_cond_wait(bk_cond *cond);

BK_API void bk_cond_signal(bk_cond *cond);    /**< Wakes the first waiter, if there is one. */
BK_API void bk_cond_broadcast(bk_cond *cond); /**< Wakes all. */

/** So many at a time. */
typedef struct bk_semaphore bk_semaphore;

BK_API BK_NODISCARD bk_semaphore *bk_semaphore_new(size_t permits); /**< Yours. */
BK_API void bk_semaphore_free(bk_semaphore *semaphore); /**< Nobody may wait. NULL is fine. */

/** Waits for a permit and takes it. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_semaphore_acquire(bk_semaphore *semaphore);

/** Takes a permit if there is one. */
BK_API BK_NODISCARD bool bk_semaphore_try_acquire(bk_semaphore *semaphore);

/** Gives one back, or adds one. */
BK_API void bk_semaphore_release(bk_semaphore *semaphore);

/** Permits free now. */
BK_API size_t bk_semaphore_available(const bk_semaphore *semaphore);

/** A bounded queue of items of one size between fibers. */
typedef struct bk_channel bk_channel;

/**
 * A new channel.
 *
 * @param item_bytes  Size of an item, not 0; items are copied in and out.
 * @param capacity    Items held before a sender waits; 0: each send waits for its receiver.
 * @return Yours: bk_channel_free().
 */
BK_API BK_NODISCARD bk_channel *bk_channel_new(size_t item_bytes, size_t capacity);

/** Frees it with what it holds. Nobody may wait. NULL is fine. */
BK_API void bk_channel_free(bk_channel *channel);

/** Copies `*item` in, waiting while it is full. BK_ECLOSED when it is closed. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_channel_send(bk_channel *channel, const void *item);

/** Copies the oldest item out, waiting while there is none. BK_ECLOSED when it is closed and
 *  empty: what was sent before the close is still received. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_channel_recv(bk_channel *channel, void *item);

/** Sends without waiting: BK_EAGAIN when it is full, BK_ECLOSED when it is closed. */
BK_API BK_NODISCARD bk_err bk_channel_try_send(bk_channel *channel, const void *item);

/** Receives without waiting: BK_EAGAIN when it is empty, BK_ECLOSED when it is closed as well. */
BK_API BK_NODISCARD bk_err bk_channel_try_recv(bk_channel *channel, void *item);

/** Closes it: every waiting sender and receiver wakes with BK_ECLOSED. Twice is as once. */
BK_API void bk_channel_close(bk_channel *channel);

/** Items held now. */
BK_API size_t bk_channel_len(const bk_channel *channel);

/** Something that may have an item to take: a channel, a subscription, a WebSocket. */
typedef struct bk_source bk_source;

/** @p channel as a source. Ready: an item can be received, or the channel is closed. A channel of
 *  capacity 0 is ready while a sender waits. Borrowed from it; nobody may select on it when it is
 *  freed. */
BK_API BK_NODISCARD bk_source *bk_channel_source(bk_channel *channel);

/**
 * Waits until one of several sources is ready. Takes nothing: receive from it without waiting, and
 * where another fiber was faster (BK_EAGAIN), select again.
 *
 * @code
 * bk_source *sources[] = {bk_channel_source(orders), bk_channel_source(news)};
 * size_t which;
 * BK_TRY(bk_select(sources, 2, &which));
 * @endcode
 *
 * @param sources  Borrowed for the call. One that stays ready stays the answer, so put what must
 * not starve first.
 * @param count    1 to 16.
 * @param index    Receives the place of the first in the list that is ready; untouched on error.
 * @return BK_OK; BK_ETIMEDOUT; BK_ECANCELED.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_select(bk_source *const *sources, size_t count,
                                               size_t *index);

BK_END_DECLS

#endif
