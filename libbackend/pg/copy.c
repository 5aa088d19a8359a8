/*
 * copy.c: bulk loading by COPY FROM STDIN. See <backend/pg.h>.
 *
 * The statement is sent without its Sync, and the unit stays open while the program adds rows to
 * what leaves. CopyDone or CopyFail ends it, then the Sync (protocol: "COPY Operations"). The
 * server may refuse a row at any time; it takes the rest of them and throws it away until the Sync
 * comes.
 */
#include <backend/fiber.h>

#include "core/arena.h"
#include "core/assert.h"
#include "pg/pg.h"

#define OUT_MOST (256u * 1024) /* bytes that may wait to leave */

struct bk_pg_copy {
    struct bk__pg_conn *conn;
    struct bk__pg_unit *unit;
    const char *sql;
    bk_fiber *fiber;
};

static size_t unsent(const struct bk__pg_conn *conn)
{
    return conn->out.end - conn->out.start;
}

/* The server takes rows. */
static bool goes_on(const struct bk__pg_unit *unit)
{
    return unit->outcome == BK__PG_PENDING && !unit->failed;
}

/* Why it does not. */
static bk_err why_not(const bk_pg_copy *copy)
{
    if (copy->unit->outcome == BK__PG_PENDING)
        return bk__pg_error_fail(copy->unit->error, copy->sql);
    return bk__pg_unit_result(copy->unit);
}

BK_YIELDS static bk_err await_drain(const bk_pg_copy *copy)
{
    struct bk__pg_conn *conn = copy->conn;
    bk_err err = BK_OK;

    conn->drained = copy->fiber;
    while (unsent(conn) > BK__PG_DRAINED && goes_on(copy->unit) && err == BK_OK)
        err = bk__fiber_wait(BK__NEVER);
    conn->drained = NULL;
    if (err == BK_OK)
        return BK_OK;
    return bk_fail(err, err == BK_ETIMEDOUT ? "the rows were not taken in time"
                                            : "cancelled while rows were on their way");
}

bk_err bk_pg_copy_row(bk_pg_copy *copy, bk_args args)
{
    bk_assert(bk_fiber_self() == copy->fiber);
    if (!goes_on(copy->unit))
        return why_not(copy);
    BK_TRY(bk__pg_put_copy_row(&copy->conn->out, args));
    bk__pg_conn_flush_soon(copy->conn);
    return unsent(copy->conn) > OUT_MOST ? await_drain(copy) : BK_OK;
}

/* Ends what was sent, well or not as @p err says, and waits for the server's word. */
BK_YIELDS static bk_err finish(bk_pg_copy *copy, bk_err err, size_t at, int64_t *changed)
{
    struct bk__pg_unit *unit = copy->unit;

    if (unit->outcome == BK__PG_PENDING) {
        if (err == BK_OK)
            bk__pg_put_copy_done(&copy->conn->out);
        else
            bk__pg_put_copy_fail(&copy->conn->out, "the client gave up");
    }
    bk__pg_unit_finish(unit);
    bk_err waited = bk__pg_unit_wait(unit);
    if (waited != BK_OK)
        return err != BK_OK ? err : bk_fail(waited, "the database did not confirm the rows");
    if (err == BK_OK)
        err = bk__pg_unit_result(unit);
    if (err == BK_OK && changed != NULL)
        *changed = unit->calls[at].changed;
    bk__pg_unit_free(unit);
    return err;
}

BK_YIELDS static bk_err run_on(bk_pg *pg, struct bk__pg_conn *conn, const char *sql,
                               bk_pg_copy_fn fn, void *data, int64_t *changed)
{
    struct bk__pg_work work = {.sql = sql, .args = BK_NO_ARGS};
    size_t first;
    struct bk__pg_unit *unit =
        bk__pg_send(pg, conn, &work, 1, BK__PG_SEND_OPEN | BK__PG_SEND_UNNAMED, &first);

    if (unit == NULL)
        return BK_EINVAL;
    bk_pg_copy copy = {.conn = conn, .unit = unit, .sql = sql, .fiber = bk_fiber_self()};
    conn->streaming = true;
    bk_err err = bk__pg_unit_wait(unit);
    if (err != BK_OK) {
        conn->streaming = false;
        return bk_fail(err, "the database did not begin to take rows");
    }
    if (goes_on(unit))
        err = fn(&copy, data);
    err = finish(&copy, err, first, changed);
    conn->streaming = false;
    return err;
}

static bk_err check_into(const char *into)
{
    if (into[strspn(into, " \t\r\n")] == '\0')
        return bk_fail(BK_EINTERNAL, "bk_pg_copy_in(): no table");
    if (strchr(into, ';') != NULL)
        return bk_fail(BK_EINTERNAL, "bk_pg_copy_in(): \"%s\" is no table with columns", into);
    return BK_OK;
}

bk_err bk_pg_copy_in(bk_pg *pg, const char *into, bk_pg_copy_fn fn, void *data, int64_t *changed)
{
    struct bk__pg_conn *conn = pg->conn;

    BK_TRY(check_into(into));
    struct bk__pg_work work = {
        .sql = bk_arena_printf(bk_fiber_arena(), "COPY %s FROM STDIN", into).ptr};
    BK_TRY(bk__pg_find(pg, &work, BK__PG_RUN_OURS));
    if (pg->conn == NULL)
        BK_TRY(bk__pg_hold(pg->pool, &conn, __FILE__, __LINE__));
    else if (conn->broken)
        return bk_fail(BK_EUNAVAILABLE, "the connection to the database was lost");
    bk_err err = run_on(pg, conn, work.sql, fn, data, changed);
    if (pg->conn == NULL)
        bk__pg_conn_release(conn);
    return err;
}
