/*
 * health.c: sizing: when a pool opens one more, when it closes one, and how it bears failure. See
 * pool.h.
 *
 * Members are opened for fibers in line, when all have been slow for a while, and up to min; few at
 * a time, so that a server that has just come back is not run over. After a failure one attempt at
 * a time is made, each later than the one before, and by chance not just when every other client
 * makes its own. Fibers in line are not told of it: they may outlast a restart of the server.
 *
 * One timer serves all limits. It may ring early, never late: whoever brings a limit nearer sets
 * it, and when it rings it looks at everything.
 */
#include "pool/health.h"

#include <string.h>

#include <backend/log.h>

#include "core/assert.h"
#include "core/random.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"

#define FIRST_RETRY_MS 100  /* doubled by each failure */
#define LAST_RETRY_MS  8000 /* plus a quarter, at most, as the others */
#define SLOW_MS        10   /* all members being slow for longer, one more is opened */
#define SAY_EVERY_MS   60000

/* --- options ---------------------------------------------------------------------------------- */

static void fill(uint32_t *field, uint32_t value)
{
    if (*field == 0)
        *field = value;
}

void bk__pool_check_opts(bk_pool_opts *opts, const char *where)
{
    fill(&opts->max, 50);
    fill(&opts->min, opts->max < 5 ? opts->max : 5);
    fill(&opts->waiting, 10000);
    fill(&opts->acquire_ms, 5000);
    fill(&opts->idle_ms, 60000);
    fill(&opts->lifetime_ms, 30 * 60000);
    fill(&opts->connecting, 4);
    fill(&opts->connect_ms, 5000);
    if (opts->max == BK_UNLIMITED || opts->waiting == BK_UNLIMITED)
        bk__setup_error(where, 0, "max and waiting cannot be unlimited");
    if (opts->min > opts->max)
        bk__setup_error(where, 0, "min is %u, more than max, which is %u", opts->min, opts->max);
}

uint64_t bk__pool_in(const struct bk__pool *pool, uint32_t ms)
{
    return ms == BK_UNLIMITED ? BK__NEVER : pool->loop->clock.now_ms + ms;
}

/* 0 to @p most, any of them as likely. */
static uint32_t by_chance(uint32_t most)
{
    uint64_t number;

    bk__random(&number, sizeof number);
    return (uint32_t)(number % ((uint64_t)most + 1));
}

/* --- limits ----------------------------------------------------------------------------------- */

static uint64_t idle_until(const struct bk__pool *pool, const struct bk__member *member)
{
    if (member->state != BK__MEMBER_IDLE || pool->opts.idle_ms == BK_UNLIMITED ||
        pool->stats.open <= pool->opts.min)
        return BK__NEVER;
    return member->idle_since + pool->opts.idle_ms;
}

/* Sets the timer for what lies ahead of the members. */
static void look_ahead(struct bk__pool *pool)
{
    uint64_t now = pool->loop->clock.now_ms, next = BK__NEVER;

    bk__list_each(it, &pool->members) {
        const struct bk__member *member = bk__container_of(it, struct bk__member, link);
        uint64_t idle_end = idle_until(pool, member);
        if (idle_end < next)
            next = idle_end;
        if (member->retire_at > now && member->retire_at < next)
            next = member->retire_at;
    }
    if (next != BK__NEVER)
        bk__timer_at_least(pool->loop, &pool->timer, next);
}

/* --- opening ---------------------------------------------------------------------------------- */

static bool has_room(const struct bk__pool *pool)
{
    const bk_pool_stats *stats = &pool->stats;

    return (uint64_t)stats->open + stats->opening + pool->extra < pool->opts.max;
}

bool bk__pool_too_slow(const struct bk__pool *pool)
{
    return pool->busy_since != 0 && pool->loop->clock.now_ms - pool->busy_since > SLOW_MS &&
           pool->stats.opening == 0 && has_room(pool);
}

/* How many should be being opened now. Those in line who want to share need one between them. */
static uint32_t needed(const struct bk__pool *pool)
{
    const bk_pool_stats *stats = &pool->stats;
    uint32_t need = pool->holders + (stats->waiting > pool->holders);

    if (!pool->opts.lazy && stats->open < pool->opts.min && pool->opts.min - stats->open > need)
        need = pool->opts.min - stats->open;
    if (need == 0 && bk__pool_too_slow(pool))
        need = 1;
    return need;
}

bool bk__pool_open_more(struct bk__pool *pool)
{
    uint32_t at_a_time = pool->failures != 0 ? 1 : pool->opts.connecting;

    if (!has_room(pool) || pool->stats.opening >= at_a_time || pool->stats.opening >= needed(pool))
        return false;
    if (pool->loop->clock.now_ms < pool->retry_at) {
        bk__timer_at_least(pool->loop, &pool->timer, pool->retry_at);
        return false;
    }
    pool->stats.opening++;
    pool->ops->open(pool);
    return true;
}

void bk__pool_opened(struct bk__pool *pool, struct bk__member *member)
{
    bk_assert(pool->loop != NULL && pool->stats.opening != 0);
    uint32_t lifetime = pool->opts.lifetime_ms;

    if (lifetime != BK_UNLIMITED)
        lifetime -= by_chance(lifetime / 10);
    *member = (struct bk__member){
        .state = BK__MEMBER_IDLE,
        .idle_since = pool->loop->clock.now_ms,
        .retire_at = bk__pool_in(pool, lifetime),
    };
    bk__list_push(&pool->members, &member->link);
    pool->stats.opening--;
    pool->stats.opened++;
    pool->stats.open++;
    pool->stats.idle++;
    if (pool->failures != 0)
        bk_info("pool.recovered", bk_kv_cstr("pool", pool->name),
                bk_kv_i64("failures", pool->failures));
    pool->failures = 0;
    pool->retry_at = pool->said_at = pool->busy_since = 0;
    pool->why[0] = '\0';
    bk__pool_settle(pool);
    look_ahead(pool);
}

/* Attempts that were under way together and fail together count once. */
static void put_off_retry(struct bk__pool *pool)
{
    uint64_t now = pool->loop->clock.now_ms;
    uint32_t wait = FIRST_RETRY_MS;

    if (now < pool->retry_at)
        return;
    for (uint32_t i = 0; i < pool->failures && wait < LAST_RETRY_MS; i++)
        wait *= 2;
    if (wait > LAST_RETRY_MS)
        wait = LAST_RETRY_MS;
    pool->failures++;
    pool->retry_at = now + wait + by_chance(wait / 4);
}

static void say_failed(struct bk__pool *pool)
{
    uint64_t now = pool->loop->clock.now_ms;

    if (pool->said_at != 0 && now - pool->said_at < SAY_EVERY_MS)
        return;
    pool->said_at = now;
    bk_error("pool.open_failed", bk_kv_cstr("pool", pool->name), bk_kv_cstr("why", pool->why),
             bk_kv_i64("failures", pool->failures), bk_kv_i64("open", pool->stats.open));
}

void bk__pool_open_failed(struct bk__pool *pool, bk_str why)
{
    bk_assert(pool->loop != NULL && pool->stats.opening != 0);
    size_t len = why.len < sizeof pool->why ? why.len : sizeof pool->why - 1;

    if (len != 0)
        memcpy(pool->why, why.ptr, len);
    pool->why[len] = '\0';
    pool->stats.opening--;
    pool->stats.open_failed++;
    put_off_retry(pool);
    say_failed(pool);
    bk__pool_settle(pool);
}

/* --- draining --------------------------------------------------------------------------------- */

/* One whose time is over drains whatever is wanted. */
static bool may_change(const struct bk__pool *pool, const struct bk__member *member,
                       enum bk__member_state state)
{
    return member->state == state && member->retire_at > pool->loop->clock.now_ms;
}

static struct bk__member *find_least_used(const struct bk__pool *pool)
{
    struct bk__member *found = NULL;

    bk__list_each(it, &pool->members) {
        struct bk__member *member = bk__container_of(it, struct bk__member, link);
        if (may_change(pool, member, BK__MEMBER_SHARED) &&
            (found == NULL || member->users <= found->users))
            found = member;
    }
    return found;
}

static struct bk__member *find_most_used_draining(const struct bk__pool *pool)
{
    struct bk__member *found = NULL;

    bk__list_each(it, &pool->members) {
        struct bk__member *member = bk__container_of(it, struct bk__member, link);
        if (may_change(pool, member, BK__MEMBER_DRAINING) &&
            (found == NULL || member->users > found->users))
            found = member;
    }
    return found;
}

static uint32_t count_draining(const struct bk__pool *pool)
{
    uint32_t count = 0;

    bk__list_each(it, &pool->members)
        count +=
            may_change(pool, bk__container_of(it, struct bk__member, link), BK__MEMBER_DRAINING);
    return count;
}

bool bk__pool_drain(struct bk__pool *pool, uint32_t wanted)
{
    uint32_t draining = count_draining(pool);
    struct bk__member *member;
    bool given_back = false;

    for (; draining < wanted && (member = find_least_used(pool)) != NULL; draining++)
        bk__pool_move(pool, member, BK__MEMBER_DRAINING);
    for (; draining > wanted && (member = find_most_used_draining(pool)) != NULL; draining--) {
        bk__pool_move(pool, member, BK__MEMBER_SHARED);
        given_back = true;
    }
    return given_back;
}

/* --- the timer -------------------------------------------------------------------------------- */

/* Goes from the coldest to the warmest: of those above min, the warm ones stay. */
static void enforce_limits(struct bk__pool *pool)
{
    uint64_t now = pool->loop->clock.now_ms;
    struct bk__link *it = pool->members.anchor.prev;

    while (it != &pool->members.anchor) {
        struct bk__member *member = bk__container_of(it, struct bk__member, link);
        it = it->prev;
        bool is_over = member->retire_at <= now;
        if (member->state == BK__MEMBER_IDLE && (is_over || idle_until(pool, member) <= now))
            bk__pool_close(pool, member);
        else if (member->state == BK__MEMBER_SHARED && is_over)
            bk__pool_move(pool, member, BK__MEMBER_DRAINING);
    }
}

void bk__pool_on_timer(struct bk__timer *timer)
{
    struct bk__pool *pool = bk__container_of(timer, struct bk__pool, timer);

    enforce_limits(pool);
    bk__pool_settle(pool);
    look_ahead(pool);
}
