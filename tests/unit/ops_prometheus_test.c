/*
 * What is written for Prometheus: escapes, numbers, buckets, workers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/metrics.h>

#include "text.h"
#include "core/metrics.h"
#include "harness/http_app.h"
#include "ops/workers.h"

static void test_counters_have_head_labels_and_escapes(void **state)
{
    struct http_app it = {.app = bk_app_new(NULL)};

    (void)state;
    bk_counter *orders = bk_counter_new(it.app, &(bk_metric_opts){
                                                    .name = "shop_orders_total",
                                                    .help = "A \\ and\na \"quote\".",
                                                    .labels = {"channel", "city"},
                                                });
    bk_metrics_serve(it.app, NULL, NULL);
    it.test = bk_test_new(it.app, NULL);
    bk_counter_add(bk_counter_with(orders, BK_LABELS(BK_LIT("web"), BK_LIT("a\\b\"c\nd"))), 2);
    bk_counter_add(bk_counter_with(orders, BK_LABELS(BK_LIT(""), BK_LIT("Z\xc3\xbcrich"))), 0.5);
    bk_test_res *res = bk_test_get(it.test, "/metrics");
    assert_status(res, 200);
    assert_field(res, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    assert_field(res, "Cache-Control", "no-store");
    assert_holds(bk_test_body(res),
                 "# HELP shop_orders_total A \\\\ and\\na \"quote\".\n"
                 "# TYPE shop_orders_total counter\n"
                 "shop_orders_total{channel=\"web\",city=\"a\\\\b\\\"c\\nd\"} 2\n"
                 "shop_orders_total{channel=\"\",city=\"Z\xc3\xbcrich\"} 0.5\n");
    http_app_close(&it);
}

static void test_a_histogram_is_cumulative(void **state)
{
    static const double bounds[] = {0.25, 1};
    struct http_app it = {.app = bk_app_new(NULL)};

    (void)state;
    bk_histogram *wait = bk_histogram_new(it.app, &(bk_metric_opts){
                                                      .name = "wait_seconds",
                                                      .help = "Waits.",
                                                      .buckets = bounds,
                                                      .bucket_count = 2,
                                                  });
    bk_metrics_serve(it.app, NULL, "/internal/metrics");
    it.test = bk_test_new(it.app, NULL);
    bk_histogram_observe(wait, 0.25);
    bk_histogram_observe(wait, 0.5);
    bk_histogram_observe(wait, 1.5);
    assert_holds(bk_test_body(bk_test_get(it.test, "/internal/metrics")),
                 "# TYPE wait_seconds histogram\n"
                 "wait_seconds_bucket{le=\"0.25\"} 1\n"
                 "wait_seconds_bucket{le=\"1\"} 2\n"
                 "wait_seconds_bucket{le=\"+Inf\"} 3\n"
                 "wait_seconds_sum 2.25\n"
                 "wait_seconds_count 3\n");
    http_app_close(&it);
}

static void test_gauges_that_were_not_set_are_left_out(void **state)
{
    struct http_app it = {.app = bk_app_new(NULL)};

    (void)state;
    bk_gauge *level = bk_gauge_new(it.app, &(bk_metric_opts){.name = "level", .help = "Of water."});
    bk_gauge *each = bk_gauge_new(
        it.app,
        &(bk_metric_opts){.name = "each", .help = "Of each.", .policy = BK_GAUGE_BY_WORKER});
    bk_metrics_serve(it.app, NULL, NULL);
    it.app->berth.slot = 3;
    it.test = bk_test_new(it.app, NULL);
    assert_lacks(bk_test_body(bk_test_get(it.test, "/metrics")), "level");
    bk_gauge_set(level, -INFINITY);
    bk_gauge_set(each, 1e21);
    bk_str body = bk_test_body(bk_test_get(it.test, "/metrics"));
    assert_holds(body, "# HELP level Of water.\n# TYPE level gauge\nlevel -Inf\n");
    assert_holds(body, "# TYPE each gauge\neach{worker=\"3\"} 1e+21\n");
    assert_lacks(body, "worker=\"64\"");
    http_app_close(&it);
}

static void test_what_the_supervisor_reports_is_shown_by_workers(void **state)
{
    struct http_app it = {.app = bk_app_new(NULL)};

    (void)state;
    struct bk__workers_metrics *workers = bk__workers_declare(it.app);
    bk_metrics_serve(it.app, NULL, NULL);
    bk__workers_report(workers, "web", "ready", 2);
    bk__workers_report(workers, "web", "starting", 0);
    bk__workers_restarted(workers, "jobs", "crash");
    it.test = bk_test_new(it.app, NULL);
    bk_str body = bk_test_body(bk_test_get(it.test, "/metrics"));
    assert_holds(body, "workers{role=\"web\",state=\"ready\"} 2\n");
    assert_holds(body, "workers{role=\"web\",state=\"starting\"} 0\n");
    assert_holds(body, "worker_restarts_total{role=\"jobs\",reason=\"crash\"} 1\n");
    http_app_close(&it);
}

static bk_app *watched;

static void on_another_app(bk_router *root)
{
    bk_metrics_serve(watched, root, NULL);
}

static void test_they_can_be_served_by_another_app(void **state)
{
    (void)state;
    watched = bk_app_new(NULL);
    bk_counter *seen =
        bk_counter_new(watched, &(bk_metric_opts){.name = "seen_total", .help = "Seen."});
    struct http_app it = http_app_open(on_another_app, NULL, NULL);
    bk_counter_add(seen, 4);
    assert_holds(bk_test_body(bk_test_get(it.test, "/metrics")), "\nseen_total 4\n");
    http_app_close(&it);
    bk_app_free(watched);
}

static unsigned asked;

static void look(void *gauge)
{
    bk_gauge_set(gauge, ++asked);
}

static void test_samples_are_taken_once_a_second_and_when_asked(void **state)
{
    struct http_app it = {.app = bk_app_new(NULL)};

    (void)state;
    bk_gauge *gauge = bk_gauge_new(it.app, &(bk_metric_opts){.name = "asked", .help = "Times."});
    bk_metrics_sample(it.app, look, gauge);
    bk_metrics_serve(it.app, NULL, NULL);
    bk_metrics_serve(it.app, NULL, "/again");
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = true});
    bk_test_advance(it.test, 5050);
    assert_int_equal(asked, 5);
    assert_holds(bk_test_body(bk_test_get(it.test, "/again")), "\nasked 6\n");
    http_app_close(&it);
}

static void test_loop_and_process_are_measured(void **state)
{
    static const char *const names[] = {
        "\neventloop_lag_seconds ",
        "\nfibers{worker=\"0\"} 1\n",
        "\nfibers_max 20000\n",
        "\noffload_queued 0\n",
        "\noffload_threads 0\n",
        "\nlog_dropped_total 0\n",
        "\nprocess_cpu_seconds_total ",
        "\nprocess_cpu_user_seconds_total ",
        "\nprocess_cpu_system_seconds_total ",
        "\nprocess_resident_memory_bytes{worker=\"0\"} ",
        "\nprocess_open_fds{worker=\"0\"} ",
        "\nprocess_max_fds ",
        "\nprocess_start_time_seconds{worker=\"0\"} ",
        "\nhttp_server_active_requests 1\n",
    };
    struct http_app it = {.app = bk_app_new(NULL)};

    (void)state;
    bk_metrics_serve(it.app, NULL, NULL);
    it.test = bk_test_new(it.app, NULL);
    bk_str body = bk_test_body(bk_test_get(it.test, "/metrics"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_holds(body, names[i]);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_have_head_labels_and_escapes),
        cmocka_unit_test(test_a_histogram_is_cumulative),
        cmocka_unit_test(test_gauges_that_were_not_set_are_left_out),
        cmocka_unit_test(test_what_the_supervisor_reports_is_shown_by_workers),
        cmocka_unit_test(test_they_can_be_served_by_another_app),
        cmocka_unit_test(test_samples_are_taken_once_a_second_and_when_asked),
        cmocka_unit_test(test_loop_and_process_are_measured),
    };
    return cmocka_run_group_tests_name("ops_prometheus", tests, NULL, NULL);
}
