/* Statements that travel together: results, all or nothing, copies. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/pg_case.h"

struct word {
    int64_t id;
    bk_str text;
};

BK_DESCRIBE(word_desc, struct word, BK_I64(id), BK_STR(text))

static bk_err make_words(bk_pg *db)
{
    BK_TRY(bk_pg_exec(db, "DROP TABLE IF EXISTS words", BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_exec(db, "CREATE TABLE words (id bigint PRIMARY KEY, text text NOT NULL)",
                      BK_NO_ARGS, NULL));
    return bk_pg_exec(db,
                      "INSERT INTO words SELECT i, 'word ' || i FROM generate_series(1, 5) AS i",
                      BK_NO_ARGS, NULL);
}

static int64_t count_words(bk_pg *db)
{
    return number_of(db, "SELECT count(*) AS n FROM words");
}

static const char insert[] = "INSERT INTO words VALUES ($1, $2)";
static const char by_id[] = "SELECT id, text FROM words WHERE id = $1";

static bk_err test_each_statement_has_its_result(bk_pg *db)
{
    struct word one = {0};
    bk_array all = {0};
    int64_t changed = -1;

    BK_TRY(make_words(db));
    for (int round = 0; round < 2; round++) {
        bk_pg_batch *batch = bk_pg_batch_open(db);
        bk_pg_batch_one(batch, by_id, BK_ARGS(bk_i64(3)), word_desc, &one);
        bk_pg_batch_exec(batch, "UPDATE words SET text = text || '!' WHERE id > $1",
                         BK_ARGS(bk_i64(2)), &changed);
        bk_pg_batch_all(batch, "SELECT id, text FROM words ORDER BY id", BK_NO_ARGS, word_desc,
                        &all);
        BK_TRY(bk_pg_batch_run(batch));
        assert_int_equal(one.id, 3);
        assert_true(bk_str_eq(one.text, round == 0 ? BK_LIT("word 3") : BK_LIT("word 3!")));
        assert_int_equal(changed, 3);
        assert_int_equal(all.count, 5);
        const struct word *words = all.items;
        assert_true(bk_str_eq(words[1].text, BK_LIT("word 2")));
        assert_true(bk_str_eq(words[2].text, round == 0 ? BK_LIT("word 3!") : BK_LIT("word 3!!")));
    }
    return BK_OK;
}

static bk_err test_one_that_fails_undoes_those_before_it(bk_pg *db)
{
    int64_t backend = backend_of(db);

    BK_TRY(make_words(db));
    bk_pg_batch *batch = bk_pg_batch_open(db);
    bk_pg_batch_exec(batch, insert, BK_ARGS(bk_i64(6), bk_text(BK_LIT("six"))), NULL);
    bk_pg_batch_exec(batch, "DELETE FROM words WHERE id = 1", BK_NO_ARGS, NULL);
    bk_pg_batch_exec(batch, "SELECT 1 / 0", BK_NO_ARGS, NULL);
    bk_pg_batch_exec(batch, insert, BK_ARGS(bk_i64(7), bk_text(BK_LIT("seven"))), NULL);
    assert_int_equal(bk_pg_batch_run(batch), BK_EINTERNAL);
    assert_string_equal(bk_pg_sqlstate(), "22012");
    assert_true(error_says("SELECT 1 / 0"));
    assert_int_equal(count_words(db), 5);
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM words WHERE id = 1"), 1);
    assert_int_equal(backend_of(db), backend);
    return BK_OK;
}

static bk_err test_a_duplicate_key_is_a_conflict_and_nothing_happens(bk_pg *db)
{
    BK_TRY(make_words(db));
    bk_pg_batch *batch = bk_pg_batch_open(db);
    for (int64_t id = 9; id >= 5; id--)
        bk_pg_batch_exec(batch, insert, BK_ARGS(bk_i64(id), bk_text(BK_LIT("new"))), NULL);
    assert_int_equal(bk_pg_batch_run(batch), BK_ECONFLICT);
    assert_true(bk_pg_violates("words_pkey"));
    assert_string_equal(bk_pg_sqlstate(), "23505");
    assert_int_equal(count_words(db), 5);
    return BK_OK;
}

static bk_err test_a_row_that_is_not_found_does_not_undo_the_rest(bk_pg *db)
{
    struct word found = {0}, missing = {.id = 77};

    BK_TRY(make_words(db));
    bk_pg_batch *batch = bk_pg_batch_open(db);
    bk_pg_batch_exec(batch, insert, BK_ARGS(bk_i64(6), bk_text(BK_LIT("six"))), NULL);
    bk_pg_batch_one(batch, by_id, BK_ARGS(bk_i64(100)), word_desc, &missing);
    bk_pg_batch_one(batch, by_id, BK_ARGS(bk_i64(6)), word_desc, &found);
    assert_int_equal(bk_pg_batch_run(batch), BK_ENOTFOUND);
    assert_int_equal(missing.id, 0);
    assert_int_equal(found.id, 6);
    assert_int_equal(count_words(db), 6);
    return BK_OK;
}

/* All that was given is overwritten before the batch runs. */
static void add_from_stack(bk_pg_batch *batch, int64_t *sum)
{
    char sql[] = "INSERT INTO words SELECT n, $2 || array_to_string($3::text[], ',') "
                 "FROM unnest($1::bigint[]) AS n";
    char text[] = "copied ", first[] = "a", second[] = "b";
    int64_t ids[] = {10, 11, 12};
    bk_str parts[] = {bk_str_of(first), bk_str_of(second)};

    bk_pg_batch_exec(batch, sql,
                     BK_ARGS(bk_array_of(BK_TYPE_I64, ids, 3), bk_text(bk_str_of(text)),
                             bk_array_of(BK_TYPE_STR, parts, 2)),
                     sum);
    memset(sql, 'x', sizeof sql - 1);
    memset(text, 'x', sizeof text - 1);
    memset(ids, 0, sizeof ids);
    first[0] = second[0] = 'x';
    parts[0] = parts[1] = BK_LIT("gone");
}

static bk_err test_statements_and_values_are_copied(bk_pg *db)
{
    int64_t changed = 0;
    struct word word = {0};

    BK_TRY(make_words(db));
    bk_pg_batch *batch = bk_pg_batch_open(db);
    add_from_stack(batch, &changed);
    bk_pg_batch_one(batch, by_id, BK_ARGS(bk_i64(12)), word_desc, &word);
    BK_TRY(bk_pg_batch_run(batch));
    assert_int_equal(changed, 3);
    assert_true(bk_str_eq(word.text, BK_LIT("copied a,b")));
    return BK_OK;
}

static bk_err test_what_was_run_is_empty_and_empty_runs(bk_pg *db)
{
    BK_TRY(make_words(db));
    bk_pg_batch *batch = bk_pg_batch_open(db);
    BK_TRY(bk_pg_batch_run(batch));
    bk_pg_batch_exec(batch, insert, BK_ARGS(bk_i64(6), bk_text(BK_LIT("six"))), NULL);
    BK_TRY(bk_pg_batch_run(batch));
    BK_TRY(bk_pg_batch_run(batch)); /* not once more: that would be a conflict */
    assert_int_equal(count_words(db), 6);
    return BK_OK;
}

static bk_err test_many_rows_travel_in_few_writes(bk_pg *db)
{
    enum {
        COUNT = 500
    };
    static struct word words[COUNT];
    bk_pg_stats before, after;

    BK_TRY(make_words(db));
    bk_pg_batch *batch = bk_pg_batch_open(db);
    for (int i = 0; i < COUNT; i++)
        bk_pg_batch_one(batch, by_id, BK_ARGS(bk_i64(i % 5 + 1)), word_desc, &words[i]);
    bk_pg_get_stats(db, &before);
    BK_TRY(bk_pg_batch_run(batch));
    bk_pg_get_stats(db, &after);
    assert_int_equal(after.statements - before.statements, COUNT);
    assert_in_range(after.flushes - before.flushes, 1, 3);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(words[i].id, i % 5 + 1);
    return BK_OK;
}

static bk_err test_more_texts_than_are_kept_prepared_run(bk_pg *db)
{
    enum {
        COUNT = 600
    };
    static struct number numbers[COUNT];
    char sql[64];

    for (int round = 0; round < 2; round++) {
        bk_pg_batch *batch = bk_pg_batch_open(db);
        for (int i = 0; i < COUNT; i++) {
            snprintf(sql, sizeof sql, "SELECT %d AS n", i);
            bk_pg_batch_one(batch, sql, BK_NO_ARGS, number_desc, &numbers[i]);
        }
        BK_TRY(bk_pg_batch_run(batch));
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(numbers[i].n, i);
    }
    return BK_OK;
}

static bk_err test_a_value_that_cannot_be_sent_stops_all_of_it(bk_pg *db)
{
    BK_TRY(make_words(db));
    bk_pg_batch *batch = bk_pg_batch_open(db);
    bk_pg_batch_exec(batch, insert, BK_ARGS(bk_i64(6), bk_text(BK_LIT("six"))), NULL);
    bk_pg_batch_exec(batch, insert, BK_ARGS(bk_i64(7), bk_text(BK_LIT("\xff"))), NULL);
    assert_int_equal(bk_pg_batch_run(batch), BK_EINVAL);
    assert_int_equal(count_words(db), 5);
    return BK_OK;
}

static bk_err batch_then_fail(bk_pg *tx, void *data)
{
    struct word word = {0};

    (void)data;
    bk_pg_batch *batch = bk_pg_batch_open(tx);
    bk_pg_batch_exec(batch, insert, BK_ARGS(bk_i64(6), bk_text(BK_LIT("six"))), NULL);
    bk_pg_batch_one(batch, by_id, BK_ARGS(bk_i64(6)), word_desc, &word);
    BK_TRY(bk_pg_batch_run(batch));
    assert_true(bk_str_eq(word.text, BK_LIT("six")));
    return bk_fail(BK_ECONFLICT, "no");
}

static bk_err test_in_a_transaction_it_is_part_of_it(bk_pg *db)
{
    BK_TRY(make_words(db));
    assert_int_equal(bk_pg_tx(db, batch_then_fail, NULL), BK_ECONFLICT);
    assert_int_equal(count_words(db), 5);
    return BK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pg_unit_test(test_each_statement_has_its_result, 1),
        pg_unit_test(test_one_that_fails_undoes_those_before_it, 1),
        pg_unit_test(test_a_duplicate_key_is_a_conflict_and_nothing_happens, 1),
        pg_unit_test(test_a_row_that_is_not_found_does_not_undo_the_rest, 1),
        pg_unit_test(test_statements_and_values_are_copied, 1),
        pg_unit_test(test_what_was_run_is_empty_and_empty_runs, 1),
        pg_unit_test(test_many_rows_travel_in_few_writes, 1),
        pg_unit_test(test_more_texts_than_are_kept_prepared_run, 1),
        pg_unit_test(test_a_value_that_cannot_be_sent_stops_all_of_it, 1),
        pg_unit_test(test_in_a_transaction_it_is_part_of_it, 1),
    };
    return cmocka_run_group_tests_name("pg_batch", tests, pg_case_group_open, pg_case_group_close);
}
