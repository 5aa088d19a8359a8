/*
 * http2_sweep.c: clients that take their time, and bodies that grow.
 *
 * h2o has one timer for a connection, which any frame sets back. So all connections are visited
 * from time to time, and what should move is compared with the last visit. One slow stream costs
 * its own request only: on a proxy's connection the others are other people's.
 */
#include "http/http2_conn.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/assert.h"

#define FAREWELL_MS      300  /* for requests that were on their way at the first GOAWAY */
#define LINGER_MS        500  /* for the client to close by itself after the last one */
#define CLOSING_MS       2000 /* for what is left to be written */
#define BODIES_OF_A_CONN 4    /* times the largest body */

/* --- bodies ----------------------------------------------------------------------------------- */

static size_t body_size(const struct bk__h2o_stream *stream)
{
    return stream->state == BK__H2O_RECV_BODY ? stream->body->size : 0;
}

/* It would be refused in the end: why wait for it? */
static bool is_too_large(const struct bk__h2_context *h2, const struct bk__h2o_stream *stream)
{
    if (stream->state != BK__H2O_RECV_BODY)
        return false;
    bool declared = stream->declared_length != SIZE_MAX && stream->declared_length > h2->body_max;
    return declared || stream->body->size > h2->body_max;
}

static void count_bodies(struct bk__h2_conn *conn)
{
    struct bk__h2_context *h2 = conn->h2;

    h2->body_bytes -= conn->body_bytes;
    conn->body_bytes = 0;
    bk__h2o_each_stream(stream, conn->h2o->streams) conn->body_bytes += body_size(stream);
    h2->body_bytes += conn->body_bytes;
}

static bool holds_too_much(const struct bk__h2_conn *conn)
{
    const struct bk__h2_context *h2 = conn->h2;
    const struct bk__server *server = h2->server;

    if (conn->body_bytes == 0)
        return false;
    return conn->body_bytes / BODIES_OF_A_CONN > h2->body_max ||
           (server->limits.bodies_bytes != BK_UNLIMITED &&
            h2->body_bytes + server->bodies_bytes > server->limits.bodies_bytes);
}

static struct bk__h2o_stream *largest(const struct bk__h2_conn *conn)
{
    struct bk__h2o_stream *found = NULL;

    bk__h2o_each_stream(stream, conn->h2o->streams) if (body_size(stream) >
                                                        (found != NULL ? body_size(found) : 0))
        found = stream;
    return found;
}

void bk__h2_check_bodies(struct bk__h2_conn *conn)
{
    if (conn->cut || conn->h2o->state >= BK__H2O_CLOSING)
        return;
    bk__h2o_each_stream(stream, conn->h2o->streams) if (is_too_large(conn->h2, stream))
        bk__h2_refuse(conn, stream, BK_ETOOBIG, NULL);
    count_bodies(conn);
    while (!conn->cut && holds_too_much(conn)) {
        bk__h2_refuse(conn, largest(conn), BK_EUNAVAILABLE,
                      "too many request bodies are being held");
        count_bodies(conn);
    }
}

/* --- streams ---------------------------------------------------------------------------------- */

/* What has come of a DATA frame that is not yet whole is progress, too. */
static size_t part_of_data(const struct bk__h2_conn *conn, const struct bk__h2o_stream *stream)
{
    const h2o_buffer_t *input = conn->sock->input;
    const uint8_t *bytes = (const uint8_t *)input->bytes;
    enum {
        HEADER_BYTES = 9,
        TYPE_AT = 3,
        DATA = 0
    };

    if (input->size < HEADER_BYTES || bytes[TYPE_AT] != DATA)
        return 0;
    uint32_t id =
        (uint32_t)bytes[5] << 24 | (uint32_t)bytes[6] << 16 | (uint32_t)bytes[7] << 8 | bytes[8];
    return (id & 0x7fffffff) == stream->id ? input->size : 0;
}

static void look_at_body(struct bk__h2_conn *conn, struct bk__h2o_stream *stream, uint64_t now)
{
    uint32_t mark = (uint32_t)(stream->body->size + part_of_data(conn, stream));

    if (bk__h2_watch_stalled(&stream->watch, mark, now, conn->h2->server->timeouts.body_ms))
        bk__h2_refuse(conn, stream, BK_ESLOW, "the request body made no progress");
}

/* Has it something to send and may not, because the client keeps its windows shut? */
static bool is_shut_out(const struct bk__h2o_conn *h2o, const struct bk__h2o_stream *stream)
{
    bool has_more = stream->pending.size != 0 || stream->state == BK__H2O_SEND_BODY_IS_FINAL;

    return has_more && (stream->output_window <= 0 || h2o->write.window <= 0);
}

static void look_at_answer(struct bk__h2_conn *conn, struct bk__h2o_stream *stream, uint64_t now)
{
    uint32_t mark = (uint32_t)stream->req.bytes_sent;

    if (!is_shut_out(conn->h2o, stream))
        stream->watch.since = 0;
    else if (bk__h2_watch_stalled(&stream->watch, mark, now, conn->h2->server->timeouts.write_ms))
        bk__h2_conn_reset(conn, stream, -H2O_HTTP2_ERROR_CANCEL);
}

static void look_at_streams(struct bk__h2_conn *conn, uint64_t now)
{
    bk__h2o_each_stream(stream, conn->h2o->streams)
    {
        if (stream->state == BK__H2O_RECV_BODY)
            look_at_body(conn, stream, now);
        else if (stream->state == BK__H2O_SEND_HEADERS)
            stream->watch.since = 0;
        else if (stream->state == BK__H2O_SEND_BODY || stream->state == BK__H2O_SEND_BODY_IS_FINAL)
            look_at_answer(conn, stream, now);
    }
}

/* --- connections ------------------------------------------------------------------------------ */

/* How far the client is with taking what was written. */
static uint32_t output_mark(const struct bk__h2_conn *conn)
{
    int fd = h2o_socket_get_fd(conn->sock), queued = 0;
    struct tcp_info info;
    socklen_t len = sizeof info;

    if (conn->peer.family != AF_UNIX && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
        return (uint32_t)info.tcpi_bytes_acked;
    return ioctl(fd, SIOCOUTQ, &queued) == 0 ? (uint32_t)queued : 0;
}

/* Why the client is too slow with the connection as a whole; NULL: it is not. */
static const char *too_slow(struct bk__h2_conn *conn, uint64_t now)
{
    const bk_timeouts *timeouts = &conn->h2->server->timeouts;
    struct bk__h2_frames *frames = &conn->frames;
    const h2o_buffer_t *input = conn->sock->input;
    bool in_data = frames->greeted && input->size > 3 && input->bytes[3] == 0;
    bool is_read = conn->sock->_cb.read != NULL;
    bool in_frame = !frames->greeted || (input->size != 0 && is_read && !in_data);

    if (conn->sock->_cb.write == NULL)
        conn->output_watch.since = 0;
    else if (bk__h2_watch_stalled(&conn->output_watch, output_mark(conn), now, timeouts->write_ms))
        return "what was written is not taken";
    if (frames->block == 0)
        conn->block_watch.since = 0;
    else if (bk__h2_watch_stalled(&conn->block_watch, frames->block, now, timeouts->head_ms))
        return "a header block does not end";
    if (!in_frame)
        conn->frame_watch.since = 0;
    else if (bk__h2_watch_stalled(&conn->frame_watch, (uint32_t)frames->passed, now,
                                  timeouts->head_ms))
        return "a frame does not end";
    return NULL;
}

static bool has_passed(uint64_t now, uint64_t since, uint32_t ms)
{
    return ms != BK_UNLIMITED && now - since > ms;
}

static bool is_flushed(const struct bk__h2_conn *conn)
{
    return conn->sock->_cb.write == NULL && conn->h2o->write.buf->size == 0;
}

/* The steps to a good end. */
static void say_farewell(struct bk__h2_conn *conn, uint64_t now)
{
    bool idle = conn->h2o->counts.pull.open == 0;

    if (!idle)
        conn->active_at = now;
    if (conn->h2->server->draining)
        bk__h2_conn_goaway(conn);
    if (conn->farewell == BK__H2_STAYS &&
        has_passed(now, conn->active_at, conn->h2->server->timeouts.idle_ms))
        bk__h2_conn_last_goaway(conn);
    else if (conn->farewell == BK__H2_LEAVES && has_passed(now, conn->farewell_at, FAREWELL_MS))
        bk__h2_conn_last_goaway(conn);
    else if (conn->farewell == BK__H2_LEFT && idle && is_flushed(conn) &&
             has_passed(now, conn->farewell_at, LINGER_MS))
        bk__h2_conn_close(conn);
}

static void look_at_conn(struct bk__h2_conn *conn, uint64_t now)
{
    const char *why;

    if (conn->h2o == NULL || conn->h2o->state >= BK__H2O_CLOSING) {
        if (conn->closing_at == 0)
            conn->closing_at = now;
        if (has_passed(now, conn->closing_at, CLOSING_MS))
            bk__h2_conn_cut(conn, "the end of the connection is not taken");
    } else if (conn->cut) {
        return;
    } else if ((why = too_slow(conn, now)) != NULL) {
        bk__h2_conn_cut(conn, why);
    } else {
        look_at_streams(conn, now);
        bk__h2_check_bodies(conn);
        say_farewell(conn, now);
    }
}

/* h2o's timers follow the time of day. If that is set back, what is due now would wait until then.
 */
static void mend_timers(h2o_context_t *ctx)
{
    uint64_t now = h2o_now(ctx->loop);

    for (h2o_linklist_t *it = ctx->zero_timeout._entries.next; it != &ctx->zero_timeout._entries;
         it = it->next) {
        h2o_timeout_entry_t *entry = H2O_STRUCT_FROM_MEMBER(h2o_timeout_entry_t, _link, it);
        if (entry->registered_at > now)
            entry->registered_at = now;
    }
}

void bk__h2_on_sweep(struct bk__timer *timer)
{
    struct bk__h2_context *h2 = bk__container_of(timer, struct bk__h2_context, sweep);
    struct bk_loop *loop = h2->server->loop;
    struct bk__link *it = h2->conns.anchor.next;

    mend_timers(&h2->ctx);
    while (it != &h2->conns.anchor) {
        struct bk__h2_conn *conn = bk__container_of(it, struct bk__h2_conn, link);
        it = it->next;
        bk__h2_conn_enter(conn);
        look_at_conn(conn, loop->clock.now_ms);
        bk__h2_conn_leave(conn);
    }
    if (h2->conn_count != 0)
        bk__timer_set(loop, timer, loop->clock.now_ms + bk__h2_sweep_ms(h2->conn_count));
}
