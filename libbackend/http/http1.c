/*
 * http1.c: the receiving half of an HTTP/1 connection, its life and its time. See http1.h,
 * http1_conn.h, transport.h.
 *
 * Why not libh2o's own: it takes what RFC 9112 forbids, has one timer for everything, answers its
 * own errors in plain text, and stops listening to the client while a handler works
 * (docs/adr/0003). Here only its socket and TLS are used.
 */
#include "http/http1.h"

#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "fiber/fiber.h"
#include "http/http1_conn.h"
#include "http/http1_request.h"

#define PIPELINED_MAX (64 * 1024) /* input held while a handler works; then the client waits */
#define LINGER_MS     2000
#define LINGER_BYTES  (1024 * 1024)

/* An idle connection of a server that drains: a client that has just been served is about to ask
 * again, and is told with the next answer that it was the last. One that has long been quiet has to
 * go at once. */
#define FAREWELL_MS 500
#define PEEK_MS     5

static void on_read(h2o_socket_t *sock, const char *err);

/* --- life ------------------------------------------------------------------------------------- */

void bk__http1_set_deadline(struct bk__http1 *conn, uint32_t ms)
{
    conn->deadline = bk__server_after(conn->server, ms);
    if (conn->deadline != BK__NEVER)
        bk__timer_at_least(conn->server->loop, &conn->timer, conn->deadline);
}

void bk__http1_await_head(struct bk__http1 *conn)
{
    const struct bk__server *server = conn->server;

    conn->idle_since = server->loop->clock.now_ms;
    bk__http1_set_deadline(conn, server->draining ? FAREWELL_MS : server->timeouts.idle_ms);
}

void bk__http1_destroy(struct bk__http1 *conn)
{
    bk__timer_stop(conn->server->loop, &conn->timer);
    bk__list_remove(&conn->link);
    bk__server_connection_closed(conn->server, &conn->peer);
    h2o_socket_close(conn->sock);
    free(conn);
}

void bk__http1_lose(struct bk__http1 *conn)
{
    bk_req *req = conn->req;
    bool begun = conn->phase >= BK__HTTP1_WORK && !conn->begin_later;

    if (req != NULL && begun)
        bk__req_lost(req);
    else if (req != NULL)
        bk__req_discard(req);
    bk__http1_destroy(conn);
}

static void stop_reading(struct bk__http1 *conn)
{
    if (conn->read_stopped)
        return;
    conn->read_stopped = true;
    h2o_socket_read_stop(conn->sock);
}

void bk__http1_go_on_reading(struct bk__http1 *conn)
{
    if (!conn->read_stopped || conn->eof)
        return;
    conn->read_stopped = false;
    h2o_socket_read_start(conn->sock, on_read);
}

/* The answer is out, and the client may still be sending: closing now would make the kernel reset
 * the connection and the client lose the answer. So the rest is read and thrown away for a while
 * (RFC 9112, 9.6). */
void bk__http1_linger(struct bk__http1 *conn)
{
    conn->phase = BK__HTTP1_LINGER;
    shutdown(h2o_socket_get_fd(conn->sock), SHUT_WR);
    bk__http1_set_deadline(conn, LINGER_MS);
    bk__http1_go_on_reading(conn);
    bk__http1_advance(conn);
}
/* --- receiving -------------------------------------------------------------------------------- */

static void begin(struct bk__http1 *conn)
{
    conn->phase = BK__HTTP1_WORK;
    conn->deadline = BK__NEVER;
    if (conn->writing)
        conn->begin_later = true;
    else
        bk__req_begin(conn->req);
}

/* Answers with an error, without reading further. */
static void refuse(struct bk__http1 *conn, bk_err err, const char *why)
{
    bk__http1_refuse(conn->req, err, why);
    begin(conn);
}

/* No fiber is free: the one answer that is made without one. */
static void refuse_busy(struct bk__http1 *conn)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
        "Content-Type: application/problem+json\r\nContent-Length: 65\r\n\r\n" BK__BUSY_BODY;
    _Static_assert(sizeof BK__BUSY_BODY - 1 == 65, "the Content-Length above");
    h2o_iovec_t vector = h2o_iovec_init(answer, sizeof answer - 1);

    conn->phase = BK__HTTP1_LINGER;
    conn->keep_alive = false;
    h2o_buffer_consume(&conn->sock->input, conn->sock->input->size);
    bk__http1_send(conn, &vector, 1);
}

static void expect_body(struct bk__http1 *conn, const struct bk__http1_head *head)
{
    static const char go_ahead[] = "HTTP/1.1 100 Continue\r\n\r\n";
    h2o_iovec_t vector = h2o_iovec_init(go_ahead, sizeof go_ahead - 1);

    conn->phase = BK__HTTP1_BODY;
    conn->chunks = (struct bk__http1_chunks){0};
    if (head->expects_continue && conn->sock->input->size == 0)
        bk__http1_send(conn, &vector, 1);
    bk__http1_set_deadline(conn, conn->server->timeouts.body_ms);
}

/* A whole head is at the front of the input. False when the connection has to wait, or is gone. */
static bool take_head(struct bk__http1 *conn, size_t head_len)
{
    struct bk__server *server = conn->server;
    bk_req *req = bk__req_new(server, &bk__http1_transport, conn);
    struct bk__http1_head head;

    if (req == NULL) {
        refuse_busy(conn);
        return false;
    }
    conn->req = req;
    req->secure = conn->sock->ssl != NULL;
    bk_err err =
        bk__http1_request(req, conn->sock->input->bytes, head_len, conn->scan.lines, &head);
    h2o_buffer_consume(&conn->sock->input, head_len);
    conn->body_left = head.has_length ? head.length : 0;
    conn->chunked = head.chunked || err != BK_OK; /* where the request ends is not known: linger */
    conn->keep_alive = err == BK_OK && head.keep_alive &&
                       conn->served + 1 < server->limits.requests_per_connection;
    if (req->refusal != BK_OK && head.expects_continue)
        req->closes = true; /* the client waits to hear whether to send the body: it need not */
    if (req->closes || (conn->body_left == 0 && !conn->chunked)) {
        begin(conn);
        return false;
    }
    expect_body(conn, &head);
    return true;
}

/* Answers a head that cannot be read. Where the request ends is not known. */
static void refuse_head(struct bk__http1 *conn, bk_err err, const char *why)
{
    conn->req = bk__req_new(conn->server, &bk__http1_transport, conn);
    if (conn->req == NULL) {
        refuse_busy(conn);
        return;
    }
    conn->req->version = 11;
    conn->chunked = true;
    conn->keep_alive = false;
    refuse(conn, err, why);
}

static bool read_head(struct bk__http1 *conn)
{
    struct bk__http1_limits limits = bk__http1_limits_of(conn->server);
    h2o_buffer_t *input = conn->sock->input;
    const char *why = NULL;
    size_t head_len;

    if (conn->scan.lines == 0 && conn->scan.at == 0 && input->size >= 2 &&
        memcmp(input->bytes, "\r\n", 2) == 0) {
        h2o_buffer_consume(&conn->sock->input, 2); /* RFC 9112, 2.2: one empty line is forgiven */
        input = conn->sock->input;
    }
    if (input->size == 0) {
        if (conn->eof)
            bk__http1_destroy(conn);
        return false;
    }
    bk_err err = bk__http1_scan(&conn->scan, input->bytes, input->size, &limits, &head_len, &why);
    if (err == BK_OK)
        return take_head(conn, head_len);
    if (err == BK_EAGAIN) {
        if (conn->eof) {
            bk__http1_destroy(conn);
            return false;
        }
        if (!conn->head_begun)
            bk__http1_set_deadline(conn, conn->server->timeouts.head_ms);
        conn->head_begun = true;
        return false;
    }
    refuse_head(conn, err, why);
    return false;
}

/* Takes what has come of the body. False when the connection has to wait. */
static bool read_body(struct bk__http1 *conn)
{
    h2o_buffer_t *input = conn->sock->input;
    bk_str data = {input->bytes, input->size};
    size_t used = input->size;
    bk_err err = BK_EAGAIN;

    if (input->size == 0) {
        if (conn->eof)
            bk__http1_lose(conn);
        return false;
    }
    if (conn->chunked) {
        err = bk__http1_chunks_next(&conn->chunks, input->bytes, input->size, &used, &data);
        if (err == BK_EINVAL) {
            refuse(conn, err, "the chunked body is malformed");
            return false;
        }
        if (err == BK_OK)
            conn->chunked = false;
    } else {
        if (used > conn->body_left)
            data.len = used = (size_t)conn->body_left;
        conn->body_left -= used;
        if (conn->body_left == 0)
            err = BK_OK;
    }
    bk_err kept = bk__req_body_add(conn->req, data.ptr, data.len);
    h2o_buffer_consume(&conn->sock->input, used);
    if (kept != BK_OK) {
        if (err != BK_OK)
            conn->chunked = true; /* the rest is still coming: linger */
        begin(conn);
        return false;
    }
    if (err == BK_OK) {
        begin(conn);
        return false;
    }
    bk__http1_set_deadline(conn, conn->server->timeouts.body_ms);
    return used != 0;
}

/* False when the connection has to wait. */
static bool pass_on(struct bk__http1 *conn)
{
    h2o_buffer_t *input = conn->sock->input;

    size_t used = conn->req->raw->input(conn->req, input->bytes, input->size);
    h2o_buffer_consume(&conn->sock->input, used);
    if (conn->phase == BK__HTTP1_RAW && conn->sock->input->size > PIPELINED_MAX)
        stop_reading(conn);
    return conn->phase != BK__HTTP1_RAW;
}

static void discard_input(struct bk__http1 *conn)
{
    conn->lingered += conn->sock->input->size;
    h2o_buffer_consume(&conn->sock->input, conn->sock->input->size);
    if ((conn->eof || conn->lingered > LINGER_BYTES) && !conn->writing)
        bk__http1_destroy(conn);
}

void bk__http1_advance(struct bk__http1 *conn)
{
    bool more = true;

    while (more) {
        switch ((enum bk__http1_phase)conn->phase) {
        case BK__HTTP1_HEAD:
            more = read_head(conn);
            break;
        case BK__HTTP1_BODY:
            more = read_body(conn);
            break;
        case BK__HTTP1_WORK:
            if (conn->sock->input->size > PIPELINED_MAX)
                stop_reading(conn);
            return;
        case BK__HTTP1_RAW:
            more = pass_on(conn);
            break;
        case BK__HTTP1_LINGER:
            discard_input(conn);
            return;
        }
    }
}

static void on_read(h2o_socket_t *sock, const char *err)
{
    struct bk__http1 *conn = sock->data;

    bk__loop_enter(conn->server->loop);
    if (err == h2o_socket_error_closed) {
        conn->eof = true;
        if (conn->phase == BK__HTTP1_RAW ||
            (conn->phase == BK__HTTP1_WORK && conn->server->half_close_is_gone)) {
            bk__http1_lose(conn);
            return;
        }
        conn->read_stopped = true;
        h2o_socket_read_stop(sock);
    } else if (err != NULL) {
        bk__http1_lose(conn);
        return;
    }
    bk__http1_advance(conn);
}

/* --- time ------------------------------------------------------------------------------------- */

/* Whether the kernel has something for us that the loop has not come to. */
static bool has_unread(const struct bk__http1 *conn)
{
    char byte;

    return recv(h2o_socket_get_fd(conn->sock), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void on_time(struct bk__http1 *conn)
{
    if (conn->writing) {
        bool first_look = conn->write_mark == UINT64_MAX;
        if (bk__http1_writes_progress(conn) || first_look)
            bk__http1_await_progress(conn);
        else
            bk__http1_lose(conn);
        return;
    }
    switch ((enum bk__http1_phase)conn->phase) {
    case BK__HTTP1_HEAD:
        if (conn->sock->input->size == 0 && has_unread(conn))
            bk__http1_set_deadline(conn, PEEK_MS);
        else if (conn->sock->input->size == 0)
            bk__http1_destroy(conn);
        else
            refuse_head(conn, BK_ESLOW, "the request head did not arrive in time");
        return;
    case BK__HTTP1_BODY:
        conn->chunked = true;
        refuse(conn, BK_ESLOW, "the request body made no progress");
        return;
    case BK__HTTP1_WORK:
    case BK__HTTP1_RAW:
        return;
    case BK__HTTP1_LINGER:
        bk__http1_destroy(conn);
        return;
    }
}

static void on_timer(struct bk__timer *timer)
{
    struct bk__http1 *conn = bk__container_of(timer, struct bk__http1, timer);

    if (conn->deadline == BK__NEVER)
        return;
    if (conn->server->loop->clock.now_ms < conn->deadline)
        bk__timer_set(conn->server->loop, timer, conn->deadline);
    else
        on_time(conn);
}
/* --- from the server -------------------------------------------------------------------------- */

void bk__http1_accept(struct bk__server *server, h2o_socket_t *sock, const struct bk__peer *peer)
{
    struct bk__http1 *conn = calloc(1, sizeof *conn);

    bk_assert(conn != NULL);
    conn->server = server;
    conn->sock = sock;
    conn->timer.fn = on_timer;
    conn->peer = *peer;
    sock->data = conn;
    bk__list_push(&server->connections, &conn->link);
    bk__http1_await_head(conn);
    h2o_socket_read_start(sock, on_read);
    if (sock->input->size != 0)
        bk__http1_advance(conn); /* TLS may have brought the first request along */
}

/* Visits each connection; @p visit may destroy the one it is given. */
static void each(struct bk__server *server, void (*visit)(struct bk__http1 *conn))
{
    struct bk__link *it = server->connections.anchor.next;

    while (it != &server->connections.anchor) {
        struct bk__http1 *conn = bk__container_of(it, struct bk__http1, link);
        it = it->next;
        visit(conn);
    }
}

static void drain(struct bk__http1 *conn)
{
    uint64_t quiet_ms = conn->server->loop->clock.now_ms - conn->idle_since;

    if (conn->phase == BK__HTTP1_HEAD && conn->sock->input->size == 0)
        bk__http1_set_deadline(conn, quiet_ms < FAREWELL_MS ? FAREWELL_MS : 0);
    else if (conn->phase == BK__HTTP1_RAW)
        conn->req->raw->drain(conn->req);
}

void bk__http1_drain(struct bk__server *server)
{
    each(server, drain);
}

void bk__http1_close_all(struct bk__server *server)
{
    each(server, bk__http1_lose);
}
