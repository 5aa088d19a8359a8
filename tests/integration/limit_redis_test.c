/* Limits that hosts share, with a real Redis of the test's own, which is killed and stopped. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "harness/patient_run.h"
#include "harness/redis.h"
#include "limit/store.h"

static struct redis server;

static int set_up(void **state)
{
    (void)state;
    server = redis_start("--loglevel", "warning");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    redis_stop(&server);
    return 0;
}

/* A host: an app of its own, with its own memory for limits. */
struct host {
    bk_app *app;
    bk_redis *redis;
    bk_limiter *limiter;
    bk_test *test;
};

static struct host host_open(const bk_limiter_opts *opts)
{
    struct host it = {.app = bk_app_new(NULL)};
    bk_limiter_opts all = *opts;

    it.redis = bk_redis_new(it.app, &(bk_redis_opts){.url = bk_str_of(server.url)});
    all.redis = it.redis;
    if (all.redis_ms == 0)
        all.redis_ms = 5000; /* a machine that is busy is no outage */
    it.limiter = bk_limiter_new(it.app, &all);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static void host_close(struct host *it)
{
    bk_test_settle(it->test);
    bk_test_free(it->test);
    bk_app_free(it->app);
}

static void host_run(const bk_limiter_opts *opts, bk_err (*fn)(void *data))
{
    struct host it = host_open(opts);

    assert_int_equal(patient_run(it.test, fn, &it), BK_OK);
    host_close(&it);
}

BK_YIELDS static bk_limit_result take(struct host *it, const char *key, uint32_t cost)
{
    bk_limit_result out;

    assert_int_equal(bk_limiter_take(it->limiter, bk_str_of(key), cost, &out), BK_OK);
    return out;
}

/* --- Redis decides ---------------------------------------------------------------------------- */

static bk_err take_three_of_five(void *data)
{
    for (uint32_t i = 1; i <= 3; i++) {
        bk_limit_result result = take(data, "shared", 1);
        assert_true(result.allowed);
        assert_false(result.degraded);
        assert_int_equal(result.limit, 5);
        assert_int_equal(result.remaining, 5 - i);
    }
    return BK_OK;
}

static bk_err two_are_left_of_five(void *data)
{
    assert_false(take(data, "shared", 3).allowed);
    assert_int_equal(take(data, "shared", 0).remaining, 2);
    assert_true(take(data, "shared", 2).allowed);
    bk_limit_result result = take(data, "shared", 1);
    assert_false(result.allowed);
    assert_in_range(result.retry_after_ms, 1, 240000);
    assert_true(take(data, "another", 5).allowed);
    return BK_OK;
}

static void test_hosts_share_a_limit_by_each_algorithm(void **state)
{
    static const char *const names[] = {"fixed", "sliding", "gcra"};

    (void)state;
    for (int algorithm = BK_LIMIT_FIXED; algorithm <= BK_LIMIT_GCRA; algorithm++) {
        const bk_limiter_opts opts = {.name = names[algorithm],
                                      .algorithm = (bk_limit_algorithm)algorithm,
                                      .limit = 5,
                                      .window_ms = 120000};
        host_run(&opts, take_three_of_five);
        host_run(&opts, two_are_left_of_five);
    }
}

static bk_err take_until_denied(void *data)
{
    struct host *it = data;
    int count = 0;

    while (take(it, "race", 1).allowed)
        count++;
    _exit(count);
}

static void test_hosts_that_take_at_once_get_the_limit_and_no_more(void **state)
{
    enum {
        HOSTS = 4
    };
    pid_t pids[HOSTS];
    int status, total = 0;

    (void)state;
    for (int i = 0; i < HOSTS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            host_run(&(bk_limiter_opts){.name = "race", .limit = 200, .window_ms = 600000},
                     take_until_denied);
    }
    for (int i = 0; i < HOSTS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        total += WEXITSTATUS(status);
    }
    assert_int_equal(total, 200);
}

static bk_err keys_expire(void *data)
{
    assert_true(take(data, "a", 1).allowed);
    assert_string_equal(redis_cli(&server, "EXISTS", "limit:expiry:a"), "1");
    while (strcmp(redis_cli(&server, "EXISTS", "limit:expiry:a"), "1") == 0)
        BK_TRY(bk_sleep_ms(50));
    assert_true(take(data, "a", 1).allowed);
    return BK_OK;
}

static void test_keys_of_redis_expire(void **state)
{
    (void)state;
    for (int algorithm = BK_LIMIT_FIXED; algorithm <= BK_LIMIT_GCRA; algorithm++)
        host_run(&(bk_limiter_opts){.name = "expiry",
                                    .algorithm = (bk_limit_algorithm)algorithm,
                                    .limit = 1,
                                    .window_ms = 1000},
                 keys_expire);
}

static bk_err keys_hold_any_bytes(void *data)
{
    struct host *it = data;
    bk_limit_result out;

    BK_TRY(bk_limiter_take(it->limiter, bk_str_at("a\0b\n", 4), 1, &out));
    assert_true(out.allowed);
    BK_TRY(bk_limiter_take(it->limiter, bk_str_at("a\0c\n", 4), 1, &out));
    assert_true(out.allowed);
    BK_TRY(bk_limiter_take(it->limiter, bk_str_at("a\0b\n", 4), 1, &out));
    assert_false(out.allowed);
    BK_TRY(bk_limiter_forget(it->limiter, bk_str_at("a\0b\n", 4)));
    BK_TRY(bk_limiter_take(it->limiter, bk_str_at("a\0b\n", 4), 1, &out));
    assert_true(out.allowed);
    return BK_OK;
}

static void test_keys_hold_any_bytes_and_are_forgotten(void **state)
{
    (void)state;
    host_run(&(bk_limiter_opts){.name = "bytes", .limit = 1}, keys_hold_any_bytes);
}

/* --- the scripts do the sums of algorithm.c --------------------------------------------------- */

static bk_err redis_ms(bk_redis *redis, uint64_t *out)
{
    bk_reply reply;

    BK_TRY(bk_redis_run(redis, "TIME", BK_NO_ARGS, &reply));
    *out = strtoull(reply.items[0].str.ptr, NULL, 10) * 1000 +
           strtoull(reply.items[1].str.ptr, NULL, 10) / 1000;
    return BK_OK;
}

static bool differ_by_a_ms(uint64_t a, uint64_t b)
{
    return a > b ? a - b <= 1 : b - a <= 1;
}

/* GCRA counts in us here, and fixed windows end by the clock of expiry: a ms more or less. */
static bool agree(const bk_limit_result *a, const bk_limit_result *b)
{
    return a->allowed == b->allowed && a->limit == b->limit && a->remaining == b->remaining &&
           differ_by_a_ms(a->reset_ms, b->reset_ms) &&
           differ_by_a_ms(a->retry_after_ms, b->retry_after_ms);
}

/* What the memory of a host may hold by now: one state for each millisecond in which Redis may have
 * run the takes so far, as many as a machine that is busy leaves open. */
struct beliefs {
    uint64_t states[256];
    size_t count;
};

static void believe(struct beliefs *all, uint64_t state)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->states[i] == state)
            return;
    if (all->count < sizeof all->states / sizeof *all->states)
        all->states[all->count++] = state;
}

/* So that fractions of milliseconds do not add up. */
BK_YIELDS static bk_err read_gcra(bk_redis *redis, bk_str key, struct beliefs *known)
{
    int64_t us;
    bk_err err = bk_redis_i64(redis, "GET $1", BK_ARGS(bk_text(key)), &us);

    if (err == BK_ENOTFOUND)
        bk_error_clear();
    else if (err != BK_OK)
        return err;
    *known = (struct beliefs){{(uint64_t)us}, 1}; /* 0: it has expired */
    return BK_OK;
}

/* One take by both, which must agree for one of the milliseconds in which Redis may have run it;
 * its microseconds fall between two of them. */
BK_YIELDS static bk_err take_by_both(bk_redis *redis, const struct bk__limit_rule *rule, bk_str key,
                                     uint32_t cost, struct beliefs *known)
{
    bk_limit_result theirs, ours = {0};
    struct beliefs next = {.count = 0};
    uint64_t before, after;

    BK_TRY(redis_ms(redis, &before));
    BK_TRY(bk__limit_store_take(redis, rule, key, cost, &theirs));
    BK_TRY(redis_ms(redis, &after));
    /* What is known may be off by the ms that agree() allows, and one for each clock's rounding. */
    for (size_t i = 0; i < known->count; i++)
        for (uint64_t now = before - 3; now <= after + 3; now++) {
            uint64_t state = bk__limit_step(rule, known->states[i], now, cost, &ours);
            if (agree(&theirs, &ours))
                believe(&next, state);
        }
    *known = next;
    if (next.count > 0)
        return rule->algorithm == BK_LIMIT_GCRA ? read_gcra(redis, key, known) : BK_OK;
    return bk_fail(BK_EINTERNAL, "algorithm %d, cost %u: Redis %d %u %ju %ju, here %d %u %ju %ju",
                   (int)rule->algorithm, cost, theirs.allowed, theirs.remaining,
                   (uintmax_t)theirs.reset_ms, (uintmax_t)theirs.retry_after_ms, ours.allowed,
                   ours.remaining, (uintmax_t)ours.reset_ms, (uintmax_t)ours.retry_after_ms);
}

static bk_err scripts_agree(void *data)
{
    struct host *it = data;
    struct bk__limit_rule rule;
    struct beliefs known[3] = {{{0}, 1}, {{0}, 1}, {{0}, 1}};
    static const bk_str keys[] = {{"sums:fixed", 10}, {"sums:sliding", 12}, {"sums:gcra", 9}};

    for (uint32_t i = 0; i < 600; i++) {
        bk_limit_algorithm algorithm = (bk_limit_algorithm)(i % 3);
        assert_null(bk__limit_rule_init(&rule, algorithm, 20, 400, 10));
        BK_TRY(take_by_both(it->redis, &rule, keys[i % 3], i * 7 % 5, &known[i % 3]));
        if (i % 5 == 0)
            BK_TRY(bk_sleep_ms(i * 13 % 17));
        if (i % 100 == 99)
            BK_TRY(bk_sleep_ms(450));
    }
    return BK_OK;
}

static void test_the_scripts_decide_as_the_memory_of_a_host_does(void **state)
{
    (void)state;
    host_run(&(bk_limiter_opts){.name = "sums"}, scripts_agree);
}

/* --- Redis does not answer -------------------------------------------------------------------- */

/* Takes nothing until Redis decides again. */
BK_YIELDS static void wait_for_redis(struct host *it)
{
    for (int i = 0; i < 200; i++) {
        if (!take(it, "nobody", 0).degraded)
            return;
        assert_int_equal(bk_sleep_ms(50), BK_OK);
    }
    fail_msg("Redis is back, but the limiter has not noticed");
}

static bk_err falls_back_and_comes_back(void *data)
{
    struct host *it = data;
    bk_limiter_stats stats;

    assert_int_equal(take(it, "a", 3).remaining, 2);
    redis_signal(&server, SIGKILL);
    bk_limit_result result = take(it, "a", 1);
    assert_true(result.allowed);
    assert_true(result.degraded);
    assert_int_equal(result.remaining, 1); /* this host remembers what it took */
    assert_false(take(it, "a", 2).allowed);
    assert_true(take(it, "b", 5).allowed);
    assert_int_equal(bk_limiter_forget(it->limiter, BK_LIT("b")), BK_EUNAVAILABLE);
    bk_error_clear();
    assert_true(take(it, "b", 5).allowed); /* forgotten here */
    redis_again(&server);
    wait_for_redis(it);
    assert_int_equal(take(it, "a", 1).remaining, 4); /* Redis itself has lost all */
    bk_limiter_get_stats(it->limiter, &stats);
    assert_true(stats.degraded >= 4);
    assert_true(stats.store_errors >= 4);
    return BK_OK;
}

static void test_with_redis_killed_the_host_decides_until_it_is_back(void **state)
{
    (void)state;
    host_run(&(bk_limiter_opts){.name = "killed", .limit = 5}, falls_back_and_comes_back);
}

static bk_err a_stopped_redis_costs_one_wait(void *data)
{
    struct host *it = data;

    assert_false(take(it, "a", 1).degraded);
    redis_signal(&server, SIGSTOP);
    uint64_t begun = bk_now_ns();
    assert_true(take(it, "a", 1).degraded);
    assert_in_range(bk_now_ns() - begun, 290000000, 3000000000);
    begun = bk_now_ns();
    for (int i = 0; i < 100; i++)
        assert_true(take(it, "b", 1).degraded);
    assert_in_range(bk_now_ns() - begun, 0, 290000000); /* none of them has waited */
    redis_signal(&server, SIGCONT);
    wait_for_redis(it);
    return BK_OK;
}

static void test_a_redis_that_hangs_costs_one_wait_and_then_none(void **state)
{
    (void)state;
    host_run(&(bk_limiter_opts){.name = "stopped", .limit = 1000, .redis_ms = 300},
             a_stopped_redis_costs_one_wait);
}

static bk_err refuses(void *data)
{
    struct host *it = data;
    bk_limit_result out;

    assert_true(take(it, "a", 1).allowed);
    redis_signal(&server, SIGKILL);
    assert_int_equal(bk_limiter_take(it->limiter, BK_LIT("a"), 1, &out), BK_EUNAVAILABLE);
    assert_false(out.allowed);
    bk_error_clear();
    redis_again(&server);
    return BK_OK;
}

static bk_err allows(void *data)
{
    struct host *it = data;

    assert_true(take(it, "a", 1).allowed);
    assert_false(take(it, "a", 1).allowed);
    redis_signal(&server, SIGKILL);
    bk_limit_result result = take(it, "a", 1);
    assert_true(result.allowed);
    assert_true(result.degraded);
    redis_again(&server);
    return BK_OK;
}

static void test_without_redis_it_refuses_or_allows_where_asked(void **state)
{
    (void)state;
    host_run(&(bk_limiter_opts){.name = "refuse", .on_store_error = BK_LIMIT_REFUSE}, refuses);
    host_run(&(bk_limiter_opts){.name = "allow", .limit = 1, .on_store_error = BK_LIMIT_ALLOW},
             allows);
}

static bk_err survives_a_key_of_another_kind(void *data)
{
    assert_string_equal(redis_cli(&server, "LPUSH", "limit:wrong:a", "x"), "1");
    bk_limit_result result = take(data, "a", 1);
    assert_true(result.allowed);
    assert_true(result.degraded);
    assert_false(take(data, "b", 1).degraded);
    return BK_OK;
}

static void test_an_error_of_redis_is_an_outage_of_that_key(void **state)
{
    (void)state;
    host_run(&(bk_limiter_opts){.name = "wrong"}, survives_a_key_of_another_kind);
}

static bk_err decides_past_the_deadline(void *data)
{
    struct host *it = data;
    bk_limiter_stats stats;

    bk_deadline before = bk_deadline_push(0);
    bk_limit_result result = take(it, "a", 1);
    bk_deadline_pop(before);
    assert_true(result.allowed);
    assert_true(result.degraded);
    assert_false(take(it, "b", 1).degraded); /* that was no fault of Redis */
    bk_limiter_get_stats(it->limiter, &stats);
    assert_int_equal(stats.store_errors, 0);
    return BK_OK;
}

static void test_a_fiber_whose_time_is_up_still_gets_a_decision(void **state)
{
    (void)state;
    host_run(&(bk_limiter_opts){.name = "late"}, decides_past_the_deadline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_share_a_limit_by_each_algorithm),
        cmocka_unit_test(test_hosts_that_take_at_once_get_the_limit_and_no_more),
        cmocka_unit_test(test_keys_of_redis_expire),
        cmocka_unit_test(test_keys_hold_any_bytes_and_are_forgotten),
        cmocka_unit_test(test_the_scripts_decide_as_the_memory_of_a_host_does),
        cmocka_unit_test(test_with_redis_killed_the_host_decides_until_it_is_back),
        cmocka_unit_test(test_a_redis_that_hangs_costs_one_wait_and_then_none),
        cmocka_unit_test(test_without_redis_it_refuses_or_allows_where_asked),
        cmocka_unit_test(test_an_error_of_redis_is_an_outage_of_that_key),
        cmocka_unit_test(test_a_fiber_whose_time_is_up_still_gets_a_decision),
    };
    return cmocka_run_group_tests_name("limit_redis", tests, set_up, tear_down);
}
