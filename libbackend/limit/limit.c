/*
 * limit.c: who decides, Redis or this host, and what is said of it. See <backend/limit.h>.
 *
 * What Redis has allowed is put down in the host's table too, so that with Redis lost nobody begins
 * with a full limit.
 */
#include "limit/limit.h"

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "limit/store.h"
#include "limit/table.h"

enum {
    KEY_MAX = 512,
    SLOTS_MAX = 1 << 24,
    REST = 10 /* so a Redis that hangs costs at most a tenth of the time */
};

struct bk_limiter {
    bk_limiter_opts opts; /* defaults filled in */
    struct bk__limit_table table;
    uint64_t redis_rests_until; /* bk_now_ms(); not asked before */
    bool degraded;              /* the last answer was; for the log */
    bk_limiter_stats stats;
};

/* --- its life --------------------------------------------------------------------------------- */

static void free_limiter(void *data)
{
    bk_limiter *limiter = data;

    bk__limit_table_fini(&limiter->table);
    free(limiter);
}

static const bk_part_type part = {.name = "limiter", .free = free_limiter};

static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

bk_limiter *bk_limiter_new(bk_app *app, const bk_limiter_opts *opts)
{
    bk_limiter_opts all = opts != NULL ? *opts : (bk_limiter_opts){0};
    struct bk__limit_rule rule;

    if (all.name == NULL)
        all.name = "default";
    fill(&all.limit, 100);
    fill(&all.window_ms, 60000);
    fill(&all.burst, all.limit);
    fill(&all.redis_ms, 50);
    fill(&all.slots, 65536);
    const char *wrong =
        bk__limit_rule_init(&rule, all.algorithm, all.limit, all.window_ms, all.burst);
    if (wrong == NULL && all.slots > SLOTS_MAX)
        wrong = "slots are at most 16,777,216";
    if (wrong != NULL)
        bk__setup_error(__FILE__, __LINE__, "limiter %s: %s", all.name, wrong);

    bk_limiter *limiter = calloc(1, sizeof *limiter);
    bk_assert(limiter != NULL);
    limiter->opts = all;
    bk__limit_table_init(&limiter->table, &rule, all.slots);
    bk_app_part(app, &part, limiter);
    return limiter;
}

void bk_limiter_get_stats(const bk_limiter *limiter, bk_limiter_stats *stats)
{
    *stats = limiter->stats;
    stats->evicted = limiter->table.evicted;
}

const bk_limiter_opts *bk__limiter_opts(const bk_limiter *limiter)
{
    return &limiter->opts;
}

uint32_t bk__limiter_most(const bk_limiter *limiter)
{
    return limiter->table.rule.most;
}

static bk_err check_key(bk_str key)
{
    if (key.len == 0 || key.len > KEY_MAX)
        return bk_fail(BK_EINVAL, "the key of a limit has 1 to %d bytes, not %zu", KEY_MAX,
                       key.len);
    return BK_OK;
}

/* --- asking Redis ----------------------------------------------------------------------------- */

static bk_str redis_key(const bk_limiter *limiter, bk_str key)
{
    bk_str front = bk_arena_printf(bk_fiber_arena(), "limit:%s:", limiter->opts.name);
    char *whole = bk_arena_alloc(bk_fiber_arena(), front.len + key.len);

    memcpy(whole, front.ptr, front.len);
    memcpy(whole + front.len, key.ptr, key.len);
    return bk_str_at(whole, front.len + key.len);
}

static bool is_resting(const bk_limiter *limiter)
{
    return bk_now_ms() < limiter->redis_rests_until;
}

/* An outage is met by request after request: it is counted, and a log line tells when it begins and
 * ends. A fiber whose own time was up says nothing of Redis. */
static void note_failure(bk_limiter *limiter, bk_err err)
{
    if (bk_fiber_interrupted() != BK_OK)
        return;
    limiter->stats.store_errors++;
    if (err == BK_ETIMEDOUT)
        limiter->redis_rests_until = bk_now_ms() + (uint64_t)limiter->opts.redis_ms * REST;
    if (!limiter->degraded)
        bk_warn("limiter.degraded", bk_kv_cstr("name", limiter->opts.name),
                bk_kv_cstr("error", bk_err_text(err)));
    limiter->degraded = true;
}

static void note_success(bk_limiter *limiter)
{
    if (limiter->degraded)
        bk_info("limiter.recovered", bk_kv_cstr("name", limiter->opts.name));
    limiter->degraded = false;
}

static bk_err ask_redis(bk_limiter *limiter, bk_str key, uint32_t cost, bk_limit_result *out)
{
    bk_limit_result unused;

    if (is_resting(limiter))
        return BK_EUNAVAILABLE;
    bk_deadline before = bk_deadline_push(limiter->opts.redis_ms);
    bk_err err = bk__limit_store_take(limiter->opts.redis, &limiter->table.rule,
                                      redis_key(limiter, key), cost, out);
    bk_deadline_pop(before);
    if (err != BK_OK) {
        note_failure(limiter, err);
        return err;
    }
    note_success(limiter);
    if (out->allowed && cost != 0)
        bk__limit_table_take(&limiter->table, key, bk_now_ms(), cost, &unused);
    return BK_OK;
}

/* --- deciding --------------------------------------------------------------------------------- */

static bk_err decide_without_redis(bk_limiter *limiter, bk_str key, uint32_t cost,
                                   bk_limit_result *out)
{
    uint32_t most = limiter->table.rule.most;

    switch (limiter->opts.on_store_error) {
    case BK_LIMIT_REFUSE:
        return bk_fail(BK_EUNAVAILABLE, "limiter %s: Redis does not answer", limiter->opts.name);
    case BK_LIMIT_ALLOW:
        *out = (bk_limit_result){.allowed = true, .limit = most, .remaining = most};
        break;
    default:
        bk__limit_table_take(&limiter->table, key, bk_now_ms(), cost, out);
        break;
    }
    out->degraded = true;
    limiter->stats.degraded++;
    return BK_OK;
}

static bk_err decide(bk_limiter *limiter, bk_str key, uint32_t cost, bk_limit_result *out)
{
    if (limiter->opts.redis == NULL) {
        bk__limit_table_take(&limiter->table, key, bk_now_ms(), cost, out);
        return BK_OK;
    }
    if (ask_redis(limiter, key, cost, out) == BK_OK)
        return BK_OK;
    bk_error_clear();
    return decide_without_redis(limiter, key, cost, out);
}

bk_err bk_limiter_take(bk_limiter *limiter, bk_str key, uint32_t cost, bk_limit_result *out)
{
    uint32_t most = limiter->table.rule.most;

    *out = (bk_limit_result){0};
    BK_TRY(check_key(key));
    if (cost > most)
        return bk_fail(BK_EINVAL, "limiter %s: %u at once is more than the limit, %u",
                       limiter->opts.name, cost, most);
    BK_TRY(decide(limiter, key, cost, out));
    if (out->allowed)
        limiter->stats.allowed++;
    else
        limiter->stats.denied++;
    return BK_OK;
}

bk_err bk_limiter_forget(bk_limiter *limiter, bk_str key)
{
    BK_TRY(check_key(key));
    bk__limit_table_forget(&limiter->table, key);
    if (limiter->opts.redis == NULL)
        return BK_OK;
    bk_deadline before = bk_deadline_push(limiter->opts.redis_ms);
    bk_err err = bk__limit_store_forget(limiter->opts.redis, redis_key(limiter, key));
    bk_deadline_pop(before);
    if (err == BK_OK)
        return BK_OK;
    return bk_fail(BK_EUNAVAILABLE, "limiter %s: Redis has not forgotten the key",
                   limiter->opts.name);
}
