/* Tests of libbackend/limit/algorithm.c: the sums of the three algorithms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/fiber_run.h"
#include "limit/algorithm.h"

#define START 1000000000000u /* a time in ms, at the beginning of a window of a second */

static const bk_limit_algorithm all[] = {BK_LIMIT_FIXED, BK_LIMIT_SLIDING, BK_LIMIT_GCRA};

static struct bk__limit_rule rule_of(bk_limit_algorithm algorithm, uint32_t limit,
                                     uint32_t window_ms, uint32_t burst)
{
    struct bk__limit_rule rule;

    assert_null(bk__limit_rule_init(&rule, algorithm, limit, window_ms, burst));
    return rule;
}

/* A key, and what came of the last take. */
struct key {
    struct bk__limit_rule rule;
    uint64_t state;
    bk_limit_result out;
};

static bool take(struct key *key, uint64_t now_ms, uint32_t cost)
{
    key->state = bk__limit_step(&key->rule, key->state, now_ms, cost, &key->out);
    return key->out.allowed;
}

/* What a take would come to. */
static bk_limit_result peek(const struct key *key, uint64_t now_ms, uint32_t cost)
{
    bk_limit_result out;

    bk__limit_step(&key->rule, key->state, now_ms, cost, &out);
    return out;
}

static void test_the_limit_is_allowed_and_not_one_more(void **state)
{
    (void)state;
    for (size_t a = 0; a < 3; a++) {
        struct key key = {.rule = rule_of(all[a], 5, 1000, 5)};
        for (uint32_t i = 1; i <= 5; i++) {
            assert_true(take(&key, START, 1));
            assert_int_equal(key.out.remaining, 5 - i);
            assert_int_equal(key.out.limit, 5);
            assert_int_equal(key.out.retry_after_ms, 0);
        }
        uint64_t full = key.state;
        assert_false(take(&key, START, 1));
        assert_int_equal(key.out.remaining, 0);
        assert_int_equal(key.state, full); /* what is denied is not counted */
    }
}

static void test_a_cost_is_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    for (size_t a = 0; a < 3; a++) {
        struct key key = {.rule = rule_of(all[a], 10, 1000, 10)};
        assert_true(take(&key, START, 7));
        assert_false(take(&key, START, 4));
        assert_int_equal(key.out.remaining, 3);
        assert_true(take(&key, START, 3));
        assert_int_equal(key.out.remaining, 0);
    }
}

static void test_a_take_of_nothing_tells_and_changes_nothing(void **state)
{
    (void)state;
    for (size_t a = 0; a < 3; a++) {
        struct key key = {.rule = rule_of(all[a], 2, 1000, 2)};
        assert_true(take(&key, START, 0));
        assert_int_equal(key.state, 0);
        assert_int_equal(key.out.remaining, 2);
        assert_int_equal(key.out.reset_ms, 0);
        assert_true(take(&key, START, 2));
        uint64_t full = key.state;
        assert_false(take(&key, START, 0));
        assert_int_equal(key.state, full);
        assert_true(key.out.retry_after_ms > 0);
    }
}

static void test_a_fixed_window_begins_with_the_first_take(void **state)
{
    struct key key = {.rule = rule_of(BK_LIMIT_FIXED, 3, 1000, 3)};

    (void)state;
    assert_true(take(&key, START + 300, 1));
    assert_int_equal(key.out.reset_ms, 1000);
    assert_true(take(&key, START + 1200, 2));
    assert_int_equal(key.out.reset_ms, 100);
    assert_false(take(&key, START + 1299, 1));
    assert_int_equal(key.out.retry_after_ms, 1);
    assert_true(take(&key, START + 1300, 3));
}

static void test_a_sliding_window_counts_a_share_of_the_last(void **state)
{
    struct key key = {.rule = rule_of(BK_LIMIT_SLIDING, 10, 1000, 10)};

    (void)state;
    assert_true(take(&key, START + 900, 10));
    assert_false(take(&key, START + 1000, 1)); /* a fixed window would allow ten more */
    assert_int_equal(key.out.retry_after_ms, 100);
    assert_int_equal(peek(&key, START + 1500, 0).remaining, 5);
    assert_true(take(&key, START + 1500, 5));
    assert_false(take(&key, START + 1599, 1));
    assert_true(take(&key, START + 1600, 1));
    assert_int_equal(peek(&key, START + 2000, 0).remaining, 4);
    assert_int_equal(peek(&key, START + 3000, 0).remaining, 10);
}

static void test_gcra_spaces_takes_evenly_after_the_burst(void **state)
{
    struct key key = {.rule = rule_of(BK_LIMIT_GCRA, 10, 1000, 3)};

    (void)state;
    assert_true(take(&key, START, 3));
    assert_int_equal(key.out.limit, 3);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_false(take(&key, START + i * 100 - 1, 1));
        assert_int_equal(key.out.retry_after_ms, 1);
        assert_true(take(&key, START + i * 100, 1));
    }
    assert_int_equal(key.out.reset_ms, 300);
}

static void test_gcra_spaces_takes_by_fractions_of_a_millisecond(void **state)
{
    struct key key = {.rule = rule_of(BK_LIMIT_GCRA, 50000, 1000, 50)};
    uint32_t allowed = 0;

    (void)state;
    for (uint64_t ms = 0; ms < 1000; ms++)
        for (int i = 0; i < 100; i++)
            allowed += take(&key, START + ms, 1);
    assert_in_range(allowed, 49990, 50050);
}

/* Fills a key at random times until it denies, and returns the time. */
static uint64_t fill(struct key *key, uint64_t *seed, uint32_t cost)
{
    uint64_t now = START + random_below(seed, 100000);

    for (int i = 0; i < 100000; i++) {
        if (!take(key, now, 1 + random_below(seed, key->rule.most)) &&
            !peek(key, now, cost).allowed)
            return now;
        now += random_below(seed, key->rule.window_ms / 4 + 1);
    }
    fail_msg("nothing is ever denied");
    return 0;
}

static struct key random_key(bk_limit_algorithm algorithm, uint64_t *seed)
{
    uint32_t limit = 1 + random_below(seed, 50);

    return (struct key){
        .rule = rule_of(algorithm, limit, 10 + random_below(seed, 5000),
                        algorithm == BK_LIMIT_GCRA ? 1 + random_below(seed, 50) : limit)};
}

static void test_retry_after_is_exact(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (int trial = 0; trial < 3000; trial++) {
        struct key key = random_key(all[trial % 3], &seed);
        uint32_t cost = 1 + random_below(&seed, key.rule.most);
        uint64_t now = fill(&key, &seed, cost);
        uint64_t wait = peek(&key, now, cost).retry_after_ms;
        assert_true(wait > 0);
        assert_false(peek(&key, now + wait - 1, cost).allowed);
        assert_true(peek(&key, now + wait, cost).allowed);
    }
}

static void test_what_remains_can_be_taken_and_no_more(void **state)
{
    uint64_t seed = 8;

    (void)state;
    for (int trial = 0; trial < 3000; trial++) {
        struct key key = random_key(all[trial % 3], &seed);
        uint64_t now = fill(&key, &seed, key.rule.most) + random_below(&seed, 1000);
        uint32_t remaining = peek(&key, now, 0).remaining;
        assert_true(remaining == 0 || peek(&key, now, remaining).allowed);
        assert_true(remaining == key.rule.most || !peek(&key, now, remaining + 1).allowed);
    }
}

static void test_reset_is_when_all_is_free_and_the_state_is_as_good_as_none(void **state)
{
    uint64_t seed = 9;

    (void)state;
    for (int trial = 0; trial < 3000; trial++) {
        struct key key = random_key(all[trial % 3], &seed);
        uint64_t now = fill(&key, &seed, key.rule.most);
        uint64_t reset = peek(&key, now, 0).reset_ms;
        assert_int_equal(peek(&key, now + reset - 1, 0).reset_ms, 1);
        assert_true(peek(&key, now + reset - 1, 0).remaining < key.rule.most);
        assert_int_equal(peek(&key, now + reset, 0).remaining, key.rule.most);
        assert_int_equal(bk__limit_ends_ms(&key.rule, key.state, now), now + reset);
    }
}

static void test_a_clock_that_is_behind_gets_no_new_window(void **state)
{
    (void)state;
    for (size_t a = 0; a < 3; a++) {
        struct key key = {.rule = rule_of(all[a], 4, 1000, 4)};
        assert_true(take(&key, START, 4));
        assert_false(take(&key, START - 3, 1)); /* in the window before, by its own clock */
        assert_int_equal(key.out.remaining, 0);
    }
}

static void test_the_largest_settings_do_not_overflow(void **state)
{
    const uint32_t month = 31u * 24 * 3600 * 1000;

    (void)state;
    for (size_t a = 0; a < 3; a++) {
        struct key key = {.rule = rule_of(all[a], 1000000, month, 1000000)};
        assert_true(take(&key, START, 999999));
        assert_int_equal(key.out.remaining, 1);
        assert_true(take(&key, START, 1));
        assert_false(take(&key, START, 1000000));
        assert_int_equal(peek(&key, START + 2 * (uint64_t)month, 0).remaining, 1000000);
    }
}

static void test_settings_that_are_not_possible_are_refused(void **state)
{
    struct bk__limit_rule rule;

    (void)state;
    assert_non_null(bk__limit_rule_init(&rule, BK_LIMIT_FIXED, 1000001, 1000, 1));
    assert_non_null(bk__limit_rule_init(&rule, BK_LIMIT_FIXED, 1, 31u * 24 * 3600 * 1000 + 1, 1));
    assert_non_null(bk__limit_rule_init(&rule, BK_LIMIT_GCRA, 1, 1000, 1000001));
    assert_non_null(bk__limit_rule_init(&rule, BK_LIMIT_GCRA, 1000000, 1000, 1));
    assert_non_null(bk__limit_rule_init(&rule, BK_LIMIT_GCRA, 1, 24 * 3600 * 1000, 1000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_limit_is_allowed_and_not_one_more),
        cmocka_unit_test(test_a_cost_is_taken_whole_or_not_at_all),
        cmocka_unit_test(test_a_take_of_nothing_tells_and_changes_nothing),
        cmocka_unit_test(test_a_fixed_window_begins_with_the_first_take),
        cmocka_unit_test(test_a_sliding_window_counts_a_share_of_the_last),
        cmocka_unit_test(test_gcra_spaces_takes_evenly_after_the_burst),
        cmocka_unit_test(test_gcra_spaces_takes_by_fractions_of_a_millisecond),
        cmocka_unit_test(test_retry_after_is_exact),
        cmocka_unit_test(test_what_remains_can_be_taken_and_no_more),
        cmocka_unit_test(test_reset_is_when_all_is_free_and_the_state_is_as_good_as_none),
        cmocka_unit_test(test_a_clock_that_is_behind_gets_no_new_window),
        cmocka_unit_test(test_the_largest_settings_do_not_overflow),
        cmocka_unit_test(test_settings_that_are_not_possible_are_refused),
    };
    return cmocka_run_group_tests_name("limit_algorithm", tests, NULL, NULL);
}
