/*
 * pg_app.h: an app with a pool of connections to a server of the test's own.
 *
 *     struct pg_app it = pg_app_open(server, &(bk_pg_opts){.pool = {.max = 1}});
 *     assert_int_equal(bk_test_run(it.test, fn, &it), BK_OK);    // fn runs statements on it.db
 *     pg_app_close(&it);
 *
 * Closing it looks whether all was let go of.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_PG_APP_H
#define TESTS_HARNESS_PG_APP_H

#include <backend/backend.h>
#include <backend/testing.h>

#include "app/app.h"
#include "harness/postgres.h"
#include "harness/patient_run.h"
#include "pg/pg.h"

struct pg_app {
    struct postgres *server;
    bk_app *app;
    bk_test *test;
    bk_pg *db;
    bk_pg *admin; /* one connection beside those of db: to look at them from outside */
};

static inline struct pg_app pg_app_open(struct postgres *server, const bk_pg_opts *opts)
{
    struct pg_app it = {.server = server, .app = bk_app_new(NULL)};
    bk_pg_opts all = opts != NULL ? *opts : (bk_pg_opts){0};

    if (bk__loop_current != NULL)
        fail_msg("a test that failed has left its app open");
    if (all.url.ptr == NULL)
        all.url = bk_str_of(server->socket_url);
    if (all.pool.min == 0)
        all.pool.min = 1;
    it.db = bk_pg_new(it.app, &all);
    it.admin = bk_pg_new(it.app, &(bk_pg_opts){.url = bk_str_of(server->socket_url),
                                               .name = "admin",
                                               .pool = {.max = 1, .lazy = true}});
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static inline bk_pg_stats pg_app_stats(const struct pg_app *it)
{
    bk_pg_stats stats;

    bk_pg_get_stats(it->db, &stats);
    return stats;
}

/* Runs @p fn on a fiber; it must succeed. */
#define pg_app_run(it, fn, data) pg_app_run_at(it, fn, data, __FILE__, __LINE__)

static inline void pg_app_run_at(const struct pg_app *it, bk_err (*fn)(void *data), void *data,
                                 const char *file, int line)
{
    bk_err err = patient_run(it->test, fn, data);

    if (err == BK_OK)
        return;
    bk_str logs = bk_test_logs(it->test);
    print_error("%.*s\n", BK_PRI(logs));
    _assert_int_equal(err, BK_OK, file, line);
}

/* Waits until the connections are clean: nothing runs, nothing is being cleaned up. */
static inline bk_err pg_app_rest(void *data)
{
    const struct pg_app *it = data;

    for (int i = 0; i < 2000; i++) {
        bk_pg_stats stats = pg_app_stats(it);
        if (stats.in_flight == 0 && stats.pool.idle == stats.pool.open && stats.pool.opening == 0)
            return BK_OK;
        BK_TRY(bk_sleep_ms(2));
    }
    return bk_fail(BK_EINTERNAL, "the pool does not come to rest");
}

static inline void pg_app_close(struct pg_app *it)
{
    pg_app_run(it, pg_app_rest, it);
    bk_test_settle(it->test);
    assert_int_equal(it->app->loop->fiber_count, 0);
    bk_test_free(it->test);
    bk_app_free(it->app);
}

static inline int pg_app_start_server(void **state)
{
    struct postgres *server = malloc(sizeof *server);

    assert_non_null(server);
    *server = postgres_start("max_connections=60");
    *state = server;
    return 0;
}

static inline int pg_app_stop_server(void **state)
{
    postgres_stop(*state);
    free(*state);
    return 0;
}

/* --- what tests ask often ----------------------------------------------------------------------- */

struct number {
    int64_t n;
};

BK_DESCRIBE(number_desc, struct number, BK_I64(n))

/* The one number that @p sql ("... AS n") gives. */
static inline bk_err ask_number(bk_pg *pg, const char *sql, bk_args args, int64_t *out)
{
    struct number row;
    bk_err err = bk_pg_one(pg, sql, args, number_desc, &row);

    *out = row.n;
    return err;
}

static inline int64_t number_of(bk_pg *pg, const char *sql)
{
    int64_t n = 0;

    if (ask_number(pg, sql, BK_NO_ARGS, &n) != BK_OK)
        fail_msg("%s: %.*s", sql, BK_PRI(bk_error_chain()->message));
    return n;
}

/* True when a link of the newest error's chain holds @p words. */
static inline bool error_says(const char *words)
{
    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
        if (memmem(link->message.ptr, link->message.len, words, strlen(words)) != NULL)
            return true;
    return false;
}

#define assert_error_says(words) check_error_says(words, __FILE__, __LINE__)

static inline void check_error_says(const char *words, const char *file, int line)
{
    if (error_says(words))
        return;
    print_error("nothing says \"%s\":\n", words);
    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
        print_error("  %.*s\n", BK_PRI(link->message));
    _fail(file, line);
}

#endif
