/*
 * fuzz_chunks.c: a chunked body is decoded the same in whatever portions it comes.
 *
 * The first byte of the input says how large the portions are.
 */
#include <stdint.h>
#include <stdlib.h>

#include <backend/str.h>

#include "core/assert.h"
#include "http/http1_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    bk_err err;
    size_t used; /* up to the end of the body */
    char *data;
    size_t len;
};

/* Gives @p text to the decoder, @p step bytes at most at a time. */
static struct result decode(bk_str text, size_t step)
{
    struct bk__http1_chunks chunks = {0};
    struct result it = {.err = BK_EAGAIN, .data = malloc(text.len + 1)};

    while (it.err == BK_EAGAIN && it.used < text.len) {
        size_t portion = text.len - it.used < step ? text.len - it.used : step, used;
        char *bytes = malloc(portion);
        bk_str data;
        memcpy(bytes, text.ptr + it.used, portion);
        it.err = bk__http1_chunks_next(&chunks, bytes, portion, &used, &data);
        bk_assert(used > 0 && used <= portion);
        bk_assert(data.ptr >= bytes && data.ptr + data.len <= bytes + used);
        memcpy(it.data + it.len, data.ptr, data.len);
        it.len += data.len;
        it.used += used;
        free(bytes);
    }
    return it;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bk_str text = {(const char *)data + 1, size - 1};
    struct result whole = decode(text, SIZE_MAX);
    struct result parts = decode(text, (size_t)data[0] % 16 + 1);

    bk_assert(whole.err == parts.err && whole.len == parts.len);
    bk_assert(memcmp(whole.data, parts.data, whole.len) == 0);
    bk_assert(whole.err != BK_OK || whole.used == parts.used);
    bk_assert(whole.err == BK_EAGAIN || whole.err == BK_OK || whole.err == BK_EINVAL);
    free(whole.data);
    free(parts.data);
    return 0;
}
