/* Tests of libbackend/fiber/fiber.c: life, waiting, cancelling, deadlines, shields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/errors.h>
#include <backend/fiber.h>
#include <backend/log.h>

#include "harness/fiber_run.h"

struct shared {
    bk_fiber *sleeper;
    bk_err result;
    int steps;
    char order[16];
    size_t order_len;
};

static void note(struct shared *shared, char c)
{
    assert_true(shared->order_len < sizeof shared->order - 1);
    shared->order[shared->order_len++] = c;
}

/* --- sleeping --------------------------------------------------------------------------------- */

static bk_err sleeps_an_hour(void *data)
{
    uint64_t before = bk_now_ms();

    (void)data;
    assert_int_equal(bk_sleep_ms(3600000), BK_OK);
    assert_int_equal(bk_now_ms() - before, 3600000);
    assert_int_equal(bk_sleep_ms(0), BK_OK);
    return BK_OK;
}

static void test_a_sleep_lasts_as_long_as_it_says(void **state)
{
    (void)state;
    run_fibers(sleeps_an_hour, NULL);
}

static bk_err step_later(void *data)
{
    struct shared *shared = data;

    note(shared, 'b');
    assert_int_equal(bk_sleep_ms(20), BK_OK);
    note(shared, 'd');
    return BK_OK;
}

static bk_err interleave(void *data)
{
    struct shared *shared = data;

    assert_int_equal(bk_spawn("other", step_later, shared), BK_OK);
    note(shared, 'a');
    assert_int_equal(bk_sleep_ms(10), BK_OK);
    note(shared, 'c');
    assert_int_equal(bk_sleep_ms(20), BK_OK);
    note(shared, 'e');
    return BK_OK;
}

static void test_fibers_run_in_the_order_of_their_timers(void **state)
{
    struct shared shared = {0};

    (void)state;
    run_fibers(interleave, &shared);
    assert_string_equal(shared.order, "abcde");
}

/* --- park and wake ---------------------------------------------------------------------------- */

static bk_err parks(void *data)
{
    struct shared *shared = data;

    shared->sleeper = bk_fiber_self();
    shared->result = bk_fiber_park();
    shared->steps++;
    return BK_OK;
}

static bk_err wakes_the_other(void *data)
{
    struct shared *shared = data;

    assert_int_equal(bk_spawn("sleeper", parks, shared), BK_OK);
    settle();
    assert_int_equal(shared->steps, 0);
    bk_fiber_wake(shared->sleeper);
    bk_fiber_wake(shared->sleeper); /* many count as one */
    settle();
    assert_int_equal(shared->steps, 1);
    assert_int_equal(shared->result, BK_OK);
    return BK_OK;
}

static void test_a_wake_ends_a_park(void **state)
{
    struct shared shared = {0};

    (void)state;
    run_fibers(wakes_the_other, &shared);
}

static bk_err wakes_itself_first(void *data)
{
    (void)data;
    bk_fiber_wake(bk_fiber_self());
    assert_int_equal(bk_fiber_park(), BK_OK);
    bk_deadline before = bk_deadline_push(5);
    assert_int_equal(bk_fiber_park(), BK_ETIMEDOUT); /* the wake was used up */
    bk_deadline_pop(before);
    return BK_OK;
}

static void test_a_wake_before_the_park_is_not_lost(void **state)
{
    (void)state;
    run_fibers(wakes_itself_first, NULL);
}

/* --- cancel ----------------------------------------------------------------------------------- */

static bk_err sleeps_until_cancelled(void *data)
{
    struct shared *shared = data;

    shared->sleeper = bk_fiber_self();
    shared->result = bk_sleep_ms(1000000);
    assert_int_equal(bk_fiber_interrupted(), BK_ECANCELED);
    assert_int_equal(bk_sleep_ms(1), BK_ECANCELED); /* and each later wait */
    assert_int_equal(bk_yield(), BK_ECANCELED);
    assert_int_equal(bk_fiber_park(), BK_ECANCELED);
    shared->steps++;
    return shared->result;
}

static bk_err cancels_the_other(void *data)
{
    struct shared *shared = data;
    uint64_t begun = bk_now_ms();

    assert_int_equal(bk_spawn("sleeper", sleeps_until_cancelled, shared), BK_OK);
    settle();
    bk_fiber_cancel(shared->sleeper);
    bk_fiber_cancel(shared->sleeper);
    settle();
    assert_int_equal(shared->steps, 1);
    assert_int_equal(shared->result, BK_ECANCELED);
    assert_int_equal(bk_now_ms(), begun);
    return BK_OK;
}

static void test_a_cancelled_fiber_stops_waiting_at_once_and_for_good(void **state)
{
    struct shared shared = {0};

    (void)state;
    run_fibers(cancels_the_other, &shared);
}

static bk_err sleeps_behind_a_shield(void *data)
{
    struct shared *shared = data;

    shared->sleeper = bk_fiber_self();
    bk__shield_up();
    bk__shield_up();
    bk__shield_down();
    assert_int_equal(bk_sleep_ms(50),
                     BK_OK); /* neither the cancel nor the deadline comes through */
    assert_int_equal(bk_fiber_interrupted(), BK_OK);
    bk__shield_down();
    assert_int_equal(bk_fiber_interrupted(), BK_ECANCELED);
    shared->steps++;
    return BK_OK;
}

static bk_err cancels_the_shielded(void *data)
{
    struct shared *shared = data;

    assert_int_equal(bk_spawn("shielded", sleeps_behind_a_shield, shared), BK_OK);
    settle();
    bk__fiber_set_deadline(shared->sleeper, bk_now_ms() + 10);
    bk_fiber_cancel(shared->sleeper);
    settle();
    assert_int_equal(shared->steps, 0);
    assert_int_equal(bk_sleep_ms(60), BK_OK);
    assert_int_equal(shared->steps, 1);
    return BK_OK;
}

static void test_a_shield_lets_clean_up_finish(void **state)
{
    struct shared shared = {0};

    (void)state;
    run_fibers(cancels_the_shielded, &shared);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static bk_err narrows_and_widens(void *data)
{
    (void)data;
    assert_true(bk_deadline_left_ms() == UINT64_MAX);
    bk_deadline outer = bk_deadline_push(100);
    assert_int_equal(bk_deadline_left_ms(), 100);
    bk_deadline inner = bk_deadline_push(500); /* cannot widen */
    assert_int_equal(bk_deadline_left_ms(), 100);
    bk_deadline_pop(inner);
    inner = bk_deadline_push(10);
    uint64_t begun = bk_now_ms();
    assert_int_equal(bk_sleep_ms(50), BK_ETIMEDOUT);
    assert_int_equal(bk_now_ms() - begun, 10);
    assert_int_equal(bk_fiber_interrupted(), BK_ETIMEDOUT);
    assert_int_equal(bk_deadline_left_ms(), 0);
    assert_int_equal(bk_yield(), BK_ETIMEDOUT);
    bk_deadline_pop(inner);
    assert_int_equal(bk_sleep_ms(50), BK_OK);
    assert_int_equal(bk_deadline_left_ms(), 40);
    bk_deadline_pop(outer);
    assert_true(bk_deadline_left_ms() == UINT64_MAX);
    bk_deadline forever = bk_deadline_push(UINT64_MAX);
    assert_true(bk_deadline_left_ms() == UINT64_MAX);
    bk_deadline_pop(forever);
    return BK_OK;
}

static void test_a_deadline_narrows_for_a_while(void **state)
{
    (void)state;
    run_fibers(narrows_and_widens, NULL);
}

static bk_err many_waits_one_timer(void *data)
{
    struct bk_loop *loop = bk__loop_current;

    (void)data;
    bk_deadline before = bk_deadline_push(1000);
    for (int i = 0; i < 100; i++) {
        bk_fiber_wake(bk_fiber_self());
        assert_int_equal(bk_fiber_park(), BK_OK);
        assert_int_equal(bk_sleep_ms(1), BK_OK);
        assert_true(loop->timers.count <= 1);
    }
    assert_int_equal(bk_deadline_left_ms(), 900);
    assert_int_equal(bk_sleep_ms(5000), BK_ETIMEDOUT);
    bk_deadline_pop(before);
    return BK_OK;
}

static void test_a_fiber_has_one_timer_however_often_it_waits(void **state)
{
    (void)state;
    run_fibers(many_waits_one_timer, NULL);
}

/* --- arena, errors, names --------------------------------------------------------------------- */

static void count_up(void *data)
{
    ++*(int *)data;
}

static bk_err defers(void *data)
{
    struct shared *shared = data;

    bk_fiber_name("defers");
    assert_string_equal(bk__task_self()->name, "defers");
    bk_arena_defer(bk_fiber_arena(), count_up, &shared->steps);
    memset(bk_arena_alloc(bk_fiber_arena(), 100000), 1, 100000);
    return BK_OK;
}

static void test_the_end_of_a_fiber_runs_what_was_deferred(void **state)
{
    struct shared shared = {0};

    (void)state;
    run_fibers(defers, &shared);
    assert_int_equal(shared.steps, 1);
}

static bk_err fails_and_waits(void *data)
{
    const char *text = data;

    (void)!bk_fail(BK_ENOTFOUND, "%s", text);
    assert_int_equal(bk_sleep_ms(5), BK_OK);
    assert_string_equal(bk_error_chain()->message.ptr, text);
    return BK_OK;
}

static bk_err two_that_fail(void *data)
{
    (void)data;
    assert_int_equal(bk_spawn("one", fails_and_waits, (void *)"first"), BK_OK);
    assert_int_equal(bk_spawn("two", fails_and_waits, (void *)"second"), BK_OK);
    assert_int_equal(bk_sleep_ms(10), BK_OK);
    assert_null(bk_error_chain());
    return BK_OK;
}

static void test_errors_of_fibers_do_not_mix(void **state)
{
    (void)state;
    run_fibers(two_that_fail, NULL);
}

/* --- limits and limits of the machine --------------------------------------------------------- */

static bk_err just_waits(void *data)
{
    (void)data;
    return bk_sleep_ms(10);
}

static bk_err spawns_too_many(void *data)
{
    (void)data;
    for (int i = 0; i < 9; i++)
        assert_int_equal(bk_spawn("child", just_waits, NULL), BK_OK);
    assert_int_equal(bk_spawn("one too many", just_waits, NULL), BK_EUNAVAILABLE);
    assert_int_equal(bk_sleep_ms(20), BK_OK);
    assert_int_equal(bk_spawn("there is room again", just_waits, NULL), BK_OK);
    return BK_OK;
}

static void test_a_loop_has_as_many_fibers_as_it_may(void **state)
{
    (void)state;
    run_fibers_with(&(struct bk__loop_opts){.virtual_clock = true, .fibers = 10}, spawns_too_many,
                    NULL);
}

static bk_err spawns_thousands(void *data)
{
    (void)data;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(bk_spawn("child", just_waits, NULL), BK_OK);
    return BK_OK;
}

static void test_thousands_wait_at_once(void **state)
{
    (void)state;
    run_fibers(spawns_thousands, NULL);
}

static uint64_t use_stack(int depth)
{
    volatile uint64_t here[64];

    here[0] = (uint64_t)depth;
    here[63] = depth > 0 ? use_stack(depth - 1) : 1;
    return here[0] + here[63];
}

static bk_err goes_deep(void *data)
{
    (void)data;
    for (int i = 0; i < 3; i++) {
        assert_true(use_stack(60) > 0); /* some 40 KiB */
        assert_int_equal(bk_yield(), BK_OK);
    }
    return BK_OK;
}

static void test_most_of_the_stack_can_be_used(void **state)
{
    (void)state;
    run_fibers(goes_deep, NULL);
}

static bk_err fails_in_the_background(void *data)
{
    (void)data;
    return bk_fail(BK_EIO, "the disk is full");
}

static char logged[1024];

static void keep_line(bk_log_level level, bk_str line, void *data)
{
    (void)data;
    assert_int_equal(level, BK_LOG_ERROR);
    assert_true(line.len < sizeof logged);
    memcpy(logged, line.ptr, line.len);
}

static void test_an_error_of_a_background_fiber_is_logged(void **state)
{
    (void)state;
    bk_log_set_sink(keep_line, NULL);
    run_fibers(fails_in_the_background, NULL);
    bk_log_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "fiber.failed"));
    assert_non_null(strstr(logged, "the disk is full"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sleep_lasts_as_long_as_it_says),
        cmocka_unit_test(test_fibers_run_in_the_order_of_their_timers),
        cmocka_unit_test(test_a_wake_ends_a_park),
        cmocka_unit_test(test_a_wake_before_the_park_is_not_lost),
        cmocka_unit_test(test_a_cancelled_fiber_stops_waiting_at_once_and_for_good),
        cmocka_unit_test(test_a_shield_lets_clean_up_finish),
        cmocka_unit_test(test_a_deadline_narrows_for_a_while),
        cmocka_unit_test(test_a_fiber_has_one_timer_however_often_it_waits),
        cmocka_unit_test(test_the_end_of_a_fiber_runs_what_was_deferred),
        cmocka_unit_test(test_errors_of_fibers_do_not_mix),
        cmocka_unit_test(test_a_loop_has_as_many_fibers_as_it_may),
        cmocka_unit_test(test_thousands_wait_at_once),
        cmocka_unit_test(test_most_of_the_stack_can_be_used),
        cmocka_unit_test(test_an_error_of_a_background_fiber_is_logged),
    };
    return cmocka_run_group_tests_name("fiber/fiber", tests, NULL, NULL);
}
