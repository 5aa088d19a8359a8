/*
 * store.c: limits in Redis. See store.h.
 *
 * One script a take, which does the sums of algorithm.c: change both. A key expires when its state
 * is as good as none.
 *
 *   fixed     string: taken; its expiry is the end of the window
 *   sliding   hash: i the number of the window, n taken in it, l taken in the one before
 *   GCRA      string: the time in us up to which it is paid
 */
#include "limit/store.h"

#include <backend/str.h>

/* KEYS: the key. ARGV: limit, window in ms, cost. */
static const char fixed_script[] =
    "local limit, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) "
    "local count, left = tonumber(redis.call('GET', KEYS[1]) or 0), redis.call('PTTL', KEYS[1]) "
    "if left <= 0 then count, left = 0, window end "
    "local ok = count + math.max(cost, 1) <= limit "
    "if ok and cost > 0 then "
    "  count = count + cost "
    "  redis.call('SET', KEYS[1], count, 'PX', left) "
    "end "
    "return {ok and 1 or 0, math.max(limit - count, 0), count > 0 and left or 0, ok and 0 or left}";

static const char sliding_script[] =
    "local limit, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) "
    "local t = redis.call('TIME') "
    "local now = t[1] * 1000 + math.floor(t[2] / 1000) "
    "local index, left = math.floor(now / window), window - now % window "
    "local s = redis.call('HMGET', KEYS[1], 'i', 'n', 'l') "
    "local count, last = 0, 0 "
    "if s[1] then "
    "  local age = index - tonumber(s[1]) "
    "  if age < 0 then index, left, age = tonumber(s[1]), window, 0 end "
    "  if age == 0 then count, last = tonumber(s[2]), tonumber(s[3]) "
    "  elseif age == 1 then last = tonumber(s[2]) end "
    "end "
    "local need = math.max(cost, 1) "
    "local function used() return count + math.ceil(last * left / window) end "
    "local ok, retry = used() + need <= limit, 0 "
    "if not ok then "
    "  if count + need <= limit then retry = left - math.floor((limit - count - need) * window / last) "
    "  else retry = left + window - math.floor((limit - need) * window / count) end "
    "elseif cost > 0 then "
    "  count = count + cost "
    "  redis.call('HSET', KEYS[1], 'i', string.format('%d', index), 'n', count, 'l', last) "
    "  redis.call('PEXPIRE', KEYS[1], left + window) "
    "end "
    "local reset = count > 0 and left + window or last > 0 and left or 0 "
    "return {ok and 1 or 0, math.max(limit - used(), 0), reset, retry}";

/* ARGV: interval in us, room in us, cost. */
static const char gcra_script[] =
    "local interval, room, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) "
    "local t = redis.call('TIME') "
    "local now = t[1] * 1000000 + t[2] "
    "local ahead = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0) "
    "local after = ahead + math.max(cost, 1) * interval "
    "local ok = after <= room "
    "if ok and cost > 0 then "
    "  ahead = ahead + cost * interval "
    "  redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000)) "
    "end "
    "return {ok and 1 or 0, math.max(math.floor((room - ahead) / interval), 0), "
    "math.ceil(ahead / 1000), ok and 0 or math.ceil((after - room) / 1000)}";

static bk_err ask(bk_redis *redis, const struct bk__limit_rule *rule, bk_str key, uint32_t cost,
                  bk_reply *reply)
{
    bk_args keys = BK_ARGS(bk_text(key));

    if (rule->algorithm == BK_LIMIT_GCRA)
        return bk_redis_eval(redis, gcra_script, keys,
                             BK_ARGS(bk_i64((int64_t)rule->interval_us),
                                     bk_i64((int64_t)rule->room_us), bk_i64(cost)),
                             reply);
    return bk_redis_eval(redis, rule->algorithm == BK_LIMIT_SLIDING ? sliding_script : fixed_script,
                         keys, BK_ARGS(bk_i64(rule->limit), bk_i64(rule->window_ms), bk_i64(cost)),
                         reply);
}

bk_err bk__limit_store_take(bk_redis *redis, const struct bk__limit_rule *rule, bk_str key,
                            uint32_t cost, bk_limit_result *out)
{
    bk_reply reply;

    BK_TRY(ask(redis, rule, key, cost, &reply));
    if (reply.type != BK_REPLY_ARRAY || reply.count != 4)
        return bk_fail(BK_EUNAVAILABLE, "Redis: the script of a limit gave something else");
    *out = (bk_limit_result){
        .allowed = reply.items[0].i64 == 1,
        .limit = rule->most,
        .remaining = (uint32_t)reply.items[1].i64,
        .reset_ms = (uint64_t)reply.items[2].i64,
        .retry_after_ms = (uint64_t)reply.items[3].i64,
    };
    return BK_OK;
}

bk_err bk__limit_store_forget(bk_redis *redis, bk_str key)
{
    return bk_redis_run(redis, "DEL $1", BK_ARGS(bk_text(key)), NULL);
}
