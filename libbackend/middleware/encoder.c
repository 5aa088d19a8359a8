/*
 * encoder.c: see encoder.h.
 */
#include "middleware/encoder.h"

#include <stdlib.h>

#include <brotli/encode.h>

#include "core/assert.h"

enum {
    GZIP_WINDOW = 15 + 16, /* zlib's way to ask for gzip */
    GZIP_MEMORY = 8,
    BROTLI_WINDOW = 18, /* 256 KiB: larger ones cost memory and gain little on answers */
    ROOM_FIRST = 1024
};

/* --- gzip's states ---------------------------------------------------------------------------- */

static z_stream *take(struct bk__shelf *shelf)
{
    if (shelf->count != 0)
        return shelf->idle[--shelf->count];
    z_stream *gzip = calloc(1, sizeof *gzip);
    bk_assert(gzip != NULL);
    int err =
        deflateInit2(gzip, shelf->level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY);
    bk_assert(err == Z_OK);
    return gzip;
}

static void discard(z_stream *gzip)
{
    (void)deflateEnd(gzip); /* it complains about what was not finished */
    free(gzip);
}

static void put_back(struct bk__shelf *shelf, z_stream *gzip)
{
    if (shelf->count == BK__SHELF_MAX || deflateReset(gzip) != Z_OK)
        discard(gzip);
    else
        shelf->idle[shelf->count++] = gzip;
}

void bk__shelf_free(struct bk__shelf *shelf)
{
    while (shelf->count != 0)
        discard(shelf->idle[--shelf->count]);
}

/* --- an encoder ------------------------------------------------------------------------------- */

void bk__encoder_start(struct bk__encoder *encoder, struct bk__shelf *shelf, enum bk__coding coding,
                       int quality, size_t size_hint)
{
    *encoder = (struct bk__encoder){.shelf = shelf, .coding = coding};
    if (coding == BK__CODING_GZIP) {
        encoder->gzip = take(shelf);
        return;
    }
    bk_assert(coding == BK__CODING_BROTLI);
    encoder->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    bk_assert(encoder->brotli != NULL);
    BrotliEncoderSetParameter(encoder->brotli, BROTLI_PARAM_QUALITY, (uint32_t)quality);
    BrotliEncoderSetParameter(encoder->brotli, BROTLI_PARAM_LGWIN, BROTLI_WINDOW);
    if (size_hint != 0 && size_hint <= UINT32_MAX)
        BrotliEncoderSetParameter(encoder->brotli, BROTLI_PARAM_SIZE_HINT, (uint32_t)size_hint);
}

static void make_room(struct bk__encoder *encoder, size_t at_least)
{
    size_t cap = encoder->cap != 0 ? encoder->cap * 2 : ROOM_FIRST;

    if (cap < at_least)
        cap = at_least;
    encoder->out = realloc(encoder->out, cap);
    bk_assert(encoder->out != NULL);
    encoder->cap = cap;
}

/* zlib counts in 32 bits, so a long input goes in parts. */
static void run_gzip(struct bk__encoder *encoder, bk_str bytes, bool last)
{
    z_stream *gzip = encoder->gzip;
    size_t left = bytes.len;

    gzip->next_in = (Bytef *)(uintptr_t)bytes.ptr; /* which it only reads */
    do {
        uInt part = left < 1u << 30 ? (uInt)left : 1u << 30;
        int flush = part != left ? Z_NO_FLUSH : last ? Z_FINISH : Z_SYNC_FLUSH;
        gzip->avail_in = part;
        left -= part;
        do {
            if (encoder->len == encoder->cap)
                make_room(encoder, 0);
            size_t room = encoder->cap - encoder->len;
            uInt offered = room < 1u << 30 ? (uInt)room : 1u << 30;
            gzip->next_out = (Bytef *)encoder->out + encoder->len;
            gzip->avail_out = offered;
            int err = deflate(gzip, flush);
            bk_assert(err == Z_OK || err == Z_STREAM_END || err == Z_BUF_ERROR);
            encoder->len += offered - gzip->avail_out;
        } while (gzip->avail_out == 0);
    } while (left != 0);
}

static void run_brotli(struct bk__encoder *encoder, bk_str bytes, bool last)
{
    const uint8_t *in = (const uint8_t *)bytes.ptr;
    size_t left = bytes.len;

    do {
        if (encoder->len == encoder->cap)
            make_room(encoder, 0);
        uint8_t *out = (uint8_t *)encoder->out + encoder->len;
        size_t room = encoder->cap - encoder->len;
        BROTLI_BOOL fine = BrotliEncoderCompressStream(
            encoder->brotli, last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH, &left, &in,
            &room, &out, NULL);
        bk_assert(fine); /* out of memory */
        encoder->len = encoder->cap - room;
    } while (left != 0 || BrotliEncoderHasMoreOutput(encoder->brotli));
}

void bk__encoder_run(struct bk__encoder *encoder, bk_str bytes, bool last)
{
    encoder->len = 0;
    if (encoder->cap < bytes.len / 4)
        make_room(encoder, bytes.len / 4);
    if (encoder->coding == BK__CODING_GZIP)
        run_gzip(encoder, bytes, last);
    else
        run_brotli(encoder, bytes, last);
}

void bk__encoder_stop(struct bk__encoder *encoder)
{
    if (encoder->gzip != NULL)
        put_back(encoder->shelf, encoder->gzip);
    if (encoder->brotli != NULL)
        BrotliEncoderDestroyInstance(encoder->brotli);
    encoder->gzip = NULL;
    encoder->brotli = NULL;
}

void bk__encoder_free(struct bk__encoder *encoder)
{
    bk__encoder_stop(encoder);
    free(encoder->out);
    encoder->out = NULL;
    encoder->len = encoder->cap = 0;
}
