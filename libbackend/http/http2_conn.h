/*
 * http2_conn.h: HTTP/2 connections, between the files that make them up.
 *
 *   http2.c         h2o's context: open, drain, close
 *   http2_conn.c    a connection; the gate through which h2o is called
 *   http2_frames.c  what of the input reaches h2o
 *   http2_stream.c  requests and answers
 *   http2_sweep.c   time, and bodies that are still coming
 *   http2_guard.c   judgements
 *   http2_problem.c h2o's own errors as problem+json
 *   http2_layout.h  h2o's insides; http2_check.c proves them
 */
#ifndef BK_HTTP_HTTP2_CONN_H
#define BK_HTTP_HTTP2_CONN_H

#include "core/list.h"
#include "fiber/timer.h"
#include "http/http2_frames.h"
#include "http/http2_layout.h"
#include "http/server.h"

struct bk__h2_context {
    struct bk__server *server;
    h2o_globalconf_t config;
    h2o_context_t ctx;
    h2o_accept_ctx_t accept;
    struct bk__list conns; /* bk__h2_conn.link */
    size_t conn_count;
    struct bk__timer sweep;
    struct bk__h2_frames_limits frames_limits;
    size_t body_max;   /* of any route: what is longer need not be waited for */
    size_t body_bytes; /* of requests that are still coming, held by h2o */
    bk_err refusal;    /* while bk__h2_refuse() is at work; else BK_OK */
    const char *refusal_why;
    h2o_buffer_prototype_t *outputs; /* h2o's own, which keeps used buffers of this thread */
};

/* How far a connection is with ending in good order. */
enum bk__h2_farewell {
    BK__H2_STAYS,
    BK__H2_LEAVES, /* GOAWAY that takes what is on its way: no new streams, please */
    BK__H2_LEFT    /* GOAWAY with the last stream: later ones are refused */
};

/* One of ours for each socket; it outlives h2o's while TLS says goodbye. */
struct bk__h2_conn {
    struct bk__link link;
    struct bk__h2_context *h2;
    h2o_socket_t *sock;        /* NULL: closed */
    struct bk__h2o_conn *h2o;  /* NULL: h2o has freed it */
    h2o_socket_cb read, write; /* h2o's own callbacks, behind the gate */
    h2o_timeout_cb emit;
    uint32_t inside; /* calls into h2o under way: the struct must stay */
    struct bk__h2_frames frames;
    struct bk__h2_bucket abuse;
    struct bk__h2_watch block_watch, frame_watch, output_watch;
    size_t body_bytes;  /* its part of bk__h2_context.body_bytes */
    uint64_t active_at; /* when a stream was open last */
    uint64_t farewell_at, closing_at;
    uint32_t last_id; /* with BK__H2_LEFT */
    uint32_t served;
    uint8_t farewell;
    bool held;         /* there is input that h2o must not see yet */
    bool writing_done; /* h2o is being told that a write has ended */
    bool cut;          /* the socket was shut down */
    bool failed;       /* h2o is being told that the socket is gone */
    struct bk__peer peer;
};

/* --- http2_conn.c ----------------------------------------------------------------------------- */

static inline struct bk__h2_conn *bk__h2_conn_of(const h2o_socket_t *sock)
{
    return sock->on_close.data;
}

/* Around what calls into h2o from outside of it: the struct stays meanwhile, and the gate is put
 * back. The struct may be gone after bk__h2_conn_leave(). */
void bk__h2_conn_enter(struct bk__h2_conn *conn);
void bk__h2_conn_leave(struct bk__h2_conn *conn);

/* Ends it at once, from anywhere: h2o sees the end of the socket in the next turn. */
void bk__h2_conn_cut(struct bk__h2_conn *conn, const char *why);

/* Ends it in good order; within enter and leave, not within h2o. */
void bk__h2_conn_close(struct bk__h2_conn *conn);

/* Counts work that was made void; cuts connections that do that too often. */
void bk__h2_conn_blame(struct bk__h2_conn *conn, uint32_t units);

/* Writes what h2o would write at the end of the turn; within enter and leave, not within h2o. */
void bk__h2_conn_flush(struct bk__h2_conn *conn);

/* Ends a stream with RST_STREAM. From anywhere: the request, if it has begun, is lost or released.
 */
void bk__h2_conn_reset(struct bk__h2_conn *conn, struct bk__h2o_stream *stream, int code);

/* The first and the second GOAWAY. Nothing happens when it was said, or h2o has not yet greeted the
 * client. */
void bk__h2_conn_goaway(struct bk__h2_conn *conn);
void bk__h2_conn_last_goaway(struct bk__h2_conn *conn);

/* --- http2_stream.c --------------------------------------------------------------------------- */

/* h2o's handler of all requests. */
int bk__h2_on_request(h2o_handler_t *handler, h2o_req_t *req);

struct bk__h2_handler {
    h2o_handler_t super;
    struct bk__h2_context *h2;
};

/* Answers a request whose body is still coming; within enter and leave, not within h2o. */
void bk__h2_refuse(struct bk__h2_conn *conn, struct bk__h2o_stream *stream, bk_err err,
                   const char *why);

/* --- http2_sweep.c ---------------------------------------------------------------------------- */

/* Counts the bodies that are coming and refuses those that are too large; within enter and leave,
 * not within h2o. */
void bk__h2_check_bodies(struct bk__h2_conn *conn);

void bk__h2_on_sweep(struct bk__timer *timer);

/* --- http2_problem.c -------------------------------------------------------------------------- */

/* Has errors that h2o answers by itself on this path sent as problem+json. */
void bk__h2_problem_register(h2o_pathconf_t *path);

/* --- http2_check.c ---------------------------------------------------------------------------- */

/* Makes a connection of h2o's and compares it with http2_layout.h; stops the program if they
 * differ. */
void bk__h2_check_layout(struct bk__h2_context *h2);

#endif
