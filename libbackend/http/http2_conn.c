/*
 * http2_conn.c: an HTTP/2 connection, and the gate through which h2o is called.
 *
 * h2o installs callbacks on its socket (input, end of a write) and a timer (write what has
 * gathered). We put ours in their place, which call h2o's. That gives us the input before h2o has
 * it, and closes a fault that needs no skill to use: a stream whose answer is complete stays in a
 * list until the write has ended; if the client opens the window of such a stream once more, an
 * assertion of h2o's fails and the process is dead (docs/internals/http2.md). So:
 *
 *   h2o gets input only while no stream waits for the end of a write.
 *
 * What arrives meanwhile is held, and the socket is not read. A client that takes its answers does
 * not notice.
 *
 * What must hold: whenever h2o returns, its callbacks are ours again (rearm()), since it sets them
 * anew; `h2o` is NULL from the moment when h2o has freed its connection.
 */
#include "http/http2_conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <backend/log.h>

#include "core/assert.h"
#include "http/http2.h"

/* --- around h2o ------------------------------------------------------------------------------- */

static void on_read(h2o_socket_t *sock, const char *err);
static void on_write(h2o_socket_t *sock, const char *err);

void bk__h2_conn_enter(struct bk__h2_conn *conn)
{
    conn->inside++;
}

static void rearm(struct bk__h2_conn *conn)
{
    h2o_socket_t *sock = conn->sock;

    if (sock->_cb.read == conn->read)
        sock->_cb.read = on_read;
    if (sock->_cb.write != NULL && sock->_cb.write != on_write) {
        conn->write = sock->_cb.write;
        sock->_cb.write = on_write;
    }
}

void bk__h2_conn_leave(struct bk__h2_conn *conn)
{
    if (conn->h2o != NULL)
        rearm(conn);
    if (--conn->inside == 0 && conn->sock == NULL)
        free(conn);
}

static bool awaits_write(const struct bk__h2_conn *conn)
{
    return !h2o_linklist_is_empty(&conn->h2o->write.to_proceed);
}

static void discard_input(struct bk__h2_conn *conn)
{
    h2o_buffer_consume(&conn->sock->input, conn->sock->input->size);
}

/* Hands the input to h2o, within bk__h2_conn_enter() and _leave(). */
static void feed(struct bk__h2_conn *conn)
{
    struct bk__h2_context *h2 = conn->h2;
    h2o_buffer_t *input = conn->sock->input;
    size_t left = input->size;
    const char *why =
        bk__h2_frames_filter(&conn->frames, &h2->frames_limits, (uint8_t *)input->bytes, &left);

    if (why != NULL)
        bk__h2_conn_cut(conn, why);
    if (why != NULL || left == 0) {
        discard_input(conn);
        return;
    }
    input->size = left;
    conn->read(conn->sock, NULL);
    if (conn->h2o == NULL)
        return;
    rearm(conn);
    if (conn->frames.has_bodies || conn->body_bytes != 0)
        bk__h2_check_bodies(conn);
}

static void take_input(struct bk__h2_conn *conn)
{
    if (conn->cut || conn->h2o->state == BK__H2O_CLOSING) {
        discard_input(conn); /* h2o would let it grow */
    } else if (awaits_write(conn)) {
        conn->held = true;
        h2o_socket_read_stop(conn->sock);
    } else if (conn->sock->input->size != 0) {
        feed(conn);
    }
}

static void on_read(h2o_socket_t *sock, const char *err)
{
    struct bk__h2_conn *conn = bk__h2_conn_of(sock);

    bk__loop_enter(conn->h2->server->loop);
    bk__h2_conn_enter(conn);
    if (err != NULL) {
        conn->failed = true;
        conn->read(sock, err);
    } else {
        take_input(conn);
    }
    bk__h2_conn_leave(conn);
}

/* h2o has begun to read again when a write ended; unless it has more to say than it may, or is
 * closing. */
static void release_input(struct bk__h2_conn *conn)
{
    if (!conn->held || conn->sock->_cb.read == NULL)
        return;
    conn->held = false;
    take_input(conn);
}

static void on_write(h2o_socket_t *sock, const char *err)
{
    struct bk__h2_conn *conn = bk__h2_conn_of(sock);

    bk__loop_enter(conn->h2->server->loop);
    bk__h2_conn_enter(conn);
    conn->writing_done = err == NULL;
    conn->failed |= err != NULL;
    conn->write(sock, err);
    conn->writing_done = false;
    if (conn->h2o != NULL) {
        rearm(conn);
        release_input(conn);
    }
    bk__h2_conn_leave(conn);
}

static void on_emit(h2o_timeout_entry_t *entry)
{
    struct bk__h2o_conn *h2o = H2O_STRUCT_FROM_MEMBER(struct bk__h2o_conn, write.entry, entry);
    struct bk__h2_conn *conn = bk__h2_conn_of(h2o->sock);

    bk__loop_enter(conn->h2->server->loop);
    bk__h2_conn_enter(conn);
    conn->emit(entry);
    bk__h2_conn_leave(conn);
}

/* --- life ------------------------------------------------------------------------------------- */

/* h2o destroys its memo of pushed paths with the connection. We push nothing and keep ourselves in
 * there: that is how we learn that the connection is gone, while its socket may live on. */
static void on_freed(h2o_iovec_t value)
{
    struct bk__h2_conn *conn = (struct bk__h2_conn *)(void *)value.base;

    conn->h2o = NULL;
    conn->h2->body_bytes -= conn->body_bytes;
    conn->body_bytes = 0;
    conn->closing_at = conn->h2->server->loop->clock.now_ms;
}

static h2o_cache_t *make_memo(struct bk__h2_conn *conn)
{
    h2o_cache_t *memo = h2o_cache_create(0, SIZE_MAX, INT64_MAX, on_freed);

    h2o_cache_set(memo, 0, h2o_iovec_init(H2O_STRLIT("us")), 1, h2o_iovec_init(conn, 0));
    return memo;
}

static void on_closed(void *data)
{
    struct bk__h2_conn *conn = data;
    struct bk__h2_context *h2 = conn->h2;

    bk_assert(conn->h2o == NULL);
    conn->sock = NULL;
    bk__list_remove(&conn->link);
    bk__server_connection_closed(h2->server, &conn->peer);
    if (--h2->conn_count == 0)
        bk__timer_stop(h2->server->loop, &h2->sweep);
    if (conn->inside == 0)
        free(conn);
}

/* Has h2o make its connection, and puts the gate around it. */
static void make_h2o_conn(struct bk__h2_conn *conn)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    conn->sock->on_close.cb = on_closed;
    conn->sock->on_close.data = conn;
    h2o_http2_accept(&conn->h2->accept, conn->sock, now);
    conn->h2o = conn->sock->data;
    conn->h2o->memo = make_memo(conn);
    conn->read = conn->sock->_cb.read;
    conn->emit = conn->h2o->write.entry.cb;
    conn->h2o->write.entry.cb = on_emit;
    rearm(conn);
}

void bk__http2_accept(struct bk__server *server, h2o_socket_t *sock, const struct bk__peer *peer)
{
    struct bk__h2_context *h2 = server->h2;
    struct bk__h2_conn *conn = calloc(1, sizeof *conn);
    h2o_buffer_t *early = sock->input; /* TLS may have brought the first requests along */
    uint64_t now = server->loop->clock.now_ms;

    bk_assert(conn != NULL);
    conn->h2 = h2;
    conn->sock = sock;
    conn->active_at = now;
    conn->abuse.at_ms = now;
    conn->peer = *peer;
    h2o_buffer_init(&sock->input, &h2o_socket_buffer_prototype);
    make_h2o_conn(conn);
    h2o_buffer_dispose(&sock->input);
    sock->input = early;
    bk__list_push(&h2->conns, &conn->link);
    h2->conn_count++;
    bk__timer_at_least(server->loop, &h2->sweep, now + bk__h2_sweep_ms(h2->conn_count));
    if (early->size != 0)
        on_read(sock, NULL);
}

void bk__h2_conn_cut(struct bk__h2_conn *conn, const char *why)
{
    if (conn->cut)
        return;
    conn->cut = true;
    bk_info("http2.cut", bk_kv_cstr("why", why));
    shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
}

void bk__h2_conn_close(struct bk__h2_conn *conn)
{
    conn->failed = true;
    if (conn->h2o != NULL)
        conn->read(conn->sock, "closed by the server");
}

void bk__h2_conn_blame(struct bk__h2_conn *conn, uint32_t units)
{
    if (!bk__h2_bucket_add(&conn->abuse, conn->h2->server->loop->clock.now_ms, units))
        bk__h2_conn_cut(conn, "too many requests were made void");
}

void bk__h2_conn_flush(struct bk__h2_conn *conn)
{
    h2o_timeout_entry_t *entry = &conn->h2o->write.entry;

    if (!h2o_timeout_is_linked(entry))
        return;
    h2o_timeout_unlink(entry);
    entry->cb(entry);
}

void bk__h2_conn_reset(struct bk__h2_conn *conn, struct bk__h2o_stream *stream, int code)
{
    struct bk__h2o_conn *h2o = conn->h2o;

    if (h2o->state < BK__H2O_CLOSING) {
        h2o_http2__encode_rst_stream_frame(&h2o->write.buf, stream->id, code);
        h2o_http2_conn_request_write(h2o);
    }
    h2o_http2_stream_reset(h2o, stream);
}

static void say_goaway(struct bk__h2_conn *conn, uint32_t last_id)
{
    if (conn->h2o->state >= BK__H2O_CLOSING)
        return;
    h2o_http2_encode_goaway_frame(&conn->h2o->write.buf, last_id, H2O_HTTP2_ERROR_NONE,
                                  (h2o_iovec_t){NULL, 0});
    h2o_http2_conn_request_write(conn->h2o);
}

void bk__h2_conn_goaway(struct bk__h2_conn *conn)
{
    if (conn->h2o == NULL || !conn->frames.greeted || conn->farewell != BK__H2_STAYS)
        return;
    conn->farewell = BK__H2_LEAVES;
    conn->farewell_at = conn->h2->server->loop->clock.now_ms;
    say_goaway(conn, INT32_MAX);
}

void bk__h2_conn_last_goaway(struct bk__h2_conn *conn)
{
    if (conn->h2o == NULL || !conn->frames.greeted || conn->farewell == BK__H2_LEFT)
        return;
    conn->farewell = BK__H2_LEFT;
    conn->farewell_at = conn->h2->server->loop->clock.now_ms;
    conn->last_id = conn->h2o->last_id;
    say_goaway(conn, conn->last_id);
}
