/*
 * fuzz_websocket.c: what a client sends after the handshake, in pieces: the first byte says how
 * long they are. The same bytes in one piece must give the same messages and the same end. Of a
 * close frame's reason wslay looks at each piece without its first two bytes, so whether UTF-8
 * (1007) is what ends the connection may depend on the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "http/ws_frames.h"

enum {
    MESSAGE_BYTES = 1000,
    NOT_UTF8 = 1007
};

struct heard {
    struct bk__ws_frames frames;
    size_t messages, bytes, replies;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_message(struct bk__ws_frames *frames, struct bk__ws_message *message)
{
    struct heard *heard = bk__container_of(frames, struct heard, frames);

    bk_assert(message->len <= MESSAGE_BYTES);
    heard->messages++;
    heard->bytes += message->len;
    free(message);
}

static void on_reply(struct bk__ws_frames *frames, bk_str bytes)
{
    struct heard *heard = bk__container_of(frames, struct heard, frames);

    heard->replies += bytes.len;
}

static void listen_to(struct heard *heard, const char *bytes, size_t len, size_t piece)
{
    memset(heard, 0, sizeof *heard);
    heard->frames.message_bytes = MESSAGE_BYTES;
    heard->frames.message = on_message;
    heard->frames.reply = on_reply;
    for (size_t at = 0; at < len; at += piece) {
        size_t next = len - at < piece ? len - at : piece;
        char *copy = malloc(next); /* so that nothing looks beyond it */
        bk_assert(copy != NULL);
        memcpy(copy, bytes + at, next);
        size_t used = bk__ws_frames_feed(&heard->frames, copy, next);
        bk_assert(used == next);
        free(copy);
    }
    bk__ws_frames_free(&heard->frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard whole, pieces;

    if (size < 2)
        return 0;
    listen_to(&whole, (const char *)data + 1, size - 1, size);
    listen_to(&pieces, (const char *)data + 1, size - 1, data[0] % 16 + 1u);
    bk_assert(whole.messages == pieces.messages && whole.bytes == pieces.bytes);
    if (whole.frames.broken_code == NOT_UTF8 || pieces.frames.broken_code == NOT_UTF8)
        return 0;
    bk_assert(whole.frames.peer_code == pieces.frames.peer_code);
    bk_assert(whole.frames.broken_code == pieces.frames.broken_code);
    return 0;
}
