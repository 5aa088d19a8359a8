/*
 * tx.c: transactions and sessions: a connection that one fiber has for a while.
 *
 * BEGIN travels with the first statement, in the same unit, so a transaction costs no round trip of
 * its own at its begin, one that runs no statement costs none at all, and if BEGIN fails the
 * statement does not run. Whatever way the function is left, the connection is given back with what
 * is to be cleaned up still to do, and the connection does that by itself (conn.h).
 */
#include <stdio.h>

#include <backend/fiber.h>
#include <backend/log.h>

#include "core/assert.h"
#include "core/random.h"
#include "pg/pg.h"

#define ATTEMPTS 3
#define MAX_MS   60000

static bk_err run_ours(bk_pg *pg, const char *sql)
{
    struct bk__pg_work work = {.sql = sql, .args = BK_NO_ARGS};

    return bk__pg_run(pg, &work, 1, BK__PG_RUN_OURS);
}

static void write_begin(char *out, size_t size, const bk_pg_tx_opts *opts)
{
    static const char *const levels[] = {
        [BK_PG_DEFAULT] = "",
        [BK_PG_READ_COMMITTED] = " ISOLATION LEVEL READ COMMITTED",
        [BK_PG_REPEATABLE_READ] = " ISOLATION LEVEL REPEATABLE READ",
        [BK_PG_SERIALIZABLE] = " ISOLATION LEVEL SERIALIZABLE",
    };

    snprintf(out, size, "BEGIN%s%s%s", levels[opts->isolation], opts->read_only ? " READ ONLY" : "",
             opts->deferrable ? " DEFERRABLE" : "");
}

/* --- savepoints ------------------------------------------------------------------------------- */

static unsigned depth_of(const struct bk__pg_tx *tx)
{
    unsigned depth = 0;

    for (; tx != NULL; tx = tx->outer)
        depth++;
    return depth;
}

/* Undoes what was done since the savepoint. Where that cannot be done the whole transaction must
 * not commit. The error that led here stays the newest. */
static void roll_back_to(bk_pg *pg, unsigned depth)
{
    char sql[64];

    snprintf(sql, sizeof sql, "ROLLBACK TO SAVEPOINT bk_%u", depth);
    struct bk__pg_work work = {.sql = sql, .args = BK_NO_ARGS};
    struct bk__pg_unit *unit =
        pg->conn->broken ? NULL : bk__pg_conn_send(pg->conn, &work, 1, BK__PG_SEND_UNNAMED);
    if (unit == NULL) {
        pg->tx->doomed = true;
        return;
    }
    if (bk__pg_unit_wait(unit) != BK_OK) {
        pg->tx->doomed = true;
        return;
    }
    if (unit->outcome != BK__PG_DONE || unit->failed)
        pg->tx->doomed = true;
    bk__pg_unit_free(unit);
}

static bk_err run_savepoint(bk_pg *pg, bk_pg_fn fn, void *data)
{
    struct bk__pg_tx tx = {.outer = pg->tx, .begun = true};
    unsigned depth = depth_of(pg->tx);
    char sql[64];

    snprintf(sql, sizeof sql, "SAVEPOINT bk_%u", depth);
    BK_TRY(run_ours(pg, sql));
    bk_pg inner = {.pool = pg->pool, .conn = pg->conn, .tx = &tx};
    bk_err err = fn(&inner, data);
    pg->tx->doomed |= tx.doomed;
    if (err == BK_OK && pg->conn->tx_status != 'E') {
        snprintf(sql, sizeof sql, "RELEASE SAVEPOINT bk_%u", depth);
        return run_ours(pg, sql);
    }
    roll_back_to(pg, depth);
    if (err == BK_OK)
        err = bk_fail(BK_EINTERNAL, "a statement had failed, so the savepoint was rolled back");
    return err;
}

/* --- transactions ----------------------------------------------------------------------------- */

static bk_err commit(bk_pg *pg)
{
    struct bk__pg_tx *tx = pg->tx;

    if (!tx->begun)
        return BK_OK; /* no statement was run */
    if (pg->conn->broken)
        return bk_fail(BK_EUNAVAILABLE, "the connection was lost, the transaction rolled back");
    if (pg->conn->tx_status == 'E' || tx->doomed)
        return bk_fail(BK_EINTERNAL, "a statement had failed, so the transaction was rolled back");
    return bk_context(run_ours(pg, "COMMIT"), "at the end of the transaction");
}

/* Runs it once on @p conn. */
static bk_err run_on(struct bk__pg_pool *pool, struct bk__pg_conn *conn, const bk_pg_tx_opts *opts,
                     bk_pg_fn fn, void *data)
{
    struct bk__pg_tx tx = {0};
    bk_pg pg = {.pool = pool, .conn = conn, .tx = &tx};
    uint32_t max_ms = opts->max_ms != 0 ? opts->max_ms : MAX_MS;

    write_begin(tx.begin, sizeof tx.begin, opts);
    bk_deadline before = bk_deadline_push(max_ms != BK_UNLIMITED ? max_ms : UINT64_MAX);
    bk_err err = fn(&pg, data);
    if (err == BK_OK)
        err = commit(&pg);
    bk_deadline_pop(before);
    return err;
}

/* The pool's: the connection is cleaned up when it is given back. */
static bk_err run_in_pool(struct bk__pg_pool *pool, const bk_pg_tx_opts *opts, bk_pg_fn fn,
                          void *data)
{
    struct bk__pg_conn *conn;

    BK_TRY(bk__pg_hold(pool, &conn, __FILE__, __LINE__));
    bk_err err = run_on(pool, conn, opts, fn, data);
    bk__pg_conn_release(conn);
    return err;
}

/* A session's: the connection stays lent, so its transaction must end now. */
static bk_err run_in_session(bk_pg *session, const bk_pg_tx_opts *opts, bk_pg_fn fn, void *data)
{
    struct bk__pg_conn *conn = session->conn;
    bk_err err = run_on(session->pool, conn, opts, fn, data);

    if (err == BK_OK || conn->broken || conn->tx_status == 'I')
        return err;
    struct bk__pg_work work = {.sql = "ROLLBACK", .args = BK_NO_ARGS};
    bk__pg_conn_send(conn, &work, 1, BK__PG_SEND_OURS | BK__PG_SEND_UNNAMED);
    return err;
}

/* PostgreSQL asks for the transaction to be run again; or a plan had become useless in it, which
 * has been noted. */
static bool wants_another_run(bk_err err)
{
    const char *sqlstate = err != BK_OK ? bk_pg_sqlstate() : "";

    return strcmp(sqlstate, BK__PG_SERIALIZATION) == 0 || strcmp(sqlstate, BK__PG_DEADLOCK) == 0 ||
           strcmp(sqlstate, BK__PG_PLAN_CHANGED) == 0 ||
           strcmp(sqlstate, BK__PG_NO_SUCH_STATEMENT) == 0;
}

/* So that those who met do not meet again. */
static uint64_t pause_ms(uint32_t attempt)
{
    uint8_t dice;

    bk__random(&dice, sizeof dice);
    return 1 + dice % (attempt < 5 ? 4u << attempt : 128u);
}

bk_err bk_pg_tx_with(bk_pg *pg, const bk_pg_tx_opts *opts, bk_pg_fn fn, void *data)
{
    static const bk_pg_tx_opts defaults = {0};
    bk_err err;

    if (opts == NULL)
        opts = &defaults;
    if (pg->tx != NULL)
        return run_savepoint(pg, fn, data);
    uint32_t attempts = opts->attempts != 0 ? opts->attempts : ATTEMPTS;
    for (uint32_t attempt = 1;; attempt++) {
        err = pg->conn != NULL ? run_in_session(pg, opts, fn, data)
                               : run_in_pool(pg->pool, opts, fn, data);
        if (attempt >= attempts || !wants_another_run(err))
            return err;
        uint64_t pause = pause_ms(attempt);
        if (bk_deadline_left_ms() <= pause || bk_fiber_interrupted() != BK_OK)
            return err;
        bk_debug("pg.tx_again", bk_kv_cstr("sqlstate", bk_pg_sqlstate()),
                 bk_kv_i64("attempt", attempt));
        bk_error_clear();
        BK_TRY(bk_sleep_ms(pause));
    }
}

bk_err bk_pg_tx(bk_pg *pg, bk_pg_fn fn, void *data)
{
    return bk_pg_tx_with(pg, NULL, fn, data);
}

/* --- sessions --------------------------------------------------------------------------------- */

bk_err bk_pg_session_at(bk_pg *pg, bk_pg_fn fn, void *data, const char *file, int line)
{
    struct bk__pg_conn *conn;

    bk_assert(pg->conn == NULL); /* a session within a transaction makes no sense */
    BK_TRY(bk__pg_hold(pg->pool, &conn, file, line));
    bk_pg session = {.pool = pg->pool, .conn = conn};
    bk_err err = fn(&session, data);
    conn->session_used = true;
    if (!conn->broken && conn->tx_status != 'I')
        bk_error("pg.tx_left_open", bk_kv_cstr("pool", pg->pool->members.name),
                 bk_kv_cstr("file", file), bk_kv_i64("line", line));
    bk__pg_conn_release(conn);
    return err;
}
