/*
 * A server that becomes read only under a pool, as a primary that is demoted does.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "harness/pg_app.h"

#define PID "SELECT pg_backend_pid()::bigint AS n"

static bk_err set_read_only(bk_pg *admin, bool on)
{
    BK_TRY(bk_pg_exec(admin,
                      on ? "ALTER SYSTEM SET default_transaction_read_only = on"
                         : "ALTER SYSTEM RESET default_transaction_read_only",
                      BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_exec(admin, "SELECT pg_reload_conf()", BK_NO_ARGS, NULL));
    return bk_sleep_ms(300); /* the sessions take it when they next look */
}

static bk_err turn(void *data)
{
    const struct pg_app *it = data;

    BK_TRY(bk_pg_exec(it->db, "CREATE TABLE IF NOT EXISTS notes (n bigint)", BK_NO_ARGS, NULL));
    int64_t before = number_of(it->db, PID);
    BK_TRY(set_read_only(it->admin, true));
    assert_int_equal(bk_pg_exec(it->db, "INSERT INTO notes VALUES (1)", BK_NO_ARGS, NULL),
                     BK_EUNAVAILABLE);
    assert_string_equal(bk_pg_sqlstate(), "25006");
    int64_t after = number_of(it->db, PID);
    assert_true(after != before);

    /* The new connection knew what it came to: it stays. */
    assert_int_equal(bk_pg_exec(it->db, "INSERT INTO notes VALUES (2)", BK_NO_ARGS, NULL),
                     BK_EUNAVAILABLE);
    assert_int_equal(number_of(it->db, PID), after);

    BK_TRY(bk_pg_exec(it->db, "SELECT 1", BK_NO_ARGS, NULL));
    BK_TRY(set_read_only(it->admin, false));
    BK_TRY(bk_pg_exec(it->db, "INSERT INTO notes VALUES (3)", BK_NO_ARGS, NULL));
    assert_int_equal(number_of(it->db, "SELECT sum(n)::bigint AS n FROM notes"), 3);
    return BK_OK;
}

static void test_a_connection_to_what_became_read_only_is_replaced_once(void **state)
{
    struct pg_app it = pg_app_open(*state, &(bk_pg_opts){.pool = {.max = 1}});

    pg_app_run(&it, turn, &it);
    pg_app_close(&it);
}

static bk_err write_in_read_only_tx(bk_pg *tx, void *data)
{
    (void)data;
    return bk_pg_exec(tx, "CREATE TABLE never (n bigint)", BK_NO_ARGS, NULL);
}

static bk_err own_fault(void *data)
{
    const struct pg_app *it = data;
    int64_t before = number_of(it->db, PID);

    assert_int_equal(
        bk_pg_tx_with(it->db, &(bk_pg_tx_opts){.read_only = true}, write_in_read_only_tx, NULL),
        BK_EUNAVAILABLE);
    assert_int_equal(number_of(it->db, PID), before);
    return BK_OK;
}

static void test_a_write_in_a_read_only_transaction_costs_no_connection(void **state)
{
    struct pg_app it = pg_app_open(*state, &(bk_pg_opts){.pool = {.max = 1}});

    pg_app_run(&it, own_fault, &it);
    pg_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_to_what_became_read_only_is_replaced_once),
        cmocka_unit_test(test_a_write_in_a_read_only_transaction_costs_no_connection),
    };

    return cmocka_run_group_tests_name("pg_failover", tests, pg_app_start_server,
                                       pg_app_stop_server);
}
