/*
 * pg_guide_test.c: what docs/guide/postgresql.md shows does what the page says, against a server.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "../../examples/guide/pg.h"
#include "harness/postgres.h"

#define PATIENCE_MS 10000

static const char *const tables[] = {
    "CREATE TABLE products (id bigserial PRIMARY KEY, sku text NOT NULL UNIQUE, name text NOT NULL,"
    " price_cents bigint NOT NULL, stock bigint NOT NULL DEFAULT 0 CHECK (stock < 1000),"
    " tags text[] NOT NULL DEFAULT '{}', made_at timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE orders (product bigint NOT NULL, count bigint NOT NULL)",
    "CREATE TABLE notes (product bigint PRIMARY KEY, text text)",
};

struct guide {
    struct postgres server;
    struct shop shop;
    bk_app *app;
    bk_test *test;
};

static bool has(bk_str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static bool is(bk_test_res *res, const char *body)
{
    return bk_str_eq(bk_test_body(res), bk_str_of(body));
}

static int status_of(struct guide *it, const char *method, const char *target)
{
    return bk_test_status(
        bk_test_send(it->test, &(bk_test_req){.method = method, .target = target}));
}

static const char *psql(struct guide *it, const char *sql)
{
    return postgres_do(&it->server, "psql", sql);
}

static int open_guide(void **state)
{
    struct guide *it = calloc(1, sizeof *it);

    it->server = postgres_start("max_connections=30");
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        psql(it, tables[i]);
    *state = it;
    return 0;
}

static int close_guide(void **state)
{
    struct guide *it = *state;

    postgres_stop(&it->server);
    free(it);
    return 0;
}

/* An app on two products. */
static int open_app(void **state)
{
    struct guide *it = *state;

    psql(it, "TRUNCATE products, orders, notes RESTART IDENTITY");
    psql(it, "INSERT INTO products (sku, name, price_cents, stock) VALUES ('a', 'axe', 100, 5), "
             "('b', 'bow', 250, 0)");
    it->app = bk_app_new(&(bk_app_opts){.data = &it->shop});
    pg_declare(it->app, &it->shop, it->server.url);
    it->shop.replica = pg_declare_replica(it->app, it->server.url);
    it->shop.canvases = pg_declare_canvases(it->app);
    pg_query_routes(bk_app_router(it->app));
    pg_tx_routes(bk_app_router(it->app));
    pg_bulk_routes(bk_app_router(it->app));
    pg_pool_routes(bk_app_router(it->app));
    it->test = bk_test_new(it->app, NULL);
    return 0;
}

static int close_app(void **state)
{
    struct guide *it = *state;

    bk_test_free(it->test);
    bk_app_free(it->app);
    return 0;
}

static void test_rows_are_shown_and_listed(void **state)
{
    struct guide *it = *state;

    bk_test_res *res = bk_test_get(it->test, "/products/1");
    assert_int_equal(bk_test_status(res), 200);
    assert_true(has(bk_test_body(res), "\"sku\":\"a\",\"name\":\"axe\",\"price_cents\":100"));
    assert_int_equal(bk_test_status(bk_test_get(it->test, "/products/99")), 404);
    res = bk_test_get(it->test, "/products?limit=1");
    assert_true(
        is(res, "[{\"id\":1,\"sku\":\"a\",\"name\":\"axe\",\"priceCents\":100,\"tags\":[]}]"));
    assert_true(is(bk_test_get(it->test, "/total"), "500\n"));
    assert_true(is(bk_test_get(it->test, "/report"), "gone: 1\nthere: 1\n"));
    assert_true(is(bk_test_get(it->test, "/compare?a=1&b=2"), "the first is cheaper\n"));
    assert_int_equal(bk_test_status(bk_test_get(it->test, "/compare?a=1&b=9")), 404);
}

static void test_a_taken_sku_is_an_error_of_its_field(void **state)
{
    struct guide *it = *state;
    const char *product =
        "{\"sku\":\"c\",\"name\":\"cup\",\"price_cents\":7,\"tags\":[\"x\",\"y\"]}";

    bk_test_res *res = bk_test_post_json(it->test, "/products", product);
    assert_int_equal(bk_test_status(res), 201);
    assert_true(has(bk_test_body(res), "\"tags\":[\"x\",\"y\"],\"made_at\":\"20"));
    res = bk_test_post_json(it->test, "/products", product);
    assert_int_equal(bk_test_status(res), 409);
    assert_true(has(bk_test_body(res), "\"pointer\":\"/sku\",\"code\":\"unique\""));
    res = bk_test_post_json(it->test, "/products",
                            "{\"sku\":\"d\",\"name\":\"d\",\"price_cents\":1,\"stock\":1000}");
    assert_int_equal(bk_test_status(res), 400);
}

static void test_rows_that_were_changed_are_counted(void **state)
{
    struct guide *it = *state;

    assert_true(
        is(bk_test_send(it->test, &(bk_test_req){.method = "PUT", .target = "/tags/new"}), "2\n"));
    assert_true(is(bk_test_get(it->test, "/tags/count"), "1\n"));
}

static void test_an_order_happens_whole_or_not_at_all(void **state)
{
    struct guide *it = *state;

    assert_int_equal(status_of(it, "POST", "/products/1/orders?count=3"), 204);
    assert_int_equal(status_of(it, "POST", "/products/1/orders?count=3"), 409);
    assert_int_equal(status_of(it, "POST", "/products/1/careful-orders"), 204);
    assert_int_equal(status_of(it, "POST", "/products/1/careful-orders"), 204); /* no second note */
    assert_string_equal(psql(it, "SELECT stock FROM products WHERE id = 1"), "0");
    assert_string_equal(psql(it, "SELECT sum(count) FROM orders"), "5");
    assert_string_equal(psql(it, "SELECT count(*) FROM notes"), "1");
}

static void test_a_deadline_ends_the_statement(void **state)
{
    struct guide *it = *state;

    assert_int_equal(bk_test_status(bk_test_get(it->test, "/hint")), 204);
}

static bk_err load(void *shop)
{
    return pg_load_prices(shop, 3000);
}

static void test_rows_come_in_by_copy_and_leave_one_by_one(void **state)
{
    struct guide *it = *state;

    assert_int_equal(bk_test_run(it->test, load, &it->shop), BK_OK);
    assert_string_equal(psql(it, "SELECT count(*) FROM products"), "3002");
    bk_test_res *res = bk_test_get(it->test, "/products.csv");
    assert_int_equal(bk_test_status(res), 200);
    assert_true(bk_str_starts(bk_test_body(res), BK_LIT("1,a,100\n2,b,250\n3,bulk-0,100\n")));
    assert_true(has(bk_test_body(res), "\n3002,bulk-2999,3099\n"));
}

static bk_err spawn_follower(void *shop)
{
    return bk_spawn("stock", pg_follow_stock, shop);
}

static bk_err rest(void *data)
{
    (void)data;
    return bk_sleep_ms(10);
}

static void test_a_notification_is_heard(void **state)
{
    struct guide *it = *state;
    uint64_t until = bk_now_ms() + PATIENCE_MS;

    assert_int_equal(bk_test_run(it->test, spawn_follower, &it->shop), BK_OK);
    while (!has(bk_test_logs(it->test), "stock.changed") && bk_now_ms() < until) {
        assert_int_equal(status_of(it, "POST", "/products/1/stock"), 204);
        assert_int_equal(bk_test_run(it->test, rest, NULL), BK_OK);
    }
    assert_true(has(bk_test_logs(it->test), "\"product\":\"1\""));
}

static bk_err write_to_replica(void *shop)
{
    bk_err err =
        bk_pg_exec(((struct shop *)shop)->replica, "DELETE FROM products", BK_NO_ARGS, NULL);

    assert_string_equal(bk_pg_sqlstate(), "25006");
    return err;
}

static void test_other_pools_do_what_the_page_says(void **state)
{
    struct guide *it = *state;

    assert_int_equal(bk_test_run(it->test, write_to_replica, &it->shop), BK_EUNAVAILABLE);
    assert_int_equal(bk_test_status(bk_test_get(it->test, "/chart")), 204);
    assert_int_equal(bk_test_status(bk_test_get(it->test, "/products/1")), 200);
    assert_int_equal(bk_test_status(bk_test_get(it->test, "/health/pool")), 200);
}

static bk_err ask(void *db)
{
    return bk_pg_exec(db, "SELECT 1", BK_NO_ARGS, NULL);
}

static void test_a_password_comes_from_a_file(void **state)
{
    struct postgres server = postgres_start("password");
    char path[256], url[256];
    (void)state;

    snprintf(path, sizeof path, "%s/token", server.folder);
    snprintf(url, sizeof url, "postgres://postgres@127.0.0.1:%d/postgres", server.port);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", server.password);
    fclose(file);
    bk_app *app = bk_app_new(NULL);
    bk_pg *db = pg_declare_rotating(app, url, path);
    bk_test *test = bk_test_new(app, NULL);
    bk_err err = bk_test_run(test, ask, db);
    if (err != BK_OK)
        fail_msg("%.*s", BK_PRI(bk_test_logs(test)));
    bk_test_free(test);
    bk_app_free(app);
    postgres_stop(&server);
}

#define with_app(test) cmocka_unit_test_setup_teardown(test, open_app, close_app)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_app(test_rows_are_shown_and_listed),
        with_app(test_a_taken_sku_is_an_error_of_its_field),
        with_app(test_rows_that_were_changed_are_counted),
        with_app(test_an_order_happens_whole_or_not_at_all),
        with_app(test_a_deadline_ends_the_statement),
        with_app(test_rows_come_in_by_copy_and_leave_one_by_one),
        with_app(test_a_notification_is_heard),
        with_app(test_other_pools_do_what_the_page_says),
        cmocka_unit_test(test_a_password_comes_from_a_file),
    };
    return cmocka_run_group_tests_name("pg_guide", tests, open_guide, close_guide);
}
