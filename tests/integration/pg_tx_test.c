/* Transactions, savepoints and sessions: what is kept, what is undone, what is left behind. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/fiber_run.h"
#include "unit/text.h"
#include "harness/http_app.h"
#include "harness/pg_app.h"

struct tx_run {
    struct pg_app *it;
    int runs; /* of a function that may be run again */
    int64_t first, second;
    int *met; /* how often fibers have come to meet() */
};

/* Runs @p body on a fiber, with an empty table "kept (n bigint)". */
static void run_on(void **state, bk_err (*body)(void *), const bk_pg_opts *opts)
{
    struct pg_app it = pg_app_open(*state, opts);
    struct tx_run run = {.it = &it};

    postgres_do(*state, "psql", "TRUNCATE kept");
    pg_app_run(&it, body, &run);
    pg_app_close(&it);
}

#define ONE_CONNECTION (&(bk_pg_opts){.pool = {.max = 1}})

#define in_table(run) number_of((run)->it->admin, "SELECT count(*) AS n FROM kept")

static bk_err keep(bk_pg *pg, int64_t n)
{
    return bk_pg_exec(pg, "INSERT INTO kept VALUES ($1)", BK_ARGS(bk_i64(n)), NULL);
}

static bk_err keep_one(bk_pg *tx, void *data)
{
    (void)data;
    return keep(tx, 1);
}

static bk_err fail_to_keep(bk_pg *tx, void *data)
{
    (void)data;
    BK_TRY(keep(tx, 2));
    return bk_fail(BK_EGONE, "on second thoughts");
}

/* --- ends ------------------------------------------------------------------------------------- */

static bk_err ends(void *data)
{
    struct tx_run *run = data;
    bk_pg *db = run->it->db;

    BK_TRY(bk_pg_tx(db, keep_one, run));
    assert_int_equal(in_table(run), 1);
    assert_int_equal(bk_pg_tx(db, fail_to_keep, run), BK_EGONE);
    assert_error_says("on second thoughts");
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM kept"), 1);
    assert_int_equal(pg_app_stats(run->it).pool.opened, 1);
    return BK_OK;
}

static void test_ok_commits_and_an_error_rolls_back(void **state)
{
    run_on(state, ends, ONE_CONNECTION);
    run_on(state, ends, &(bk_pg_opts){.pool = {.max = 1}, .no_prepare = true});
    run_on(state, ends, &(bk_pg_opts){.pool = {.max = 1}, .statements = 1});
}

static bk_err do_nothing(bk_pg *tx, void *data)
{
    (void)tx;
    return *(bk_err *)data;
}

static bk_err nothing(void *data)
{
    struct tx_run *run = data;
    bk_err result = BK_OK;

    assert_int_equal(number_of(run->it->db, "SELECT 1 AS n"), 1);
    uint64_t before = pg_app_stats(run->it).statements;
    assert_int_equal(bk_pg_tx(run->it->db, do_nothing, &result), BK_OK);
    result = BK_EGONE;
    assert_int_equal(bk_pg_tx(run->it->db, do_nothing, &result), BK_EGONE);
    assert_int_equal(pg_app_stats(run->it).statements, before);
    return BK_OK;
}

static void test_a_transaction_without_statements_sends_nothing(void **state)
{
    run_on(state, nothing, ONE_CONNECTION);
}

static bk_err swallow(bk_pg *tx, void *data)
{
    (void)data;
    BK_TRY(keep(tx, 1));
    assert_int_equal(bk_pg_exec(tx, "SELECT 1 / 0", BK_NO_ARGS, NULL), BK_EINTERNAL);
    assert_int_equal(keep(tx, 2), BK_EINTERNAL); /* 25P02 */
    return BK_OK;
}

static bk_err swallow_first(bk_pg *tx, void *data)
{
    (void)data;
    assert_int_equal(bk_pg_exec(tx, "SELECT 1 / 0", BK_NO_ARGS, NULL), BK_EINTERNAL);
    return BK_OK;
}

static bk_err swallowed(void *data)
{
    struct tx_run *run = data;

    assert_int_equal(bk_pg_tx(run->it->db, swallow, run), BK_EINTERNAL);
    assert_error_says("rolled back");
    assert_int_equal(bk_pg_tx(run->it->db, swallow_first, run), BK_EINTERNAL);
    assert_error_says("rolled back");
    assert_int_equal(in_table(run), 0);
    return bk_pg_tx(run->it->db, keep_one, run);
}

static void test_an_error_that_was_swallowed_is_not_committed(void **state)
{
    run_on(state, swallowed, ONE_CONNECTION);
}

static bk_err mistake_first(bk_pg *tx, void *data)
{
    (void)data;
    return bk_pg_exec(tx, "SELECT nonsense", BK_NO_ARGS, NULL);
}

static bk_err refuse_verbs(bk_pg *tx, void *data)
{
    static const char *const words[] = {"COMMIT", "ROLLBACK", "BEGIN", "END",
                                        "COPY kept FROM STDIN"};

    (void)data;
    BK_TRY(keep(tx, 1));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(bk_pg_exec(tx, words[i], BK_NO_ARGS, NULL), BK_EINTERNAL);
    BK_TRY(bk_pg_exec(tx, "SET LOCAL work_mem = '1MB'", BK_NO_ARGS, NULL));
    return BK_OK;
}

static bk_err verbs(void *data)
{
    struct tx_run *run = data;

    assert_int_equal(bk_pg_tx(run->it->db, mistake_first, run), BK_EINTERNAL);
    assert_string_equal(bk_pg_sqlstate(), "42703");
    BK_TRY(bk_pg_tx(run->it->db, refuse_verbs, run));
    assert_int_equal(in_table(run), 1);
    return BK_OK;
}

static void test_only_the_library_ends_a_transaction(void **state)
{
    run_on(state, verbs, ONE_CONNECTION);
}

static bk_err defer_violation(bk_pg *tx, void *data)
{
    (void)data;
    BK_TRY(bk_pg_exec(tx, "INSERT INTO deferred VALUES (1)", BK_NO_ARGS, NULL));
    return bk_pg_exec(tx, "INSERT INTO deferred VALUES (1)", BK_NO_ARGS, NULL);
}

static bk_err commit_fails(void *data)
{
    struct tx_run *run = data;

    assert_int_equal(bk_pg_tx(run->it->db, defer_violation, run), BK_ECONFLICT);
    assert_true(bk_pg_violates("once"));
    assert_error_says("at the end of the transaction");
    assert_int_equal(number_of(run->it->db, "SELECT count(*) AS n FROM deferred"), 0);
    return BK_OK;
}

static void test_a_commit_that_fails_is_an_error(void **state)
{
    postgres_do(*state, "psql",
                "CREATE TABLE deferred (n int CONSTRAINT once UNIQUE "
                "DEFERRABLE INITIALLY DEFERRED)");
    run_on(state, commit_fails, ONE_CONNECTION);
}

/* --- time ------------------------------------------------------------------------------------- */

static bk_err keep_and_sleep(bk_pg *tx, void *data)
{
    struct tx_run *run = data;

    run->runs++;
    BK_TRY(keep(tx, 3));
    return bk_pg_exec(tx, "SELECT pg_sleep(60)", BK_NO_ARGS, NULL);
}

static bk_err keep_and_linger(bk_pg *tx, void *data)
{
    struct tx_run *run = data;

    run->runs++;
    BK_TRY(keep(tx, 3));
    return bk_sleep_ms(60000);
}

static bk_err late(void *data)
{
    struct tx_run *run = data;
    bk_pg *db = run->it->db;
    int64_t pid = number_of(db, "SELECT pg_backend_pid() AS n");
    bk_deadline before = bk_deadline_push(30);

    assert_int_equal(bk_pg_tx(db, keep_and_sleep, run), BK_ETIMEDOUT);
    bk_deadline_pop(before);
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM kept"), 0);
    assert_int_equal(number_of(db, "SELECT pg_backend_pid() AS n"), pid);
    bk_pg_tx_opts opts = {.max_ms = 30};
    assert_int_equal(bk_pg_tx_with(db, &opts, keep_and_sleep, run), BK_ETIMEDOUT);
    assert_int_equal(bk_pg_tx_with(db, &opts, keep_and_linger, run), BK_ETIMEDOUT);
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM kept"), 0);
    assert_int_equal(number_of(db, "SELECT pg_backend_pid() AS n"), pid);
    assert_int_equal(run->runs, 3);
    return BK_OK;
}

static void test_a_transaction_that_is_late_is_rolled_back(void **state)
{
    run_on(state, late, ONE_CONNECTION);
}

struct victim {
    struct tx_run *run;
    bk_pg_fn fn;
    bk_fiber *fiber;
    bk_err err;
    bool done;
};

static bk_err run_victim(void *data)
{
    struct victim *self = data;

    self->fiber = bk_fiber_self();
    self->err = bk_pg_tx(self->run->it->db, self->fn, self->run);
    self->done = true;
    return BK_OK;
}

static bk_err cancelled(void *data)
{
    struct tx_run *run = data;
    bk_pg_fn fns[] = {keep_and_sleep, keep_and_linger};

    for (int i = 0; i < 2; i++) {
        struct victim victim = {.run = run, .fn = fns[i]};
        assert_int_equal(bk_spawn("victim", run_victim, &victim), BK_OK);
        BK_TRY(bk_sleep_ms(30));
        bk_fiber_cancel(victim.fiber);
        BK_TRY(bk_sleep_ms(5));
        assert_true(victim.done);
        assert_int_equal(victim.err, BK_ECANCELED);
        assert_int_equal(number_of(run->it->db, "SELECT count(*) AS n FROM kept"), 0);
    }
    assert_int_equal(pg_app_stats(run->it).pool.opened, 1);
    return BK_OK;
}

static void test_a_transaction_that_is_cancelled_is_rolled_back(void **state)
{
    run_on(state, cancelled, ONE_CONNECTION);
}

/* --- savepoints ------------------------------------------------------------------------------- */

static bk_err break_and_keep(bk_pg *tx, void *data)
{
    (void)data;
    BK_TRY(keep(tx, 5));
    return bk_pg_exec(tx, "SELECT 1 / 0", BK_NO_ARGS, NULL);
}

static bk_err swallow_inside(bk_pg *tx, void *data)
{
    if (break_and_keep(tx, data) != BK_OK)
        bk_error_clear();
    return BK_OK;
}

static bk_err nest(bk_pg *tx, void *data)
{
    BK_TRY(keep(tx, 10));
    BK_TRY(bk_pg_tx(tx, keep_one, data));
    assert_int_equal(bk_pg_tx(tx, fail_to_keep, data), BK_EGONE);
    assert_int_equal(bk_pg_tx(tx, break_and_keep, data), BK_EINTERNAL);
    assert_string_equal(bk_pg_sqlstate(), "22012"); /* not what undoing it left */
    assert_int_equal(bk_pg_tx(tx, swallow_inside, data), BK_EINTERNAL);
    assert_error_says("savepoint");
    return keep(tx, 11);
}

static bk_err nest_twice(bk_pg *tx, void *data)
{
    BK_TRY(keep(tx, 12));
    BK_TRY(bk_pg_tx(tx, nest, data));
    assert_int_equal(bk_pg_tx(tx, fail_to_keep, data), BK_EGONE);
    return BK_OK;
}

static bk_err nest_first(bk_pg *tx, void *data) /* BEGIN travels with the SAVEPOINT */
{
    assert_int_equal(bk_pg_tx(tx, fail_to_keep, data), BK_EGONE);
    return bk_pg_tx(tx, keep_one, data);
}

static bk_err savepoints(void *data)
{
    struct tx_run *run = data;

    BK_TRY(bk_pg_tx(run->it->db, nest_twice, run));
    assert_int_equal(in_table(run), 4);
    assert_int_equal(number_of(run->it->db, "SELECT sum(n)::bigint AS n FROM kept"), 34);
    BK_TRY(bk_pg_tx(run->it->db, nest_first, run));
    assert_int_equal(in_table(run), 5);
    return BK_OK;
}

static void test_a_savepoint_undoes_what_was_done_in_it_alone(void **state)
{
    run_on(state, savepoints, ONE_CONNECTION);
}

static bk_err sleep_inside(bk_pg *tx, void *data)
{
    (void)data;
    BK_TRY(keep(tx, 5));
    bk_deadline before = bk_deadline_push(20);
    bk_err err = bk_pg_exec(tx, "SELECT pg_sleep(60)", BK_NO_ARGS, NULL);
    bk_deadline_pop(before);
    return err;
}

static bk_err survive(bk_pg *tx, void *data)
{
    BK_TRY(keep(tx, 1));
    assert_int_equal(bk_pg_tx(tx, sleep_inside, data), BK_ETIMEDOUT);
    return keep(tx, 2);
}

static bk_err late_inside(void *data)
{
    struct tx_run *run = data;

    BK_TRY(bk_pg_tx(run->it->db, survive, run));
    assert_int_equal(in_table(run), 2);
    return BK_OK;
}

static void test_a_transaction_goes_on_after_a_savepoint_was_late(void **state)
{
    run_on(state, late_inside, ONE_CONNECTION);
}

/* --- options ---------------------------------------------------------------------------------- */

struct setting {
    bk_str setting;
};

BK_DESCRIBE(setting_desc, struct setting, BK_STR(setting))

static void has(bk_pg *pg, const char *name, const char *want)
{
    struct setting setting;

    assert_int_equal(bk_pg_one(pg, "SELECT current_setting($1) AS setting",
                               BK_ARGS(bk_text(bk_str_of(name))), setting_desc, &setting),
                     BK_OK);
    if (!bk_str_eq(setting.setting, bk_str_of(want)))
        fail_msg("%s is %.*s, not %s", name, BK_PRI(setting.setting), want);
}

struct wanted {
    bk_pg_tx_opts opts;
    const char *isolation, *read_only, *deferrable;
};

static bk_err look_at_opts(bk_pg *tx, void *data)
{
    const struct wanted *wanted = data;

    has(tx, "transaction_isolation", wanted->isolation);
    has(tx, "transaction_read_only", wanted->read_only);
    has(tx, "transaction_deferrable", wanted->deferrable);
    return BK_OK;
}

static bk_err options(void *data)
{
    struct tx_run *run = data;
    struct wanted all[] = {
        {{0}, "read committed", "off", "off"},
        {{.isolation = BK_PG_READ_COMMITTED}, "read committed", "off", "off"},
        {{.isolation = BK_PG_REPEATABLE_READ, .read_only = true}, "repeatable read", "on", "off"},
        {{.isolation = BK_PG_SERIALIZABLE, .read_only = true, .deferrable = true},
         "serializable",
         "on",
         "on"},
    };

    for (size_t i = 0; i < 4; i++)
        BK_TRY(bk_pg_tx_with(run->it->db, &all[i].opts, look_at_opts, &all[i]));
    assert_int_equal(bk_pg_tx_with(run->it->db, &(bk_pg_tx_opts){.read_only = true}, keep_one, run),
                     BK_EUNAVAILABLE);
    assert_string_equal(bk_pg_sqlstate(), "25006");
    return BK_OK;
}

static void test_options_reach_the_server(void **state)
{
    run_on(state, options, ONE_CONNECTION);
}

/* --- again ------------------------------------------------------------------------------------ */

/* Both read what the other writes: no order of the two would give that. */
/* Waits until the other fiber of two() is here too. A function that is run again does not wait. */
BK_YIELDS static bk_err meet(const struct tx_run *run)
{
    for (++*run->met; *run->met < 2;)
        BK_TRY(bk_sleep_ms(1));
    return BK_OK;
}

static bk_err cross(bk_pg *tx, void *data)
{
    struct tx_run *run = data;
    int64_t count;

    run->runs++;
    BK_TRY(ask_number(tx, "SELECT count(*) AS n FROM kept", BK_NO_ARGS, &count));
    BK_TRY(meet(run)); /* the other has read as well */
    return keep(tx, count);
}

static bk_err cross_serializable(void *data)
{
    struct tx_run *run = data;

    return bk_pg_tx_with(run->it->db, &(bk_pg_tx_opts){.isolation = BK_PG_SERIALIZABLE}, cross,
                         run);
}

static bk_err two(struct tx_run *run, bk_fiber_fn fn)
{
    int met = 0;
    run->met = &met;
    struct tx_run other = *run;
    bk_group *group = bk_group_open();

    other.first = run->second;
    other.second = run->first;
    bk_group_spawn(group, "one", fn, run);
    bk_group_spawn(group, "two", fn, &other);
    bk_err err = bk_group_wait(group);
    run->runs += other.runs;
    return err;
}

static bk_err serialized(void *data)
{
    struct tx_run *run = data;

    BK_TRY(two(run, cross_serializable));
    assert_int_equal(run->runs, 3);
    assert_int_equal(in_table(run), 2);
    assert_int_equal(number_of(run->it->db, "SELECT sum(n)::bigint AS n FROM kept"), 1);
    return BK_OK;
}

static void test_a_serialization_failure_is_run_again(void **state)
{
    run_on(state, serialized, &(bk_pg_opts){.pool = {.max = 4}});
}

static bk_err cross_once(void *data)
{
    struct tx_run *run = data;

    return bk_pg_tx_with(
        run->it->db, &(bk_pg_tx_opts){.isolation = BK_PG_SERIALIZABLE, .attempts = 1}, cross, run);
}

static bk_err not_again(void *data)
{
    struct tx_run *run = data;

    assert_int_equal(two(run, cross_once), BK_EUNAVAILABLE);
    assert_string_equal(bk_pg_sqlstate(), "40001"); /* it came out of the group with the error */
    assert_int_equal(run->runs, 2);
    assert_int_equal(in_table(run), 1);
    return BK_OK;
}

static void test_one_attempt_is_one_attempt(void **state)
{
    run_on(state, not_again, &(bk_pg_opts){.pool = {.max = 4}});
}

static bk_err lock_both(bk_pg *tx, void *data)
{
    struct tx_run *run = data;
    static const char sql[] = "UPDATE locked SET n = n + 1 WHERE id = $1";

    run->runs++;
    BK_TRY(bk_pg_exec(tx, sql, BK_ARGS(bk_i64(run->first)), NULL));
    BK_TRY(meet(run));
    return bk_pg_exec(tx, sql, BK_ARGS(bk_i64(run->second)), NULL);
}

static bk_err lock_both_in_tx(void *data)
{
    struct tx_run *run = data;

    return bk_pg_tx(run->it->db, lock_both, run);
}

static bk_err deadlocked(void *data)
{
    struct tx_run *run = data;

    run->first = 1;
    run->second = 2;
    BK_TRY(two(run, lock_both_in_tx));
    assert_true(run->runs >= 3); /* more when who is run again is faster than who waited for him */
    assert_int_equal(number_of(run->it->db, "SELECT sum(n)::bigint AS n FROM locked"), 4);
    return BK_OK;
}

static void test_a_deadlock_is_run_again(void **state)
{
    postgres_do(*state, "psql", "CREATE TABLE locked AS SELECT 1 AS id, 0 AS n UNION SELECT 2, 0");
    run_on(state, deadlocked, &(bk_pg_opts){.pool = {.max = 4}});
}

static bk_err read_altered(bk_pg *tx, void *data)
{
    struct tx_run *run = data;
    bk_rows *rows;

    run->runs++;
    BK_TRY(bk_pg_query(tx, "SELECT * FROM moving", BK_NO_ARGS, &rows));
    run->first = (int64_t)bk_rows_columns(rows);
    return keep(tx, run->first);
}

static bk_err altered(void *data)
{
    struct tx_run *run = data;

    BK_TRY(bk_pg_tx(run->it->db, read_altered, run));
    BK_TRY(bk_pg_exec(run->it->admin, "ALTER TABLE moving ADD more int", BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_tx(run->it->db, read_altered, run));
    assert_int_equal(run->first, 2);
    assert_int_equal(run->runs, 3);
    assert_int_equal(number_of(run->it->db, "SELECT sum(n)::bigint AS n FROM kept"), 3);
    return BK_OK;
}

static void test_a_plan_that_became_stale_runs_the_transaction_again(void **state)
{
    postgres_do(*state, "psql", "CREATE TABLE moving (id int)");
    run_on(state, altered, ONE_CONNECTION);
}

/* --- several fibers --------------------------------------------------------------------------- */

struct helper {
    bk_pg *tx;
    int64_t from;
};

static bk_err keep_ten(void *data)
{
    struct helper *helper = data;

    for (int64_t i = 0; i < 10; i++) {
        int64_t n = -1;
        BK_TRY(keep(helper->tx, helper->from + i));
        BK_TRY(ask_number(helper->tx, "SELECT n FROM kept WHERE n = $1",
                          BK_ARGS(bk_i64(helper->from + i)), &n));
        assert_int_equal(n, helper->from + i);
    }
    return BK_OK;
}

static bk_err share_tx(bk_pg *tx, void *data)
{
    struct helper helpers[10];
    bk_group *group = bk_group_open();

    for (int i = 0; i < 10; i++) {
        helpers[i] = (struct helper){tx, 10 * i};
        bk_group_spawn(group, "helper", keep_ten, &helpers[i]);
    }
    BK_TRY(bk_group_wait(group));
    assert_int_equal(number_of(tx, "SELECT count(*) AS n FROM kept"), 100);
    return data != NULL ? BK_OK : bk_fail(BK_EGONE, "undo");
}

static bk_err shared(void *data)
{
    struct tx_run *run = data;

    assert_int_equal(bk_pg_tx(run->it->db, share_tx, NULL), BK_EGONE);
    assert_int_equal(in_table(run), 0);
    BK_TRY(bk_pg_tx(run->it->db, share_tx, run));
    assert_int_equal(in_table(run), 100);
    return BK_OK;
}

static void test_the_fibers_of_a_group_share_a_transaction(void **state)
{
    run_on(state, shared, ONE_CONNECTION);
}

static bk_err use_both(bk_pg *tx, void *data)
{
    struct tx_run *run = data;

    BK_TRY(keep(tx, 1));
    assert_int_equal(number_of(run->it->db, "SELECT count(*) AS n FROM kept"), 0);
    assert_int_equal(number_of(tx, "SELECT count(*) AS n FROM kept"), 1);
    return BK_OK;
}

static bk_err both(void *data)
{
    struct tx_run *run = data;

    return bk_pg_tx(run->it->db, use_both, run);
}

static void test_the_pool_goes_beside_a_transaction(void **state)
{
    run_on(state, both, &(bk_pg_opts){.pool = {.max = 2}});
}

static bk_err cut_off(bk_pg *tx, void *data)
{
    struct tx_run *run = data;

    run->runs++;
    BK_TRY(keep(tx, 1));
    int64_t pid = number_of(tx, "SELECT pg_backend_pid() AS n");
    BK_TRY(
        bk_pg_exec(run->it->admin, "SELECT pg_terminate_backend($1)", BK_ARGS(bk_i64(pid)), NULL));
    BK_TRY(bk_sleep_ms(50));
    bk_err err = keep(tx, 2);
    assert_int_equal(err, BK_EUNAVAILABLE);
    return BK_OK; /* and it says that all is well */
}

static bk_err lost(void *data)
{
    struct tx_run *run = data;

    assert_int_equal(bk_pg_tx(run->it->db, cut_off, run), BK_EUNAVAILABLE);
    assert_int_equal(run->runs, 1);
    assert_int_equal(in_table(run), 0);
    return bk_pg_tx(run->it->db, keep_one, run);
}

static void test_a_transaction_whose_connection_is_lost_says_so(void **state)
{
    run_on(state, lost, ONE_CONNECTION);
}

/* --- sessions --------------------------------------------------------------------------------- */

static bk_err litter(bk_pg *session, void *data)
{
    struct tx_run *run = data;

    run->first = number_of(session, "SELECT pg_backend_pid() AS n");
    BK_TRY(bk_pg_exec(session, "SET work_mem = '1234kB'", BK_NO_ARGS, NULL));
    has(session, "work_mem", "1234kB");
    BK_TRY(bk_pg_exec(session, "CREATE TEMP TABLE litter (n int)", BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_exec(session, "SELECT pg_advisory_lock(42)", BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_tx(session, keep_one, run));
    assert_int_equal(bk_pg_tx(session, fail_to_keep, run), BK_EGONE);
    assert_int_equal(number_of(session, "SELECT count(*) AS n FROM kept"), 1);
    BK_TRY(bk_pg_exec(session, "PREPARE mine AS SELECT 1", BK_NO_ARGS, NULL));
    return BK_OK;
}

static bk_err sessions(void *data)
{
    struct tx_run *run = data;
    bk_pg *db = run->it->db;

    BK_TRY(bk_pg_session(db, litter, run));
    assert_int_equal(number_of(db, "SELECT pg_backend_pid() AS n"), run->first);
    has(db, "work_mem", "4MB");
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM pg_class WHERE relname = 'litter'"),
                     0);
    assert_int_equal(number_of(run->it->admin, "SELECT count(*) AS n FROM pg_locks WHERE "
                                               "locktype = 'advisory'"),
                     0);
    assert_int_equal(number_of(db, "SELECT count(*) AS n FROM pg_prepared_statements "
                                   "WHERE name = 'mine'"),
                     0);
    assert_int_equal(in_table(run), 1);
    return BK_OK;
}

static void test_what_a_session_did_is_gone_afterwards(void **state)
{
    run_on(state, sessions, ONE_CONNECTION);
}

static bk_err leave_open(bk_pg *session, void *data)
{
    (void)data;
    BK_TRY(bk_pg_exec(session, "BEGIN", BK_NO_ARGS, NULL));
    return keep(session, 1);
}

static bk_err left_open(void *data)
{
    struct tx_run *run = data;

    run->runs = __LINE__ + 1;
    BK_TRY(bk_pg_session(run->it->db, leave_open, run));
    assert_int_equal(number_of(run->it->db, "SELECT count(*) AS n FROM kept"), 0);
    assert_int_equal(pg_app_stats(run->it).pool.opened, 1);
    return BK_OK;
}

static void test_a_transaction_that_a_session_leaves_open_is_undone_and_told(void **state)
{
    struct pg_app it = pg_app_open(*state, ONE_CONNECTION);
    struct tx_run run = {.it = &it};
    char where[32];

    postgres_do(*state, "psql", "TRUNCATE kept");
    pg_app_run(&it, left_open, &run);
    bk_str logs = bk_test_logs(it.test);
    snprintf(where, sizeof where, "\"line\":%d", run.runs);
    assert_holds(logs, "pg.tx_left_open");
    assert_holds(logs, "pg_tx_test.c");
    assert_holds(logs, where);
    pg_app_close(&it);
}

static bk_err late_in_session(bk_pg *session, void *data)
{
    bk_deadline before = bk_deadline_push(20);
    struct tx_run *run = data;

    BK_TRY(bk_pg_exec(session, "SET work_mem = '1234kB'", BK_NO_ARGS, NULL));
    run->first = number_of(session, "SELECT pg_backend_pid() AS n");
    bk_err err = bk_pg_exec(session, "SELECT pg_sleep(60)", BK_NO_ARGS, NULL);
    bk_deadline_pop(before);
    return err;
}

static bk_err late_session(void *data)
{
    struct tx_run *run = data;

    for (int i = 0; i < 10; i++) {
        assert_int_equal(bk_pg_session(run->it->db, late_in_session, run), BK_ETIMEDOUT);
        has(run->it->db, "work_mem", "4MB");
        assert_int_equal(number_of(run->it->db, "SELECT pg_backend_pid() AS n"), run->first);
    }
    return BK_OK;
}

static void test_a_session_that_is_late_is_clean_before_anybody_has_its_connection(void **state)
{
    run_on(state, late_session, ONE_CONNECTION);
}

static int start(void **state)
{
    pg_app_start_server(state);
    postgres_do(*state, "psql", "CREATE TABLE kept (n bigint)");
    postgres_do(*state, "psql", "ALTER SYSTEM SET deadlock_timeout = '50ms'");
    postgres_do(*state, "psql", "SELECT pg_reload_conf()");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ok_commits_and_an_error_rolls_back),
        cmocka_unit_test(test_a_transaction_without_statements_sends_nothing),
        cmocka_unit_test(test_an_error_that_was_swallowed_is_not_committed),
        cmocka_unit_test(test_only_the_library_ends_a_transaction),
        cmocka_unit_test(test_a_commit_that_fails_is_an_error),
        cmocka_unit_test(test_a_transaction_that_is_late_is_rolled_back),
        cmocka_unit_test(test_a_transaction_that_is_cancelled_is_rolled_back),
        cmocka_unit_test(test_a_savepoint_undoes_what_was_done_in_it_alone),
        cmocka_unit_test(test_a_transaction_goes_on_after_a_savepoint_was_late),
        cmocka_unit_test(test_options_reach_the_server),
        cmocka_unit_test(test_a_serialization_failure_is_run_again),
        cmocka_unit_test(test_one_attempt_is_one_attempt),
        cmocka_unit_test(test_a_deadlock_is_run_again),
        cmocka_unit_test(test_a_plan_that_became_stale_runs_the_transaction_again),
        cmocka_unit_test(test_the_fibers_of_a_group_share_a_transaction),
        cmocka_unit_test(test_the_pool_goes_beside_a_transaction),
        cmocka_unit_test(test_a_transaction_whose_connection_is_lost_says_so),
        cmocka_unit_test(test_what_a_session_did_is_gone_afterwards),
        cmocka_unit_test(test_a_transaction_that_a_session_leaves_open_is_undone_and_told),
        cmocka_unit_test(test_a_session_that_is_late_is_clean_before_anybody_has_its_connection),
    };

    return cmocka_run_group_tests_name("pg/tx", tests, start, pg_app_stop_server);
}
