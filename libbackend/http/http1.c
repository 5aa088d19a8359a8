/*
 * http1.c: an HTTP/1 connection. See http1.h and transport.h.
 *
 * Why not libh2o's own: it takes what RFC 9112 forbids, has one timer for everything, answers its own errors in
 * plain text, and stops listening to the client while a handler works (docs/adr/0003). Here only its socket and TLS
 * are used.
 *
 *   HEAD ---whole head---> BODY ---all there---> WORK ---answer sent---> HEAD, LINGER or closed
 *
 * What must hold: `req` is set from the end of HEAD to the end of WORK; at most one write is under way; `deadline` is
 * the present phase's, and the timer is set at or before it.
 */
#include "http/http1.h"

#include <arpa/inet.h>
#include <h2o.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/assert.h"
#include "fiber/fiber.h"
#include "fiber/timer.h"
#include "http/http1_request.h"
#include "http/http1_write.h"
#include "http/server.h"

#define PIPELINED_MAX   (64 * 1024) /* input held while a handler works; then the client waits */
#define LINGER_MS       2000
#define LINGER_BYTES    (1024 * 1024)
#define SLICE_BYTES     (1024 * 1024) /* of a body handed to the kernel at a time */

enum phase { HEAD, BODY, WORK, LINGER };

struct conn {
    struct bk__link         link; /* in bk__server.connections */
    struct bk__server      *server;
    h2o_socket_t           *sock;
    bk_req                 *req;
    struct bk__timer        timer;
    uint64_t                deadline;
    uint64_t                body_left; /* of a body with a known length */
    struct bk__http1_scan   scan;
    struct bk__http1_chunks chunks;
    bk_str                  unsent;     /* of a whole answer's body, after the present slice */
    uint64_t                write_mark; /* how far the client had read when last looked */
    size_t                  lingered;
    uint32_t                served;
    uint8_t                 phase;
    bool                    chunked, keep_alive;
    bool                    read_stopped, eof;
    bool                    writing;     /* a write is under way */
    bool                    begin_later; /* the body is there, the 100 (Continue) is not yet sent */
    bool                    head_begun;  /* bytes of the next head are here */
    bool                    streaming, stream_begun, stream_last, stream_chunked;
    uint8_t                 family; /* of the peer: AF_INET, AF_INET6, AF_UNIX */
    uint8_t                 address[16];
};

static const struct bk__transport transport;

static void advance(struct conn *conn);
static void on_read(h2o_socket_t *sock, const char *err);

/* --- life ------------------------------------------------------------------------------------------------- */

static void set_deadline(struct conn *conn, uint32_t ms)
{
    conn->deadline = bk__server_after(conn->server, ms);
    if (conn->deadline != BK__NEVER)
        bk__timer_at_least(conn->server->loop, &conn->timer, conn->deadline);
}

static void destroy(struct conn *conn)
{
    bk__timer_stop(conn->server->loop, &conn->timer);
    bk__list_remove(&conn->link);
    conn->server->connection_count--;
    h2o_socket_close(conn->sock);
    free(conn);
}

/* The client is gone, or has to go. */
static void lose(struct conn *conn)
{
    bk_req *req = conn->req;
    bool    begun = conn->phase == WORK && !conn->begin_later;

    if (req != NULL && begun)
        bk__req_lost(req);
    else if (req != NULL)
        bk__req_discard(req);
    destroy(conn);
}

static void stop_reading(struct conn *conn)
{
    if (conn->read_stopped)
        return;
    conn->read_stopped = true;
    h2o_socket_read_stop(conn->sock);
}

static void go_on_reading(struct conn *conn)
{
    if (!conn->read_stopped || conn->eof)
        return;
    conn->read_stopped = false;
    h2o_socket_read_start(conn->sock, on_read);
}

/* The answer is out, and the client may still be sending: closing now would make the kernel reset the connection
 * and the client lose the answer. So the rest is read and thrown away for a while (RFC 9112, 9.6). */
static void linger(struct conn *conn)
{
    conn->phase = LINGER;
    shutdown(h2o_socket_get_fd(conn->sock), SHUT_WR);
    set_deadline(conn, LINGER_MS);
    go_on_reading(conn);
    advance(conn);
}

/* --- sending ---------------------------------------------------------------------------------------------- */

static void on_sent(h2o_socket_t *sock, const char *err);

/* Two looks make the timeout: nothing may have moved between them. */
static void await_progress(struct conn *conn)
{
    uint32_t ms = conn->server->timeouts.write_ms;

    set_deadline(conn, ms == BK_UNLIMITED ? ms : (ms + 1) / 2);
}

static void send_out(struct conn *conn, h2o_iovec_t *vectors, size_t count)
{
    bk_debug_assert(!conn->writing);
    conn->writing = true;
    conn->write_mark = UINT64_MAX;
    await_progress(conn);
    h2o_socket_write(conn->sock, vectors, count, on_sent);
}

static size_t cut_slice(struct conn *conn, h2o_iovec_t *vector)
{
    size_t len = conn->unsent.len < SLICE_BYTES ? conn->unsent.len : SLICE_BYTES;

    if (len == 0)
        return 0;
    *vector = h2o_iovec_init(conn->unsent.ptr, len);
    conn->unsent.ptr += len;
    conn->unsent.len -= len;
    return 1;
}

/* How an answer says what becomes of the connection, and what becomes of it. */
static enum bk__connection_field settle_connection(struct conn *conn, const struct bk__head *head)
{
    const bk_req *req = conn->req;

    if (head->close || req->closes || conn->server->draining)
        conn->keep_alive = false;
    if (!conn->keep_alive)
        return BK__CONNECTION_CLOSE;
    return req->version == 10 ? BK__CONNECTION_KEEP_ALIVE : BK__CONNECTION_NONE;
}

static void respond(bk_req *req, const struct bk__head *head, bk_str body)
{
    struct conn              *conn = req->conn;
    enum bk__connection_field field = settle_connection(conn, head);
    bk_str text = bk__http1_write_head(&req->fiber->task.arena, head, head->length, field,
                                       bk__server_date(conn->server));
    h2o_iovec_t vectors[2] = {h2o_iovec_init(text.ptr, text.len)};

    conn->unsent = head->bodiless ? (bk_str){NULL, 0} : body;
    send_out(conn, vectors, 1 + cut_slice(conn, &vectors[1]));
}

static void start(bk_req *req, const struct bk__head *head)
{
    struct conn *conn = req->conn;

    (void)head;
    conn->streaming = true;
    conn->stream_begun = conn->stream_last = false;
}

/* The head of a stream goes out with its first piece. */
static bk_str stream_head(struct conn *conn, const struct bk__head *head)
{
    const bk_req *req = conn->req;
    uint64_t      length = head->length;

    conn->stream_chunked = length == BK_LENGTH_UNKNOWN && req->version == 11;
    if (length == BK_LENGTH_UNKNOWN && !conn->stream_chunked)
        conn->keep_alive = false; /* HTTP/1.0: the end of the connection is the end of the body */
    if (conn->stream_chunked)
        length = BK__LENGTH_CHUNKED;
    return bk__http1_write_head(&conn->req->fiber->task.arena, head, length,
                                settle_connection(conn, head), bk__server_date(conn->server));
}

static void write_piece(bk_req *req, bk_str piece, bool last)
{
    struct conn *conn = req->conn;
    h2o_iovec_t  vectors[4];
    size_t       count = 0;

    if (!conn->stream_begun) {
        conn->stream_begun = true;
        bk_str text = stream_head(conn, &req->res.head);
        vectors[count++] = h2o_iovec_init(text.ptr, text.len);
    }
    if (conn->stream_chunked && piece.len != 0) {
        bk_str size = bk__http1_chunk_head(&req->fiber->task.arena, piece.len);
        vectors[count++] = h2o_iovec_init(size.ptr, size.len);
    }
    if (piece.len != 0)
        vectors[count++] = h2o_iovec_init(piece.ptr, piece.len);
    if (conn->stream_chunked)
        vectors[count++] = piece.len == 0 ? h2o_iovec_init(H2O_STRLIT("0\r\n\r\n"))
                           : last         ? h2o_iovec_init(H2O_STRLIT("\r\n0\r\n\r\n"))
                                          : h2o_iovec_init(H2O_STRLIT("\r\n"));
    conn->stream_last = last;
    send_out(conn, vectors, count);
}

static void abort_stream(bk_req *req)
{
    struct conn *conn = req->conn;
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    setsockopt(h2o_socket_get_fd(conn->sock), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
    conn->keep_alive = false;
    if (!conn->writing) {
        destroy(conn);
        bk__req_released(req);
    }
    /* else the write that is under way fails, and on_sent() loses the connection */
}

static void peer(bk_req *req, char out[64])
{
    const struct conn *conn = req->conn;

    if (conn->family == AF_UNIX || inet_ntop(conn->family, conn->address, out, 64) == NULL)
        strcpy(out, "unix");
}

static const struct bk__transport transport = {respond, start, write_piece, abort_stream, peer};

/* The answer is with the kernel. */
static void finish_request(struct conn *conn)
{
    bk_req *req = conn->req;
    bool    unread = conn->body_left != 0 || conn->chunked;

    conn->req = NULL;
    conn->streaming = false;
    conn->served++;
    if (conn->keep_alive) {
        conn->phase = HEAD;
        conn->head_begun = false;
        conn->scan = (struct bk__http1_scan){0};
        set_deadline(conn, conn->server->timeouts.idle_ms);
        bk__req_released(req);
        go_on_reading(conn);
        advance(conn);
        return;
    }
    if (unread && !conn->eof)
        linger(conn);
    else
        destroy(conn);
    bk__req_released(req);
}

static void on_sent(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = sock->data;
    h2o_iovec_t  slice;

    bk__loop_enter(conn->server->loop);
    conn->writing = false;
    if (err != NULL) {
        lose(conn);
        return;
    }
    if (conn->phase == LINGER) {
        linger(conn);
    } else if (conn->phase == BODY) {
        set_deadline(conn, conn->server->timeouts.body_ms); /* that was 100 (Continue) */
    } else if (conn->begin_later) {
        conn->begin_later = false;
        conn->deadline = BK__NEVER;
        bk__req_begin(conn->req);
    } else if (conn->streaming && !conn->stream_last) {
        conn->deadline = BK__NEVER;
        bk__req_drained(conn->req);
    } else if (cut_slice(conn, &slice) != 0) {
        send_out(conn, &slice, 1);
    } else {
        finish_request(conn);
    }
}

/* --- receiving -------------------------------------------------------------------------------------------- */

static void begin(struct conn *conn)
{
    conn->phase = WORK;
    conn->deadline = BK__NEVER;
    if (conn->writing)
        conn->begin_later = true;
    else
        bk__req_begin(conn->req);
}

/* Answers with an error, without reading further. */
static void refuse(struct conn *conn, bk_err err, const char *why)
{
    bk__http1_refuse(conn->req, err, why);
    begin(conn);
}

/* No fiber is free: the one answer that is made without one. */
static void refuse_busy(struct conn *conn)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
        "Content-Type: application/problem+json\r\nContent-Length: 65\r\n\r\n" BK__BUSY_BODY;
    _Static_assert(sizeof BK__BUSY_BODY - 1 == 65, "the Content-Length above");
    h2o_iovec_t vector = h2o_iovec_init(answer, sizeof answer - 1);

    conn->phase = LINGER;
    conn->keep_alive = false;
    h2o_buffer_consume(&conn->sock->input, conn->sock->input->size);
    send_out(conn, &vector, 1);
}

static void expect_body(struct conn *conn, const struct bk__http1_head *head)
{
    static const char go_ahead[] = "HTTP/1.1 100 Continue\r\n\r\n";
    h2o_iovec_t       vector = h2o_iovec_init(go_ahead, sizeof go_ahead - 1);

    conn->phase = BODY;
    conn->chunks = (struct bk__http1_chunks){0};
    if (head->expects_continue && conn->sock->input->size == 0)
        send_out(conn, &vector, 1);
    set_deadline(conn, conn->server->timeouts.body_ms);
}

/* A whole head is at the front of the input. False when the connection has to wait, or is gone. */
static bool take_head(struct conn *conn, size_t head_len)
{
    struct bk__server    *server = conn->server;
    bk_req               *req = bk__req_new(server, &transport, conn);
    struct bk__http1_head head;

    if (req == NULL) {
        refuse_busy(conn);
        return false;
    }
    conn->req = req;
    req->secure = conn->sock->ssl != NULL;
    bk_err err = bk__http1_request(req, conn->sock->input->bytes, head_len, conn->scan.lines, &head);
    h2o_buffer_consume(&conn->sock->input, head_len);
    conn->body_left = head.has_length ? head.length : 0;
    conn->chunked = head.chunked || err != BK_OK; /* where the request ends is not known: linger */
    conn->keep_alive = err == BK_OK && head.keep_alive &&
                       conn->served + 1 < server->limits.requests_per_connection;
    if (req->closes || (conn->body_left == 0 && !conn->chunked)) {
        begin(conn);
        return false;
    }
    expect_body(conn, &head);
    return true;
}

/* Answers a head that cannot be read. Where the request ends is not known. */
static void refuse_head(struct conn *conn, bk_err err, const char *why)
{
    conn->req = bk__req_new(conn->server, &transport, conn);
    if (conn->req == NULL) {
        refuse_busy(conn);
        return;
    }
    conn->req->version = 11;
    conn->chunked = true;
    conn->keep_alive = false;
    refuse(conn, err, why);
}

static bool read_head(struct conn *conn)
{
    struct bk__http1_limits limits = bk__http1_limits_of(conn->server);
    h2o_buffer_t           *input = conn->sock->input;
    const char             *why = NULL;
    size_t                  head_len;

    if (conn->scan.lines == 0 && conn->scan.at == 0 && conn->served != 0 && input->size >= 2 &&
        memcmp(input->bytes, "\r\n", 2) == 0) {
        h2o_buffer_consume(&conn->sock->input, 2); /* RFC 9112, 2.2: one empty line is forgiven */
        input = conn->sock->input;
    }
    if (input->size == 0) {
        if (conn->eof)
            destroy(conn);
        return false;
    }
    bk_err err = bk__http1_scan(&conn->scan, input->bytes, input->size, &limits, &head_len, &why);
    if (err == BK_OK)
        return take_head(conn, head_len);
    if (err == BK_EAGAIN) {
        if (conn->eof) {
            destroy(conn);
            return false;
        }
        if (!conn->head_begun)
            set_deadline(conn, conn->server->timeouts.head_ms);
        conn->head_begun = true;
        return false;
    }
    refuse_head(conn, err, why);
    return false;
}

/* Takes what has come of the body. False when the connection has to wait. */
static bool read_body(struct conn *conn)
{
    h2o_buffer_t *input = conn->sock->input;
    bk_str        data = {input->bytes, input->size};
    size_t        used = input->size;
    bk_err        err = BK_EAGAIN;

    if (input->size == 0) {
        if (conn->eof)
            lose(conn);
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
    set_deadline(conn, conn->server->timeouts.body_ms);
    return used != 0;
}

static void discard_input(struct conn *conn)
{
    conn->lingered += conn->sock->input->size;
    h2o_buffer_consume(&conn->sock->input, conn->sock->input->size);
    if ((conn->eof || conn->lingered > LINGER_BYTES) && !conn->writing)
        destroy(conn);
}

/* Does what the input allows. The connection may be gone afterwards. */
static void advance(struct conn *conn)
{
    bool more = true;

    while (more) {
        switch ((enum phase)conn->phase) {
        case HEAD:
            more = read_head(conn);
            break;
        case BODY:
            more = read_body(conn);
            break;
        case WORK:
            if (conn->sock->input->size > PIPELINED_MAX)
                stop_reading(conn);
            return;
        case LINGER:
            discard_input(conn);
            return;
        }
    }
}

static void on_read(h2o_socket_t *sock, const char *err)
{
    struct conn *conn = sock->data;

    bk__loop_enter(conn->server->loop);
    if (err == h2o_socket_error_closed) {
        conn->eof = true;
        if (conn->phase == WORK && conn->server->half_close_is_gone) {
            lose(conn);
            return;
        }
        conn->read_stopped = true;
        h2o_socket_read_stop(sock);
    } else if (err != NULL) {
        lose(conn);
        return;
    }
    advance(conn);
}

/* --- time ------------------------------------------------------------------------------------------------- */

/* Has the client taken anything since this was last asked? */
static bool writes_progress(struct conn *conn)
{
    int             fd = h2o_socket_get_fd(conn->sock), queued = 0;
    struct tcp_info info;
    socklen_t       len = sizeof info;
    uint64_t        mark;

    if (conn->family != AF_UNIX && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
        mark = info.tcpi_bytes_acked;
    else
        mark = ioctl(fd, SIOCOUTQ, &queued) == 0 ? (uint64_t)queued : 0;
    bool moved = mark != conn->write_mark && conn->write_mark != UINT64_MAX;
    conn->write_mark = mark;
    return moved;
}

static void on_time(struct conn *conn)
{
    if (conn->writing) {
        bool first_look = conn->write_mark == UINT64_MAX;
        if (writes_progress(conn) || first_look)
            await_progress(conn);
        else
            lose(conn);
        return;
    }
    switch ((enum phase)conn->phase) {
    case HEAD:
        if (conn->sock->input->size == 0)
            destroy(conn);
        else
            refuse_head(conn, BK_ESLOW, "the request head did not arrive in time");
        return;
    case BODY:
        conn->chunked = true;
        refuse(conn, BK_ESLOW, "the request body made no progress");
        return;
    case WORK:
        return;
    case LINGER:
        destroy(conn);
        return;
    }
}

static void on_timer(struct bk__timer *timer)
{
    struct conn *conn = bk__container_of(timer, struct conn, timer);

    if (conn->deadline == BK__NEVER)
        return;
    if (conn->server->loop->clock.now_ms < conn->deadline)
        bk__timer_set(conn->server->loop, timer, conn->deadline);
    else
        on_time(conn);
}

/* --- from the server -------------------------------------------------------------------------------------- */

void bk__http1_accept(struct bk__server *server, h2o_socket_t *sock, const struct sockaddr *address,
                      socklen_t address_len)
{
    struct conn *conn = calloc(1, sizeof *conn);

    bk_assert(conn != NULL);
    conn->server = server;
    conn->sock = sock;
    conn->timer.fn = on_timer;
    conn->family = AF_UNIX;
    if (address->sa_family == AF_INET && address_len >= sizeof(struct sockaddr_in)) {
        conn->family = AF_INET;
        memcpy(conn->address, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6 && address_len >= sizeof(struct sockaddr_in6)) {
        conn->family = AF_INET6;
        memcpy(conn->address, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    }
    sock->data = conn;
    bk__list_push(&server->connections, &conn->link);
    set_deadline(conn, server->timeouts.idle_ms);
    h2o_socket_read_start(sock, on_read);
    if (sock->input->size != 0)
        advance(conn); /* TLS may have brought the first request along */
}

/* Visits each connection; @p visit may destroy the one it is given. */
static void each(struct bk__server *server, void (*visit)(struct conn *conn))
{
    struct bk__link *it = server->connections.anchor.next;

    while (it != &server->connections.anchor) {
        struct conn *conn = bk__container_of(it, struct conn, link);
        it = it->next;
        visit(conn);
    }
}

static void close_if_idle(struct conn *conn)
{
    if (conn->phase == HEAD && conn->sock->input->size == 0)
        destroy(conn);
}

void bk__http1_drain(struct bk__server *server)
{
    each(server, close_if_idle);
}

void bk__http1_close_all(struct bk__server *server)
{
    each(server, lose);
}
