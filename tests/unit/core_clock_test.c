#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <time.h>

#include "../harness/aborts.h"
#include "core/clock.h"

static int no_clock(void **state)
{
    (void)state;
    bk__clock_current = NULL;
    return 0;
}

static void sleep_ms(long ms)
{
    struct timespec wait = {.tv_nsec = ms * 1000000};
    nanosleep(&wait, NULL);
}

static void test_a_thread_without_a_clock_asks_the_system(void **state)
{
    (void)state;
    uint64_t ms = bk_now_ms();
    uint64_t ns = bk_now_ns();
    bk_time now = bk_time_now();
    sleep_ms(3);
    assert_true(bk_now_ms() >= ms + 2);
    assert_true(bk_now_ns() >= ns + 3000000);
    assert_true(bk_time_now() >= now + 3000);
    assert_true(now / 1000000 >= (bk_time)time(NULL) - 5);
}

static void test_a_threads_clock_stands_still_until_it_is_renewed(void **state)
{
    (void)state;
    struct bk__clock clock = {0};
    bk__clock_current = &clock;
    bk__clock_renew(&clock);
    uint64_t ms = bk_now_ms();
    bk_time now = bk_time_now();
    sleep_ms(3);
    assert_int_equal(bk_now_ms(), ms);
    assert_int_equal(bk_time_now(), now);
    bk__clock_renew(&clock);
    assert_true(bk_now_ms() > ms);
    assert_true(bk_time_now() > now);
}

static void test_nanoseconds_never_stand_still(void **state)
{
    (void)state;
    struct bk__clock clock = {.is_virtual = true};
    bk__clock_current = &clock;
    uint64_t ns = bk_now_ns();
    sleep_ms(1);
    assert_true(bk_now_ns() > ns);
}

static void test_a_virtual_clock_moves_only_when_told(void **state)
{
    (void)state;
    struct bk__clock clock = {.now_ms = 5, .now = 1000000, .is_virtual = true};
    bk__clock_current = &clock;
    bk__clock_renew(&clock);
    assert_int_equal(bk_now_ms(), 5);
    assert_int_equal(bk_time_now(), 1000000);
    bk__clock_advance(&clock, 1500);
    assert_int_equal(bk_now_ms(), 1505);
    assert_int_equal(bk_time_now(), 2500000);
}

static void advance_a_real_clock(void)
{
    struct bk__clock clock = {0};
    bk__clock_advance(&clock, 1);
}

static void test_a_real_clock_cannot_be_moved(void **state)
{
    (void)state;
    assert_true(aborts(advance_a_real_clock));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_thread_without_a_clock_asks_the_system, no_clock),
        cmocka_unit_test_teardown(test_a_threads_clock_stands_still_until_it_is_renewed, no_clock),
        cmocka_unit_test_teardown(test_nanoseconds_never_stand_still, no_clock),
        cmocka_unit_test_teardown(test_a_virtual_clock_moves_only_when_told, no_clock),
        cmocka_unit_test_teardown(test_a_real_clock_cannot_be_moved, no_clock),
    };
    return cmocka_run_group_tests_name("core/clock", tests, NULL, NULL);
}
