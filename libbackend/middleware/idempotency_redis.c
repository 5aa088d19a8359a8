/*
 * idempotency_redis.c: records in Redis. See idempotency_store.h.
 *
 * Only who holds the lock may change or remove a record: each script compares first. A lock whose
 * owner was too late has ended, and another's may stand there.
 */
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/args.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"
#include "middleware/idempotency_store.h"

struct store {
    bk_redis *redis;
    const char *name;
    uint32_t lease_ms;
    uint64_t ttl_ms;
};

static const char enter_script[] = "local found = redis.call('GET', KEYS[1])\n"
                                   "if found then return found end\n"
                                   "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
                                   "return false\n";

static const char renew_script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
                                   "return redis.call('PEXPIRE', KEYS[1], ARGV[2])\n";

static const char land_script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
                                  "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
                                  "return 1\n";

static const char leave_script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
                                   "return redis.call('DEL', KEYS[1])\n";

static bk_str whole_key(const struct store *self, const struct bk__idempotency_claim *claim)
{
    return bk_arena_printf(bk_fiber_arena(), "idempotency:%s:%.*s", self->name, BK_PRI(claim->key));
}

static bk_str lock_of(const struct bk__idempotency_claim *claim)
{
    return bk_str_at(claim->lock, sizeof claim->lock);
}

static bk_err enter(void *store, struct bk__idempotency_claim *claim)
{
    const struct store *self = store;
    bk_reply reply = {.type = BK_REPLY_NIL};

    BK_TRY(bk_redis_eval(self->redis, enter_script, BK_ARGS(bk_text(whole_key(self, claim))),
                         BK_ARGS(bk_bytes(lock_of(claim)), bk_i64(self->lease_ms)), &reply));
    if (reply.type == BK_REPLY_STR)
        claim->found = reply.str;
    return BK_OK;
}

static bk_err expect_ours(const bk_reply *reply)
{
    if (reply->type == BK_REPLY_I64 && reply->i64 == 1)
        return BK_OK;
    return bk_fail(BK_ECONFLICT, "the lease of the idempotency key had ended");
}

static bk_err renew(void *store, const struct bk__idempotency_claim *claim)
{
    const struct store *self = store;
    bk_reply reply;

    BK_TRY(bk_redis_eval(self->redis, renew_script, BK_ARGS(bk_text(whole_key(self, claim))),
                         BK_ARGS(bk_bytes(lock_of(claim)), bk_i64(self->lease_ms)), &reply));
    return expect_ours(&reply);
}

static bk_err land(void *store, const struct bk__idempotency_claim *claim, bk_str record)
{
    const struct store *self = store;
    bk_reply reply;

    BK_TRY(bk_redis_eval(
        self->redis, land_script, BK_ARGS(bk_text(whole_key(self, claim))),
        BK_ARGS(bk_bytes(lock_of(claim)), bk_bytes(record), bk_i64((int64_t)self->ttl_ms)),
        &reply));
    return expect_ours(&reply);
}

static bk_err leave(void *store, const struct bk__idempotency_claim *claim)
{
    const struct store *self = store;

    return bk_redis_eval(self->redis, leave_script, BK_ARGS(bk_text(whole_key(self, claim))),
                         BK_ARGS(bk_bytes(lock_of(claim))), NULL);
}

const struct bk__idempotency_store bk__idempotency_redis = {enter, renew, land, leave, free};

void *bk__idempotency_redis_new(bk_redis *redis, const char *name, uint32_t lease_ms,
                                uint64_t ttl_ms)
{
    struct store *self = malloc(sizeof *self);

    bk_assert(self != NULL);
    *self = (struct store){redis, name, lease_ms, ttl_ms};
    return self;
}
