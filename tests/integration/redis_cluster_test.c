/* Commands, batches, scripts and the feed on a Redis Cluster, while slots move and masters die. */
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

#include "harness/redis_app.h"
#include "harness/redis_cluster.h"
#include "redis/feed.h"
#include "redis/slots.h"

static struct redis_cluster cluster;

static int set_up(void **state)
{
    (void)state;
    redis_cluster_start(&cluster);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    redis_cluster_stop(&cluster);
    return 0;
}

static void run_alone(bk_err (*fn)(void *data))
{
    redis_app_run(cluster.url, fn);
}

static bk_redis_stats stats_of(const bk_redis *redis)
{
    bk_redis_stats stats;

    bk_redis_get_stats(redis, &stats);
    return stats;
}

/* --- commands --------------------------------------------------------------------------------- */

static bk_err spread(void *data)
{
    bk_redis *redis = data;
    int64_t n;

    for (int64_t i = 0; i < 300; i++)
        BK_TRY(bk_redis_run(redis, "SET $1 $1", BK_ARGS(bk_i64(i)), NULL));
    for (int64_t i = 0; i < 300; i++) {
        BK_TRY(bk_redis_i64(redis, "GET $1", BK_ARGS(bk_i64(i)), &n));
        assert_int_equal(n, i);
    }
    assert_int_equal(stats_of(redis).redirects, 0);
    for (int i = 0; i < MASTERS; i++)
        assert_true(atoi(redis_cli(&cluster.nodes[i], "DBSIZE")) > 50);
    BK_TRY(bk_redis_run(redis, "PING", BK_NO_ARGS, NULL)); /* any node will do */
    assert_int_equal(bk_redis_run(redis, "MSET a 1 b 2", BK_NO_ARGS, NULL), BK_EINTERNAL);
    assert_string_equal(bk_redis_error_code(), "CROSSSLOT");
    bk_error_clear();
    return bk_redis_run(redis, "MSET {x}a 1 {x}b 2", BK_NO_ARGS, NULL);
}

static void test_each_key_goes_to_its_node_at_once(void **state)
{
    (void)state;
    run_alone(spread);
}

static bk_err several(void *data)
{
    bk_redis *redis = data;
    bk_redis_batch *batch = bk_redis_batch_open(redis);
    bk_reply replies[3], reply;

    for (int64_t i = 0; i < 3; i++)
        bk_redis_batch_add(batch, "SET $1 $2",
                           BK_ARGS(bk_text(bk_str_of(redis_cluster_of_each[i])), bk_i64(i)),
                           &replies[i]);
    BK_TRY(bk_redis_batch_run(batch));
    for (int i = 0; i < 3; i++)
        assert_string_equal(replies[i].str.ptr, "OK");
    bk_redis_batch_add(batch, "SET {x}a 1", BK_NO_ARGS, &replies[0]);
    bk_redis_batch_add(batch, "INCR {x}a", BK_NO_ARGS, &replies[1]);
    BK_TRY(bk_redis_batch_run_atomic(batch));
    assert_int_equal(replies[1].i64, 2);
    bk_redis_batch_add(batch, "SET a 1", BK_NO_ARGS, NULL);
    bk_redis_batch_add(batch, "SET b 1", BK_NO_ARGS, NULL);
    assert_int_equal(bk_redis_batch_run_atomic(batch), BK_EINVAL);
    bk_error_clear();
    for (int i = 0; i < 3; i++) { /* each node learns the script */
        BK_TRY(bk_redis_eval(redis, "return redis.call('GET', KEYS[1]) + ARGV[1]",
                             BK_ARGS(bk_text(bk_str_of(redis_cluster_of_each[i]))),
                             BK_ARGS(bk_i64(10)), &reply));
        assert_int_equal(reply.i64, 10 + i);
    }
    bk_lock lock;
    BK_TRY(bk_lock_acquire(redis, BK_LIT("report"), NULL, &lock));
    bk_lock_release(&lock);
    assert_int_equal(stats_of(redis).redirects, 0);
    return BK_OK;
}

static void test_batches_and_scripts_find_their_nodes(void **state)
{
    (void)state;
    run_alone(several);
}

/* --- slots that move -------------------------------------------------------------------------- */

static char slot_text[8];

/* The slot of "{wa}" is at the third master, and goes to the second; then back. */
static void movers(int *from, int *to)
{
    static bool moved;

    snprintf(slot_text, sizeof slot_text, "%d", bk__redis_slot_of(BK_LIT("wa")));
    *from = moved ? 1 : 2;
    *to = moved ? 2 : 1;
    moved = !moved;
}

static void begin_to_move(int from, int to)
{
    assert_string_equal(redis_cli(&cluster.nodes[to], "CLUSTER", "SETSLOT", slot_text, "IMPORTING",
                                  cluster.ids[from]),
                        "OK");
    assert_string_equal(redis_cli(&cluster.nodes[from], "CLUSTER", "SETSLOT", slot_text,
                                  "MIGRATING", cluster.ids[to]),
                        "OK");
}

static void move_key(int from, int to, const char *key)
{
    assert_string_equal(redis_cli(&cluster.nodes[from], "MIGRATE", "127.0.0.1", cluster.ports[to],
                                  key, "0", "1000"),
                        "OK");
}

static void end_move(int from, int to)
{
    redis_cli(&cluster.nodes[to], "CLUSTER", "SETSLOT", slot_text, "NODE", cluster.ids[to]);
    redis_cli(&cluster.nodes[from], "CLUSTER", "SETSLOT", slot_text, "NODE", cluster.ids[to]);
}

static bk_err end_of_move(void *data)
{
    const int *move = data;

    BK_TRY(bk_sleep_ms(150));
    move_key(move[0], move[1], "{wa}b");
    end_move(move[0], move[1]);
    return BK_OK;
}

static bk_err migration(void *data)
{
    bk_redis *redis = data;
    int move[2];
    bk_reply reply;
    int64_t n;

    movers(&move[0], &move[1]);
    BK_TRY(bk_redis_run(redis, "MSET {wa}a 1 {wa}b 2", BK_NO_ARGS, NULL));
    begin_to_move(move[0], move[1]);
    move_key(move[0], move[1], "{wa}a");
    BK_TRY(bk_redis_i64(redis, "GET {wa}a", BK_NO_ARGS, &n)); /* by ASK */
    assert_int_equal(n, 1);
    assert_int_equal(stats_of(redis).redirects, 1);
    BK_TRY(bk_redis_i64(redis, "GET {wa}b", BK_NO_ARGS, &n)); /* not moved yet */
    assert_int_equal(n, 2);
    assert_int_equal(stats_of(redis).redirects, 1);
    bk_redis_batch *batch = bk_redis_batch_open(redis); /* many ASKINGs, each for its own */
    bk_reply replies[40];
    for (int64_t i = 0; i < 40; i++)
        bk_redis_batch_add(batch, i % 2 == 0 ? "INCRBY {wa}a $1" : "INCRBY {wa}b $1",
                           BK_ARGS(bk_i64(10)), &replies[i]);
    BK_TRY(bk_redis_batch_run(batch));
    assert_int_equal(replies[38].i64, 201);
    assert_int_equal(replies[39].i64, 202);
    /* Half of its keys are here, half there: TRYAGAIN until the rest has come. */
    BK_TRY(bk_spawn("move", end_of_move, move));
    BK_TRY(bk_redis_run(redis, "MGET {wa}a {wa}b", BK_NO_ARGS, &reply));
    assert_string_equal(reply.items[0].str.ptr, "201");
    assert_string_equal(reply.items[1].str.ptr, "202");
    /* It has learnt where the slot is. */
    n = (int64_t)stats_of(redis).redirects;
    BK_TRY(bk_redis_run(redis, "GET {wa}a", BK_NO_ARGS, &reply));
    assert_int_equal(stats_of(redis).redirects, n);
    return bk_redis_run(redis, "DEL {wa}a {wa}b", BK_NO_ARGS, NULL);
}

static void test_a_slot_that_is_on_its_way_is_served_throughout(void **state)
{
    (void)state;
    run_alone(migration);
}

static bk_err moved(void *data)
{
    bk_redis *redis = data;
    bk_redis_batch *batch = bk_redis_batch_open(redis);
    int from, to;
    bk_reply reply;

    movers(&from, &to);
    begin_to_move(from, to);
    end_move(from, to);
    bk_redis_batch_add(batch, "SET {wa}a 1", BK_NO_ARGS, NULL);
    bk_redis_batch_add(batch, "INCR {wa}a", BK_NO_ARGS, &reply);
    BK_TRY(bk_redis_batch_run_atomic(batch)); /* refused as a whole, and sent again */
    assert_int_equal(reply.i64, 2);
    BK_TRY(bk_redis_run(redis, "GET {wa}a", BK_NO_ARGS, NULL));
    assert_int_equal(stats_of(redis).redirects, 0); /* learnt by then */
    return bk_redis_run(redis, "DEL {wa}a", BK_NO_ARGS, NULL);
}

static void test_a_transaction_follows_a_slot_that_has_moved(void **state)
{
    (void)state;
    run_alone(moved);
}

/* --- the feed, and a failover ----------------------------------------------------------------- */

struct ears {
    struct bk__redis_topic topic; /* first */
    struct bk__redis_watch watch;
    int heard, listening, changed, lost;
};

static void on_heard(struct bk__redis_topic *topic, bk_str payload)
{
    (void)payload;
    bk__container_of(topic, struct ears, topic)->heard++;
}

static void on_listening(struct bk__redis_topic *topic, bool again)
{
    struct ears *ears = bk__container_of(topic, struct ears, topic);

    assert_int_equal(again, ears->listening != 0);
    ears->listening++;
}

static void on_changed(struct bk__redis_watch *watch, bk_str key)
{
    (void)key;
    bk__container_of(watch, struct ears, watch)->changed++;
}

static void on_lost(struct bk__redis_watch *watch)
{
    bk__container_of(watch, struct ears, watch)->lost++;
}

/* Waits until a condition holds, or fails. */
#define until(condition)                                                                           \
    do {                                                                                           \
        for (int waits_ = 0; waits_ < 3000 && !(condition); waits_++)                              \
            BK_TRY(bk_sleep_ms(5));                                                                \
        assert_true(condition);                                                                    \
    } while (0)

static bk_err failover(void *data)
{
    bk_redis *redis = data;
    struct ears ears = {
        .topic = {.channel = BK_LIT("news"), .heard = on_heard, .listening = on_listening},
        .watch = {.prefix = BK_LIT("w"), .changed = on_changed, .lost = on_lost},
    };
    int refused = 0;

    bk__redis_topic_add(redis, &ears.topic);
    bk__redis_watch_add(redis, &ears.watch);
    BK_TRY(bk__redis_topic_wait(redis, &ears.topic));
    until(bk__redis_watch_sound(redis, &ears.watch));
    static const char *const commands[] = {"SET wa x", "SET wb x", "SET wc x", "PUBLISH news x"};
    for (size_t i = 0; i < 4; i++)
        BK_TRY(bk_redis_run(redis, commands[i], BK_NO_ARGS, NULL));
    until(ears.changed == 3 && ears.heard == 1);
    assert_int_equal(ears.lost, 0);

    redis_signal(&cluster.nodes[0], SIGKILL);
    uint64_t before_ms = bk_now_ms();
    while (bk_redis_run(redis, "SET {wc}0 after", BK_NO_ARGS, NULL) != BK_OK) {
        bk_error_clear();
        refused++;
        assert_true(bk_now_ms() - before_ms < 15000);
        BK_TRY(bk_sleep_ms(20));
    }
    assert_true(refused > 0);
    until(ears.lost >= 1 && ears.listening == 2 && bk__redis_watch_sound(redis, &ears.watch));
    ears.changed = ears.heard = 0;
    for (size_t i = 0; i < 4; i++)
        BK_TRY(bk_redis_run(redis, commands[i], BK_NO_ARGS, NULL));
    until(ears.changed == 3 && ears.heard == 1);
    bk__redis_topic_remove(redis, &ears.topic);
    bk__redis_watch_remove(redis, &ears.watch);
    return BK_OK;
}

static void test_a_failover_is_followed_by_commands_and_feed(void **state)
{
    (void)state;
    run_alone(failover);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key_goes_to_its_node_at_once),
        cmocka_unit_test(test_batches_and_scripts_find_their_nodes),
        cmocka_unit_test(test_a_slot_that_is_on_its_way_is_served_throughout),
        cmocka_unit_test(test_a_transaction_follows_a_slot_that_has_moved),
        cmocka_unit_test(test_a_failover_is_followed_by_commands_and_feed),
    };

    return cmocka_run_group_tests_name("redis_cluster", tests, set_up, tear_down);
}
