/*
 * pool.c: lending: who gets which member, and who waits. See pool.h.
 *
 * What there is goes straight from who gives it back to the first in line (fiber/waiter.h), so
 * nobody can snatch it in between. Every change ends in bk__pool_settle(), which brings line and
 * members back to where the following holds.
 *
 * What must hold between two calls: the first in line cannot be served by what is open; for each
 * fiber in line something is on its way (a member that is being opened, is in use, or an attempt
 * that the timer will make); only a member that is idle has no users; open + opening + extra is
 * within max, but for members in use when more was reserved.
 *
 * Sharing is the path of every statement: where nobody waits it walks the list, and no more.
 */
#include "pool/pool.h"

#include <inttypes.h>

#include <backend/errors.h>
#include <backend/fiber.h>

#include "core/assert.h"
#include "fiber/loop.h"
#include "fiber/waiter.h"
#include "pool/health.h"

/* A fiber in line, on its stack. */
struct waiter {
    struct bk__waiter base;
    bool wants_hold;
    struct bk__member *member; /* what it got, once served */
    const char *file;          /* of a hold */
    int line;
};

/* --- members ---------------------------------------------------------------------------------- */

static uint32_t *gauge(struct bk__pool *pool, enum bk__member_state state)
{
    switch (state) {
    case BK__MEMBER_IDLE:
        return &pool->stats.idle;
    case BK__MEMBER_HELD:
        return &pool->stats.held;
    case BK__MEMBER_DRAINING:
        return &pool->draining;
    default:
        return NULL;
    }
}

void bk__pool_move(struct bk__pool *pool, struct bk__member *member, enum bk__member_state to)
{
    uint32_t *before = gauge(pool, member->state), *after = gauge(pool, to);

    if (before != NULL)
        --*before;
    if (after != NULL)
        ++*after;
    member->state = to;
}

static void leave(struct bk__pool *pool, struct bk__member *member)
{
    bk__pool_move(pool, member, BK__MEMBER_GONE);
    bk__list_remove(&member->link);
    pool->stats.open--;
}

void bk__pool_close(struct bk__pool *pool, struct bk__member *member)
{
    bk_debug_assert(member->state == BK__MEMBER_IDLE);
    leave(pool, member);
    pool->ops->close(pool, member);
}

uint32_t bk__pool_excess(const struct bk__pool *pool)
{
    uint64_t total = (uint64_t)pool->stats.open + pool->stats.opening + pool->extra;

    return total > pool->opts.max ? (uint32_t)(total - pool->opts.max) : 0;
}

/* An idle member is looked at before it is lent, unless it was opened or used just now. One that
 * does not work is closed. */
static bool works(struct bk__pool *pool, struct bk__member *member)
{
    if (member->state != BK__MEMBER_IDLE || pool->ops->works == NULL ||
        member->idle_since == pool->loop->clock.now_ms || pool->ops->works(member))
        return true;
    pool->stats.lost++;
    bk__pool_close(pool, member);
    return false;
}

/* The coldest idle one: sharing begins at the other end. */
static struct bk__member *find_idle(struct bk__pool *pool)
{
    struct bk__link *it = pool->members.anchor.prev;

    while (pool->stats.idle != 0 && it != &pool->members.anchor) {
        struct bk__member *member = bk__container_of(it, struct bk__member, link);
        it = it->prev;
        if (member->state == BK__MEMBER_IDLE && works(pool, member))
            return member;
    }
    return NULL;
}

/* The first that is quick enough, else the quickest. NULL when none can take a user. */
static struct bk__member *find_quick(struct bk__pool *pool)
{
    struct bk__member *quickest = NULL;
    uint64_t least = BK__POOL_BUSY;

    bk__list_each(it, &pool->members) {
        struct bk__member *member = bk__container_of(it, struct bk__member, link);
        if (member->state != BK__MEMBER_IDLE && member->state != BK__MEMBER_SHARED)
            continue;
        uint64_t wait = pool->ops->wait_ns(member);
        if (wait < least) {
            quickest = member;
            least = wait;
        }
        if (wait <= pool->share_wait_ns)
            break;
    }
    if (quickest != NULL && least <= pool->share_wait_ns)
        pool->busy_since = 0;
    else if (quickest != NULL && pool->busy_since == 0)
        pool->busy_since = pool->loop->clock.now_ms;
    return quickest;
}

static struct bk__member *find_shareable(struct bk__pool *pool)
{
    struct bk__member *member;

    do
        member = find_quick(pool);
    while (member != NULL && !works(pool, member));
    return member;
}

static void lend_alone(struct bk__pool *pool, struct bk__member *member, const char *file, int line)
{
    bk__pool_move(pool, member, BK__MEMBER_HELD);
    member->file = file;
    member->line = line;
    pool->stats.acquired++;
}

static void lend_beside(struct bk__pool *pool, struct bk__member *member)
{
    if (member->state == BK__MEMBER_IDLE)
        bk__pool_move(pool, member, BK__MEMBER_SHARED);
    member->users++;
    pool->stats.acquired++;
}

/* Nobody uses it any more. */
static void rest(struct bk__pool *pool, struct bk__member *member)
{
    uint64_t now = pool->loop->clock.now_ms;

    bk__pool_move(pool, member, BK__MEMBER_IDLE);
    member->idle_since = now;
    pool->busy_since = 0;
    if (member->retire_at <= now || bk__pool_excess(pool) != 0)
        bk__pool_close(pool, member);
    else if (pool->stats.open > pool->opts.min && pool->opts.idle_ms != BK_UNLIMITED)
        bk__timer_at_least(pool->loop, &pool->timer, now + pool->opts.idle_ms);
}

/* --- the line --------------------------------------------------------------------------------- */

static bool serve_first(struct bk__pool *pool)
{
    struct bk__waiter *first = bk__waiter_first(&pool->line);

    if (first == NULL)
        return false;
    struct waiter *waiter = bk__container_of(first, struct waiter, base);
    waiter->member = waiter->wants_hold ? find_idle(pool) : find_shareable(pool);
    if (waiter->member == NULL)
        return false;
    if (waiter->wants_hold) {
        lend_alone(pool, waiter->member, waiter->file, waiter->line);
        pool->holders--;
    } else {
        lend_beside(pool, waiter->member);
    }
    pool->stats.waiting--;
    bk__waiter_serve(first, BK_OK);
    bk__list_push(&pool->served, &first->link);
    return true;
}

/* Those who were given a member that broke before they could run are first in line again. */
static void take_back(struct bk__pool *pool, const struct bk__member *member)
{
    struct bk__link *it = pool->served.anchor.prev;

    while (it != &pool->served.anchor) {
        struct waiter *waiter = bk__container_of(it, struct waiter, base.link);
        it = it->prev;
        if (waiter->member != member)
            continue;
        waiter->base.served = false;
        bk__list_remove(&waiter->base.link);
        bk__list_push_front(&pool->line, &waiter->base.link);
        pool->stats.waiting++;
        pool->holders += waiter->wants_hold;
    }
}

/* Fibers that want to hold one and have nobody but such before them; no more than @p limit. */
static uint32_t first_holders(const struct bk__pool *pool, uint32_t limit)
{
    uint32_t count = 0;

    bk__list_each(it, &pool->line) {
        if (count == limit || !bk__container_of(it, struct waiter, base.link)->wants_hold)
            break;
        count++;
    }
    return count;
}

/* Lets as many shared members drain as are wanted: by those at the head of the line who wait to
 * hold one and for whom none is being opened, and where there are more than max. True when one was
 * given back to sharing. */
static bool drain_as_needed(struct bk__pool *pool)
{
    uint32_t opening = pool->stats.opening;
    uint32_t holders = first_holders(pool, pool->stats.open + opening);
    uint32_t wanted = bk__pool_excess(pool) + (holders > opening ? holders - opening : 0);

    return (wanted != 0 || pool->draining != 0) && bk__pool_drain(pool, wanted);
}

void bk__pool_settle(struct bk__pool *pool)
{
    if (pool->settling || pool->loop == NULL)
        return; /* whoever settles already looks again after each step */
    pool->settling = true;
    do {
        while (serve_first(pool)) {
        }
    } while (bk__pool_open_more(pool) || drain_as_needed(pool));
    pool->settling = false;
}

static bk_err refuse(struct bk__pool *pool)
{
    const bk_pool_stats *stats = &pool->stats;

    pool->stats.refused++;
    return bk_fail(BK_EUNAVAILABLE,
                   "pool %s: the line is full: %" PRIu32 " fibers wait, %" PRIu32
                   " of at most %" PRIu32 " are open",
                   pool->name, stats->waiting, stats->open, stats->max);
}

static bk_err give_up(struct bk__pool *pool)
{
    const bk_pool_stats *stats = &pool->stats;
    bool says_why = stats->open == 0 && pool->why[0] != '\0';

    pool->stats.timed_out++;
    return bk_fail(BK_EUNAVAILABLE,
                   "pool %s: none came free in %" PRIu32 " ms: %" PRIu32 " of at most %" PRIu32
                   " are open (%" PRIu32 " held), %" PRIu32 " being opened, %" PRIu32
                   " more fibers wait%s%s",
                   pool->name, pool->opts.acquire_ms, stats->open, stats->max, stats->held,
                   stats->opening, stats->waiting, says_why ? "; " : "", says_why ? pool->why : "");
}

static void count_wait(struct bk__pool *pool, uint64_t ms)
{
    bk_pool_stats *stats = &pool->stats;

    if (pool->waits != NULL)
        bk_histogram_observe(pool->waits, (double)ms / 1000);
    stats->waited_ms += ms;
    if (ms > stats->waited_max_ms)
        stats->waited_max_ms = ms;
}

/* Until it is served, or has waited for long enough. */
BK_YIELDS static bk_err stand_in_line(struct bk__pool *pool, struct waiter *self)
{
    bk_err err;

    if (pool->stats.waiting >= pool->opts.waiting)
        return refuse(pool);
    BK_TRY(bk_fiber_interrupted());
    uint64_t since = pool->loop->clock.now_ms, until = bk__pool_in(pool, pool->opts.acquire_ms);
    const struct bk_loop *loop = pool->loop;

    self->base.fiber = bk_fiber_self();
    bk__list_push(&pool->line, &self->base.link);
    pool->stats.waiting++;
    pool->stats.waited++;
    pool->holders += self->wants_hold;
    bk__pool_settle(pool);
    do
        err = bk__fiber_wait(until);
    while (err == BK_OK && !self->base.served);
    bk__list_remove(&self->base.link);
    count_wait(pool, loop->clock.now_ms - since);
    if (self->base.served && self->base.result == BK_ECLOSED)
        return bk_fail(BK_ECLOSED, "pool %s was closed", pool->name);
    if (self->base.served)
        return self->base.result;

    pool->stats.waiting--;
    pool->holders -= self->wants_hold;
    bk__pool_settle(pool); /* who stood behind may want something else */
    if (err == BK_ETIMEDOUT && bk_fiber_interrupted() == BK_OK)
        return give_up(pool);
    return err;
}

/* --- what its owner calls --------------------------------------------------------------------- */

bk_err bk__pool_hold(struct bk__pool *pool, struct bk__member **out, const char *file, int line)
{
    struct bk__member *member = NULL;

    if (pool->loop == NULL)
        return bk_fail(BK_ECLOSED, "pool %s is closed", pool->name);
    if (bk__list_empty(&pool->line))
        member = find_idle(pool);
    if (member != NULL) {
        lend_alone(pool, member, file, line);
        bk__pool_settle(pool); /* some may have been found broken on the way to it */
        *out = member;
        return BK_OK;
    }
    struct waiter self = {.wants_hold = true, .file = file, .line = line};
    BK_TRY(stand_in_line(pool, &self));
    *out = self.member;
    return BK_OK;
}

bk_err bk__pool_share(struct bk__pool *pool, struct bk__member **out)
{
    struct bk__member *member = NULL;

    if (bk__unlikely(pool->loop == NULL))
        return bk_fail(BK_ECLOSED, "pool %s is closed", pool->name);
    if (bk__likely(bk__list_empty(&pool->line)))
        member = find_shareable(pool);
    if (bk__likely(member != NULL)) {
        lend_beside(pool, member);
        if (bk__unlikely(bk__pool_too_slow(pool)))
            bk__pool_settle(pool);
        *out = member;
        return BK_OK;
    }
    struct waiter self = {.wants_hold = false};
    BK_TRY(stand_in_line(pool, &self));
    *out = self.member;
    return BK_OK;
}

void bk__pool_put(struct bk__pool *pool, struct bk__member *member)
{
    bk_assert(member->state != BK__MEMBER_GONE);
    bk_assert(member->state == BK__MEMBER_HELD || member->users != 0);
    if (member->state != BK__MEMBER_HELD)
        member->users--;
    if (member->users == 0)
        rest(pool, member);
    if (bk__unlikely(!bk__list_empty(&pool->line) || pool->stats.open < pool->opts.min))
        bk__pool_settle(pool);
}

void bk__pool_lost(struct bk__pool *pool, struct bk__member *member)
{
    bk_assert(member->state != BK__MEMBER_GONE);
    leave(pool, member);
    take_back(pool, member);
    pool->stats.lost++;
    bk__pool_settle(pool);
}

void bk__pool_changed(struct bk__pool *pool)
{
    if (!bk__list_empty(&pool->line))
        bk__pool_settle(pool);
}

void bk__pool_reserve(struct bk__pool *pool, int32_t count)
{
    bk_assert((int64_t)pool->extra + count >= 0);
    pool->extra = (uint32_t)((int64_t)pool->extra + count);
    struct bk__link *it = pool->members.anchor.prev;
    while (it != &pool->members.anchor && bk__pool_excess(pool) != 0) {
        struct bk__member *member = bk__container_of(it, struct bk__member, link);
        it = it->prev;
        if (member->state == BK__MEMBER_IDLE)
            bk__pool_close(pool, member);
    }
    bk__pool_settle(pool);
}

void bk__pool_init(struct bk__pool *pool, const char *name, const struct bk__pool_ops *ops,
                   const bk_pool_opts *opts)
{
    *pool = (struct bk__pool){.name = name, .ops = ops, .opts = *opts};
    pool->timer.fn = bk__pool_on_timer;
    pool->stats.max = opts->max;
    pool->all_min = opts->min;
    pool->all_max = opts->max;
    bk__list_init(&pool->members);
    bk__list_init(&pool->line);
    bk__list_init(&pool->served);
}

/* Rounded so that the service as a whole has what it was promised, and not more than it may. */
static void take_share(struct bk__pool *pool, uint32_t sharers)
{
    uint32_t most = pool->all_max / sharers, least = (pool->all_min + sharers - 1) / sharers;

    pool->opts.max = most > 0 ? most : 1;
    pool->opts.min = least < pool->opts.max ? least : pool->opts.max;
}

void bk__pool_start(struct bk__pool *pool, uint32_t sharers)
{
    bk_assert(bk__loop_current != NULL && pool->loop == NULL);
    pool->loop = bk__loop_current;
    take_share(pool, sharers);
    pool->stats = (bk_pool_stats){.max = pool->opts.max};
    pool->failures = 0;
    pool->retry_at = pool->said_at = pool->busy_since = 0;
    pool->why[0] = '\0';
    bk__pool_settle(pool);
}

void bk__pool_stop(struct bk__pool *pool)
{
    struct bk__waiter *first;
    struct bk__link *link;

    if (pool->loop == NULL)
        return;
    bk_assert(pool->stats.idle == pool->stats.open);
    bk__timer_stop(pool->loop, &pool->timer);
    pool->loop = NULL;
    while ((first = bk__waiter_first(&pool->line)) != NULL)
        bk__waiter_serve(first, BK_ECLOSED);
    pool->stats.waiting = pool->holders = 0;
    while (!bk__list_empty(&pool->members)) {
        link = pool->members.anchor.next;
        bk__pool_close(pool, bk__container_of(link, struct bk__member, link));
    }
    pool->stats.opening = 0;
}
