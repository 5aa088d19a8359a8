/* Tests of libbackend/pubsub without Redis: queues, gaps, histories, ends. */
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
#include "pubsub/hub.h"

#define CHECK(call) assert_int_equal((call), BK_OK)

static void run(const bk_pubsub_opts *opts, bk_err (*fn)(void *data))
{
    bk_app *app = bk_app_new(NULL);
    bk_pubsub *hub = bk_pubsub_new(app, opts);
    bk_test *test = bk_test_new(app, NULL);

    CHECK(bk_test_run(test, fn, hub));
    bk_test_settle(test);
    bk_test_free(test);
    bk_app_free(app);
}

BK_YIELDS static void publish(bk_pubsub *hub, const char *text)
{
    CHECK(bk_publish(hub, BK_LIT("news"), bk_str_of(text), NULL));
}

BK_YIELDS static void hear(bk_subscription *sub, const char *text, bool gap)
{
    bk_pubsub_event event;

    CHECK(bk_subscription_next(sub, &event));
    assert_true(bk_str_eq(event.topic, BK_LIT("news")));
    assert_true(bk_str_eq(event.bytes, bk_str_of(text)));
    assert_int_equal(event.gap, gap);
}

static bool has_something(bk_subscription *sub)
{
    size_t which;
    bk_source *source = bk_subscription_source(sub);

    bk_deadline before = bk_deadline_push(0);
    bk_err err = bk_select(&source, 1, &which);
    bk_deadline_pop(before);
    return err == BK_OK;
}

static bk_err hears_in_order(void *data)
{
    bk_subscription *one, *two;
    char id[BK_PUBSUB_ID] = "x", text[16];

    CHECK(bk_subscribe(data, BK_LIT("news"), NULL, &one));
    CHECK(bk_publish(data, BK_LIT("other"), BK_LIT("no"), NULL));
    CHECK(bk_publish(data, BK_LIT("news"), BK_LIT(""), id));
    assert_string_equal(id, "");
    CHECK(bk_subscribe(data, BK_LIT("news"), NULL, &two));
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "%d", i);
        publish(data, text);
    }
    hear(one, "", false);
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "%d", i);
        hear(one, text, false);
        hear(two, text, false);
    }
    assert_false(has_something(one));
    bk_subscription_close(one);
    bk_subscription_close(one);
    publish(data, "last");
    hear(two, "last", false);
    bk_pubsub_event event;
    assert_int_equal(bk_subscription_next(one, &event), BK_ECLOSED);
    return BK_OK;
}

static void test_subscribers_hear_a_topic_in_order_from_when_they_came(void **state)
{
    (void)state;
    run(NULL, hears_in_order);
}

static bk_err waits(void *data)
{
    bk_subscription *sub;

    CHECK(bk_subscribe(data, BK_LIT("news"), NULL, &sub));
    hear(sub, "good", false);
    return BK_OK;
}

static bk_err wakes(void *data)
{
    bk_group *group = bk_group_open();

    for (int i = 0; i < 3; i++)
        bk_group_spawn(group, "waits", waits, data);
    CHECK(bk_sleep_ms(1));
    publish(data, "good");
    return bk_group_wait(group);
}

static void test_a_message_wakes_all_who_wait(void **state)
{
    (void)state;
    run(NULL, wakes);
}

static bk_err drops_the_oldest(void *data)
{
    bk_subscription *few, *small;

    CHECK(bk_subscribe(data, BK_LIT("news"), &(bk_subscribe_opts){.queue = 2}, &few));
    CHECK(bk_subscribe(data, BK_LIT("news"), &(bk_subscribe_opts){.queue_bytes = 4}, &small));
    publish(data, "one");
    publish(data, "two");
    publish(data, "three");
    hear(few, "two", true);
    hear(few, "three", false);
    hear(small, "three", true); /* larger than the queue may be, and alone */
    assert_false(has_something(few));
    assert_false(has_something(small));
    return BK_OK;
}

static void test_a_slow_subscriber_loses_the_oldest_and_is_told(void **state)
{
    (void)state;
    run(NULL, drops_the_oldest);
}

static bk_err closes_the_slow(void *data)
{
    bk_subscription *sub;
    bk_pubsub_event event;

    CHECK(bk_subscribe(data, BK_LIT("news"),
                       &(bk_subscribe_opts){.queue = 1, .slow = BK_SLOW_CLOSE}, &sub));
    publish(data, "one");
    hear(sub, "one", false);
    publish(data, "two");
    publish(data, "three");
    publish(data, "four");
    assert_int_equal(bk_subscription_next(sub, &event), BK_ECLOSED);
    assert_int_equal(bk_subscription_next(sub, &event), BK_ECLOSED);
    return BK_OK;
}

static void test_a_slow_subscriber_is_closed_where_that_was_asked_for(void **state)
{
    (void)state;
    run(NULL, closes_the_slow);
}

static bk_err replays(void *data)
{
    char ids[6][BK_PUBSUB_ID];
    bk_subscription *sub;
    bk_pubsub_event event;

    for (int i = 0; i < 6; i++)
        CHECK(bk_publish(data, BK_LIT("news"), bk_str_at(&"abcdef"[i], 1), ids[i]));
    CHECK(
        bk_subscribe(data, BK_LIT("news"), &(bk_subscribe_opts){.after = bk_str_of(ids[3])}, &sub));
    publish(data, "g"); /* the history holds d e f g now */
    hear(sub, "e", false);
    CHECK(bk_subscription_next(sub, &event));
    assert_true(bk_str_eq(event.id, bk_str_of(ids[5])));
    hear(sub, "g", false);
    assert_false(has_something(sub));
    bk_subscription_close(sub);

    CHECK(
        bk_subscribe(data, BK_LIT("news"), &(bk_subscribe_opts){.after = bk_str_of(ids[1])}, &sub));
    hear(sub, "d", true); /* c is gone */
    hear(sub, "e", false);
    bk_subscription_close(sub);

    /* An id of another life says nothing about ours. */
    CHECK(bk_subscribe(data, BK_LIT("news"), &(bk_subscribe_opts){.after = BK_LIT("77-5")}, &sub));
    hear(sub, "d", true);
    bk_subscription_close(sub);

    CHECK(bk_subscribe(data, BK_LIT("fresh"), &(bk_subscribe_opts){.after = BK_LIT("0-0")}, &sub));
    assert_false(has_something(sub));
    CHECK(bk_publish(data, BK_LIT("fresh"), BK_LIT("x"), NULL));
    CHECK(bk_subscription_next(sub, &event));
    assert_false(event.gap);
    return BK_OK;
}

static void test_what_came_since_an_id_is_heard_first(void **state)
{
    (void)state;
    run(&(bk_pubsub_opts){.replay = 4}, replays);
}

static bk_err forgets_the_longest_idle(void *data)
{
    bk_pubsub *hub = data;
    bk_subscription *sub;
    bk_pubsub_event event;
    char topic[32];

    for (int i = 0; i < BK__TOPICS_IDLE + 5; i++) {
        bk_str name = {topic, (size_t)snprintf(topic, sizeof topic, "t%d", i)};
        CHECK(bk_publish(hub, name, BK_LIT("x"), NULL));
    }
    assert_int_equal(hub->idle_count, BK__TOPICS_IDLE);
    CHECK(bk_subscribe(hub, BK_LIT("t4"), &(bk_subscribe_opts){.after = BK_LIT("0-0")}, &sub));
    CHECK(bk_publish(hub, BK_LIT("t4"), BK_LIT("y"), NULL));
    CHECK(bk_subscription_next(sub, &event));
    assert_true(event.gap);
    CHECK(bk_subscribe(hub, BK_LIT("t5"), &(bk_subscribe_opts){.after = BK_LIT("0-0")}, &sub));
    CHECK(bk_subscription_next(sub, &event));
    assert_false(event.gap);
    return BK_OK;
}

static void test_histories_that_nobody_hears_are_bounded(void **state)
{
    (void)state;
    run(&(bk_pubsub_opts){.replay = 1}, forgets_the_longest_idle);
}

static bk_err refuses(void *data)
{
    static char large[BK__MESSAGE_MAX + 1];
    bk_subscription *sub = NULL;

    assert_int_equal(bk_publish(data, BK_LIT(""), BK_LIT("x"), NULL), BK_EINVAL);
    assert_int_equal(bk_publish(data, bk_str_at(large, 257), BK_LIT("x"), NULL), BK_EINVAL);
    CHECK(bk_publish(data, bk_str_at(large, 256), BK_LIT("x"), NULL));
    assert_int_equal(bk_publish(data, BK_LIT("news"), bk_str_at(large, sizeof large), NULL),
                     BK_ETOOBIG);
    CHECK(bk_publish(data, BK_LIT("news"), bk_str_at(large, sizeof large - 1), NULL));
    static const char *const wrong[] = {
        "1", "-1", "1-", "a-1", "1-b", "1-2-3", "9999999999999999999-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(bk_subscribe(data, BK_LIT("news"),
                                      &(bk_subscribe_opts){.after = bk_str_of(wrong[i])}, &sub),
                         BK_EINVAL);
    assert_int_equal(bk_subscribe(data, BK_LIT(""), NULL, &sub), BK_EINVAL);
    assert_null(sub);
    return BK_OK;
}

static void test_wrong_topics_messages_and_ids_are_refused(void **state)
{
    (void)state;
    run(&(bk_pubsub_opts){.replay = 1}, refuses);
}

/* --- the end ---------------------------------------------------------------------------------- */

struct ends {
    bk_pubsub *hub;
    bk_err after_queue, again;
};

static bk_err listens(void *data)
{
    struct ends *ends = data;
    bk_subscription *sub, *late;
    bk_pubsub_event event;

    BK_TRY(bk_subscribe(ends->hub, BK_LIT("news"), NULL, &sub));
    ends->after_queue = bk_subscription_next(sub, &event);
    ends->again = bk_subscribe(ends->hub, BK_LIT("news"), NULL, &late);
    return BK_OK;
}

static bk_err begins_to_listen(void *data)
{
    return bk_spawn("listens", listens, data);
}

static void test_draining_ends_subscriptions_at_once(void **state)
{
    struct ends ends = {0};
    bk_app *app = bk_app_new(NULL);

    (void)state;
    ends.hub = bk_pubsub_new(app, NULL);
    bk_test *test = bk_test_new(app, NULL);
    CHECK(bk_test_run(test, begins_to_listen, &ends));
    bk_test_settle(test);
    assert_int_equal(ends.after_queue, BK_OK);
    bk_test_free(test);
    assert_int_equal(ends.after_queue, BK_ECLOSED);
    assert_int_equal(ends.again, BK_EUNAVAILABLE);
    bk_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subscribers_hear_a_topic_in_order_from_when_they_came),
        cmocka_unit_test(test_a_message_wakes_all_who_wait),
        cmocka_unit_test(test_a_slow_subscriber_loses_the_oldest_and_is_told),
        cmocka_unit_test(test_a_slow_subscriber_is_closed_where_that_was_asked_for),
        cmocka_unit_test(test_what_came_since_an_id_is_heard_first),
        cmocka_unit_test(test_histories_that_nobody_hears_are_bounded),
        cmocka_unit_test(test_wrong_topics_messages_and_ids_are_refused),
        cmocka_unit_test(test_draining_ends_subscriptions_at_once),
    };

    return cmocka_run_group_tests_name("pubsub/hub", tests, NULL, NULL);
}
