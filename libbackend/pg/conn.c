/*
 * conn.c: writing, reading and ending. See conn.h; answer.c reads the server's messages.
 *
 * Three things must hold. The stream is counted in bytes, so that it is known of each unit whether
 * all of it has left: what has not did not run. A connection is only freed with nothing of it on
 * the stack (`busy`). Fibers are gone on with on the loop's stack once all input is parsed, so that
 * no application code runs in the middle of a message.
 */
#include "pg/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/log.h>

#include "core/assert.h"
#include "core/fault.h"
#include "pg/pg.h"

#define INPUT_FIRST (64u * 1024)
#define INPUT_KEPT  (256u * 1024) /* a larger buffer is given back once it is empty */
#define TRAIN_MAX   16            /* units that share a Sync */
#define LOOK_MS     20            /* how often units are looked after whose fiber has left */
#define CANCEL_MS   5000          /* a cancelled statement that goes on for longer: cut */
#define AGAIN_MS    200           /* a request that came before its statement began was lost */

static uint64_t loop_ms(const struct bk__pg_conn *conn)
{
    return conn->io.loop->clock.now_ms;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Room behind in_end for at least one more byte, and for the message that has begun. */
static void make_room(struct bk__pg_conn *conn)
{
    size_t held = conn->in_end - conn->in_start;
    size_t wanted = conn->in_wanted > INPUT_FIRST ? conn->in_wanted : INPUT_FIRST;

    if (held == 0 && conn->in_cap > INPUT_KEPT && wanted <= INPUT_FIRST) {
        free(conn->in);
        conn->in = NULL;
        conn->in_cap = 0;
    }
    if (conn->in_cap < wanted) {
        char *larger = malloc(wanted);
        bk_assert(larger != NULL);
        if (held > 0)
            memcpy(larger, conn->in + conn->in_start, held);
        free(conn->in);
        conn->in = larger;
        conn->in_cap = wanted;
    } else if (held > 0 && conn->in_start > 0) {
        memmove(conn->in, conn->in + conn->in_start, held);
    }
    conn->in_start = 0;
    conn->in_end = held;
}

static void read_all(struct bk__pg_conn *conn)
{
    while (!conn->broken) {
        if (conn->paused) {
            conn->paused_with_input = true;
            return;
        }
        if (conn->in_start == conn->in_end)
            conn->in_start = conn->in_end = 0;
        if (conn->in_end == conn->in_cap || conn->in_wanted > conn->in_cap - conn->in_start)
            make_room(conn);
        size_t room = conn->in_cap - conn->in_end;
        ssize_t got = bk__pg_link_read(conn->link, conn->in + conn->in_end, room);
        if (got > 0) {
            conn->in_end += (size_t)got;
            bk__pg_conn_parse(conn);
            if ((size_t)got < room && conn->link->ssl == NULL && !conn->hung_up)
                return; /* there is no more: the next bytes will be told of */
        } else if (got == 0) {
            bk__pg_conn_break(conn, "the server closed the connection");
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR) {
            bk__pg_conn_break(conn, "the connection failed");
        }
    }
}

/* What was answered since the last time took so long, each on average. */
static void measure(struct bk__pg_conn *conn)
{
    uint64_t now = bk_now_ns();
    uint64_t each = (now - conn->since_ns) / conn->finished_count;

    conn->service_ns += (int64_t)(each - conn->service_ns) / 8;
    bk__list_each(it, &conn->finished) {
        struct bk__pg_unit *unit = bk__container_of(it, struct bk__pg_unit, link);
        struct bk__pg_statement *statement = unit->one.statement;
        if (unit->count == 1 && statement != NULL)
            statement->service_ns =
                statement->service_ns == 0
                    ? each
                    : statement->service_ns +
                          (uint64_t)((int64_t)(each - statement->service_ns) / 8);
    }
    conn->since_ns = conn->unit_count > 0 ? now : 0;
}

static void wake_finished(struct bk__pg_conn *conn)
{
    struct bk__link *link;

    if (conn->finished_count > 0 && conn->since_ns != 0)
        measure(conn);
    conn->finished_count = 0;
    while ((link = bk__list_pop(&conn->finished)) != NULL) {
        struct bk__pg_unit *unit = bk__container_of(link, struct bk__pg_unit, link);
        if (conn->io.loop->current == NULL)
            bk__fiber_wake_now(unit->fiber);
        else
            bk_fiber_wake(unit->fiber);
    }
}

static void free_conn(struct bk__pg_conn *conn);

/* On the loop's stack: begins and ends work on the connection. */
static void enter(struct bk__pg_conn *conn)
{
    conn->busy = true;
}

static void leave(struct bk__pg_conn *conn)
{
    wake_finished(conn);
    conn->busy = false;
    if (conn->close_soon)
        free_conn(conn);
}

/* --- trains ----------------------------------------------------------------------------------- */

/* Sends the Sync of the train that was begun. */
static void seal_train(struct bk__pg_conn *conn)
{
    struct bk__pg_unit *last = conn->train;

    if (last == NULL)
        return;
    bk__pg_put_sync(&conn->out);
    uint64_t end = conn->written + (conn->out.end - conn->out.start);
    struct bk__link *it = &last->link;
    for (uint32_t i = 0; i < conn->train_count; i++, it = it->prev)
        bk__container_of(it, struct bk__pg_unit, link)->end = end;
    conn->train = NULL;
    conn->train_count = 0;
}

/* Whether what is sent next may share its Sync with others: a simple read that is prepared. */
static bool may_join(struct bk__pg_conn *conn, const struct bk__pg_work *works, size_t count,
                     unsigned flags)
{
    struct bk__pg_statement *statement = works[0].statement;

    if ((flags & (BK__PG_SEND_SHARED | BK__PG_SEND_APART)) != BK__PG_SEND_SHARED || count != 1 ||
        !statement->is_read || conn->pool->opts.no_prepare)
        return false;
    const struct bk__pg_prepared *entry = bk__pg_table_at(&conn->prepared, statement->slot);
    if (entry->id != statement->id || entry->stale)
        return false;
    if (statement->apart > 0) {
        statement->apart--;
        return false;
    }
    return true;
}

/* Puts the unit that was just written behind the others of the train, or begins one. */
static void join_train(struct bk__pg_conn *conn, struct bk__pg_unit *unit)
{
    if (conn->train != NULL)
        conn->train->joined = true;
    conn->train = unit;
    conn->train_count++;
    unit->end = UINT64_MAX;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_out(struct bk__pg_conn *conn)
{
    struct bk__pg_out *out = &conn->out;

    seal_train(conn);
    if (conn->since_ns == 0 && conn->unit_count > 0)
        conn->since_ns = bk_now_ns();
    while (out->start < out->end && !conn->write_blocked && !conn->broken) {
        ssize_t sent = bk__pg_link_write(conn->link, out->ptr + out->start, out->end - out->start);
        if (sent >= 0) {
            out->start += (size_t)sent;
            conn->written += (uint64_t)sent;
            conn->pool->stats.flushes++;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            conn->write_blocked = true;
        } else if (errno != EINTR) {
            read_all(conn); /* the server may have said why */
            bk__pg_conn_break(conn, "the connection failed");
        }
    }
    if (out->start == out->end)
        out->start = out->end = 0;
    if (conn->drained != NULL && out->end - out->start <= BK__PG_DRAINED)
        bk_fiber_wake(conn->drained);
}

static void on_turn(struct bk__put_off *work)
{
    struct bk__pg_conn *conn = bk__container_of(work, struct bk__pg_conn, turn);

    enter(conn);
    write_out(conn);
    if (conn->paused_with_input && !conn->paused) {
        conn->paused_with_input = false;
        read_all(conn);
    }
    leave(conn);
}

static void on_io(struct bk__io *io, unsigned ready)
{
    struct bk__pg_conn *conn = bk__container_of(io, struct bk__pg_conn, io);

    enter(conn);
    conn->hung_up |= (ready & BK__HUNG_UP) != 0;
    if ((ready & BK_READABLE) != 0 || conn->link->ssl != NULL)
        read_all(conn);
    if ((ready & BK_WRITABLE) != 0) {
        conn->write_blocked = false;
        write_out(conn);
    }
    leave(conn);
}

void bk__pg_conn_flush_soon(struct bk__pg_conn *conn)
{
    if (!conn->broken)
        bk__loop_put_off(conn->io.loop, &conn->turn);
}

void bk__pg_conn_pause(struct bk__pg_conn *conn)
{
    conn->paused = true;
}

void bk__pg_conn_resume(struct bk__pg_conn *conn)
{
    conn->paused = false;
    if (conn->paused_with_input)
        bk__pg_conn_flush_soon(conn);
}

uint64_t bk__pg_conn_wait_ns(const struct bk__pg_conn *conn)
{
    const bk_pg_opts *opts = &conn->pool->opts;

    if (conn->worn)
        return BK__POOL_BUSY;
    if (conn->unit_count == 0)
        return 0;
    if (conn->unit_count >= opts->pipeline || loop_ms(conn) - conn->head_ms > opts->slow_ms)
        return BK__POOL_BUSY;
    return conn->unit_count * conn->service_ns;
}

/* --- units ------------------------------------------------------------------------------------ */

static struct bk__pg_unit *take_unit(struct bk__pg_conn *conn, size_t count)
{
    struct bk__link *spare = bk__list_pop(&conn->pool->spare_units);
    struct bk__pg_unit *unit =
        spare != NULL ? bk__container_of(spare, struct bk__pg_unit, link) : malloc(sizeof *unit);

    bk_assert(unit != NULL && count > 0);
    memset(unit, 0, sizeof *unit);
    unit->conn = conn;
    unit->count = (uint32_t)count;
    unit->calls = count == 1 ? &unit->one : calloc(count, sizeof *unit->calls);
    bk_assert(unit->calls != NULL);
    return unit;
}

static void give_unit(struct bk__pg_pool *pool, struct bk__pg_unit *unit)
{
    for (uint32_t i = 0; i < unit->count; i++) {
        bk__pg_shape_unref(unit->calls[i].shape);
        if (unit->calls[i].statement != NULL)
            unit->calls[i].statement->runs--;
    }
    if (unit->calls != &unit->one)
        free(unit->calls);
    bk__list_push(&pool->spare_units, &unit->link);
}

void bk__pg_unit_free(struct bk__pg_unit *unit)
{
    bk_assert(unit->outcome != BK__PG_PENDING);
    if (bk__link_in_list(&unit->link))
        bk__list_remove(&unit->link); /* its fiber came before its wake */
    give_unit(unit->pool, unit);
}

/* Adds what one statement needs. */
static bk_err put_call(struct bk__pg_conn *conn, struct bk__pg_call *call,
                       const struct bk__pg_work *work, bool named)
{
    struct bk__pg_statement *statement = call->statement;
    struct bk__pg_bind bind = {.statement = "", .args = work->args};
    char name[BK__PG_NAME_MAX], old[BK__PG_NAME_MAX];

    if (named) {
        struct bk__pg_prepared *entry = bk__pg_table_at(&conn->prepared, statement->slot);
        bind.statement = bk__pg_statement_name(statement->id, name);
        if (entry->id != statement->id || entry->stale) {
            call->replaced = *entry;
            call->parses = true;
            *entry = (struct bk__pg_prepared){.id = statement->id, .shape = bk__pg_shape_new()};
            if (call->replaced.id != 0)
                bk__pg_put_close(&conn->out, bk__pg_statement_name(call->replaced.id, old));
            bk__pg_put_parse(&conn->out, bind.statement, statement->sql, "");
            bk__pg_put_describe(&conn->out, bind.statement);
        } else if (entry->shape->known) {
            if (entry->shape->param_count == work->args.count)
                bind.types = entry->shape->params;
            if (call->sink != NULL)
                bind.formats = bk__pg_sink_formats(call->sink, entry->shape);
            bind.format_count = entry->shape->column_count;
        }
        call->shape = bk__pg_shape_ref(entry->shape);
    } else {
        call->shape = bk__pg_shape_new();
        bk__pg_put_parse(&conn->out, "", statement->sql,
                         work->comment != NULL ? work->comment : "");
    }
    call->text = bind.formats == NULL;
    BK_TRY(bk__pg_put_bind(&conn->out, &bind));
    if (!named)
        bk__pg_put_describe_portal(&conn->out);
    bk__pg_put_execute(&conn->out);
    return BK_OK;
}

/* Of calls whose messages are sent, or are taken back. */
static void settle_prepared(struct bk__pg_conn *conn, struct bk__pg_unit *unit, bool sent)
{
    for (uint32_t i = unit->count; i-- > 0;) {
        struct bk__pg_call *call = &unit->calls[i];
        if (!call->parses)
            continue;
        struct bk__pg_prepared *entry = bk__pg_table_at(&conn->prepared, call->statement->slot);
        if (sent) {
            bk__pg_prepared_drop(&call->replaced);
            conn->pool->stats.prepared++;
        } else {
            bk__pg_prepared_drop(entry);
            *entry = call->replaced;
        }
    }
}

struct bk__pg_unit *bk__pg_conn_send(struct bk__pg_conn *conn, struct bk__pg_work *works,
                                     size_t count, unsigned flags)
{
    struct bk__pg_pool *pool = conn->pool;
    bool named = !pool->opts.no_prepare && (flags & BK__PG_SEND_UNNAMED) == 0;
    bk_err err = BK_OK;

    bk_assert(!conn->broken);
    if (works[0].statement == NULL)
        works[0].statement = bk__pg_statement_find(&pool->statements, works[0].sql);
    bool joins = may_join(conn, works, count, flags);
    if (!joins || conn->train_count == TRAIN_MAX)
        seal_train(conn);
    struct bk__pg_unit *unit = take_unit(conn, count);
    size_t queued = conn->out.end - conn->out.start;
    unit->pool = pool;
    unit->begin = conn->written + queued;
    for (size_t i = 0; i < count && err == BK_OK; i++) {
        struct bk__pg_call *call = &unit->calls[i];
        if (works[i].statement == NULL)
            works[i].statement = bk__pg_statement_find(&pool->statements, works[i].sql);
        call->statement = works[i].statement;
        call->statement->runs++; /* so that the next look-up cannot push it out */
        call->sink = works[i].sink;
        err = put_call(conn, call, &works[i], named);
    }
    settle_prepared(conn, unit, err == BK_OK);
    if (err != BK_OK) {
        conn->out.end = conn->out.start + queued;
        give_unit(pool, unit);
        return NULL;
    }
    unit->shared = (flags & BK__PG_SEND_SHARED) != 0;
    unit->is_ours = (flags & BK__PG_SEND_OURS) != 0;
    unit->fiber = unit->is_ours ? NULL : bk_fiber_self();
    unit->open = (flags & BK__PG_SEND_OPEN) != 0;
    if (joins) {
        join_train(conn, unit);
    } else {
        if (!unit->open)
            bk__pg_put_sync(&conn->out);
        unit->end = unit->open ? UINT64_MAX : conn->written + (conn->out.end - conn->out.start);
    }
    bk__list_push(&conn->units, &unit->link);
    if (conn->unit_count++ == 0)
        conn->head_ms = loop_ms(conn);
    pool->stats.in_flight++;
    bk__pg_conn_flush_soon(conn);
    return unit;
}

void bk__pg_unit_finish(struct bk__pg_unit *unit)
{
    struct bk__pg_conn *conn = unit->conn;

    bk_assert(unit->open);
    unit->open = false;
    if (conn == NULL || conn->broken)
        return;
    bk__pg_put_sync(&conn->out);
    unit->end = conn->written + (conn->out.end - conn->out.start);
    bk__pg_conn_flush_soon(conn);
}

/* There is something to be done about an open unit before it goes on. */
static bool is_open_ready(const struct bk__pg_unit *unit)
{
    return unit->open && (unit->copying || unit->failed);
}

bk_err bk__pg_unit_wait(struct bk__pg_unit *unit)
{
    bk_err err = BK_OK;

    while (unit->outcome == BK__PG_PENDING && !is_open_ready(unit) && err == BK_OK)
        err = bk__fiber_wait(BK__NEVER);
    if (err == BK_OK || unit->outcome != BK__PG_PENDING)
        return BK_OK;
    bk__pg_unit_abandon(unit);
    return err;
}

/* --- units whose fiber has left ----------------------------------------------------------------- */

static void settle(struct bk__pg_conn *conn);

static void on_cancelled(bool sent, void *data)
{
    struct bk__pg_conn *conn = data;

    (void)sent;
    conn->cancel = NULL;
    if (conn->settling)
        settle(conn);
}

/* Cancels what the server is running when nobody wants it any more. A request may come too late and
 * hit the statement behind: that one is then known not to have run, and is sent again. */
static void look_after(struct bk__pg_conn *conn)
{
    if (conn->left_count == 0 || conn->broken)
        return;
    struct bk__pg_unit *head = bk__pg_conn_answering(conn);
    uint64_t now = loop_ms(conn);
    if (head->left_ms != 0 && now - head->left_ms > CANCEL_MS && now - conn->head_ms > CANCEL_MS) {
        bk__pg_conn_break(conn, "no answer to a cancel request");
        return;
    }
    if (head->left_ms != 0 && head->begin < conn->written && conn->cancel == NULL &&
        (!head->cancelled || now - conn->cancel_ms >= AGAIN_MS)) {
        head->cancelled = true;
        conn->cancel_ms = now;
        conn->cancel = bk__pg_cancel_begin(conn->link, on_cancelled, conn);
        conn->pool->stats.cancelled += conn->cancel != NULL;
    }
    bk__timer_set(conn->io.loop, &conn->timer, now + LOOK_MS);
}

static void on_timer(struct bk__timer *timer)
{
    look_after(bk__container_of(timer, struct bk__pg_conn, timer));
}

void bk__pg_unit_abandon(struct bk__pg_unit *unit)
{
    struct bk__pg_conn *conn = unit->conn;

    bk_assert(unit->outcome == BK__PG_PENDING);
    unit->fiber = NULL;
    unit->error = NULL;
    unit->left_ms = loop_ms(conn);
    for (uint32_t i = 0; i < unit->count; i++)
        unit->calls[i].sink = NULL;
    conn->left_count++;
    if (unit->open) {
        /* What was loaded so far is not wanted. Also when COPY has not begun yet: once it does, the
         * server waits for this, and takes no Sync before. Where there is no COPY it is ignored. */
        bk__pg_put_copy_fail(&conn->out, "the client gave up");
        bk__pg_unit_finish(unit);
    }
    bk__pg_conn_resume(conn);
    look_after(conn);
}

/* --- giving back ------------------------------------------------------------------------------ */

static void send_ours(struct bk__pg_conn *conn, const char *sql)
{
    struct bk__pg_work work = {.sql = sql, .args = BK_NO_ARGS};
    struct bk__pg_unit *unit =
        bk__pg_conn_send(conn, &work, 1, BK__PG_SEND_OURS | BK__PG_SEND_UNNAMED);

    bk_assert(unit != NULL);
}

/* Takes the next step towards a clean connection, if it need not wait. */
static void settle(struct bk__pg_conn *conn)
{
    if (conn->unit_count > 0 || conn->cancel != NULL || conn->broken)
        return;
    if (conn->tx_status != 'I') {
        send_ours(conn, "ROLLBACK");
    } else if (conn->session_used) {
        conn->session_used = false;
        bk__pg_table_clear(&conn->prepared);
        send_ours(conn, "DISCARD ALL");
    } else {
        conn->settling = false;
        bk__pool_put(&conn->pool->members, &conn->member);
    }
}

void bk__pg_conn_release(struct bk__pg_conn *conn)
{
    conn->held = false;
    if (conn->broken) {
        bk__pg_conn_close(conn);
        return;
    }
    conn->settling = true;
    settle(conn);
}

/* --- ending ----------------------------------------------------------------------------------- */

/* A statement whose Parse did not succeed, or whose plan has become useless, is prepared anew the
 * next time; closing what does not exist is no error. */
static void doubt_prepared(struct bk__pg_conn *conn, struct bk__pg_unit *unit)
{
    bool stale = bk__pg_error_is_stale_plan(unit->error) ||
                 bk__pg_error_is(unit->error, BK__PG_NO_SUCH_STATEMENT);

    for (uint32_t i = 0; i < unit->count; i++) {
        struct bk__pg_call *call = &unit->calls[i];
        struct bk__pg_prepared *entry = bk__pg_table_at(&conn->prepared, call->statement->slot);
        if (entry->shape == call->shape && (stale || !call->shape->known))
            entry->stale = true;
    }
}

void bk__pg_conn_finish_head(struct bk__pg_conn *conn, enum bk__pg_outcome outcome)
{
    struct bk__pg_unit *unit = bk__container_of(conn->units.anchor.next, struct bk__pg_unit, link);
    struct bk__pg_pool *pool = conn->pool;
    bool ours_failed = unit->is_ours && unit->failed;

    bk__list_remove(&unit->link);
    if (unit == conn->answering)
        conn->answering = NULL;
    conn->unit_count--;
    conn->head_ms = loop_ms(conn);
    pool->stats.in_flight--;
    pool->stats.statements += outcome == BK__PG_DONE ? unit->count : 0;
    pool->stats.lost += outcome == BK__PG_LOST;
    if (unit->left_ms != 0)
        conn->left_count--;
    if (unit->failed)
        doubt_prepared(conn, unit);
    unit->outcome = outcome;
    unit->conn = NULL;
    bool shared = unit->shared;
    if (unit->fiber != NULL) {
        bk__list_push(&conn->finished, &unit->link);
        conn->finished_count++;
    } else {
        give_unit(pool, unit);
    }
    if (conn->broken)
        return;
    if (ours_failed)
        bk__pg_conn_break(conn, "it could not be cleaned up");
    else if (shared)
        bk__pool_put(&pool->members, &conn->member);
    else if (conn->settling)
        settle(conn);
}

/* What has become of a unit that is on its way while the connection breaks. The server runs units
 * in order, so when it said good-bye, it did so in the one that it was answering. */
static enum bk__pg_outcome outcome_of(const struct bk__pg_conn *conn,
                                      const struct bk__pg_unit *unit, bool answering)
{
    if (unit->failed)
        return BK__PG_DONE;
    if (unit->end > conn->written || (conn->fatal && !answering) || conn->pool->opts.read_only)
        return BK__PG_NOT_RUN;
    return BK__PG_LOST;
}

void bk__pg_conn_break(struct bk__pg_conn *conn, const char *why)
{
    bool was_busy = conn->busy;

    if (conn->broken)
        return;
    enter(conn);
    conn->broken = true;
    bk__io_remove(&conn->io);
    bk__loop_forget(&conn->turn);
    bk__timer_stop(conn->io.loop, &conn->timer);
    bk__pg_cancel_abandon(conn->cancel);
    conn->cancel = NULL;
    bk_debug("pg.lost", bk_kv_cstr("pool", conn->pool->members.name), bk_kv_cstr("why", why),
             bk_kv_i64("in_flight", conn->unit_count),
             bk_kv_cstr("server", conn->fatal ? conn->fatal_words : ""));
    conn->train = NULL;
    const struct bk__pg_unit *answering = bk__pg_conn_answering(conn);
    while (conn->unit_count > 0) {
        struct bk__pg_unit *head =
            bk__container_of(conn->units.anchor.next, struct bk__pg_unit, link);
        head->why = conn->fatal ? "the server ended the session" : why;
        bk__pg_conn_finish_head(conn, outcome_of(conn, head, head == answering));
    }
    conn->owner->broken(conn); /* first: who goes on may not be given this one again */
    if (!was_busy)
        leave(conn);
}

static void free_conn(struct bk__pg_conn *conn)
{
    bk_assert(bk__list_empty(&conn->units) && bk__list_empty(&conn->finished));
    bk__pg_link_close(conn->link);
    bk__pg_table_fini(&conn->prepared);
    bk__pg_out_fini(&conn->out);
    free((char *)(uintptr_t)conn->parameters.ptr);
    free(conn->in);
    free(conn);
}

void bk__pg_conn_close(struct bk__pg_conn *conn)
{
    if (!conn->broken) {
        bk_assert(conn->unit_count == 0);
        conn->broken = true;
        bk__io_remove(&conn->io);
        bk__loop_forget(&conn->turn);
        bk__timer_stop(conn->io.loop, &conn->timer);
        bk__pg_cancel_abandon(conn->cancel);
    }
    if (conn->busy)
        conn->close_soon = true;
    else
        free_conn(conn);
}

struct bk__pg_conn *bk__pg_conn_new(struct bk__pg_pool *pool, struct bk__pg_link *link,
                                    const struct bk__pg_conn_owner *owner, void *data)
{
    struct bk__pg_conn *conn = calloc(1, sizeof *conn);

    bk_assert(conn != NULL);
    conn->pool = pool;
    conn->link = link;
    conn->owner = owner;
    conn->data = data;
    conn->turn.fn = on_turn;
    conn->timer.fn = on_timer;
    conn->tx_status = 'I';
    bk__list_init(&conn->units);
    bk__list_init(&conn->finished);
    if (bk__io_add(&conn->io, link->fd, on_io) != BK_OK) {
        free_conn(conn);
        return NULL;
    }
    return conn;
}
