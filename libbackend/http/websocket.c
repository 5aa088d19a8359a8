/*
 * websocket.c: an open WebSocket between its fiber and its connection. See <backend/websocket.h>.
 *
 *   OPEN ---close frame sent or received---> CLOSING ---both, or time is up---> CLOSED
 *
 * Frames that are sent gather in `filling` and leave in one write at the end of the loop's turn;
 * while that is with the kernel (`flying`), the next ones gather. Both are there only while they
 * hold something.
 *
 * What must hold: the transport is called only while bk_req.transport is there, and send() and
 * close() only while nothing is flying. In CLOSED the transport has let go of the request.
 */
#include <backend/websocket.h>

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "fiber/loop.h"
#include "fiber/select.h"
#include "http/exchange.h"
#include "http/server.h"
#include "http/ws_frames.h"
#include "http/ws_handshake.h"

#define RECEIVE_AHEAD (64 * 1024) /* messages held for a handler that is busy */

enum {
    CONTROL_ROOM = 4096, /* for pongs and closes, beyond what messages may fill */
    REASON_MAX = 123,
    NO_CLOSE_FRAME = 1006
};

enum state {
    OPEN,
    CLOSING,
    CLOSED
};

struct buffer {
    char *bytes;
    size_t len, room;
};

struct bk_ws {
    bk_req *req;
    struct bk_loop *loop;
    struct bk_source source;
    struct bk__timer timer; /* the next ping, the pong's or the close's deadline */
    struct bk__put_off flush;
    struct bk__ws_frames frames;
    struct bk__list messages;
    size_t held;                    /* bytes of `messages` */
    struct bk__ws_message *present; /* what the handler has */
    struct buffer filling, flying;
    bool is_flying; /* also while the answer to the handshake is */
    bool is_waiting;
    bool goodbye_heard; /* no close frame is waited for any more */
    bool is_pinged;
    enum state state;
    int code;
    uint64_t heard_ms, pinged_ms;
    uint32_t send_bytes, ping_ms, pong_ms, close_ms;
    bk_str protocol;
};

static void wake(bk_ws *ws)
{
    bk__source_signal(&ws->source);
    if (ws->is_waiting)
        bk_fiber_wake(ws->req->fiber);
}

static bk_err wait(bk_ws *ws)
{
    ws->is_waiting = true;
    bk_err err = bk_fiber_park();
    ws->is_waiting = false;
    return err;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void set_closed(bk_ws *ws)
{
    ws->state = CLOSED;
    bk__timer_stop(ws->loop, &ws->timer);
    bk__loop_forget(&ws->flush);
    wake(ws);
}

/* Closes the connection once all that was to be said is said. */
static void finish_if_done(bk_ws *ws)
{
    if (ws->state != CLOSING || !ws->goodbye_heard || ws->is_flying || ws->filling.len != 0)
        return;
    set_closed(ws);
    ws->req->transport->close(ws->req);
}

/* Closes it whatever is left to be said. */
static void give_up(bk_ws *ws)
{
    bk_req *req = ws->req;

    set_closed(ws);
    if (ws->is_flying)
        req->transport->abort(req);
    else
        req->transport->close(req);
}

static void on_lost(bk_req *req)
{
    bk_ws *ws = req->raw_owner;

    if (ws->code == 0)
        ws->code = NO_CLOSE_FRAME;
    set_closed(ws);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void append(struct buffer *buffer, const void *bytes, size_t len)
{
    if (buffer->room - buffer->len < len) {
        size_t room = buffer->room * 2;
        if (room < buffer->len + len)
            room = buffer->len + len;
        buffer->bytes = realloc(buffer->bytes, room);
        bk_assert(buffer->bytes != NULL);
        buffer->room = room;
    }
    memcpy(buffer->bytes + buffer->len, bytes, len);
    buffer->len += len;
}

static void clear(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

static void flush(bk_ws *ws)
{
    if (ws->state == CLOSED || ws->is_flying || ws->filling.len == 0)
        return;
    ws->flying = ws->filling;
    ws->filling = (struct buffer){0};
    ws->is_flying = true;
    ws->req->transport->send(ws->req, (bk_str){ws->flying.bytes, ws->flying.len});
}

static void flush_turn(struct bk__put_off *work)
{
    bk_ws *ws = bk__container_of(work, bk_ws, flush);

    flush(ws);
    finish_if_done(ws);
}

/* Too much waits to be sent for a client that does not read, or to be received by the handler. */
static bool must_pause(const bk_ws *ws)
{
    return ws->held >= RECEIVE_AHEAD || ws->filling.len > ws->send_bytes + CONTROL_ROOM;
}

static void take_input_again(bk_ws *ws)
{
    if (!ws->frames.paused || must_pause(ws) || ws->state == CLOSED)
        return;
    ws->frames.paused = false;
    ws->req->transport->resume(ws->req);
}

static void on_sent(bk_req *req)
{
    bk_ws *ws = req->raw_owner;

    ws->is_flying = false;
    clear(&ws->flying);
    flush(ws);
    wake(ws);
    take_input_again(ws);
    finish_if_done(ws);
}

static void send_frame(bk_ws *ws, enum bk__ws_opcode opcode, bk_str payload)
{
    char head[BK__WS_HEAD];

    append(&ws->filling, head, bk__ws_frame_head(head, opcode, payload.len));
    if (payload.len != 0)
        append(&ws->filling, payload.ptr, payload.len);
    bk__loop_put_off(ws->loop, &ws->flush);
}

size_t bk_ws_unsent(const bk_ws *ws)
{
    return ws->filling.len + ws->flying.len;
}

static bk_err send_message(bk_ws *ws, enum bk__ws_opcode opcode, bk_str payload)
{
    while (ws->state == OPEN && bk_ws_unsent(ws) >= ws->send_bytes)
        BK_TRY(wait(ws));
    if (ws->state != OPEN)
        return bk_fail(BK_ECLOSED, "the socket is closed (%d)", ws->code);
    send_frame(ws, opcode, payload);
    return BK_OK;
}

bk_err bk_ws_send_text(bk_ws *ws, bk_str text)
{
    if (!bk_str_utf8(text))
        return bk_fail(BK_EINVAL, "text for a WebSocket must be UTF-8");
    return send_message(ws, BK__WS_TEXT, text);
}

bk_err bk_ws_send_binary(bk_ws *ws, bk_str bytes)
{
    return send_message(ws, BK__WS_BINARY, bytes);
}

/* --- closing ---------------------------------------------------------------------------------- */

static void set_closing(bk_ws *ws, int code)
{
    ws->state = CLOSING;
    ws->code = code;
    bk__timer_set(ws->loop, &ws->timer, ws->loop->clock.now_ms + ws->close_ms);
    wake(ws);
}

/* Cuts at the last whole character that fits. */
static bk_str fit_reason(bk_str reason)
{
    if (!bk_str_utf8(reason))
        return (bk_str){NULL, 0};
    if (reason.len <= REASON_MAX)
        return reason;
    reason.len = REASON_MAX;
    while (!bk_str_utf8(reason))
        reason.len--;
    return reason;
}

static void begin_close(bk_ws *ws, int code, bk_str reason)
{
    char payload[2 + REASON_MAX] = {(char)(code >> 8), (char)code};

    if (ws->state != OPEN)
        return;
    reason = fit_reason(reason);
    if (reason.len != 0)
        memcpy(payload + 2, reason.ptr, reason.len);
    send_frame(ws, BK__WS_CLOSE, (bk_str){payload, 2 + reason.len});
    set_closing(ws, code);
}

void bk_ws_close(bk_ws *ws, int code, bk_str reason)
{
    bk_assert((code >= BK_WS_NORMAL && code <= BK_WS_UNSUPPORTED) ||
              (code >= BK_WS_INVALID && code <= BK_WS_TRY_LATER && code != 1010) ||
              (code >= 3000 && code <= 4999));
    begin_close(ws, code, reason);
    while (ws->state != CLOSED && wait(ws) == BK_OK)
        continue;
}

int bk_ws_close_code(const bk_ws *ws)
{
    return ws->code;
}

static void on_drain(bk_req *req)
{
    begin_close(req->raw_owner, BK_WS_GOING_AWAY, (bk_str){NULL, 0});
}

/* That the socket ended is no failure of the handler's, nor that the app does. */
static bk_err on_leave(bk_req *req, bk_err err)
{
    bk_ws *ws = req->raw_owner;
    bool is_end = err == BK_OK || err == BK_ECLOSED ||
                  (err == BK_ECANCELED && (req->lost || req->server->draining));
    int code = err == BK_ECANCELED && req->server->draining ? BK_WS_GOING_AWAY
               : is_end                                     ? BK_WS_NORMAL
                                                            : BK_WS_INTERNAL;

    begin_close(ws, code, (bk_str){NULL, 0});
    bk__shield_up();
    while (ws->state != CLOSED)
        (void)!wait(ws);
    bk__shield_down();
    return is_end ? BK_OK : err;
}

/* --- receiving -------------------------------------------------------------------------------- */

static void on_message(struct bk__ws_frames *frames, struct bk__ws_message *message)
{
    bk_ws *ws = bk__container_of(frames, bk_ws, frames);

    if (ws->state != OPEN) {
        free(message);
        return;
    }
    bk__list_push(&ws->messages, &message->link);
    ws->held += message->len + sizeof *message;
    frames->paused = must_pause(ws);
    wake(ws);
}

static void on_reply(struct bk__ws_frames *frames, bk_str bytes)
{
    bk_ws *ws = bk__container_of(frames, bk_ws, frames);

    if (ws->state != OPEN)
        return; /* our own close was the last frame */
    append(&ws->filling, bytes.ptr, bytes.len);
    bk__loop_put_off(ws->loop, &ws->flush);
    frames->paused = must_pause(ws); /* or pings would fill the memory with pongs */
}

static size_t on_input(bk_req *req, const char *bytes, size_t len)
{
    bk_ws *ws = req->raw_owner;
    struct bk__ws_frames *frames = &ws->frames;

    ws->heard_ms = ws->loop->clock.now_ms;
    ws->is_pinged = false;
    size_t used = bk__ws_frames_feed(frames, bytes, len);
    if (frames->peer_code == 0 && frames->broken_code == 0)
        return used;
    ws->goodbye_heard = true;
    if (ws->state == OPEN)
        set_closing(ws, frames->peer_code != 0 ? frames->peer_code : frames->broken_code);
    bk__loop_put_off(ws->loop, &ws->flush); /* not here: the connection is in the midst of input */
    return used;
}

static bk_err take(bk_ws *ws, bk_ws_message *out)
{
    if (bk__list_empty(&ws->messages))
        return ws->state == OPEN ? BK_EAGAIN : BK_ECLOSED;
    free(ws->present);
    ws->present = bk__container_of(bk__list_pop(&ws->messages), struct bk__ws_message, link);
    ws->held -= ws->present->len + sizeof *ws->present;
    *out = (bk_ws_message){{ws->present->bytes, ws->present->len}, ws->present->is_text};
    take_input_again(ws);
    return BK_OK;
}

bk_err bk_ws_try_recv(bk_ws *ws, bk_ws_message *message)
{
    bk_err err = take(ws, message);

    if (err == BK_ECLOSED)
        return bk_fail(BK_ECLOSED, "the socket is closed (%d)", ws->code);
    return err;
}

bk_err bk_ws_recv(bk_ws *ws, bk_ws_message *message)
{
    bk_err err;

    while ((err = bk_ws_try_recv(ws, message)) == BK_EAGAIN)
        BK_TRY(wait(ws));
    return err;
}

static bool is_ready(const bk_source *source)
{
    const bk_ws *ws = bk__container_of(source, bk_ws, source);

    return !bk__list_empty(&ws->messages) || ws->state != OPEN;
}

bk_source *bk_ws_source(bk_ws *ws)
{
    return &ws->source;
}

/* --- time ------------------------------------------------------------------------------------- */

static void on_time(struct bk__timer *timer)
{
    bk_ws *ws = bk__container_of(timer, bk_ws, timer);
    uint64_t now = ws->loop->clock.now_ms;

    if (ws->state == CLOSING) {
        give_up(ws);
    } else if (ws->is_pinged && now >= ws->pinged_ms + ws->pong_ms) {
        ws->code = NO_CLOSE_FRAME;
        give_up(ws);
    } else if (ws->is_pinged) {
        bk__timer_set(ws->loop, timer, ws->pinged_ms + ws->pong_ms);
    } else if (now < ws->heard_ms + ws->ping_ms) {
        bk__timer_set(ws->loop, timer, ws->heard_ms + ws->ping_ms);
    } else {
        send_frame(ws, BK__WS_PING, (bk_str){NULL, 0});
        ws->is_pinged = true;
        ws->pinged_ms = now;
        bk__timer_set(ws->loop, timer, now + ws->pong_ms);
    }
}

/* --- the beginning ---------------------------------------------------------------------------- */

static const struct bk__raw_ops raw_ops = {on_input, on_sent, on_drain, on_lost, on_leave};

static void dispose(void *data)
{
    bk_ws *ws = data;

    bk__timer_stop(ws->loop, &ws->timer);
    bk__loop_forget(&ws->flush);
    bk__source_fini(&ws->source);
    bk__ws_frames_free(&ws->frames);
    while (!bk__list_empty(&ws->messages))
        free(bk__container_of(bk__list_pop(&ws->messages), struct bk__ws_message, link));
    free(ws->present);
    clear(&ws->filling);
    clear(&ws->flying);
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value != 0 ? value : fallback;
}

bk_err bk_ws_accept(bk_req *req, bk_res *res, const bk_ws_opts *opts, bk_ws **out)
{
    bk_ws_opts all = opts != NULL ? *opts : (bk_ws_opts){0};
    bk_arena *arena = bk_req_arena(req);
    bk_str protocol = {NULL, 0};

    bk_assert(!res->started && res->kind == BK__BODY_NONE);
    BK_TRY(bk__ws_handshake(req, res, &all, &protocol));
    if (req->transport == NULL)
        return bk_fail(BK_ECLOSED, "the client is gone");
    bk_ws *ws = BK_NEW(arena, bk_ws);
    ws->req = req;
    ws->loop = req->server->loop;
    ws->protocol = protocol;
    ws->send_bytes = or_default(all.send_bytes, 64 * 1024);
    ws->ping_ms = or_default(all.ping_ms, 25000);
    ws->pong_ms = or_default(all.pong_ms, 20000);
    ws->close_ms = or_default(all.close_ms, 2000);
    ws->frames.message_bytes = or_default(all.message_bytes, 1024 * 1024);
    ws->frames.message = on_message;
    ws->frames.reply = on_reply;
    ws->timer.fn = on_time;
    ws->flush.fn = flush_turn;
    bk__source_init(&ws->source, is_ready);
    bk__list_init(&ws->messages);
    bk_arena_defer(arena, dispose, ws);
    req->raw = &raw_ops;
    req->raw_owner = ws;
    bk__fiber_set_deadline(req->fiber, BK__NEVER);
    ws->heard_ms = ws->loop->clock.now_ms;
    bk__timer_set(ws->loop, &ws->timer, ws->heard_ms + ws->ping_ms);
    res->status = 101;
    res->started = true;
    bk__res_fill_head(res, BK_LENGTH_UNKNOWN);
    ws->is_flying = true;
    ws->frames.paused = true; /* until the answer is out; what is there by then is offered again */
    req->transport->upgrade(req, &res->head);
    if (req->server->draining)
        on_drain(req); /* all that were there have been told */
    *out = ws;
    return BK_OK;
}

bk_str bk_ws_protocol(const bk_ws *ws)
{
    return ws->protocol;
}
