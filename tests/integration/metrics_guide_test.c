/*
 * What docs/guide/metrics-and-health.md shows does what it says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../examples/guide/metrics.h"
#include "../unit/text.h"
#include "harness/http_app.h"
#include "harness/postgres.h"
#include "harness/redis.h"

#define PATIENCE_MS 10000

static struct orders orders;

static void test_metrics_are_served(void **state)
{
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.data = &orders})};

    (void)state;
    orders = (struct orders){0};
    metrics_declare(it.app, &orders);
    metrics_routes(bk_app_router(it.app));
    it.test = bk_test_new(it.app, NULL);
    for (int i = 0; i < 3; i++)
        assert_status(bk_test_post_json(it.test, "/orders/web", "{}"), 204);
    assert_status(bk_test_post_json(it.test, "/orders/moon", "{}"), 400);
    bk_str body = bk_test_body(bk_test_get(it.test, "/metrics"));
    assert_holds(body, "\nshop_orders_total{channel=\"web\",result=\"paid\"} 3\n");
    assert_holds(body, "\nshop_order_duration_seconds_count 3\n");
    assert_holds(body, "\nshop_drafts 3\n");
    http_app_close(&it);
}

static void test_metrics_are_served_apart(void **state)
{
    bk_app *app = bk_app_new(NULL);
    struct http_app admin = {.app = bk_app_new(NULL)};

    (void)state;
    metrics_apart(app, admin.app);
    admin.test = bk_test_new(admin.app, NULL);
    assert_status(bk_test_get(admin.test, "/metrics"), 200);
    http_app_close(&admin);
    bk_app_free(app);
}

/* Until /readyz says so. */
static void await_health(const struct http_app *it, int status, const char *part)
{
    uint64_t end = bk_now_ms() + PATIENCE_MS;

    for (;;) {
        bk_test_res *res = bk_test_get(it->test, "/readyz");
        bk_str body = bk_test_body(res);
        if (bk_test_status(res) == status && memmem(body.ptr, body.len, part, strlen(part)) != NULL)
            return;
        if (bk_now_ms() > end)
            fail_msg("/readyz stays at %d %.*s", bk_test_status(res), BK_PRI(body));
        usleep(20000);
        bk_test_settle(it->test);
    }
}

static void test_health_is_told(void **state)
{
    struct postgres database = postgres_start("max_connections=20");
    struct redis cache = redis_start("--loglevel", "warning");
    struct http_app it = {.app = bk_app_new(NULL)};

    (void)state;
    orders = (struct orders){0};
    bk_pg *db = bk_pg_new(it.app, &(bk_pg_opts){.url = bk_str_of(database.url)});
    bk_redis *redis = bk_redis_new(it.app, &(bk_redis_opts){.url = bk_str_of(cache.url)});
    (void)health_declare(it.app, db, redis, &orders);
    it.test = bk_test_new(it.app, NULL);
    assert_answer(bk_test_get(it.test, "/startupz"), 503, "{\"status\":\"starting\"}");
    await_health(&it, 503, "\"status\":\"starting\"");
    orders.catalog_is_loaded = true;
    await_health(&it, 200, "\"status\":\"ok\"");
    assert_answer(bk_test_get(it.test, "/startupz"), 200, "{\"status\":\"ok\"}");
    postgres_do(&database, "stop");
    await_health(&it, 503, "\"pg\":{\"status\":\"error\"}");
    assert_answer(bk_test_get(it.test, "/livez"), 200, "{\"status\":\"ok\"}");
    postgres_do(&database, "start");
    await_health(&it, 200, "\"status\":\"ok\"");
    http_app_close(&it);
    redis_stop(&cache);
    postgres_stop(&database);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_are_served),
        cmocka_unit_test(test_metrics_are_served_apart),
        cmocka_unit_test(test_health_is_told),
    };
    return cmocka_run_group_tests_name("metrics_guide", tests, NULL, NULL);
}
