/*
 * transport.h: the line between what carries requests and what answers them.
 *
 * A transport (HTTP/1 in http1.c, HTTP/2 in http2.c, the test client in transport_test.c) makes a
 * bk_req when a request's head has arrived, fills it in, has it admitted, adds the body, and begins
 * it. From then on the request runs on its fiber and talks back through the table below. Both sides
 * live on the loop's thread.
 *
 *   transport                                     request
 *   ---------                                     -------
 *   bk__req_new()        head has arrived      -> a fiber with its arena, nothing runs
 *   bk__req_admit()      checks, routing       -> refusal, or how much body may come
 *   bk__req_body_add()   body bytes            -> counted, kept
 *   bk__req_begin()      all there             -> the handler runs on the fiber
 *                                    respond() <- the whole answer; or
 *                              start(), write() <- a streamed one
 *   bk__req_drained()    client took a piece   -> the writing fiber goes on
 *   bk__req_released()   nothing of the request is needed any more -> the fiber ends
 *   bk__req_lost()       the client is gone    -> counts as released; waits are cancelled
 *
 * After bk__req_released() or bk__req_lost() the transport forgets the request, and the request
 * never calls the table again. Exactly one of the two is called for each request that was begun.
 */
#ifndef BK_HTTP_TRANSPORT_H
#define BK_HTTP_TRANSPORT_H

#include <backend/request.h>
#include <backend/response.h>

#include "http/peer.h"

/* Status line and headers of an answer. Lives until the request is released. */
struct bk__head {
    int status;
    const bk_pair *headers; /* names and values checked; no Date, Connection, Content-Length */
    size_t count;
    uint64_t length; /* of the body; BK_LENGTH_UNKNOWN: as long as it lasts */
    bool bodiless;   /* HEAD, 204, 304: nothing follows, whatever the length says */
    bool close;      /* end the connection after this answer (HTTP/1) */
};

/* What a transport answers by itself, with status 503 and `Retry-After: 1`, when no fiber is free.
 */
#define BK__BUSY_BODY "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503}"

/*
 * Who speaks on a connection that has left HTTP: from upgrade() until the request is released or
 * lost, the connection carries bytes of another protocol. Called on the loop's stack, or within a
 * call of the table.
 */
struct bk__raw_ops {
    /* Bytes came. Returns how many of them it took; the rest is offered again with more, or after
     * resume(). */
    size_t (*input)(bk_req *req, const char *bytes, size_t len);

    /* What was given last, to upgrade() or send(), is with the kernel. */
    void (*sent)(bk_req *req);

    /* The server drains: say goodbye. */
    void (*drain)(bk_req *req);

    /* The client is gone. */
    void (*lost)(bk_req *req);

    /* The handler has returned @p err. On its fiber; returns with the request released or lost, and
     * what is to be made of the error. */
    bk_err (*leave)(bk_req *req, bk_err err);
};

struct bk__transport {
    /* Sends a whole answer. @p body lives until the request is released. */
    void (*respond)(bk_req *req, const struct bk__head *head, bk_str body);

    /* Begins a streamed answer; sends nothing yet. */
    void (*start)(bk_req *req, const struct bk__head *head);

    /* Sends a piece, which lives until bk__req_drained() or the request is released. After the @p
     * last one bk__req_released() follows and not bk__req_drained(). */
    void (*write)(bk_req *req, bk_str piece, bool last);

    /* Breaks a streamed answer off so that the client notices: its rest will not come. */
    void (*abort)(bk_req *req);

    /* The peer's address as text. */
    void (*peer)(bk_req *req, char out[BK__PEER_TEXT]);

    /* Sends @p head, which ends HTTP on this connection, for bk_req.raw to go on. NULL where a
     * connection cannot be had for oneself; so then are the next three. */
    void (*upgrade)(bk_req *req, const struct bk__head *head);

    /* Sends bytes, which live until raw->sent(). Not while others are being sent. */
    void (*send)(bk_req *req, bk_str bytes);

    /* Offers input again that raw->input() has left. */
    void (*resume)(bk_req *req);

    /* Closes the connection, after what was sent; bk__req_released() follows. Not while bytes are
     * being sent: abort() may be. */
    void (*close)(bk_req *req);
};

#endif
