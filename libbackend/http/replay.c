/*
 * replay.c: a GET request once more, without its client. See replay.h.
 *
 * It is a transport whose other end takes everything and keeps nothing.
 */
#include "http/replay.h"

#include <string.h>

#include "core/arena.h"

static void respond(bk_req *req, const struct bk__head *head, bk_str body)
{
    (void)head;
    (void)body;
    bk__req_released(req);
}

static void start(bk_req *req, const struct bk__head *head)
{
    (void)req;
    (void)head;
}

static void write_piece(bk_req *req, bk_str piece, bool last)
{
    (void)piece;
    if (last)
        bk__req_released(req);
    else
        bk__req_drained(req);
}

static void abort_stream(bk_req *req)
{
    bk__req_released(req);
}

/* Never asked: bk__req_replay() says who the client is. */
static void peer(bk_req *req, char out[BK__PEER_TEXT])
{
    (void)req;
    out[0] = '\0';
}

static const struct bk__transport nobody = {
    .respond = respond,
    .start = start,
    .write = write_piece,
    .abort = abort_stream,
    .peer = peer,
};

static bk_str copy(bk_req *req, bk_str text)
{
    return bk_str_present(text) ? bk_arena_dup(&req->fiber->task.arena, text) : text;
}

bk_req *bk__req_replay(bk_req *req)
{
    bk_req *again = bk__req_new(req->server, &nobody, NULL);

    if (again == NULL)
        return NULL;
    again->method_text = BK_LIT("GET");
    again->target = copy(again, req->target);
    again->host = copy(again, req->host);
    again->version = req->version;
    again->secure = req->secure;
    again->peer = copy(again, bk__req_peer(req));
    again->headers =
        bk__arena_get(&again->fiber->task.arena, (req->header_count + 1) * sizeof *again->headers);
    for (uint32_t i = 0; i < req->header_count; i++)
        again->headers[again->header_count++] =
            (bk_pair){copy(again, req->headers[i].name), copy(again, req->headers[i].value)};
    bk__req_admit(again);
    return again;
}
