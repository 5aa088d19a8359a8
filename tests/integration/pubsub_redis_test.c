/* Topics through a Redis of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "harness/redis.h"

#define CHECK(call) assert_int_equal((call), BK_OK)

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

/* Two hubs with a connection each, as two workers have. */
struct two {
    bk_pubsub *here, *there;
};

static void run(uint32_t replay, bk_err (*fn)(void *data))
{
    bk_app *app = bk_app_new(NULL);
    struct two two;
    bk_pubsub_opts opts = {.replay = replay};

    opts.redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(server.url)});
    two.here = bk_pubsub_new(app, &opts);
    opts.redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(server.url)});
    two.there = bk_pubsub_new(app, &opts);
    bk_test *test = bk_test_new(app, NULL);
    CHECK(bk_test_run(test, fn, &two));
    bk_test_settle(test);
    bk_test_free(test);
    bk_app_free(app);
}

BK_YIELDS static void hear(bk_subscription *sub, const char *text, bool gap)
{
    bk_pubsub_event event;

    CHECK(bk_subscription_next(sub, &event));
    assert_true(bk_str_eq(event.bytes, bk_str_of(text)));
    assert_int_equal(event.gap, gap);
}

static bk_err hears_once(void *data)
{
    struct two *two = data;
    bk_subscription *a, *b, *c;
    char text[16];

    CHECK(bk_subscribe(two->here, BK_LIT("news"), NULL, &a));
    CHECK(bk_subscribe(two->here, BK_LIT("news"), NULL, &b));
    CHECK(bk_subscribe(two->there, BK_LIT("news"), NULL, &c));
    assert_string_equal(redis_cli(&server, "PUBLISH", "topic:news", "somebody-elses"), "2");
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "%d", i);
        CHECK(bk_publish(i % 2 ? two->here : two->there, BK_LIT("news"), bk_str_of(text), NULL));
    }
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "%d", i);
        hear(a, text, false);
        hear(b, text, false);
        hear(c, text, false);
    }
    bk_subscription_close(a);
    bk_subscription_close(b);
    for (int i = 0; i < 400; i++) {
        CHECK(bk_sleep_ms(5));
        if (strcmp(redis_cli(&server, "PUBLISH", "topic:news", "x"), "1") == 0)
            return BK_OK;
    }
    fail_msg("nobody is left here, and Redis was not told");
    return BK_OK;
}

static void test_all_workers_hear_a_message_once_in_one_order(void **state)
{
    (void)state;
    run(0, hears_once);
}

static bk_err outlives_redis(void *data)
{
    struct two *two = data;
    bk_subscription *sub;
    bk_pubsub_event event;

    CHECK(bk_subscribe(two->here, BK_LIT("news"), NULL, &sub));
    redis_signal(&server, SIGKILL);
    CHECK(bk_sleep_ms(100));
    redis_again(&server);
    CHECK(bk_subscription_next(sub, &event)); /* listening again */
    assert_true(event.gap);
    assert_false(bk_str_present(event.bytes));
    bk_err err = BK_EUNAVAILABLE;
    for (int i = 0; i < 400 && err != BK_OK; i++) {
        CHECK(bk_sleep_ms(10));
        err = bk_publish(two->there, BK_LIT("news"), BK_LIT("back"), NULL);
    }
    CHECK(err);
    hear(sub, "back", false);
    return BK_OK;
}

static void test_a_lost_redis_is_a_gap_and_heard_again(void **state)
{
    (void)state;
    run(0, outlives_redis);
}

/* --- replay ----------------------------------------------------------------------------------- */

enum {
    PUBLISHED = 600
};

static bk_err publishes(void *data)
{
    struct two *two = data;
    char text[16];

    for (int i = 0; i < PUBLISHED; i++) {
        snprintf(text, sizeof text, "%d", i);
        CHECK(bk_publish(two->there, BK_LIT("flood"), bk_str_of(text), NULL));
    }
    return BK_OK;
}

/* Comes and goes while messages are published; each time it goes on after the last it heard. */
static bk_err follows(void *data)
{
    struct two *two = data;
    bk_group *group = bk_group_open();
    char last[BK_PUBSUB_ID] = "", text[16];
    int heard = 0, came = 0;
    bk_subscription *sub;
    bk_pubsub_event event;

    /* A message before all, so that there is an id to begin with. */
    CHECK(bk_publish(two->here, BK_LIT("flood"), BK_LIT("first"), last));
    assert_string_not_equal(last, "");
    bk_group_spawn(group, "publishes", publishes, two);
    while (heard < PUBLISHED) {
        CHECK(bk_subscribe(two->here, BK_LIT("flood"),
                           &(bk_subscribe_opts){.after = bk_str_of(last), .queue = 2000}, &sub));
        came++;
        for (int i = 0; i < 7 && heard < PUBLISHED; i++) {
            CHECK(bk_subscription_next(sub, &event));
            assert_false(event.gap);
            snprintf(text, sizeof text, "%d", heard++);
            assert_true(bk_str_eq(event.bytes, bk_str_of(text)));
            snprintf(last, sizeof last, "%.*s", BK_PRI(event.id));
        }
        bk_subscription_close(sub);
    }
    CHECK(bk_group_wait(group));
    assert_true(came >= PUBLISHED / 7);
    return BK_OK;
}

static void test_who_comes_back_misses_nothing_and_hears_nothing_twice(void **state)
{
    (void)state;
    run(5000, follows);
}

static bk_err trims(void *data)
{
    struct two *two = data;
    char first[BK_PUBSUB_ID];
    bk_subscription *sub;
    bk_pubsub_event event;

    CHECK(bk_publish(two->here, BK_LIT("short"), BK_LIT("first"), first));
    for (int i = 0; i < 500; i++)
        CHECK(bk_publish(two->here, BK_LIT("short"), BK_LIT("more"), NULL));
    CHECK(bk_subscribe(two->there, BK_LIT("short"), &(bk_subscribe_opts){.after = bk_str_of(first)},
                       &sub));
    CHECK(bk_subscription_next(sub, &event));
    assert_true(event.gap);
    CHECK(bk_subscription_next(sub, &event));
    assert_false(event.gap);
    return BK_OK;
}

static void test_what_the_stream_has_lost_is_a_gap(void **state)
{
    (void)state;
    run(10, trims);
}

static bk_err nobody_there(void *data)
{
    struct two *two = data;
    bk_subscription *sub = NULL;

    redis_signal(&server, SIGKILL);
    bk_err err = bk_subscribe(two->here, BK_LIT("news"), NULL, &sub);
    assert_int_equal(err, BK_EUNAVAILABLE);
    assert_null(sub);
    assert_int_not_equal(bk_publish(two->here, BK_LIT("news"), BK_LIT("x"), NULL), BK_OK);
    redis_again(&server);
    return BK_OK;
}

static void test_without_redis_it_is_said_that_nobody_listens(void **state)
{
    (void)state;
    run(0, nobody_there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_workers_hear_a_message_once_in_one_order),
        cmocka_unit_test(test_a_lost_redis_is_a_gap_and_heard_again),
        cmocka_unit_test(test_who_comes_back_misses_nothing_and_hears_nothing_twice),
        cmocka_unit_test(test_what_the_stream_has_lost_is_a_gap),
        cmocka_unit_test(test_without_redis_it_is_said_that_nobody_listens),
    };

    return cmocka_run_group_tests_name("pubsub through Redis", tests, set_up, tear_down);
}
