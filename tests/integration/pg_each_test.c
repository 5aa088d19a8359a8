/* Rows one by one: whole, in bounded memory, and with a clean connection however it ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>

#include "harness/pg_case.h"

struct line {
    int64_t id;
    bk_str text;
};

BK_DESCRIBE(line_desc, struct line, BK_I64(id), BK_STR(text))

/* What a row function has seen, and what it is to do. */
struct seen {
    bk_pg *db;
    int64_t count;
    int64_t fail_at;  /* 0: never */
    int64_t sleep_at; /* every so many rows; 0: never */
    long pages_most;
    bk_err inner; /* of a statement within */
};

static long resident_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident;
}

static bk_err see(void *row, void *data)
{
    const struct line *line = row;
    struct seen *seen = data;
    char text[64];

    seen->count++;
    assert_int_equal(line->id, seen->count);
    snprintf(text, sizeof text, "row %" PRId64, line->id);
    if (line->text.ptr != NULL && line->text.len < sizeof text)
        assert_true(bk_str_eq(line->text, bk_str_of(text)));
    if (seen->count == seen->fail_at)
        return bk_fail(BK_ECONFLICT, "enough");
    if (seen->sleep_at != 0 && seen->count % seen->sleep_at == 0) {
        BK_TRY(bk_sleep_ms(2));
        long pages = resident_pages();
        if (pages > seen->pages_most)
            seen->pages_most = pages;
    }
    return BK_OK;
}

/* Made as they are sent: a function in FROM would be run to its end first. */
static const char many[] = "SELECT i AS id, 'row ' || i AS text "
                           "FROM (SELECT generate_series(1, $1::bigint) AS i) AS s";

static bk_err test_rows_come_whole_and_in_order(bk_pg *db)
{
    for (int round = 0; round < 3; round++) { /* the first as text, then binary */
        struct seen seen = {0};
        BK_TRY(bk_pg_each(db, many, BK_ARGS(bk_i64(20000)), line_desc, see, &seen));
        assert_int_equal(seen.count, 20000);
    }
    return BK_OK;
}

static bk_err test_no_row_is_no_call(bk_pg *db)
{
    struct seen seen = {0};

    BK_TRY(bk_pg_each(db, many, BK_ARGS(bk_i64(0)), line_desc, see, &seen));
    assert_int_equal(seen.count, 0);
    return BK_OK;
}

static bk_err test_a_million_rows_fit_in_little_memory(bk_pg *db)
{
    struct seen seen = {.sleep_at = 5000};
    long before = resident_pages();

    BK_TRY(bk_pg_each(db, many, BK_ARGS(bk_i64(1000000)), line_desc, see, &seen));
    assert_int_equal(seen.count, 1000000);
    assert_in_range(seen.pages_most - before, 0, (8 << 20) / sysconf(_SC_PAGESIZE));
    return BK_OK;
}

static bk_err count_bytes(void *row, void *data)
{
    *(size_t *)data += ((const struct line *)row)->text.len;
    return BK_OK;
}

static bk_err test_rows_larger_than_the_queue_pass(bk_pg *db)
{
    size_t bytes = 0;

    BK_TRY(bk_pg_each(
        db, "SELECT i AS id, repeat('x', 1000000) AS text FROM generate_series(1, 30) AS i",
        BK_NO_ARGS, line_desc, count_bytes, &bytes));
    assert_int_equal(bytes, 30000000);
    return BK_OK;
}

static bk_err test_an_error_of_the_function_ends_it_and_the_connection_is_used_again(bk_pg *db)
{
    struct seen seen = {.fail_at = 500};
    int64_t backend = backend_of(db);
    uint64_t begin = bk_now_ms();

    assert_int_equal(bk_pg_each(db, many, BK_ARGS(bk_i64(100000000)), line_desc, see, &seen),
                     BK_ECONFLICT);
    assert_true(error_says("enough"));
    assert_int_equal(seen.count, 500);
    assert_int_equal(backend_of(db), backend);
    assert_in_range(bk_now_ms() - begin, 0, 3000); /* all of it takes much longer */
    return BK_OK;
}

static bk_err test_an_error_behind_the_last_row_leaves_the_connection_readable(bk_pg *db)
{
    /* The whole result waits in the queue, full enough to have stopped reading. */
    for (int64_t rows = 1000; rows < 20000; rows += 1700) {
        struct seen seen = {.fail_at = rows, .sleep_at = rows - 1};
        assert_int_equal(bk_pg_each(db, many, BK_ARGS(bk_i64(rows)), line_desc, see, &seen),
                         BK_ECONFLICT);
        assert_int_equal(number_of(db, "SELECT 7 AS n"), 7);
    }
    return BK_OK;
}

static bk_err stream_slowly(void *data)
{
    struct seen *seen = data;

    return bk_pg_each(seen->db, many, BK_ARGS(bk_i64(100000000)), line_desc, see, seen);
}

static bk_err test_a_cancelled_one_leaves_the_connection_clean(bk_pg *db)
{
    struct seen seen = {.db = db, .sleep_at = 100};
    int64_t backend = backend_of(db);
    bk_group *group = bk_group_open();

    bk_group_spawn(group, "stream", stream_slowly, &seen);
    BK_TRY(bk_sleep_ms(50));
    bk_group_cancel(group);
    assert_int_equal(bk_group_wait(group), BK_ECANCELED);
    assert_in_range(seen.count, 1, 99999999);
    assert_int_equal(backend_of(db), backend);
    return BK_OK;
}

static bk_err test_a_deadline_ends_the_wait_for_rows(bk_pg *db)
{
    struct seen seen = {0};
    int64_t backend = backend_of(db);
    bk_deadline before = bk_deadline_push(100);

    assert_int_equal(bk_pg_each(db, "SELECT 1 AS id, 'row 1' AS text FROM pg_sleep(20)", BK_NO_ARGS,
                                line_desc, see, &seen),
                     BK_ETIMEDOUT);
    bk_deadline_pop(before);
    assert_int_equal(seen.count, 0);
    assert_int_equal(backend_of(db), backend);
    return BK_OK;
}

static bk_err test_an_error_of_the_server_comes_behind_its_rows(bk_pg *db)
{
    struct seen seen = {0};
    int64_t backend = backend_of(db);

    assert_int_equal(bk_pg_each(db,
                                "SELECT i AS id, NULL AS text, 1 / (5000 - i) "
                                "FROM (SELECT generate_series(1, 10000) AS i) AS s",
                                BK_NO_ARGS, line_desc, see, &seen),
                     BK_EINTERNAL);
    assert_string_equal(bk_pg_sqlstate(), "22012");
    assert_int_equal(seen.count, 4999);
    assert_int_equal(backend_of(db), backend);
    return BK_OK;
}

static bk_err test_a_column_that_cannot_fit_is_told_of(bk_pg *db)
{
    struct seen seen = {0};

    assert_int_equal(bk_pg_each(db, "SELECT 'x' AS id", BK_NO_ARGS, line_desc, see, &seen),
                     BK_EINTERNAL);
    assert_true(error_says("id"));
    assert_int_equal(seen.count, 0);
    assert_int_equal(number_of(db, "SELECT 7 AS n"), 7);
    return BK_OK;
}

static bk_err test_a_statement_without_rows_is_refused(bk_pg *db)
{
    struct seen seen = {0};

    assert_int_equal(bk_pg_each(db, "ANALYZE pg_class", BK_NO_ARGS, line_desc, see, &seen),
                     BK_EINTERNAL);
    return BK_OK;
}

static bk_err test_a_value_that_cannot_be_sent_is_refused(bk_pg *db)
{
    struct seen seen = {0};

    assert_int_equal(bk_pg_each(db, "SELECT 1 AS id, $1::text AS text",
                                BK_ARGS(bk_text(BK_LIT("\xff"))), line_desc, see, &seen),
                     BK_EINVAL);
    return BK_OK;
}

static bk_err test_a_lost_connection_is_told_of(bk_pg *db)
{
    struct seen seen = {.db = db, .sleep_at = 20000};
    bk_group *group = bk_group_open();

    bk_group_spawn(group, "stream", stream_slowly, &seen);
    BK_TRY(bk_sleep_ms(50));
    postgres_do(&pg_case_server, "terminate_backends");
    assert_int_equal(bk_group_wait(group), BK_EUNAVAILABLE);
    assert_int_equal(number_of(db, "SELECT 7 AS n"), 7); /* on another */
    return BK_OK;
}

static bk_err ask_within(void *row, void *data)
{
    struct seen *seen = data;
    struct number number;

    (void)row;
    seen->count++;
    bk_err err = bk_pg_one(seen->db, "SELECT 1 AS n", BK_NO_ARGS, number_desc, &number);
    if (seen->count > 1)
        assert_int_equal(err, seen->inner);
    seen->inner = err;
    return BK_OK;
}

static bk_err test_the_function_may_use_the_pool(bk_pg *db)
{
    struct seen seen = {.db = db};

    BK_TRY(bk_pg_each(db, many, BK_ARGS(bk_i64(100)), line_desc, ask_within, &seen));
    assert_int_equal(seen.count, 100);
    assert_int_equal(seen.inner, BK_OK);
    return BK_OK;
}

static bk_err stream_in_tx(bk_pg *tx, void *data)
{
    struct seen *seen = data;

    seen->db = tx;
    BK_TRY(bk_pg_each(tx, many, BK_ARGS(bk_i64(100)), line_desc, ask_within, seen)); /* BEGIN */
    return bk_pg_exec(tx, "CREATE TABLE made_behind_rows (id bigint)", BK_NO_ARGS, NULL);
}

static bk_err test_in_a_transaction_a_statement_within_is_refused(bk_pg *db)
{
    struct seen seen = {0};

    BK_TRY(bk_pg_tx(db, stream_in_tx, &seen));
    assert_int_equal(seen.count, 100);
    assert_int_equal(seen.inner, BK_EINTERNAL);
    assert_string_equal(pg_case_psql("SELECT count(*) FROM made_behind_rows"), "0");
    return BK_OK;
}

static bk_err fail_in_tx(bk_pg *tx, void *data)
{
    BK_TRY(bk_pg_exec(tx, "CREATE TABLE never_made (id bigint)", BK_NO_ARGS, NULL));
    return bk_pg_each(tx, many, BK_ARGS(bk_i64(100000000)), line_desc, see, data);
}

static bk_err test_a_transaction_whose_rows_were_not_wanted_rolls_back(bk_pg *db)
{
    struct seen seen = {.fail_at = 100};
    int64_t backend = backend_of(db);

    assert_int_equal(bk_pg_tx(db, fail_in_tx, &seen), BK_ECONFLICT);
    assert_true(error_says("enough"));
    assert_int_equal(backend_of(db), backend);
    assert_string_equal(pg_case_psql("SELECT to_regclass('never_made') IS NULL"), "t");
    return BK_OK;
}

static bk_err rows_then_error(bk_pg *tx, void *data)
{
    BK_TRY(bk_pg_each(tx, "INSERT INTO kept SELECT i FROM generate_series(1, 10) AS i RETURNING id",
                      BK_NO_ARGS, line_desc, see, data));
    return bk_fail(BK_ECONFLICT, "no");
}

static bk_err test_rows_that_open_a_transaction_are_in_it(bk_pg *db)
{
    struct seen seen = {0};

    BK_TRY(bk_pg_exec(db, "CREATE TABLE kept (id bigint)", BK_NO_ARGS, NULL));
    assert_int_equal(bk_pg_tx(db, rows_then_error, &seen), BK_ECONFLICT);
    assert_int_equal(seen.count, 10);
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM kept"), 0);
    return BK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pg_unit_test(test_rows_come_whole_and_in_order, 1),
        pg_unit_test(test_no_row_is_no_call, 1),
        pg_unit_test(test_a_million_rows_fit_in_little_memory, 1),
        pg_unit_test(test_rows_larger_than_the_queue_pass, 1),
        pg_unit_test(test_an_error_of_the_function_ends_it_and_the_connection_is_used_again, 1),
        pg_unit_test(test_an_error_behind_the_last_row_leaves_the_connection_readable, 1),
        pg_unit_test(test_a_cancelled_one_leaves_the_connection_clean, 1),
        pg_unit_test(test_a_deadline_ends_the_wait_for_rows, 1),
        pg_unit_test(test_an_error_of_the_server_comes_behind_its_rows, 1),
        pg_unit_test(test_a_column_that_cannot_fit_is_told_of, 1),
        pg_unit_test(test_a_statement_without_rows_is_refused, 1),
        pg_unit_test(test_a_value_that_cannot_be_sent_is_refused, 1),
        pg_unit_test(test_a_lost_connection_is_told_of, 1),
        pg_unit_test(test_the_function_may_use_the_pool, 2),
        pg_unit_test(test_in_a_transaction_a_statement_within_is_refused, 1),
        pg_unit_test(test_a_transaction_whose_rows_were_not_wanted_rolls_back, 1),
        pg_unit_test(test_rows_that_open_a_transaction_are_in_it, 1),
    };
    return cmocka_run_group_tests_name("pg_each", tests, pg_case_group_open, pg_case_group_close);
}
