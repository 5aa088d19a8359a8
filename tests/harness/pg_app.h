/*
 * pg_app.h: tests on a fiber of an app with a pool, against a PostgreSQL of the group's own.
 *
 *     static bk_err test_a_row_is_found(bk_pg *db) { ... return BK_OK; }
 *
 *     const struct CMUnitTest tests[] = {pg_unit_test(test_a_row_is_found, 1)};
 *     return cmocka_run_group_tests_name("pg_x", tests, pg_app_group_open, pg_app_group_close);
 *
 * Each test has an app of its own, whose pool has the given `max`. At its end nothing may be held or
 * on its way. To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_PG_APP_H
#define TESTS_HARNESS_PG_APP_H

#include <backend/backend.h>
#include <backend/testing.h>

#include "fiber/loop.h"
#include "harness/postgres.h"

#define PG_APP_PATIENCE_MS 20000

static struct postgres pg_app_server;

struct pg_app_case {
    bk_err (*fn)(bk_pg *db);
    uint32_t max;
};

struct pg_app {
    bk_app *app;
    bk_test *test;
    bk_pg *db;
    bk_err (*fn)(bk_pg *db);
};

#define pg_unit_test(fn, max)                                                                      \
    ((struct CMUnitTest){#fn, pg_app_run_case, NULL, NULL, &(struct pg_app_case){fn, max}})

static inline int pg_app_group_open(void **state)
{
    (void)state;
    pg_app_server = postgres_start("max_connections=30");
    return 0;
}

static inline int pg_app_group_close(void **state)
{
    (void)state;
    postgres_stop(&pg_app_server);
    return 0;
}

/* Runs SQL beside the app; returns what psql prints. */
static inline const char *pg_app_psql(const char *sql)
{
    return postgres_do(&pg_app_server, "psql", sql);
}

static inline struct pg_app pg_app_open(const bk_pg_opts *opts)
{
    struct pg_app it = {0};
    bk_pg_opts all = *opts;

    if (bk__loop_current != NULL)
        fail_msg("a test that failed has left its app open");
    all.url = bk_str_of(pg_app_server.url);
    it.app = bk_app_new(NULL);
    it.db = bk_pg_new(it.app, &all);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

/* Waits until connections have been cleaned up. */
static inline void pg_app_settle(const struct pg_app *it)
{
    uint64_t until = bk_now_ms() + PG_APP_PATIENCE_MS;
    bk_pg_stats stats;

    do {
        bk__loop_turn(bk__loop_current, 5);
        bk_pg_get_stats(it->db, &stats);
    } while ((stats.in_flight != 0 || stats.pool.held != 0) && bk_now_ms() < until);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.pool.held, 0);
}

static inline void pg_app_close(struct pg_app *it)
{
    pg_app_settle(it);
    bk_test_free(it->test);
    bk_app_free(it->app);
}

static inline bk_err pg_app_call(void *data)
{
    const struct pg_app *it = data;

    return it->fn(it->db);
}

static inline void pg_app_run_case(void **state)
{
    const struct pg_app_case *one = *state;
    struct pg_app it =
        pg_app_open(&(bk_pg_opts){.pool = {.min = 1, .max = one->max, .acquire_ms = 3000}});

    it.fn = one->fn;
    bk_err err = bk_test_run(it.test, pg_app_call, &it);
    if (err != BK_OK)
        fail_msg("%s\n%.*s", bk_err_slug(err), BK_PRI(bk_test_logs(it.test)));
    pg_app_close(&it);
}

/* --- what tests ask the database -------------------------------------------------------------- */

struct pg_number {
    int64_t n;
};

BK_DESCRIBE(pg_number_desc, struct pg_number, BK_I64(n))

/* The one number that @p sql returns as `n`. */
static inline int64_t pg_number(bk_pg *db, const char *sql)
{
    struct pg_number number = {0};

    assert_int_equal(bk_pg_one(db, sql, BK_NO_ARGS, pg_number_desc, &number), BK_OK);
    return number.n;
}

/* The server process behind the next statement of @p db. */
static inline int64_t pg_backend_of(bk_pg *db)
{
    return pg_number(db, "SELECT pg_backend_pid() AS n");
}

/* The newest words of the fiber's chain, or an older one's, hold @p text. */
static inline bool pg_said(const char *text)
{
    for (const bk_error_link *it = bk_error_chain(); it != NULL; it = it->cause)
        if (memmem(it->message.ptr, it->message.len, text, strlen(text)) != NULL)
            return true;
    return false;
}

#endif
