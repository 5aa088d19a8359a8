/*
 * answer.c: the server's messages, and the units that they belong to.
 *
 * The server answers units in order, and the calls of a unit in order, so the state is only which
 * call of the first unit is being answered:
 *
 *     [3 CloseComplete] [1 ParseComplete, t ParameterDescription, T RowDescription or n NoData]
 *     2 BindComplete  D DataRow ...  C CommandComplete or I EmptyQueryResponse
 *     E ErrorResponse: what follows up to the Sync was not run
 *     Z ReadyForQuery: the unit is done
 *
 * (PostgreSQL documentation, "Message Flow", "Extended Query".) Whatever does not fit breaks the
 * connection: after a misunderstanding nothing that it says can be trusted.
 */
#include <stdlib.h>
#include <string.h>

#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "pg/conn.h"
#include "pg/pg.h"

#define MESSAGE_MAX (256u * 1024 * 1024)
#define APART_RUNS  1000 /* a statement that failed in a train travels alone for so many runs */
#define STRAY_CANCEL_MS                                                                            \
    10000 /* so long after a cancel request another statement may be hit by it */

static void misunderstood(struct bk__pg_conn *conn)
{
    bk__pg_conn_break(conn, "the server sent what was not expected");
}

/* The call that is being answered; NULL: none is expected to be. */
static struct bk__pg_call *call_of(const struct bk__pg_unit *unit)
{
    if (unit == NULL || unit->failed || unit->at >= unit->count)
        return NULL;
    return &unit->calls[unit->at];
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Rows are taken in the name of the fiber that waits for them: what goes wrong is recorded there.
 */
static struct bk__task *act_for(const struct bk__pg_unit *unit)
{
    struct bk__task *before = bk__task_current;

    bk__task_current = &unit->fiber->task;
    return before;
}

static bool begin_sink(struct bk__pg_call *call)
{
    if (!call->shape->known)
        return false;
    bk__pg_sink_begin(call->sink, call->shape, call->text);
    call->begun = true;
    return true;
}

static void on_row(struct bk__pg_conn *conn, struct bk__pg_unit *unit, bk_str row)
{
    struct bk__pg_call *call = call_of(unit);
    bool ok = call != NULL;

    if (ok && call->sink != NULL) {
        struct bk__task *before = act_for(unit);
        ok = call->begun || begin_sink(call);
        if (ok)
            bk__pg_sink_row(call->sink, row);
        bk__task_current = before;
    }
    if (!ok)
        misunderstood(conn);
}

/* What the connection has prepared may be gone after such a statement. */
static bool drops_prepared(bk_str tag)
{
    return bk_str_starts(tag, BK_LIT("DEALLOCATE")) || bk_str_starts(tag, BK_LIT("DISCARD ALL"));
}

static void on_complete(struct bk__pg_conn *conn, struct bk__pg_unit *unit, bk_str tag)
{
    struct bk__pg_call *call = call_of(unit);
    bool ok = call != NULL;

    if (ok && call->sink != NULL && !call->begun) {
        struct bk__task *before = act_for(unit);
        ok = begin_sink(call);
        bk__task_current = before;
    }
    if (!ok) {
        misunderstood(conn);
        return;
    }
    if (tag.len != 0)
        tag.len--; /* its NUL */
    if (call->statement->verb == BK__PG_VERB_SESSION && drops_prepared(tag))
        bk__pg_table_doubt(&conn->prepared);
    call->changed = bk__pg_tag_count(tag);
    unit->at++;
    if (unit->joined) {
        conn->answering = bk__container_of(unit->link.next, struct bk__pg_unit, link);
        conn->head_ms = conn->io.loop->clock.now_ms;
    }
}

/* --- descriptions ----------------------------------------------------------------------------- */

static void on_parameters(struct bk__pg_conn *conn, bk_str body)
{
    char *copy = malloc(body.len != 0 ? body.len : 1);

    bk_assert(copy != NULL);
    memcpy(copy, body.ptr, body.len);
    free((char *)(uintptr_t)conn->parameters.ptr);
    conn->parameters = bk_str_at(copy, body.len);
}

/* @p row: absent for a statement without rows. */
static void on_description(struct bk__pg_conn *conn, struct bk__pg_unit *unit, bk_str row)
{
    struct bk__pg_call *call = call_of(unit);
    bool ok = call != NULL && bk__pg_shape_learn(call->shape, conn->parameters, row);

    free((char *)(uintptr_t)conn->parameters.ptr);
    conn->parameters = (bk_str){0};
    if (!ok)
        misunderstood(conn);
}

/* --- errors and ends -------------------------------------------------------------------------- */

/* Whether its Sync is shared. */
static bool is_in_train(const struct bk__pg_conn *conn, const struct bk__pg_unit *unit)
{
    return unit->joined || conn->answering == unit;
}

/* The server has been made a standby, or read only, since we connected: where the URL names several
 * hosts, another is the primary by now. */
static bool has_turned_read_only(const struct bk__pg_conn *conn, const struct bk__pg_unit *unit,
                                 const struct bk__pg_error *error)
{
    return unit->shared && !conn->link->read_only && bk__pg_error_is(error, BK__PG_READ_ONLY);
}

static void on_error(struct bk__pg_conn *conn, struct bk__pg_unit *unit, bk_str body)
{
    struct bk__pg_error error;

    bk__pg_error_read(body, &error);
    if (error.fatal) {
        size_t len = error.message.len < sizeof conn->fatal_words - 1
                         ? error.message.len
                         : sizeof conn->fatal_words - 1;
        conn->fatal = true;
        memcpy(conn->fatal_words, error.message.ptr, len);
        conn->fatal_words[len] = '\0';
        return; /* it closes the connection now */
    }
    if (unit == NULL || unit->failed) {
        misunderstood(conn);
        return;
    }
    unit->failed = true;
    if (is_in_train(conn, unit))
        unit->one.statement->apart = APART_RUNS;
    unit->hit = !unit->cancelled && conn->cancel_ms != 0 &&
                conn->io.loop->clock.now_ms - conn->cancel_ms < STRAY_CANCEL_MS &&
                bk__pg_error_is(&error, BK__PG_CANCELLED);
    conn->worn |= has_turned_read_only(conn, unit, &error);
    conn->pool->stats.errors++;
    if (unit->fiber != NULL) {
        unit->error = bk__pg_error_dup(&unit->fiber->task.arena, &error);
        if (unit->open)
            bk_fiber_wake(unit->fiber);
    }
}

/* Ends the units that a Sync was for. When one of them failed, the server has undone what the
 * others of its train did. */
static void on_ready(struct bk__pg_conn *conn, struct bk__pg_unit *unit, bk_str body)
{
    if (unit == NULL || body.len != 1 || unit->open ||
        (!unit->failed && (unit->joined || unit->at < unit->count))) {
        misunderstood(conn);
        return;
    }
    bool derailed = unit->failed, last, stray = false;
    conn->tx_status = body.ptr[0];
    conn->answering = NULL;
    do {
        struct bk__pg_unit *head = bk__pg_conn_answering(conn);
        last = !head->joined;
        stray |= head->shared && conn->tx_status != 'I';
        head->why = "another statement that travelled with it failed";
        bk__pg_conn_finish_head(conn, derailed && !head->failed ? BK__PG_NOT_RUN : BK__PG_DONE);
    } while (!last && !conn->broken);
    if (stray) /* others would run inside that transaction */
        bk__pg_conn_break(conn, "a statement outside of bk_pg_tx() left a transaction open");
    else if (conn->worn && conn->unit_count == 0)
        bk__pg_conn_break(conn, "the server has become read only");
}

static void on_copy_in(struct bk__pg_conn *conn, struct bk__pg_unit *unit)
{
    bool left = unit != NULL && unit->left_ms != 0; /* then CopyFail is on its way */

    if (unit == NULL || (!unit->open && !left) || unit->copying) {
        misunderstood(conn);
        return;
    }
    unit->copying = true;
    if (unit->fiber != NULL)
        bk_fiber_wake(unit->fiber);
}

static void on_notification(struct bk__pg_conn *conn, bk_str body)
{
    struct bk__pg_reader reader = {.at = body.ptr, .end = body.ptr + body.len};
    int32_t pid = (int32_t)bk__pg_read_u32(&reader);
    bk_str channel = bk__pg_read_cstr(&reader);
    bk_str payload = bk__pg_read_cstr(&reader);

    if (reader.bad)
        misunderstood(conn);
    else if (conn->owner->notified != NULL)
        conn->owner->notified(conn, pid, channel, payload);
}

static void on_message(struct bk__pg_conn *conn, const struct bk__pg_message *message)
{
    struct bk__pg_unit *unit = bk__pg_conn_answering(conn);
    bk_str body = bk_str_at(message->body, message->len);

    switch (message->type) {
    case 'D':
        on_row(conn, unit, body);
        break;
    case 'C':
    case 'I':
        on_complete(conn, unit, body);
        break;
    case 'Z':
        on_ready(conn, unit, body);
        break;
    case 't':
        on_parameters(conn, body);
        break;
    case 'T':
        on_description(conn, unit, body);
        break;
    case 'n':
        on_description(conn, unit, (bk_str){0});
        break;
    case 'E':
        on_error(conn, unit, body);
        break;
    case 'G':
        on_copy_in(conn, unit);
        break;
    case 'A':
        on_notification(conn, body);
        break;
    case '1': /* ParseComplete */
    case '2': /* BindComplete */
    case '3': /* CloseComplete */
    case 'S': /* ParameterStatus */
    case 'N': /* NoticeResponse */
        break;
    default:
        misunderstood(conn);
        break;
    }
}

void bk__pg_conn_parse(struct bk__pg_conn *conn)
{
    struct bk__pg_message message;

    while (!conn->broken) {
        size_t len = bk__pg_read_message(conn->in + conn->in_start, conn->in_end - conn->in_start,
                                         MESSAGE_MAX, &message, &conn->in_wanted);
        if (len == 0)
            return;
        if (len == SIZE_MAX) {
            misunderstood(conn);
            return;
        }
        on_message(conn, &message);
        conn->in_start += len;
    }
}
