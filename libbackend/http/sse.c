/*
 * sse.c: server-sent events, as the HTML standard has them. See <backend/sse.h>.
 *
 * Heartbeats come from a timer, on the loop's stack, and only while no other piece is on its way:
 * then the transport is free, and a comment that lives for ever needs nobody to wait for it.
 * Whoever sends next waits until it has gone.
 */
#include <backend/sse.h>

#include <string.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "fiber/loop.h"
#include "http/exchange.h"
#include "http/server.h"

#define HEARTBEAT_DEFAULT_MS 15000

struct bk_sse {
    bk_res *res;
    struct bk__timer heartbeat;
    uint32_t heartbeat_ms;
    bk_buf piece; /* the event being sent; lives until it has gone */
};

static void beat_later(bk_sse *sse)
{
    struct bk_loop *loop = sse->res->req->server->loop;

    bk__timer_set(loop, &sse->heartbeat, loop->clock.now_ms + sse->heartbeat_ms);
}

static void on_heartbeat(struct bk__timer *timer)
{
    bk_sse *sse = bk__container_of(timer, bk_sse, heartbeat);

    bk__res_push_idle(sse->res, BK_LIT(":\n\n"));
    beat_later(sse);
}

static void stop_heartbeat(void *data)
{
    bk_sse *sse = data;

    bk__timer_stop(sse->res->req->server->loop, &sse->heartbeat);
}

bk_err bk_sse_open(bk_req *req, bk_res *res, const bk_sse_opts *opts, bk_sse **out)
{
    bk_sse_opts all = opts != NULL ? *opts : (bk_sse_opts){0};
    bk_arena *arena = bk_req_arena(req);
    bk_sse *sse = BK_NEW(arena, bk_sse);

    BK_TRY(bk_res_stream(res, 200, "text/event-stream", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_header(res, "Cache-Control", BK_LIT("no-cache")));
    BK_TRY(bk_res_header(res, "X-Accel-Buffering", BK_LIT("no")));
    sse->res = res;
    sse->heartbeat.fn = on_heartbeat;
    sse->heartbeat_ms = all.heartbeat_ms != 0 ? all.heartbeat_ms : HEARTBEAT_DEFAULT_MS;
    sse->piece = (bk_buf){.arena = arena};
    res->endless = true;
    if (req->method == BK_METHOD_HEAD)
        return bk_fail(BK_ECLOSED, "HEAD: the stream has a head only");
    bk__fiber_set_deadline(req->fiber, BK__NEVER);
    if (all.retry_ms != 0)
        bk_buf_printf(&sse->piece, "retry: %u\n\n", (unsigned)all.retry_ms);
    else
        bk_buf_add(&sse->piece, BK_LIT(":\n\n"));
    BK_TRY(bk__res_push(res, bk_buf_str(&sse->piece)));
    bk_arena_defer(arena, stop_heartbeat, sse);
    beat_later(sse);
    if (req->server->draining)
        bk_fiber_cancel(req->fiber); /* as all that were there when it began */
    *out = sse;
    return BK_OK;
}

static bool is_one_line(bk_str text)
{
    return text.len == 0 ||
           (memchr(text.ptr, '\n', text.len) == NULL && memchr(text.ptr, '\r', text.len) == NULL &&
            memchr(text.ptr, '\0', text.len) == NULL);
}

static void add_field(bk_buf *buf, bk_str name, bk_str value)
{
    bk_buf_add(buf, name);
    bk_buf_add(buf, value);
    bk_buf_add_char(buf, '\n');
}

/* A line ends with LF, CR or both; what follows the last end is a line too, even if empty. */
static void add_data(bk_buf *buf, bk_str data)
{
    size_t begin = 0;

    for (size_t i = 0; i < data.len; i++) {
        if (data.ptr[i] != '\n' && data.ptr[i] != '\r')
            continue;
        add_field(buf, BK_LIT("data: "), bk_str_at(data.ptr + begin, i - begin));
        if (data.ptr[i] == '\r' && i + 1 < data.len && data.ptr[i + 1] == '\n')
            i++;
        begin = i + 1;
    }
    add_field(buf, BK_LIT("data: "), bk_str_at(data.ptr + begin, data.len - begin));
}

bk_err bk_sse_send(bk_sse *sse, const bk_sse_event *event)
{
    bk_buf *piece = &sse->piece;

    if (!is_one_line(event->id) || !is_one_line(event->event))
        return bk_fail(BK_EINVAL, "ids and types of events are one line");
    BK_TRY(bk__res_await_idle(sse->res)); /* the last event may still lie in `piece` */
    piece->len = 0;
    if (bk_str_present(event->id))
        add_field(piece, BK_LIT("id: "), event->id);
    if (bk_str_present(event->event))
        add_field(piece, BK_LIT("event: "), event->event);
    if (bk_str_present(event->data))
        add_data(piece, event->data);
    bk_buf_add_char(piece, '\n');
    return bk__res_push(sse->res, bk_buf_str(piece));
}

bk_str bk_sse_last_event_id(const bk_req *req)
{
    return bk__req_header(req, BK_LIT("last-event-id"));
}
