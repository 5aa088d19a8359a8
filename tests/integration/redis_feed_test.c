/* What a Redis tells unasked: messages and changes of keys, with a server of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "core/list.h"
#include "harness/redis.h"
#include "harness/redis_app.h"
#include "redis/feed.h"

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

/* --- who hears -------------------------------------------------------------------------------- */

struct hearer {
    struct bk__redis_topic topic; /* first */
    bk_redis *redis;
    int heard, listened, again;
    char last[64];
    struct hearer *removes; /* when it hears; may be itself */
};

static void on_heard(struct bk__redis_topic *topic, bk_str payload)
{
    struct hearer *hearer = bk__container_of(topic, struct hearer, topic);

    hearer->heard++;
    snprintf(hearer->last, sizeof hearer->last, "%.*s", BK_PRI(payload));
    if (hearer->removes != NULL)
        bk__redis_topic_remove(hearer->redis, &hearer->removes->topic);
}

static void on_listening(struct bk__redis_topic *topic, bool again)
{
    struct hearer *hearer = bk__container_of(topic, struct hearer, topic);

    hearer->listened++;
    hearer->again += again;
}

static void hear(struct hearer *hearer, bk_redis *redis, const char *channel)
{
    *hearer = (struct hearer){
        .topic = {.channel = bk_str_of(channel), .heard = on_heard, .listening = on_listening},
        .redis = redis,
    };
    bk__redis_topic_add(redis, &hearer->topic);
}

struct watcher {
    struct bk__redis_watch watch; /* first */
    bk_redis *redis;
    int changed, lost;
    bool sound_when_lost; /* the last time */
    char last[64];
};

static void on_changed(struct bk__redis_watch *watch, bk_str key)
{
    struct watcher *watcher = bk__container_of(watch, struct watcher, watch);

    watcher->changed++;
    snprintf(watcher->last, sizeof watcher->last, "%.*s", BK_PRI(key));
}

static void on_lost(struct bk__redis_watch *watch)
{
    struct watcher *watcher = bk__container_of(watch, struct watcher, watch);

    watcher->lost++;
    watcher->sound_when_lost = bk__redis_watch_sound(watcher->redis, watch);
}

static void watch(struct watcher *watcher, bk_redis *redis, const char *prefix)
{
    *watcher = (struct watcher){
        .watch = {.prefix = bk_str_of(prefix), .changed = on_changed, .lost = on_lost},
        .redis = redis,
    };
    bk__redis_watch_add(redis, &watcher->watch);
}

/* Waits until a condition holds, or fails. */
#define until(condition)                                                                           \
    do {                                                                                           \
        for (int waits_ = 0; waits_ < 1000 && !(condition); waits_++)                              \
            BK_TRY(bk_sleep_ms(5));                                                                \
        assert_true(condition);                                                                    \
    } while (0)

BK_YIELDS static bk_err publish(bk_redis *redis, const char *channel, const char *text,
                                int64_t *hearers)
{
    return bk_redis_i64(redis, "PUBLISH $1 $2",
                        BK_ARGS(bk_text(bk_str_of(channel)), bk_text(bk_str_of(text))), hearers);
}

/* Waits until all that was asked of the server on the feed's connection has come back. */
BK_YIELDS static bk_err quiet(bk_redis *redis)
{
    struct hearer last;

    hear(&last, redis, "quiet");
    bk_err err = bk__redis_topic_wait(redis, &last.topic);
    bk__redis_topic_remove(redis, &last.topic);
    return err;
}

/* --- messages --------------------------------------------------------------------------------- */

static bk_err messages(void *data)
{
    bk_redis *redis = data;
    struct hearer a, b, other;
    int64_t hearers;

    hear(&a, redis, "news");
    hear(&b, redis, "news");
    hear(&other, redis, "weather");
    BK_TRY(bk__redis_topic_wait(redis, &a.topic));
    BK_TRY(bk__redis_topic_wait(redis, &other.topic));
    assert_int_equal(b.listened, 1);
    assert_int_equal(b.again, 0);
    BK_TRY(publish(redis, "news", "one", &hearers));
    assert_int_equal(hearers, 1); /* two topics, one subscription */
    until(a.heard == 1 && b.heard == 1);
    assert_string_equal(a.last, "one");
    bk__redis_topic_remove(redis, &a.topic);
    BK_TRY(publish(redis, "news", "two", &hearers));
    until(b.heard == 2);
    assert_int_equal(a.heard, 1);
    assert_int_equal(other.heard, 0);
    bk__redis_topic_remove(redis, &b.topic);
    BK_TRY(quiet(redis));
    BK_TRY(publish(redis, "news", "three", &hearers));
    assert_int_equal(hearers, 0); /* the last has unsubscribed */
    bk__redis_topic_remove(redis, &other.topic);
    return BK_OK;
}

static void test_a_channel_is_subscribed_to_once_while_somebody_hears_it(void **state)
{
    (void)state;
    run_alone(messages);
}

static bk_err removals(void *data)
{
    bk_redis *redis = data;
    struct hearer a, b, c;
    int64_t hearers;

    hear(&a, redis, "news");
    hear(&b, redis, "news");
    hear(&c, redis, "news");
    a.removes = &b; /* which would be told after it */
    c.removes = &c;
    BK_TRY(bk__redis_topic_wait(redis, &c.topic));
    BK_TRY(publish(redis, "news", "one", &hearers));
    until(c.heard == 1);
    assert_int_equal(a.heard, 1);
    assert_int_equal(b.heard, 0);
    BK_TRY(publish(redis, "news", "two", &hearers));
    assert_int_equal(hearers, 1); /* a still hears it */
    until(a.heard == 2);
    assert_int_equal(c.heard, 1);
    a.removes = &a;
    BK_TRY(publish(redis, "news", "three", &hearers));
    until(a.heard == 3);
    BK_TRY(quiet(redis));
    BK_TRY(publish(redis, "news", "four", &hearers));
    assert_int_equal(hearers, 0);
    return BK_OK;
}

static void test_who_hears_may_remove_himself_and_others(void **state)
{
    (void)state;
    run_alone(removals);
}

/* Added and removed faster than the server answers. */
static bk_err flicker(void *data)
{
    bk_redis *redis = data;
    struct hearer it;
    int64_t hearers;

    BK_TRY(quiet(redis));
    for (int i = 0; i < 7; i++) {
        hear(&it, redis, "flicker");
        if (i < 6)
            bk__redis_topic_remove(redis, &it.topic);
    }
    BK_TRY(bk__redis_topic_wait(redis, &it.topic));
    BK_TRY(quiet(redis));
    BK_TRY(publish(redis, "flicker", "x", &hearers));
    assert_int_equal(hearers, 1);
    until(it.heard == 1);
    assert_int_equal(it.listened, 1);
    bk__redis_topic_remove(redis, &it.topic);
    hear(&it, redis, "flicker");
    bk__redis_topic_remove(redis, &it.topic);
    BK_TRY(quiet(redis));
    BK_TRY(quiet(redis));
    BK_TRY(publish(redis, "flicker", "x", &hearers));
    assert_int_equal(hearers, 0);
    return BK_OK;
}

static void test_adding_and_removing_in_haste_ends_in_the_last_wish(void **state)
{
    (void)state;
    run_alone(flicker);
}

/* --- keys ------------------------------------------------------------------------------------- */

static bk_err changes(void *data)
{
    bk_redis *redis = data;
    struct watcher a, b;

    watch(&a, redis, "a:");
    watch(&b, redis, "b:");
    until(bk__redis_watch_sound(redis, &a.watch));
    BK_TRY(bk_redis_run(redis, "SET a:1 x", BK_NO_ARGS, NULL));
    until(a.changed == 1);
    assert_string_equal(a.last, "a:1");
    BK_TRY(bk_redis_run(redis, "SET b:1 x PX 50", BK_NO_ARGS, NULL));
    until(b.changed == 2); /* set, and expired */
    BK_TRY(bk_redis_run(redis, "SET c:1 x", BK_NO_ARGS, NULL));
    redis_cli(&server, "DEL", "a:1");
    until(a.changed == 2);
    assert_int_equal(b.changed, 2);
    assert_int_equal(a.lost + b.lost, 0);
    BK_TRY(bk_redis_run(redis, "FLUSHALL", BK_NO_ARGS, NULL));
    until(a.lost == 1 && b.lost == 1);
    bk__redis_watch_remove(redis, &a.watch);
    bk__redis_watch_remove(redis, &b.watch);
    return BK_OK;
}

static void test_changes_expiry_and_flushing_are_told(void **state)
{
    (void)state;
    run_alone(changes);
}

static bk_err late_prefix(void *data)
{
    bk_redis *redis = data;
    struct watcher a, b;

    watch(&a, redis, "a:");
    until(bk__redis_watch_sound(redis, &a.watch));
    watch(&b, redis, "b:");
    assert_false(bk__redis_watch_sound(redis, &b.watch));
    until(bk__redis_watch_sound(redis, &b.watch));
    assert_int_equal(a.lost, 1); /* on the way to a new connection */
    BK_TRY(bk_redis_run(redis, "SET b:1 x", BK_NO_ARGS, NULL));
    BK_TRY(bk_redis_run(redis, "SET a:1 x", BK_NO_ARGS, NULL));
    until(a.changed == 1 && b.changed == 1);
    bk__redis_watch_remove(redis, &a.watch);
    bk__redis_watch_remove(redis, &b.watch);
    return BK_OK;
}

static void test_a_prefix_that_comes_late_is_watched_too(void **state)
{
    (void)state;
    run_alone(late_prefix);
}

static bk_err refused(void *data)
{
    bk_redis *redis = data;
    struct watcher a;
    struct hearer news;

    redis_cli(&server, "ACL", "SETUSER", "default", "-client|tracking");
    watch(&a, redis, "a:");
    hear(&news, redis, "news");
    bk_err err = bk__redis_topic_wait(redis, &news.topic);
    redis_cli(&server, "ACL", "SETUSER", "default", "+client|tracking");
    BK_TRY(err);
    BK_TRY(bk_sleep_ms(50)); /* the first PING has been answered */
    assert_false(bk__redis_watch_sound(redis, &a.watch));
    bk__redis_watch_remove(redis, &a.watch);
    bk__redis_topic_remove(redis, &news.topic);
    return BK_OK;
}

static void test_where_tracking_is_forbidden_messages_come_and_keys_are_unsound(void **state)
{
    (void)state;
    run_alone(refused);
}

/* --- losses ----------------------------------------------------------------------------------- */

static bk_err loss(void *data)
{
    bk_redis *redis = data;
    struct watcher keys;
    struct hearer news;
    int64_t hearers;

    watch(&keys, redis, "a:");
    hear(&news, redis, "news");
    BK_TRY(bk__redis_topic_wait(redis, &news.topic));
    until(bk__redis_watch_sound(redis, &keys.watch));
    redis_cli(&server, "CLIENT", "KILL", "TYPE", "pubsub");
    until(keys.lost == 1);
    assert_false(keys.sound_when_lost);
    until(news.listened == 2);
    assert_int_equal(news.again, 1);
    until(bk__redis_watch_sound(redis, &keys.watch));
    BK_TRY(publish(redis, "news", "x", &hearers));
    BK_TRY(bk_redis_run(redis, "SET a:1 x", BK_NO_ARGS, NULL));
    until(news.heard == 1 && keys.changed == 1);
    bk__redis_topic_remove(redis, &news.topic);
    bk__redis_watch_remove(redis, &keys.watch);
    return BK_OK;
}

static void test_a_lost_connection_is_told_and_all_is_heard_again(void **state)
{
    (void)state;
    run_alone(loss);
}

static bk_err silence(void *data)
{
    bk_redis *redis = data;
    struct watcher keys;
    struct hearer news, late;

    watch(&keys, redis, "a:");
    hear(&news, redis, "news");
    BK_TRY(bk__redis_topic_wait(redis, &news.topic));
    until(bk__redis_watch_sound(redis, &keys.watch));
    redis_signal(&server, SIGSTOP);
    uint64_t before_ms = bk_now_ms();
    while (bk__redis_watch_sound(redis, &keys.watch) && bk_now_ms() - before_ms < 4000)
        BK_TRY(bk_sleep_ms(10));
    uint64_t took_ms = bk_now_ms() - before_ms;
    while (keys.lost == 0 && bk_now_ms() - before_ms < 6000)
        BK_TRY(bk_sleep_ms(10));
    hear(&late, redis, "late");
    bk_err err = bk__redis_topic_wait(redis, &late.topic);
    bk__redis_topic_remove(redis, &late.topic);
    redis_signal(&server, SIGCONT);
    assert_in_range(took_ms, 0, 2100);
    assert_int_equal(keys.lost, 1);
    assert_int_equal(err, BK_EUNAVAILABLE);
    bk_error_clear();
    until(news.listened == 2 && bk__redis_watch_sound(redis, &keys.watch));
    bk__redis_topic_remove(redis, &news.topic);
    bk__redis_watch_remove(redis, &keys.watch);
    return BK_OK;
}

static void test_a_server_that_says_nothing_is_not_taken_for_one_without_news(void **state)
{
    (void)state;
    run_alone(silence);
}

/* The app ends with topics and watches still there; their owners remove them later. */
static void test_what_is_left_when_the_app_ends_is_harmless(void **state)
{
    bk_app *app = bk_app_new(NULL);
    bk_redis *redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(server.url)});
    bk_test *test = bk_test_new(app, NULL);
    struct hearer news;
    struct watcher keys;

    (void)state;
    hear(&news, redis, "news");
    watch(&keys, redis, "a:");
    for (int i = 0; i < 1000 && news.listened == 0; i++) {
        bk_test_settle(test);
        usleep(2000);
    }
    assert_int_equal(news.listened, 1);
    bk_test_free(test);
    assert_false(bk__redis_watch_sound(redis, &keys.watch));
    bk__redis_topic_remove(redis, &news.topic);
    bk__redis_watch_remove(redis, &keys.watch);
    bk_app_free(app);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_channel_is_subscribed_to_once_while_somebody_hears_it),
        cmocka_unit_test(test_who_hears_may_remove_himself_and_others),
        cmocka_unit_test(test_adding_and_removing_in_haste_ends_in_the_last_wish),
        cmocka_unit_test(test_changes_expiry_and_flushing_are_told),
        cmocka_unit_test(test_a_prefix_that_comes_late_is_watched_too),
        cmocka_unit_test(test_where_tracking_is_forbidden_messages_come_and_keys_are_unsound),
        cmocka_unit_test(test_a_lost_connection_is_told_and_all_is_heard_again),
        cmocka_unit_test(test_a_server_that_says_nothing_is_not_taken_for_one_without_news),
        cmocka_unit_test(test_what_is_left_when_the_app_ends_is_harmless),
    };

    return cmocka_run_group_tests_name("redis_feed", tests, set_up, tear_down);
}
