/* Locks that hosts share, with a real Redis of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/backend.h>
#include <backend/lock.h>
#include <backend/testing.h>

#include "harness/redis.h"
#include "harness/redis_app.h"

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

static void run_alone(bk_err (*fn)(void *data))
{
    redis_app_run(server.url, fn);
}

static bk_err one_holder(void *data)
{
    bk_redis *redis = data;
    bk_lock a, b;

    BK_TRY(bk_lock_acquire(redis, BK_LIT("report:42"), NULL, &a));
    assert_int_equal(strlen(a.owner), 32);
    assert_in_range(a.ends_ms, bk_now_ms() + 29000, bk_now_ms() + 30000);
    assert_int_equal(bk_lock_acquire(redis, BK_LIT("report:42"), NULL, &b), BK_ECONFLICT);
    bk_error_clear();
    BK_TRY(bk_lock_acquire(redis, BK_LIT("report:43"), NULL, &b)); /* another name */
    bk_lock_release(&b);
    bk_lock_release(&a);
    bk_lock_release(&a); /* is not held any more */
    BK_TRY(bk_lock_acquire(redis, BK_LIT("report:42"), NULL, &b));
    bk_lock_release(&b);
    return BK_OK;
}

static void test_one_holds_it_and_another_only_after_it(void **state)
{
    (void)state;
    run_alone(one_holder);
}

static bk_err tokens(void *data)
{
    bk_redis *redis = data;
    int64_t last = 0;

    for (int i = 0; i < 100; i++) {
        bk_lock lock;
        BK_TRY(bk_lock_acquire(redis, BK_LIT("tokens"), NULL, &lock));
        assert_true(lock.token > last);
        last = lock.token;
        bk_lock_release(&lock);
    }
    /* The clock goes back by a day: as if the last token had been given tomorrow. */
    int64_t tomorrow = last + 86400000000;
    bk_lock lock;
    BK_TRY(bk_redis_run(redis, "SET {lock:tokens}:token $1", BK_ARGS(bk_i64(tomorrow)), NULL));
    BK_TRY(bk_lock_acquire(redis, BK_LIT("tokens"), NULL, &lock));
    assert_int_equal(lock.token, tomorrow + 1);
    bk_lock_release(&lock);
    /* All is lost. */
    BK_TRY(bk_redis_run(redis, "FLUSHALL", BK_NO_ARGS, NULL));
    BK_TRY(bk_lock_acquire(redis, BK_LIT("tokens"), NULL, &lock));
    assert_true(lock.token > last);
    bk_lock_release(&lock);
    return BK_OK;
}

static void test_tokens_grow_though_the_clock_goes_back_or_all_is_lost(void **state)
{
    (void)state;
    run_alone(tokens);
}

static bk_err lease(void *data)
{
    bk_redis *redis = data;
    bk_lock slow, quick;

    BK_TRY(bk_lock_acquire(redis, BK_LIT("lease"), &(bk_lock_opts){.ttl_ms = 500}, &slow));
    BK_TRY(bk_sleep_ms(300));
    BK_TRY(bk_lock_extend(&slow, 500));
    BK_TRY(bk_sleep_ms(300));
    assert_int_equal(bk_lock_acquire(redis, BK_LIT("lease"), NULL, &quick), BK_ECONFLICT);
    bk_error_clear();
    while (bk_now_ms() <= slow.ends_ms + 10)
        BK_TRY(bk_sleep_ms(10));
    BK_TRY(bk_lock_acquire(redis, BK_LIT("lease"), NULL, &quick));
    assert_true(quick.token > slow.token);
    assert_int_equal(bk_lock_extend(&slow, 0), BK_ECONFLICT);
    bk_error_clear();
    bk_lock_release(&slow); /* must not take it from the other */
    BK_TRY(bk_lock_extend(&quick, 0));
    bk_lock_release(&quick);
    return BK_OK;
}

static void test_a_lease_ends_and_its_holder_cannot_harm_the_next(void **state)
{
    (void)state;
    run_alone(lease);
}

struct contest {
    bk_redis *redis;
    int inside, most, done;
};

static bk_err contend(void *data)
{
    struct contest *contest = data;
    bk_lock lock;

    BK_TRY(bk_lock_acquire(contest->redis, BK_LIT("contest"), &(bk_lock_opts){.wait_ms = 15000},
                           &lock));
    contest->inside++;
    contest->most = contest->inside > contest->most ? contest->inside : contest->most;
    BK_TRY(bk_sleep_ms(5));
    contest->inside--;
    bk_lock_release(&lock);
    contest->done++;
    return BK_OK;
}

static bk_err many(void *data)
{
    struct contest contest = {.redis = data};
    bk_group *group = bk_group_open();

    for (int i = 0; i < 20; i++)
        bk_group_spawn(group, "contender", contend, &contest);
    BK_TRY(bk_group_wait(group));
    assert_int_equal(contest.done, 20);
    assert_int_equal(contest.most, 1);
    return BK_OK;
}

static void test_twenty_who_wait_come_in_one_at_a_time(void **state)
{
    (void)state;
    run_alone(many);
}

static bk_err patience(void *data)
{
    bk_redis *redis = data;
    bk_lock held, other;

    BK_TRY(bk_lock_acquire(redis, BK_LIT("patience"), NULL, &held));
    uint64_t before_ms = bk_now_ms();
    assert_int_equal(
        bk_lock_acquire(redis, BK_LIT("patience"), &(bk_lock_opts){.wait_ms = 150}, &other),
        BK_ECONFLICT);
    assert_in_range(bk_now_ms() - before_ms, 150, 1500);
    bk_error_clear();
    /* The fiber's own deadline is another thing. */
    bk_deadline before = bk_deadline_push(50);
    assert_int_equal(
        bk_lock_acquire(redis, BK_LIT("patience"), &(bk_lock_opts){.wait_ms = 5000}, &other),
        BK_ETIMEDOUT);
    /* It is given back though there is no time left, and an error that came before stays. */
    (void)bk_fail(BK_EINTERNAL, "the work has failed");
    bk_lock_release(&held);
    assert_string_equal(bk_error_chain()->message.ptr, "the work has failed");
    bk_deadline_pop(before);
    bk_error_clear();
    BK_TRY(bk_lock_acquire(redis, BK_LIT("patience"), NULL, &held));
    bk_lock_release(&held);
    return BK_OK;
}

static void test_waiting_ends_in_time_and_giving_back_needs_no_time(void **state)
{
    (void)state;
    run_alone(patience);
}

static bk_err names(void *data)
{
    bk_redis *redis = data;
    char longest[257];
    bk_lock lock;

    memset(longest, 'x', sizeof longest);
    assert_int_equal(bk_lock_acquire(redis, BK_LIT(""), NULL, &lock), BK_EINVAL);
    assert_int_equal(bk_lock_acquire(redis, bk_str_at(longest, 257), NULL, &lock), BK_EINVAL);
    bk_error_clear();
    BK_TRY(bk_lock_acquire(redis, bk_str_at(longest, 256), NULL, &lock));
    bk_lock_release(&lock);
    BK_TRY(bk_lock_acquire(redis, bk_str_at("}\0{", 3), NULL, &lock));
    assert_string_equal(redis_cli(&server, "KEYS", "{lock:}*:token"), "{lock:}");
    bk_lock_release(&lock);
    bk_lock_release(&(bk_lock){0});
    assert_int_equal(bk_lock_extend(&(bk_lock){0}, 0), BK_ECONFLICT);
    bk_error_clear();
    return BK_OK;
}

static void test_names_are_bytes_and_bounded(void **state)
{
    (void)state;
    run_alone(names);
}

static bk_err outage(void *data)
{
    bk_redis *redis = data;
    bk_lock held, other;

    BK_TRY(bk_lock_acquire(redis, BK_LIT("outage"), NULL, &held));
    redis_signal(&server, SIGSTOP);
    bk_err err = bk_lock_acquire(redis, BK_LIT("other"), NULL, &other);
    bk_err extended = bk_lock_extend(&held, 0);
    bk_lock_release(&held);
    redis_signal(&server, SIGCONT);
    assert_int_equal(err, BK_EUNAVAILABLE);
    assert_int_equal(extended, BK_EUNAVAILABLE);
    bk_error_clear();
    return BK_OK;
}

static void test_without_redis_there_is_no_lock(void **state)
{
    (void)state;
    run_alone(outage);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_holds_it_and_another_only_after_it),
        cmocka_unit_test(test_tokens_grow_though_the_clock_goes_back_or_all_is_lost),
        cmocka_unit_test(test_a_lease_ends_and_its_holder_cannot_harm_the_next),
        cmocka_unit_test(test_twenty_who_wait_come_in_one_at_a_time),
        cmocka_unit_test(test_waiting_ends_in_time_and_giving_back_needs_no_time),
        cmocka_unit_test(test_names_are_bytes_and_bounded),
        cmocka_unit_test(test_without_redis_there_is_no_lock),
    };

    return cmocka_run_group_tests_name("redis_lock", tests, set_up, tear_down);
}
