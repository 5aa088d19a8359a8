/*
 * Who is let in and who is not: priorities, health, streams, memory, queues, a loop that lags.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/middleware/shed.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

static bk_middleware shed;

static bk_err quick(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("done"));
}

/* Waits for a minute. */
static bk_err slow(bk_req *req, bk_res *res)
{
    BK_TRY(bk_sleep_ms(60000));
    return quick(req, res);
}

static bk_err stream(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("piece")));
    BK_TRY(bk_sleep_ms(60000));
    return bk_res_write(res, BK_LIT("piece"));
}

/* Keeps the thread for 15 ms. */
static bk_err compute(bk_req *req, bk_res *res)
{
    for (uint64_t end = bk_now_ns() + 15000000; bk_now_ns() < end;)
        continue;
    return quick(req, res);
}

static struct http_app open_app(const bk_mw_shed_opts *opts, bool virtual_clock)
{
    static const bk_route_opts patient = {.timeout_ms = 120000};
    static const bk_route_opts low = {.priority = BK_PRIORITY_LOW};
    static const bk_route_opts critical = {.priority = BK_PRIORITY_CRITICAL};
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    shed = bk_mw_shed(it.app, opts);
    bk_use(root, shed);
    bk_get(root, "/", quick);
    bk_get(root, "/low", quick, &low);
    bk_get(root, "/critical", quick, &critical);
    bk_get(root, "/health/ready", quick);
    bk_get(root, "/healthy", quick);
    bk_get(root, "/slow", slow, &patient);
    bk_get(root, "/stream", stream, &patient);
    bk_get(root, "/compute", compute);
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = virtual_clock});
    return it;
}

static bk_test_res *begin(const struct http_app *it, const char *target)
{
    return bk_test_begin(it->test, &(bk_test_req){.target = target});
}

static bk_shed_stats stats_now(void)
{
    bk_shed_stats stats;

    bk_shed_get_stats(shed, &stats);
    return stats;
}

static void occupy(const struct http_app *it, const char *target, int count)
{
    for (int i = 0; i < count; i++)
        (void)!begin(it, target);
    bk_test_settle(it->test);
}

static void test_refusals_are_metrics(void **state)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    (void)state;
    bk_use(root, bk_mw_shed(it.app, &(bk_mw_shed_opts){.most = 1, .fixed = true}));
    bk_get(root, "/slow", slow);
    bk_metrics_serve(it.app, NULL, NULL);
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = true});
    occupy(&it, "/slow", 1);
    assert_status(bk_test_get(it.test, "/slow"), 503);
    bk_str body = bk_test_body(bk_test_get(it.test, "/metrics")); /* which is let in */
    assert_holds(body, "\nhttp_server_shed_requests_total{shed=\"shed\",reason=\"limit\"} 1\n");
    assert_holds(body, "\nhttp_server_shed_limit{shed=\"shed\"} 1\n");
    bk_test_advance(it.test, 61000);
    http_app_close(&it);
}

static void test_beyond_the_limit_it_is_503_with_words(void **state)
{
    struct http_app it = open_app(&(bk_mw_shed_opts){.most = 10, .fixed = true}, true);

    (void)state;
    occupy(&it, "/slow", 9);
    assert_answer(bk_test_get(it.test, "/"), 200, "done");
    occupy(&it, "/slow", 1);
    bk_test_res *res = bk_test_get(it.test, "/");
    assert_problem(res, 503, "Service Unavailable");
    assert_field(res, "Retry-After", "1");
    assert_int_equal(stats_now().shed_at_limit, 1);
    assert_int_equal(stats_now().at_work, 10);
    bk_test_advance(it.test, 61000);
    assert_status(bk_test_get(it.test, "/"), 200);
    assert_int_equal(stats_now().at_work, 0);
    http_app_close(&it);
}

static void test_low_goes_first_and_critical_last(void **state)
{
    struct http_app it = open_app(&(bk_mw_shed_opts){.least = 1, .most = 20, .fixed = true}, true);

    (void)state;
    occupy(&it, "/slow", 15);
    assert_status(bk_test_get(it.test, "/low"), 200);
    occupy(&it, "/slow", 1);
    assert_status(bk_test_get(it.test, "/low"), 503);
    assert_status(bk_test_get(it.test, "/"), 200);
    occupy(&it, "/slow", 4);
    assert_status(bk_test_get(it.test, "/"), 503);
    assert_status(bk_test_get(it.test, "/critical"), 503);
    assert_status(bk_test_get(it.test, "/health/ready"), 200);
    assert_status(bk_test_get(it.test, "/healthy"), 503);
    bk_test_advance(it.test, 61000);
    http_app_close(&it);
}

static void test_up_to_the_floor_everybody_is_let_in(void **state)
{
    struct http_app it = open_app(&(bk_mw_shed_opts){.least = 5, .most = 5, .fixed = true}, true);

    (void)state;
    occupy(&it, "/slow", 4);
    assert_status(bk_test_get(it.test, "/low"), 200);
    bk_test_advance(it.test, 61000);
    http_app_close(&it);
}

static void test_streams_that_have_begun_do_not_count(void **state)
{
    struct http_app it = open_app(&(bk_mw_shed_opts){.most = 10, .fixed = true}, true);

    (void)state;
    occupy(&it, "/stream", 10);
    assert_status(bk_test_get(it.test, "/"), 503);
    bk_test_advance(it.test, 200);
    assert_int_equal(stats_now().at_work, 0);
    assert_status(bk_test_get(it.test, "/"), 200);
    bk_test_advance(it.test, 61000);
    assert_int_equal(stats_now().at_work, 0);
    http_app_close(&it);
}

static uint64_t queue_length(void *data)
{
    return *(const uint64_t *)data;
}

static void test_a_long_queue_elsewhere_sheds(void **state)
{
    static uint64_t length;
    struct http_app it = open_app(
        &(bk_mw_shed_opts){.queue = queue_length, .queue_most = 100, .data = &length}, true);

    (void)state;
    assert_status(bk_test_get(it.test, "/"), 200);
    length = 80;
    bk_test_advance(it.test, 100);
    assert_status(bk_test_get(it.test, "/low"), 503);
    assert_status(bk_test_get(it.test, "/"), 200);
    length = 100;
    bk_test_advance(it.test, 100);
    assert_status(bk_test_get(it.test, "/"), 503);
    assert_status(bk_test_get(it.test, "/critical"), 200);
    assert_int_equal(stats_now().shed_by_load, 2);
    length = 0;
    bk_test_advance(it.test, 100);
    assert_status(bk_test_get(it.test, "/low"), 200);
    http_app_close(&it);
}

static void test_too_much_memory_sheds(void **state)
{
    struct http_app it = open_app(&(bk_mw_shed_opts){.rss_bytes = 1}, true);

    (void)state;
    assert_status(bk_test_get(it.test, "/"), 200);
    bk_test_advance(it.test, 100);
    assert_true(stats_now().rss_bytes > 100000);
    assert_status(bk_test_get(it.test, "/"), 503);
    http_app_close(&it);
}

static void test_memory_that_suffices_does_not(void **state)
{
    struct http_app it = open_app(&(bk_mw_shed_opts){.rss_bytes = UINT64_C(1) << 45}, true);

    (void)state;
    assert_status(bk_test_get(it.test, "/"), 200);
    bk_test_advance(it.test, 100);
    assert_true(stats_now().rss_bytes > 100000);
    assert_status(bk_test_get(it.test, "/"), 200);
    http_app_close(&it);
}

/* Fifty at once compute for 750 ms in one turn of the loop. */
static int ask_fifty(const struct http_app *it)
{
    bk_test_res *res[50];
    int served = 0;

    for (size_t i = 0; i < 50; i++)
        res[i] = begin(it, "/compute");
    for (size_t i = 0; i < 50; i++) {
        bk_test_finish(it->test, res[i]);
        served += bk_test_status(res[i]) == 200;
    }
    return served;
}

static void test_a_loop_that_lags_again_and_again_sheds_at_a_pace(void **state)
{
    struct http_app it = open_app(&(bk_mw_shed_opts){.lag_ms = 100}, false);

    (void)state;
    assert_int_equal(ask_fifty(&it), 50); /* once is no reason */
    for (int i = 0; i < 6 && stats_now().pace == 0; i++)
        ask_fifty(&it);
    assert_true(stats_now().pace > 10 && stats_now().pace < 70); /* it can bear 66 */
    assert_true(ask_fifty(&it) < 40);
    assert_true(stats_now().shed_by_lag > 10);
    assert_status(bk_test_get(it.test, "/critical"), 200);
    assert_holds(bk_test_logs(it.test), "shed.begun");
    http_app_close(&it);
}

static void test_what_is_shed_is_not_logged_each_time(void **state)
{
    struct http_app it = open_app(&(bk_mw_shed_opts){.most = 5, .fixed = true}, true);

    (void)state;
    occupy(&it, "/slow", 5);
    for (int i = 0; i < 20; i++)
        assert_status(bk_test_get(it.test, "/"), 503);
    bk_test_advance(it.test, 200);
    bk_str logs = bk_test_logs(it.test);
    assert_holds(logs, "\"shed.begun\"");
    assert_lacks(logs, "request.failed");
    bk_test_advance(it.test, 2000);
    assert_holds(bk_test_logs(it.test), "\"shed.ended\"");
    bk_test_advance(it.test, 61000);
    http_app_close(&it);
}

static void a_floor_above_the_ceiling(void)
{
    bk_use(NULL, bk_mw_shed(bk_app_new(NULL), &(bk_mw_shed_opts){.least = 2, .most = 1}));
}

static void a_queue_without_a_bound(void)
{
    bk_use(NULL, bk_mw_shed(bk_app_new(NULL), &(bk_mw_shed_opts){.queue = queue_length}));
}

static void test_settings_that_are_not_possible_stop_the_program(void **state)
{
    char words[256];

    (void)state;
    assert_true(stops(a_floor_above_the_ceiling, words, sizeof words));
    assert_non_null(strstr(words, "least is more than most"));
    assert_true(stops(a_queue_without_a_bound, words, sizeof words));
    assert_non_null(strstr(words, "go together"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_are_metrics),
        cmocka_unit_test(test_beyond_the_limit_it_is_503_with_words),
        cmocka_unit_test(test_low_goes_first_and_critical_last),
        cmocka_unit_test(test_up_to_the_floor_everybody_is_let_in),
        cmocka_unit_test(test_streams_that_have_begun_do_not_count),
        cmocka_unit_test(test_a_long_queue_elsewhere_sheds),
        cmocka_unit_test(test_too_much_memory_sheds),
        cmocka_unit_test(test_memory_that_suffices_does_not),
        cmocka_unit_test(test_a_loop_that_lags_again_and_again_sheds_at_a_pace),
        cmocka_unit_test(test_what_is_shed_is_not_logged_each_time),
        cmocka_unit_test(test_settings_that_are_not_possible_stop_the_program),
    };

    return cmocka_run_group_tests_name("middleware_shed", tests, NULL, NULL);
}
