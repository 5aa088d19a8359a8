/*
 * transport_test.h: requests of a test, without a socket (see transport.h).
 *
 * A call is one request and what has come back of its answer. It may be stalled and reset as a
 * client may. What a socket would report in a later turn of the loop is reported in a later turn
 * here too.
 */
#ifndef BK_HTTP_TRANSPORT_TEST_H
#define BK_HTTP_TRANSPORT_TEST_H

#include <backend/arena.h>
#include <backend/str.h>

#include "fiber/timer.h"
#include "http/transport.h"

struct bk__server;

enum bk__test_owed {
    BK__OWES_NOTHING,
    BK__OWES_DRAINED,
    BK__OWES_RELEASED
};

struct bk__test_call {
    bk_arena *arena; /* of all that is kept here */
    struct bk__server *server;
    bk_req *req;        /* NULL: the server is done with it, or never took it */
    const char *client; /* the peer's address */

    /* On its way from the server. */
    const struct bk__head *head; /* NULL: none, or kept already */
    bk_str piece;
    bool piece_waits, piece_is_last;
    enum bk__test_owed owed; /* what the server has yet to be told */
    struct bk__timer timer;  /* the write timeout of a stalled client */
    bool stalled;

    /* What the client has. */
    int status; /* 0: nothing yet */
    bk_pair *headers;
    size_t header_count;
    bk_buf body;
    bool whole; /* all of the answer is there */
    bool over;  /* nothing more will come */
};

/*
 * Sends a request; call->arena is set, all else zero. @p head: request line and header fields as
 * HTTP/1.1 writes them, with the empty line. @p body is sent as it is, whatever the head says.
 * On the loop's stack. All is copied.
 */
void bk__test_call_begin(struct bk__test_call *call, struct bk__server *server, bk_str head,
                         bk_str body, const char *client);

/* The client resets its connection. Harmless when the call is over. */
void bk__test_call_reset(struct bk__test_call *call);

/* The client takes nothing until it goes on. */
void bk__test_call_stall(struct bk__test_call *call);
void bk__test_call_go_on(struct bk__test_call *call);

#endif
