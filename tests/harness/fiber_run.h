/*
 * fiber_run.h: tests on fibers.
 *
 * run_fibers() makes a loop with a virtual clock, runs a function on a fiber and goes on until no
 * fiber is left. When nothing can run, the clock jumps to the next timer, so hours pass in no time
 * and always in the same order. Fibers that wait for nothing that could come fail the test.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_FIBER_RUN_H
#define TESTS_HARNESS_FIBER_RUN_H

#include <backend/clock.h>
#include <backend/fiber.h>

#include "fiber/fiber.h"
#include "fiber/loop.h"

/* How many fibers are a crowd. gcc's ThreadSanitizer takes each for a thread and ends at 8,128. */
#if defined(__SANITIZE_THREAD__)
#define FIBER_RUN_CROWD 2000
#else
#define FIBER_RUN_CROWD 10000
#endif

#define FIBER_RUN_PATIENCE_NS 20000000000u /* of real time, for what other threads owe */

static inline struct bk_loop *fiber_run_open(const struct bk__loop_opts *opts)
{
    struct bk__loop_opts all = opts != NULL ? *opts : (struct bk__loop_opts){.virtual_clock = true};

    if (all.fibers == 0)
        all.fibers = 100000;
    if (all.offload_threads == 0)
        all.offload_threads = 2;
    if (all.offload_queue == 0)
        all.offload_queue = 4;
    return bk__loop_new(&all);
}

/* Turns until no fiber is left. */
static inline void fiber_run_all(struct bk_loop *loop)
{
    uint64_t gave_up_at = bk_now_ns() + FIBER_RUN_PATIENCE_NS;

    while (loop->fiber_count != 0) {
        bool may_jump = loop->clock.is_virtual && bk__heap_first(&loop->timers) != NULL;
        if (bk__loop_turn(loop, may_jump ? 0 : 100)) {
            gave_up_at = bk_now_ns() + FIBER_RUN_PATIENCE_NS;
            continue;
        }
        const struct bk__heap_node *first = bk__heap_first(&loop->timers);
        if (loop->clock.is_virtual && first != NULL)
            bk__clock_advance(&loop->clock, first->at - loop->clock.now_ms);
        else if (bk_now_ns() > gave_up_at)
            fail_msg("%zu fibers wait for ever", loop->fiber_count);
    }
}

/* Frees the loop, on which nothing may be left. */
static inline void fiber_run_close(struct bk_loop *loop)
{
    assert_int_equal(loop->fiber_count, 0);
    assert_true(bk__list_empty(&loop->ready));
    assert_true(bk__list_empty(&loop->fibers));
    assert_int_equal(loop->timers.count, bk__heap_linked(&loop->trim_timer.node) ? 1 : 0);
    bk__loop_free(loop);
}

static inline void run_fibers_with(const struct bk__loop_opts *opts, bk_fiber_fn fn, void *data)
{
    struct bk_loop *loop = fiber_run_open(opts);

    assert_int_equal(bk_spawn("test", fn, data), BK_OK);
    fiber_run_all(loop);
    fiber_run_close(loop);
}

static inline void run_fibers(bk_fiber_fn fn, void *data)
{
    run_fibers_with(NULL, fn, data);
}

/* What fiber_unit_test() has cmocka call. */
static inline void fiber_run_test(void **fn)
{
    run_fibers(*(bk_fiber_fn *)fn, NULL);
}

/* Like cmocka_unit_test(), for a test that is a bk_fiber_fn and runs alone on a fiber. */
#define fiber_unit_test(fn) ((struct CMUnitTest){#fn, fiber_run_test, NULL, NULL, (void *)(fn)})

/* Lets the other fibers run until they wait. */
static inline void settle(void)
{
    for (int i = 0; i < 4; i++)
        assert_int_equal(bk_yield(), BK_OK);
}

/* A number below @p bound; the same sequence for the same seed (xorshift64*). */
static inline uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (uint32_t)((*seed * 0x2545f4914f6cdd1dull) >> 32) % bound;
}

#endif
