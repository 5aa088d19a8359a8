/*
 * answer.c: an answer as it comes in. See client.h.
 *
 * Several heads may come for one request (1xx, redirects); the last one counts. A head that has
 * ended with an empty line is followed by the next or by the body; what comes as a header after
 * that is a trailer, and dropped.
 *
 * curl's callbacks run on the loop's stack while the fiber waits, so they may write to its arena.
 * on_body runs on the fiber: what comes meanwhile is kept in one of two buffers, and when that is
 * full curl stops reading.
 */
#include "client/client.h"

#include "client/error.h"
#include "core/assert.h"

/* --- on the loop's stack ---------------------------------------------------------------------- */

/* Any other number than that of the bytes that curl gave makes it break off. */
static size_t fail_with(struct bk__exchange *exchange, enum bk__exchange_fault fault)
{
    exchange->fault = fault;
    return 0;
}

static void begin_head(struct bk__exchange *exchange)
{
    exchange->in_body = false;
    exchange->header_count = 0;
    exchange->header_bytes = 0;
}

static void keep_header(struct bk__exchange *exchange, bk_str name, bk_str value)
{
    if (exchange->header_count == exchange->header_room) {
        size_t room = exchange->header_room != 0 ? exchange->header_room * 2 : 16;
        bk_http_header *headers = bk_arena_alloc(exchange->arena, room * sizeof *headers);
        if (exchange->header_count != 0)
            memcpy(headers, exchange->headers, exchange->header_count * sizeof *headers);
        exchange->headers = headers;
        exchange->header_room = room;
    }
    exchange->headers[exchange->header_count++] = (bk_http_header){
        .name = bk_arena_dup(exchange->arena, name),
        .value = bk_arena_dup(exchange->arena, value),
    };
}

size_t bk__exchange_on_header(char *bytes, size_t one, size_t len, void *data)
{
    struct bk__exchange *exchange = data;
    bk_str rest = bk_str_at(bytes, len * one), name;

    while (rest.len != 0 && (rest.ptr[rest.len - 1] == '\n' || rest.ptr[rest.len - 1] == '\r'))
        rest.len--;
    if (bk_str_starts(rest, BK_LIT("HTTP/"))) {
        begin_head(exchange);
        return len;
    }
    if (exchange->in_body)
        return len;
    if (rest.len == 0) {
        exchange->in_body = true;
        return len;
    }
    exchange->header_bytes += rest.len;
    if (exchange->header_bytes > exchange->client->opts.header_bytes)
        return fail_with(exchange, BK__EXCHANGE_HEAD_BIG);
    /* A line that goes on with the last one (obs-fold) has been deprecated since 2014. */
    bool folded = rest.ptr[0] == ' ' || rest.ptr[0] == '\t';
    if (folded || !bk_str_split(&rest, ':', &name) || !bk_str_present(rest))
        return fail_with(exchange, BK__EXCHANGE_HEAD_BAD);
    keep_header(exchange, bk_str_trim(name), bk_str_trim(rest));
    return len;
}

/* True where on_body is to have it. */
static bool is_streamed(struct bk__exchange *exchange)
{
    if (exchange->request->on_body == NULL)
        return false;
    if (exchange->status == 0)
        curl_easy_getinfo(exchange->transfer.easy, CURLINFO_RESPONSE_CODE, &exchange->status);
    return exchange->status / 100 == 2;
}

static size_t pour(struct bk__exchange *exchange, const char *bytes, size_t len)
{
    struct bk__exchange_pipe *pipe = &exchange->pipe;

    if (pipe->len + len > BK__PIPE_BYTES) {
        pipe->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    memcpy(pipe->fill + pipe->len, bytes, len);
    pipe->len += len;
    bk_fiber_wake(exchange->transfer.fiber);
    return len;
}

/* Room for what the head promises, so that it need not grow. */
static void expect_body(struct bk__exchange *exchange)
{
    curl_off_t length = -1;

    curl_easy_getinfo(exchange->transfer.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > 0 && (uint64_t)length <= exchange->body_max)
        (void)bk_buf_reserve(&exchange->body, (size_t)length);
}

size_t bk__exchange_on_body(char *bytes, size_t one, size_t len, void *data)
{
    struct bk__exchange *exchange = data;

    len *= one;
    bool streamed = is_streamed(exchange);
    uint64_t most = streamed ? exchange->stream_max : exchange->body_max;
    if (exchange->body_bytes + len > most)
        return fail_with(exchange, BK__EXCHANGE_BODY_BIG);
    if (streamed) {
        if (pour(exchange, bytes, len) != len)
            return CURL_WRITEFUNC_PAUSE;
    } else {
        if (exchange->body.len == 0)
            expect_body(exchange);
        bk_buf_add(&exchange->body, bk_str_at(bytes, len));
    }
    exchange->body_bytes += len;
    return len;
}

void bk__exchange_ended(struct bk__transfer *transfer)
{
    struct bk__exchange *exchange = bk__container_of(transfer, struct bk__exchange, transfer);
    CURL *easy = transfer->easy;
    const char *url = NULL;
    curl_off_t connected_us = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &exchange->status);
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    exchange->was_connected = connected_us != 0;
    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
    exchange->final_url = bk_arena_dup(exchange->arena, bk_str_of(url));
    /* A connection that ends within the head leaves curl content. */
    if (transfer->result == CURLE_OK && !exchange->in_body)
        transfer->result = CURLE_PARTIAL_FILE;
}

/* --- on the fiber ----------------------------------------------------------------------------- */

BK_YIELDS static bk_err drain(struct bk__exchange *exchange)
{
    struct bk__exchange_pipe *pipe = &exchange->pipe;
    char *full = pipe->fill;
    size_t len = pipe->len;

    pipe->fill = pipe->drain;
    pipe->drain = full;
    pipe->len = 0;
    bk_err err = exchange->request->on_body(bk_str_at(full, len), exchange->request->data);
    if (err == BK_OK && pipe->paused) {
        pipe->paused = false;
        bk__transfer_resume(&exchange->transfer);
    }
    return err;
}

/* In words, what our side had against it. */
static bk_err fault_error(const struct bk__exchange *exchange)
{
    switch (exchange->fault) {
    case BK__EXCHANGE_BODY_BIG:
        return bk_fail(
            BK_ETOOBIG, "the answer's body is larger than allowed, which is %llu bytes",
            (unsigned long long)(exchange->request->on_body != NULL && exchange->status / 100 == 2
                                     ? exchange->stream_max
                                     : exchange->body_max));
    case BK__EXCHANGE_HEAD_BIG:
        return bk_fail(BK_ETOOBIG, "the answer's head has more than %u bytes",
                       exchange->client->opts.header_bytes);
    case BK__EXCHANGE_HEAD_BAD:
        return bk_fail(BK_EUPSTREAM, "the answer's head has a line that is no header");
    case BK__EXCHANGE_PRIVATE:
        return bk_fail(BK_EFORBIDDEN, "the host has a private address");
    case BK__EXCHANGE_LOST:
        return bk_fail(BK_EUPSTREAM, "the connection was closed by the other side; the request may "
                                     "have been carried out");
    case BK__EXCHANGE_FINE:
        break;
    }
    bk_unreachable("there is a fault");
}

static bk_err result_error(const struct bk__exchange *exchange)
{
    CURLcode result = exchange->transfer.result;

    if (result == CURLE_OK)
        return BK_OK;
    if (exchange->fault != BK__EXCHANGE_FINE)
        return fault_error(exchange);
    bk_err err = bk__curl_error(result);
    if (err == BK_EINVAL && exchange->status != 0)
        err = BK_EUPSTREAM; /* a redirect to no URL */
    return bk_fail(err, "%s", bk__transfer_words(&exchange->transfer));
}

/* The wait has ended before the transfer. */
static bk_err wait_error(const struct bk__exchange *exchange, bk_err err)
{
    const char *where = !exchange->was_connected    ? "while connecting"
                        : exchange->status == 0     ? "while waiting for the answer"
                        : exchange->body_bytes == 0 ? "after the answer's head"
                                                    : "within the answer's body";

    return bk_fail(err, "%s %s", err == BK_ETIMEDOUT ? "out of time" : "cancelled", where);
}

bk_err bk__exchange_wait(struct bk__exchange *exchange)
{
    struct bk__transfer *transfer = &exchange->transfer;
    bk_err waited = BK_OK, taken = BK_OK;

    while (waited == BK_OK && taken == BK_OK && (!transfer->done || exchange->pipe.len != 0)) {
        if (exchange->pipe.len != 0)
            taken = drain(exchange);
        else
            waited = bk__transfer_wait(transfer);
    }
    bool was_done = transfer->done;
    bk__transfer_end(transfer);
    if (taken != BK_OK)
        return taken;
    return was_done ? result_error(exchange) : wait_error(exchange, waited);
}
