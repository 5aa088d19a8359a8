/* Frames before h2o sees them: however the input is cut, the same comes through, and nothing
 * unknown. The first two bytes say where to cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "http/http2_frames.h"

static const struct bk__h2_frames_limits limits = {.block_bytes = 200, .block_fields = 20};

/* What h2o would take of it: the preface and whole frames. */
static size_t taken(const uint8_t *bytes, size_t len, bool greeted)
{
    size_t at = greeted ? 0 : 24;

    if (len < at)
        return 0;
    while (len - at >= 9) {
        size_t frame = 9 + ((size_t)bytes[at] << 16 | (size_t)bytes[at + 1] << 8 | bytes[at + 2]);
        if (frame > 9 + 16384 || len - at < frame)
            break;
        at += frame;
    }
    return at;
}

/* Filters the input in two parts; returns how much has come through. */
static size_t run(const uint8_t *data, size_t size, size_t cut, uint8_t *out, const char **why)
{
    struct bk__h2_frames frames = {0};
    uint8_t *input = malloc(size + 1);
    size_t len = cut, passed = 0;

    memcpy(input, data, cut);
    *why = bk__h2_frames_filter(&frames, &limits, input, &len);
    bk_assert(len <= cut);
    if (*why == NULL) {
        size_t whole = taken(input, len, false);
        memcpy(out, input, whole);
        passed = whole;
        memmove(input, input + whole, len - whole);
        len -= whole;
        memcpy(input + len, data + cut, size - cut);
        len += size - cut;
        bool greeted = frames.greeted;
        *why = bk__h2_frames_filter(&frames, &limits, input, &len);
        whole = taken(input, len, greeted);
        memcpy(out + passed, input, whole);
        passed += whole;
    }
    free(input);
    return passed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why_whole, *why_cut;

    if (size < 2)
        return 0;
    size_t cut = ((size_t)data[0] << 8 | data[1]) % (size - 1);
    uint8_t *whole = malloc(size), *parts = malloc(size);
    size_t whole_len = run(data + 2, size - 2, size - 2, whole, &why_whole);
    size_t parts_len = run(data + 2, size - 2, cut, parts, &why_cut);

    bk_assert((why_whole == NULL) == (why_cut == NULL));
    if (why_whole == NULL) {
        bk_assert(whole_len == parts_len);
        bk_assert(memcmp(whole, parts, whole_len) == 0);
    }
    free(whole);
    free(parts);
    return 0;
}
