/*
 * http1_send.c: the sending half of an HTTP/1 connection. See http1_conn.h and transport.h.
 *
 * An answer leaves in one writev(): head and body. A body larger than a slice follows slice by
 * slice, so that progress can be seen. Streams wait for the kernel to take each piece, which is all
 * the back-pressure there is.
 */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/assert.h"
#include "fiber/fiber.h"
#include "http/http1_conn.h"
#include "http/http1_write.h"

#define SLICE_BYTES (1024 * 1024) /* of a body handed to the kernel at a time */

static void on_sent(h2o_socket_t *sock, const char *err);

bool bk__http1_writes_progress(struct bk__http1 *conn)
{
    int fd = h2o_socket_get_fd(conn->sock), queued = 0;
    struct tcp_info info;
    socklen_t len = sizeof info;
    uint64_t mark;

    if (conn->peer.family != AF_UNIX && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
        mark = info.tcpi_bytes_acked;
    else
        mark = ioctl(fd, SIOCOUTQ, &queued) == 0 ? (uint64_t)queued : 0;
    bool moved = mark != conn->write_mark && conn->write_mark != UINT64_MAX;
    conn->write_mark = mark;
    return moved;
}

/* Two looks make the timeout: nothing may have moved between them. */
void bk__http1_await_progress(struct bk__http1 *conn)
{
    uint32_t ms = conn->server->timeouts.write_ms;

    bk__http1_set_deadline(conn, ms == BK_UNLIMITED ? ms : (ms + 1) / 2);
}

void bk__http1_send(struct bk__http1 *conn, h2o_iovec_t *vectors, size_t count)
{
    bk_debug_assert(!conn->writing);
    conn->writing = true;
    conn->write_mark = UINT64_MAX;
    bk__http1_await_progress(conn);
    h2o_socket_write(conn->sock, vectors, count, on_sent);
}

static size_t cut_slice(struct bk__http1 *conn, h2o_iovec_t *vector)
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
static enum bk__connection_field settle_connection(struct bk__http1 *conn,
                                                   const struct bk__head *head)
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
    struct bk__http1 *conn = req->conn;
    enum bk__connection_field field = settle_connection(conn, head);
    bk_str text = bk__http1_write_head(&req->fiber->task.arena, head, head->length, field,
                                       bk__server_date(conn->server));
    h2o_iovec_t vectors[2] = {h2o_iovec_init(text.ptr, text.len)};

    conn->unsent = head->bodiless ? (bk_str){NULL, 0} : body;
    bk__http1_send(conn, vectors, 1 + cut_slice(conn, &vectors[1]));
}

static void start(bk_req *req, const struct bk__head *head)
{
    struct bk__http1 *conn = req->conn;

    (void)head;
    conn->streaming = true;
    conn->stream_begun = conn->stream_last = false;
}

/* The head of a stream goes out with its first piece. */
static bk_str stream_head(struct bk__http1 *conn, const struct bk__head *head)
{
    const bk_req *req = conn->req;
    uint64_t length = head->length;

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
    struct bk__http1 *conn = req->conn;
    h2o_iovec_t vectors[4];
    size_t count = 0;

    if (!conn->stream_begun) {
        conn->stream_begun = true;
        bk_str text = stream_head(conn, &req->res.head);
        vectors[count++] = h2o_iovec_init(text.ptr, text.len);
    }
    if (conn->stream_chunked && piece.len != 0) {
        bk_str size = bk__http1_chunk_head(conn->chunk_head, piece.len);
        vectors[count++] = h2o_iovec_init(size.ptr, size.len);
    }
    if (piece.len != 0)
        vectors[count++] = h2o_iovec_init(piece.ptr, piece.len);
    if (conn->stream_chunked)
        vectors[count++] = piece.len == 0 ? h2o_iovec_init(H2O_STRLIT("0\r\n\r\n"))
                           : last         ? h2o_iovec_init(H2O_STRLIT("\r\n0\r\n\r\n"))
                                          : h2o_iovec_init(H2O_STRLIT("\r\n"));
    conn->stream_last = last;
    bk__http1_send(conn, vectors, count);
}

/* A plain connection is reset. One with TLS ends without the close_notify that would make the
 * answer look whole. What is being written is dropped with the socket. */
static void abort_stream(bk_req *req)
{
    struct bk__http1 *conn = req->conn;
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int fd = h2o_socket_get_fd(conn->sock);

    if (conn->sock->ssl != NULL)
        shutdown(fd, SHUT_RDWR);
    else
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    bk__http1_destroy(conn);
    bk__req_released(req);
}

static void peer(bk_req *req, char out[BK__PEER_TEXT])
{
    bk__peer_text(&((struct bk__http1 *)req->conn)->peer, out);
}

static void upgrade(bk_req *req, const struct bk__head *head)
{
    struct bk__http1 *conn = req->conn;
    bk_str text = bk__http1_write_head(&req->fiber->task.arena, head, BK_LENGTH_UNKNOWN,
                                       BK__CONNECTION_NONE, bk__server_date(conn->server));
    h2o_iovec_t vector = h2o_iovec_init(text.ptr, text.len);

    conn->phase = BK__HTTP1_RAW;
    conn->keep_alive = false;
    bk__http1_send(conn, &vector, 1);
}

static void send_raw(bk_req *req, bk_str bytes)
{
    h2o_iovec_t vector = h2o_iovec_init(bytes.ptr, bytes.len);

    bk__http1_send(req->conn, &vector, 1);
}

static void resume(bk_req *req)
{
    bk__http1_go_on_reading(req->conn);
    bk__http1_advance(req->conn);
}

static void close_raw(bk_req *req)
{
    struct bk__http1 *conn = req->conn;

    conn->req = NULL;
    bk__http1_linger(conn);
    bk__req_released(req);
}

const struct bk__transport bk__http1_transport = {
    .respond = respond,
    .start = start,
    .write = write_piece,
    .abort = abort_stream,
    .peer = peer,
    .upgrade = upgrade,
    .send = send_raw,
    .resume = resume,
    .close = close_raw,
};

/* The answer is with the kernel. */
static void finish_request(struct bk__http1 *conn)
{
    bk_req *req = conn->req;
    bool unread = conn->body_left != 0 || conn->chunked;

    conn->req = NULL;
    conn->streaming = false;
    conn->served++;
    if (conn->keep_alive) {
        conn->phase = BK__HTTP1_HEAD;
        conn->head_begun = false;
        conn->scan = (struct bk__http1_scan){0};
        bk__http1_await_head(conn);
        bk__req_released(req);
        bk__http1_go_on_reading(conn);
        bk__http1_advance(conn);
        return;
    }
    if (unread && !conn->eof)
        bk__http1_linger(conn);
    else
        bk__http1_destroy(conn);
    bk__req_released(req);
}

/* libh2o 2.2.5 settles what to poll for before it tells of a write that was taken at once. Where a
 * fiber wrote, not a callback of its own, it would go on polling for that write, and abort once the
 * socket takes more. So it is made to look again. */
static void settle_polling(h2o_socket_t *sock)
{
    if (h2o_socket_is_reading(sock))
        h2o_socket_read_start(sock, sock->_cb.read);
    else
        h2o_socket_read_stop(sock);
}

static void on_sent(h2o_socket_t *sock, const char *err)
{
    struct bk__http1 *conn = sock->data;
    h2o_iovec_t slice;

    bk__loop_enter(conn->server->loop);
    settle_polling(sock);
    conn->writing = false;
    if (err != NULL) {
        bk__http1_lose(conn);
        return;
    }
    if (conn->phase == BK__HTTP1_LINGER) {
        bk__http1_linger(conn);
    } else if (conn->phase == BK__HTTP1_RAW) {
        conn->deadline = BK__NEVER;
        conn->req->raw->sent(conn->req);
    } else if (conn->phase == BK__HTTP1_BODY) {
        bk__http1_set_deadline(conn, conn->server->timeouts.body_ms); /* that was 100 (Continue) */
    } else if (conn->begin_later) {
        conn->begin_later = false;
        conn->deadline = BK__NEVER;
        bk__req_begin(conn->req);
    } else if (conn->streaming && !conn->stream_last) {
        conn->deadline = BK__NEVER;
        bk__req_drained(conn->req);
    } else if (cut_slice(conn, &slice) != 0) {
        bk__http1_send(conn, &slice, 1);
    } else {
        finish_request(conn);
    }
}
