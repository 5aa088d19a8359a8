/*
 * http2_stream.c: requests and answers over HTTP/2. See transport.h and http2_conn.h.
 *
 * h2o frees a stream when it likes: when the answer is out, the client resets the stream, or the
 * connection ends. A record with a destructor in the stream's memory pool is the only word we get
 * of it. So the request is copied out of the stream when it begins, and the record is all that
 * connects the two.
 *
 * What must hold: `h2o` is used only as long as the record lives; the request hears once that it
 * was released or lost. A stream may end within any call that resets it, so nothing of it is
 * touched after that.
 */
#include "http/http2_conn.h"

#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "http/exchange.h"

#define BLAME_FOR_HEADERS 10 /* a block over our limits, which h2o has decoded already */

struct stream {
    h2o_generator_t generator; /* first */
    struct bk__h2_conn *conn;
    h2o_req_t *h2o;
    bk_req *req;
    bool ended; /* the last of the answer was handed over, or it was broken off */
    bool ours;  /* it was broken off by us, not by the client */
};

/* --- answers ---------------------------------------------------------------------------------- */

static void on_proceed(h2o_generator_t *generator, h2o_req_t *h2o)
{
    struct stream *stream = (struct stream *)generator;

    (void)h2o;
    bk__loop_enter(stream->conn->h2->server->loop);
    bk__req_drained(stream->req);
}

static bk_str lower_case(h2o_mem_pool_t *pool, bk_str name)
{
    char *lower = h2o_mem_alloc_pool(pool, name.len);

    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)h2o_tolower(name.ptr[i]);
    return bk_str_at(lower, name.len);
}

static void put_head(struct stream *stream, const struct bk__head *head)
{
    h2o_req_t *h2o = stream->h2o;
    bool says_length =
        head->length != BK_LENGTH_UNKNOWN && head->status != 204 && head->status != 304;

    h2o->res.status = head->status;
    h2o->res.content_length = says_length ? head->length : SIZE_MAX;
    for (size_t i = 0; i < head->count; i++) {
        bk_str name = lower_case(&h2o->pool, head->headers[i].name);
        bk_str value = head->headers[i].value;
        if (!bk__h2_field_is_hop(name))
            h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, name.ptr, name.len, 1, NULL,
                                  value.ptr, value.len);
    }
    h2o_start_response(h2o, &stream->generator);
}

static void send_piece(struct stream *stream, bk_str piece, bool last)
{
    h2o_iovec_t vector = h2o_iovec_init(piece.ptr, piece.len);

    stream->ended = last;
    h2o_send(stream->h2o, &vector, piece.len != 0,
             last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void respond(bk_req *req, const struct bk__head *head, bk_str body)
{
    struct stream *stream = req->conn;

    put_head(stream, head);
    send_piece(stream, head->bodiless ? (bk_str){NULL, 0} : body, true);
}

static void start(bk_req *req, const struct bk__head *head)
{
    put_head(req->conn, head);
}

static void write_piece(bk_req *req, bk_str piece, bool last)
{
    /* A stream without anything to send would wait for the end of a write and not be safe to reset:
     * see the gate. */
    if (piece.len == 0 && !last)
        bk__req_drained(req);
    else
        send_piece(req->conn, piece, last);
}

/* h2o's own way waits for the client to open the window, which it need not do. */
static void abort_stream(bk_req *req)
{
    struct stream *stream = req->conn;

    stream->ended = stream->ours = true;
    bk__h2_conn_reset(stream->conn, bk__h2o_stream_of(stream->h2o), -H2O_HTTP2_ERROR_INTERNAL);
}

static void peer(bk_req *req, char out[BK__PEER_TEXT])
{
    bk__peer_text(&((struct stream *)req->conn)->conn->peer, out);
}

static const struct bk__transport transport = {
    .respond = respond,
    .start = start,
    .write = write_piece,
    .abort = abort_stream,
    .peer = peer,
};

/* --- the end of a stream ---------------------------------------------------------------------- */

/* Work for nothing: not when the answer is out, and not when all of the connection ends. */
static bool was_made_void(const struct stream *stream)
{
    const struct bk__h2_conn *conn = stream->conn;

    return !stream->ours && !conn->writing_done && !conn->failed &&
           conn->h2o->state != BK__H2O_CLOSING;
}

static void on_dispose(void *data)
{
    struct stream *stream = data;
    bk_req *req = stream->req;

    bk__loop_enter(stream->conn->h2->server->loop);
    if (was_made_void(stream))
        bk__h2_conn_blame(stream->conn, 1);
    stream->req = NULL;
    if (req == NULL)
        return;
    if (stream->ended)
        bk__req_released(req);
    else
        bk__req_lost(req);
}

static struct stream *new_stream(struct bk__h2_conn *conn, h2o_req_t *h2o)
{
    struct stream *stream = h2o_mem_alloc_shared(&h2o->pool, sizeof *stream, on_dispose);

    *stream = (struct stream){.generator = {.proceed = on_proceed}, .conn = conn, .h2o = h2o};
    return stream;
}

/* No fiber is free: the one answer that is made without one. */
static void answer_busy(struct stream *stream)
{
    static const bk_pair headers[] = {{BK_LIT("content-type"), BK_LIT("application/problem+json")},
                                      {BK_LIT("retry-after"), BK_LIT("1")}};
    static const char body[] =
        "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503}";
    const h2o_iovec_t *method = &stream->h2o->input.method;
    struct bk__head head = {
        .status = 503, .headers = headers, .count = 2, .length = sizeof body - 1};
    bool is_head = h2o_memis(method->base, method->len, H2O_STRLIT("HEAD"));

    put_head(stream, &head);
    send_piece(stream, is_head ? (bk_str){NULL, 0} : bk_str_at(body, sizeof body - 1), true);
}

/* --- requests --------------------------------------------------------------------------------- */

static bk_str str_of(h2o_iovec_t vector)
{
    return bk_str_at(vector.base, vector.len);
}

static bk_str copy(bk_req *req, h2o_iovec_t vector)
{
    return bk_arena_dup(&req->fiber->task.arena, str_of(vector));
}

static void refuse(bk_req *req, bk_err err, const char *why)
{
    req->refusal = err;
    req->refusal_why = why;
    req->closes = true; /* what is no request is not shown to the application */
}

static bool is_cookie(const h2o_header_t *header)
{
    return header->name == &H2O_TOKEN_COOKIE->buf;
}

/* Before anything is copied. Cookies come in as many fields as the client likes (RFC 9113, 8.2.3).
 */
static bool within_limits(const h2o_req_t *h2o, const bk_limits *limits)
{
    uint64_t count = 0, bytes = 0;

    for (size_t i = 0; i < h2o->headers.size; i++) {
        const h2o_header_t *header = &h2o->headers.entries[i];
        count += !is_cookie(header);
        bytes += header->name->len + header->value.len;
    }
    return (count <= limits->header_count || limits->header_count == BK_UNLIMITED) &&
           (bytes <= limits->header_bytes || limits->header_bytes == BK_UNLIMITED);
}

static bool take_headers(bk_req *req, const h2o_req_t *h2o)
{
    bk_pair *pairs =
        bk__arena_get(&req->fiber->task.arena, (h2o->headers.size + 1) * sizeof *pairs);

    req->headers = pairs;
    pairs[req->header_count++] = (bk_pair){BK_LIT("host"), req->host};
    for (size_t i = 0; i < h2o->headers.size; i++) {
        const h2o_header_t *header = &h2o->headers.entries[i];
        if (!bk__h2_field_allowed(str_of(*header->name), str_of(header->value)))
            return false;
        pairs[req->header_count++] = (bk_pair){copy(req, *header->name), copy(req, header->value)};
    }
    return true;
}

/* h2o puts its own name where the client gave none. */
static bool has_authority(const h2o_req_t *h2o)
{
    return h2o->input.authority.len != 0 &&
           h2o->input.authority.base != h2o->hostconf->authority.hostport.base;
}

/* Why the body is not what the client announced; NULL: it is. h2o adds trailers to the headers,
 * where they could pass for what a proxy has checked; which of them they are can no longer be told.
 */
static const char *wrong_body(const struct bk__h2_conn *conn, const struct bk__h2o_stream *stream)
{
    const h2o_iovec_t *entity = &stream->req.entity;
    enum {
        TYPE_AT = 3,
        TYPE_DATA = 0
    };

    if (stream->declared_length != SIZE_MAX && stream->declared_length != entity->len)
        return "the body is not as long as Content-Length says";
    if (stream->body == NULL)
        return NULL;
    if (stream->body->size != entity->len)
        return "the body is not complete";
    if (conn->sock->input->bytes[TYPE_AT] != TYPE_DATA)
        return "trailers are not supported";
    return NULL;
}

/* Copies the head, as far as it is worth it. */
static void take_head(bk_req *req, const struct stream *stream)
{
    const h2o_req_t *h2o = stream->h2o;
    const struct bk__h2_context *h2 = stream->conn->h2;
    const bk_limits *limits = &h2->server->limits;

    req->version = 20;
    req->secure = stream->conn->sock->ssl != NULL;
    if (h2o_memis(h2o->input.method.base, h2o->input.method.len, H2O_STRLIT("HEAD")))
        req->method = BK_METHOD_HEAD; /* also where the request is refused: no body, then */
    if (h2->refusal != BK_OK) {
        refuse(req, h2->refusal, h2->refusal_why);
    } else if (!within_limits(h2o, limits)) {
        refuse(req, BK_EHEADERS, NULL);
        bk__h2_conn_blame(stream->conn, BLAME_FOR_HEADERS);
    } else if (!bk__h2_path_allowed(str_of(h2o->input.method), str_of(h2o->input.path))) {
        refuse(req, BK_EINVAL, ":path holds what it may not");
    } else if (!has_authority(h2o)) {
        refuse(req, BK_EINVAL, ":authority is missing");
    } else {
        req->method_text = copy(req, h2o->input.method);
        req->target = copy(req, h2o->input.path);
        req->host = copy(req, h2o->input.authority);
        if (!take_headers(req, h2o))
            refuse(req, BK_EINVAL, "a header field holds what it may not");
    }
}

/* Copies the body and frees h2o's. */
static void take_body(bk_req *req, struct stream *stream)
{
    struct bk__h2o_stream *h2o = bk__h2o_stream_of(stream->h2o);

    if (req->refusal == BK_OK)
        (void)!bk__req_body_add(req, h2o->req.entity.base, h2o->req.entity.len);
    h2o->req.entity = (h2o_iovec_t){NULL, 0};
    if (h2o->body != NULL)
        h2o_buffer_dispose(&h2o->body);
}

static void begin(struct stream *stream)
{
    struct bk__h2_conn *conn = stream->conn;
    bk_req *req = bk__req_new(conn->h2->server, &transport, stream);

    if (req == NULL) {
        answer_busy(stream);
        return;
    }
    stream->req = req;
    take_head(req, stream);
    const char *wrong =
        req->refusal == BK_OK ? wrong_body(conn, bk__h2o_stream_of(stream->h2o)) : NULL;
    if (wrong != NULL)
        refuse(req, BK_EINVAL, wrong);
    bk__req_admit(req);
    take_body(req, stream);
    bk__req_begin(req);
}

int bk__h2_on_request(h2o_handler_t *handler, h2o_req_t *req)
{
    struct bk__h2_context *h2 = ((struct bk__h2_handler *)handler)->h2;
    struct bk__h2_conn *conn = bk__h2_conn_of(req->conn->callbacks->get_socket(req->conn));
    struct bk__h2o_stream *stream = bk__h2o_stream_of(req);

    bk__loop_enter(h2->server->loop);
    if (conn->cut)
        return 0; /* the rest of the input comes to nothing */
    if (conn->farewell == BK__H2_LEFT && stream->id > conn->last_id) {
        bk__h2_conn_reset(conn, stream, -H2O_HTTP2_ERROR_REFUSED_STREAM);
        return 0;
    }
    conn->active_at = h2->server->loop->clock.now_ms;
    stream->watch = (struct bk__h2_watch){0};
    if (++conn->served == h2->server->limits.requests_per_connection)
        bk__h2_conn_goaway(conn);
    begin(new_stream(conn, req));
    return 0;
}

/* The stream goes straight to where h2o would bring it if the body were complete; as h2o does it
 * for errors of its own. */
void bk__h2_refuse(struct bk__h2_conn *conn, struct bk__h2o_stream *stream, bk_err err,
                   const char *why)
{
    struct bk__h2_context *h2 = conn->h2;

    bk_assert(stream->state == BK__H2O_RECV_BODY);
    stream->state = BK__H2O_SEND_HEADERS;
    stream->counts->half_closed++;
    h2->refusal = err;
    h2->refusal_why = why;
    h2o_process_request(&stream->req);
    h2->refusal = BK_OK;
    /* At once: if the client goes on sending the body, h2o resets the stream. */
    bk__h2_conn_flush(conn);
}
