/*
 * Idempotency keys in Redis: across apps, through leases, and while Redis is gone.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/middleware/idempotency.h>
#include <backend/middleware/rate_limit.h>

#include "unit/text.h"
#include "harness/http_app.h"
#include "harness/redis.h"

static struct redis server;

static struct {
    int runs;
    uint32_t waits_ms;
    bool kills_redis;
} till;

static bk_err pay(bk_req *req, bk_res *res)
{
    till.runs++;
    if (till.kills_redis)
        redis_signal(&server, SIGKILL);
    if (till.waits_ms != 0)
        BK_TRY(bk_sleep_ms(till.waits_ms));
    return bk_res_text(res, 201, bk_arena_printf(bk_req_arena(req), "payment %d", till.runs));
}

static struct http_app open_till(uint32_t lease_ms)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_redis *redis =
        bk_redis_new(it.app, &(bk_redis_opts){.url = bk_str_of(server.url), .command_ms = 300});
    bk_router *root = bk_app_router(it.app);

    memset(&till, 0, sizeof till);
    bk_use(root, bk_mw_idempotency(
                     it.app, &(bk_mw_idempotency_opts){.redis = redis, .lease_ms = lease_ms}));
    bk_post(root, "/pay", pay);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static bk_test_res *post(const struct http_app *it, const char *key, const char *body)
{
    return http_send(it, "POST", "/pay", FIELDS("idempotency-key", key), body);
}

static bk_err wait_for(void *ms)
{
    return bk_sleep_ms(*(const uint32_t *)ms);
}

/* The loop goes on meanwhile. */
static void rest(const struct http_app *it, uint32_t ms)
{
    assert_int_equal(bk_test_run(it->test, wait_for, &ms), BK_OK);
}

static void close_till(struct http_app *it)
{
    bk_test_free(it->test);
    bk_app_free(it->app);
}

#define assert_replayed(res) assert_field(res, "Idempotent-Replayed", "true")

static int start(void **state)
{
    (void)state;
    server = redis_start("--loglevel", "warning");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redis_stop(&server);
    return 0;
}

static void test_an_answer_is_repeated_by_another_host_for_a_day(void **state)
{
    struct http_app one = open_till(0);

    (void)state;
    assert_answer(post(&one, "k", "x"), 201, "payment 1");
    close_till(&one);
    struct http_app two = open_till(0);
    bk_test_res *again = post(&two, "k", "x");
    assert_answer(again, 201, "payment 1");
    assert_replayed(again);
    assert_problem(post(&two, "k", "y"), 422, "another request");
    assert_int_equal(till.runs, 0);
    assert_string_equal(redis_cli(&server, "DBSIZE"), "1");
    char *key = strdup(redis_cli(&server, "KEYS", "idempotency:default:*"));
    int left = atoi(redis_cli(&server, "TTL", key));
    assert_in_range(left, 24 * 3600 - 60, 24 * 3600);
    free((void *)(uintptr_t)key);
    close_till(&two);
}

static void test_a_key_that_another_host_holds_is_refused_until_its_lease_ends(void **state)
{
    struct http_app it = open_till(1000);
    static const char lock[] =
        "local v = redis.call('GET', KEYS[1]); return redis.call('SET', KEYS[1], "
        "'L' .. string.sub(v, 2, 33) .. '0123456789abcdef', 'PX', 700)";

    (void)state;
    assert_status(post(&it, "k", "x"), 201);
    char *key = strdup(redis_cli(&server, "KEYS", "*"));
    /* As if that host had died in the middle: its lock, with this request's fingerprint. */
    assert_string_equal(redis_cli(&server, "EVAL", lock, "1", key), "OK");
    assert_problem(post(&it, "k", "x"), 409, "still being done");
    rest(&it, 800);
    bk_test_res *res = post(&it, "k", "x");
    assert_answer(res, 201, "payment 2");
    free(key);
    close_till(&it);
}

static void test_a_lease_is_renewed_while_the_handler_runs(void **state)
{
    struct http_app it = open_till(2000);
    const bk_pair fields[] = {{BK_LIT("idempotency-key"), BK_LIT("k")}, {{NULL, 0}, {NULL, 0}}};

    (void)state;
    till.waits_ms = 4500;
    bk_test_res *first = bk_test_begin(
        it.test,
        &(bk_test_req){.method = "POST", .target = "/pay", .headers = fields, .body = BK_LIT("x")});
    for (int i = 0; i < 100 && till.runs == 0; i++)
        rest(&it, 10);
    char *key = strdup(redis_cli(&server, "KEYS", "*"));
    for (uint64_t until = bk_now_ns() + 3500000000; bk_now_ns() < until;) {
        rest(&it, 100);
        assert_problem(post(&it, "k", "x"), 409, "still being done");
        assert_in_range(atoi(redis_cli(&server, "PTTL", key)), 1, 2000);
    }
    free(key);
    bk_test_finish(it.test, first);
    assert_answer(first, 201, "payment 1");
    assert_replayed(post(&it, "k", "x"));
    close_till(&it);
}

static void test_without_redis_nothing_runs(void **state)
{
    struct http_app it = open_till(0);

    (void)state;
    redis_signal(&server, SIGKILL);
    for (int i = 0; i < 3; i++)
        assert_problem(post(&it, "k", "x"), 503, "Service Unavailable");
    assert_int_equal(till.runs, 0);
    assert_status(http_send(&it, "POST", "/pay", NULL, "x"), 201); /* without a key it may */
    redis_again(&server);
    bk_test_res *res = NULL;
    for (int i = 0; i < 50; i++) {
        res = post(&it, "k", "x");
        if (bk_test_status(res) != 503)
            break;
        rest(&it, 100);
    }
    assert_answer(res, 201, "payment 2");
    close_till(&it);
}

static void test_a_redis_that_hangs_costs_its_time_and_nothing_runs(void **state)
{
    struct http_app it = open_till(0);

    (void)state;
    assert_status(post(&it, "warm", "x"), 201);
    redis_signal(&server, SIGSTOP);
    uint64_t before = bk_now_ns();
    assert_problem(post(&it, "k", "x"), 503, "");
    assert_true(bk_now_ns() - before < 2000000000u);
    assert_int_equal(till.runs, 1);
    redis_signal(&server, SIGCONT);
    close_till(&it);
}

static void test_a_redis_that_dies_in_the_middle_does_not_cost_the_answer(void **state)
{
    struct http_app it = open_till(0);

    (void)state;
    till.kills_redis = true;
    assert_answer(post(&it, "k", "x"), 201, "payment 1");
    assert_holds(bk_test_logs(it.test), "idempotency.not_kept");
    close_till(&it);
    redis_again(&server);
}

static void test_limits_by_redis_hold_across_hosts_and_fall_back_without_it(void **state)
{
    struct http_app hosts[2];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        hosts[i].app = bk_app_new(NULL);
    for (size_t i = 0; i < 2; i++) {
        bk_redis *redis =
            bk_redis_new(hosts[i].app, &(bk_redis_opts){.url = bk_str_of(server.url)});
        bk_router *root = bk_app_router(hosts[i].app);
        bk_use(root, bk_mw_rate_limit(hosts[i].app, &(bk_mw_rate_limit_opts){
                                                        .limit = {.limit = 3, .redis = redis}}));
        bk_post(root, "/pay", pay);
        memset(&till, 0, sizeof till);
        hosts[i].test = bk_test_new(hosts[i].app, NULL);
        bk_test_res *first = http_send(&hosts[i], "POST", "/pay", NULL, "x");
        bk_test_res *second = http_send(&hosts[i], "POST", "/pay", NULL, "x");
        assert_status(first, 201);
        assert_status(second, i == 0 ? 201 : 429);
        if (i == 1) {
            assert_problem(second, 429, "Too many requests, please try again later.");
            redis_signal(&server, SIGKILL);
            /* This host has let one in, and goes on from there. */
            assert_status(http_send(&hosts[i], "POST", "/pay", NULL, "x"), 201);
            assert_status(http_send(&hosts[i], "POST", "/pay", NULL, "x"), 201);
            assert_status(http_send(&hosts[i], "POST", "/pay", NULL, "x"), 429);
            redis_again(&server);
        }
        close_till(&hosts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_answer_is_repeated_by_another_host_for_a_day, start,
                                        stop),
        cmocka_unit_test_setup_teardown(
            test_a_key_that_another_host_holds_is_refused_until_its_lease_ends, start, stop),
        cmocka_unit_test_setup_teardown(test_a_lease_is_renewed_while_the_handler_runs, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_without_redis_nothing_runs, start, stop),
        cmocka_unit_test_setup_teardown(test_a_redis_that_hangs_costs_its_time_and_nothing_runs,
                                        start, stop),
        cmocka_unit_test_setup_teardown(
            test_a_redis_that_dies_in_the_middle_does_not_cost_the_answer, start, stop),
        cmocka_unit_test_setup_teardown(
            test_limits_by_redis_hold_across_hosts_and_fall_back_without_it, start, stop),
    };

    return cmocka_run_group_tests_name("idempotency_redis", tests, NULL, NULL);
}
