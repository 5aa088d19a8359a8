/*
 * The cache with a real Redis: what hosts and workers see of each other's writes, whatever fails.
 *
 * Two apps on threads of their own are two hosts. Two apps that were forked from one are two
 * workers of a host.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "app/app.h"
#include "cache/cache.h"
#include "harness/redis.h"

enum {
    KEYS = 20
};

/* The database: what is true. Shared by all processes. */
struct truth {
    _Atomic int64_t versions[KEYS];
    _Atomic int64_t loads;
    _Atomic int64_t stale, checked, written; /* of racing processes */
    _Atomic bool over;
};

struct fixture {
    struct redis *server;
    struct truth *truth;
    bk_app *app;
    bk_test *test;
    bk_redis *redis;
    bk_cache *cache;
    bk_cache_policy policy;
    uint32_t load_ms;
    int number; /* of the worker: it writes the keys that are odd or even */
};

static struct truth *new_truth(void)
{
    struct truth *truth =
        mmap(NULL, sizeof *truth, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(truth, MAP_FAILED);
    return truth;
}

static struct fixture declare(struct redis *server, struct truth *truth)
{
    struct fixture it = {.server = server, .truth = truth, .app = bk_app_new(NULL)};

    it.redis = bk_redis_new(
        it.app,
        &(bk_redis_opts){.url = bk_str_of(server->url), .command_ms = 500, .connect_ms = 500});
    it.cache = bk_cache_new(it.app, &(bk_cache_opts){.redis = it.redis});
    return it;
}

static struct fixture open_fixture(void **state)
{
    struct fixture it = declare(*state, new_truth());

    redis_cli(it.server, "FLUSHALL");
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static void close_fixture(struct fixture *it)
{
    bk_test_settle(it->test);
    assert_int_equal(it->app->loop->fiber_count, 0);
    bk_test_free(it->test);
    bk_app_free(it->app);
    munmap(it->truth, sizeof *it->truth);
}

#define run(it, fn) assert_int_equal(bk_test_run((it)->test, fn, it), BK_OK)

static bk_cache_stats stats_of(const struct fixture *it)
{
    bk_cache_stats stats;

    bk_cache_get_stats(it->cache, &stats);
    return stats;
}

/* --- one worker ------------------------------------------------------------------------------- */

static bk_str key_of(int64_t number)
{
    return bk_arena_printf(bk_fiber_arena(), "product:%lld", (long long)number);
}

static bk_err load_version(bk_str key, void *data, bk_str *out)
{
    const struct fixture *it = data;
    int64_t number;

    atomic_fetch_add(&it->truth->loads, 1);
    BK_TRY(bk_str_to_i64(bk_str_at(key.ptr + 8, key.len - 8), &number));
    int64_t version = atomic_load(&it->truth->versions[number]);
    if (it->load_ms != 0)
        BK_TRY(bk_sleep_ms(it->load_ms));
    *out = bk_arena_printf(bk_fiber_arena(), "%lld", (long long)version);
    return version >= 0 ? BK_OK : bk_fail(BK_ENOTFOUND, "no such product");
}

static bk_err read_version(struct fixture *it, int64_t number, int64_t *version)
{
    bk_str text;

    BK_TRY(bk_cache_fetch(it->cache, key_of(number), &it->policy, load_version, it, &text));
    return bk_str_to_i64(text, version);
}

/* Waits until L1 is relied on: the channel is up. */
static bk_err await_channel(struct fixture *it)
{
    bk_redis *redis = it->redis;

    for (int i = 0; i < 200; i++) {
        if (bk__redis_watch_sound(redis, &it->cache->watches[0]))
            return BK_OK;
        BK_TRY(bk_sleep_ms(20));
    }
    return bk_fail(BK_EINTERNAL, "the channel does not come up");
}

static bk_err use_tiers(void *data)
{
    struct fixture *it = data;
    int64_t version;

    BK_TRY(await_channel(it));
    BK_TRY(read_version(it, 1, &version));
    BK_TRY(read_version(it, 1, &version));
    assert_int_equal(stats_of(it).l1_hits, 1);
    redis_signal(it->server, SIGSTOP); /* L1 needs nobody */
    BK_TRY(read_version(it, 1, &version));
    redis_signal(it->server, SIGCONT);
    assert_int_equal(atomic_load(&it->truth->loads), 1);
    atomic_store(&it->truth->versions[1], 5);
    BK_TRY(bk_cache_del(it->cache, key_of(1)));
    BK_TRY(read_version(it, 1, &version));
    assert_int_equal(version, 5);
    assert_int_equal(atomic_load(&it->truth->loads), 2);
    return BK_OK;
}

static void test_a_value_is_loaded_once_and_again_when_it_was_dropped(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, use_tiers);
    close_fixture(&it);
}

static bk_err use_second_tier(void *data)
{
    struct fixture *it = data;
    int64_t version;
    bk_str keys[] = {BK_LIT("product:1"), BK_LIT("product:2"), BK_LIT("product:3")}, values[3];

    BK_TRY(read_version(it, 1, &version));
    BK_TRY(bk_cache_set(it->cache, keys[2], BK_LIT("9"), NULL));
    bk__generation_invalidate(&it->cache->generations, /* L1 alone forgets */
                              bk__slot_of_key(&it->cache->generations, keys[0]));
    BK_TRY(read_version(it, 1, &version));
    assert_int_equal(stats_of(it).l2_hits, 1);
    BK_TRY(bk_cache_mget(it->cache, keys, 3, values));
    assert_true(bk_str_eq(values[0], BK_LIT("0")));
    assert_false(bk_str_present(values[1]));
    assert_true(bk_str_eq(values[2], BK_LIT("9")));
    BK_TRY(bk_cache_del_many(it->cache, keys, 3));
    assert_int_equal(bk_cache_get(it->cache, keys[2], &values[2]), BK_ENOTFOUND);
    return BK_OK;
}

static void test_what_l1_does_not_have_redis_may(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, use_second_tier);
    close_fixture(&it);
}

static bk_err use_tags(void *data)
{
    struct fixture *it = data;
    bk_str tag = BK_LIT("shop");
    int64_t version;

    it->policy = (bk_cache_policy){.tags = &tag, .tag_count = 1};
    for (int i = 0; i < 3; i++)
        BK_TRY(read_version(it, i, &version));
    it->policy = (bk_cache_policy){0}; /* the values know their tags */
    for (int i = 0; i < 3; i++)
        atomic_store(&it->truth->versions[i], 2);
    BK_TRY(bk_cache_del_tag(it->cache, tag));
    for (int i = 0; i < 3; i++) {
        BK_TRY(read_version(it, i, &version));
        assert_int_equal(version, 2);
    }
    return BK_OK;
}

static void test_a_tag_drops_all_that_have_it(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, use_tags);
    close_fixture(&it);
}

static bk_err read_slowly(void *data)
{
    int64_t version;

    return read_version(data, 1, &version);
}

static bk_err race_load(void *data)
{
    struct fixture *it = data;
    bk_group *group = bk_group_open();
    int64_t version;

    BK_TRY(await_channel(it));
    it->load_ms = 200;
    bk_group_spawn(group, "reader", read_slowly, it);
    BK_TRY(bk_sleep_ms(80)); /* it has read the old version */
    atomic_store(&it->truth->versions[1], 2);
    BK_TRY(bk_cache_del(it->cache, key_of(1)));
    BK_TRY(bk_group_wait(group));
    it->load_ms = 0;
    assert_int_equal(stats_of(it).refused_fills, 1);
    BK_TRY(read_version(it, 1, &version));
    assert_int_equal(version, 2);
    return BK_OK;
}

static bk_err read_beside(void *data)
{
    struct fixture *it = data;
    bk_group *group = bk_group_open();
    int64_t version;

    BK_TRY(await_channel(it));
    it->load_ms = 200;
    bk_group_spawn(group, "reader", read_slowly, it);
    BK_TRY(bk_sleep_ms(80)); /* it has read the old version */
    atomic_store(&it->truth->versions[1], 2);
    BK_TRY(bk_cache_del(it->cache, key_of(1)));
    it->load_ms = 0;
    BK_TRY(read_version(it, 1, &version));
    assert_int_equal(version, 2);
    return bk_group_wait(group);
}

static void test_nor_does_a_later_reader_wait_for_it(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, read_beside);
    close_fixture(&it);
}

static void test_a_load_that_began_before_an_invalidation_fills_nothing(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, race_load);
    close_fixture(&it);
}

static bk_err read_many_at_once(void *data)
{
    struct fixture *it = data;
    bk_group *group = bk_group_open();

    it->load_ms = 50;
    for (int i = 0; i < 100; i++)
        bk_group_spawn(group, "reader", read_slowly, it);
    BK_TRY(bk_group_wait(group));
    assert_int_equal(atomic_load(&it->truth->loads), 1);
    return BK_OK;
}

static void test_one_load_for_all_who_miss(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, read_many_at_once);
    close_fixture(&it);
}

struct product {
    int64_t id;
    bk_str name;
};

BK_DESCRIBE(product_desc, struct product, BK_I64(id), BK_STR(name, BK_REQUIRED))

static bk_err load_product(bk_str key, void *data, void *out)
{
    struct fixture *it = data;
    struct product *product = out;

    atomic_fetch_add(&it->truth->loads, 1);
    *product = (struct product){.id = INT64_C(9007199254740993), .name = key};
    return BK_OK;
}

static bk_err fetch_objects(void *data)
{
    struct fixture *it = data;
    struct product product;

    for (int i = 0; i < 3; i++) {
        BK_TRY(bk_cache_fetch_object(it->cache, BK_LIT("p"), NULL, product_desc, load_product, it,
                                     &product));
        assert_int_equal(product.id, INT64_C(9007199254740993));
        assert_true(bk_str_eq(product.name, BK_LIT("p")));
    }
    assert_int_equal(atomic_load(&it->truth->loads), 1);
    BK_TRY(bk_cache_set(it->cache, BK_LIT("p"), BK_LIT("{\"id\":\"of another shape\"}"), NULL));
    BK_TRY(bk_cache_fetch_object(it->cache, BK_LIT("p"), NULL, product_desc, load_product, it,
                                 &product));
    assert_true(bk_str_eq(product.name, BK_LIT("p")));
    assert_int_equal(atomic_load(&it->truth->loads), 2);
    return BK_OK;
}

static void test_structs_are_values(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, fetch_objects);
    close_fixture(&it);
}

/* --- while Redis fails -------------------------------------------------------------------------- */

static bk_err lose_channel(void *data)
{
    struct fixture *it = data;
    int64_t version;

    BK_TRY(await_channel(it));
    BK_TRY(read_version(it, 1, &version));
    atomic_store(&it->truth->versions[1], 3);
    /* Another host's invalidation, which this one cannot hear. */
    redis_cli(it->server, "CLIENT", "KILL", "TYPE", "pubsub");
    redis_cli(it->server, "SET", "cache:i:{product:1}", "0123456789abcdef");
    redis_cli(it->server, "DEL", "cache:v:{product:1}");
    for (int i = 0; i < 20; i++) {
        BK_TRY(bk_sleep_ms(5));
        BK_TRY(read_version(it, 1, &version));
    }
    assert_int_equal(version, 3);
    return await_channel(it);
}

static void test_nothing_is_served_from_l1_past_a_lost_channel(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, lose_channel);
    close_fixture(&it);
}

static bk_err stop_redis(void *data)
{
    struct fixture *it = data;
    uint64_t start;
    int64_t version;

    BK_TRY(await_channel(it));
    it->policy.stale_if_error_ms = 60000;
    BK_TRY(read_version(it, 1, &version));
    redis_signal(it->server, SIGSTOP);
    start = bk_now_ms();
    while (bk_now_ms() < start + 2600)
        BK_TRY(bk_sleep_ms(20));
    atomic_store(&it->truth->versions[1], 4); /* by another host, which cannot tell */
    for (int i = 0; i < 50; i++) {
        uint64_t before = bk_now_ms();
        BK_TRY(read_version(it, 1, &version));
        assert_int_equal(version, 4); /* loaded: L1 is not asked any more */
        assert_in_range(bk_now_ms() - before, 0, 700);
    }
    redis_signal(it->server, SIGCONT);
    return await_channel(it);
}

static void test_a_silent_redis_is_a_miss_and_never_a_stall(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, stop_redis);
    close_fixture(&it);
}

static bk_err fail_load(bk_str key, void *data, bk_str *out)
{
    (void)key, (void)data, (void)out;
    return bk_fail(BK_EUNAVAILABLE, "the database is gone");
}

static bk_err stand_in(void *data)
{
    struct fixture *it = data;
    bk_cache_policy policy = {.ttl_ms = 60000, .stale_if_error_ms = 60000};
    bk_str text;

    BK_TRY(await_channel(it));
    it->policy = policy;
    int64_t version;
    BK_TRY(read_version(it, 1, &version));
    redis_signal(it->server, SIGKILL);
    BK_TRY(bk_sleep_ms(100));
    BK_TRY(bk_cache_fetch(it->cache, key_of(1), &policy, fail_load, NULL, &text));
    assert_true(bk_str_eq(text, BK_LIT("0")));
    policy.stale_if_error_ms = 0;
    assert_int_equal(bk_cache_fetch(it->cache, key_of(1), &policy, fail_load, NULL, &text),
                     BK_EUNAVAILABLE);
    redis_again(it->server);
    return await_channel(it);
}

static void test_with_redis_and_the_loader_gone_only_stale_if_error_serves(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, stand_in);
    close_fixture(&it);
}

static bk_err owe(void *data)
{
    struct fixture *it = data;
    int64_t version;

    BK_TRY(await_channel(it));
    BK_TRY(read_version(it, 1, &version));
    redis_signal(it->server, SIGSTOP);
    atomic_store(&it->truth->versions[1], 6);
    assert_int_equal(bk_cache_del(it->cache, key_of(1)), BK_EUNAVAILABLE);
    assert_int_equal(stats_of(it).owed, 1);
    bk_error_clear();
    redis_signal(it->server, SIGCONT);
    /* Redis still has the old value, and is there again: it must not be believed. */
    for (int i = 0; stats_of(it).owed != 0; i++) {
        assert_in_range(i, 0, 300);
        BK_TRY(read_version(it, 1, &version));
        assert_int_equal(version, 6);
        BK_TRY(bk_sleep_ms(10));
    }
    BK_TRY(read_version(it, 1, &version));
    assert_int_equal(version, 6);
    assert_string_equal(redis_cli(it->server, "EXISTS", "cache:i:{product:1}"), "1");
    return BK_OK;
}

static void test_an_invalidation_that_redis_did_not_hear_is_owed(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, owe);
    close_fixture(&it);
}

static bk_err flush(void *data)
{
    struct fixture *it = data;
    int64_t version;

    BK_TRY(await_channel(it));
    BK_TRY(read_version(it, 1, &version));
    atomic_store(&it->truth->versions[1], 8);
    redis_cli(it->server, "FLUSHALL");
    BK_TRY(bk_sleep_ms(100));
    BK_TRY(read_version(it, 1, &version));
    assert_int_equal(version, 8);
    return BK_OK;
}

static void test_a_flushed_redis_empties_l1(void **state)
{
    struct fixture it = open_fixture(state);

    run(&it, flush);
    close_fixture(&it);
}

/* --- several workers and hosts -------------------------------------------------------------------- */

static bk_err race_until_over(void *data)
{
    struct fixture *it = data;
    unsigned dice = (unsigned)it->number;

    while (!atomic_load(&it->truth->over)) {
        int64_t number = rand_r(&dice) % KEYS, version;
        int64_t least = atomic_load(&it->truth->versions[number]); /* acknowledged before we ask */
        bool acknowledged = least % 2 == 0;
        if (rand_r(&dice) % 10 == 0 && number % 2 == it->number) {
            /* Odd while a write is under way: committed, and not yet acknowledged. */
            atomic_store(&it->truth->versions[number], least + 1);
            bk_err err = bk_cache_del(it->cache, key_of(number));
            BK_TRY(bk_fiber_interrupted());
            bk_error_clear();
            (void)err; /* on this host it holds also while Redis is gone */
            atomic_store(&it->truth->versions[number], least + 2);
            atomic_fetch_add(&it->truth->written, 1);
        } else {
            BK_TRY(read_version(it, number, &version));
            atomic_fetch_add(&it->truth->checked, 1);
            /* A version that is even and lower is older than what was acknowledged. */
            if (acknowledged && version < least - 1)
                atomic_fetch_add(&it->truth->stale, 1);
        }
        BK_TRY(bk_yield());
    }
    return BK_OK;
}

/* A worker of the same host. */
static pid_t fork_worker(struct fixture *it, int number)
{
    pid_t worker = fork();

    it->number = number;
    if (worker != 0)
        return worker;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    it->test = bk_test_new(it->app, NULL);
    bk_err err = bk_test_run(it->test, race_until_over, it);
    bk_test_free(it->test);
    _exit(err == BK_OK ? 0 : 1);
}

static void race(void **state, void (*disturb)(struct redis *server))
{
    struct fixture it = declare(*state, new_truth());
    pid_t workers[2];

    redis_cli(it.server, "FLUSHALL");
    for (int i = 0; i < 2; i++)
        workers[i] = fork_worker(&it, i);
    for (int i = 0; i < 6; i++) {
        usleep(500000);
        if (disturb != NULL)
            disturb(it.server);
    }
    atomic_store(&it.truth->over, true);
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(workers[i], &status, 0), workers[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(atomic_load(&it.truth->stale), 0);
    assert_true(atomic_load(&it.truth->checked) > 1000);
    assert_true(atomic_load(&it.truth->written) > 10);
    bk_app_free(it.app);
    munmap(it.truth, sizeof *it.truth);
}

static void test_no_worker_of_the_host_serves_what_was_invalidated(void **state)
{
    race(state, NULL);
}

static void kill_channels(struct redis *server)
{
    redis_cli(server, "CLIENT", "KILL", "TYPE", "pubsub");
}

static void test_nor_when_the_channel_is_lost_again_and_again(void **state)
{
    race(state, kill_channels);
}

static void kill_all(struct redis *server)
{
    redis_cli(server, "CLIENT", "KILL", "TYPE", "pubsub");
    redis_cli(server, "CLIENT", "KILL", "TYPE", "normal");
}

static void test_nor_when_all_connections_are(void **state)
{
    race(state, kill_all);
}

static void restart(struct redis *server)
{
    redis_signal(server, SIGKILL);
    usleep(100000);
    redis_again(server);
}

static void test_nor_when_redis_restarts(void **state)
{
    race(state, restart);
}

/* The other host, on a thread: waits until it hears. */
struct host {
    struct fixture it;
    _Atomic int64_t seen;
    _Atomic bool over;
};

static bk_err look_on(void *data)
{
    struct host *host = data;

    while (!atomic_load(&host->over)) {
        int64_t version;
        BK_TRY(read_version(&host->it, 1, &version));
        atomic_store(&host->seen, version);
        BK_TRY(bk_sleep_ms(1));
    }
    return BK_OK;
}

static void *run_host(void *data)
{
    struct host *host = data;

    host->it.test = bk_test_new(host->it.app, NULL);
    bk_err err = bk_test_run(host->it.test, look_on, host);
    bk_test_free(host->it.test);
    return err == BK_OK ? host : NULL;
}

static bk_err drop_one(void *data)
{
    struct fixture *it = data;

    return bk_cache_del(it->cache, key_of(1));
}

static void test_another_host_hears_of_it(void **state)
{
    struct fixture it = open_fixture(state);
    struct host host = {.it = declare(*state, it.truth)};
    pthread_t thread;
    void *ended;

    assert_int_equal(pthread_create(&thread, NULL, run_host, &host), 0);
    for (int64_t version = 1; version <= 20; version++) {
        usleep(20000);
        atomic_store(&it.truth->versions[1], version);
        run(&it, drop_one);
        for (int i = 0; atomic_load(&host.seen) != version; i++) {
            if (i == 1000)
                fail_msg("the other host still shows %lld", (long long)atomic_load(&host.seen));
            usleep(1000);
        }
    }
    atomic_store(&host.over, true);
    pthread_join(thread, &ended);
    assert_non_null(ended);
    bk_app_free(host.it.app);
    close_fixture(&it);
}

static bk_err load_for_fleet(void *data)
{
    struct fixture *it = data;
    int64_t version;

    it->load_ms = 200;
    it->policy.once_per_fleet = true;
    return read_version(it, 2, &version);
}

static void test_once_per_fleet_loads_once(void **state)
{
    struct fixture it = declare(*state, new_truth());
    pid_t workers[3];

    redis_cli(it.server, "FLUSHALL");
    for (int i = 0; i < 3; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            it.test = bk_test_new(it.app, NULL);
            _exit(bk_test_run(it.test, load_for_fleet, &it) == BK_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 3; i++) {
        int status;
        waitpid(workers[i], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(atomic_load(&it.truth->loads), 1);
    bk_app_free(it.app);
    munmap(it.truth, sizeof *it.truth);
}

static int start_server(void **state)
{
    struct redis *server = malloc(sizeof *server);

    *server = redis_start("--loglevel", "warning");
    *state = server;
    return 0;
}

static int stop_server(void **state)
{
    redis_stop(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_is_loaded_once_and_again_when_it_was_dropped),
        cmocka_unit_test(test_what_l1_does_not_have_redis_may),
        cmocka_unit_test(test_a_tag_drops_all_that_have_it),
        cmocka_unit_test(test_a_load_that_began_before_an_invalidation_fills_nothing),
        cmocka_unit_test(test_nor_does_a_later_reader_wait_for_it),
        cmocka_unit_test(test_one_load_for_all_who_miss),
        cmocka_unit_test(test_structs_are_values),
        cmocka_unit_test(test_nothing_is_served_from_l1_past_a_lost_channel),
        cmocka_unit_test(test_a_silent_redis_is_a_miss_and_never_a_stall),
        cmocka_unit_test(test_with_redis_and_the_loader_gone_only_stale_if_error_serves),
        cmocka_unit_test(test_an_invalidation_that_redis_did_not_hear_is_owed),
        cmocka_unit_test(test_a_flushed_redis_empties_l1),
        cmocka_unit_test(test_no_worker_of_the_host_serves_what_was_invalidated),
        cmocka_unit_test(test_nor_when_the_channel_is_lost_again_and_again),
        cmocka_unit_test(test_nor_when_all_connections_are),
        cmocka_unit_test(test_nor_when_redis_restarts),
        cmocka_unit_test(test_another_host_hears_of_it),
        cmocka_unit_test(test_once_per_fleet_loads_once),
    };
    return cmocka_run_group_tests_name("cache", tests, start_server, stop_server);
}
