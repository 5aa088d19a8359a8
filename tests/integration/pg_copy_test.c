/* COPY: what goes in comes out as it was, all of it or nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/pg_case.h"

struct load {
    bk_pg *db;
    int64_t count;    /* rows to send */
    int64_t bad_at;   /* the row whose id is that of the first again; 0: none */
    int64_t fail_at;  /* the row before which the function fails; 0: none */
    int64_t sleep_at; /* the row before which it sleeps for ever; 0: none */
    int64_t sent;
    size_t padding; /* bytes of text */
};

static bk_err make_goods(bk_pg *db)
{
    BK_TRY(bk_pg_exec(db, "DROP TABLE IF EXISTS goods", BK_NO_ARGS, NULL));
    return bk_pg_exec(db, "CREATE TABLE goods (id bigint PRIMARY KEY, text text)", BK_NO_ARGS,
                      NULL);
}

static int64_t count_goods(bk_pg *db)
{
    return number_of(db, "SELECT count(*) AS n FROM goods");
}

static bk_err send_rows(bk_pg_copy *copy, void *data)
{
    static const char padding[4096] = {[0 ... 4095] = 'p'};
    struct load *load = data;

    for (int64_t id = 1; id <= load->count; id++) {
        if (id == load->fail_at)
            return bk_fail(BK_ECONFLICT, "enough");
        if (id == load->sleep_at)
            BK_TRY(bk_sleep_ms(1000000));
        BK_TRY(bk_pg_copy_row(copy, BK_ARGS(bk_i64(id == load->bad_at ? 1 : id),
                                            bk_text(bk_str_at(padding, load->padding)))));
        load->sent++;
    }
    return BK_OK;
}

static bk_err copy_goods(bk_pg *db, struct load *load, int64_t *changed)
{
    load->db = db;
    return bk_pg_copy_in(db, "goods (id, text)", send_rows, load, changed);
}

static bk_err test_a_hundred_thousand_rows_arrive(bk_pg *db)
{
    struct load load = {.count = 100000, .padding = 10};
    int64_t changed = 0;

    BK_TRY(make_goods(db));
    BK_TRY(copy_goods(db, &load, &changed));
    assert_int_equal(changed, 100000);
    assert_int_equal(number_of(db, "SELECT sum(id)::bigint AS n FROM goods"), 5000050000);
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM goods WHERE text = 'pppppppppp'"),
                     100000);
    return BK_OK;
}

static bk_err test_no_row_is_fine(bk_pg *db)
{
    struct load load = {0};
    int64_t changed = -1;

    BK_TRY(make_goods(db));
    BK_TRY(copy_goods(db, &load, &changed));
    assert_int_equal(changed, 0);
    return BK_OK;
}

/* Every byte that text may hold, and what COPY gives a meaning to. */
static bk_err send_escapes(bk_pg_copy *copy, void *data)
{
    static const char *const texts[] = {"",     "\\",   "\\N",  "\\.",    "\\t", "a\tb", "a\nb",
                                        "a\rb", "\r\n", "\\\\", "\b\f\v", "x\\", "\\.\n"};
    char byte[2] = {0};

    (void)data;
    BK_TRY(bk_pg_copy_row(copy, BK_ARGS(bk_i64(0), bk_null())));
    for (int c = 1; c < 128; c++) {
        byte[0] = (char)c;
        BK_TRY(bk_pg_copy_row(copy, BK_ARGS(bk_i64(c), bk_text(bk_str_of(byte)))));
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        BK_TRY(
            bk_pg_copy_row(copy, BK_ARGS(bk_i64(1000 + (int64_t)i), bk_text(bk_str_of(texts[i])))));
    return bk_pg_copy_row(copy, BK_ARGS(bk_i64(2000), bk_text(BK_LIT("\xc3\xa4\xe2\x82\xac"))));
}

static bk_err test_text_arrives_byte_for_byte(bk_pg *db)
{
    BK_TRY(make_goods(db));
    BK_TRY(bk_pg_copy_in(db, "goods", send_escapes, NULL, NULL));
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM goods WHERE text IS NULL AND id = 0"),
                     1);
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM goods WHERE id BETWEEN 1 AND 127 AND "
                                   "text = chr(id::int)"),
                     127);
    assert_int_equal(
        number_of(db, "SELECT count(*) AS n FROM goods JOIN unnest(ARRAY['', E'\\\\', E'\\\\N', "
                      "E'\\\\.', E'\\\\t', E'a\\tb', E'a\\nb', E'a\\rb', E'\\r\\n', E'\\\\\\\\', "
                      "E'\\b\\f\\x0b', E'x\\\\', E'\\\\.\\n']) WITH ORDINALITY AS want(text, i) "
                      "ON goods.id = 999 + want.i AND goods.text = want.text"),
        13);
    assert_int_equal(number_of(db, "SELECT length(text) AS n FROM goods WHERE id = 2000"), 2);
    return BK_OK;
}

static bk_err test_a_row_that_conflicts_undoes_all(bk_pg *db)
{
    struct load load = {.count = 1000, .bad_at = 1000};
    int64_t changed = -1, backend = backend_of(db);

    BK_TRY(make_goods(db));
    assert_int_equal(copy_goods(db, &load, &changed), BK_ECONFLICT);
    assert_true(bk_pg_violates("goods_pkey"));
    assert_int_equal(changed, -1);
    assert_int_equal(count_goods(db), 0);
    assert_int_equal(backend_of(db), backend);
    return BK_OK;
}

static bk_err test_a_conflict_in_the_middle_stops_the_function(bk_pg *db)
{
    struct load load = {.count = 2000000, .bad_at = 10, .padding = 1000};
    int64_t backend = backend_of(db);

    BK_TRY(make_goods(db));
    assert_int_equal(copy_goods(db, &load, NULL), BK_ECONFLICT);
    assert_true(bk_pg_violates("goods_pkey"));
    assert_in_range(load.sent, 10, 200000);
    assert_int_equal(count_goods(db), 0);
    assert_int_equal(backend_of(db), backend);
    return BK_OK;
}

static bk_err test_an_error_of_the_function_undoes_all(bk_pg *db)
{
    struct load load = {.count = 1000, .fail_at = 500};
    int64_t backend = backend_of(db);

    BK_TRY(make_goods(db));
    assert_int_equal(copy_goods(db, &load, NULL), BK_ECONFLICT);
    assert_true(error_says("enough"));
    assert_int_equal(count_goods(db), 0);
    assert_int_equal(backend_of(db), backend);
    return BK_OK;
}

static bk_err copy_in_child(void *data)
{
    struct load *load = data;

    return copy_goods(load->db, load, NULL);
}

static bk_err test_a_cancelled_one_undoes_all_and_leaves_the_connection_clean(bk_pg *db)
{
    struct load load = {.db = db, .count = 1000, .sleep_at = 500};
    int64_t backend = backend_of(db);
    bk_group *group = bk_group_open();

    BK_TRY(make_goods(db));
    bk_group_spawn(group, "copy", copy_in_child, &load);
    BK_TRY(bk_sleep_ms(50));
    assert_int_equal(load.sent, 499);
    bk_group_cancel(group);
    assert_int_equal(bk_group_wait(group), BK_ECANCELED);
    assert_int_equal(count_goods(db), 0);
    assert_int_equal(backend_of(db), backend);
    return BK_OK;
}

/* It waits for a lock, so the server does not take data yet when the fiber has enough. */
static bk_err lock_goods(bk_pg *tx, void *data)
{
    struct load load = {.count = 10};
    bk_pg *db = data;

    BK_TRY(bk_pg_exec(tx, "LOCK TABLE goods", BK_NO_ARGS, NULL));
    bk_deadline before = bk_deadline_push(100);
    assert_int_equal(copy_goods(db, &load, NULL), BK_ETIMEDOUT);
    bk_deadline_pop(before);
    assert_int_equal(load.sent, 0);
    return BK_OK;
}

static bk_err test_one_that_has_not_begun_can_be_left(bk_pg *db)
{
    uint64_t begin = bk_now_ms();
    bk_pg_stats stats;

    BK_TRY(make_goods(db));
    BK_TRY(bk_pg_tx(db, lock_goods, db));
    do {
        BK_TRY(bk_sleep_ms(5));
        bk_pg_get_stats(db, &stats);
    } while (stats.pool.held != 0 || stats.in_flight != 0);
    assert_in_range(bk_now_ms() - begin, 0, 3000);
    assert_int_equal(stats.pool.lost, 0);
    return BK_OK;
}

static bk_err test_a_lost_connection_is_told_of(bk_pg *db)
{
    struct load load = {.db = db, .count = 100000000, .padding = 100};
    bk_group *group = bk_group_open();

    BK_TRY(make_goods(db));
    bk_group_spawn(group, "copy", copy_in_child, &load);
    BK_TRY(bk_sleep_ms(50));
    postgres_do(&pg_case_server, "terminate_backends");
    assert_int_equal(bk_group_wait(group), BK_EUNAVAILABLE);
    assert_int_equal(count_goods(db), 0);
    return BK_OK;
}

static bk_err never(bk_pg_copy *copy, void *data)
{
    (void)copy, (void)data;
    fail_msg("it was not to be called");
    return BK_OK;
}

static bk_err test_what_is_no_table_is_refused(bk_pg *db)
{
    BK_TRY(make_goods(db));
    assert_int_equal(bk_pg_copy_in(db, "", never, NULL, NULL), BK_EINTERNAL);
    assert_int_equal(bk_pg_copy_in(db, " \n", never, NULL, NULL), BK_EINTERNAL);
    assert_int_equal(bk_pg_copy_in(db, "goods; DROP TABLE goods", never, NULL, NULL), BK_EINTERNAL);
    assert_int_equal(bk_pg_copy_in(db, "no_such_table", never, NULL, NULL), BK_EINTERNAL);
    assert_string_equal(bk_pg_sqlstate(), "42P01");
    assert_int_equal(count_goods(db), 0);
    return BK_OK;
}

static bk_err send_too_many_columns(bk_pg_copy *copy, void *data)
{
    (void)data;
    return bk_pg_copy_row(copy, BK_ARGS(bk_i64(1), bk_null(), bk_i64(3)));
}

static bk_err test_a_wrong_number_of_columns_is_refused(bk_pg *db)
{
    BK_TRY(make_goods(db));
    assert_int_not_equal(bk_pg_copy_in(db, "goods", send_too_many_columns, NULL, NULL), BK_OK);
    assert_string_equal(bk_pg_sqlstate(), "22P04");
    return BK_OK;
}

static bk_err send_bad_then_good(bk_pg_copy *copy, void *data)
{
    (void)data;
    assert_int_equal(bk_pg_copy_row(copy, BK_ARGS(bk_i64(1), bk_text(BK_LIT("\xff")))), BK_EINVAL);
    bk_error_clear();
    return bk_pg_copy_row(copy, BK_ARGS(bk_i64(2), bk_text(BK_LIT("good"))));
}

static bk_err test_a_value_that_cannot_be_sent_adds_no_row(bk_pg *db)
{
    int64_t changed = 0;

    BK_TRY(make_goods(db));
    BK_TRY(bk_pg_copy_in(db, "goods", send_bad_then_good, NULL, &changed));
    assert_int_equal(changed, 1);
    assert_int_equal(number_of(db, "SELECT id AS n FROM goods"), 2);
    return BK_OK;
}

static bk_err load_and_look(bk_pg *tx, void *data)
{
    struct load load = {.count = 20000, .padding = 1000};

    BK_TRY(copy_goods(tx, &load, NULL));            /* BEGIN goes with it */
    assert_in_range(tx->conn->out.cap, 1, 1 << 20); /* of 20 MB */
    assert_int_equal(count_goods(tx), 20000);
    return *(bool *)data ? bk_fail(BK_ECONFLICT, "no") : BK_OK;
}

static bk_err test_in_a_transaction_it_is_part_of_it_and_little_waits_to_leave(bk_pg *db)
{
    bool fails = true;

    BK_TRY(make_goods(db));
    assert_int_equal(bk_pg_tx(db, load_and_look, &fails), BK_ECONFLICT);
    assert_int_equal(count_goods(db), 0);
    fails = false;
    BK_TRY(bk_pg_tx(db, load_and_look, &fails));
    assert_int_equal(count_goods(db), 20000);
    return BK_OK;
}

static bk_err ask_within(bk_pg_copy *copy, void *data)
{
    struct load *load = data;

    assert_int_equal(bk_pg_exec(load->db, "SELECT 1", BK_NO_ARGS, NULL), BK_EINTERNAL);
    bk_error_clear();
    return send_rows(copy, load);
}

static bk_err copy_and_ask(bk_pg *tx, void *data)
{
    struct load *load = data;

    load->db = tx;
    return bk_pg_copy_in(tx, "goods", ask_within, load, NULL);
}

static bk_err test_a_statement_within_is_refused(bk_pg *db)
{
    struct load load = {.count = 10};

    BK_TRY(make_goods(db));
    BK_TRY(bk_pg_tx(db, copy_and_ask, &load));
    assert_int_equal(count_goods(db), 10);
    return BK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pg_unit_test(test_a_hundred_thousand_rows_arrive, 1),
        pg_unit_test(test_no_row_is_fine, 1),
        pg_unit_test(test_text_arrives_byte_for_byte, 1),
        pg_unit_test(test_a_row_that_conflicts_undoes_all, 1),
        pg_unit_test(test_a_conflict_in_the_middle_stops_the_function, 1),
        pg_unit_test(test_an_error_of_the_function_undoes_all, 1),
        pg_unit_test(test_a_cancelled_one_undoes_all_and_leaves_the_connection_clean, 1),
        pg_unit_test(test_one_that_has_not_begun_can_be_left, 2),
        pg_unit_test(test_a_lost_connection_is_told_of, 1),
        pg_unit_test(test_what_is_no_table_is_refused, 1),
        pg_unit_test(test_a_wrong_number_of_columns_is_refused, 1),
        pg_unit_test(test_a_value_that_cannot_be_sent_adds_no_row, 1),
        pg_unit_test(test_in_a_transaction_it_is_part_of_it_and_little_waits_to_leave, 1),
        pg_unit_test(test_a_statement_within_is_refused, 1),
    };
    return cmocka_run_group_tests_name("pg_copy", tests, pg_case_group_open, pg_case_group_close);
}
