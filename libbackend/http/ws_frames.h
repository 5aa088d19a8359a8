/*
 * ws_frames.h: WebSocket's frames (RFC 6455, 5): bytes in, whole messages out. The wall around
 * wslay.
 *
 * wslay's state is 8 KiB, and most sockets are idle most of the time: it is there only while a
 * frame or a fragmented message has begun and is not yet whole.
 */
#ifndef BK_HTTP_WS_FRAMES_H
#define BK_HTTP_WS_FRAMES_H

#include <backend/base.h>

#include "core/list.h"

struct wslay_event_context;

enum bk__ws_opcode {
    BK__WS_TEXT = 1,
    BK__WS_BINARY = 2,
    BK__WS_CLOSE = 8,
    BK__WS_PING = 9
};

/* Of a client: from the heap, free() it. */
struct bk__ws_message {
    struct bk__link link;
    size_t len, room;
    bool is_text;
    char bytes[];
};

struct bk__ws_frames {
    /* Set by the owner, who lies around it. */
    uint32_t message_bytes; /* largest message */
    void (*message)(struct bk__ws_frames *frames, struct bk__ws_message *message); /* takes it */
    void (*reply)(struct bk__ws_frames *frames, bk_str bytes); /* to be sent: pongs, closes */
    bool paused;                                               /* no more is taken for now */

    /* How it ended: 0, or the code of a close frame that came, 1005 where that had none. */
    int peer_code;
    int broken_code; /* 0, or the code with which the client was told that it broke the rules */

    /* Its own. */
    struct wslay_event_context *wslay;
    const char *input;
    size_t input_len;
    uint64_t taken, framed; /* bytes given to wslay; bytes of the frames that it has begun */
    bool in_message;
    struct bk__ws_message *building;
};

/* Takes bytes, as many as it says: all, unless `paused` was set meanwhile. Of those after the end
 * nothing comes any more. */
size_t bk__ws_frames_feed(struct bk__ws_frames *frames, const char *bytes, size_t len);

void bk__ws_frames_free(struct bk__ws_frames *frames);

enum {
    BK__WS_HEAD = 10 /* the longest head of a frame that a server sends */
};

/* The head of a whole message's frame, or of a control frame. Returns its length. */
size_t bk__ws_frame_head(char out[BK__WS_HEAD], enum bk__ws_opcode opcode, size_t len);

#endif
