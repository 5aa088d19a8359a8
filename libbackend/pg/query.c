/*
 * query.c: statements, from a fiber's call to its result.
 *
 * A statement goes to the connection that is quickest to take it; one that is known to be slow gets
 * a connection of its own, where nobody waits behind it. What came of it decides whether it may be
 * sent once more: only what is known not to have run is.
 */
#include <backend/log.h>

#include "core/assert.h"
#include "pg/pg.h"

#define ATTEMPTS  3
#define SQL_SHOWN 200

/* --- what may be sent ------------------------------------------------------------------------- */

static bk_err check_verb(const bk_pg *pg, enum bk__pg_verb verb)
{
    switch (verb) {
    case BK__PG_VERB_PLAIN:
        return BK_OK;
    case BK__PG_VERB_TX:
        if (pg->conn != NULL && pg->tx == NULL)
            return BK_OK;
        return bk_fail(BK_EINTERNAL, "a transaction is begun and ended by bk_pg_tx() alone");
    case BK__PG_VERB_SESSION:
        if (pg->conn != NULL)
            return BK_OK;
        return bk_fail(BK_EINTERNAL,
                       "this would change a connection that others use: do it in bk_pg_session(), "
                       "or, for SET LOCAL, in bk_pg_tx(); bk_pg_listen() is for LISTEN");
    case BK__PG_VERB_COPY:
        return bk_fail(BK_EINTERNAL, "COPY goes by bk_pg_copy_in()");
    }
    bk_unreachable("no such verb");
}

bk_err bk__pg_find(bk_pg *pg, struct bk__pg_work *work, unsigned flags)
{
    if (pg->conn != NULL && pg->conn->streaming) {
        bk_fail(BK_EINTERNAL, "within bk_pg_each() and bk_pg_copy_in() the transaction or session "
                              "that they run in takes no other statement");
        return BK_EINTERNAL;
    }
    work->statement = bk__pg_statement_find(&pg->pool->statements, work->sql);
    if (work->statement->verb == BK__PG_VERB_PLAIN || (flags & BK__PG_RUN_OURS) != 0)
        return BK_OK;
    bk_err err = check_verb(pg, work->statement->verb);
    if (err == BK_OK && work->statement->verb == BK__PG_VERB_SESSION && pg->conn != NULL)
        pg->conn->session_used = true;
    return bk_context(err, "in: %.*s", SQL_SHOWN, work->sql);
}

/* --- results ---------------------------------------------------------------------------------- */

static const char *sql_of(const struct bk__pg_unit *unit)
{
    uint32_t at = unit->at < unit->count ? unit->at : unit->count - 1;

    return unit->calls[at].statement->sql;
}

bk_err bk__pg_unit_result(const struct bk__pg_unit *unit)
{
    if (unit->outcome == BK__PG_DONE)
        return unit->failed ? bk__pg_error_fail(unit->error, sql_of(unit)) : BK_OK;
    bk_fail(BK_EUNAVAILABLE, "the connection to the database was lost");
    return bk_context(BK_EUNAVAILABLE, "%s; %s", unit->why,
                      unit->outcome == BK__PG_NOT_RUN
                          ? "the statement did not run"
                          : "it is not known whether the statement ran");
}

bool bk__pg_may_run_again(const bk_pg *pg, const struct bk__pg_unit *unit)
{
    if (pg->conn != NULL)
        return false;
    if (unit->outcome != BK__PG_DONE)
        return unit->outcome == BK__PG_NOT_RUN;
    return unit->failed && (unit->hit || bk__pg_error_is_stale_plan(unit->error) ||
                            bk__pg_error_is(unit->error, BK__PG_NO_SUCH_STATEMENT));
}

static void reset_sinks(struct bk__pg_work *works, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (works[i].sink != NULL)
            bk__pg_sink_reset(works[i].sink);
}

/* Hands results over; the first error counts. */
static bk_err end_works(struct bk__pg_work *works, size_t count, const struct bk__pg_unit *unit,
                        size_t first)
{
    bk_err err = BK_OK;

    for (size_t i = 0; i < count; i++) {
        if (works[i].changed != NULL)
            *works[i].changed = unit->calls[first + i].changed;
        if (works[i].sink == NULL)
            continue;
        bk_err one = bk__pg_sink_end(works[i].sink);
        if (one == BK_OK || err != BK_OK)
            continue;
        err = one;
        if (one != BK_ENOTFOUND)
            bk_context(err, "in: %.*s", SQL_SHOWN, works[i].sql);
    }
    return err;
}

/* --- running ---------------------------------------------------------------------------------- */

static void let_go(struct bk__pg_work *works, size_t count)
{
    for (size_t i = 0; i < count; i++)
        works[i].statement->runs--;
}

/* Finds the statements and has them stay, whatever is looked up until let_go(). */
static bk_err find_all(bk_pg *pg, struct bk__pg_work *works, size_t count, unsigned flags)
{
    for (size_t i = 0; i < count; i++) {
        bk_err err = bk__pg_find(pg, &works[i], flags);
        if (err != BK_OK) {
            let_go(works, i);
            return err;
        }
        works[i].statement->runs++;
    }
    return BK_OK;
}

/* Where it goes. @p mine: the connection is to be given back by whoever asked. */
static bk_err find_conn(bk_pg *pg, struct bk__pg_work *works, size_t count, unsigned flags,
                        struct bk__pg_conn **conn, bool *mine)
{
    struct bk__pg_pool *pool = pg->pool;
    bool alone = (flags & BK__PG_RUN_ALONE) != 0;
    struct bk__member *member;

    *mine = false;
    if (pg->conn != NULL) {
        *conn = pg->conn;
        if (pg->conn->broken)
            return bk_fail(BK_EUNAVAILABLE, "the connection to the database was lost");
        return BK_OK;
    }
    for (size_t i = 0; i < count; i++)
        alone |= works[i].statement->service_ns > pool->slow_ns;
    if (alone) {
        BK_TRY(bk__pg_hold(pool, conn, __FILE__, __LINE__));
        *mine = true;
        return BK_OK;
    }
    BK_TRY(bk__pool_share(&pool->members, &member));
    *conn = bk__container_of(member, struct bk__pg_conn, member);
    return BK_OK;
}

struct bk__pg_unit *bk__pg_send(bk_pg *pg, struct bk__pg_conn *conn, struct bk__pg_work *works,
                                size_t count, unsigned flags, size_t *first)
{
    struct bk__pg_work pair[2];

    *first = 0;
    if (pg->tx == NULL || pg->tx->begun)
        return bk__pg_conn_send(conn, works, count, flags);
    struct bk__pg_work *all = pair;
    if (count > 1)
        all = bk_arena_alloc(bk_fiber_arena(), (count + 1) * sizeof *all);
    all[0] = (struct bk__pg_work){.sql = pg->tx->begin, .args = BK_NO_ARGS};
    memcpy(all + 1, works, count * sizeof *works);
    struct bk__pg_unit *unit = bk__pg_conn_send(conn, all, count + 1, flags);
    pg->tx->begun = unit != NULL;
    *first = 1;
    return unit;
}

/* One attempt. *again: it did not run and may be tried again. */
static bk_err run_once(bk_pg *pg, struct bk__pg_work *works, size_t count, unsigned flags,
                       bool *again)
{
    struct bk__pg_conn *conn;
    bool mine;
    size_t first;

    *again = false;
    BK_TRY(find_all(pg, works, count, flags));
    bk_err err = find_conn(pg, works, count, flags, &conn, &mine);
    if (err != BK_OK) {
        let_go(works, count);
        return err;
    }
    bool shared = pg->conn == NULL && !mine;
    unsigned send_flags = shared ? BK__PG_SEND_SHARED : 0;
    /* Nor does it rely on the Parse of another; and what has a comment is parsed each time. */
    if ((flags & BK__PG_RUN_APART) != 0 || works[0].comment != NULL)
        send_flags |= BK__PG_SEND_APART | BK__PG_SEND_UNNAMED;
    struct bk__pg_unit *unit = bk__pg_send(pg, conn, works, count, send_flags, &first);
    let_go(works, count);
    if (unit == NULL) {
        if (shared)
            bk__pool_put(&pg->pool->members, &conn->member);
        else if (mine)
            bk__pg_conn_release(conn);
        return bk_context(BK_EINVAL, "in: %.*s", SQL_SHOWN, works[0].sql);
    }
    err = bk__pg_unit_wait(unit);
    if (mine)
        bk__pg_conn_release(conn);
    if (err != BK_OK) {
        reset_sinks(works, count);
        bk_fail(err, err == BK_ETIMEDOUT ? "the database did not answer in time"
                                         : "cancelled while the database worked");
        return bk_context(err, "in: %.*s", SQL_SHOWN, works[0].sql);
    }
    *again = bk__pg_may_run_again(pg, unit);
    err = bk__pg_unit_result(unit);
    if (err == BK_OK)
        err = end_works(works, count, unit, first);
    else
        reset_sinks(works, count);
    bk__pg_unit_free(unit);
    return err;
}

static bk_err run(bk_pg *pg, struct bk__pg_work *works, size_t count, unsigned flags)
{
    bool again;
    bk_err err = run_once(pg, works, count, flags, &again);

    for (int attempt = 1; again && attempt < ATTEMPTS; attempt++) {
        pg->pool->stats.resent++;
        bk_error_clear();
        err = run_once(pg, works, count, flags | BK__PG_RUN_APART, &again);
    }
    return err;
}

bk_err bk__pg_run(bk_pg *pg, struct bk__pg_work *works, size_t count, unsigned flags)
{
    struct bk__pg_observation seen;

    bk__pg_observe(&seen, pg->pool, works, count);
    bk_err err = run(pg, works, count, flags);
    bk__pg_observed(&seen, err);
    return err;
}

/* --- public ----------------------------------------------------------------------------------- */

/* One statement with a place for its rows. */
static bk_err run_one(bk_pg *pg, const char *sql, bk_args args, struct bk__pg_sink *sink)
{
    struct bk__pg_work work = {.sql = sql, .args = args, .sink = sink};

    sink->arena = bk_fiber_arena();
    sink->limit = pg->pool->opts.result_bytes;
    return bk__pg_run(pg, &work, 1, 0);
}

bk_err bk_pg_exec(bk_pg *pg, const char *sql, bk_args args, int64_t *changed)
{
    struct bk__pg_work work = {.sql = sql, .args = args, .changed = changed};

    return bk__pg_run(pg, &work, 1, 0);
}

bk_err bk_pg_one(bk_pg *pg, const char *sql, bk_args args, bk_desc_fn desc, void *out)
{
    struct bk__pg_sink sink = {.kind = BK__PG_SINK_ONE, .desc = desc, .out = out};

    return run_one(pg, sql, args, &sink);
}

bk_err bk_pg_all(bk_pg *pg, const char *sql, bk_args args, bk_desc_fn desc, bk_array *out)
{
    struct bk__pg_sink sink = {.kind = BK__PG_SINK_ALL, .desc = desc, .out = out};

    *out = (bk_array){0};
    return run_one(pg, sql, args, &sink);
}

bk_err bk_pg_query(bk_pg *pg, const char *sql, bk_args args, bk_rows **rows)
{
    struct bk__pg_sink sink = {.kind = BK__PG_SINK_ROWS, .out = rows};

    return run_one(pg, sql, args, &sink);
}

bk_err bk_pg_json(bk_pg *pg, const char *sql, bk_args args, bk_json_writer *writer)
{
    struct bk__pg_sink sink = {.kind = BK__PG_SINK_JSON};

    BK_TRY(run_one(pg, sql, args, &sink));
    bk_json_write_raw(writer, bk_buf_str(&sink.json));
    return BK_OK;
}
