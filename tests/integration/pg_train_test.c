/*
 * Reads of one turn share a Sync: what they give, and what becomes of them when one fails.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "harness/pg_app.h"

#define FIBERS 100

struct reader {
    const struct pg_app *it;
    int64_t n;
    struct number row;
    bk_err err;
    char sqlstate[6];
};

/* The row 0 makes its reader divide by zero. */
static bk_err read_row(void *data)
{
    struct reader *reader = data;

    reader->err = bk_pg_one(reader->it->db, "SELECT 1000 / n + n AS n FROM numbers WHERE n = $1",
                            BK_ARGS(bk_i64(reader->n)), number_desc, &reader->row);
    if (reader->err != BK_OK)
        snprintf(reader->sqlstate, sizeof reader->sqlstate, "%s", bk_pg_sqlstate());
    return BK_OK;
}

static bk_err fill(void *data)
{
    const struct pg_app *it = data;

    BK_TRY(bk_pg_exec(it->db, "DROP TABLE IF EXISTS numbers", BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_exec(it->db, "CREATE TABLE numbers (n bigint PRIMARY KEY)", BK_NO_ARGS, NULL));
    return bk_pg_exec(it->db, "INSERT INTO numbers SELECT generate_series(0, 999)", BK_NO_ARGS,
                      NULL);
}

static struct reader readers[FIBERS];

/* All of them in one turn; @p bad: the reader of row 0; FIBERS: none. */
static bk_err read_all(const struct pg_app *it, int bad)
{
    bk_group *group = bk_group_open();

    for (int i = 0; i < FIBERS; i++) {
        readers[i] = (struct reader){.it = it, .n = i == bad ? 0 : i + 1};
        bk_group_spawn(group, "reader", read_row, &readers[i]);
    }
    return bk_group_wait(group);
}

static void check_all(int bad)
{
    for (int i = 0; i < FIBERS; i++) {
        if (i == bad) {
            assert_int_equal(readers[i].err, BK_EINTERNAL);
            assert_string_equal(readers[i].sqlstate, "22012");
        } else {
            assert_int_equal(readers[i].err, BK_OK);
            assert_int_equal(readers[i].row.n, 1000 / (i + 1) + i + 1);
        }
    }
}

static bk_err all_well(void *data)
{
    const struct pg_app *it = data;

    for (int round = 0; round < 5; round++) {
        BK_TRY(read_all(it, FIBERS));
        check_all(FIBERS);
    }
    assert_int_equal(pg_app_stats(it).resent, 0);
    return BK_OK;
}

static void test_each_reader_gets_its_own_row(void **state)
{
    struct pg_app it = pg_app_open(*state, &(bk_pg_opts){.pool = {.max = 1}});

    pg_app_run(&it, fill, &it);
    pg_app_run(&it, all_well, &it);
    pg_app_close(&it);
}

static bk_err one_fails(void *data)
{
    const struct pg_app *it = data;

    BK_TRY(read_all(it, FIBERS)); /* prepared from now on */
    for (int bad = 0; bad < FIBERS; bad += 33) {
        BK_TRY(read_all(it, bad));
        check_all(bad);
    }
    return BK_OK;
}

static void test_one_that_fails_touches_no_other(void **state)
{
    struct pg_app it = pg_app_open(*state, &(bk_pg_opts){.pool = {.max = 1}});

    pg_app_run(&it, fill, &it);
    pg_app_run(&it, one_fails, &it);
    assert_true(pg_app_stats(&it).resent > 0); /* there was a train, and it was derailed */
    assert_true(pg_app_stats(&it).resent < FIBERS);
    pg_app_close(&it);
}

static bk_err fails_often(void *data)
{
    const struct pg_app *it = data;

    BK_TRY(read_all(it, FIBERS));
    BK_TRY(read_all(it, 5));
    uint64_t resent = pg_app_stats(it).resent;
    for (int round = 0; round < 5; round++) {
        BK_TRY(read_all(it, 50));
        check_all(50);
    }
    assert_int_equal(pg_app_stats(it).resent, resent);
    return BK_OK;
}

static void test_a_statement_that_failed_travels_alone_for_a_while(void **state)
{
    struct pg_app it = pg_app_open(*state, &(bk_pg_opts){.pool = {.max = 1}});

    pg_app_run(&it, fill, &it);
    pg_app_run(&it, fails_often, &it);
    pg_app_close(&it);
}

/* The fibers begin in this turn, send in the next and are cancelled in the one after. */
static bk_err some_leave(void *data)
{
    const struct pg_app *it = data;

    for (int round = 0; round < 50; round++) {
        bk_group *stay = bk_group_open(), *go = bk_group_open();
        for (int i = 0; i < FIBERS; i++) {
            readers[i] = (struct reader){.it = it, .n = i + 1};
            bk_group_spawn(i % 3 == 0 ? go : stay, "reader", read_row, &readers[i]);
        }
        BK_TRY(bk_yield());
        if (round % 2 == 0)
            BK_TRY(bk_yield());
        bk_group_cancel(go);
        BK_TRY(bk_group_wait(go));
        BK_TRY(bk_group_wait(stay));
        bk_error_clear();
        for (int i = 0; i < FIBERS; i++) {
            if (i % 3 == 0 && readers[i].err == BK_ECANCELED)
                continue;
            assert_int_equal(readers[i].err, BK_OK);
            assert_int_equal(readers[i].row.n, 1000 / (i + 1) + i + 1);
        }
    }
    return BK_OK;
}

static void test_readers_that_leave_touch_no_other(void **state)
{
    struct pg_app it = pg_app_open(*state, &(bk_pg_opts){.pool = {.max = 2}});

    pg_app_run(&it, fill, &it);
    pg_app_run(&it, some_leave, &it);
    pg_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_reader_gets_its_own_row),
        cmocka_unit_test(test_one_that_fails_touches_no_other),
        cmocka_unit_test(test_a_statement_that_failed_travels_alone_for_a_while),
        cmocka_unit_test(test_readers_that_leave_touch_no_other),
    };

    return cmocka_run_group_tests_name("pg_train", tests, pg_app_start_server, pg_app_stop_server);
}
