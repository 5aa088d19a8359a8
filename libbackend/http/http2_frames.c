/*
 * http2_frames.c: what of a client's input reaches h2o. See http2_frames.h.
 *
 * What h2o itself refuses well (frames too long, out of place, with wrong padding) is left to it.
 * What must hold: this reads frames exactly as h2o does, so whoever finds a difference has found a
 * hole.
 */
#include "http/http2_frames.h"

#include <string.h>

#define PREFACE_BYTES 24
#define HEADER_BYTES  9
#define FRAME_MAX     16384 /* h2o announces no other, so it is the protocol's default */

enum type {
    DATA,
    HEADERS,
    CONTINUATION = 9
};
enum flag {
    END_STREAM = 0x1,
    END_HEADERS = 0x4,
    PADDED = 0x8,
    PRIORITY = 0x20
};

/* --- header blocks ---------------------------------------------------------------------------- */

enum {
    FIELD,
    INDEX,
    LENGTH,
    LENGTH_MORE,
    TEXT,
    BROKEN
};

static void end_of_index(struct bk__hpack_scan *scan)
{
    scan->state = scan->strings != 0 ? LENGTH : FIELD;
}

/* The first byte tells the kind of field, and has the first bits of an index. */
static void begin_field(struct bk__hpack_scan *scan, uint8_t byte)
{
    uint8_t mask = byte & 0x80 ? 0x7f : byte & 0x40 ? 0x3f : byte & 0x20 ? 0x1f : 0x0f;
    bool literal = !(byte & 0x80) && (byte & 0x60) != 0x20;

    scan->strings = !literal ? 0 : (byte & mask) == 0 ? 2 : 1;
    scan->state = INDEX;
    if ((byte & mask) != mask)
        end_of_index(scan);
}

static void end_of_text(struct bk__hpack_scan *scan)
{
    scan->strings--;
    end_of_index(scan);
}

static void begin_text(struct bk__hpack_scan *scan)
{
    scan->state = TEXT;
    if (scan->left == 0)
        end_of_text(scan);
}

static void begin_length(struct bk__hpack_scan *scan, uint8_t byte)
{
    scan->left = byte & 0x7f;
    scan->shift = 0;
    if (scan->left == 0x7f)
        scan->state = LENGTH_MORE;
    else
        begin_text(scan);
}

static void go_on_length(struct bk__hpack_scan *scan, uint8_t byte)
{
    scan->left += (uint32_t)(byte & 0x7f) << scan->shift;
    scan->shift += 7;
    if ((byte & 0x80) == 0)
        begin_text(scan);
    else if (scan->shift == 28)
        scan->state = BROKEN;
}

static size_t skip_text(struct bk__hpack_scan *scan, size_t len)
{
    size_t skipped = len < scan->left ? len : scan->left;

    scan->left -= (uint32_t)skipped;
    if (scan->left == 0)
        end_of_text(scan);
    return skipped;
}

uint32_t bk__hpack_scan(struct bk__hpack_scan *scan, const uint8_t *part, size_t len)
{
    uint32_t fields = 0;

    for (size_t at = 0; at < len && scan->state != BROKEN;) {
        switch (scan->state) {
        case FIELD:
            fields++;
            begin_field(scan, part[at++]);
            break;
        case INDEX:
            if ((part[at++] & 0x80) == 0)
                end_of_index(scan);
            break;
        case LENGTH:
            begin_length(scan, part[at++]);
            break;
        case LENGTH_MORE:
            go_on_length(scan, part[at++]);
            break;
        default:
            at += skip_text(scan, len - at);
            break;
        }
    }
    return fields;
}

/* --- frames ----------------------------------------------------------------------------------- */

struct frame {
    size_t len; /* of the payload */
    uint8_t type, flags;
    uint32_t stream;
    const uint8_t *payload;
};

/* False when no whole frame is there, or one that h2o will refuse for its length. */
static bool read_frame(const uint8_t *input, size_t len, struct frame *out)
{
    if (len < HEADER_BYTES)
        return false;
    out->len = (size_t)input[0] << 16 | (size_t)input[1] << 8 | input[2];
    out->type = input[3];
    out->flags = input[4];
    out->stream =
        ((uint32_t)input[5] << 24 | (uint32_t)input[6] << 16 | (uint32_t)input[7] << 8 | input[8]) &
        0x7fffffff;
    out->payload = input + HEADER_BYTES;
    return out->len <= FRAME_MAX && len - HEADER_BYTES >= out->len;
}

/* The part of a header block that a HEADERS frame has, behind padding length and priority. */
static bool read_block(const struct frame *frame, const uint8_t **part, size_t *len)
{
    size_t before = (frame->flags & PADDED ? 1 : 0) + (frame->flags & PRIORITY ? 5 : 0);
    size_t behind = frame->flags & PADDED && frame->len != 0 ? frame->payload[0] : 0;

    if (before + behind > frame->len)
        return false; /* h2o refuses it */
    *part = frame->payload + before;
    *len = frame->len - before - behind;
    return true;
}

static const char *look_at_block(struct bk__h2_frames *frames,
                                 const struct bk__h2_frames_limits *limits,
                                 const struct frame *frame)
{
    const uint8_t *part = frame->payload;
    size_t len = frame->len;

    if (frame->type == HEADERS) {
        if (!read_block(frame, &part, &len))
            return NULL;
        frames->block_bytes = frames->block_fields = 0;
        frames->scan = (struct bk__hpack_scan){0};
    }
    frames->block = frame->flags & END_HEADERS ? 0 : frame->stream;
    frames->block_bytes += (uint32_t)len;
    frames->block_fields += bk__hpack_scan(&frames->scan, part, len);
    if (frames->block_bytes > limits->block_bytes || frames->block_fields > limits->block_fields)
        return "header block far over the limits";
    return NULL;
}

static const char *look_at(struct bk__h2_frames *frames, const struct bk__h2_frames_limits *limits,
                           const struct frame *frame)
{
    if (frame->type == DATA || (frame->type == HEADERS && !(frame->flags & END_STREAM)))
        frames->has_bodies = true;
    if (frames->block == 0)
        return frame->type == HEADERS ? look_at_block(frames, limits, frame) : NULL;
    if (frame->type != CONTINUATION)
        return NULL; /* h2o refuses it */
    if (frame->stream != frames->block)
        return "CONTINUATION of another stream";
    return look_at_block(frames, limits, frame);
}

const char *bk__h2_frames_filter(struct bk__h2_frames *frames,
                                 const struct bk__h2_frames_limits *limits, uint8_t *input,
                                 size_t *len)
{
    const char *why = NULL;
    size_t from = 0, to = 0;
    struct frame frame;

    frames->has_bodies = false;
    if (!frames->greeted) {
        if (*len < PREFACE_BYTES)
            return NULL;
        frames->greeted = true;
        from = to = PREFACE_BYTES;
    }
    while (why == NULL && read_frame(input + from, *len - from, &frame)) {
        size_t whole = HEADER_BYTES + frame.len;
        if (frame.type <= CONTINUATION || frames->block != 0) {
            why = look_at(frames, limits, &frame);
            if (to != from)
                memmove(input + to, input + from, whole);
            to += whole;
        }
        frames->passed++;
        from += whole;
    }
    if (to != from)
        memmove(input + to, input + from, *len - from);
    *len -= from - to;
    return why;
}
