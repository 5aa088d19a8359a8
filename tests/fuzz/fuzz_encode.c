/*
 * fuzz_encode.c: what was encoded comes back, and base64url has one spelling only.
 */
#include <stdint.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_base64url(bk_arena *arena, bk_str bytes)
{
    bk_str out;
    bk_assert(bk__base64url_decode(arena, bk__base64url(arena, bytes), &out) == BK_OK);
    bk_assert(bk_str_eq(out, bytes));
    if (bk__base64url_decode(arena, bytes, &out) == BK_OK)
        bk_assert(bk_str_eq(bk__base64url(arena, out), bytes));
}

static void try_percent(bk_arena *arena, bk_str bytes, bool plus)
{
    bk_str out;
    bk_assert(bk__percent_decode(arena, bk__percent_encode(arena, bytes), plus, &out) == BK_OK);
    bk_assert(bk_str_eq(out, bytes));
    if (bk__percent_decode(arena, bytes, plus, &out) == BK_OK)
        bk_assert(out.len <= bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_arena *arena = bk_arena_new();
    bk_str bytes = {(const char *)data, size};
    try_base64url(arena, bytes);
    try_percent(arena, bytes, false);
    try_percent(arena, bytes, true);
    bk_arena_free(arena);
    return 0;
}
