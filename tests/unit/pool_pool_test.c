/*
 * Lending: who gets which member, who waits, and that nobody waits in vain.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "../harness/aborts.h"
#include "../harness/fiber_run.h"
#include "pool_fake.h"

/* --- holding ---------------------------------------------------------------------------------- */

static bk_err test_a_hold_takes_the_coldest_that_is_idle(void *unused)
{
    struct fake fake;
    struct bk__member *held[3];

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 3, .max = 3}, FAKE_OPENS);
    struct bk__member *shared = fake_share(&fake);
    assert_int_equal(id_of(shared), 1);
    bk__pool_put(&fake.pool, shared);
    for (uint32_t i = 0; i < 3; i++) {
        held[i] = fake_hold(&fake);
        assert_int_equal(id_of(held[i]), 3 - i);
    }
    assert_string_equal(held[0]->file, "here.c");
    assert_int_equal(held[0]->line, 7);
    for (int i = 0; i < 3; i++)
        bk__pool_put(&fake.pool, held[i]);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_what_is_put_back_goes_to_the_first_in_line(void *unused)
{
    struct fake fake;
    struct user users[3];
    int places = 0;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    struct bk__member *held = fake_hold(&fake);
    for (int i = 0; i < 3; i++) {
        users[i] = (struct user){.fake = &fake, .holds = true, .places = &places};
        user_start(&users[i]);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fake.pool.stats.waiting, 3 - i);
        bk__pool_put(&fake.pool, held);
        assert_int_equal(held->state, BK__MEMBER_HELD); /* before the fiber has run */
        settle();
        assert_int_equal(places, i + 1);
        assert_int_equal(users[i].place, i);
        assert_got(users[i], held);
        assert_string_equal(held->file, "there.c");
    }
    bk__pool_put(&fake.pool, held);
    assert_int_equal(fake.pool.stats.idle, 1);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_what_was_put_back_for_a_waiter_cannot_be_snatched(void *unused)
{
    struct fake fake;
    struct user first = {.fake = &fake, .holds = true}, late = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    struct bk__member *held = fake_hold(&fake);
    user_start(&first);
    assert_int_equal(bk_spawn("late", user_run, &late), BK_OK); /* runs before `first` does */
    bk__pool_put(&fake.pool, held);
    settle();
    assert_got(first, held);
    assert_waits(late);
    bk__pool_put(&fake.pool, held);
    settle();
    assert_got(late, held);
    bk__pool_put(&fake.pool, held);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_hold_opens_one_while_there_is_room(void *unused)
{
    struct fake fake;
    struct user users[3];

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 2, .lazy = true}, FAKE_PENDS);
    for (int i = 0; i < 3; i++) {
        users[i] = (struct user){.fake = &fake, .holds = true};
        user_start(&users[i]);
    }
    assert_int_equal(fake.attempts, 2);
    fake_answer(&fake);
    fake_answer(&fake);
    settle();
    assert_int_equal(id_of(users[0].got), 1);
    assert_int_equal(id_of(users[1].got), 2);
    assert_waits(users[2]);
    assert_int_equal(fake.attempts, 2);
    bk__pool_put(&fake.pool, users[1].got);
    settle();
    assert_int_equal(id_of(users[2].got), 2);
    bk__pool_put(&fake.pool, users[0].got);
    bk__pool_put(&fake.pool, users[2].got);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_an_idle_one_that_does_not_work_is_closed_and_replaced(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 3, .max = 3}, FAKE_OPENS);
    struct bk__member *held = fake_hold(&fake);
    thing_of(held)->is_broken = true; /* breaks while it is idle: nobody has told the pool */
    bk__pool_put(&fake.pool, held);
    bk__pool_put(&fake.pool, fake_hold(&fake)); /* used just now: not looked at */
    assert_int_equal(fake.pool.stats.lost, 0);
    assert_int_equal(bk_sleep_ms(1), BK_OK);
    held = fake_hold(&fake);
    assert_int_equal(id_of(held), 2);
    assert_int_equal(fake.pool.stats.lost, 1);
    assert_int_equal(fake.pool.stats.open, 3);
    assert_int_equal(fake.alive, 3);
    bk__pool_put(&fake.pool, held);

    struct bk__member *shared = fake_share(&fake);
    assert_int_equal(id_of(shared), 1);
    thing_of(shared)->is_broken = true;
    bk__pool_put(&fake.pool, shared);
    assert_int_equal(bk_sleep_ms(1), BK_OK);
    shared = fake_share(&fake);
    assert_int_equal(id_of(shared), 2);
    assert_int_equal(fake.pool.stats.lost, 2);
    bk__pool_put(&fake.pool, shared);
    fake_close(&fake);
    return BK_OK;
}

/* --- sharing ---------------------------------------------------------------------------------- */

static bk_err test_sharing_stays_on_the_first_that_is_quick_enough(void *unused)
{
    struct fake fake;
    struct bk__member *shared[4];

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 3, .max = 3}, FAKE_OPENS);
    fake.cost_ns = 500;
    for (int i = 0; i < 4; i++)
        shared[i] = fake_share(&fake);
    assert_int_equal(id_of(shared[0]), 1);
    assert_int_equal(id_of(shared[1]), 1);
    assert_int_equal(id_of(shared[2]), 1); /* 1,000 ns are just quick enough */
    assert_int_equal(id_of(shared[3]), 2); /* idle, so it is taken when the first is too slow */
    assert_int_equal(shared[0]->users, 3);
    assert_int_equal(fake.pool.stats.idle, 1);
    for (int i = 0; i < 4; i++)
        bk__pool_put(&fake.pool, shared[i]);
    assert_int_equal(fake.pool.stats.idle, 3);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_where_all_are_slow_the_quickest_is_shared(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 2, .max = 2}, FAKE_OPENS);
    struct bk__member *one = fake_share(&fake);
    thing_of(one)->wait_ns = 9000;
    struct bk__member *two = fake_share(&fake);
    assert_int_equal(id_of(two), 2);
    thing_of(two)->wait_ns = 5000;
    assert_ptr_equal(fake_share(&fake), two);
    thing_of(two)->is_busy = true;
    assert_ptr_equal(fake_share(&fake), one);
    for (int i = 0; i < 2; i++) {
        bk__pool_put(&fake.pool, one);
        bk__pool_put(&fake.pool, two);
    }
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_one_more_is_opened_when_all_have_been_slow_for_a_while(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1, .max = 3}, FAKE_PENDS);
    fake_answer(&fake);
    struct bk__member *one = fake_share(&fake);
    thing_of(one)->wait_ns = 5000;
    fake_share(&fake);
    assert_int_equal(bk_sleep_ms(10), BK_OK);
    fake_share(&fake);
    assert_int_equal(fake.pool.stats.opening, 0); /* not for so long */
    assert_int_equal(bk_sleep_ms(1), BK_OK);
    fake_share(&fake);
    assert_int_equal(fake.pool.stats.opening, 1);
    fake_share(&fake);
    assert_int_equal(fake.pool.stats.opening, 1);
    fake_answer(&fake);
    struct bk__member *two = fake_share(&fake);
    assert_int_equal(id_of(two), 2);
    assert_int_equal(fake.pool.stats.opening, 0);
    for (int i = 0; i < 5; i++)
        bk__pool_put(&fake.pool, one);
    bk__pool_put(&fake.pool, two);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_quick_one_forgives_the_slow_ones(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1, .max = 3}, FAKE_OPENS);
    struct bk__member *one = fake_share(&fake);
    thing_of(one)->wait_ns = 5000;
    fake_share(&fake);
    assert_int_equal(bk_sleep_ms(8), BK_OK);
    thing_of(one)->wait_ns = 10;
    fake_share(&fake);
    thing_of(one)->wait_ns = 5000;
    assert_int_equal(bk_sleep_ms(8), BK_OK);
    fake_share(&fake);
    assert_int_equal(fake.attempts, 1);
    for (int i = 0; i < 4; i++)
        bk__pool_put(&fake.pool, one);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_where_all_are_busy_one_is_opened_at_once_and_waited_for(void *unused)
{
    struct fake fake;
    struct user users[2] = {{.fake = &fake}, {.fake = &fake}};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1, .max = 2}, FAKE_PENDS);
    fake_answer(&fake);
    fake.capacity = 1;
    struct bk__member *one = fake_share(&fake);
    user_start(&users[0]);
    user_start(&users[1]);
    assert_int_equal(fake.pool.stats.opening, 1);
    fake_answer(&fake);
    settle();
    assert_int_equal(id_of(users[0].got), 2);
    assert_waits(users[1]); /* there are two, and both are full */
    assert_int_equal(fake.pool.stats.opening, 0);
    bk__pool_put(&fake.pool, one);
    settle();
    assert_got(users[1], one);
    bk__pool_put(&fake.pool, one);
    bk__pool_put(&fake.pool, users[0].got);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_change_for_the_better_serves_the_line(void *unused)
{
    struct fake fake;
    struct user user = {.fake = &fake};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    struct bk__member *one = fake_share(&fake);
    thing_of(one)->is_busy = true;
    user_start(&user);
    bk__pool_changed(&fake.pool);
    settle();
    assert_waits(user);
    thing_of(one)->is_busy = false;
    bk__pool_changed(&fake.pool);
    settle();
    assert_got(user, one);
    assert_int_equal(one->users, 2);
    bk__pool_put(&fake.pool, one);
    bk__pool_put(&fake.pool, one);
    fake_close(&fake);
    return BK_OK;
}

/* --- both ------------------------------------------------------------------------------------- */

static bk_err test_one_member_serves_sharers_and_holders_in_turn(void *unused)
{
    struct fake fake;
    struct user users[4] = {
        {.fake = &fake}, {.fake = &fake, .holds = true}, {.fake = &fake}, {.fake = &fake}};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    for (int i = 0; i < 4; i++)
        user_start(&users[i]);
    struct bk__member *one = users[0].got;
    assert_waits(users[1]);
    assert_waits(users[2]); /* the member would take it, but a holder is first */
    assert_int_equal(one->state, BK__MEMBER_DRAINING);
    bk__pool_put(&fake.pool, one);
    settle();
    assert_got(users[1], one);
    assert_waits(users[2]);
    bk__pool_put(&fake.pool, one);
    settle();
    assert_got(users[2], one);
    assert_got(users[3], one);
    assert_int_equal(one->users, 2);
    bk__pool_put(&fake.pool, one);
    bk__pool_put(&fake.pool, one);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_holder_does_not_pass_by_who_waits_to_share(void *unused)
{
    struct fake fake;
    struct user sharer = {.fake = &fake}, holder = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    struct bk__member *one = fake_share(&fake);
    thing_of(one)->is_busy = true;
    bk__pool_put(&fake.pool, one); /* nobody uses it, and it has work to finish */
    user_start(&sharer);
    user_start(&holder);
    assert_waits(sharer);
    assert_waits(holder);
    thing_of(one)->is_busy = false;
    bk__pool_changed(&fake.pool);
    settle();
    assert_got(sharer, one);
    assert_waits(holder);
    bk__pool_put(&fake.pool, one);
    settle();
    assert_got(holder, one);
    bk__pool_put(&fake.pool, one);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_the_least_used_drains_for_who_waits_to_hold(void *unused)
{
    struct fake fake;
    struct user holder = {.fake = &fake, .holds = true};
    struct bk__member *shared[3];

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 2, .max = 2}, FAKE_OPENS);
    shared[0] = fake_share(&fake);
    shared[1] = fake_share(&fake);
    thing_of(shared[0])->wait_ns = 5000;
    shared[2] = fake_share(&fake);
    assert_int_equal(id_of(shared[2]), 2);
    user_start(&holder);
    assert_int_equal(shared[2]->state, BK__MEMBER_DRAINING);
    assert_int_equal(shared[0]->state, BK__MEMBER_SHARED);
    assert_int_equal(fake.pool.draining, 1);
    bk__pool_put(&fake.pool, shared[2]);
    settle();
    assert_got(holder, shared[2]);
    assert_int_equal(fake.pool.draining, 0);
    for (int i = 0; i < 3; i++)
        bk__pool_put(&fake.pool, shared[i]);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_none_drains_while_one_is_opened_for_the_holder(void *unused)
{
    struct fake fake;
    struct user holder = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1, .max = 2}, FAKE_PENDS);
    fake_answer(&fake);
    struct bk__member *one = fake_share(&fake);
    user_start(&holder);
    assert_int_equal(fake.pool.stats.opening, 1);
    assert_int_equal(one->state, BK__MEMBER_SHARED);
    fake_fail(&fake);
    assert_int_equal(one->state, BK__MEMBER_DRAINING);
    bk__pool_put(&fake.pool, one);
    settle();
    assert_got(holder, one);
    bk__pool_put(&fake.pool, one);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_what_drains_for_a_holder_that_leaves_is_shared_again(void *unused)
{
    struct fake fake;
    struct user holder = {.fake = &fake, .holds = true}, sharer = {.fake = &fake};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    struct bk__member *one = fake_share(&fake);
    user_start(&holder);
    user_start(&sharer);
    assert_waits(sharer);
    bk_fiber_cancel(holder.fiber);
    settle();
    assert_int_equal(holder.err, BK_ECANCELED);
    assert_got(sharer, one);
    assert_int_equal(one->state, BK__MEMBER_SHARED);
    assert_int_equal(fake.pool.draining, 0);
    bk__pool_put(&fake.pool, one);
    bk__pool_put(&fake.pool, one);
    fake_close(&fake);
    return BK_OK;
}

/* --- leaving the line ------------------------------------------------------------------------- */

static bk_err test_a_canceled_waiter_takes_nothing(void *unused)
{
    struct fake fake;
    struct user first = {.fake = &fake, .holds = true}, second = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    struct bk__member *held = fake_hold(&fake);
    user_start(&first);
    user_start(&second);
    bk_fiber_cancel(first.fiber);
    settle();
    assert_int_equal(first.err, BK_ECANCELED);
    assert_null(first.got);
    assert_int_equal(fake.pool.stats.waiting, 1);
    bk__pool_put(&fake.pool, held);
    settle();
    assert_got(second, held);
    bk__pool_put(&fake.pool, held);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_none_is_opened_for_who_has_left(void *unused)
{
    struct fake fake;
    struct user stays = {.fake = &fake, .holds = true}, leaves = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 3, .connecting = 1, .lazy = true}, FAKE_PENDS);
    user_start(&stays);
    user_start(&leaves);
    bk_fiber_cancel(leaves.fiber);
    settle();
    fake_answer(&fake);
    settle();
    assert_int_equal(id_of(stays.got), 1);
    assert_int_equal(fake.pool.stats.opening, 0);
    bk__pool_put(&fake.pool, stays.got);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_cancel_after_it_was_served_comes_too_late(void *unused)
{
    struct fake fake;
    struct user user = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    struct bk__member *held = fake_hold(&fake);
    user_start(&user);
    bk__pool_put(&fake.pool, held);
    bk_fiber_cancel(user.fiber);
    settle();
    assert_int_equal(user.err, BK_OK);
    assert_got(user, held);
    bk__pool_put(&fake.pool, held);
    assert_int_equal(fake.pool.stats.idle, 1);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_who_is_served_between_cancel_and_running_has_it(void *unused)
{
    struct fake fake;
    struct user user = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    struct bk__member *held = fake_hold(&fake);
    user_start(&user);
    bk_fiber_cancel(user.fiber);
    bk__pool_put(&fake.pool, held);
    settle();
    assert_got(user, held);
    bk__pool_put(&fake.pool, held);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_fiber_that_is_over_does_not_stand_in_line(void *unused)
{
    struct fake fake;
    struct bk__member *member = NULL;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1, .max = 2}, FAKE_PENDS);
    fake_answer(&fake);
    bk_fiber_cancel(bk_fiber_self());
    assert_int_equal(bk__pool_hold(&fake.pool, &member, "here.c", 1), BK_OK); /* there is one */
    struct bk__member *untouched = (struct bk__member *)&fake;
    assert_int_equal(bk__pool_hold(&fake.pool, &untouched, "here.c", 2), BK_ECANCELED);
    assert_ptr_equal(untouched, &fake);
    assert_int_equal(fake.attempts, 1); /* none is opened for nobody */
    assert_int_equal(fake.pool.stats.waited, 0);
    bk__pool_put(&fake.pool, member);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_the_own_deadline_comes_before_the_pools(void *unused)
{
    struct fake fake;
    struct user hasty = {.fake = &fake, .holds = true, .within_ms = 100},
                even = {.fake = &fake, .holds = true, .within_ms = 300},
                patient = {.fake = &fake, .holds = true, .within_ms = 1000};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1, .acquire_ms = 300}, FAKE_OPENS);
    struct bk__member *held = fake_hold(&fake);
    user_start(&hasty);
    user_start(&even);
    user_start(&patient);
    assert_int_equal(bk_sleep_ms(400), BK_OK);
    assert_int_equal(hasty.err, BK_ETIMEDOUT);
    assert_int_equal(hasty.waited_ms, 100);
    assert_int_equal(even.err, BK_ETIMEDOUT);
    assert_int_equal(patient.err, BK_EUNAVAILABLE);
    assert_int_equal(patient.waited_ms, 300);
    assert_string_equal(patient.words,
                        "pool things: none came free in 300 ms: 1 of at most 1 are open (1 held), "
                        "0 being opened, 0 more fibers wait");
    assert_int_equal(fake.pool.stats.timed_out, 1);
    assert_int_equal(fake.pool.stats.waiting, 0);
    bk__pool_put(&fake.pool, held);
    assert_int_equal(fake.pool.stats.idle, 1);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_full_line_refuses_at_once(void *unused)
{
    struct fake fake;
    struct user users[3];

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1, .waiting = 2}, FAKE_OPENS);
    struct bk__member *held = fake_hold(&fake);
    for (int i = 0; i < 3; i++) {
        users[i] = (struct user){.fake = &fake, .holds = i != 2};
        user_start(&users[i]);
    }
    assert_true(users[2].is_back);
    assert_int_equal(users[2].err, BK_EUNAVAILABLE);
    assert_int_equal(users[2].waited_ms, 0);
    assert_string_equal(users[2].words,
                        "pool things: the line is full: 2 fibers wait, 1 of at most 1 are open");
    assert_int_equal(fake.pool.stats.refused, 1);
    assert_int_equal(fake.pool.stats.waited, 2);
    for (int i = 0; i < 3; i++) {
        bk__pool_put(&fake.pool, held);
        settle();
    }
    assert_got(users[1], held);
    fake_close(&fake);
    return BK_OK;
}

/* --- losing, reserving, stopping -------------------------------------------------------------- */

static bk_err test_a_lost_one_leaves_with_its_users_and_is_replaced(void *unused)
{
    struct fake fake;
    struct user holder = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_PENDS);
    fake_answer(&fake);
    struct bk__member *one = fake_share(&fake);
    fake_share(&fake);
    user_start(&holder);
    assert_int_equal(fake.pool.draining, 1);
    fake_lose(&fake, one);
    assert_int_equal(fake.pool.draining, 0);
    assert_int_equal(fake.pool.stats.open, 0);
    assert_int_equal(fake.pool.stats.lost, 1);
    assert_int_equal(fake.pool.stats.opening, 1);
    fake_answer(&fake);
    settle();
    assert_int_equal(id_of(holder.got), 2);
    fake_lose(&fake, holder.got);
    assert_int_equal(fake.pool.stats.held, 0);
    fake_answer(&fake);
    assert_int_equal(fake.pool.stats.idle, 1);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_who_was_lent_one_that_broke_before_it_ran_is_first_in_line_again(void *unused)
{
    struct fake fake;
    struct user users[3] = {{.fake = &fake, .holds = true}, {.fake = &fake}, {.fake = &fake}};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_PENDS);
    fake_answer(&fake);
    struct bk__member *one = fake_hold(&fake);
    for (int i = 0; i < 3; i++)
        user_start(&users[i]);
    bk__pool_put(&fake.pool, one);
    assert_int_equal(fake.pool.stats.waiting, 2);
    fake_lose(&fake, one);
    assert_int_equal(fake.pool.stats.waiting, 3);
    settle();
    assert_waits(users[0]);
    fake_answer(&fake);
    settle();
    assert_int_equal(id_of(users[0].got), 2);
    assert_waits(users[1]);

    bk__pool_put(&fake.pool, users[0].got); /* to both sharers */
    assert_int_equal(fake.pool.stats.waiting, 0);
    bk_fiber_cancel(users[1].fiber);
    fake_lose(&fake, users[0].got);
    settle();
    assert_int_equal(users[1].err, BK_ECANCELED);
    assert_null(users[1].got);
    fake_answer(&fake);
    settle();
    assert_int_equal(id_of(users[2].got), 3);
    assert_int_equal(fake.pool.stats.waiting, 0);
    bk__pool_put(&fake.pool, users[2].got);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_what_is_reserved_counts_for_max(void *unused)
{
    struct fake fake;
    struct user user = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 2, .max = 3}, FAKE_OPENS);
    struct bk__member *one = fake_hold(&fake), *two = fake_hold(&fake);
    bk__pool_reserve(&fake.pool, 1);
    user_start(&user);
    assert_waits(user);
    bk__pool_reserve(&fake.pool, -1);
    settle();
    assert_int_equal(id_of(user.got), 3);
    bk__pool_put(&fake.pool, user.got);
    bk__pool_reserve(&fake.pool, 1); /* the idle one has to go */
    assert_int_equal(fake.pool.stats.open, 2);
    bk__pool_reserve(&fake.pool, 1); /* and one of these, when it is free */
    assert_int_equal(fake.pool.stats.open, 2);
    bk__pool_put(&fake.pool, one);
    assert_int_equal(fake.pool.stats.open, 1);
    bk__pool_put(&fake.pool, two);
    assert_int_equal(fake.pool.stats.open, 1);
    bk__pool_reserve(&fake.pool, -2);
    assert_int_equal(fake.pool.stats.open, 2); /* min again */
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_shared_one_drains_where_more_is_reserved_than_there_is(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 2, .min = 2}, FAKE_OPENS);
    struct bk__member *one = fake_share(&fake);
    thing_of(one)->wait_ns = 5000;
    struct bk__member *two = fake_share(&fake);
    bk__pool_reserve(&fake.pool, 1);
    assert_int_equal(two->state, BK__MEMBER_DRAINING);
    assert_int_equal(one->state, BK__MEMBER_SHARED);
    bk__pool_put(&fake.pool, two);
    assert_int_equal(fake.alive, 1);
    bk__pool_put(&fake.pool, one);
    assert_int_equal(fake.alive, 1);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_stopping_refuses_who_waits(void *unused)
{
    struct fake fake;
    struct user user = {.fake = &fake, .holds = true};
    struct bk__member *member;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_PENDS);
    user_start(&user);
    bk__pool_stop(&fake.pool);
    settle();
    assert_int_equal(user.err, BK_ECLOSED);
    assert_string_equal(user.words, "pool things was closed");
    assert_int_equal(fake.pool.stats.waiting, 0);
    assert_int_equal(fake.pool.stats.opening, 0);
    assert_int_equal(bk__pool_hold(&fake.pool, &member, "here.c", 1), BK_ECLOSED);
    assert_int_equal(bk__pool_share(&fake.pool, &member), BK_ECLOSED);

    fake.mode = FAKE_OPENS;
    bk__pool_start(&fake.pool, 1); /* as a worker of an app that runs again */
    bk__pool_put(&fake.pool, fake_hold(&fake));
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_workers_share_what_the_service_may_have(void *unused)
{
    static const struct {
        uint32_t min, max, sharers, share_min, share_max;
    } cases[] = {{5, 50, 1, 5, 50}, {5, 50, 3, 2, 16}, {5, 50, 9, 1, 5},
                 {5, 5, 4, 1, 1},   {1, 2, 31, 1, 1},  {0, 7, 2, 3, 3}};

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake fake;
        fake_open(&fake, &(bk_pool_opts){.min = cases[i].min, .max = cases[i].max}, FAKE_OPENS);
        fake_close(&fake);
        bk__pool_start(&fake.pool, cases[i].sharers);
        settle();
        assert_int_equal(fake.pool.opts.min, cases[i].share_min);
        assert_int_equal(fake.pool.stats.max, cases[i].share_max);
        assert_int_equal(fake.pool.stats.open, cases[i].share_min);
        fake_close(&fake);
        bk__pool_start(&fake.pool, 1); /* and in another life it is alone */
        assert_int_equal(fake.pool.stats.max, cases[i].max);
        fake_close(&fake);
    }
    return BK_OK;
}

static bk_err test_stats_tell_what_happened(void *unused)
{
    struct fake fake;
    struct user users[2] = {{.fake = &fake, .holds = true}, {.fake = &fake}};
    const bk_pool_stats *stats = &fake.pool.stats;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 2, .min = 2}, FAKE_OPENS);
    struct bk__member *one = fake_hold(&fake), *two = fake_hold(&fake);
    user_start(&users[0]);
    user_start(&users[1]);
    assert_int_equal(stats->held, 2);
    assert_int_equal(stats->waiting, 2);
    assert_int_equal(bk_sleep_ms(30), BK_OK);
    bk__pool_put(&fake.pool, one);
    settle();
    assert_int_equal(bk_sleep_ms(20), BK_OK);
    bk__pool_put(&fake.pool, two);
    settle();
    assert_int_equal(stats->open, 2);
    assert_int_equal(stats->idle, 0);
    assert_int_equal(stats->held, 1);
    assert_int_equal(stats->opening, 0);
    assert_int_equal(stats->waiting, 0);
    assert_int_equal(stats->max, 2);
    assert_int_equal(stats->acquired, 4);
    assert_int_equal(stats->waited, 2);
    assert_int_equal(stats->waited_ms, 80);
    assert_int_equal(stats->waited_max_ms, 50);
    assert_int_equal(stats->opened, 2);
    assert_int_equal(stats->open_failed + stats->lost + stats->refused + stats->timed_out, 0);
    bk__pool_put(&fake.pool, users[0].got);
    bk__pool_put(&fake.pool, users[1].got);
    fake_close(&fake);
    return BK_OK;
}

static bk_err put_twice(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    struct bk__member *one = fake_hold(&fake);
    bk__pool_put(&fake.pool, one);
    bk__pool_put(&fake.pool, one);
    return BK_OK;
}

static bk_err stop_in_use(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1}, FAKE_OPENS);
    fake_share(&fake);
    bk__pool_stop(&fake.pool);
    return BK_OK;
}

static void run_put_twice(void)
{
    run_fibers(put_twice, NULL);
}

static void run_stop_in_use(void)
{
    run_fibers(stop_in_use, NULL);
}

static void test_misuse_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(run_put_twice));
    assert_true(aborts(run_stop_in_use));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fiber_unit_test(test_a_hold_takes_the_coldest_that_is_idle),
        fiber_unit_test(test_what_is_put_back_goes_to_the_first_in_line),
        fiber_unit_test(test_what_was_put_back_for_a_waiter_cannot_be_snatched),
        fiber_unit_test(test_a_hold_opens_one_while_there_is_room),
        fiber_unit_test(test_an_idle_one_that_does_not_work_is_closed_and_replaced),
        fiber_unit_test(test_sharing_stays_on_the_first_that_is_quick_enough),
        fiber_unit_test(test_where_all_are_slow_the_quickest_is_shared),
        fiber_unit_test(test_one_more_is_opened_when_all_have_been_slow_for_a_while),
        fiber_unit_test(test_a_quick_one_forgives_the_slow_ones),
        fiber_unit_test(test_where_all_are_busy_one_is_opened_at_once_and_waited_for),
        fiber_unit_test(test_a_change_for_the_better_serves_the_line),
        fiber_unit_test(test_one_member_serves_sharers_and_holders_in_turn),
        fiber_unit_test(test_a_holder_does_not_pass_by_who_waits_to_share),
        fiber_unit_test(test_the_least_used_drains_for_who_waits_to_hold),
        fiber_unit_test(test_none_drains_while_one_is_opened_for_the_holder),
        fiber_unit_test(test_what_drains_for_a_holder_that_leaves_is_shared_again),
        fiber_unit_test(test_a_canceled_waiter_takes_nothing),
        fiber_unit_test(test_none_is_opened_for_who_has_left),
        fiber_unit_test(test_a_cancel_after_it_was_served_comes_too_late),
        fiber_unit_test(test_who_is_served_between_cancel_and_running_has_it),
        fiber_unit_test(test_a_fiber_that_is_over_does_not_stand_in_line),
        fiber_unit_test(test_the_own_deadline_comes_before_the_pools),
        fiber_unit_test(test_a_full_line_refuses_at_once),
        fiber_unit_test(test_a_lost_one_leaves_with_its_users_and_is_replaced),
        fiber_unit_test(test_who_was_lent_one_that_broke_before_it_ran_is_first_in_line_again),
        fiber_unit_test(test_what_is_reserved_counts_for_max),
        fiber_unit_test(test_a_shared_one_drains_where_more_is_reserved_than_there_is),
        fiber_unit_test(test_stopping_refuses_who_waits),
        fiber_unit_test(test_workers_share_what_the_service_may_have),
        fiber_unit_test(test_stats_tell_what_happened),
        cmocka_unit_test(test_misuse_stops_the_program),
    };
    return cmocka_run_group_tests_name("pool_pool", tests, NULL, NULL);
}
