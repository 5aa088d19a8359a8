/* Tests of libbackend/fiber/loop.c, timer.c, watch.c and stack.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/fiber.h>
#include <backend/loop.h>

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

/* --- watches ---------------------------------------------------------------------------------- */

struct pair {
    int fds[2];
    bk_watch *watch;
    bk_err result;
    unsigned ready;
};

static bk_err reads_when_ready(void *data)
{
    struct pair *pair = data;
    char c;

    pair->result = bk_watch_wait(pair->watch, BK_READABLE, &pair->ready);
    if (pair->result == BK_OK)
        assert_int_equal(read(pair->fds[0], &c, 1), 1);
    return pair->result;
}

static bk_err watches(void *data)
{
    struct pair *pair = data;
    unsigned ready = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair->fds), 0);
    assert_int_equal(bk_watch_new(pair->fds[0], &pair->watch), BK_OK);
    assert_int_equal(bk_watch_wait(pair->watch, BK_WRITABLE, &ready), BK_OK);
    assert_int_equal(ready, BK_WRITABLE);

    bk_group *group = bk_group_open();
    bk_group_spawn(group, "reader", reads_when_ready, pair);
    assert_int_equal(bk_yield(), BK_OK);
    assert_int_equal(write(pair->fds[1], "x", 1), 1);
    assert_int_equal(bk_group_wait(group), BK_OK);
    assert_int_equal(pair->ready, BK_READABLE);

    bk_deadline before = bk_deadline_push(10);
    assert_int_equal(bk_watch_wait(pair->watch, BK_READABLE, NULL), BK_ETIMEDOUT);
    bk_deadline_pop(before);

    close(pair->fds[1]); /* a hang-up counts as readable */
    assert_int_equal(bk_watch_wait(pair->watch, BK_READABLE, &ready), BK_OK);
    bk_watch_free(pair->watch);
    bk_watch_free(NULL);
    close(pair->fds[0]);
    return BK_OK;
}

static void test_a_watch_wakes_whom_it_concerns(void **state)
{
    struct pair pair = {0};

    (void)state;
    run_fibers_with(&(struct bk__loop_opts){.virtual_clock = false}, watches, &pair);
}

static bk_err watches_a_file(void *data)
{
    bk_watch *watch;
    int fd = open("/proc/self/exe", O_RDONLY);

    (void)data;
    assert_true(fd >= 0);
    assert_int_equal(bk_watch_new(fd, &watch), BK_EIO);
    assert_non_null(strstr(bk_error_chain()->message.ptr, "cannot watch descriptor"));
    close(fd);
    return BK_OK;
}

static void test_a_regular_file_cannot_be_watched(void **state)
{
    (void)state;
    run_fibers(watches_a_file, NULL);
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
        cmocka_unit_test(test_a_watch_wakes_whom_it_concerns),
        cmocka_unit_test(test_a_regular_file_cannot_be_watched),
        cmocka_unit_test(test_the_stack_used_last_is_used_next),
        cmocka_unit_test(test_pages_that_nobody_needs_are_given_back),
        cmocka_unit_test(test_the_guard_page_ends_the_process),
    };
    return cmocka_run_group_tests_name("fiber/loop", tests, NULL, NULL);
}
