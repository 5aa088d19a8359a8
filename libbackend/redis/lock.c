/*
 * lock.c: a lock that all hosts share. See <backend/lock.h>.
 *
 * Two keys of one slot: "{lock:NAME}" has the owner and expires with the lease;
 * "{lock:NAME}:token" has the last token, and outlives it by a day. A token is the server's time in
 * microseconds, or one more than the last where that is greater: so tokens grow while the last is
 * known, whatever the clock does, and while the clock is right, even when Redis has lost its data.
 *
 * What must hold: only a script that has seen its owner in the key changes or removes it. A holder
 * counts its lease from before it asked, so that it never believes in it for longer than Redis.
 */
#include <backend/lock.h>

#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/encode.h"
#include "core/random.h"
#include "core/task.h"
#include "fiber/fiber.h"

#define TTL_MS        30000
#define NAME_BYTES    256
#define PAUSE_LEAST   10 /* between two attempts, doubled each time */
#define PAUSE_MOST    200
#define OWNER_ENTROPY 16

/* Exact in Lua, whose numbers are doubles: microseconds stay below 2^53 until the year 2255. */
static const char take_script[] =
    "if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return nil end\n"
    "local now = redis.call('TIME')\n"
    "local last = tonumber(redis.call('GET', KEYS[2]) or '0')\n"
    "local token = math.max(last + 1, now[1] * 1000000 + now[2])\n"
    "redis.call('SET', KEYS[2], string.format('%.0f', token), 'PX', ARGV[2] + 86400000)\n"
    "return token";

static const char extend_script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
                                    "redis.call('PEXPIRE', KEYS[2], ARGV[2] + 86400000)\n"
                                    "return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

static const char release_script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
                                     "return redis.call('DEL', KEYS[1])";

BK_YIELDS static bk_err run_script(const bk_lock *lock, const char *script, uint32_t ttl_ms,
                                   bk_reply *reply)
{
    char text[2][NAME_BYTES + sizeof "{lock:}:token"];
    bk_str keys[2];

    for (size_t i = 0; i < 2; i++) {
        char *at = mempcpy(text[i], "{lock:", 6);
        at = mempcpy(at, lock->name.ptr, lock->name.len);
        at = stpcpy(at, i == 0 ? "}" : "}:token");
        keys[i] = bk_str_at(text[i], (size_t)(at - text[i]));
    }
    return bk_redis_eval(lock->redis, script, BK_ARGS(bk_array_of(BK_TYPE_STR, keys, 2)),
                         BK_ARGS(bk_text(bk_str_of(lock->owner)), bk_i64(ttl_ms)), reply);
}

static uint32_t ttl_or_default(uint32_t ttl_ms)
{
    return ttl_ms != 0 ? ttl_ms : TTL_MS;
}

/* --- taking it -------------------------------------------------------------------------------- */

/* BK_ECONFLICT, without words, when another holds it. */
BK_YIELDS static bk_err take(bk_lock *lock, uint32_t ttl_ms)
{
    uint64_t before_ms = bk_now_ms();
    bk_reply reply;
    bk_err err = run_script(lock, take_script, ttl_ms, &reply);

    if (err != BK_OK) {
        bk_lock maybe = *lock; /* it may be ours, only the answer did not come */
        bk_lock_release(&maybe);
        return err;
    }
    if (reply.type != BK_REPLY_I64)
        return BK_ECONFLICT;
    lock->token = reply.i64;
    lock->ends_ms = before_ms + ttl_ms;
    return BK_OK;
}

/* The pauses of those who wait for one lock differ, so that they do not ask in step. */
static uint64_t next_pause(uint32_t *pause_ms)
{
    uint32_t random, most = *pause_ms;

    bk__random(&random, sizeof random);
    *pause_ms = 2 * most < PAUSE_MOST ? 2 * most : PAUSE_MOST;
    return most / 2 + random % (most / 2 + 1);
}

BK_YIELDS static bk_err take_within(bk_lock *lock, uint32_t ttl_ms, uint32_t wait_ms)
{
    uint64_t until_ms = bk_now_ms() + wait_ms;
    uint32_t pause_ms = PAUSE_LEAST;
    bk_err err;

    while ((err = take(lock, ttl_ms)) == BK_ECONFLICT) {
        uint64_t now_ms = bk_now_ms(), ms = next_pause(&pause_ms);
        if (now_ms >= until_ms)
            return bk_fail(BK_ECONFLICT, "The lock is held by another.");
        BK_TRY(bk_sleep_ms(ms < until_ms - now_ms ? ms : until_ms - now_ms));
    }
    return err;
}

bk_err bk_lock_acquire(bk_redis *redis, bk_str name, const bk_lock_opts *opts, bk_lock *out)
{
    bk_lock_opts all = opts != NULL ? *opts : (bk_lock_opts){0};
    unsigned char entropy[OWNER_ENTROPY];
    bk_lock lock = {.redis = redis};

    bk_assert(redis != NULL);
    if (name.len == 0 || name.len > NAME_BYTES)
        return bk_fail(BK_EINVAL, "a lock's name has 1 to %d bytes, not %zu", NAME_BYTES, name.len);
    lock.name = bk_arena_dup(bk_fiber_arena(), name);
    bk__random(entropy, sizeof entropy);
    bk__hex(entropy, sizeof entropy, lock.owner);
    BK_TRY(take_within(&lock, ttl_or_default(all.ttl_ms), all.wait_ms));
    *out = lock;
    return BK_OK;
}

/* --- keeping it and giving it back ------------------------------------------------------------ */

bk_err bk_lock_extend(bk_lock *lock, uint32_t ttl_ms)
{
    uint64_t before_ms = bk_now_ms();
    bk_reply reply;

    ttl_ms = ttl_or_default(ttl_ms);
    if (lock->redis == NULL)
        return bk_fail(BK_ECONFLICT, "The lock is not held.");
    BK_TRY(run_script(lock, extend_script, ttl_ms, &reply));
    if (reply.type != BK_REPLY_I64 || reply.i64 != 1)
        return bk_fail(BK_ECONFLICT, "The lock was lost: its lease had ended.");
    lock->ends_ms = before_ms + ttl_ms;
    return BK_OK;
}

/* Goes through though the fiber is cancelled or out of time, as others wait for the lock; and keeps
 * the fiber's errors, as it often comes after one. */
void bk_lock_release(bk_lock *lock)
{
    struct bk__task *self = bk__task_self(), kept = {0};

    if (lock->redis == NULL)
        return;
    bk__arena_init(&kept.arena, NULL, 0);
    bk__task_adopt(&kept, self);
    bk__shield_up();
    (void)run_script(lock, release_script, 0, NULL);
    bk__shield_down();
    bk__task_adopt(self, &kept);
    bk__arena_fini(&kept.arena);
    *lock = (bk_lock){0};
}
