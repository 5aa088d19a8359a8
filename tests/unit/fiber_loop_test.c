/* Tests of libbackend/fiber/loop.c, timer.c and stack.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/fiber.h>

#include "fiber/stack.h"
#include "fiber/timer.h"
#include "harness/fiber_run.h"

/* --- timers ----------------------------------------------------------------------------------- */

struct order {
    struct bk__timer timers[4];
    char fired[8];
    size_t count;
};

static struct order order;

static void on_fire(struct bk__timer *timer)
{
    order.fired[order.count++] = (char)('0' + (timer - order.timers));
}

static bk_err sets_timers(void *data)
{
    struct bk_loop *loop = bk__loop_current;
    uint64_t now = loop->clock.now_ms;

    (void)data;
    for (int i = 0; i < 4; i++)
        order.timers[i].fn = on_fire;
    bk__timer_set(loop, &order.timers[0], now + 30);
    bk__timer_set(loop, &order.timers[1], now + 10);
    bk__timer_set(loop, &order.timers[2], now + 10);
    bk__timer_set(loop, &order.timers[3], now + 20);
    bk__timer_set(loop, &order.timers[0], now + 5);
    bk__timer_stop(loop, &order.timers[3]);
    bk__timer_stop(loop, &order.timers[3]);
    bk__timer_at_least(loop, &order.timers[2], now + 40); /* stands earlier already */
    assert_int_equal(bk_sleep_ms(50), BK_OK);
    assert_string_equal(order.fired, "012");
    return BK_OK;
}

static void test_timers_fire_in_order_and_only_when_set(void **state)
{
    (void)state;
    run_fibers(sets_timers, NULL);
}

/* --- posts ------------------------------------------------------------------------------------ */

struct mail {
    struct bk_loop *loop;
    bk_fiber *fiber;
    int received;
};

static void receive(void *data)
{
    struct mail *mail = data;

    assert_null(bk_fiber_self());
    mail->received++;
    bk_fiber_wake(mail->fiber);
}

static void *send_from_afar(void *data)
{
    struct mail *mail = data;

    for (int i = 0; i < 100; i++)
        assert_int_equal(bk__loop_post(mail->loop, receive, mail), BK_OK);
    return NULL;
}

static bk_err awaits_mail(void *data)
{
    struct mail *mail = data;
    pthread_t thread;

    mail->loop = bk__loop_current;
    mail->fiber = bk_fiber_self();
    assert_int_equal(pthread_create(&thread, NULL, send_from_afar, mail), 0);
    while (mail->received < 100)
        assert_int_equal(bk_fiber_park(), BK_OK);
    pthread_join(thread, NULL);
    bk__loop_close_posts(mail->loop);
    assert_int_equal(bk__loop_post(mail->loop, receive, mail), BK_ECLOSED);
    return BK_OK;
}

static void test_posts_of_other_threads_arrive_once_each(void **state)
{
    struct mail mail = {0};

    (void)state;
    run_fibers_with(&(struct bk__loop_opts){.virtual_clock = false}, awaits_mail, &mail);
    assert_int_equal(mail.received, 100);
}

/* --- work that is put off --------------------------------------------------------------------- */

struct work {
    struct bk__put_off put_off;
    struct work *other;
    bk_fiber *fiber;
    int runs, rounds;
};

static void count_run(struct bk__put_off *put_off)
{
    assert_null(bk_fiber_self());
    bk__container_of(put_off, struct work, put_off)->runs++;
}

static const struct bk__loop_opts real_clock = {.virtual_clock = false};

static void test_work_runs_once_however_often_it_is_put_off(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct work work = {.put_off.fn = count_run};

    (void)state;
    for (int i = 0; i < 3; i++)
        bk__loop_put_off(loop, &work.put_off);
    assert_int_equal(work.runs, 0);
    assert_true(bk__loop_turn(loop, 0));
    assert_int_equal(work.runs, 1);
    assert_false(bk__loop_turn(loop, 0));
    assert_int_equal(work.runs, 1);
    bk__loop_put_off(loop, &work.put_off);
    assert_true(bk__loop_turn(loop, 0));
    assert_int_equal(work.runs, 2);
    fiber_run_close(loop);
}

static void forget_other(struct bk__put_off *put_off)
{
    struct work *work = bk__container_of(put_off, struct work, put_off);

    work->runs++;
    bk__loop_forget(&work->other->put_off);
}

static void test_forgotten_work_does_not_run(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct work one = {.put_off.fn = count_run};
    struct work two = {.put_off.fn = forget_other, .other = &one};

    (void)state;
    bk__loop_forget(&one.put_off); /* it is not due */
    bk__loop_put_off(loop, &one.put_off);
    bk__loop_forget(&one.put_off);
    bk__loop_forget(&one.put_off);
    assert_false(bk__loop_turn(loop, 0));
    bk__loop_put_off(loop, &two.put_off);
    bk__loop_put_off(loop, &one.put_off);
    assert_true(bk__loop_turn(loop, 0)); /* two runs, and forgets one that was to run after it */
    assert_int_equal(two.runs, 1);
    assert_int_equal(one.runs, 0);
    bk__loop_put_off(loop, &one.put_off);
    bk__loop_turn(loop, 0);
    assert_int_equal(one.runs, 1);
    fiber_run_close(loop);
}

static void put_off_again(struct bk__put_off *put_off)
{
    struct work *work = bk__container_of(put_off, struct work, put_off);

    if (++work->runs < work->rounds)
        bk__loop_put_off(bk__loop_current, put_off);
}

static void test_work_that_puts_itself_off_lets_the_loop_turn_and_keeps_it_awake(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct work work = {.put_off.fn = put_off_again, .rounds = 3};
    uint64_t start = bk_now_ns();

    (void)state;
    bk__loop_put_off(loop, &work.put_off);
    for (int turn = 1; turn <= 3; turn++) {
        assert_true(bk__loop_turn(loop, 8000));
        assert_int_equal(work.runs, turn);
    }
    assert_true(bk_now_ns() - start < 4000000000u);
    assert_false(bk__loop_turn(loop, 0));
    fiber_run_close(loop);
}

static void wake_fiber(struct bk__put_off *put_off)
{
    struct work *work = bk__container_of(put_off, struct work, put_off);

    work->runs++;
    bk_fiber_wake(work->fiber);
}

static bk_err waits_for_work(void *data)
{
    struct work *work = data;

    work->fiber = bk_fiber_self();
    bk__loop_put_off(bk__loop_current, &work->put_off);
    while (work->runs == 0)
        assert_int_equal(bk_fiber_park(), BK_OK);
    return BK_OK;
}

static void test_the_loop_does_not_sleep_when_work_wakes_a_fiber(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct work work = {.put_off.fn = wake_fiber};
    uint64_t start = bk_now_ns();

    (void)state;
    assert_int_equal(bk_spawn("waits", waits_for_work, &work), BK_OK);
    assert_true(bk__loop_turn(loop, 8000)); /* the fiber parks, the work wakes it */
    assert_int_equal(work.runs, 1);
    bk__loop_turn(loop, 0);
    assert_int_equal(loop->fiber_count, 0);
    assert_true(bk_now_ns() - start < 4000000000u);
    fiber_run_close(loop);
}

static void put_off_by_post(void *data)
{
    struct work *work = data;

    bk__loop_put_off(bk__loop_current, &work->put_off);
}

static void test_what_a_callback_puts_off_runs_before_the_next_sleep(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct work work = {.put_off.fn = count_run};
    uint64_t start = bk_now_ns();

    (void)state;
    assert_int_equal(bk__loop_post(loop, put_off_by_post, &work), BK_OK);
    while (!bk__loop_turn(loop, 8000)) {
        /* what the post put off counts as something to do */
    }
    assert_int_equal(work.runs, 0);
    bk__loop_turn(loop, 8000);
    assert_int_equal(work.runs, 1);
    assert_true(bk_now_ns() - start < 4000000000u);
    fiber_run_close(loop);
}

static void note_work(struct bk__put_off *put_off)
{
    (void)put_off;
    order.fired[order.count++] = 'w';
}

static bk_err puts_off_and_sets(void *data)
{
    bk__loop_put_off(bk__loop_current, data);
    order.timers[0].fn = on_fire;
    bk__timer_set(bk__loop_current, &order.timers[0], bk__loop_current->clock.now_ms);
    order.fired[order.count++] = 'f';
    return BK_OK;
}

static void test_fibers_and_timers_run_before_what_they_put_off(void **state)
{
    struct bk_loop *loop = fiber_run_open(NULL);
    struct bk__put_off work = {.fn = note_work};

    (void)state;
    memset(&order, 0, sizeof order);
    assert_int_equal(bk_spawn("one", puts_off_and_sets, &work), BK_OK);
    assert_int_equal(bk_spawn("two", puts_off_and_sets, &work), BK_OK);
    bk__loop_turn(loop, 0);
    assert_string_equal(order.fired, "ff0w");
    fiber_run_close(loop);
}

static void free_itself(struct bk__put_off *put_off)
{
    struct work *work = bk__container_of(put_off, struct work, put_off);

    work->other->runs++;
    free(work);
}

static void test_work_may_free_what_it_lies_in(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct work seen = {.runs = 0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct work *work = calloc(1, sizeof *work);
        work->put_off.fn = free_itself;
        work->other = &seen;
        bk__loop_put_off(loop, &work->put_off);
    }
    bk__loop_turn(loop, 0);
    assert_int_equal(seen.runs, 2);
    fiber_run_close(loop);
}

/* --- stacks ----------------------------------------------------------------------------------- */

static void test_the_stack_used_last_is_used_next(void **state)
{
    struct bk__stacks stacks;

    (void)state;
    bk__stacks_init(&stacks);
    char *first = bk__stack_get(&stacks), *second = bk__stack_get(&stacks);
    assert_non_null(first);
    assert_true(first != second);
    bk__stack_put(&stacks, first);
    bk__stack_put(&stacks, second);
    assert_ptr_equal(bk__stack_get(&stacks), second);
    bk__stack_put(&stacks, second);
    bk__stacks_fini(&stacks);
}

static size_t resident_pages(char *block)
{
    unsigned char pages[BK__STACK_BYTES / 4096];
    size_t count = 0;

    assert_int_equal(mincore(block, BK__STACK_BYTES, pages), 0);
    for (size_t i = 0; i < sizeof pages; i++)
        count += pages[i] & 1;
    return count;
}

static void test_pages_that_nobody_needs_are_given_back(void **state)
{
    struct bk__stacks stacks;
    char *blocks[2 * BK__STACKS_PER_SLAB];

    (void)state;
    bk__stacks_init(&stacks);
    for (size_t i = 0; i < 2 * BK__STACKS_PER_SLAB; i++) {
        blocks[i] = bk__stack_get(&stacks);
        memset(blocks[i] + BK__STACK_GUARD, 1, BK__STACK_BYTES - BK__STACK_GUARD);
    }
    for (size_t i = 0; i < 2 * BK__STACKS_PER_SLAB; i++)
        bk__stack_put(&stacks, blocks[i]);
    bk__stacks_trim(&stacks); /* they were all in use since the last one */
    char *warm = bk__stack_get(&stacks);
    bk__stack_put(&stacks, warm);
    bk__stacks_trim(&stacks);
    assert_true(resident_pages(warm) > 1);
    for (size_t i = 0; i < 2 * BK__STACKS_PER_SLAB; i++)
        if (blocks[i] != warm)
            assert_int_equal(resident_pages(blocks[i]), 0);
    bk__stacks_fini(&stacks);
}

static void test_the_guard_page_ends_the_process(void **state)
{
    struct bk__stacks stacks;
    int status;

    (void)state;
    bk__stacks_init(&stacks);
    char *volatile block = bk__stack_get(&stacks);
    assert_true(bk__stack_guards(block, block + 100));
    assert_false(bk__stack_guards(block, block + BK__STACK_GUARD));
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        block[BK__STACK_GUARD - 1] = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    bk__stack_put(&stacks, block);
    bk__stacks_fini(&stacks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_fire_in_order_and_only_when_set),
        cmocka_unit_test(test_posts_of_other_threads_arrive_once_each),
        cmocka_unit_test(test_work_runs_once_however_often_it_is_put_off),
        cmocka_unit_test(test_forgotten_work_does_not_run),
        cmocka_unit_test(test_work_that_puts_itself_off_lets_the_loop_turn_and_keeps_it_awake),
        cmocka_unit_test(test_the_loop_does_not_sleep_when_work_wakes_a_fiber),
        cmocka_unit_test(test_what_a_callback_puts_off_runs_before_the_next_sleep),
        cmocka_unit_test(test_fibers_and_timers_run_before_what_they_put_off),
        cmocka_unit_test(test_work_may_free_what_it_lies_in),
        cmocka_unit_test(test_the_stack_used_last_is_used_next),
        cmocka_unit_test(test_pages_that_nobody_needs_are_given_back),
        cmocka_unit_test(test_the_guard_page_ends_the_process),
    };
    return cmocka_run_group_tests_name("fiber/loop", tests, NULL, NULL);
}
