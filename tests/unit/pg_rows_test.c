/* Rows whose shape is not described. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../harness/aborts.h"
#include "pg/rows.h"
#include "pg_bytes.h"
#include "text.h"

static bk_arena *arena;
static bk_rows *rows;

static const struct test_column columns[] = {
    {"n", BK__PG_INT8},          {"x", BK__PG_NUMERIC}, {"ok", BK__PG_BOOL},
    {"at", BK__PG_TIMESTAMPTZ},  {"s", BK__PG_TEXT},    {"raw", BK__PG_BYTEA},
    {"list", BK__PG_INT4_ARRAY},
};
enum {
    N,
    X,
    OK,
    AT,
    S,
    BYTES,
    LIST,
    COLUMNS
};

static bk_rows *new_rows(bool text)
{
    struct bk__pg_shape *shape = known_shape(NULL_VALUE, row_description(arena, columns, COLUMNS));
    assert_non_null(shape);
    bk_rows *made = bk__pg_rows_new(shape, text, arena);
    bk__pg_shape_unref(shape); /* rows outlive it */
    return made;
}

static int set_up(void **state)
{
    (void)state;
    arena = bk_arena_new();
    rows = new_rows(false);
    bk_str full =
        DATA_ROW(arena, BK_LIT("9223372036854775807"), BK_LIT("1.5"), BK_LIT("t"),
                 BK_LIT("1970-01-01 00:00:01+00"), BK_LIT("text"), RAW("\0\xff"), BK_LIT("{1,2}"));
    bk_str empty = DATA_ROW(arena, NULL_VALUE, NULL_VALUE, NULL_VALUE, NULL_VALUE, NULL_VALUE,
                            NULL_VALUE, NULL_VALUE);
    return bk__pg_rows_add(rows, full) == BK_OK && bk__pg_rows_add(rows, empty) == BK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    bk_arena_free(arena);
    bk_error_clear();
    return 0;
}

static void test_columns_have_names_and_numbers(void **state)
{
    (void)state;
    assert_int_equal(bk_rows_count(rows), 2);
    assert_int_equal(bk_rows_columns(rows), COLUMNS);
    assert_text(bk_rows_name(rows, AT), "at");
    assert_int_equal(bk_rows_column(rows, "raw"), BYTES);
    assert_true(bk_rows_column(rows, "RAW") == SIZE_MAX);
    assert_true(bk_rows_column(rows, "") == SIZE_MAX);
}

static void test_values_by_type(void **state)
{
    int64_t n;
    double x;
    bool ok;
    bk_time at;
    bk_array list;

    (void)state;
    assert_int_equal(bk_rows_i64(rows, 0, N, &n), BK_OK);
    assert_int_equal(n, INT64_MAX);
    assert_int_equal(bk_rows_f64(rows, 0, X, &x), BK_OK);
    assert_true(x == 1.5);
    assert_int_equal(bk_rows_bool(rows, 0, OK, &ok), BK_OK);
    assert_true(ok);
    assert_int_equal(bk_rows_time(rows, 0, AT, &at), BK_OK);
    assert_int_equal(at, 1000000);
    assert_int_equal(bk_rows_array(rows, 0, LIST, BK_TYPE_I32, &list), BK_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(((int32_t *)list.items)[1], 2);
}

static void test_text_is_what_postgresql_writes_and_bytea_its_bytes(void **state)
{
    (void)state;
    assert_text(bk_rows_str(rows, 0, N), "9223372036854775807");
    assert_text(bk_rows_str(rows, 0, AT), "1970-01-01 00:00:01+00");
    assert_text(bk_rows_str(rows, 0, S), "text");
    assert_text(bk_rows_str(rows, 0, LIST), "{1,2}");
    assert_bytes(bk_rows_str(rows, 0, BYTES), "\0\xff");
}

static void test_bytea_that_came_as_text_is_its_bytes_too(void **state)
{
    bk_rows *text = new_rows(true);

    (void)state;
    assert_int_equal(
        bk__pg_rows_add(text, DATA_ROW(arena, NULL_VALUE, NULL_VALUE, NULL_VALUE, NULL_VALUE,
                                       NULL_VALUE, BK_LIT("\\x00ff"), NULL_VALUE)),
        BK_OK);
    assert_bytes(bk_rows_str(text, 0, BYTES), "\0\xff");
}

static void test_null_is_zero_of_every_type(void **state)
{
    int64_t n = 7;
    double x = 7;
    bool ok = true;
    bk_time at = 7;
    bk_array list = {&n, 7};

    (void)state;
    for (size_t i = 0; i < COLUMNS; i++) {
        assert_true(bk_rows_null(rows, 1, i));
        assert_false(bk_rows_null(rows, 0, i));
        assert_absent(bk_rows_str(rows, 1, i));
    }
    assert_int_equal(bk_rows_i64(rows, 1, N, &n), BK_OK);
    assert_int_equal(n, 0);
    assert_int_equal(bk_rows_f64(rows, 1, X, &x), BK_OK);
    assert_true(x == 0);
    assert_int_equal(bk_rows_bool(rows, 1, OK, &ok), BK_OK);
    assert_false(ok);
    assert_int_equal(bk_rows_time(rows, 1, AT, &at), BK_OK);
    assert_int_equal(at, 0);
    assert_int_equal(bk_rows_array(rows, 1, LIST, BK_TYPE_I32, &list), BK_OK);
    assert_null(list.items);
    assert_int_equal(list.count, 0);
}

static void test_another_type_is_an_error_that_names_the_column(void **state)
{
    int64_t n;
    bool ok;
    bk_time at;
    bk_array list;
    double x;

    (void)state;
    assert_int_equal(bk_rows_i64(rows, 0, S, &n), BK_EINTERNAL);
    assert_true(says("column \"s\""));
    assert_int_equal(bk_rows_i64(rows, 0, X, &n), BK_EINTERNAL);
    assert_true(says("fraction"));
    assert_int_equal(n, 0);
    assert_int_equal(bk_rows_f64(rows, 0, S, &x), BK_EINTERNAL);
    assert_int_equal(bk_rows_bool(rows, 0, N, &ok), BK_EINTERNAL);
    assert_int_equal(bk_rows_time(rows, 0, S, &at), BK_EINTERNAL);
    assert_int_equal(bk_rows_array(rows, 0, N, BK_TYPE_I64, &list), BK_EINTERNAL);
    assert_int_equal(bk_rows_array(rows, 0, LIST, BK_TYPE_BOOL, &list), BK_EINTERNAL);
}

static void test_damaged_rows_are_not_added(void **state)
{
    bk_str whole = DATA_ROW(arena, BK_LIT("1"), NULL_VALUE, NULL_VALUE, NULL_VALUE, NULL_VALUE,
                            NULL_VALUE, BK_LIT("{}"));

    (void)state;
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(bk__pg_rows_add(rows, bk_str_at(whole.ptr, len)), BK_EINTERNAL);
    assert_int_equal(bk__pg_rows_add(rows, DATA_ROW(arena, BK_LIT("1"))), BK_EINTERNAL);
    assert_int_equal(bk_rows_count(rows), 2);
    assert_int_equal(bk__pg_rows_add(rows, whole), BK_OK);
    assert_int_equal(bk_rows_count(rows), 3);
}

static void test_many_rows(void **state)
{
    (void)state;
    for (int64_t i = 0; i < 1000; i++) {
        bk_str number = bk_arena_printf(arena, "%d", (int)i);
        assert_int_equal(
            bk__pg_rows_add(rows, DATA_ROW(arena, number, NULL_VALUE, NULL_VALUE, NULL_VALUE,
                                           NULL_VALUE, NULL_VALUE, NULL_VALUE)),
            BK_OK);
    }
    for (int64_t i = 0; i < 1000; i++) {
        int64_t n;
        assert_int_equal(bk_rows_i64(rows, (size_t)i + 2, N, &n), BK_OK);
        assert_int_equal(n, i);
    }
}

static void row_too_far(void)
{
    (void)bk_rows_null(rows, 2, 0);
}

static void column_too_far(void)
{
    (void)bk_rows_str(rows, 0, COLUMNS);
}

static void test_what_does_not_exist_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(row_too_far));
    assert_true(aborts(column_too_far));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_columns_have_names_and_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_values_by_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text_is_what_postgresql_writes_and_bytea_its_bytes,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytea_that_came_as_text_is_its_bytes_too, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_null_is_zero_of_every_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_type_is_an_error_that_names_the_column, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_rows_are_not_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_does_not_exist_stops_the_program, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("pg/rows", tests, NULL, NULL);
}
