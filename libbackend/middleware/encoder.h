/*
 * encoder.h: packing bytes as gzip or brotli, piece by piece or at once.
 *
 * An encoder is the loop's until it runs; bk__encoder_run() may be called on any thread, by one at
 * a time. gzip's state, some 256 KiB, is reused: it comes from a shelf and goes back to it.
 */
#ifndef BK_MIDDLEWARE_ENCODER_H
#define BK_MIDDLEWARE_ENCODER_H

#include <zlib.h>

#include "middleware/fields.h"

#define BK__SHELF_MAX 8

/* gzip states that nobody uses now, all of one level. Of the loop's thread. */
struct bk__shelf {
    z_stream *idle[BK__SHELF_MAX];
    size_t count;
    int level;
};

struct bk__encoder {
    struct bk__shelf *shelf;
    enum bk__coding coding;
    z_stream *gzip; /* one of the two; NULL after bk__encoder_stop() */
    struct BrotliEncoderStateStruct *brotli;
    char *out; /* what the last run has made; freed by bk__encoder_free() */
    size_t len, cap;
};

/* @p size_hint: bytes to come; 0: not known. */
void bk__encoder_start(struct bk__encoder *encoder, struct bk__shelf *shelf, enum bk__coding coding,
                       int quality, size_t size_hint);

/* Packs @p bytes, so that all of them can be read from what stands in `out` after it, together with
 * what earlier runs made. The @p last run ends the whole. @threads Any. */
void bk__encoder_run(struct bk__encoder *encoder, bk_str bytes, bool last);

/* Gives its state back; `out` stays. */
void bk__encoder_stop(struct bk__encoder *encoder);

/* The same, and frees `out`. */
void bk__encoder_free(struct bk__encoder *encoder);

void bk__shelf_free(struct bk__shelf *shelf);

#endif
