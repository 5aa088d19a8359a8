/*
 * ws_frames.c: WebSocket's frames, by wslay. See ws_frames.h.
 *
 * wslay checks: masks, reserved bits, opcodes, lengths, the order of fragments, UTF-8, close codes.
 * It answers pings and closes. Messages are put together here (wslay would take the length that a
 * frame claims from the heap before the bytes are there).
 *
 * Whether wslay is between two messages, so that its state can go, it does not say. It is when the
 * frames that it has begun are as long, heads and all, as the bytes that it was given.
 */
#include "http/ws_frames.h"

#include <stdlib.h>
#include <string.h>

#include <wslay/wslay.h>

#include "core/assert.h"
#include "core/utf8.h"

#define FIRST_ROOM (64 * 1024) /* of a message whose frame says that it is longer */

enum {
    MASK_BYTES = 4,
    CODE_BYTES = 2 /* of a close, before its reason */
};

static ssize_t give(struct wslay_event_context *wslay, uint8_t *out, size_t room, int flags,
                    void *data)
{
    struct bk__ws_frames *frames = data;
    size_t len = frames->input_len < room ? frames->input_len : room;

    (void)flags;
    if (len == 0 || frames->paused) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(out, frames->input, len);
    frames->input += len;
    frames->input_len -= len;
    frames->taken += len;
    return (ssize_t)len;
}

static ssize_t reply(struct wslay_event_context *wslay, const uint8_t *bytes, size_t len, int flags,
                     void *data)
{
    struct bk__ws_frames *frames = data;

    (void)wslay;
    (void)flags;
    frames->reply(frames, (bk_str){(const char *)bytes, len});
    return (ssize_t)len;
}

/* Makes room for @p more bytes of the message. */
static void make_room(struct bk__ws_frames *frames, size_t more)
{
    struct bk__ws_message *message = frames->building;
    size_t len = message != NULL ? message->len : 0;
    size_t room = message != NULL ? message->room : 0;

    if (message != NULL && room - len >= more)
        return;
    room = room * 2 > len + more ? room * 2 : len + more;
    message = realloc(message, sizeof *message + room);
    bk_assert(message != NULL);
    if (frames->building == NULL)
        *message = (struct bk__ws_message){0};
    message->room = room;
    frames->building = message;
}

static bool is_control(unsigned opcode)
{
    return (opcode & 8) != 0;
}

static void refuse(struct bk__ws_frames *frames, int code)
{
    frames->broken_code = code;
    wslay_event_shutdown_read(frames->wslay);
}

static void on_frame(struct wslay_event_context *wslay,
                     const struct wslay_event_on_frame_recv_start_arg *frame, void *data)
{
    struct bk__ws_frames *frames = data;
    uint64_t len = frame->payload_length;

    (void)wslay;
    frames->framed += 2 + (len < 126 ? 0 : len < 65536 ? 2 : 8) + MASK_BYTES + len;
    if (frame->opcode == WSLAY_CONNECTION_CLOSE && len == 1)
        refuse(frames, WSLAY_CODE_PROTOCOL_ERROR); /* half a code, which wslay lets through */
    frames->in_message = !is_control(frame->opcode);
    if (!frames->in_message)
        return;
    make_room(frames, len < FIRST_ROOM ? (size_t)len : FIRST_ROOM);
    if (frame->opcode != WSLAY_CONTINUATION_FRAME)
        frames->building->is_text = frame->opcode == WSLAY_TEXT_FRAME;
}

static void on_chunk(struct wslay_event_context *wslay,
                     const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *data)
{
    struct bk__ws_frames *frames = data;

    (void)wslay;
    if (!frames->in_message || frames->broken_code != 0)
        return;
    if (chunk->data_length > frames->message_bytes - frames->building->len) {
        refuse(frames, WSLAY_CODE_MESSAGE_TOO_BIG); /* the sum of fragments */
        return;
    }
    make_room(frames, chunk->data_length);
    memcpy(frames->building->bytes + frames->building->len, chunk->data, chunk->data_length);
    frames->building->len += chunk->data_length;
}

/* wslay checks a reason that comes in one piece only. A zero byte is UTF-8 here. */
static bool is_utf8(const uint8_t *text, size_t len)
{
    while (len > 0) {
        size_t taken = bk__utf8_char((const char *)text, len);
        if (taken == 0)
            return false;
        text += taken;
        len -= taken;
    }
    return true;
}

static void on_close(struct bk__ws_frames *frames, const struct wslay_event_on_msg_recv_arg *arg)
{
    if (arg->msg_length > CODE_BYTES &&
        !is_utf8(arg->msg + CODE_BYTES, arg->msg_length - CODE_BYTES))
        refuse(frames, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
    else
        frames->peer_code = arg->status_code != 0 ? arg->status_code : WSLAY_CODE_NO_STATUS_RCVD;
}

static void on_message(struct wslay_event_context *wslay,
                       const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
    struct bk__ws_frames *frames = data;
    struct bk__ws_message *message = frames->building;

    (void)wslay;
    if (arg->opcode == WSLAY_CONNECTION_CLOSE && frames->broken_code == 0)
        on_close(frames, arg);
    if (is_control(arg->opcode) || frames->broken_code != 0)
        return;
    frames->building = NULL;
    frames->message(frames, message);
}

static void begin(struct bk__ws_frames *frames)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = give,
        .send_callback = reply,
        .on_frame_recv_start_callback = on_frame,
        .on_frame_recv_chunk_callback = on_chunk,
        .on_msg_recv_callback = on_message,
    };

    int failed = wslay_event_context_server_init(&frames->wslay, &callbacks, frames);
    bk_assert(failed == 0);
    wslay_event_config_set_no_buffering(frames->wslay, 1);
    wslay_event_config_set_max_recv_msg_length(frames->wslay, frames->message_bytes);
    frames->taken = frames->framed = 0;
}

/* The close that wslay has in line would not say it. */
static void say_why(struct bk__ws_frames *frames)
{
    int code = frames->broken_code;
    char frame[] = {(char)(0x80 | BK__WS_CLOSE), 2, (char)(code >> 8), (char)code};

    frames->reply(frames, (bk_str){frame, sizeof frame});
}

static void send_replies(struct bk__ws_frames *frames)
{
    if (!wslay_event_want_write(frames->wslay))
        return;
    int failed = wslay_event_send(frames->wslay);
    bk_assert(failed == 0);
    if (frames->peer_code == 0 && wslay_event_get_close_sent(frames->wslay))
        frames->broken_code = wslay_event_get_status_code_sent(frames->wslay);
}

size_t bk__ws_frames_feed(struct bk__ws_frames *frames, const char *bytes, size_t len)
{
    if (frames->peer_code != 0 || frames->broken_code != 0)
        return len;
    if (frames->paused || (frames->wslay == NULL && len == 0))
        return 0;
    if (frames->wslay == NULL)
        begin(frames);
    frames->input = bytes;
    frames->input_len = len;
    int failed = wslay_event_recv(frames->wslay);
    bk_assert(failed != WSLAY_ERR_NOMEM);
    if (failed != 0 && frames->broken_code == 0)
        frames->broken_code = WSLAY_CODE_PROTOCOL_ERROR; /* not even a frame */
    if (frames->broken_code != 0)
        say_why(frames);
    else
        send_replies(frames);
    bool ended = frames->peer_code != 0 || frames->broken_code != 0;
    if (ended || (frames->taken == frames->framed && frames->building == NULL)) {
        wslay_event_context_free(frames->wslay);
        frames->wslay = NULL;
    }
    return ended ? len : len - frames->input_len;
}

void bk__ws_frames_free(struct bk__ws_frames *frames)
{
    if (frames->wslay != NULL)
        wslay_event_context_free(frames->wslay);
    free(frames->building);
    frames->wslay = NULL;
    frames->building = NULL;
}

size_t bk__ws_frame_head(char out[BK__WS_HEAD], enum bk__ws_opcode opcode, size_t len)
{
    size_t extra = len < 126 ? 0 : len < 65536 ? 2 : 8;

    out[0] = (char)(0x80 | (unsigned)opcode);
    out[1] = (char)(extra == 0 ? len : extra == 2 ? 126 : 127);
    for (size_t i = 0; i < extra; i++)
        out[2 + i] = (char)((uint64_t)len >> (8 * (extra - 1 - i)));
    return 2 + extra;
}
