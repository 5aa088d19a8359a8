/*
 * Thousands of random operations on a pool, and after each what pool.c says must hold.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "../harness/fiber_run.h"
#include "pool_fake.h"

#include "fiber/waiter.h"

enum {
    ACTORS = 24,
    MOST = 5,
    STEPS = 20000
};

struct actor {
    struct model *model;
    bool holds, is_waiting;
    uint64_t ticket; /* of its coming */
    uint64_t within_ms;
    bk_fiber *fiber;
    struct bk__member *got;
};

struct model {
    struct fake fake;
    uint64_t seed;
    struct actor actors[ACTORS];
    uint64_t next_ticket, muddled; /* up to which the order was changed by a loss */
    size_t served, left;
};

/* Of who is first in line; UINT64_MAX: nobody. */
static uint64_t first_ticket(const struct model *model)
{
    const struct bk__waiter *first = bk__waiter_first(&model->fake.pool.line);

    for (int i = 0; first != NULL && i < ACTORS; i++)
        if (model->actors[i].fiber == first->fiber)
            return model->actors[i].ticket;
    assert_null(first);
    return UINT64_MAX;
}

static bk_err actor_run(void *data)
{
    struct actor *actor = data;
    struct model *model = actor->model;
    bk_deadline before = bk_deadline_push(actor->within_ms != 0 ? actor->within_ms : UINT64_MAX);

    actor->fiber = bk_fiber_self();
    actor->ticket = ++model->next_ticket;
    bk_err err = actor->holds ? bk__pool_hold(&model->fake.pool, &actor->got, "model.c", 1)
                              : bk__pool_share(&model->fake.pool, &actor->got);
    bk_deadline_pop(before);
    actor->fiber = NULL;
    actor->is_waiting = false;
    if (err != BK_OK) {
        assert_null(actor->got);
        model->left++;
        return BK_OK;
    }
    if (actor->ticket > model->muddled)
        assert_true(actor->ticket < first_ticket(model)); /* nobody was passed by */
    model->served++;
    return BK_OK;
}

/* What pool.c says must hold between two calls. */
static void check(struct model *model)
{
    const struct bk__pool *pool = &model->fake.pool;
    const bk_pool_stats *stats = &pool->stats;
    uint32_t open = 0, idle = 0, held = 0, draining = 0, waiting = 0, first_is_holder = 0;
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < ACTORS; i++) {
        const struct actor *actor = &model->actors[i];
        waiting += actor->is_waiting;
        if (actor->is_waiting && actor->ticket < least) {
            least = actor->ticket;
            first_is_holder = actor->holds;
        }
    }
    bk__list_each(it, &pool->members) {
        const struct bk__member *member = bk__container_of(it, struct bk__member, link);
        uint32_t holders = 0, sharers = 0;
        for (int i = 0; i < ACTORS; i++) {
            holders += model->actors[i].got == member && model->actors[i].holds;
            sharers += model->actors[i].got == member && !model->actors[i].holds;
        }
        bool is_used = member->state == BK__MEMBER_SHARED || member->state == BK__MEMBER_DRAINING;
        assert_int_equal(holders, member->state == BK__MEMBER_HELD);
        assert_int_equal(sharers, member->users);
        assert_int_equal(is_used, member->users != 0);
        assert_true(member->users <= model->fake.capacity);
        if (waiting != 0 && !first_is_holder && member->state == BK__MEMBER_SHARED)
            assert_int_equal(member->users, model->fake.capacity); /* else it would serve */
        open++;
        idle += member->state == BK__MEMBER_IDLE;
        held += member->state == BK__MEMBER_HELD;
        draining += member->state == BK__MEMBER_DRAINING;
    }
    assert_int_equal(stats->open, open);
    assert_int_equal(stats->idle, idle);
    assert_int_equal(stats->held, held);
    assert_int_equal(pool->draining, draining);
    assert_int_equal(stats->waiting, waiting);
    assert_int_equal(model->fake.alive, open);
    assert_true(open + stats->opening + pool->extra <= stats->max);
    if (waiting == 0)
        return;
    assert_int_equal(idle, 0);
    /* Something is on its way: a put, an answer, or an attempt of the timer. */
    assert_true(open != 0 || stats->opening != 0 || bk__heap_linked(&pool->timer.node));
    if (stats->open + stats->opening + pool->extra < stats->max && pool->failures == 0)
        assert_true(stats->opening != 0);
}

static void borrow(struct model *model, struct actor *actor)
{
    if (actor->is_waiting || actor->got != NULL)
        return;
    actor->model = model;
    actor->holds = random_below(&model->seed, 3) == 0;
    actor->within_ms = random_below(&model->seed, 4) == 0 ? 1 + random_below(&model->seed, 50) : 0;
    actor->is_waiting = true;
    assert_int_equal(bk_spawn("actor", actor_run, actor), BK_OK);
}

static void put_back(struct model *model, struct actor *actor)
{
    struct bk__member *member = actor->got;

    if (member == NULL)
        return;
    actor->got = NULL;
    bk__pool_put(&model->fake.pool, member);
}

static void lose(struct model *model, struct bk__member *member)
{
    if (member == NULL)
        return;
    if (!bk__list_empty(&model->fake.pool.served))
        model->muddled = model->next_ticket; /* some may be in line again */
    for (int i = 0; i < ACTORS; i++)
        if (model->actors[i].got == member)
            model->actors[i].got = NULL;
    fake_lose(&model->fake, member);
}

static void reserve(struct model *model)
{
    const struct bk__pool *pool = &model->fake.pool;

    if (pool->extra != 0)
        bk__pool_reserve(&model->fake.pool, -1);
    else if (pool->stats.open + pool->stats.opening < pool->stats.max)
        bk__pool_reserve(&model->fake.pool, 1);
}

static void step(struct model *model)
{
    struct actor *actor = &model->actors[random_below(&model->seed, ACTORS)];
    uint32_t what = random_below(&model->seed, 100);

    if (what < 36)
        borrow(model, actor);
    else if (what < 66)
        put_back(model, actor);
    else if (what < 78 && model->fake.pool.stats.opening != 0)
        fake_answer(&model->fake);
    else if (what < 80 && model->fake.pool.stats.opening != 0)
        fake_fail(&model->fake);
    else if (what < 82)
        lose(model, actor->got);
    else if (what < 86 && actor->fiber != NULL)
        bk_fiber_cancel(actor->fiber);
    else if (what < 88)
        reserve(model);
    else
        assert_int_equal(bk_sleep_ms(random_below(&model->seed, 30)), BK_OK);
    if (random_below(&model->seed, 2) == 0) {
        settle();
        check(model);
    }
}

static bk_err walk(void *seed)
{
    struct model *model = calloc(1, sizeof *model);

    assert_non_null(model);
    fake_open(
        &model->fake,
        &(bk_pool_opts){.min = 2, .max = MOST, .idle_ms = 40, .lifetime_ms = 300, .acquire_ms = 60},
        FAKE_PENDS);
    model->fake.capacity = 3;
    model->seed = *(uint64_t *)seed;
    for (int i = 0; i < STEPS; i++)
        step(model);

    /* Everybody who still waits is served once all goes well. */
    settle();
    model->fake.mode = FAKE_OPENS;
    while (model->fake.pool.stats.opening != 0)
        fake_answer(&model->fake);
    for (int round = 0; round < ACTORS; round++) {
        for (int i = 0; i < ACTORS; i++)
            put_back(model, &model->actors[i]);
        settle();
    }
    check(model);
    assert_true(model->fake.pool.stats.waiting == 0 || model->fake.pool.failures != 0);
    assert_int_equal(bk_sleep_ms(15000), BK_OK); /* longer than any backoff */
    for (int i = 0; i < ACTORS; i++)
        put_back(model, &model->actors[i]);
    check(model);
    assert_int_equal(model->fake.pool.stats.waiting, 0);
    assert_int_equal(model->fake.pool.stats.idle, model->fake.pool.stats.open);
    assert_true(model->fake.pool.stats.open >= 2);
    assert_true(model->served > STEPS / 100); /* the walk went somewhere */
    assert_true(model->left > STEPS / 400);
    assert_true(model->served <= model->fake.pool.stats.acquired);
    fake_close(&model->fake);
    free(model);
    return BK_OK;
}

static void test_what_must_hold_holds_on_random_walks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        uint64_t mixed = seed * 0x9e3779b97f4a7c15ull;
        run_fibers(walk, &mixed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_must_hold_holds_on_random_walks),
    };
    return cmocka_run_group_tests_name("pool_walk", tests, NULL, NULL);
}
