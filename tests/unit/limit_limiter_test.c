/* Tests of libbackend/limit/limit.c without Redis: an app's limits under the virtual clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "harness/stops.h"

/* An app that has one limiter, and what is to be taken next. */
struct limited {
    bk_app *app;
    bk_limiter *limiter;
    bk_test *test;
    bk_str key;
    uint32_t cost;
    bk_limit_result out;
};

static struct limited limited_open(const bk_limiter_opts *opts)
{
    struct limited it = {.app = bk_app_new(NULL)};

    it.limiter = bk_limiter_new(it.app, opts);
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = true});
    return it;
}

static void limited_close(struct limited *it)
{
    bk_test_free(it->test);
    bk_app_free(it->app);
}

static bk_err take_now(void *data)
{
    struct limited *it = data;

    return bk_limiter_take(it->limiter, it->key, it->cost, &it->out);
}

static bk_err try_take(struct limited *it, bk_str key, uint32_t cost)
{
    it->key = key;
    it->cost = cost;
    return bk_test_run(it->test, take_now, it);
}

static bool take(struct limited *it, bk_str key, uint32_t cost)
{
    assert_int_equal(try_take(it, key, cost), BK_OK);
    return it->out.allowed;
}

static void test_the_default_is_a_hundred_a_minute(void **state)
{
    struct limited it = limited_open(NULL);

    (void)state;
    for (uint32_t i = 1; i <= 100; i++) {
        assert_true(take(&it, BK_LIT("a"), 1));
        assert_int_equal(it.out.remaining, 100 - i);
        assert_int_equal(it.out.limit, 100);
    }
    assert_false(take(&it, BK_LIT("a"), 1));
    assert_int_equal(it.out.retry_after_ms, 60000);
    assert_false(it.out.degraded);
    assert_true(take(&it, BK_LIT("b"), 1));
    limited_close(&it);
}

static void test_limits_follow_the_virtual_clock(void **state)
{
    struct limited it = limited_open(&(bk_limiter_opts){.limit = 2, .window_ms = 1000});

    (void)state;
    assert_true(take(&it, BK_LIT("a"), 2));
    bk_test_advance(it.test, 999);
    assert_false(take(&it, BK_LIT("a"), 1));
    assert_int_equal(it.out.retry_after_ms, 1);
    bk_test_advance(it.test, 1);
    assert_true(take(&it, BK_LIT("a"), 1));
    limited_close(&it);
}

static void test_the_algorithm_is_chosen_by_the_options(void **state)
{
    struct limited sliding = limited_open(
        &(bk_limiter_opts){.algorithm = BK_LIMIT_SLIDING, .limit = 10, .window_ms = 1000});

    (void)state;
    bk_test_advance(sliding.test, 1000 - bk_now_ms() % 1000 + 990);
    assert_true(take(&sliding, BK_LIT("a"), 10));
    bk_test_advance(sliding.test, 510);
    assert_true(take(&sliding, BK_LIT("a"), 0));
    assert_int_equal(sliding.out.remaining, 5);
    limited_close(&sliding);

    struct limited gcra = limited_open(
        &(bk_limiter_opts){.algorithm = BK_LIMIT_GCRA, .limit = 10, .window_ms = 1000, .burst = 2});
    assert_true(take(&gcra, BK_LIT("a"), 2));
    assert_int_equal(gcra.out.limit, 2);
    assert_false(take(&gcra, BK_LIT("a"), 1));
    bk_test_advance(gcra.test, 100);
    assert_true(take(&gcra, BK_LIT("a"), 1));
    limited_close(&gcra);
}

static bk_err forget_a(void *data)
{
    struct limited *it = data;

    return bk_limiter_forget(it->limiter, BK_LIT("a"));
}

static void test_a_forgotten_key_has_its_whole_limit_again(void **state)
{
    struct limited it = limited_open(&(bk_limiter_opts){.limit = 2});

    (void)state;
    assert_true(take(&it, BK_LIT("a"), 2));
    assert_true(take(&it, BK_LIT("b"), 2));
    assert_int_equal(bk_test_run(it.test, forget_a, &it), BK_OK);
    assert_true(take(&it, BK_LIT("a"), 2));
    assert_false(take(&it, BK_LIT("b"), 1));
    limited_close(&it);
}

static void test_a_key_or_a_cost_that_can_never_be_is_refused(void **state)
{
    struct limited it = limited_open(&(bk_limiter_opts){.limit = 5});
    char key[513];

    (void)state;
    memset(key, 'k', sizeof key);
    assert_int_equal(try_take(&it, BK_LIT(""), 1), BK_EINVAL);
    assert_int_equal(try_take(&it, bk_str_at(key, 513), 1), BK_EINVAL);
    assert_int_equal(try_take(&it, BK_LIT("a"), 6), BK_EINVAL);
    assert_false(it.out.allowed);
    assert_true(take(&it, bk_str_at(key, 512), 5));
    assert_true(take(&it, bk_str_at("a\0b", 3), 5)); /* any bytes; all of them count */
    assert_true(take(&it, bk_str_at("a\0c", 3), 5));
    limited_close(&it);
}

static void test_takes_are_counted(void **state)
{
    struct limited it = limited_open(&(bk_limiter_opts){.limit = 2, .slots = 1});
    bk_limiter_stats stats;

    (void)state;
    assert_true(take(&it, BK_LIT("a"), 1));
    assert_true(take(&it, BK_LIT("a"), 1));
    assert_false(take(&it, BK_LIT("a"), 1));
    for (char name = 'b'; name <= 'z'; name++)
        assert_true(take(&it, bk_str_at(&name, 1), 1));
    bk_limiter_get_stats(it.limiter, &stats);
    assert_int_equal(stats.allowed, 27);
    assert_int_equal(stats.denied, 1);
    assert_int_equal(stats.degraded, 0);
    assert_int_equal(stats.store_errors, 0);
    assert_int_equal(stats.evicted, 18); /* 26 keys, 8 slots */
    limited_close(&it);
}

static void test_forked_workers_share_the_limit(void **state)
{
    bk_app *app = bk_app_new(NULL);
    struct limited it = {
        .app = app,
        .limiter = bk_limiter_new(app, &(bk_limiter_opts){.limit = 5, .window_ms = 600000}),
    };
    int status;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        it.test = bk_test_new(app, NULL);
        _exit(take(&it, BK_LIT("a"), 3) ? (int)it.out.remaining : 100);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 2);
    it.test = bk_test_new(app, NULL);
    assert_false(take(&it, BK_LIT("a"), 3));
    assert_true(take(&it, BK_LIT("a"), 2));
    limited_close(&it);
}

static void ask_too_much(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_limiter_new(app, &(bk_limiter_opts){.name = "login", .limit = 1000001});
}

static void ask_for_too_many_slots(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_limiter_new(app, &(bk_limiter_opts){.slots = 16777217});
}

static void test_settings_that_are_not_possible_stop_the_program_with_words(void **state)
{
    char words[512];

    (void)state;
    assert_true(stops(ask_too_much, words, sizeof words));
    assert_non_null(strstr(words, "limiter login: limit and burst are at most 1,000,000"));
    assert_true(stops(ask_for_too_many_slots, words, sizeof words));
    assert_non_null(strstr(words, "limiter default: slots are at most 16,777,216"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default_is_a_hundred_a_minute),
        cmocka_unit_test(test_limits_follow_the_virtual_clock),
        cmocka_unit_test(test_the_algorithm_is_chosen_by_the_options),
        cmocka_unit_test(test_a_forgotten_key_has_its_whole_limit_again),
        cmocka_unit_test(test_a_key_or_a_cost_that_can_never_be_is_refused),
        cmocka_unit_test(test_takes_are_counted),
        cmocka_unit_test(test_forked_workers_share_the_limit),
        cmocka_unit_test(test_settings_that_are_not_possible_stop_the_program_with_words),
    };
    return cmocka_run_group_tests_name("limit_limiter", tests, NULL, NULL);
}
