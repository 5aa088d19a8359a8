/*
 * http2_check.c: is h2o's connection what http2_layout.h says?
 *
 * The library that is linked may be another than the one whose headers this was compiled with. So a
 * connection is made on one end of a socketpair, a request with half of its body is put into its
 * input, and everything that we read elsewhere is compared with what it must be. A pointer is
 * followed only after it was found to be the right one.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "core/assert.h"
#include "http/http2_conn.h"

#define HALF_BODY     5
#define WHOLE_BODY    10
#define WINDOW        1234
#define STREAM_WINDOW 16777216

/* The preface, SETTINGS with an initial window of 1234, HEADERS of stream 1 with "POST https /" and
 * content-length: 10, DATA with half of it. */
static const char request[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                              "\0\0\6\4\0\0\0\0\0"
                              "\0\4\0\0\4\322"
                              "\0\0\10\1\4\0\0\0\1"
                              "\203\204\207\17\15\2"
                              "10"
                              "\0\0\5\0\0\0\0\0\1"
                              "hello";

static bool conn_fits(const struct bk__h2_context *h2, const h2o_socket_t *sock)
{
    const struct bk__h2o_conn *conn = sock->data;

    return h2->ctx.http2._conns.next == &conn->link && conn->link.next == &h2->ctx.http2._conns &&
           conn->super.ctx == &h2->ctx && conn->sock == sock && conn->state == BK__H2O_OPEN &&
           conn->peer_settings.initial_window_size == WINDOW && conn->last_id == 1 &&
           conn->counts.idle.open == 0 && conn->counts.pull.open == 1 &&
           conn->counts.pull.half_closed == 0 && conn->memo == NULL && conn->casper == NULL &&
           conn->half_block == NULL;
}

static bool output_fits(const struct bk__h2o_conn *conn)
{
    const h2o_linklist_t *waiting = &conn->write.to_proceed;

    return conn->write.in_flight != NULL && conn->write.buf != NULL &&
           conn->write.buf->bytes == NULL && waiting->next == waiting && waiting->prev == waiting &&
           conn->write.window == 65535 && conn->write.entry.cb != NULL &&
           conn->write.entry._link.next == NULL;
}

static const struct bk__h2o_stream *only_stream(const struct bk__h2o_streams *streams)
{
    const struct bk__h2o_stream *found = NULL;

    if (streams->size != 1 || streams->occupied != 1 || streams->buckets != 4)
        return NULL;
    bk__h2o_each_stream(stream, streams) found = stream;
    return found;
}

static bool stream_fits(const struct bk__h2o_conn *conn)
{
    const struct bk__h2o_stream *stream = only_stream(conn->streams);

    return stream != NULL && stream->id == 1 && stream->state == BK__H2O_RECV_BODY &&
           stream->req.conn == &conn->super && stream->req.version == 0x200 &&
           stream->output_window == WINDOW && stream->input_window == STREAM_WINDOW - HALF_BODY &&
           stream->declared_length == WHOLE_BODY && stream->body != NULL &&
           stream->body->size == HALF_BODY &&
           memcmp(stream->body->bytes, "hello", HALF_BODY) == 0 && stream->pending.size == 0 &&
           stream->counts == &conn->counts.pull && stream->watch.mark == 0 &&
           stream->watch.since == 0 && stream->req._ostr_top == &stream->out;
}

static void put_input(h2o_socket_t *sock)
{
    h2o_iovec_t room = h2o_buffer_reserve(&sock->input, sizeof request - 1);

    memcpy(room.base, request, sizeof request - 1);
    sock->input->size += sizeof request - 1;
}

void bk__h2_check_layout(struct bk__h2_context *h2)
{
    int fds[2];

    bk_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    h2o_socket_t *sock = h2o_evloop_socket_create(h2->ctx.loop, fds[0], 0);
    put_input(sock);
    h2o_http2_accept(&h2->accept, sock, (struct timeval){0, 0});
    struct bk__h2o_conn *conn = sock->data;
    if (!conn_fits(h2, sock) || !output_fits(conn) || !stream_fits(conn))
        bk__setup_error(
            "http/http2_layout.h", 0,
            "the libh2o-evloop that is linked is not 0.13.5 or 0.13.6: HTTP/2 cannot be served");
    h2->outputs = H2O_STRUCT_FROM_MEMBER(h2o_buffer_prototype_t, _initial_buf, conn->write.buf);
    /* The client hangs up; what h2o has written meanwhile ends in the next turn, and with it the
     * connection. */
    sock->_cb.read(sock, "checked");
    close(fds[1]);
}
