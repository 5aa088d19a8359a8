/*
 * http2_layout.h: the inside of libh2o's HTTP/2 connections and streams, as far as we must look at
 * it.
 *
 * h2o's own header for this needs khash.h, which Debian does not ship. So the layout is told again
 * here, for the one version that has it: the sizes are checked where this is compiled, and
 * bk__h2_check_layout() looks at a real connection when an app starts. Members that we neither read
 * nor write are only room.
 */
#ifndef BK_HTTP_HTTP2_LAYOUT_H
#define BK_HTTP_HTTP2_LAYOUT_H

#include <h2o.h>
#include <h2o/cache.h>
#include <h2o/http2.h>
#include <h2o/http2_scheduler.h>
#include <h2o/version.h>

#include "http/http2_guard.h"

#if H2O_LIBRARY_VERSION_MAJOR != 0 || H2O_LIBRARY_VERSION_MINOR != 13 ||                           \
    (H2O_LIBRARY_VERSION_PATCH != 5 && H2O_LIBRARY_VERSION_PATCH != 6)
#error "these are the insides of libh2o 0.13.5 and 0.13.6"
#endif

/* h2o compares them with <, so the order counts. */
enum bk__h2o_stream_state {
    BK__H2O_IDLE, /* made by a PRIORITY frame only */
    BK__H2O_RECV_HEADERS,
    BK__H2O_RECV_BODY,
    BK__H2O_PENDING,
    BK__H2O_SEND_HEADERS, /* the handler works, nothing was sent yet */
    BK__H2O_SEND_BODY,
    BK__H2O_SEND_BODY_IS_FINAL,
    BK__H2O_END_STREAM /* all is in the connection's output, or the stream was reset */
};

enum bk__h2o_conn_state {
    BK__H2O_OPEN,
    BK__H2O_HALF_CLOSED,
    BK__H2O_CLOSING /* nothing is sent any more; it ends with the write under way */
};

struct bk__h2o_counts {
    uint32_t open, half_closed, send_body;
};

struct bk__h2o_stream {
    uint32_t id;
    h2o_ostream_t out;
    enum bk__h2o_stream_state state;
    ssize_t output_window, input_window;
    h2o_http2_priority_t priority;
    h2o_buffer_t *body;              /* NULL: none was announced */
    size_t declared_length;          /* Content-Length; SIZE_MAX: not said */
    H2O_VECTOR(h2o_iovec_t) pending; /* what is still to be sent */
    void *pull;
    struct bk__h2o_counts *counts; /* of the connection, in which this is counted */
    void *digests;
    struct bk__h2_watch watch; /* h2o's notes on a pushed stream. Nothing is pushed: ours */
    h2o_linklist_t link;       /* in to_proceed, among others */
    h2o_http2_scheduler_openref_t scheduler;
    h2o_send_state_t send_state;
    h2o_req_t req;
};

/* A khash of klib, with the stream's id as key. */
struct bk__h2o_streams {
    uint32_t buckets, size, occupied, upper_bound;
    uint32_t *flags; /* two bits a bucket; both 0: in use */
    uint64_t *keys;
    struct bk__h2o_stream **values;
};

struct bk__h2o_table {
    void *entries;
    size_t count, capacity, first, bytes, bytes_max, bytes_limit;
};

struct bk__h2o_conn {
    h2o_conn_t super;
    h2o_socket_t *sock;
    h2o_http2_settings_t peer_settings;
    struct bk__h2o_streams *streams;
    uint32_t last_id; /* the highest that the client has used */
    uint32_t last_processed, last_pushed;
    struct {
        struct bk__h2o_counts idle, pull, push;
    } counts;
    h2o_http2_scheduler_node_t scheduler;
    enum bk__h2o_conn_state state;
    h2o_linklist_t link; /* in h2o_context_t.http2._conns */
    void *expect;
    h2o_buffer_t *upgraded;
    struct bk__h2o_table input_table;
    ssize_t input_window;
    struct bk__h2o_table output_table;
    h2o_linklist_t pending;
    h2o_timeout_entry_t idle;
    h2o_buffer_t *half_block; /* of a header block that goes on in CONTINUATION */
    struct {
        h2o_buffer_t *buf;         /* to be written next */
        h2o_buffer_t *in_flight;   /* NULL: no write is under way */
        h2o_linklist_t to_proceed; /* streams that wait for the end of a write */
        h2o_timeout_entry_t entry; /* linked: buf is written at the end of the turn */
        ssize_t window;
    } write;
    h2o_cache_t *memo; /* of what was pushed. Nothing is: ours, see http2_conn.c */
    void *casper;
};

#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(h2o_req_t) == 608 && sizeof(h2o_conn_t) == 48, "h2o.h differs");
_Static_assert(sizeof(struct bk__h2o_streams) == 40, "klib's khash differs");
_Static_assert(sizeof(struct bk__h2o_table) == 56, "the header tables differ");
_Static_assert(sizeof(struct bk__h2o_stream) == 880 &&
                   offsetof(struct bk__h2o_stream, state) == 40 &&
                   offsetof(struct bk__h2o_stream, output_window) == 48 &&
                   offsetof(struct bk__h2o_stream, body) == 80 &&
                   offsetof(struct bk__h2o_stream, declared_length) == 88 &&
                   offsetof(struct bk__h2o_stream, pending) == 96 &&
                   offsetof(struct bk__h2o_stream, counts) == 128 &&
                   offsetof(struct bk__h2o_stream, watch) == 144 &&
                   offsetof(struct bk__h2o_stream, link) == 152 &&
                   offsetof(struct bk__h2o_stream, req) == 272,
               "the streams differ");
_Static_assert(sizeof(struct bk__h2o_conn) == 472 && offsetof(struct bk__h2o_conn, sock) == 48 &&
                   offsetof(struct bk__h2o_conn, streams) == 80 &&
                   offsetof(struct bk__h2o_conn, counts) == 100 &&
                   offsetof(struct bk__h2o_conn, state) == 168 &&
                   offsetof(struct bk__h2o_conn, link) == 176 &&
                   offsetof(struct bk__h2o_conn, half_block) == 376 &&
                   offsetof(struct bk__h2o_conn, write) == 384 &&
                   offsetof(struct bk__h2o_conn, memo) == 456,
               "the connections differ");
#endif

/* The stream in bucket @p i; NULL: none. */
static inline struct bk__h2o_stream *bk__h2o_stream_in(const struct bk__h2o_streams *streams,
                                                       uint32_t i)
{
    return ((streams->flags[i >> 4] >> ((i & 15) << 1)) & 3) == 0 ? streams->values[i] : NULL;
}

/* Visits each stream. The body may end streams, but must not let h2o read, which makes new ones. */
#define bk__h2o_each_stream(stream, streams)                                                       \
    for (uint32_t bk__i = 0; bk__i < (streams)->buckets; bk__i++)                                  \
        for (struct bk__h2o_stream *stream = bk__h2o_stream_in((streams), bk__i); stream != NULL;  \
             stream = NULL)

static inline struct bk__h2o_stream *bk__h2o_stream_of(h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(struct bk__h2o_stream, req, req);
}

/* h2o exports these without a header that we could use. @p code of RST_STREAM is as on the wire,
 * that of GOAWAY is h2o's negative. */
void h2o_http2__encode_rst_stream_frame(h2o_buffer_t **buf, uint32_t id, int code);
void h2o_http2_encode_goaway_frame(h2o_buffer_t **buf, uint32_t last_id, int code,
                                   h2o_iovec_t text);
void h2o_http2_conn_request_write(struct bk__h2o_conn *conn);
void h2o_http2_stream_reset(struct bk__h2o_conn *conn, struct bk__h2o_stream *stream);

#endif
