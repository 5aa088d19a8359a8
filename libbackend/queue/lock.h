/*
 * lock.h: the locks of jobs that are being run, renewed by a thread of its own.
 *
 * The thread has a loop and a connection of its own, so a handler that computes for seconds, or a
 * loop that is busy, holds no renewal up. What is shared is a list of locks, guarded by a mutex;
 * the thread copies what it sends while it holds that.
 */
#ifndef BK_QUEUE_LOCK_H
#define BK_QUEUE_LOCK_H

#include <backend/redis.h>

#include "core/list.h"

struct bk__locks;

/* One lock, in its job. The texts are borrowed until it is dropped. */
struct bk__lock {
    struct bk__link link; /* the thread's, as is all below while it is held */
    bk_str base, id, token;
    uint32_t lock_ms;
    uint64_t due_ms; /* when it is to be renewed */
};

/* Told on the app's loop: the lock of that token is another's, or nobody's. */
typedef void (*bk__lock_lost_fn)(bk_str base, bk_str id, bk_str token, void *data);

/* Starts the thread. @p redis: whose server it is. */
struct bk__locks *bk__locks_new(bk_app *app, bk_redis *redis, bk__lock_lost_fn lost, void *data);

/* Ends it and waits for its end. NULL is fine. */
void bk__locks_free(struct bk__locks *locks);

/* Renews it from now on. */
void bk__lock_hold(struct bk__locks *locks, struct bk__lock *lock);

/* Does so no longer. Harmless when it is not held. */
void bk__lock_drop(struct bk__locks *locks, struct bk__lock *lock);

#endif
