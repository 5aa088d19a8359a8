/*
 * each.c: rows one by one, as they come, in bounded memory.
 *
 * The loop puts what the server sends into a queue, and the fiber takes it out, row by row, into a
 * struct whose memory is used again for the next. Where the queue is full the connection is not
 * read, so the kernel's buffers fill and the server waits: a slow function holds up the server,
 * never more.
 *
 * What must hold: the function is called with the row out of the queue, which may grow and move
 * meanwhile. However the stream ends, the connection is read again.
 */
#include "core/arena.h"
#include "core/assert.h"
#include "pg/pg.h"

#define ATTEMPTS   3
#define QUEUE_FULL (256u * 1024) /* bytes of rows; what was read at once may come on top */
#define QUEUE_LOW  (QUEUE_FULL / 2)
#define ROW_BYTES  2048 /* of a row on the fiber's stack; what is beyond is malloc'ed */

struct stream {
    struct bk__pg_sink sink;
    struct bk__pg_conn *conn;
    struct bk__pg_out queue; /* each row: its length, then its body */
    bk_fiber *waiting;       /* for a row; NULL: it is at work */
    bk_pg_row_fn fn;
    void *data;
};

static size_t queued(const struct stream *stream)
{
    return stream->queue.end - stream->queue.start;
}

static void on_row(struct bk__pg_sink *sink, bk_str row)
{
    struct stream *stream = bk__container_of(sink, struct stream, sink);
    uint32_t len = (uint32_t)row.len;
    char *at = bk__pg_out_take(&stream->queue, sizeof len + len);

    memcpy(at, &len, sizeof len);
    memcpy(at + sizeof len, row.ptr, len);
    if (queued(stream) >= QUEUE_FULL)
        bk__pg_conn_pause(stream->conn);
    if (stream->waiting != NULL)
        bk_fiber_wake(stream->waiting);
}

/* Reads the first row of the queue, and takes it out. */
static bk_err read_row(struct stream *stream, bk_arena *arena, void *object)
{
    struct bk__pg_out *queue = &stream->queue;
    const struct bk__pg_sink *sink = &stream->sink;
    uint32_t len;

    memcpy(&len, queue->ptr + queue->start, sizeof len);
    bk_str row = bk_str_at(queue->ptr + queue->start + sizeof len, len);
    bk_err err = bk__pg_read_row(sink->shape, sink->fit, sink->text, row, arena, object);
    queue->start += sizeof len + len;
    if (queued(stream) <= QUEUE_LOW)
        bk__pg_conn_resume(stream->conn);
    return err;
}

/* Hands over what is in the queue. */
BK_YIELDS static bk_err hand_over(struct stream *stream)
{
    _Alignas(BK__ARENA_ALIGN) char room[ROW_BYTES];
    struct bk_arena arena;
    bk_err err = BK_OK;

    bk__arena_init(&arena, room, sizeof room);
    while (queued(stream) > 0 && err == BK_OK) {
        void *object = bk__arena_get(&arena, stream->sink.fit->desc->bytes);
        err = read_row(stream, &arena, object);
        if (err == BK_OK)
            err = stream->fn(object, stream->data);
        bk__arena_reset(&arena);
    }
    bk__arena_fini(&arena);
    return err;
}

/* Until the rows have come to their end, or something stops them. */
BK_YIELDS static bk_err take_rows(struct stream *stream, const struct bk__pg_unit *unit)
{
    for (;;) {
        BK_TRY(hand_over(stream));
        if (unit->outcome != BK__PG_PENDING)
            return BK_OK;
        stream->waiting = bk_fiber_self();
        bk_err err = bk__fiber_wait(BK__NEVER);
        stream->waiting = NULL;
        if (err != BK_OK)
            return bk_fail(err, err == BK_ETIMEDOUT ? "the rows did not come in time"
                                                    : "cancelled while rows were coming");
    }
}

/* From the statement's way to its end. *again: no row came, and it may be tried again. */
BK_YIELDS static bk_err run_on(bk_pg *pg, struct bk__pg_work *work, struct stream *stream,
                               bool *again)
{
    struct bk__pg_conn *conn = stream->conn;
    size_t first;
    struct bk__pg_unit *unit = bk__pg_send(pg, conn, work, 1, 0, &first);

    if (unit == NULL)
        return BK_EINVAL;
    conn->streaming = true;
    bk_err err = take_rows(stream, unit);
    conn->streaming = false;
    bk__pg_conn_resume(conn);
    if (unit->outcome == BK__PG_PENDING) {
        bk__pg_unit_abandon(unit);
    } else {
        if (err == BK_OK) {
            *again = stream->sink.count == 0 && bk__pg_may_run_again(pg, unit);
            err = bk__pg_unit_result(unit);
        }
        bk__pg_unit_free(unit);
    }
    if (err == BK_OK)
        return bk__pg_sink_end(&stream->sink);
    bk__pg_sink_reset(&stream->sink);
    return err;
}

BK_YIELDS static bk_err run_once(bk_pg *pg, struct bk__pg_work *work, struct stream *stream,
                                 bool *again)
{
    *again = false;
    BK_TRY(bk__pg_find(pg, work, 0));
    work->statement = NULL; /* it may be pushed out while we wait for a connection */
    stream->conn = pg->conn;
    if (pg->conn == NULL)
        BK_TRY(bk__pg_hold(pg->pool, &stream->conn, __FILE__, __LINE__));
    else if (pg->conn->broken)
        return bk_fail(BK_EUNAVAILABLE, "the connection to the database was lost");
    bk_err err = run_on(pg, work, stream, again);
    if (pg->conn == NULL)
        bk__pg_conn_release(stream->conn);
    return err;
}

bk_err bk_pg_each(bk_pg *pg, const char *sql, bk_args args, bk_desc_fn desc, bk_pg_row_fn fn,
                  void *data)
{
    struct stream stream = {
        .sink = {.kind = BK__PG_SINK_RAW, .desc = desc, .raw = on_row, .arena = bk_fiber_arena()},
        .fn = fn,
        .data = data,
    };
    struct bk__pg_work work = {.sql = sql, .args = args, .sink = &stream.sink};
    bool again;
    bk_err err = run_once(pg, &work, &stream, &again);

    for (int attempt = 1; again && attempt < ATTEMPTS; attempt++) {
        pg->pool->stats.resent++;
        bk_error_clear();
        err = run_once(pg, &work, &stream, &again);
    }
    bk__pg_out_fini(&stream.queue);
    return err;
}
