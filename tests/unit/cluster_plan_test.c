/* Tests of libbackend/cluster/plan.c: a service is played through step by step, every worker doing
 * at once what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cluster/plan.h"

static struct bk__plan plan_for(unsigned web, unsigned job)
{
    return (struct bk__plan){.wanted = {web, job}, .may_start = {true, true}, .spare = 1};
}

/* Takes all steps that can be taken now. Returns how many. */
static unsigned go(struct bk__plan *plan)
{
    unsigned steps = 0;
    struct bk__plan_step step;

    while ((step = bk__plan_next(plan)).action != BK__REST) {
        struct bk__plan_worker *worker = &plan->workers[step.slot];
        if (step.action == BK__START)
            *worker = (struct bk__plan_worker){BK__STARTING, step.role, false};
        else
            worker->state = BK__DRAINING;
        assert_true(++steps < 1000);
    }
    return steps;
}

static unsigned count(const struct bk__plan *plan, enum bk__worker_state state)
{
    unsigned found = 0;

    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        found += plan->workers[slot].state == state;
    return found;
}

static void change(struct bk__plan *plan, enum bk__worker_state from, enum bk__worker_state to)
{
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        if (plan->workers[slot].state == from)
            plan->workers[slot].state = to;
}

/* Everybody starts and ends until nothing changes. */
static void settle(struct bk__plan *plan)
{
    do {
        change(plan, BK__STARTING, BK__READY);
        change(plan, BK__DRAINING, BK__DEAD);
    } while (go(plan) != 0);
    assert_true(bk__plan_settled(plan));
}

static struct bk__plan settled(unsigned web, unsigned job)
{
    struct bk__plan plan = plan_for(web, job);

    settle(&plan);
    return plan;
}

static void make_stale(struct bk__plan *plan)
{
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        plan->workers[slot].stale = plan->workers[slot].state != BK__DEAD;
}

static void test_all_that_are_wanted_start_at_once(void **state)
{
    (void)state;
    struct bk__plan plan = plan_for(3, 2);

    assert_int_equal(go(&plan), 5);
    assert_false(bk__plan_settled(&plan));
    change(&plan, BK__STARTING, BK__READY);
    assert_int_equal(go(&plan), 0);
    assert_true(bk__plan_settled(&plan));
    assert_int_equal(bk__plan_ready(&plan, BK__WEB), 3);
    assert_int_equal(bk__plan_ready(&plan, BK__JOB), 2);
}

static void test_one_that_died_is_replaced_unless_it_has_to_wait(void **state)
{
    (void)state;
    struct bk__plan plan = settled(2, 0);

    plan.workers[0].state = BK__DEAD;
    plan.may_start[BK__WEB] = false;
    assert_int_equal(go(&plan), 0);
    plan.may_start[BK__WEB] = true;
    assert_int_equal(go(&plan), 1);
    assert_int_equal(plan.workers[0].state, BK__STARTING);
}

static void test_a_reload_never_has_fewer_ready_nor_more_processes_than_agreed(void **state)
{
    (void)state;
    static const unsigned spares[] = {1, 4};

    for (size_t i = 0; i < 2; i++) {
        struct bk__plan plan = settled(3, 1);
        plan.spare = spares[i];
        make_stale(&plan);
        while (go(&plan) != 0 || !bk__plan_settled(&plan)) {
            assert_true(bk__plan_ready(&plan, BK__WEB) >= 3);
            assert_true(bk__plan_ready(&plan, BK__JOB) >= 1);
            assert_true(BK__SLOTS - count(&plan, BK__DEAD) <= 4 + spares[i]);
            /* They are slow: first one becomes ready, then what drains ends. */
            if (count(&plan, BK__STARTING) != 0)
                change(&plan, BK__STARTING, BK__READY);
            else
                change(&plan, BK__DRAINING, BK__DEAD);
        }
    }
}

static void test_a_fresh_one_that_is_not_ready_lets_nobody_go(void **state)
{
    (void)state;
    struct bk__plan plan = settled(2, 0);

    make_stale(&plan);
    assert_int_equal(go(&plan), 1);
    assert_int_equal(count(&plan, BK__READY), 2);
    assert_int_equal(count(&plan, BK__STARTING), 1);
    assert_int_equal(count(&plan, BK__DRAINING), 0);
}

static void test_an_abandoned_reload_leaves_those_that_serve(void **state)
{
    (void)state;
    struct bk__plan plan = settled(2, 0);

    make_stale(&plan);
    go(&plan);
    for (unsigned slot = 0; slot < BK__SLOTS; slot++) {
        plan.workers[slot].stale = false;
        if (plan.workers[slot].state == BK__STARTING)
            plan.workers[slot].state = BK__DEAD;
    }
    assert_int_equal(go(&plan), 0);
    assert_true(bk__plan_settled(&plan));
}

static void test_a_stale_one_that_still_starts_goes_first(void **state)
{
    (void)state;
    struct bk__plan plan = settled(2, 0);

    plan.workers[1].state = BK__STARTING;
    make_stale(&plan);
    struct bk__plan_step step = bk__plan_next(&plan);
    assert_int_equal(step.action, BK__DRAIN);
    assert_int_equal(step.slot, 1);
}

static void test_fewer_wanted_drains_and_more_starts(void **state)
{
    (void)state;
    struct bk__plan plan = settled(2, 1);

    plan.wanted[BK__WEB] = 5;
    settle(&plan);
    assert_int_equal(bk__plan_ready(&plan, BK__WEB), 5);
    plan.wanted[BK__WEB] = 1;
    plan.wanted[BK__JOB] = 0;
    assert_int_equal(go(&plan), 5);
    settle(&plan);
    assert_int_equal(bk__plan_ready(&plan, BK__WEB), 1);
    assert_int_equal(count(&plan, BK__READY), 1);
}

static void test_nobody_wanted_ends_in_nobody(void **state)
{
    (void)state;
    struct bk__plan plan = settled(3, 3);

    plan.workers[0].state = BK__STARTING;
    plan.workers[1].stale = true;
    memset(plan.wanted, 0, sizeof plan.wanted);
    go(&plan);
    assert_int_equal(count(&plan, BK__DRAINING), 6);
    settle(&plan);
    assert_int_equal(count(&plan, BK__DEAD), BK__SLOTS);
}

static void test_the_places_are_never_exceeded(void **state)
{
    (void)state;
    struct bk__plan plan = plan_for(40, 40);

    assert_int_equal(go(&plan), BK__SLOTS);
    assert_int_equal(count(&plan, BK__DEAD), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_that_are_wanted_start_at_once),
        cmocka_unit_test(test_one_that_died_is_replaced_unless_it_has_to_wait),
        cmocka_unit_test(test_a_reload_never_has_fewer_ready_nor_more_processes_than_agreed),
        cmocka_unit_test(test_a_fresh_one_that_is_not_ready_lets_nobody_go),
        cmocka_unit_test(test_an_abandoned_reload_leaves_those_that_serve),
        cmocka_unit_test(test_a_stale_one_that_still_starts_goes_first),
        cmocka_unit_test(test_fewer_wanted_drains_and_more_starts),
        cmocka_unit_test(test_nobody_wanted_ends_in_nobody),
        cmocka_unit_test(test_the_places_are_never_exceeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
