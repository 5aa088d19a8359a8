/*
 * pg_case.h: tests that are a function on a fiber, each with an app and a pool of its own.
 *
 *     static bk_err test_a_row_is_found(bk_pg *db) { ... return BK_OK; }
 *
 *     const struct CMUnitTest tests[] = {pg_unit_test(test_a_row_is_found, 1)}; // of max 1
 *     return cmocka_run_group_tests_name("pg_x", tests, pg_case_group_open, pg_case_group_close);
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_PG_CASE_H
#define TESTS_HARNESS_PG_CASE_H

#include "harness/pg_app.h"

static struct postgres pg_case_server; /* of the group */

struct pg_case {
    bk_err (*fn)(bk_pg *db);
    uint32_t max;
    bk_pg *db;
};

#define pg_unit_test(fn, max)                                                                      \
    ((struct CMUnitTest){#fn, pg_case_run, NULL, NULL, &(struct pg_case){fn, max, NULL}})

static inline int pg_case_group_open(void **state)
{
    (void)state;
    pg_case_server = postgres_start("max_connections=30");
    return 0;
}

static inline int pg_case_group_close(void **state)
{
    (void)state;
    postgres_stop(&pg_case_server);
    return 0;
}

static inline struct pg_app pg_case_open(uint32_t max)
{
    return pg_app_open(&pg_case_server, &(bk_pg_opts){
                                            .url = bk_str_of(pg_case_server.url),
                                            .pool = {.min = 1, .max = max, .acquire_ms = 3000},
                                        });
}

static inline bk_err pg_case_call(void *data)
{
    const struct pg_case *one = data;

    return one->fn(one->db);
}

static inline void pg_case_run(void **state)
{
    struct pg_case *one = *state;
    struct pg_app it = pg_case_open(one->max);

    one->db = it.db;
    pg_app_run(&it, pg_case_call, one);
    pg_app_close(&it);
}

/* Runs SQL beside the app; returns what psql prints. */
static inline const char *pg_case_psql(const char *sql)
{
    return postgres_do(&pg_case_server, "psql", sql);
}

/* The server process behind the next statement of @p db. */
static inline int64_t backend_of(bk_pg *db)
{
    return number_of(db, "SELECT pg_backend_pid() AS n");
}

#endif
