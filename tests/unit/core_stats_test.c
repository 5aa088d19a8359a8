/*
 * A struct of statistics becomes counters and gauges, one set for each object.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "text.h"
#include "core/metrics.h"
#include "core/stats.h"
#include "harness/http_app.h"

struct engine {
    uint64_t runs, hot_runs;
    uint32_t load;
    bool up;
};

static const struct bk__stat stats[] = {
    BK__STAT_BY(struct engine, runs, "engine_runs_total", "Runs.", "kind", "any"),
    BK__STAT_BY(struct engine, hot_runs, "engine_runs_total", "Runs.", "kind", "hot"),
    BK__STAT(struct engine, load, "engine_load", "Load."),
    BK__STAT(struct engine, up, "engine_up", "Up."),
};

static void read_stats(const void *object, void *out)
{
    memcpy(out, object, sizeof(struct engine));
}

static const struct bk__stats_type type = {
    .label = "engine", .stats = stats, .count = 4, .read = read_stats};

static struct http_app open_app(const struct engine *engines, size_t count)
{
    struct http_app it = {.app = bk_app_new(NULL)};

    for (size_t i = 0; i < count; i++)
        (void)bk__stats_sample(it.app, &type, "diesel", &engines[i]);
    bk_metrics_serve(it.app, NULL, NULL);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static bk_str metrics(const struct http_app *it)
{
    return bk_test_body(bk_test_get(it->test, "/metrics"));
}

static void test_counters_follow_and_gauges_are_set(void **state)
{
    struct engine engine = {.runs = 7, .hot_runs = 2, .load = 90, .up = true};
    struct http_app it = open_app(&engine, 1);

    (void)state;
    (void)metrics(&it);
    engine.runs = 10;
    engine.load = 40;
    bk_str body = metrics(&it);
    assert_holds(body, "\nengine_runs_total{engine=\"diesel\",kind=\"any\"} 10\n");
    assert_holds(body, "\nengine_runs_total{engine=\"diesel\",kind=\"hot\"} 2\n");
    assert_holds(body, "\nengine_load{engine=\"diesel\"} 40\n");
    assert_holds(body, "\nengine_up{engine=\"diesel\"} 1\n");
    http_app_close(&it);
}

static void test_two_of_one_name_are_two(void **state)
{
    struct engine engines[3] = {{.load = 1}, {.load = 2}, {.load = 3}};
    struct http_app it = open_app(engines, 3);

    (void)state;
    bk_str body = metrics(&it);
    assert_holds(body, "\nengine_load{engine=\"diesel\"} 1\n");
    assert_holds(body, "\nengine_load{engine=\"diesel-2\"} 2\n");
    assert_holds(body, "\nengine_load{engine=\"diesel-3\"} 3\n");
    http_app_close(&it);
}

static void test_objects_beyond_the_bound_are_counted_as_other(void **state)
{
    struct engine engines[40];

    (void)state;
    for (size_t i = 0; i < 40; i++)
        engines[i] = (struct engine){.runs = 1};
    struct http_app it = open_app(engines, 40);
    (void)metrics(&it);
    /* two series for each of the first eight */
    assert_holds(metrics(&it), "\nengine_runs_total{engine=\"other\",kind=\"other\"} 32\n");
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_follow_and_gauges_are_set),
        cmocka_unit_test(test_two_of_one_name_are_two),
        cmocka_unit_test(test_objects_beyond_the_bound_are_counted_as_other),
    };
    return cmocka_run_group_tests_name("core_stats", tests, NULL, NULL);
}
