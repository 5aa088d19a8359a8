/*
 * Sizing: what is opened when, what is closed when, and how failure is borne.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "../harness/fiber_run.h"
#include "../harness/stops.h"
#include "pool_fake.h"

#define NO_LIMIT UINT32_MAX /* BK_UNLIMITED */

/* --- options ---------------------------------------------------------------------------------- */

static void test_zero_means_the_default(void **state)
{
    bk_pool_opts opts = {0}, small = {.max = 3};

    (void)state;
    bk__pool_check_opts(&opts, "test");
    assert_int_equal(opts.min, 5);
    assert_int_equal(opts.max, 50);
    assert_int_equal(opts.waiting, 10000);
    assert_int_equal(opts.acquire_ms, 5000);
    assert_int_equal(opts.idle_ms, 60000);
    assert_int_equal(opts.lifetime_ms, 1800000);
    assert_int_equal(opts.connecting, 4);
    assert_int_equal(opts.connect_ms, 5000);
    bk__pool_check_opts(&small, "test");
    assert_int_equal(small.min, 3);
}

static void ask_more_than_max(void)
{
    bk__pool_check_opts(&(bk_pool_opts){.min = 6, .max = 5}, "shop");
}

static void ask_for_a_line_without_end(void)
{
    bk__pool_check_opts(&(bk_pool_opts){.waiting = NO_LIMIT}, "shop");
}

static void ask_for_any_number(void)
{
    bk__pool_check_opts(&(bk_pool_opts){.max = NO_LIMIT}, "shop");
}

static void test_options_that_make_no_sense_stop_the_program_with_words(void **state)
{
    char words[256];

    (void)state;
    assert_true(stops(ask_more_than_max, words, sizeof words));
    assert_string_equal(words, "shop:0: min is 6, more than max, which is 5\n");
    assert_true(stops(ask_for_a_line_without_end, words, sizeof words));
    assert_string_equal(words, "shop:0: max and waiting cannot be unlimited\n");
    assert_true(stops(ask_for_any_number, words, sizeof words));
}

/* --- opening ---------------------------------------------------------------------------------- */

static bk_err test_min_is_opened_at_the_start_a_few_at_a_time(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 5, .connecting = 2}, FAKE_PENDS);
    for (uint32_t open = 0; open < 5; open++) {
        assert_int_equal(fake.pool.stats.opening, open < 4 ? 2 : 1);
        fake_answer(&fake);
    }
    assert_int_equal(fake.pool.stats.opening, 0);
    assert_int_equal(fake.pool.stats.idle, 5);
    assert_int_equal(fake.attempts, 5);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_lazy_pool_opens_what_is_needed(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 2, .idle_ms = 100, .lazy = true}, FAKE_OPENS);
    assert_int_equal(fake.attempts, 0);
    struct bk__member *one = fake_hold(&fake), *two = fake_hold(&fake), *three = fake_hold(&fake);
    assert_int_equal(fake.attempts, 3);
    bk__pool_put(&fake.pool, one);
    bk__pool_put(&fake.pool, two);
    bk__pool_put(&fake.pool, three);
    assert_int_equal(bk_sleep_ms(1000), BK_OK);
    assert_int_equal(fake.pool.stats.open, 2); /* min is kept */
    fake_lose(&fake, fake_hold(&fake));
    assert_int_equal(fake.pool.stats.open, 1); /* and not made */
    assert_int_equal(fake.attempts, 3);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_many_holders_are_opened_for_within_the_limits(void *unused)
{
    struct fake fake;
    struct user users[6];

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 4, .connecting = 3, .lazy = true}, FAKE_PENDS);
    for (int i = 0; i < 6; i++) {
        users[i] = (struct user){.fake = &fake, .holds = true};
        user_start(&users[i]);
        assert_int_equal(fake.pool.stats.opening, i < 3 ? i + 1 : 3);
    }
    fake_answer(&fake);
    assert_int_equal(fake.pool.stats.opening, 3);
    fake_answer(&fake);
    assert_int_equal(fake.pool.stats.opening, 2); /* max */
    fake_answer(&fake);
    fake_answer(&fake);
    assert_int_equal(fake.attempts, 4);
    settle();
    for (int i = 0; i < 2; i++) {
        bk__pool_put(&fake.pool, users[i].got);
        settle();
        assert_got(users[4 + i], users[i].got);
    }
    for (int i = 2; i < 6; i++)
        bk__pool_put(&fake.pool, users[i].got);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_lost_ones_are_replaced_up_to_min(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 2, .max = 4}, FAKE_OPENS);
    struct bk__member *held[3];
    for (int i = 0; i < 3; i++)
        held[i] = fake_hold(&fake);
    fake_lose(&fake, held[0]);
    assert_int_equal(fake.attempts, 3);
    fake_lose(&fake, held[1]);
    assert_int_equal(fake.attempts, 4);
    assert_int_equal(fake.pool.stats.open, 2);
    bk__pool_put(&fake.pool, held[2]);
    fake_close(&fake);
    return BK_OK;
}

/* --- failure ---------------------------------------------------------------------------------- */

static void assert_backoff(const struct fake *fake, uint32_t from, uint32_t count)
{
    uint64_t least = 100;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t wait = fake->attempt_at[from + i + 1] - fake->attempt_at[from + i];
        assert_in_range(wait, least, least + least / 4);
        least = least < 4000 ? 2 * least : 8000;
    }
}

static bk_err test_attempts_come_later_each_time_up_to_ten_seconds(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1}, FAKE_FAILS);
    assert_int_equal(bk_sleep_ms(60000), BK_OK);
    assert_in_range(fake.attempts, 10, 14);
    assert_backoff(&fake, 0, 9);
    assert_int_equal(fake.pool.stats.open_failed, fake.attempts);
    assert_int_equal(fake.pool.failures, fake.attempts);
    assert_string_equal(fake.pool.why, "nobody is at home");
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_success_makes_the_backoff_short_again(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1}, FAKE_FAILS);
    assert_int_equal(bk_sleep_ms(5000), BK_OK);
    uint32_t before = fake.attempts;
    fake.mode = FAKE_OPENS;
    assert_int_equal(bk_sleep_ms(10000), BK_OK);
    assert_int_equal(fake.attempts, before + 1);
    assert_int_equal(fake.pool.failures, 0);
    assert_string_equal(fake.pool.why, "");
    fake.mode = FAKE_FAILS;
    fake_lose(&fake, fake_hold(&fake));
    assert_int_equal(fake.attempts, before + 2);
    assert_int_equal(bk_sleep_ms(1000), BK_OK);
    assert_backoff(&fake, before + 1, 3);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_waits_between_attempts_differ(void *unused)
{
    uint64_t least = UINT64_MAX, most = 0;

    (void)unused;
    for (int i = 0; i < 50; i++) {
        struct fake fake;
        fake_open(&fake, &(bk_pool_opts){.min = 1}, FAKE_FAILS);
        uint64_t wait = fake.pool.retry_at - bk_now_ms();
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
        fake_close(&fake);
    }
    assert_in_range(least, 100, 125);
    assert_in_range(most, least + 1, 125);
    return BK_OK;
}

static bk_err test_failures_of_a_burst_count_once_and_one_is_tried_then(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 8, .connecting = 4}, FAKE_PENDS);
    assert_int_equal(fake.attempts, 4);
    for (int i = 0; i < 4; i++)
        fake_fail(&fake);
    assert_int_equal(fake.pool.failures, 1);
    assert_int_equal(fake.pool.stats.open_failed, 4);
    assert_int_equal(fake.pool.stats.opening, 0);
    assert_int_equal(bk_sleep_ms(130), BK_OK);
    assert_int_equal(fake.pool.stats.opening, 1);
    fake_answer(&fake);
    assert_int_equal(fake.pool.stats.opening, 4); /* it is back */
    for (int i = 0; i < 7; i++)
        fake_answer(&fake);
    assert_int_equal(fake.pool.stats.idle, 8);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_who_waits_outlasts_failures(void *unused)
{
    struct fake fake;
    struct user holder = {.fake = &fake, .holds = true}, sharer = {.fake = &fake};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1, .acquire_ms = 3000}, FAKE_FAILS);
    user_start(&holder);
    user_start(&sharer);
    assert_int_equal(bk_sleep_ms(1000), BK_OK);
    assert_waits(holder);
    fake.mode = FAKE_OPENS;
    assert_int_equal(bk_sleep_ms(1900), BK_OK);
    assert_int_equal(id_of(holder.got), 1);
    assert_true(holder.waited_ms > 1000);
    bk__pool_put(&fake.pool, holder.got);
    settle();
    assert_int_equal(id_of(sharer.got), 1);
    bk__pool_put(&fake.pool, sharer.got);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_who_gives_up_learns_why_nothing_is_open(void *unused)
{
    struct fake fake;
    struct user user = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 2, .acquire_ms = 50}, FAKE_FAILS);
    user_start(&user);
    assert_int_equal(bk_sleep_ms(60), BK_OK);
    assert_int_equal(user.err, BK_EUNAVAILABLE);
    assert_int_equal(user.waited_ms, 50);
    assert_string_equal(user.words,
                        "pool things: none came free in 50 ms: 0 of at most 2 are open (0 held), "
                        "0 being opened, 0 more fibers wait; nobody is at home");
    fake_close(&fake);
    return BK_OK;
}

static void count_lines(bk_log_level level, bk_str line, void *count)
{
    (void)level;
    if (memmem(line.ptr, line.len, "pool.open_failed", 16) != NULL)
        ++*(uint32_t *)count;
    if (memmem(line.ptr, line.len, "pool.recovered", 14) != NULL)
        *(uint32_t *)count += 100;
}

static bk_err test_a_row_of_failures_is_logged_once_a_minute(void *unused)
{
    struct fake fake;
    uint32_t lines = 0;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1, .lazy = true}, FAKE_FAILS);
    bk_log_set_level(BK_LOG_INFO);
    bk_log_set_sink(count_lines, &lines);
    struct user user = {.fake = &fake, .holds = true};
    fake.pool.opts.acquire_ms = NO_LIMIT;
    user_start(&user);
    assert_int_equal(lines, 1);
    assert_int_equal(bk_sleep_ms(50000), BK_OK);
    assert_true(fake.attempts > 5);
    assert_int_equal(lines, 1);
    assert_int_equal(bk_sleep_ms(25000), BK_OK);
    assert_int_equal(lines, 2);
    fake.mode = FAKE_OPENS;
    assert_int_equal(bk_sleep_ms(10000), BK_OK);
    assert_int_equal(lines, 102);
    bk_log_set_sink(NULL, NULL);
    bk__pool_put(&fake.pool, user.got);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_long_reason_is_cut(void *unused)
{
    struct fake fake;
    char why[1000];

    (void)unused;
    memset(why, 'x', sizeof why);
    fake_open(&fake, &(bk_pool_opts){.min = 1}, FAKE_PENDS);
    bk__pool_open_failed(&fake.pool, bk_str_at(why, sizeof why));
    assert_int_equal(strlen(fake.pool.why), sizeof fake.pool.why - 1);
    fake_close(&fake);
    return BK_OK;
}

/* --- limits of time --------------------------------------------------------------------------- */

static bk_err test_what_is_idle_for_too_long_is_closed_down_to_min(void *unused)
{
    struct fake fake;
    struct bk__member *held[4];

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 2, .max = 4, .idle_ms = 1000}, FAKE_OPENS);
    for (int i = 0; i < 4; i++)
        held[i] = fake_hold(&fake);
    for (int i = 0; i < 4; i++)
        bk__pool_put(&fake.pool, held[i]);
    assert_int_equal(bk_sleep_ms(999), BK_OK);
    assert_int_equal(fake.pool.stats.open, 4);
    assert_int_equal(bk_sleep_ms(2), BK_OK);
    assert_int_equal(fake.pool.stats.open, 2);
    assert_int_equal(fake.attempts, 4);
    assert_int_equal(fake.pool.stats.lost, 0);
    assert_int_equal(bk_sleep_ms(100000), BK_OK);
    assert_int_equal(fake.pool.stats.open, 2);
    struct bk__member *warm = fake_share(&fake);
    assert_int_equal(id_of(warm), 1); /* the coldest went */
    bk__pool_put(&fake.pool, warm);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_what_is_used_is_not_idle(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1, .max = 3, .idle_ms = 1000}, FAKE_OPENS);
    struct bk__member *one = fake_hold(&fake), *two = fake_hold(&fake), *three = fake_hold(&fake);
    bk__pool_put(&fake.pool, one);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(bk_sleep_ms(900), BK_OK);
        struct bk__member *again = fake_hold(&fake);
        bk__pool_put(&fake.pool, again);
        assert_int_equal(fake.pool.stats.open, 3);
    }
    bk__pool_put(&fake.pool, two);
    bk__pool_put(&fake.pool, three);
    assert_int_equal(bk_sleep_ms(1001), BK_OK);
    assert_int_equal(fake.pool.stats.open, 1);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_lifetimes_are_up_to_a_tenth_shorter(void *unused)
{
    struct fake fake;
    uint64_t least = UINT64_MAX, most = 0;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 200, .max = 200, .lifetime_ms = 10000}, FAKE_OPENS);
    bk__list_each(it, &fake.pool.members) {
        const struct bk__member *member = bk__container_of(it, struct bk__member, link);
        uint64_t life = member->retire_at - bk_now_ms();
        least = life < least ? life : least;
        most = life > most ? life : most;
    }
    assert_in_range(least, 9000, 9200);
    assert_in_range(most, 9800, 10000);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_an_idle_one_whose_time_is_over_is_replaced(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 3, .max = 3, .lifetime_ms = 10000}, FAKE_OPENS);
    assert_int_equal(bk_sleep_ms(8999), BK_OK);
    assert_int_equal(fake.attempts, 3);
    assert_int_equal(bk_sleep_ms(1002), BK_OK);
    assert_int_equal(fake.attempts, 6);
    assert_int_equal(fake.pool.stats.idle, 3);
    assert_int_equal(fake.alive, 3);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_held_one_whose_time_is_over_closes_when_it_is_put_back(void *unused)
{
    struct fake fake;
    struct user user = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1, .lifetime_ms = 1000}, FAKE_OPENS);
    struct bk__member *held = fake_hold(&fake);
    assert_int_equal(bk_sleep_ms(5000), BK_OK);
    assert_int_equal(held->state, BK__MEMBER_HELD);
    user_start(&user);
    bk__pool_put(&fake.pool, held);
    settle();
    assert_int_equal(id_of(user.got), 2);
    assert_int_equal(fake.alive, 1);
    bk__pool_put(&fake.pool, user.got);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_a_shared_one_whose_time_is_over_drains_and_closes(void *unused)
{
    struct fake fake;

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.min = 1, .max = 2, .lifetime_ms = 1000}, FAKE_OPENS);
    struct bk__member *one = fake_share(&fake);
    fake_share(&fake);
    assert_int_equal(bk_sleep_ms(1001), BK_OK);
    assert_int_equal(one->state, BK__MEMBER_DRAINING);
    struct bk__member *two = fake_share(&fake);
    assert_int_equal(id_of(two), 2);
    bk__pool_put(&fake.pool, one);
    assert_int_equal(fake.alive, 2);
    bk__pool_put(&fake.pool, one);
    assert_int_equal(fake.alive, 1);
    assert_int_equal(fake.pool.draining, 0);
    bk__pool_put(&fake.pool, two);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_one_that_drains_for_its_age_is_not_given_back(void *unused)
{
    struct fake fake;
    struct user holder = {.fake = &fake, .holds = true, .within_ms = 10};

    (void)unused;
    fake_open(&fake, &(bk_pool_opts){.max = 1, .lifetime_ms = 1000}, FAKE_OPENS);
    struct bk__member *one = fake_share(&fake);
    assert_int_equal(bk_sleep_ms(1001), BK_OK);
    user_start(&holder);
    assert_int_equal(bk_sleep_ms(20), BK_OK);
    assert_int_equal(holder.err, BK_ETIMEDOUT);
    assert_int_equal(one->state, BK__MEMBER_DRAINING);
    bk__pool_put(&fake.pool, one);
    assert_int_equal(fake.pool.stats.idle, 1);
    assert_int_equal(fake.next_id, 2);
    fake_close(&fake);
    return BK_OK;
}

static bk_err test_times_can_be_switched_off(void *unused)
{
    struct fake fake;
    struct user user = {.fake = &fake, .holds = true};

    (void)unused;
    fake_open(&fake,
              &(bk_pool_opts){.min = 1,
                              .max = 2,
                              .acquire_ms = NO_LIMIT,
                              .idle_ms = NO_LIMIT,
                              .lifetime_ms = NO_LIMIT},
              FAKE_OPENS);
    struct bk__member *one = fake_hold(&fake), *two = fake_hold(&fake);
    user_start(&user);
    bk__pool_put(&fake.pool, two);
    settle();
    assert_int_equal(bk_sleep_ms(86400000), BK_OK);
    assert_int_equal(fake.pool.stats.open, 2);
    assert_false(bk__heap_linked(&fake.pool.timer.node));
    struct user late = {.fake = &fake, .holds = true};
    user_start(&late);
    assert_int_equal(bk_sleep_ms(86400000), BK_OK);
    assert_waits(late);
    bk__pool_put(&fake.pool, one);
    settle();
    bk__pool_put(&fake.pool, late.got);
    bk__pool_put(&fake.pool, user.got);
    fake_close(&fake);
    return BK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_means_the_default),
        cmocka_unit_test(test_options_that_make_no_sense_stop_the_program_with_words),
        fiber_unit_test(test_min_is_opened_at_the_start_a_few_at_a_time),
        fiber_unit_test(test_a_lazy_pool_opens_what_is_needed),
        fiber_unit_test(test_many_holders_are_opened_for_within_the_limits),
        fiber_unit_test(test_lost_ones_are_replaced_up_to_min),
        fiber_unit_test(test_attempts_come_later_each_time_up_to_ten_seconds),
        fiber_unit_test(test_success_makes_the_backoff_short_again),
        fiber_unit_test(test_waits_between_attempts_differ),
        fiber_unit_test(test_failures_of_a_burst_count_once_and_one_is_tried_then),
        fiber_unit_test(test_who_waits_outlasts_failures),
        fiber_unit_test(test_who_gives_up_learns_why_nothing_is_open),
        fiber_unit_test(test_a_row_of_failures_is_logged_once_a_minute),
        fiber_unit_test(test_a_long_reason_is_cut),
        fiber_unit_test(test_what_is_idle_for_too_long_is_closed_down_to_min),
        fiber_unit_test(test_what_is_used_is_not_idle),
        fiber_unit_test(test_lifetimes_are_up_to_a_tenth_shorter),
        fiber_unit_test(test_an_idle_one_whose_time_is_over_is_replaced),
        fiber_unit_test(test_a_held_one_whose_time_is_over_closes_when_it_is_put_back),
        fiber_unit_test(test_a_shared_one_whose_time_is_over_drains_and_closes),
        fiber_unit_test(test_one_that_drains_for_its_age_is_not_given_back),
        fiber_unit_test(test_times_can_be_switched_off),
    };
    return cmocka_run_group_tests_name("pool_health", tests, NULL, NULL);
}
