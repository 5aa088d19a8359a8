/*
 * Statements of many fibers on few connections: each gets its own answer, whatever becomes of its
 * neighbours.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>

#include "harness/fiber_run.h"
#include "harness/pg_app.h"

#define CROWD 300

/* Runs @p body as a test on a fiber of an app with a pool of these options. */
#define run_with(state, body, ...)                                                                 \
    do {                                                                                           \
        struct pg_app app_ = pg_app_open(*(state), &(bk_pg_opts){__VA_ARGS__});                    \
        pg_app_run(&app_, body, &app_);                                                            \
        pg_app_close(&app_);                                                                       \
    } while (0)

#define ONE_CONNECTION .pool = {.max = 1}

/* --- one statement ---------------------------------------------------------------------------- */

struct pair {
    int64_t id;
    bk_str name;
    bool has_name;
};

BK_DESCRIBE(pair_desc, struct pair, BK_I64(id), BK_STR(name, BK_HAS(has_name)))

static bk_err one_row(void *data)
{
    bk_pg *db = ((struct pg_app *)data)->db;
    struct pair pair = {7, BK_LIT("left"), true}, zero = {0};

    assert_int_equal(bk_pg_one(db, "SELECT 1 AS id, 'a' AS name WHERE $1", BK_ARGS(bk_bool(false)),
                               pair_desc, &pair),
                     BK_ENOTFOUND);
    assert_memory_equal(&pair, &zero, sizeof pair);
    assert_string_equal(bk_pg_sqlstate(), "");
    pair.id = 7;
    assert_int_equal(
        bk_pg_one(db, "SELECT g AS id FROM generate_series(1, 3) g", BK_NO_ARGS, pair_desc, &pair),
        BK_EINTERNAL);
    assert_error_says("more than one row");
    assert_error_says("in: SELECT g AS id");
    assert_memory_equal(&pair, &zero, sizeof pair);
    assert_int_equal(bk_pg_one(db, "SELECT 4 AS id, NULL::text AS name, 1 AS unknown", BK_NO_ARGS,
                               pair_desc, &pair),
                     BK_OK);
    assert_int_equal(pair.id, 4);
    assert_false(pair.has_name);
    assert_null(pair.name.ptr);
    assert_int_equal(bk_pg_one(db, "SELECT ''::text AS name", BK_NO_ARGS, pair_desc, &pair), BK_OK);
    assert_int_equal(pair.id, 0);
    assert_true(pair.has_name);
    return BK_OK;
}

static void test_one_row_is_one_row(void **state)
{
    run_with(state, one_row, ONE_CONNECTION);
    run_with(state, one_row, ONE_CONNECTION, .no_prepare = true);
}

static bk_err all_rows(void *data)
{
    bk_pg *db = ((struct pg_app *)data)->db;

    for (int64_t count = 0; count < 2000; count = 3 * count + 1) {
        bk_array all = {0};
        BK_TRY(bk_pg_all(db,
                         "SELECT g AS id, CASE WHEN g % 3 > 0 THEN 'n' || g END AS name "
                         "FROM generate_series(1, $1::int) g",
                         BK_ARGS(bk_i64(count)), pair_desc, &all));
        assert_int_equal(all.count, count);
        assert_non_null(all.items);
        for (size_t i = 0; i < all.count; i++) {
            const struct pair *pair = (const struct pair *)all.items + i;
            char want[24];
            snprintf(want, sizeof want, "n%zu", i + 1);
            assert_int_equal(pair->id, i + 1);
            assert_int_equal(pair->has_name, (i + 1) % 3 > 0);
            if (pair->has_name)
                assert_true(bk_str_eq(pair->name, bk_str_of(want)));
        }
    }
    return BK_OK;
}

static void test_all_rows_come_in_order(void **state)
{
    run_with(state, all_rows, ONE_CONNECTION);
}

static bk_err rows_written(void *data)
{
    bk_pg *db = ((struct pg_app *)data)->db;
    int64_t changed = -1;

    BK_TRY(bk_pg_exec(db, "CREATE TABLE counted (n int)", BK_NO_ARGS, &changed));
    assert_int_equal(changed, 0);
    BK_TRY(
        bk_pg_exec(db, "INSERT INTO counted SELECT generate_series(1, 10)", BK_NO_ARGS, &changed));
    assert_int_equal(changed, 10);
    BK_TRY(bk_pg_exec(db, "UPDATE counted SET n = 0 WHERE n <= $1", BK_ARGS(bk_i64(4)), &changed));
    assert_int_equal(changed, 4);
    BK_TRY(bk_pg_exec(db, "SELECT * FROM counted", BK_NO_ARGS, &changed));
    assert_int_equal(changed, 10);
    BK_TRY(bk_pg_exec(db, "DELETE FROM counted", BK_NO_ARGS, &changed));
    assert_int_equal(changed, 10);
    BK_TRY(bk_pg_exec(db, "", BK_NO_ARGS, &changed));
    assert_int_equal(changed, 0);
    return bk_pg_exec(db, "DROP TABLE counted", BK_NO_ARGS, NULL);
}

static void test_changed_counts_rows(void **state)
{
    run_with(state, rows_written, ONE_CONNECTION);
}

/* --- mistakes --------------------------------------------------------------------------------- */

static void fails(bk_pg *db, const char *sql, bk_args args, bk_err want, const char *sqlstate,
                  const char *words)
{
    bk_err err = bk_pg_exec(db, sql, args, NULL);

    if (err != want || strcmp(bk_pg_sqlstate(), sqlstate) != 0)
        print_error("%s: %d %s\n", sql, err, bk_pg_sqlstate());
    assert_int_equal(err, want);
    assert_string_equal(bk_pg_sqlstate(), sqlstate);
    assert_error_says(words);
    const bk_error_link *first = bk_error_chain();
    while (first->cause != NULL)
        first = first->cause;
    if (bk_err_status(want) < 500) { /* a client reads this one */
        assert_null(memmem(first->message.ptr, first->message.len, "secret", 6));
        assert_null(memmem(first->message.ptr, first->message.len, "INSERT", 6));
    }
}

static bk_err mistakes(void *data)
{
    bk_pg *db = ((struct pg_app *)data)->db;

    BK_TRY(bk_pg_exec(db,
                      "CREATE TABLE secret (id int PRIMARY KEY, n int CONSTRAINT positive "
                      "CHECK (n > 0), s varchar(3), up int REFERENCES secret)",
                      BK_NO_ARGS, NULL));
    for (int run = 0; run < 2; run++) { /* as text, then with what is known of the parameters */
        static const char insert[] = "INSERT INTO secret VALUES ($1, $2, $3, $4)";
        bk_arg three = bk_text(BK_LIT("abc"));
        if (run == 0)
            BK_TRY(bk_pg_exec(db, insert, BK_ARGS(bk_i64(1), bk_i64(1), three, bk_null()), NULL));
        fails(db, insert, BK_ARGS(bk_i64(1), bk_i64(1), three, bk_null()), BK_ECONFLICT, "23505",
              "secret_pkey");
        assert_true(bk_pg_violates("secret_pkey"));
        assert_false(bk_pg_violates("secret"));
        fails(db, insert, BK_ARGS(bk_i64(2), bk_i64(0), three, bk_null()), BK_EINVAL, "23514",
              "positive");
        assert_true(bk_pg_violates("positive"));
        fails(db, insert, BK_ARGS(bk_i64(2), bk_i64(1), three, bk_i64(9)), BK_ECONFLICT, "23503",
              "secret_up_fkey");
        fails(db, insert, BK_ARGS(bk_null(), bk_i64(1), three, bk_null()), BK_EINVAL, "23502",
              "id");
        fails(db, insert, BK_ARGS(bk_i64(2), bk_i64(1), bk_text(BK_LIT("abcd")), bk_null()),
              BK_EINVAL, "22001", "in: INSERT");
        fails(db, "SELECT nothing FROM secret", BK_NO_ARGS, BK_EINTERNAL, "42703", "nothing");
        fails(db, "SELEC 1", BK_NO_ARGS, BK_EINTERNAL, "42601", "SELEC");
        fails(db, "SELECT 1; SELECT 2", BK_NO_ARGS, BK_EINTERNAL, "42601", "multiple commands");
        fails(db, "SELECT $1::int / $2::int", BK_ARGS(bk_i64(1), bk_i64(0)), BK_EINTERNAL, "22012",
              "zero");
        fails(db, "SELECT $1::int", BK_NO_ARGS, BK_EINTERNAL, "08P01", "parameters");
    }
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM secret"), 1);
    bk_error_clear();
    assert_string_equal(bk_pg_sqlstate(), "");
    assert_false(bk_pg_violates("positive"));
    return bk_pg_exec(db, "DROP TABLE secret", BK_NO_ARGS, NULL);
}

static void test_mistakes_have_codes_and_words_and_change_nothing(void **state)
{
    run_with(state, mistakes, ONE_CONNECTION);
}

static bk_err refusals(void *data)
{
    struct pg_app *it = data;
    static const char *const refused[] = {"BEGIN",
                                          " /* x /* y */ */ commit",
                                          "SET work_mem = '1MB'",
                                          "-- a\n rollback",
                                          "LISTEN x",
                                          "PREPARE p AS SELECT 1",
                                          "PREPARE TRANSACTION 'x'",
                                          "COPY pg_class TO STDOUT",
                                          "DISCARD ALL",
                                          "DEALLOCATE ALL",
                                          "start transaction",
                                          "RESET ALL",
                                          "END",
                                          "abort"};
    uint64_t before = pg_app_stats(it).statements;

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(bk_pg_exec(it->db, refused[i], BK_NO_ARGS, NULL), BK_EINTERNAL);
        assert_error_says(refused[i]);
    }
    assert_int_equal(pg_app_stats(it).statements, before);
    assert_int_equal(number_of(it->db, "SELECT 5 AS n"), 5);
    return BK_OK;
}

static void test_what_would_change_a_shared_connection_is_not_sent(void **state)
{
    run_with(state, refusals, ONE_CONNECTION);
}

static bk_err too_much(void *data)
{
    struct pg_app *it = data;
    bk_rows *rows = NULL;
    static const char sql[] = "SELECT repeat('x', 1000) AS x FROM generate_series(1, $1::int)";

    for (int run = 0; run < 2; run++) {
        BK_TRY(bk_pg_query(it->db, sql, BK_ARGS(bk_i64(90)), &rows));
        assert_int_equal(bk_rows_count(rows), 90);
        rows = NULL;
        assert_int_equal(bk_pg_query(it->db, sql, BK_ARGS(bk_i64(101)), &rows), BK_EINTERNAL);
        assert_error_says("more than 100000 bytes");
        assert_null(rows);
    }
    return BK_OK;
}

static void test_a_result_beyond_the_limit_is_refused(void **state)
{
    run_with(state, too_much, ONE_CONNECTION, .result_bytes = 100000);
}

static bk_err a_column_that_does_not_fit(void *data)
{
    bk_pg *db = ((struct pg_app *)data)->db;
    struct number number;

    for (int run = 0; run < 2; run++) {
        assert_int_equal(ask_number(db, "SELECT 'x'::text AS n", BK_NO_ARGS, &number.n),
                         BK_EINTERNAL);
        assert_error_says("\"n\"");
        assert_error_says("TEXT");
        assert_int_equal(ask_number(db, "SET LOCAL work_mem = '1MB'", BK_NO_ARGS, &number.n),
                         BK_EINTERNAL);
        assert_int_equal(ask_number(db, "DELETE FROM pg_class WHERE false", BK_NO_ARGS, &number.n),
                         BK_EINTERNAL);
        assert_error_says("returns no rows");
    }
    assert_int_equal(number_of(db, "SELECT 5 AS n"), 5);
    return BK_OK;
}

static void test_a_misfit_is_told_and_harms_nothing(void **state)
{
    run_with(state, a_column_that_does_not_fit, ONE_CONNECTION);
}

/* --- many ------------------------------------------------------------------------------------- */

struct asker {
    struct pg_app *it;
    uint64_t seed;
    uint32_t rounds;
    bk_err err; /* of the first that failed */
};

/* A statement of random kind, with what must come of it worked out here. */
static bk_err ask(struct asker *self)
{
    bk_pg *db = self->it->db;
    int64_t a = random_below(&self->seed, 1u << 30), b = random_below(&self->seed, 1000), n = 0;
    char sql[96];
    bk_rows *rows;

    switch (random_below(&self->seed, 6)) {
    case 0:
        BK_TRY(ask_number(db, "SELECT $1::bigint * $2::bigint AS n", BK_ARGS(bk_i64(a), bk_i64(b)),
                          &n));
        assert_int_equal(n, a * b);
        return BK_OK;
    case 1:
        assert_int_equal(bk_pg_exec(db, "SELECT $1::bigint / 0", BK_ARGS(bk_i64(a)), NULL),
                         BK_EINTERNAL);
        assert_string_equal(bk_pg_sqlstate(), "22012");
        return BK_OK;
    case 2:
        snprintf(sql, sizeof sql, "SELECT %lld::bigint AS n, 'text %lld'", (long long)b,
                 (long long)b);
        BK_TRY(ask_number(db, sql, BK_NO_ARGS, &n));
        assert_int_equal(n, b);
        return BK_OK;
    case 3:
        snprintf(sql, sizeof sql, "SELECT no_such_column_%lld", (long long)(b % 7));
        assert_int_equal(bk_pg_exec(db, sql, BK_NO_ARGS, NULL), BK_EINTERNAL);
        assert_string_equal(bk_pg_sqlstate(), "42703");
        assert_error_says(sql + 7);
        return BK_OK;
    case 4:
        BK_TRY(bk_pg_query(db, "SELECT g, g::text || $2 FROM generate_series(1, $1::int) g",
                           BK_ARGS(bk_i64(b % 50), bk_text(BK_LIT("!"))), &rows));
        assert_int_equal(bk_rows_count(rows), b % 50);
        for (int64_t i = 0; i < b % 50; i++) {
            BK_TRY(bk_rows_i64(rows, (size_t)i, 0, &n));
            assert_int_equal(n, i + 1);
            snprintf(sql, sizeof sql, "%d!", (int)i + 1);
            assert_true(bk_str_eq(bk_rows_str(rows, (size_t)i, 1), bk_str_of(sql)));
        }
        return BK_OK;
    default:
        assert_int_equal(
            ask_number(db, "SELECT 1 AS n WHERE $1::bigint < 0", BK_ARGS(bk_i64(a)), &n),
            BK_ENOTFOUND);
        return BK_OK;
    }
}

static bk_err ask_often(void *data)
{
    struct asker *self = data;

    for (uint32_t i = 0; i < self->rounds && self->err == BK_OK; i++)
        self->err = ask(self);
    return self->err;
}

static bk_err crowd(void *data)
{
    struct pg_app *it = data;
    bk_group *group = bk_group_open();
    struct asker *askers = bk_arena_alloc(bk_fiber_arena(), CROWD * sizeof *askers);

    for (uint32_t i = 0; i < CROWD; i++) {
        askers[i] = (struct asker){it, 1000 + i, 20, BK_OK};
        bk_group_spawn(group, "asker", ask_often, &askers[i]);
    }
    BK_TRY(bk_group_wait(group));
    assert_true(pg_app_stats(it).statements >= CROWD * 20);
    return BK_OK;
}

static void test_a_crowd_on_one_connection_gets_its_own_answers(void **state)
{
    run_with(state, crowd, ONE_CONNECTION);
}

static void test_a_crowd_whose_statements_do_not_fit_the_cache(void **state)
{
    run_with(state, crowd, ONE_CONNECTION, .statements = 8);
    run_with(state, crowd, .pool = {.max = 4}, .statements = 1);
}

static void test_a_crowd_without_prepared_statements(void **state)
{
    run_with(state, crowd, .pool = {.max = 4}, .no_prepare = true);
}

static bk_err pipelined(void *data)
{
    struct pg_app *it = data;

    BK_TRY(crowd(data));
    bk_pg_stats stats = pg_app_stats(it);
    assert_int_equal(stats.pool.opened, 1);
    assert_true(stats.flushes < stats.statements / 4); /* else nothing travelled together */
    return BK_OK;
}

static void test_statements_of_a_turn_leave_together(void **state)
{
    run_with(state, pipelined, ONE_CONNECTION);
}

/* --- plans that change ------------------------------------------------------------------------ */

static bk_err altered(void *data)
{
    struct pg_app *it = data;
    bk_rows *rows;

    BK_TRY(bk_pg_exec(it->db, "CREATE TABLE shifting (id int)", BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_exec(it->db, "INSERT INTO shifting VALUES (1)", BK_NO_ARGS, NULL));
    for (int run = 0; run < 6; run++) {
        for (int again = 0; again < 2; again++) {
            BK_TRY(bk_pg_query(it->db, "SELECT * FROM shifting", BK_NO_ARGS, &rows));
            assert_int_equal(bk_rows_columns(rows), 1 + run);
            assert_int_equal(bk_rows_count(rows), 1);
        }
        char sql[80];
        snprintf(sql, sizeof sql, "ALTER TABLE shifting ADD c%d text DEFAULT 'x'", run);
        BK_TRY(bk_pg_exec(it->db, sql, BK_NO_ARGS, NULL));
    }
    assert_int_equal(pg_app_stats(it).resent, 5);
    return bk_pg_exec(it->db, "DROP TABLE shifting", BK_NO_ARGS, NULL);
}

static void test_a_table_that_was_altered_is_no_error(void **state)
{
    run_with(state, altered, ONE_CONNECTION);
}

static bk_err read_shifting(void *data)
{
    struct asker *self = data;
    bk_rows *rows;

    for (uint32_t i = 0; i < self->rounds; i++) {
        BK_TRY(bk_pg_query(self->it->db, "SELECT * FROM shifting", BK_NO_ARGS, &rows));
        assert_int_equal(bk_rows_count(rows), 1);
        for (size_t column = 1; column < bk_rows_columns(rows); column++)
            assert_true(bk_str_eq(bk_rows_str(rows, 0, column), BK_LIT("x")));
    }
    return BK_OK;
}

static bk_err shift(void *data)
{
    struct pg_app *it = data;
    char sql[80];

    for (int i = 0; i < 40; i++) {
        snprintf(sql, sizeof sql, "ALTER TABLE shifting ADD c%d text DEFAULT 'x'", i);
        BK_TRY(bk_pg_exec(it->admin, sql, BK_NO_ARGS, NULL));
        BK_TRY(bk_sleep_ms(2));
    }
    return BK_OK;
}

static bk_err altered_under_a_crowd(void *data)
{
    struct pg_app *it = data;
    struct asker asker = {it, 1, 100, BK_OK};
    bk_group *group = bk_group_open();

    BK_TRY(bk_pg_exec(it->db, "CREATE TABLE shifting (id int)", BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_exec(it->db, "INSERT INTO shifting VALUES (1)", BK_NO_ARGS, NULL));
    bk_group_spawn(group, "shift", shift, it);
    for (int i = 0; i < 50; i++)
        bk_group_spawn(group, "read", read_shifting, &asker);
    BK_TRY(bk_group_wait(group));
    assert_true(pg_app_stats(it).resent > 0);
    return bk_pg_exec(it->db, "DROP TABLE shifting", BK_NO_ARGS, NULL);
}

static void test_a_crowd_reads_while_the_table_is_altered(void **state)
{
    run_with(state, altered_under_a_crowd, .pool = {.max = 2, .acquire_ms = 60000});
}

static bk_err read_changing(struct pg_app *it, int64_t count)
{
    bk_rows *rows;

    BK_TRY(bk_pg_query(it->db, "SELECT *, now() FROM changing WHERE id <= $1",
                       BK_ARGS(bk_i64(count)), &rows));
    assert_int_equal(bk_rows_count(rows), count);
    return BK_OK;
}

static bk_err read_none(void *data)
{
    return read_changing(data, 0);
}

static bk_err read_one(void *data)
{
    return read_changing(data, 1);
}

static bk_err read_many(void *data)
{
    return read_changing(data, 50000);
}

static bk_err doze_and_read(void *data)
{
    struct pg_app *it = data;

    BK_TRY(bk_pg_exec(it->db, "SELECT pg_sleep(0.1)", BK_NO_ARGS, NULL));
    return read_none(it);
}

/* All on one connection, in this order:
 *   old    fails, since the table has another column by now: its plan is of no use
 *   doze
 *   old    fails when that is over, and casts doubt on what has been prepared meanwhile:
 *   many   prepares the text anew
 *   one    counts on that
 *   none   prepares it once more, when many rows of the one before have come */
static bk_err prepared_anew_meanwhile(void *data)
{
    struct pg_app *it = data;
    bk_group *group = bk_group_open();

    BK_TRY(bk_pg_exec(it->db, "CREATE TABLE changing (id int)", BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_exec(it->db, "INSERT INTO changing SELECT generate_series(1, 50000)", BK_NO_ARGS,
                      NULL));
    BK_TRY(read_none(it));
    BK_TRY(bk_pg_exec(it->admin, "ALTER TABLE changing ADD c int", BK_NO_ARGS, NULL));
    bk_group_spawn(group, "old", read_none, it);
    bk_group_spawn(group, "doze", doze_and_read, it);
    bk_group_spawn(group, "old", read_none, it);
    BK_TRY(bk_sleep_ms(30));
    bk_group_spawn(group, "many", read_many, it);
    bk_group_spawn(group, "one", read_one, it);
    BK_TRY(bk_sleep_ms(30));
    usleep(200 * 1000); /* so that all of it is read in one go */
    BK_TRY(bk_group_wait(group));
    assert_int_equal(pg_app_stats(it).pool.lost, 0);
    return bk_pg_exec(it->db, "DROP TABLE changing", BK_NO_ARGS, NULL);
}

static void test_a_statement_prepared_anew_leaves_those_on_their_way_alone(void **state)
{
    run_with(state, prepared_anew_meanwhile, .pool = {.max = 1}, .slow_ms = 100000);
}

static bk_err deallocate(bk_pg *session, void *data)
{
    (void)data;
    assert_int_equal(number_of(session, "SELECT 8 AS n"), 8);
    BK_TRY(bk_pg_exec(session, "DEALLOCATE ALL", BK_NO_ARGS, NULL));
    assert_int_equal(number_of(session, "SELECT 8 AS n"), 8);
    BK_TRY(bk_pg_exec(session, "DISCARD ALL", BK_NO_ARGS, NULL));
    assert_int_equal(number_of(session, "SELECT 8 AS n"), 8);
    return BK_OK;
}

static bk_err deallocated(void *data)
{
    struct pg_app *it = data;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(number_of(it->db, "SELECT 8 AS n"), 8);
        BK_TRY(bk_pg_session(it->db, deallocate, NULL));
        assert_int_equal(number_of(it->db, "SELECT 8 AS n"), 8);
    }
    /* Where no word of ours is between. */
    BK_TRY(bk_pg_exec(it->db, "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$", BK_NO_ARGS, NULL));
    assert_int_equal(number_of(it->db, "SELECT 8 AS n"), 8);
    assert_true(pg_app_stats(it).resent > 0);
    return BK_OK;
}

static void test_statements_that_were_deallocated_are_prepared_again(void **state)
{
    run_with(state, deallocated, ONE_CONNECTION);
}

/* --- time ------------------------------------------------------------------------------------- */

static bk_err sleep_too_long(void *data)
{
    struct pg_app *it = data;
    bk_deadline before = bk_deadline_push(300);
    bk_err err = bk_pg_exec(it->db, "SELECT pg_sleep(60) /* marked */", BK_NO_ARGS, NULL);

    assert_int_equal(err, BK_ETIMEDOUT);
    assert_error_says("did not answer in time");
    bk_deadline_pop(before);
    return BK_OK;
}

/* Until the server runs no such statement. */
static bk_err await_gone(struct pg_app *it)
{
    for (int i = 0; i < 500; i++) {
        if (number_of(it->admin,
                      "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' "
                      "AND query LIKE '%/* marked */' AND pid <> pg_backend_pid()") == 0)
            return BK_OK;
        BK_TRY(bk_sleep_ms(10));
    }
    fail_msg("the server goes on");
    return BK_OK;
}

static bk_err late(void *data)
{
    struct pg_app *it = data;
    int64_t pid = number_of(it->db, "SELECT pg_backend_pid() AS n");

    for (int i = 0; i < 3; i++) {
        BK_TRY(sleep_too_long(it));
        BK_TRY(await_gone(it));
        assert_int_equal(number_of(it->db, "SELECT pg_backend_pid() AS n"), pid);
    }
    bk_pg_stats stats = pg_app_stats(it);
    assert_true(stats.cancelled >= 3);
    assert_int_equal(stats.pool.lost, 0);
    return BK_OK;
}

static void test_a_deadline_cancels_on_the_server_and_keeps_the_connection(void **state)
{
    run_with(state, late, ONE_CONNECTION);
}

static bk_err be_late_often(void *data)
{
    struct asker *self = data;

    for (uint32_t i = 0; i < self->rounds; i++) {
        bk_deadline before = bk_deadline_push(1 + random_below(&self->seed, 4));
        bk_err err = bk_pg_exec(self->it->db, "SELECT pg_sleep(0.005)", BK_NO_ARGS, NULL);
        bk_deadline_pop(before);
        assert_true(err == BK_OK || err == BK_ETIMEDOUT);
    }
    return BK_OK;
}

static bk_err storm(void *data)
{
    struct pg_app *it = data;
    bk_group *group = bk_group_open();
    struct asker askers[40];

    for (uint32_t i = 0; i < 40; i++) {
        askers[i] = (struct asker){it, 50 + i, 100, BK_OK};
        bk_group_spawn(group, "asker", i % 4 == 0 ? be_late_often : ask_often, &askers[i]);
    }
    BK_TRY(bk_group_wait(group));
    assert_true(pg_app_stats(it).cancelled > 5);
    assert_int_equal(pg_app_stats(it).pool.lost, 0);
    return BK_OK;
}

static void test_a_storm_of_cancels_harms_no_neighbour(void **state)
{
    run_with(state, storm, .slow_ms = 100000, ONE_CONNECTION);
    run_with(state, storm, .slow_ms = 100000, .pool = {.max = 3});
}

/* A server process that is idle drops a cancel request, and runs the statement that comes then: the
 * request overtakes the statement here, since the process sleeps when both arrive. */
static bk_err overtaken(void *data)
{
    struct pg_app *it = data;
    int64_t pid = number_of(it->db, "SELECT pg_backend_pid() AS n");

    for (int i = 0; i < 5; i++) {
        assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
        BK_TRY(sleep_too_long(it));
        BK_TRY(bk_sleep_ms(50));
        assert_int_equal(kill((pid_t)pid, SIGCONT), 0);
        assert_int_equal(number_of(it->db, "SELECT pg_backend_pid() AS n"), pid);
    }
    assert_true(pg_app_stats(it).cancelled > 5);
    return BK_OK;
}

static void test_a_cancel_that_came_too_early_is_sent_again(void **state)
{
    run_with(state, overtaken, ONE_CONNECTION);
}

/* --- connections that are lost ---------------------------------------------------------------- */

struct lost {
    struct pg_app *it;
    const char *sql;
    bk_err err, after;
    bool unknown; /* whether it ran */
    int64_t n;
};

/* What comes after the loss must get another connection. */
static bk_err be_lost(void *data)
{
    struct lost *self = data;

    self->err = ask_number(self->it->db, self->sql, BK_NO_ARGS, &self->n);
    self->unknown = self->err != BK_OK && error_says("not known whether");
    if (self->err != BK_OK)
        self->after = ask_number(self->it->db, "SELECT 9 AS n", BK_NO_ARGS, &self->n);
    return BK_OK;
}

static bk_err terminated(void *data)
{
    struct pg_app *it = data;
    bk_group *group = bk_group_open();
    int64_t pid = number_of(it->db, "SELECT pg_backend_pid() AS n");
    struct lost lost[] = {{.it = it, .sql = "SELECT 1 AS n FROM pg_sleep(60)"},
                          {.it = it, .sql = "SELECT 2 AS n"},
                          {.it = it, .sql = "SELECT 3 AS n"}};

    for (int i = 0; i < 3; i++)
        bk_group_spawn(group, "lost", be_lost, &lost[i]);
    BK_TRY(bk_sleep_ms(50));
    BK_TRY(bk_pg_exec(it->admin, "SELECT pg_terminate_backend($1)", BK_ARGS(bk_i64(pid)), NULL));
    BK_TRY(bk_group_wait(group));
    assert_int_equal(lost[0].err, BK_EUNAVAILABLE);
    assert_true(lost[0].unknown);
    assert_int_equal(lost[0].after, BK_OK);
    for (int i = 1; i < 3; i++) { /* the server had not come to them */
        assert_int_equal(lost[i].err, BK_OK);
        assert_int_equal(lost[i].n, i + 1);
    }
    bk_pg_stats stats = pg_app_stats(it);
    assert_int_equal(stats.lost, 1);
    assert_int_equal(stats.resent, 2);
    assert_int_equal(stats.pool.lost, 1);
    return BK_OK;
}

static void test_only_what_may_have_run_is_lost_with_a_connection(void **state)
{
    run_with(state, terminated, ONE_CONNECTION, .slow_ms = 100000);
}

static bk_err stopped(void *data)
{
    struct pg_app *it = data;
    bk_group *group = bk_group_open();
    pid_t pid = (pid_t)number_of(it->db, "SELECT pg_backend_pid() AS n");
    struct lost lost[3] = {{0}};

    assert_int_equal(kill(pid, SIGSTOP), 0);
    bk_deadline before = bk_deadline_push(20);
    for (int i = 0; i < 3; i++) {
        lost[i] = (struct lost){.it = it, .sql = "SELECT 4 AS n"};
        if (i == 1)
            bk_deadline_pop(before); /* the first alone is in a hurry */
        if (i == 0)
            assert_int_equal(bk_pg_exec(it->db, "SELECT 4 AS n", BK_NO_ARGS, NULL), BK_ETIMEDOUT);
        else
            bk_group_spawn(group, "lost", be_lost, &lost[i]);
    }
    BK_TRY(bk_group_wait(group));
    assert_int_equal(kill(pid, SIGCONT), 0);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(lost[i].err == BK_OK ? lost[i].err : lost[i].after, BK_OK);
        assert_int_equal(lost[i].n, lost[i].err == BK_OK ? 4 : 9);
    }
    assert_int_equal(pg_app_stats(it).pool.lost, 1);
    return BK_OK;
}

static void test_a_server_that_does_not_even_cancel_is_left(void **state)
{
    run_with(state, stopped, .pool = {.max = 1, .acquire_ms = 9000}, .slow_ms = 100000);
}

struct held_up {
    struct pg_app *it;
    bk_fiber *fiber;
    bk_err err;
    bool done;
};

static bk_err run_held_up(void *data)
{
    struct held_up *self = data;

    self->fiber = bk_fiber_self();
    self->err = bk_pg_exec(self->it->db, "SELECT 1", BK_NO_ARGS, NULL);
    self->done = true;
    return BK_OK;
}

static bk_err hold_and_cancel(bk_pg *session, void *data)
{
    struct held_up *self = data;

    assert_int_equal(bk_spawn("held up", run_held_up, self), BK_OK);
    BK_TRY(bk_sleep_ms(5));
    assert_false(self->done);
    bk_fiber_cancel(self->fiber);
    BK_TRY(bk_sleep_ms(5));
    assert_true(self->done);
    assert_int_equal(self->err, BK_ECANCELED);
    assert_int_equal(number_of(session, "SELECT 3 AS n"), 3);
    return BK_OK;
}

static bk_err waiting(void *data)
{
    struct pg_app *it = data;
    struct held_up held_up = {.it = it};

    BK_TRY(bk_pg_session(it->db, hold_and_cancel, &held_up));
    assert_int_equal(number_of(it->db, "SELECT 3 AS n"), 3);
    assert_int_equal(pg_app_stats(it).pool.waiting, 0);
    return BK_OK;
}

static void test_who_waits_for_a_connection_can_be_cancelled(void **state)
{
    run_with(state, waiting, ONE_CONNECTION);
}

/* --- slow statements --------------------------------------------------------------------------- */

static bk_err sleep_there(bk_pg *db, double seconds)
{
    return bk_pg_exec(db, "SELECT pg_sleep($1)", BK_ARGS(bk_f64(seconds)), NULL);
}

static bk_err be_slow(void *data)
{
    return sleep_there(((struct pg_app *)data)->db, 1);
}

#define COUNT_ASLEEP                                                                               \
    "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid <> "          \
    "pg_backend_pid()"

static bk_err slow_beside_fast(void *data)
{
    struct pg_app *it = data;
    bk_group *group = bk_group_open();

    BK_TRY(sleep_there(it->db, 0.1)); /* learns it */
    for (int i = 0; i < 3; i++)
        bk_group_spawn(group, "slow", be_slow, it);
    while (number_of(it->admin, COUNT_ASLEEP) < 3)
        BK_TRY(bk_sleep_ms(5));
    /* All that is fast goes where nobody sleeps: it is answered while they do. */
    for (int i = 0; i < 20; i++)
        assert_int_equal(number_of(it->db, COUNT_ASLEEP), 3);
    assert_true(pg_app_stats(it).pool.held == 3);
    return bk_group_wait(group);
}

static void test_slow_statements_get_connections_of_their_own(void **state)
{
    run_with(state, slow_beside_fast, .pool = {.min = 4, .max = 4});
}

/* --- the pool ----------------------------------------------------------------------------------- */

static bk_err read_only(void *data)
{
    bk_pg *db = ((struct pg_app *)data)->db;

    fails(db, "CREATE TABLE never (n int)", BK_NO_ARGS, BK_EUNAVAILABLE, "25006", "read-only");
    assert_int_equal(number_of(db, "SELECT 3 AS n"), 3);
    return BK_OK;
}

static void test_a_read_only_pool_writes_nothing(void **state)
{
    run_with(state, read_only, ONE_CONNECTION, .read_only = true);
}

static bk_err say_password(void *data, bk_str *password)
{
    struct postgres *server = data;

    *password = bk_str_of(server->password);
    return BK_OK;
}

static bk_err say_no_password(void *data, bk_str *password)
{
    (void)password;
    ++*(int *)data;
    return bk_fail(BK_EIO, "no token today");
}

static bk_err three(void *data)
{
    assert_int_equal(number_of(((struct pg_app *)data)->db, "SELECT 3 AS n"), 3);
    return BK_OK;
}

static bk_err no_connection(void *data)
{
    int64_t n;

    assert_int_equal(ask_number(((struct pg_app *)data)->db, "SELECT 3 AS n", BK_NO_ARGS, &n),
                     BK_EUNAVAILABLE);
    assert_error_says("password callback failed");
    return BK_OK;
}

static void test_a_password_is_asked_for(void **state)
{
    struct postgres server = postgres_start("password");
    struct postgres *at = &server;
    char url[128];
    int asked = 0;

    (void)state;
    snprintf(url, sizeof url, "host=127.0.0.1 port=%d user=postgres dbname=postgres", server.port);
    run_with(&(void *){at}, three, .url = bk_str_of(url), .password = say_password, .data = at);
    run_with(&(void *){at}, no_connection, .url = bk_str_of(url), .password = say_no_password,
             .data = &asked, .pool = {.acquire_ms = 300});
    assert_true(asked >= 1);
    postgres_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_row_is_one_row),
        cmocka_unit_test(test_all_rows_come_in_order),
        cmocka_unit_test(test_changed_counts_rows),
        cmocka_unit_test(test_mistakes_have_codes_and_words_and_change_nothing),
        cmocka_unit_test(test_what_would_change_a_shared_connection_is_not_sent),
        cmocka_unit_test(test_a_result_beyond_the_limit_is_refused),
        cmocka_unit_test(test_a_misfit_is_told_and_harms_nothing),
        cmocka_unit_test(test_a_crowd_on_one_connection_gets_its_own_answers),
        cmocka_unit_test(test_a_crowd_whose_statements_do_not_fit_the_cache),
        cmocka_unit_test(test_a_crowd_without_prepared_statements),
        cmocka_unit_test(test_statements_of_a_turn_leave_together),
        cmocka_unit_test(test_a_table_that_was_altered_is_no_error),
        cmocka_unit_test(test_a_crowd_reads_while_the_table_is_altered),
        cmocka_unit_test(test_a_statement_prepared_anew_leaves_those_on_their_way_alone),
        cmocka_unit_test(test_statements_that_were_deallocated_are_prepared_again),
        cmocka_unit_test(test_a_deadline_cancels_on_the_server_and_keeps_the_connection),
        cmocka_unit_test(test_a_storm_of_cancels_harms_no_neighbour),
        cmocka_unit_test(test_a_cancel_that_came_too_early_is_sent_again),
        cmocka_unit_test(test_only_what_may_have_run_is_lost_with_a_connection),
        cmocka_unit_test(test_a_server_that_does_not_even_cancel_is_left),
        cmocka_unit_test(test_who_waits_for_a_connection_can_be_cancelled),
        cmocka_unit_test(test_slow_statements_get_connections_of_their_own),
        cmocka_unit_test(test_a_read_only_pool_writes_nothing),
        cmocka_unit_test(test_a_password_is_asked_for),
    };

    return cmocka_run_group_tests_name("pg/query", tests, pg_app_start_server, pg_app_stop_server);
}
