/*
 * inflate.c: see inflate.h.
 *
 * The output grows by doubling, up to one byte more than may be: when that byte is written, it is
 * too long, and the rest is never unpacked. So a bomb costs what an honest body of the limit does.
 */
#include "middleware/inflate.h"

#include <stdlib.h>

#include <brotli/decode.h>
#include <zlib.h>

#include "core/assert.h"

enum {
    ROOM_FIRST = 4096,
    GZIP_WINDOW = 15 + 16, /* zlib's way to ask for gzip */
    ZLIB_WINDOW = 15
};

struct output {
    char *bytes;
    size_t len, cap;
    size_t limit;
};

/* Room for at least one byte more. False when the limit is passed. */
static bool make_room(struct output *out)
{
    if (out->len < out->cap)
        return true;
    if (out->len > out->limit)
        return false;
    size_t cap = out->cap != 0 ? out->cap * 2 : ROOM_FIRST;
    if (cap > out->limit + 1)
        cap = out->limit + 1;
    out->bytes = realloc(out->bytes, cap);
    bk_assert(out->bytes != NULL);
    out->cap = cap;
    return true;
}

/* What zlib counts in 32 bits. */
static uInt part_of(size_t size)
{
    return size < 1u << 30 ? (uInt)size : 1u << 30;
}

/* One call of inflate(); what it says of the stream. */
static int step(z_stream *zlib, bk_str *in, struct output *out)
{
    uInt given = part_of(in->len), room = part_of(out->cap - out->len);

    zlib->next_in = (Bytef *)(uintptr_t)in->ptr; /* which it only reads */
    zlib->avail_in = given;
    zlib->next_out = (Bytef *)out->bytes + out->len;
    zlib->avail_out = room;
    int said = inflate(zlib, Z_NO_FLUSH);
    in->ptr += given - zlib->avail_in;
    in->len -= given - zlib->avail_in;
    out->len += room - zlib->avail_out;
    return said;
}

static bk_err run_zlib(enum bk__packed how, bk_str in, struct output *out)
{
    z_stream zlib = {0};
    bk_err err = BK_OK;
    int said = inflateInit2(&zlib, how == BK__PACKED_GZIP ? GZIP_WINDOW : ZLIB_WINDOW);

    bk_assert(said == Z_OK);
    for (;;) {
        if (!make_room(out)) {
            err = BK_ETOOBIG;
            break;
        }
        said = step(&zlib, &in, out);
        bk_assert(said != Z_MEM_ERROR);
        if (said == Z_STREAM_END && in.len == 0)
            break;
        if (said == Z_STREAM_END && how == BK__PACKED_GZIP)
            said = inflateReset(&zlib); /* another member follows, or what is none */
        if (said != Z_OK) {             /* Z_BUF_ERROR: it wants more than there is */
            err = BK_EINVAL;
            break;
        }
    }
    inflateEnd(&zlib);
    return err;
}

static bk_err run_brotli(bk_str in, struct output *out)
{
    BrotliDecoderState *brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    BrotliDecoderResult said = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    const uint8_t *next = (const uint8_t *)in.ptr;
    size_t left = in.len;
    bk_err err = BK_OK;

    bk_assert(brotli != NULL);
    while (said == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT && err == BK_OK) {
        if (!make_room(out)) {
            err = BK_ETOOBIG;
            break;
        }
        uint8_t *at = (uint8_t *)out->bytes + out->len;
        size_t room = out->cap - out->len;
        said = BrotliDecoderDecompressStream(brotli, &left, &next, &room, &at, NULL);
        out->len = out->cap - room;
    }
    if (err == BK_OK && (said != BROTLI_DECODER_RESULT_SUCCESS || left != 0))
        err = BK_EINVAL;
    BrotliDecoderDestroyInstance(brotli);
    return err;
}

bk_err bk__inflate(enum bk__packed how, bk_str bytes, size_t limit, char **out, size_t *out_len)
{
    struct output output = {.limit = limit};
    bk_err err =
        how == BK__PACKED_BROTLI ? run_brotli(bytes, &output) : run_zlib(how, bytes, &output);

    if (err == BK_OK && output.len > limit)
        err = BK_ETOOBIG;
    if (err != BK_OK) {
        free(output.bytes);
        return err;
    }
    *out = output.bytes;
    *out_len = output.len;
    return BK_OK;
}
