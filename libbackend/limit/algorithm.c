/*
 * algorithm.c: fixed window, sliding window and GCRA over one word. See algorithm.h.
 *
 *   fixed     end of the window in ms (44 bits), taken in it (20)
 *   sliding   number of the window since the clock's zero, modulo 2^24, taken in it (20), taken in
 *             the one before (20)
 *   GCRA      the "theoretical arrival time" in us: the key is paid up to there
 *
 * The scripts in store.c do the same sums: change both.
 */
#include "limit/algorithm.h"

#include "core/assert.h"

enum {
    COUNT_BITS = 20,
    COUNT_MASK = (1 << COUNT_BITS) - 1,
    INDEX_BITS = 24
};

#define WINDOW_MAX_MS (31ull * 24 * 3600 * 1000)

/* A Lua number holds integers up to 2^53: times of some 10^15 us with this added stay below. */
#define ROOM_MAX_US (1ull << 52)

const char *bk__limit_rule_init(struct bk__limit_rule *rule, bk_limit_algorithm algorithm,
                                uint32_t limit, uint32_t window_ms, uint32_t burst)
{
    uint64_t window_us = window_ms * 1000ull;

    if (limit > BK__LIMIT_MAX || burst > BK__LIMIT_MAX)
        return "limit and burst are at most 1,000,000";
    if (window_ms > WINDOW_MAX_MS)
        return "the window is at most 31 days";
    *rule = (struct bk__limit_rule){
        .algorithm = algorithm, .limit = limit, .window_ms = window_ms, .most = limit};
    if (algorithm != BK_LIMIT_GCRA)
        return NULL;
    rule->interval_us = (window_us + limit - 1) / limit;
    rule->room_us = rule->interval_us * burst;
    rule->most = burst;
    if (limit > window_us / 10)
        return "GCRA goes up to 100,000 in a second";
    if (rule->room_us > ROOM_MAX_US)
        return "the burst takes more than a hundred years to refill";
    return NULL;
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static uint32_t at_least_1(uint32_t cost)
{
    return cost != 0 ? cost : 1;
}

/* --- fixed window ----------------------------------------------------------------------------- */

static uint64_t step_fixed(const struct bk__limit_rule *rule, uint64_t state, uint64_t now_ms,
                           uint32_t cost, bk_limit_result *out)
{
    uint64_t end = state >> COUNT_BITS;
    uint32_t count = state & COUNT_MASK;

    if (end <= now_ms) {
        end = now_ms + rule->window_ms;
        count = 0;
    }
    out->allowed = count + at_least_1(cost) <= rule->limit;
    if (out->allowed)
        count += cost;
    out->remaining = rule->limit - count;
    out->reset_ms = count != 0 ? end - now_ms : 0;
    out->retry_after_ms = out->allowed ? 0 : end - now_ms;
    return out->allowed && cost != 0 ? end << COUNT_BITS | count : state;
}

/* --- sliding window --------------------------------------------------------------------------- */

/* What a state says at a time. */
struct sliding {
    uint64_t index;     /* of the present window */
    uint64_t left_ms;   /* of it */
    uint32_t now, last; /* taken in it, and in the one before */
};

/* How many windows ago the state's was: below 0 where its clock was ahead of this one. Beyond some
 * millions of windows it is a guess. */
static int32_t age(uint64_t state, uint64_t index)
{
    uint32_t shift = 32 - INDEX_BITS;

    return (int32_t)((uint32_t)(index - (state >> 2 * COUNT_BITS)) << shift) >> shift;
}

static struct sliding read_sliding(const struct bk__limit_rule *rule, uint64_t state,
                                   uint64_t now_ms)
{
    struct sliding it = {.index = now_ms / rule->window_ms,
                         .left_ms = rule->window_ms - now_ms % rule->window_ms};
    uint32_t now = state >> COUNT_BITS & COUNT_MASK, last = state & COUNT_MASK;

    switch (state != 0 ? age(state, it.index) : 2) {
    case -1:
        it.index++;
        it.left_ms = rule->window_ms;
        /* fall through */
    case 0:
        it.now = now;
        it.last = last;
        break;
    case 1:
        it.last = now;
        break;
    default:
        break;
    }
    return it;
}

static uint64_t pack_sliding(const struct sliding *it)
{
    return it->index << 2 * COUNT_BITS | (uint64_t)it->now << COUNT_BITS | it->last;
}

/* How much counts: of the last window the share that is still within reach. */
static uint64_t used(const struct bk__limit_rule *rule, const struct sliding *it)
{
    return it->now + ceil_div(it->last * it->left_ms, rule->window_ms);
}

/* How long until @p need fits, which it does not now: until enough of the last window is out of
 * reach, or, where this window alone is too full, of this one when it is the last. */
static uint64_t wait_ms(const struct bk__limit_rule *rule, const struct sliding *it, uint32_t need)
{
    uint64_t window = rule->window_ms;

    if (it->now + need <= rule->limit) {
        bk_assert(it->last != 0); /* or it would fit */
        return it->left_ms - (rule->limit - it->now - need) * window / it->last;
    }
    bk_assert(it->now != 0);
    return it->left_ms + window - (rule->limit - need) * window / it->now;
}

static uint64_t step_sliding(const struct bk__limit_rule *rule, uint64_t state, uint64_t now_ms,
                             uint32_t cost, bk_limit_result *out)
{
    struct sliding it = read_sliding(rule, state, now_ms);
    uint32_t need = at_least_1(cost);

    out->allowed = used(rule, &it) + need <= rule->limit;
    out->retry_after_ms = out->allowed ? 0 : wait_ms(rule, &it, need);
    if (out->allowed)
        it.now += cost;
    uint64_t taken = used(rule, &it);
    out->remaining = taken < rule->limit ? (uint32_t)(rule->limit - taken) : 0;
    out->reset_ms = (it.now != 0 ? it.left_ms + rule->window_ms : it.last != 0 ? it.left_ms : 0);
    return out->allowed && cost != 0 ? pack_sliding(&it) : state;
}

/* --- GCRA ------------------------------------------------------------------------------------- */

static uint64_t step_gcra(const struct bk__limit_rule *rule, uint64_t state, uint64_t now_ms,
                          uint32_t cost, bk_limit_result *out)
{
    uint64_t now = now_ms * 1000;
    uint64_t ahead = state > now ? state - now : 0;
    uint64_t after = ahead + at_least_1(cost) * rule->interval_us;

    out->allowed = after <= rule->room_us;
    if (out->allowed)
        ahead += cost * rule->interval_us;
    out->remaining =
        ahead < rule->room_us ? (uint32_t)((rule->room_us - ahead) / rule->interval_us) : 0;
    out->reset_ms = ceil_div(ahead, 1000);
    out->retry_after_ms = out->allowed ? 0 : ceil_div(after - rule->room_us, 1000);
    return out->allowed && cost != 0 ? now + ahead : state;
}

/* --- all ---------------------------------------------------------------------------------------- */

uint64_t bk__limit_step(const struct bk__limit_rule *rule, uint64_t state, uint64_t now_ms,
                        uint32_t cost, bk_limit_result *out)
{
    out->limit = rule->most;
    switch (rule->algorithm) {
    case BK_LIMIT_SLIDING:
        return step_sliding(rule, state, now_ms, cost, out);
    case BK_LIMIT_GCRA:
        return step_gcra(rule, state, now_ms, cost, out);
    default:
        return step_fixed(rule, state, now_ms, cost, out);
    }
}

uint64_t bk__limit_ends_ms(const struct bk__limit_rule *rule, uint64_t state, uint64_t now_ms)
{
    struct sliding it;

    switch (rule->algorithm) {
    case BK_LIMIT_SLIDING:
        it = read_sliding(rule, state, now_ms);
        if (it.now == 0 && it.last == 0)
            return 0;
        return (it.index + (it.now != 0 ? 2 : 1)) * rule->window_ms;
    case BK_LIMIT_GCRA:
        return ceil_div(state, 1000);
    default:
        return state >> COUNT_BITS;
    }
}
