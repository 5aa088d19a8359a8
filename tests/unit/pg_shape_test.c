/* Shapes of statements, and their rows into structs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pg/shape.h"
#include "pg_bytes.h"
#include "text.h"

static bk_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = bk_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bk_arena_free(arena);
    bk_error_clear();
    return 0;
}

struct product {
    int32_t id;
    bk_str name, note;
    int64_t price;
    bool has_price;
    bk_time at;
};
BK_DESCRIBE(product_desc, struct product, BK_I32(id), BK_STR(name, BK_KEY("title")), BK_STR(note),
            BK_I64(price, BK_HAS(has_price)), BK_TIME(at))

struct number {
    int64_t id;
};
BK_DESCRIBE(number_desc, struct number, BK_I64(id))

static const struct test_column columns[] = {
    {"id", BK__PG_INT4},    {"title", BK__PG_TEXT}, {"extra", BK__PG_TEXT},
    {"price", BK__PG_INT8}, {"note", BK__PG_TEXT},  {"at", BK__PG_TIMESTAMPTZ},
};

static struct bk__pg_shape *shape_of(const struct test_column *of, size_t count)
{
    struct bk__pg_shape *shape =
        known_shape(RAW("\0\1\0\0\0\x17"), row_description(arena, of, count));
    assert_non_null(shape);
    return shape;
}

static bk_str full_row(void)
{
    return DATA_ROW(arena, RAW("\0\0\0\7"), BK_LIT("name"), BK_LIT("passed over"),
                    RAW("\0\0\0\0\0\0\0\x63"), BK_LIT(""), RAW("\0\0\0\0\0\0\0\0"));
}

static void test_a_shape_tells_parameters_and_columns(void **state)
{
    struct bk__pg_shape *shape = shape_of(columns, 6);

    (void)state;
    assert_int_equal(shape->param_count, 1);
    assert_int_equal(shape->params[0], BK__PG_INT4);
    assert_int_equal(shape->column_count, 6);
    assert_text(shape->columns[1].name, "title");
    assert_int_equal(shape->columns[3].type, BK__PG_INT8);
    bk__pg_shape_unref(shape);
}

static void test_what_is_absent_is_not_known(void **state)
{
    struct bk__pg_shape *shape = known_shape(NULL_VALUE, NULL_VALUE);

    (void)state;
    assert_non_null(shape);
    assert_int_equal(shape->param_count, 0);
    assert_null(shape->params);
    assert_int_equal(shape->column_count, 0);
    assert_non_null(shape->row_formats);
    assert_non_null(shape->json_formats);
    bk__pg_shape_unref(shape);
    bk__pg_shape_unref(NULL);
}

static void test_damaged_descriptions_make_no_shape(void **state)
{
    bk_str whole = row_description(arena, columns, 2);

    (void)state;
    for (size_t len = 0; len < whole.len; len++)
        assert_null(known_shape(NULL_VALUE, bk_str_at(whole.ptr, len)));
    bk_buf longer = {.arena = arena};
    bk_buf_add(&longer, whole);
    bk_buf_add_char(&longer, 'x');
    assert_null(known_shape(NULL_VALUE, bk_buf_str(&longer)));
    assert_null(known_shape(RAW("\0\2\0\0\0\x17"), whole));
    assert_null(known_shape(RAW("\0"), whole));
    assert_null(known_shape(RAW("\0\0\0"), whole));
}

static void test_shapes_are_shared(void **state)
{
    struct bk__pg_shape *shape = shape_of(columns, 1);
    const struct bk__pg_fit *fit;

    (void)state;
    assert_int_equal(bk__pg_shape_fit(shape, product_desc(), &fit), BK_OK);
    assert_ptr_equal(bk__pg_shape_ref(shape), shape);
    bk__pg_shape_unref(shape);
    assert_text(shape->columns[0].name, "id");
    bk__pg_shape_unref(shape); /* a leak or a second free is the sanitizer's to find */
}

static void test_a_shape_is_learnt_once(void **state)
{
    struct bk__pg_shape *shape = bk__pg_shape_new();

    (void)state;
    assert_false(shape->known);
    assert_true(bk__pg_shape_learn(shape, NULL_VALUE, row_description(arena, columns, 2)));
    assert_true(shape->known);
    assert_false(bk__pg_shape_learn(shape, NULL_VALUE, row_description(arena, columns, 1)));
    assert_int_equal(shape->column_count, 2);
    bk__pg_shape_unref(shape);
}

static void test_a_fit_is_made_once_for_each_description(void **state)
{
    static const struct test_column id[] = {{"id", BK__PG_INT4}};
    struct bk__pg_shape *shape = shape_of(id, 1);
    const struct bk__pg_fit *first, *second, *third;

    (void)state;
    assert_int_equal(bk__pg_shape_fit(shape, product_desc(), &first), BK_OK);
    assert_int_equal(bk__pg_shape_fit(shape, number_desc(), &second), BK_OK);
    assert_int_equal(bk__pg_shape_fit(shape, product_desc(), &third), BK_OK);
    assert_ptr_equal(first, third);
    assert_ptr_not_equal(first, second);
    bk__pg_shape_unref(shape);
}

static void test_what_never_fits_is_told_with_its_names(void **state)
{
    static const struct test_column wrong[] = {{"title", BK__PG_TEXT}, {"price", BK__PG_FLOAT8}};
    static const struct test_column twice[] = {{"id", BK__PG_INT4}, {"id", BK__PG_INT4}};
    struct bk__pg_shape *shape = shape_of(wrong, 2);
    const struct bk__pg_fit *fit = NULL;

    (void)state;
    assert_int_equal(bk__pg_shape_fit(shape, product_desc(), &fit), BK_EINTERNAL);
    assert_true(says("\"price\""));
    assert_true(says("FLOAT8"));
    assert_true(says("struct product"));
    assert_null(fit);
    bk__pg_shape_unref(shape);
    shape = shape_of(twice, 2);
    assert_int_equal(bk__pg_shape_fit(shape, product_desc(), &fit), BK_EINTERNAL);
    assert_true(says("two columns"));
    bk__pg_shape_unref(shape);
}

static bk_err read_one(bk_str row, bool text, struct product *out)
{
    struct bk__pg_shape *shape = shape_of(columns, 6);
    const struct bk__pg_fit *fit;

    memset(out, 0x5a, sizeof(*out));
    assert_int_equal(bk__pg_shape_fit(shape, product_desc(), &fit), BK_OK);
    bk_err err = bk__pg_read_row(shape, fit, text, row, arena, out);
    bk__pg_shape_unref(shape);
    return err;
}

static void test_columns_fill_members_by_key(void **state)
{
    struct product product;

    (void)state;
    assert_int_equal(read_one(full_row(), false, &product), BK_OK);
    assert_int_equal(product.id, 7);
    assert_text(product.name, "name");
    assert_int_equal(product.name.ptr[4], 0);
    assert_text(product.note, "");
    assert_int_equal(product.price, 99);
    assert_true(product.has_price);
    assert_int_equal(product.at, 946684800000000);
}

static void test_nulls_leave_zeros(void **state)
{
    struct product product;
    static const struct product zero;
    bk_str row =
        DATA_ROW(arena, NULL_VALUE, NULL_VALUE, NULL_VALUE, NULL_VALUE, NULL_VALUE, NULL_VALUE);

    (void)state;
    assert_int_equal(read_one(row, false, &product), BK_OK);
    assert_memory_equal(&product, &zero, sizeof(zero));
}

static void test_rows_may_come_as_text(void **state)
{
    struct product product;
    bk_str row = DATA_ROW(arena, BK_LIT("-7"), BK_LIT("name"), NULL_VALUE, BK_LIT("99"),
                          BK_LIT("x"), BK_LIT("1970-01-01 00:00:01+00"));

    (void)state;
    assert_int_equal(read_one(row, true, &product), BK_OK);
    assert_int_equal(product.id, -7);
    assert_text(product.name, "name");
    assert_text(product.note, "x");
    assert_int_equal(product.price, 99);
    assert_int_equal(product.at, 1000000);
}

static void test_a_member_keeps_nothing_of_the_input(void **state)
{
    bk_str row = full_row();
    struct product product;

    (void)state;
    assert_int_equal(read_one(row, false, &product), BK_OK);
    memset((char *)(uintptr_t)row.ptr, 'x', row.len);
    assert_text(product.name, "name");
}

static void test_damaged_rows_leave_zeros(void **state)
{
    bk_str whole = full_row();
    static const struct product zero;
    struct product product;

    (void)state;
    for (size_t len = 0; len < whole.len; len++) {
        assert_int_equal(read_one(bk_str_at(whole.ptr, len), false, &product), BK_EINTERNAL);
        assert_memory_equal(&product, &zero, sizeof(zero));
    }
    bk_buf longer = {.arena = arena};
    bk_buf_add(&longer, whole);
    bk_buf_add_char(&longer, 'x');
    assert_int_equal(read_one(bk_buf_str(&longer), false, &product), BK_EINTERNAL);
    assert_memory_equal(&product, &zero, sizeof(zero));
    assert_int_equal(read_one(DATA_ROW(arena, RAW("\0\0\0\7")), false, &product), BK_EINTERNAL);
}

static void test_a_value_that_does_not_fit_names_its_column(void **state)
{
    struct product product;
    static const struct product zero;
    bk_str row = DATA_ROW(arena, RAW("\0\0\0\7"), BK_LIT("name"), NULL_VALUE, RAW("\0\0\7"),
                          BK_LIT("x"), NULL_VALUE);

    (void)state;
    assert_int_equal(read_one(row, false, &product), BK_EINTERNAL);
    assert_true(says("column \"price\""));
    assert_memory_equal(&product, &zero, sizeof(zero));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_shape_tells_parameters_and_columns),
        cmocka_unit_test(test_what_is_absent_is_not_known),
        cmocka_unit_test(test_damaged_descriptions_make_no_shape),
        cmocka_unit_test(test_shapes_are_shared),
        cmocka_unit_test(test_a_shape_is_learnt_once),
        cmocka_unit_test(test_a_fit_is_made_once_for_each_description),
        cmocka_unit_test(test_what_never_fits_is_told_with_its_names),
        cmocka_unit_test(test_columns_fill_members_by_key),
        cmocka_unit_test(test_nulls_leave_zeros),
        cmocka_unit_test(test_rows_may_come_as_text),
        cmocka_unit_test(test_a_member_keeps_nothing_of_the_input),
        cmocka_unit_test(test_damaged_rows_leave_zeros),
        cmocka_unit_test(test_a_value_that_does_not_fit_names_its_column),
    };
    return cmocka_run_group_tests_name("pg/shape", tests, set_up, tear_down);
}
