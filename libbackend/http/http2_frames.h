/*
 * http2_frames.h: what of a client's input reaches h2o.
 *
 * h2o 2.2.5 takes a CONTINUATION for any open stream, header blocks with hundreds of thousands of
 * fields, and prints every frame that it does not know. All that can be told from the outside of
 * the frames, before h2o has seen them, and costs a look at nine bytes per frame and at header
 * blocks.
 */
#ifndef BK_HTTP_HTTP2_FRAMES_H
#define BK_HTTP_HTTP2_FRAMES_H

#include <backend/base.h>

/* Where in a header block we are (RFC 7541, 6). All zero: at its beginning. */
struct bk__hpack_scan {
    uint32_t left; /* bytes of the present string */
    uint8_t state;
    uint8_t strings; /* still to come in the present field */
    uint8_t shift;   /* of the present integer */
};

/* Goes over a part of a header block. Returns how many fields begin in it, updates of the table's
 * size counted as such. What is malformed counts as the last field: h2o refuses it. */
uint32_t bk__hpack_scan(struct bk__hpack_scan *scan, const uint8_t *part, size_t len);

struct bk__h2_frames_limits {
    uint32_t block_bytes; /* of a header block as sent */
    uint32_t block_fields;
};

/* A connection's input so far. All zero: at its beginning. */
struct bk__h2_frames {
    uint64_t passed; /* whole frames */
    uint32_t block;  /* the stream whose header block is not at its end; 0: none */
    uint32_t block_bytes, block_fields;
    struct bk__hpack_scan scan;
    bool greeted;    /* the client's preface was seen */
    bool has_bodies; /* in the last call: frames of requests with a body */
};

/*
 * Looks at the whole frames at the front of @p input, which begins where the last call's whole
 * frames ended, and takes out those of unknown types, which are to be ignored (RFC 9113, 5.5); @p
 * len is how much is left.
 *
 * @return NULL when h2o may have them; else why the connection must be closed at once.
 */
const char *bk__h2_frames_filter(struct bk__h2_frames *frames,
                                 const struct bk__h2_frames_limits *limits, uint8_t *input,
                                 size_t *len);

#endif
