/* Tests of libbackend/http/balance.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/balance.h"

static void test_one_alone_never_yields(void **state)
{
    (void)state;
    static struct bk__balance balance;

    bk__balance_note(&balance, 3, 1000);
    assert_false(bk__balance_yields(&balance, 3, 1000));
}

static void test_one_that_is_ahead_yields_and_one_behind_does_not(void **state)
{
    (void)state;
    static struct bk__balance balance;

    bk__balance_note(&balance, 0, 10);
    bk__balance_note(&balance, 63, 2);
    assert_true(bk__balance_yields(&balance, 0, 10));
    assert_false(bk__balance_yields(&balance, 63, 2));
}

static void test_one_that_has_left_counts_no_more(void **state)
{
    (void)state;
    static struct bk__balance balance;

    bk__balance_note(&balance, 0, 10);
    bk__balance_note(&balance, 1, 0);
    assert_true(bk__balance_yields(&balance, 0, 10));
    bk__balance_leave(&balance, 1);
    assert_false(bk__balance_yields(&balance, 0, 10));
}

/* Whoever is awake takes; the others only when it yields. */
static void test_a_burst_is_shared_out_evenly(void **state)
{
    (void)state;
    static struct bk__balance balance;
    size_t held[4] = {0};

    for (unsigned i = 0; i < 4; i++)
        bk__balance_note(&balance, i, 0);
    for (int i = 0; i < 64; i++) {
        unsigned taker = 0;
        while (bk__balance_yields(&balance, taker, held[taker]))
            taker++;
        bk__balance_note(&balance, taker, ++held[taker]);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(held[i], 14, 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_alone_never_yields),
        cmocka_unit_test(test_one_that_is_ahead_yields_and_one_behind_does_not),
        cmocka_unit_test(test_one_that_has_left_counts_no_more),
        cmocka_unit_test(test_a_burst_is_shared_out_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
