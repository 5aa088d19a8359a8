/*
 * exchange.h: a request and its answer, from inside.
 *
 * The bk_req and its bk_res lie in the arena of the request's fiber, as does all they point to. The
 * transport may vanish (the client is gone): then `transport` is NULL, and sending is nothing.
 */
#ifndef BK_HTTP_EXCHANGE_H
#define BK_HTTP_EXCHANGE_H

#include <backend/app.h>
#include <backend/request.h>
#include <backend/response.h>

#include "core/list.h"
#include "fiber/fiber.h"
#include "http/transport.h"
#include "http/tree.h"

struct bk__route;
struct bk__server;

enum bk__body_kind {
    BK__BODY_NONE,
    BK__BODY_TEXT,  /* text, ready to be sent */
    BK__BODY_JSON,  /* in `writer`'s buffer */
    BK__BODY_STREAM /* start() was, or will be, called */
};

/* What stands between a streamed body and the transport. */
struct bk__res_filter {
    /* The head is about to be made; may add headers. False: the body stays as it is. */
    bool (*begin)(struct bk__res_filter *self, bk_res *res);

    /* What is sent instead of @p bytes, until the next call; with the @p last ones all that was
     * held back. May wait. */
    bk_err (*piece)(struct bk__res_filter *self, bk_str bytes, bool last, bk_str *out);
};

/* Wants to hear how a request ended. See bk__req_on_end(). */
struct bk__req_end {
    struct bk__req_end *next;
    void (*fn)(struct bk__req_end *self, bk_req *req);
};

struct bk_res {
    bk_req *req;
    int status;
    enum bk__body_kind kind;
    bk_str body; /* BK__BODY_TEXT */
    bk_buf buf;  /* BK__BODY_JSON */
    bk_json_writer writer;
    bk_pair *headers; /* first_headers, then in the arena */
    uint32_t header_count, header_cap;
    const char *type; /* Content-Type; NULL: none. Static or in the arena */
    bk_str etag;      /* set by the handler; absent: made from the body */
    bool no_etag;
    bool started; /* a stream whose head was handed over */
    bool broken;  /* a stream that was aborted */
    bool endless; /* a stream that lasts until somebody leaves: that it ends is no failure */
    uint64_t stream_length, stream_sent; /* before the filter */
    uint64_t sent_bytes;                 /* of the body, as handed to the transport */
    struct bk__res_filter *filter;       /* NULL: none; lives until the answer is sent */
    struct bk__head head;
    bk_pair first_headers[8]; /* what `headers` begins with; not zeroed */
};

struct bk_req {
    struct bk__server *server;
    const struct bk__transport *transport; /* NULL: the client is gone */
    void *conn;                            /* the transport's own */
    bk_fiber *fiber;
    struct bk__link link; /* in bk__server.requests, from begin to end */

    /* What came: set by the transport before admission, in the arena. */
    bk_str method_text;
    bk_str target;    /* as sent; path and query are cut out of it by admission */
    bk_str host;      /* Host, or :authority */
    bk_pair *headers; /* names in lower case; Host among them where it was sent */
    uint32_t header_count;
    uint8_t version; /* 10, 11, 20 */
    bool secure;     /* came over TLS */

    /* Set by admission. */
    bk_method method;
    bk_str path, query;
    const struct bk__route *route;    /* NULL: refused, or answered by the router itself */
    bk_err refusal;                   /* BK_OK: run the route */
    const char *refusal_why;          /* static; NULL: the code's own words */
    uint32_t allow;                   /* methods of the path, as bits, for 405 and OPTIONS */
    const struct bk__route *neighbor; /* of that path: its middleware runs around these two */
    bool closes;                      /* the connection cannot go on after this request */
    bool admitted;                    /* the head is a request's; the application may see it */
    uint32_t body_limit;
    uint64_t begun_ns; /* only where requests are measured */

    /* The body: grows outside the arena, so that a large one is not copied again and again. */
    char *body;
    size_t body_len, body_cap;
    char **body_heap; /* where a large one lies; NULL: in the arena */

    /* Made when asked for. */
    bk_str id;
    bool id_given;               /* by a peer or by the application: it need not be a UUID */
    bk_str peer, client, scheme; /* absent: not yet asked for */
    bk_pairs query_pairs;
    bool query_parsed;
    struct bk__req_value *values; /* bk_req_set() */

    struct bk__req_end *ends;      /* who hears of its end; the last that asked first */
    const struct bk__raw_ops *raw; /* who has its connection; NULL: it is an ordinary request */
    void *raw_owner;               /* theirs */

    bool personal; /* its cookies were looked at: the answer may be this client's own */
    bool begun;
    bool waiting; /* its fiber waits for the transport */
    bool drained; /* the piece being written is done with */
    bool lost, released;

    struct bk__tree_match match; /* not zeroed */
    bk_res res;
};

/*
 * A request of @p server, with its fiber and arena. NULL when there are as many fibers as there may
 * be: the transport answers 503 by itself then.
 */
bk_req *bk__req_new(struct bk__server *server, const struct bk__transport *transport, void *conn);

/* Checks the head, finds the route, sets the body limit. Sets `refusal` where the answer will be an
 * error; the transport may still read the body then, unless `closes` is set: it should begin the
 * request at once. A refusal that the transport has already set stays. */
void bk__req_admit(bk_req *req);

/* Copies body bytes. BK_ETOOBIG over the request's limit, BK_EUNAVAILABLE over the server's; that
 * is then the request's refusal, `closes` is set and what was kept is dropped. */
bk_err bk__req_body_add(bk_req *req, const char *bytes, size_t len);

/* Puts @p bytes, which malloc() made and which are taken, in place of the body. BK_EUNAVAILABLE,
 * with the body as it was, when the server holds too many. */
bk_err bk__req_body_replace(bk_req *req, char *bytes, size_t len);

/* Runs it on its fiber; returns when that waits or has ended. The request may be gone then. */
void bk__req_begin(bk_req *req);

/* Ends one that was not begun. */
void bk__req_discard(bk_req *req);

/* From the transport: see transport.h. On the loop's stack, or within a call of the table. */
void bk__req_drained(bk_req *req);
void bk__req_released(bk_req *req);
void bk__req_lost(bk_req *req);

/* Has end->fn called once, on the request's fiber, when the last byte of the answer is with the
 * kernel or the client is gone; `res.head.status` is what was sent then, 0 if nothing was. It must
 * not wait. @p end lives in the request's arena. */
void bk__req_on_end(bk_req *req, struct bk__req_end *end);

/* The address of the socket's other end. */
bk_str bk__req_peer(bk_req *req);

/* Takes the id from the header field @p lower_case_name where that holds a harmless one and comes
 * from a trusted peer, or from @p anyone. Returns whether it did. */
bool bk__req_take_id(bk_req *req, bk_str lower_case_name, bool anyone);

/* Gives it an id, which lives as long as the request. */
void bk__req_set_id(bk_req *req, bk_str id);

/* Whether @p id is one that others may be asked to repeat: up to 128 of A-Z a-z 0-9 . _ - */
bool bk__req_id_fits(bk_str id);

/* A header's value as it came; joined in the arena where it came more than once. */
bk_str bk__req_header(const bk_req *req, bk_str lower_case_name);

/* The same where it comes from bk_app_opts.trusted_proxies, or from @p anyone; else absent. */
bk_str bk__req_believed_header(bk_req *req, bk_str lower_case_name, bool anyone);

/* Puts what went wrong into the response as application/problem+json (RFC 9457), and a 5xx into the
 * log. */
void bk__problem_render(bk_req *req, bk_err err);

/* Puts the chain of @p err into the log, unless all that happened is that the client has gone. */
void bk__problem_log(const bk_req *req, bk_err err);

/* The reason phrase of a status; "Unknown" when it has none. */
const char *bk__status_text(int status);

/* A response of which nothing was said yet. */
void bk__res_init(bk_res *res, bk_req *req);

/* Forgets what a handler has put in, but for the headers that middleware set. */
void bk__res_clear(bk_res *res);

/* Adds a header that is known to be one; @p name and @p value live until the answer is sent. */
void bk__res_push_header(bk_res *res, bk_str name, bk_str value);

/* Makes room for so many more, so that the list does not grow step by step. */
void bk__res_reserve_headers(bk_res *res, uint32_t count);

/* Sets status and body. @p type: lives until the answer is sent, as does @p body; may be NULL. */
void bk__res_set_body(bk_res *res, int status, const char *type, bk_str body);

/* The body as it stands, with its ETag made where it is to have one. */
bk_str bk__res_body(bk_res *res);

/* Drops the headers from the @p first on that speak of the body or of keeping it. */
void bk__res_drop_representation(bk_res *res, uint32_t first);

/* Fills `head` for a body of @p length. */
void bk__res_fill_head(bk_res *res, uint64_t length);

/* Fits the answer for sending: ETag and 304, HEAD, the fields of `head`. @p body receives what is
 * to be sent. */
void bk__res_prepare(bk_res *res, bk_str *body);

/* Hands the answer to the transport and waits until nothing of the request is needed any more. */
BK_YIELDS void bk__res_finish(bk_res *res, bk_err err);

/* For a stream that is endless, whose pieces may also come from the loop's stack, and live until
 * they have gone. Waits until no piece is on its way. BK_ECLOSED when the client is gone. */
BK_YIELDS bk_err bk__res_await_idle(bk_res *res);

/* Sends a piece when none is on its way, and waits until it has gone. */
BK_YIELDS bk_err bk__res_push(bk_res *res, bk_str piece);

/* Sends a piece if none is on its way. Waits for nothing. */
void bk__res_push_idle(bk_res *res, bk_str piece);

/* The handler has left it with @p err: what that means for the answer. */
BK_YIELDS bk_err bk__res_leave_endless(bk_res *res, bk_err err);

/* Waits for the transport: until the present piece is drained, or the request is released or lost.
 */
BK_YIELDS bk_err bk__req_await(bk_req *req, bool piece);

#endif
