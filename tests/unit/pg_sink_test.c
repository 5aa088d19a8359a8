/* Where rows go: one struct, many, undescribed rows, JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pg/sink.h"
#include "pg_bytes.h"
#include "text.h"

static bk_arena *arena;
static struct bk__pg_shape *shape;

struct item {
    int32_t id;
    bk_str name;
};
BK_DESCRIBE(item_desc, struct item, BK_I32(id), BK_STR(name))

struct flag { /* of odd size */
    bool id;
};
BK_DESCRIBE(flag_desc, struct flag, BK_BOOL(id))

static const struct test_column columns[] = {{"id", BK__PG_INT4}, {"name", BK__PG_TEXT}};

static int set_up(void **state)
{
    (void)state;
    arena = bk_arena_new();
    shape = known_shape(NULL_VALUE, row_description(arena, columns, 2));
    return shape != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(shape->refs, 1); /* each sink gave its own back */
    bk__pg_shape_unref(shape);
    bk_arena_free(arena);
    bk_error_clear();
    return 0;
}

static bk_str row(int32_t id, bk_str name)
{
    char number[4];
    bk__pg_set_u32(number, (uint32_t)id);
    return DATA_ROW(arena, bk_str_at(number, 4), name);
}

static bk_str text_row(const char *id, bk_str name)
{
    return DATA_ROW(arena, bk_str_of(id), name);
}

static void test_one_row_fills_one_struct(void **state)
{
    struct item item;
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ONE, .desc = item_desc, .out = &item, .arena = arena};

    (void)state;
    assert_non_null(bk__pg_sink_formats(&sink, shape));
    assert_int_equal(bk__pg_sink_formats(&sink, shape)[0], 1);
    bk__pg_sink_begin(&sink, shape, false);
    bk__pg_sink_row(&sink, row(7, BK_LIT("x")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
    assert_int_equal(item.id, 7);
    assert_text(item.name, "x");
}

static void test_no_row_and_two_rows_are_errors_of_one(void **state)
{
    struct item item;
    static const struct item zero;
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ONE, .desc = item_desc, .out = &item, .arena = arena};

    (void)state;
    memset(&item, 0x5a, sizeof(item));
    bk__pg_sink_begin(&sink, shape, false);
    assert_int_equal(bk__pg_sink_end(&sink), BK_ENOTFOUND);
    assert_int_equal(bk_error_chain()->code, BK_ENOTFOUND);
    assert_memory_equal(&item, &zero, sizeof(zero));

    bk__pg_sink_reset(&sink);
    bk__pg_sink_begin(&sink, shape, false);
    bk__pg_sink_row(&sink, row(7, BK_LIT("x")));
    bk__pg_sink_row(&sink, row(8, BK_LIT("y")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_EINTERNAL);
    assert_true(says("more than one row"));
    assert_memory_equal(&item, &zero, sizeof(zero));
}

static void test_all_rows_lie_one_behind_another(void **state)
{
    bk_array all = {NULL, 77};
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ALL, .desc = item_desc, .out = &all, .arena = arena};

    (void)state;
    bk__pg_sink_begin(&sink, shape, false);
    for (int32_t i = 0; i < 1000; i++)
        bk__pg_sink_row(&sink, row(i, BK_LIT("some name")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
    assert_int_equal(all.count, 1000);
    const struct item *items = all.items;
    for (int32_t i = 0; i < 1000; i++) {
        assert_int_equal(items[i].id, i);
        assert_text(items[i].name, "some name");
    }
}

static void test_structs_of_odd_size_are_kept_apart(void **state)
{
    static const struct test_column flag[] = {{"id", BK__PG_BOOL}};
    struct bk__pg_shape *flags = known_shape(NULL_VALUE, row_description(arena, flag, 1));
    bk_array all;
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ALL, .desc = flag_desc, .out = &all, .arena = arena};

    (void)state;
    bk__pg_sink_begin(&sink, flags, false);
    for (int i = 0; i < 100; i++)
        bk__pg_sink_row(&sink, DATA_ROW(arena, i % 3 == 0 ? RAW("\1") : RAW("\0")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(((struct flag *)all.items)[i].id, i % 3 == 0);
    bk__pg_shape_unref(flags);
}

static void test_no_rows_are_an_empty_array_not_an_absent_one(void **state)
{
    bk_array all = {NULL, 77};
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ALL, .desc = item_desc, .out = &all, .arena = arena};

    (void)state;
    bk__pg_sink_begin(&sink, shape, false);
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
    assert_int_equal(all.count, 0);
    assert_non_null(all.items);
}

static void test_the_first_error_stays_and_later_rows_are_passed_over(void **state)
{
    bk_array all = {NULL, 77};
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ALL, .desc = item_desc, .out = &all, .arena = arena};

    (void)state;
    bk__pg_sink_begin(&sink, shape, false);
    bk__pg_sink_row(&sink, row(1, BK_LIT("x")));
    bk__pg_sink_row(&sink, RAW("\0\1"));
    assert_int_equal(sink.err, BK_EINTERNAL);
    bk__pg_sink_row(&sink, row(2, BK_LIT("y")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_EINTERNAL);
    assert_true(says("damaged"));
    assert_int_equal(all.count, 77); /* nothing was handed over */
}

static void test_a_description_that_does_not_fit_is_told_at_the_beginning(void **state)
{
    bk_array all;
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ALL, .desc = flag_desc, .out = &all, .arena = arena};

    (void)state;
    assert_null(bk__pg_sink_formats(&sink, shape));
    bk__pg_sink_begin(&sink, shape, true);
    bk__pg_sink_row(&sink, text_row("1", BK_LIT("x")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_EINTERNAL);
    assert_true(says("\"id\""));
}

static void test_a_statement_without_rows_fills_no_struct(void **state)
{
    struct bk__pg_shape *none = known_shape(NULL_VALUE, NULL_VALUE);
    struct item item;
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ONE, .desc = item_desc, .out = &item, .arena = arena};

    (void)state;
    bk__pg_sink_begin(&sink, none, false);
    assert_int_equal(bk__pg_sink_end(&sink), BK_EINTERNAL);
    assert_true(says("returns no rows"));
    bk__pg_shape_unref(none);
}

static void test_rows_are_kept_undescribed(void **state)
{
    bk_rows *rows = NULL;
    struct bk__pg_sink sink = {.kind = BK__PG_SINK_ROWS, .out = &rows, .arena = arena};

    (void)state;
    assert_ptr_equal(bk__pg_sink_formats(&sink, shape), shape->row_formats);
    bk__pg_sink_begin(&sink, shape, false);
    bk__pg_sink_row(&sink, text_row("5", BK_LIT("five")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
    assert_int_equal(bk_rows_count(rows), 1);
    assert_text(bk_rows_str(rows, 0, 1), "five");
}

static void test_json_is_an_array_of_objects(void **state)
{
    struct bk__pg_sink sink = {.kind = BK__PG_SINK_JSON, .arena = arena};

    (void)state;
    assert_ptr_equal(bk__pg_sink_formats(&sink, shape), shape->json_formats);
    bk__pg_sink_begin(&sink, shape, false);
    bk__pg_sink_row(&sink, text_row("5", BK_LIT("fi\"ve")));
    bk__pg_sink_row(&sink, text_row("6", NULL_VALUE));
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
    assert_text(bk_buf_str(&sink.json),
                "[{\"id\":5,\"name\":\"fi\\\"ve\"},{\"id\":6,\"name\":null}]");

    bk__pg_sink_reset(&sink);
    bk__pg_sink_begin(&sink, shape, false);
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
    assert_text(bk_buf_str(&sink.json), "[]");
}

static void test_damage_ends_json(void **state)
{
    struct bk__pg_sink sink = {.kind = BK__PG_SINK_JSON, .arena = arena};
    bk_str whole = text_row("5", BK_LIT("five"));

    (void)state;
    for (size_t len = 0; len < whole.len; len++) {
        bk__pg_sink_begin(&sink, shape, false);
        bk__pg_sink_row(&sink, bk_str_at(whole.ptr, len));
        assert_int_equal(bk__pg_sink_end(&sink), BK_EINTERNAL);
        bk__pg_sink_reset(&sink);
    }
    bk__pg_sink_begin(&sink, shape, false);
    bk__pg_sink_row(&sink, text_row("x", BK_LIT("five")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_EINTERNAL);
    assert_true(says("column \"id\""));
}

static void test_a_result_has_a_limit(void **state)
{
    bk_array all;
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ALL, .desc = item_desc, .out = &all, .arena = arena, .limit = 100};
    bk_str one = row(1, bk_str_at("0123456789012345678901234567890123456789", 36));

    (void)state;
    assert_int_equal(one.len, 50);
    bk__pg_sink_begin(&sink, shape, false);
    bk__pg_sink_row(&sink, one);
    bk__pg_sink_row(&sink, one);
    assert_int_equal(sink.err, BK_OK);
    bk__pg_sink_row(&sink, one);
    assert_int_equal(bk__pg_sink_end(&sink), BK_EINTERNAL);
    assert_true(says("100 bytes"));
}

static void test_a_sink_that_was_reset_begins_anew(void **state)
{
    bk_array all = {NULL, 77};
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_ALL, .desc = item_desc, .out = &all, .arena = arena};

    (void)state;
    bk__pg_sink_begin(&sink, shape, false);
    bk__pg_sink_row(&sink, row(1, BK_LIT("x")));
    bk__pg_sink_row(&sink, RAW("\0\1"));
    bk__pg_sink_reset(&sink);
    assert_int_equal(shape->refs, 1);
    bk__pg_sink_begin(&sink, shape, true);
    bk__pg_sink_row(&sink, text_row("9", BK_LIT("z")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
    assert_int_equal(all.count, 1);
    assert_int_equal(((struct item *)all.items)->id, 9);
}

static size_t raw_rows;

static void count_raw(struct bk__pg_sink *sink, bk_str body)
{
    assert_non_null(sink->fit);
    assert_true(body.len > 0);
    raw_rows++;
}

static void test_raw_rows_are_handed_on_with_their_fit(void **state)
{
    struct bk__pg_sink sink = {
        .kind = BK__PG_SINK_RAW, .desc = item_desc, .arena = arena, .raw = count_raw};

    (void)state;
    raw_rows = 0;
    assert_non_null(bk__pg_sink_formats(&sink, shape));
    bk__pg_sink_begin(&sink, shape, false);
    bk__pg_sink_row(&sink, row(1, BK_LIT("x")));
    bk__pg_sink_row(&sink, row(2, BK_LIT("y")));
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
    assert_int_equal(raw_rows, 2);
}

static void test_nobody_looks_at_rows_that_nobody_wants(void **state)
{
    struct bk__pg_sink sink = {.kind = BK__PG_SINK_NONE};

    (void)state;
    assert_null(bk__pg_sink_formats(&sink, shape));
    bk__pg_sink_begin(&sink, shape, true);
    bk__pg_sink_row(&sink, BK_LIT("damaged"));
    assert_int_equal(bk__pg_sink_end(&sink), BK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_row_fills_one_struct),
        cmocka_unit_test(test_no_row_and_two_rows_are_errors_of_one),
        cmocka_unit_test(test_all_rows_lie_one_behind_another),
        cmocka_unit_test(test_structs_of_odd_size_are_kept_apart),
        cmocka_unit_test(test_no_rows_are_an_empty_array_not_an_absent_one),
        cmocka_unit_test(test_the_first_error_stays_and_later_rows_are_passed_over),
        cmocka_unit_test(test_a_description_that_does_not_fit_is_told_at_the_beginning),
        cmocka_unit_test(test_a_statement_without_rows_fills_no_struct),
        cmocka_unit_test(test_rows_are_kept_undescribed),
        cmocka_unit_test(test_json_is_an_array_of_objects),
        cmocka_unit_test(test_damage_ends_json),
        cmocka_unit_test(test_a_result_has_a_limit),
        cmocka_unit_test(test_a_sink_that_was_reset_begins_anew),
        cmocka_unit_test(test_raw_rows_are_handed_on_with_their_fit),
        cmocka_unit_test(test_nobody_looks_at_rows_that_nobody_wants),
    };
    return cmocka_run_group_tests_name("pg/sink", tests, set_up, tear_down);
}
