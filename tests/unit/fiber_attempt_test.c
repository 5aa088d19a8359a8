/* Tests of libbackend/fiber/attempt.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <backend/clock.h>

#include "core/fault.h"
#include "core/list.h"
#include "fiber/attempt.h"
#include "harness/fiber_run.h"

static const struct bk__loop_opts real_clock = {.virtual_clock = false};

/* What outlives the attempt. */
struct told {
    atomic_int ran, freed;
    int done, late, failure;
    bool freed_before_told;
};

struct
try {
    struct bk__attempt attempt;
    struct told *told;
    bool hangs; /* until the bell rings */
};

static struct try *of(struct bk__attempt *attempt)
{
    return bk__container_of(attempt, struct try, attempt);
}

static void on_run(struct bk__attempt *attempt)
{
    struct pollfd bell = {.fd = attempt->bell, .events = POLLIN};

    if (of(attempt)->hangs)
        while (poll(&bell, 1, -1) != 1)
            ;
    of(attempt)->told->ran++;
}

static void on_done(struct bk__attempt *attempt)
{
    struct told *told = of(attempt)->told;

    assert_int_equal(told->ran, 1);
    told->freed_before_told = told->freed != 0;
    told->done++;
}

static void on_late(struct bk__attempt *attempt, int failure)
{
    of(attempt)->told->late++;
    of(attempt)->told->failure = failure;
}

static void on_free(struct bk__attempt *attempt)
{
    struct told *told = of(attempt)->told;

    free(of(attempt));
    told->freed++;
}

static const struct bk__attempt_type type = {.name = "test-attempt",
                                             .fault = "attempt.thread",
                                             .run = on_run,
                                             .done = on_done,
                                             .late = on_late,
                                             .free = on_free};

static struct try *start(struct told *told, bool hangs, uint64_t timeout_ms)
{
    struct try *it = calloc(1, sizeof *it);

    assert_non_null(it);
    it->told = told;
    it->hangs = hangs;
    bk__attempt_start(&it->attempt, &type, timeout_ms);
    assert_int_equal(told->done + told->late, 0);
    return it;
}

/* Turns until all is freed: the thread is through with it as well. */
static void turn_until_freed(struct bk_loop *loop, const struct told *told)
{
    uint64_t give_up_at = bk_now_ns() + FIBER_RUN_PATIENCE_NS;

    while (told->freed == 0 && bk_now_ns() < give_up_at)
        bk__loop_turn(loop, 5);
    assert_int_equal(told->freed, 1);
}

static void test_what_ends_in_time_is_told_once(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct told told = {0};

    (void)state;
    start(&told, false, 60000);
    turn_until_freed(loop, &told);
    assert_int_equal(told.done, 1);
    assert_int_equal(told.late, 0);
    assert_false(told.freed_before_told);
    fiber_run_close(loop);
}

static void test_what_hangs_is_late_and_told_to_stop(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct told told = {0};

    (void)state;
    start(&told, true, 1);
    turn_until_freed(loop, &told);
    assert_int_equal(told.done, 0);
    assert_int_equal(told.late, 1);
    assert_int_equal(told.failure, 0);
    assert_int_equal(told.ran, 1);
    fiber_run_close(loop);
}

static void test_what_is_abandoned_tells_nothing(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct told told = {0};

    (void)state;
    struct try *it = start(&told, true, 60000);
    bk__attempt_abandon(&it->attempt);
    turn_until_freed(loop, &told);
    assert_int_equal(told.done + told.late, 0);
    fiber_run_close(loop);
}

/* Its post may be on the way by then. */
static void test_what_is_abandoned_as_it_ends_tells_nothing(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);

    (void)state;
    for (int i = 0; i < 50; i++) {
        struct told told = {0};
        struct try *it = start(&told, false, 60000);
        while (told.ran == 0)
            ;
        bk__attempt_abandon(&it->attempt);
        turn_until_freed(loop, &told);
        assert_int_equal(told.done + told.late, 0);
    }
    fiber_run_close(loop);
}

static void test_without_a_thread_it_is_late_at_once(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct told told = {0};

    (void)state;
    bk__fault_arm("attempt.thread", 1, 1);
    start(&told, false, 60000);
    bk__fault_disarm_all();
    turn_until_freed(loop, &told);
    assert_int_equal(told.ran, 0);
    assert_int_equal(told.late, 1);
    assert_int_equal(told.failure, EAGAIN);
    fiber_run_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_ends_in_time_is_told_once),
        cmocka_unit_test(test_what_hangs_is_late_and_told_to_stop),
        cmocka_unit_test(test_what_is_abandoned_tells_nothing),
        cmocka_unit_test(test_what_is_abandoned_as_it_ends_tells_nothing),
        cmocka_unit_test(test_without_a_thread_it_is_late_at_once),
    };
    return cmocka_run_group_tests_name("fiber/attempt", tests, NULL, NULL);
}
