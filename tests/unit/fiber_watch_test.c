/* Tests of libbackend/fiber/watch.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <backend/fiber.h>
#include <backend/loop.h>

#include "fiber/watch.h"
#include "harness/fiber_run.h"

static const struct bk__loop_opts real_clock = {.virtual_clock = false};

/* --- functions -------------------------------------------------------------------------------- */

struct end {
    struct bk__io io;
    struct end **other; /* for `act` */
    int fds[2];         /* the first is watched */
    int told;
    unsigned ready;               /* as last told */
    uint64_t told_at;             /* loop time, ms */
    int *told_all;                /* counts for many; may be NULL */
    void (*act)(struct end *end); /* called when told; may be NULL */
};

static void on_ready(struct bk__io *io, unsigned ready)
{
    struct end *end = bk__container_of(io, struct end, io);

    assert_null(bk_fiber_self());
    end->told++;
    end->ready = ready;
    end->told_at = io->loop->clock.now_ms;
    if (end->told_all != NULL)
        ++*end->told_all;
    if (end->act != NULL)
        end->act(end);
}

static void end_open(struct end *end)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, end->fds), 0);
    assert_int_equal(bk__io_add(&end->io, end->fds[0], on_ready), BK_OK);
    assert_int_equal(end->io.fd, end->fds[0]);
}

static void end_close(struct end *end)
{
    bk__io_remove(&end->io);
    close(end->fds[0]);
    close(end->fds[1]);
}

static void turn_some(struct bk_loop *loop)
{
    for (int i = 0; i < 3; i++)
        bk__loop_turn(loop, 0);
}

static void test_a_change_is_told_once(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct end end = {0};

    (void)state;
    end_open(&end);
    turn_some(loop);
    assert_int_equal(end.told, 1);
    assert_int_equal(end.ready, BK_WRITABLE);
    assert_int_equal(write(end.fds[1], "x", 1), 1);
    turn_some(loop);
    assert_int_equal(end.told, 2);
    assert_true((end.ready & BK_READABLE) != 0);
    end_close(&end);
    fiber_run_close(loop);
}

static void test_a_hang_up_is_told_as_both(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct end end = {0};

    (void)state;
    end_open(&end);
    turn_some(loop);
    shutdown(end.fds[1], SHUT_RDWR);
    turn_some(loop);
    assert_int_equal(end.ready, BK_READABLE | BK_WRITABLE | BK__HUNG_UP);
    end_close(&end);
    fiber_run_close(loop);
}

static void test_who_is_removed_is_told_nothing(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct end end = {0};

    (void)state;
    bk__io_remove(&end.io); /* zeroed */
    end_open(&end);
    bk__io_remove(&end.io);
    assert_int_equal(end.io.fd, -1);
    bk__io_remove(&end.io);
    assert_int_equal(write(end.fds[1], "x", 1), 1);
    turn_some(loop);
    assert_int_equal(end.told, 0);
    end_close(&end);
    fiber_run_close(loop);
}

static void free_other(struct end *end)
{
    end_close(*end->other);
    free(*end->other);
    *end->other = NULL;
}

static void test_a_callback_may_free_another_whose_event_is_in_the_same_batch(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct end *ends[2];
    int told = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        ends[i] = calloc(1, sizeof *ends[i]);
        ends[i]->told_all = &told;
        ends[i]->other = &ends[1 - i];
        ends[i]->act = free_other;
        end_open(ends[i]);
    }
    bk__loop_turn(loop, 0);
    assert_int_equal(told, 1); /* whoever came first, the other is gone */
    assert_int_not_equal(ends[0] == NULL, ends[1] == NULL);
    assert_null(loop->watch_batch);
    struct end *left = ends[0] != NULL ? ends[0] : ends[1];
    end_close(left);
    free(left);
    fiber_run_close(loop);
}

static void free_itself(struct end *end)
{
    end_close(end);
    free(end);
}

static void test_a_callback_may_free_its_own(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    int told = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct end *end = calloc(1, sizeof *end);
        end->told_all = &told;
        end->act = free_itself;
        end_open(end);
    }
    turn_some(loop);
    assert_int_equal(told, 3);
    fiber_run_close(loop);
}

/* Has the other watch nothing but what nobody writes to. */
static void renew_other(struct end *end)
{
    struct end *other = *end->other;

    end->act = other->act = NULL;
    end_close(other);
    end_open(other);
}

static void test_who_is_added_again_is_told_of_the_new_descriptor_only(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct end ends[2] = {0}, *slots[2] = {&ends[0], &ends[1]};
    int told = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        ends[i].told_all = &told;
        ends[i].other = &slots[1 - i];
        ends[i].act = renew_other;
        end_open(&ends[i]);
        assert_int_equal(write(ends[i].fds[1], "x", 1), 1);
    }
    turn_some(loop);
    assert_int_equal(told, 2);
    assert_int_equal(ends[0].ready | ends[1].ready, BK_READABLE | BK_WRITABLE);
    assert_int_equal(ends[0].ready & ends[1].ready, BK_WRITABLE); /* the new one has no input */
    end_close(&ends[0]);
    end_close(&ends[1]);
    fiber_run_close(loop);
}

static void test_more_than_a_batch_are_all_told(void **state)
{
    enum {
        MANY = 150
    };
    static struct end ends[MANY];
    struct bk_loop *loop = fiber_run_open(&real_clock);

    (void)state;
    for (int i = 0; i < MANY; i++)
        end_open(&ends[i]);
    bk__loop_turn(loop, 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(ends[i].told, 1);
        end_close(&ends[i]);
    }
    fiber_run_close(loop);
}

static void test_the_clock_has_followed_when_a_callback_runs(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct itimerspec in_30_ms = {.it_value.tv_nsec = 30000000};
    struct end end = {.fds = {timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), -1}};

    (void)state;
    assert_int_equal(bk__io_add(&end.io, end.fds[0], on_ready), BK_OK);
    bk__loop_turn(loop, 0);
    uint64_t start = loop->clock.now_ms;
    assert_int_equal(timerfd_settime(end.fds[0], 0, &in_30_ms, NULL), 0);
    while (end.told == 0)
        bk__loop_turn(loop, 5000);
    assert_true(end.told_at >= start + 25);
    bk__io_remove(&end.io);
    close(end.fds[0]);
    fiber_run_close(loop);
}

static void test_a_descriptor_that_is_refused_is_not_registered(void **state)
{
    struct bk_loop *loop = fiber_run_open(&real_clock);
    struct bk__io io;

    (void)state;
    assert_int_equal(bk__io_add(&io, 1000000, on_ready), BK_EIO);
    assert_non_null(strstr(bk_error_chain()->message.ptr, "cannot watch descriptor 1000000"));
    assert_int_equal(io.fd, -1);
    bk__io_remove(&io);
    fiber_run_close(loop);
}

/* --- fibers ----------------------------------------------------------------------------------- */

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
    run_fibers_with(&real_clock, watches, &pair);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_is_told_once),
        cmocka_unit_test(test_a_hang_up_is_told_as_both),
        cmocka_unit_test(test_who_is_removed_is_told_nothing),
        cmocka_unit_test(test_a_callback_may_free_another_whose_event_is_in_the_same_batch),
        cmocka_unit_test(test_a_callback_may_free_its_own),
        cmocka_unit_test(test_who_is_added_again_is_told_of_the_new_descriptor_only),
        cmocka_unit_test(test_more_than_a_batch_are_all_told),
        cmocka_unit_test(test_the_clock_has_followed_when_a_callback_runs),
        cmocka_unit_test(test_a_descriptor_that_is_refused_is_not_registered),
        cmocka_unit_test(test_a_watch_wakes_whom_it_concerns),
        cmocka_unit_test(test_a_regular_file_cannot_be_watched),
    };
    return cmocka_run_group_tests_name("fiber/watch", tests, NULL, NULL);
}
