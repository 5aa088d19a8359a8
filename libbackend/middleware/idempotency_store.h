/*
 * idempotency_store.h: where it is kept what a key has come to.
 *
 * A record is bytes: whose letter says what the rest is.
 *
 *   "L"  fingerprint  owner              it is being done, by that owner
 *   "D"  fingerprint  status  answer     it is done; three digits, and stored_answer.h
 *   "X"  fingerprint                     it is done, and the answer cannot be repeated
 */
#ifndef BK_MIDDLEWARE_IDEMPOTENCY_STORE_H
#define BK_MIDDLEWARE_IDEMPOTENCY_STORE_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/redis.h>

enum {
    BK__IDEMPOTENCY_SUM = 32, /* bytes of a fingerprint */
    BK__IDEMPOTENCY_OWNER = 16,
    BK__IDEMPOTENCY_HEAD = 1 + BK__IDEMPOTENCY_SUM,
    BK__IDEMPOTENCY_LOCK = BK__IDEMPOTENCY_HEAD + BK__IDEMPOTENCY_OWNER
};

/* A key that somebody wants to use. */
struct bk__idempotency_claim {
    bk_str key;                      /* a digest, in the request's arena */
    char lock[BK__IDEMPOTENCY_LOCK]; /* the record while it is ours */
    bk_str found;                    /* another's record, in the request's arena; absent: none */
};

struct bk__idempotency_store {
    /* Takes the key, or fills `found`. */
    BK_YIELDS bk_err (*enter)(void *store, struct bk__idempotency_claim *claim);

    /* Prolongs the lease of one that was taken; NULL: there are no leases. */
    BK_YIELDS bk_err (*renew)(void *store, const struct bk__idempotency_claim *claim);

    /* Puts @p record in place of the lock. BK_ECONFLICT when the lock is gone. */
    BK_YIELDS bk_err (*land)(void *store, const struct bk__idempotency_claim *claim, bk_str record);

    /* Lets the key go. */
    BK_YIELDS bk_err (*leave)(void *store, const struct bk__idempotency_claim *claim);

    void (*free)(void *store);
};

/* In Redis. */
extern const struct bk__idempotency_store bk__idempotency_redis;
void *bk__idempotency_redis_new(bk_redis *redis, const char *name, uint32_t lease_ms,
                                uint64_t ttl_ms);

/* In this worker's memory, up to so many bytes. Locks do not end by themselves. */
extern const struct bk__idempotency_store bk__idempotency_memory;
void *bk__idempotency_memory_new(size_t bytes, uint64_t ttl_ms);

#endif
