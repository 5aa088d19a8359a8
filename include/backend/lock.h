/**
 * @file backend/lock.h
 * @brief A lock that all hosts share, with a fencing token.
 *
 * A lock in Redis is a lease: it ends by itself after ttl_ms, even while its holder still believes
 * to have it (it was stopped, or the clock of the server jumped, or Redis failed over to a replica
 * that had not heard of it). So what it protects must not rely on it alone: give the `token`, which
 * grows with each acquisition, to the store that you write to, and let that refuse a token lower
 * than one it has seen. For work that is only to be done once to save effort, the lock is enough.
 *
 * @code
 * bk_lock lock;
 * BK_TRY(bk_lock_acquire(redis, BK_LIT("report:42"), NULL, &lock));
 * bk_err err = write_report(lock.token);
 * bk_lock_release(&lock);
 * @endcode
 */
#ifndef BACKEND_LOCK_H
#define BACKEND_LOCK_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/redis.h>

BK_BEGIN_DECLS

/** How to lock. Zero means default. */
typedef struct bk_lock_opts {
    uint32_t ttl_ms;  /**< The lease. Default 30 s. */
    uint32_t wait_ms; /**< Longest to wait for another holder. Default 0: do not wait. */
} bk_lock_opts;

/** A lock that is held. */
typedef struct bk_lock {
    bk_redis *redis;     /**< Where it is. */
    int64_t   token;     /**< Greater than that of every holder before. */
    uint64_t  ends_ms;   /**< bk_now_ms() until which the lease lasts for certain. */
    char      owner[33]; /**< Tells this holder from others. */
    bk_str    name;      /**< Request-owned copy. */
} bk_lock;

/**
 * Takes the lock of that name.
 *
 * @param name  1 to 256 bytes.
 * @param opts  May be NULL.
 * @param out   Receives it.
 * @return BK_OK; BK_ECONFLICT when another holds it (still, after wait_ms); BK_EUNAVAILABLE when
 *         Redis cannot be asked.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_lock_acquire(bk_redis *redis, bk_str name,
                                                     const bk_lock_opts *opts, bk_lock *out);

/** Begins the lease anew. BK_ECONFLICT when it had ended: stop what you are doing.
 *  @param ttl_ms  0: the default. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_lock_extend(bk_lock *lock, uint32_t ttl_ms);

/** Gives it back; one whose lease has ended, or that is not held (zeroed), is left alone. Does not
 *  fail: what Redis does not hear ends with the lease. */
BK_API BK_YIELDS void bk_lock_release(bk_lock *lock);

BK_END_DECLS

#endif
