/*
 * client.h: the inside of a bk_http_client, and one exchange of a request for an answer.
 *
 *   request.c    is the request possible, and what curl is told of it
 *   answer.c     what comes, within its limits
 *   http_client.c  settings, life, sending, retries
 *   span.c       what its trace is told of it
 *   object.c     JSON there and back
 */
#ifndef BK_CLIENT_CLIENT_H
#define BK_CLIENT_CLIENT_H

#include <backend/arena.h>
#include <backend/http_client.h>
#include <backend/str.h>
#include <backend/trace.h>

#include "client/multi.h"

struct bk_http_client {
    bk_http_client_opts opts; /* defaults filled in */
    struct bk__multi multi;
    bk_http_client_stats stats;
};

/* Why our own side has broken an exchange off. */
enum bk__exchange_fault {
    BK__EXCHANGE_FINE,
    BK__EXCHANGE_BODY_BIG,
    BK__EXCHANGE_HEAD_BIG,
    BK__EXCHANGE_HEAD_BAD,
    BK__EXCHANGE_PRIVATE, /* deny_private */
    BK__EXCHANGE_LOST     /* the connection, with a request on it that must not be sent twice */
};

/* What comes while on_body is busy. Two buffers change places. */
struct bk__exchange_pipe {
    char *fill, *drain;
    size_t len; /* in `fill` */
    bool paused;
};

/* One attempt. Lies on the stack of its fiber. */
struct bk__exchange {
    struct bk__transfer transfer;
    bk_http_client *client;
    const bk_http_request *request;
    bk_arena *arena; /* of the answer */

    /* The request. */
    const char *method, *url;
    struct curl_slist *head, **head_end; /* in the fiber's arena */
    uint32_t sends;                      /* on how many connections it was begun */
    bool repeatable;

    /* The answer. */
    bk_http_header *headers; /* in `arena` */
    size_t header_count, header_room, header_bytes;
    bool in_body; /* the head is whole */
    bk_buf body;
    uint64_t body_bytes; /* come so far, decoded */
    uint64_t body_max, stream_max;
    struct bk__exchange_pipe pipe;
    enum bk__exchange_fault fault;
    long status;
    bool was_connected;
    bk_str final_url;
};

/* --- request.c -------------------------------------------------------------------------------- */

/* BK_EINVAL, with words, when the request cannot be sent. */
bk_err bk__http_request_check(const bk_http_request *request);

/* The method, as it is sent. */
const char *bk__http_method(const bk_http_request *request);

/* It may be sent twice. */
bool bk__http_repeatable(const char *method);

/* The method and the URL without its query, which may hold secrets: for errors. */
bk_str bk__http_request_words(bk_arena *arena, const bk_http_request *request);

/* Bytes of "http://" or "https://"; 0: it is neither. */
size_t bk__http_scheme_len(bk_str url);

/* The first of @p ends in @p url from @p at on, or its end. */
size_t bk__http_find_any(bk_str url, size_t at, const char *ends);

/* Collects the head, asking `prepare`. */
BK_YIELDS bk_err bk__exchange_head(struct bk__exchange *exchange);

/* bk__transfer.set_up. */
CURLcode bk__exchange_set_up(struct bk__transfer *transfer);

/* --- span.c ----------------------------------------------------------------------------------- */

/* A span around the request and its repetitions. NULL, which the other takes, outside a trace and
 * with `no_trace`. */
bk_span *bk__http_span_begin(const bk_http_client *client, const bk_http_request *request);
void bk__http_span_end(bk_span *span, const bk_http_request *request, const bk_http_answer *answer,
                       bk_err err);

/* --- answer.c --------------------------------------------------------------------------------- */

#define BK__PIPE_BYTES ((size_t)64 * 1024)

/* curl's callbacks; @p data is the exchange. */
size_t bk__exchange_on_header(char *bytes, size_t one, size_t len, void *data);
size_t bk__exchange_on_body(char *bytes, size_t one, size_t len, void *data);

/* bk__transfer.ended. */
void bk__exchange_ended(struct bk__transfer *transfer);

/* Waits for the end of a transfer that was started. BK_OK: the answer is whole. */
BK_YIELDS bk_err bk__exchange_wait(struct bk__exchange *exchange);

#endif
