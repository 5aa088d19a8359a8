/*
 * fuzz_otlp.c: the input is a list of attributes or headers, and behind a line's end a Retry-After.
 */
#include <stdint.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "ops/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str pairs, retry = {(const char *)data, size};
    bk_arena *arena = bk_arena_new();
    struct bk__otlp_pair *out = NULL;

    if (size > 0) {
        (void)bk_str_split(&retry, '\n', &pairs);
        if (bk__otlp_pairs(arena, pairs, &out) == BK_OK)
            for (; bk_str_present(out->key); out++)
                bk_assert(bk_str_present(out->value) && out->key.len + out->value.len < size);
        bk_assert(bk__otlp_retry_after_ms(retry, 0) <= 300000);
    }
    bk_error_clear();
    bk_arena_free(arena);
    return 0;
}
