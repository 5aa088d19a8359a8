/*
 * transport_test.c: see transport_test.h.
 *
 * The head is text, and HTTP/1's own parser reads it: a test meets the strictness that a client
 * does.
 *
 * What must hold: a call whose `req` is set owes it exactly one bk__req_released() or
 * bk__req_lost(); it posts at most one message at a time, and lives until the loop has run that.
 */
#include "http/transport_test.h"

#include <stdio.h>

#include "core/assert.h"
#include "fiber/loop.h"
#include "http/exchange.h"
#include "http/http1_request.h"
#include "http/server.h"

/* --- what the client gets --------------------------------------------------------------------- */

static void keep_header(struct bk__test_call *call, bk_str name, bk_str value)
{
    call->headers[call->header_count++] =
        (bk_pair){bk_arena_dup(call->arena, name), bk_arena_dup(call->arena, value)};
}

/* The status and the header fields, with those that a connection adds. */
static void keep_head(struct bk__test_call *call, const struct bk__head *head)
{
    enum {
        ADDED = 3
    };
    bool has_length = head->length != BK_LENGTH_UNKNOWN;

    call->status = head->status;
    call->headers = bk_arena_alloc(call->arena, (head->count + ADDED) * sizeof *call->headers);
    keep_header(call, BK_LIT("Date"), bk_str_at(bk__server_date(call->server), 29));
    if (has_length && head->status != 204 && head->status != 304)
        keep_header(call, BK_LIT("Content-Length"),
                    bk_arena_printf(call->arena, "%llu", (unsigned long long)head->length));
    if (head->close || call->server->draining)
        keep_header(call, BK_LIT("Connection"), BK_LIT("close"));
    for (size_t i = 0; i < head->count; i++)
        keep_header(call, head->headers[i].name, head->headers[i].value);
}

/* What a transport says when the server has no fiber for a request. */
static void keep_busy_answer(struct bk__test_call *call)
{
    static const bk_pair headers[] = {
        {{"Retry-After", 11}, {"1", 1}},
        {{"Content-Type", 12}, {"application/problem+json", 24}},
    };
    struct bk__head head = {
        .status = 503,
        .headers = headers,
        .count = 2,
        .length = sizeof BK__BUSY_BODY - 1,
        .close = true,
    };

    keep_head(call, &head);
    bk_buf_add(&call->body, BK_LIT(BK__BUSY_BODY));
    call->whole = call->over = true;
}

/* --- towards the server ----------------------------------------------------------------------- */

/* Parts from the request, which may be gone right after. */
static bk_req *let_go(struct bk__test_call *call)
{
    bk_req *req = call->req;

    bk__timer_stop(call->server->loop, &call->timer);
    call->req = NULL;
    call->piece_waits = false;
    call->over = true;
    return req;
}

static void on_post(void *data)
{
    struct bk__test_call *call = data;
    enum bk__test_owed owed = call->owed;

    call->owed = BK__OWES_NOTHING;
    if (call->req == NULL)
        return; /* it was reset meanwhile */
    if (owed == BK__OWES_RELEASED)
        bk__req_released(let_go(call));
    else if (owed == BK__OWES_DRAINED)
        bk__req_drained(call->req);
}

static void owe(struct bk__test_call *call, enum bk__test_owed owed)
{
    bool posted = call->owed != BK__OWES_NOTHING;

    call->owed = owed;
    if (posted)
        return;
    bk_err err = bk__loop_post(call->server->loop, on_post, call);
    bk_assert(err == BK_OK);
}

static void take_piece(struct bk__test_call *call)
{
    if (call->head != NULL)
        keep_head(call, call->head);
    call->head = NULL;
    bk_buf_add(&call->body, call->piece);
    call->piece_waits = false;
    call->whole = call->piece_is_last;
    owe(call, call->piece_is_last ? BK__OWES_RELEASED : BK__OWES_DRAINED);
}

static void hand_over(struct bk__test_call *call, bk_str piece, bool last)
{
    uint64_t patience = bk__server_after(call->server, call->server->timeouts.write_ms);

    call->piece = piece;
    call->piece_is_last = last;
    call->piece_waits = true;
    if (!call->stalled)
        take_piece(call);
    else if (patience != BK__NEVER)
        bk__timer_set(call->server->loop, &call->timer, patience);
}

/* --- the table -------------------------------------------------------------------------------- */

static void respond(bk_req *req, const struct bk__head *head, bk_str body)
{
    struct bk__test_call *call = req->conn;

    call->head = head;
    hand_over(call, head->bodiless ? (bk_str){"", 0} : body, true);
}

static void start(bk_req *req, const struct bk__head *head)
{
    struct bk__test_call *call = req->conn;

    call->head = head;
}

static void write_piece(bk_req *req, bk_str piece, bool last)
{
    hand_over(req->conn, piece, last);
}

static void abort_stream(bk_req *req)
{
    struct bk__test_call *call = req->conn;

    call->piece_waits = false;
    owe(call, BK__OWES_RELEASED);
}

static void peer(bk_req *req, char out[BK__PEER_TEXT])
{
    const struct bk__test_call *call = req->conn;

    snprintf(out, 64, "%s", call->client);
}

static const struct bk__transport transport = {
    .respond = respond,
    .start = start,
    .write = write_piece,
    .abort = abort_stream,
    .peer = peer,
};

/* --- the client's side ------------------------------------------------------------------------ */

static void on_timer(struct bk__timer *timer)
{
    bk__test_call_reset(bk__container_of(timer, struct bk__test_call, timer));
}

static void read_request(struct bk__test_call *call, bk_str text)
{
    struct bk__http1_limits limits = bk__http1_limits_of(call->server);
    struct bk__http1_scan scan = {0};
    struct bk__http1_head head;
    size_t len;
    const char *why;
    bk_err err = bk__http1_scan(&scan, text.ptr, text.len, &limits, &len, &why);

    bk_assert(err != BK_EAGAIN); /* the text has an end */
    if (err == BK_OK) {
        (void)bk__http1_request(call->req, text.ptr, len, scan.lines, &head);
    } else {
        call->req->version = 11;
        bk__http1_refuse(call->req, err, why);
    }
}

void bk__test_call_begin(struct bk__test_call *call, struct bk__server *server, bk_str head,
                         bk_str body, const char *client)
{
    call->server = server;
    call->client = bk_arena_cstr(call->arena, bk_str_of(client));
    call->body.arena = call->arena;
    call->timer.fn = on_timer;
    call->req = bk__req_new(server, &transport, call);
    if (call->req == NULL) {
        keep_busy_answer(call);
        return;
    }
    read_request(call, head);
    if (!call->req->closes)
        (void)bk__req_body_add(call->req, body.ptr, body.len);
    bk__req_begin(call->req);
}

void bk__test_call_reset(struct bk__test_call *call)
{
    if (call->req != NULL)
        bk__req_lost(let_go(call));
}

void bk__test_call_stall(struct bk__test_call *call)
{
    call->stalled = true;
}

void bk__test_call_go_on(struct bk__test_call *call)
{
    call->stalled = false;
    bk__timer_stop(call->server->loop, &call->timer);
    if (call->piece_waits)
        take_piece(call);
}
