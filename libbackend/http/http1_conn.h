/*
 * http1_conn.h: an HTTP/1 connection from inside: http1.c receives, http1_send.c sends.
 *
 *   HEAD ---whole head---> BODY ---all there---> WORK ---answer sent---> HEAD, LINGER or closed
 *                                                  `----upgraded------> RAW, then LINGER or closed
 *
 * What must hold: `req` is set from the end of HEAD to the end of WORK or RAW; at most one write is
 * under way; `deadline` is the present phase's, and the timer is set at or before it.
 */
#ifndef BK_HTTP_HTTP1_CONN_H
#define BK_HTTP_HTTP1_CONN_H

#include <h2o.h>

#include "fiber/timer.h"
#include "http/exchange.h"
#include "http/http1_head.h"
#include "http/http1_write.h"
#include "http/server.h"

enum bk__http1_phase {
    BK__HTTP1_HEAD,
    BK__HTTP1_BODY,
    BK__HTTP1_WORK,
    BK__HTTP1_RAW, /* bytes of another protocol: see struct bk__raw_ops */
    BK__HTTP1_LINGER
};

struct bk__http1 {
    struct bk__link link; /* in bk__server.connections */
    struct bk__server *server;
    h2o_socket_t *sock;
    bk_req *req;
    struct bk__timer timer;
    uint64_t deadline;
    uint64_t idle_since; /* in HEAD: that it has had no request */
    uint64_t body_left;  /* of a body with a known length */
    struct bk__http1_scan scan;
    struct bk__http1_chunks chunks;
    bk_str unsent;       /* of a whole answer's body, after the present slice */
    uint64_t write_mark; /* how far the client had read when last looked */
    size_t lingered;
    uint32_t served;
    uint8_t phase;
    bool chunked, keep_alive;
    bool read_stopped, eof;
    bool writing;     /* a write is under way */
    bool begin_later; /* the body is there, the 100 (Continue) is not yet sent */
    bool head_begun;  /* bytes of the next head are here */
    bool streaming, stream_begun, stream_last, stream_chunked;
    char chunk_head[BK__CHUNK_HEAD]; /* of the piece being written */
    struct bk__peer peer;
};

extern const struct bk__transport bk__http1_transport;

/* Frees the connection and closes its socket. It has no request any more. */
void bk__http1_destroy(struct bk__http1 *conn);

/* The client is gone, or has to go: its request is told, the connection freed. */
void bk__http1_lose(struct bk__http1 *conn);

/* Ends the present phase's wait @p ms from now; BK_UNLIMITED: never. */
void bk__http1_set_deadline(struct bk__http1 *conn, uint32_t ms);

/* Waits for the first byte of a head: in the phase HEAD, with nothing read yet. */
void bk__http1_await_head(struct bk__http1 *conn);

/* Does what the input allows. The connection may be gone afterwards. */
void bk__http1_advance(struct bk__http1 *conn);

/* Reads again, where that was stopped because too much lay waiting. */
void bk__http1_go_on_reading(struct bk__http1 *conn);

/* Reads and throws away what the client still sends, for a while, and closes. */
void bk__http1_linger(struct bk__http1 *conn);

/* Writes; on_sent() in http1_send.c goes on when the kernel has taken all of it. */
void bk__http1_send(struct bk__http1 *conn, h2o_iovec_t *vectors, size_t count);

/* Has the client taken anything since this was last asked? */
bool bk__http1_writes_progress(struct bk__http1 *conn);

/* Sets the deadline at which that will be asked again. */
void bk__http1_await_progress(struct bk__http1 *conn);

#endif
