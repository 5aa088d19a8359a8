/* A master, a replica and three sentinels of the test's own. */
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
#include "harness/redis_app.h"
#include "redis/feed.h"

enum {
    SENTINELS = 3
};

static struct redis servers[2], sentinels[SENTINELS];
static char url[160];

/* --- servers ---------------------------------------------------------------------------------- */

/* Sentinels keep what they know in their configuration. */
static void start_sentinel(int i)
{
    struct redis *it = &sentinels[i];
    char path[96];

    *it = (struct redis){.folder = "/tmp/redis-test-XXXXXX", .port = redis_free_port()};
    assert_non_null(mkdtemp(it->folder));
    snprintf(it->socket, sizeof it->socket, "%s/socket", it->folder);
    snprintf(path, sizeof path, "%s/conf", it->folder);
    FILE *conf = fopen(path, "w");
    assert_non_null(conf);
    fprintf(conf,
            "port %d\nbind 127.0.0.1\nunixsocket %s\ndir %s\n"
            "requirepass sesame\n"
            "sentinel sentinel-pass sesame\n"
            "sentinel monitor shop 127.0.0.1 %d 2\n"
            "sentinel down-after-milliseconds shop 500\n"
            "sentinel failover-timeout shop 1000\n",
            it->port, it->socket, it->folder, servers[0].port);
    fclose(conf);
    it->pid = fork();
    if (it->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execlp("redis-server", "redis-server", path, "--sentinel", (char *)NULL);
        _exit(127);
    }
}

static const char *ask(struct redis *sentinel, const char *a, const char *b)
{
    return redis_cli(sentinel, "-a", "sesame", "SENTINEL", a, b);
}

static int set_up(void **state)
{
    static char port[8];

    (void)state;
    servers[0] = redis_start("--repl-diskless-sync-delay", "0");
    snprintf(port, sizeof port, "%d", servers[0].port);
    servers[1] = redis_start("--repl-diskless-sync-delay", "0");
    redis_cli(&servers[1], "REPLICAOF", "127.0.0.1", port);
    for (int i = 0; i < SENTINELS; i++)
        start_sentinel(i);
    for (int i = 0; i < SENTINELS; i++)
        for (int n = 0; strcmp(redis_cli(&sentinels[i], "-a", "sesame", "PING"), "PONG") != 0;
             n++) {
            if (n == 500)
                fail_msg("a sentinel does not start");
            usleep(20000);
        }
    snprintf(
        url, sizeof url,
        "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/shop?sentinel_password=sesame",
        redis_free_port() /* nobody is there */, sentinels[0].port, sentinels[1].port);
    return 0;
}

/* Until the sentinels know each other, and the replica. */
static int settle_down(void **state)
{
    (void)state;
    for (int i = 0; i < SENTINELS; i++)
        for (int n = 0; strncmp(ask(&sentinels[i], "CKQUORUM", "shop"), "OK 3", 4) != 0; n++) {
            if (n == 500)
                fail_msg("the sentinels do not find each other: %s", sentinels[i].answer);
            usleep(20000);
        }
    for (int n = 0; ask(&sentinels[0], "REPLICAS", "shop")[0] == '\0'; n++) {
        if (n == 800)
            fail_msg("the sentinels do not find the replica");
        usleep(20000);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < SENTINELS; i++)
        redis_stop(&sentinels[i]);
    for (int i = 0; i < 2; i++)
        redis_stop(&servers[i]);
    return 0;
}

static void run_alone(bk_err (*fn)(void *data))
{
    redis_app_run(url, fn);
}

/* The sentinels take their time to tell the old master that it is none any more. */
static int rejoin(void **state)
{
    char port[8];

    (void)state;
    snprintf(port, sizeof port, "%d", servers[1].port);
    assert_string_equal(redis_cli(&servers[0], "REPLICAOF", "127.0.0.1", port), "OK");
    for (int n = 0; strcmp(redis_cli(&servers[1], "WAIT", "1", "100"), "1") != 0; n++)
        if (n == 50)
            fail_msg("the old master does not follow the new one");
    return 0;
}

static int master(void)
{
    return strcmp(redis_cli(&servers[0], "ROLE"), "master") == 0 ? 0 : 1;
}

/* --- finding it ------------------------------------------------------------------------------- */

static bk_err find(void *data)
{
    bk_redis *redis = data;
    bk_redis_stats stats;

    BK_TRY(bk_redis_run(redis, "SET found yes", BK_NO_ARGS, NULL));
    assert_string_equal(redis_cli(&servers[0], "GET", "found"), "yes");
    bk_redis_get_stats(redis, &stats);
    assert_true(stats.up);
    assert_int_equal(stats.connects, 1);
    return BK_OK;
}

static void test_the_master_is_found_though_a_sentinel_is_gone(void **state)
{
    (void)state;
    run_alone(find);
}

static bk_err find_none(void *data)
{
    assert_int_equal(bk_redis_run(data, "PING", BK_NO_ARGS, NULL), BK_EUNAVAILABLE);
    bk_error_clear();
    return BK_OK;
}

static void test_without_a_master_the_app_starts_and_commands_fail_at_once(void **state)
{
    char other[160];

    (void)state;
    snprintf(other, sizeof other,
             "redis+sentinel://127.0.0.1:%d/nowhere?sentinel_password=sesame&connect_ms=500",
             sentinels[0].port);
    redis_app_run(other, find_none);
    snprintf(other, sizeof other, "redis+sentinel://127.0.0.1:%d/shop?sentinel_password=wrong",
             sentinels[0].port);
    redis_app_run(other, find_none);
}

/* --- following it ----------------------------------------------------------------------------- */

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
    (void)again;
    bk__container_of(topic, struct ears, topic)->listening++;
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
        for (int waits_ = 0; waits_ < 1500 && !(condition); waits_++)                              \
            BK_TRY(bk_sleep_ms(5));                                                                \
        assert_true(condition);                                                                    \
    } while (0)

/* What happens to the master, and which server is it afterwards. */
static void (*mishap)(int master);

static bk_err follow(void *data)
{
    bk_redis *redis = data;
    struct ears ears = {
        .topic = {.channel = BK_LIT("news"), .heard = on_heard, .listening = on_listening},
        .watch = {.prefix = BK_LIT("w:"), .changed = on_changed, .lost = on_lost},
    };
    int before = master();

    bk__redis_topic_add(redis, &ears.topic);
    bk__redis_watch_add(redis, &ears.watch);
    BK_TRY(bk__redis_topic_wait(redis, &ears.topic));
    until(bk__redis_watch_sound(redis, &ears.watch));
    BK_TRY(bk_redis_run(redis, "SET w:1 x", BK_NO_ARGS, NULL));
    until(ears.changed == 1);

    mishap(before);
    until(strcmp(redis_cli(&servers[1 - before], "ROLE"), "master") == 0);
    while (bk_redis_run(redis, "SET w:after x", BK_NO_ARGS, NULL) != BK_OK ||
           strcmp(redis_cli(&servers[1 - before], "EXISTS", "w:after"), "1") != 0) {
        bk_error_clear();
        BK_TRY(bk_sleep_ms(20)); /* bounded by the test's patience */
    }
    until(ears.lost >= 1 && ears.listening >= 2 && bk__redis_watch_sound(redis, &ears.watch));
    ears.changed = ears.heard = 0;
    redis_cli(&servers[1 - before], "SET", "w:1", "y");
    redis_cli(&servers[1 - before], "PUBLISH", "news", "x");
    until(ears.changed == 1 && ears.heard == 1);
    bk__redis_topic_remove(redis, &ears.topic);
    bk__redis_watch_remove(redis, &ears.watch);
    return BK_OK;
}

static void demote(int now)
{
    (void)now;
    assert_string_equal(ask(&sentinels[2], "FAILOVER", "shop"), "OK");
}

static void test_a_planned_failover_is_followed(void **state)
{
    (void)state;
    mishap = demote;
    run_alone(follow);
}

static void end(int now)
{
    redis_signal(&servers[now], SIGKILL);
    redis_signal(&sentinels[0], SIGKILL); /* the one that was asked until now */
}

static void test_a_master_that_dies_is_replaced_though_the_sentinel_dies_too(void **state)
{
    (void)state;
    mishap = end;
    run_alone(follow);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_master_is_found_though_a_sentinel_is_gone),
        cmocka_unit_test(test_without_a_master_the_app_starts_and_commands_fail_at_once),
        cmocka_unit_test_setup(test_a_planned_failover_is_followed, settle_down),
        cmocka_unit_test_setup(test_a_master_that_dies_is_replaced_though_the_sentinel_dies_too,
                               rejoin),
    };

    return cmocka_run_group_tests_name("redis_sentinel", tests, set_up, tear_down);
}
