/*
 * fuzz_cache_stored.c: bytes from Redis that claim to be a cached value.
 */
#include <stdint.h>
#include <stdlib.h>

#include "cache/stored.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_arena arena;
    struct bk__stored stored;
    bk_str input = bk_str_at((const char *)data, size);

    if (size > INPUT_MAX || !bk__stored_read(input, &stored))
        return 0;
    bk_assert(stored.tag_count <= BK__TAGS_MAX && inside(stored.payload, input));
    for (size_t i = 0; i < stored.tag_count; i++)
        bk_assert(inside(stored.tags[i].name, input));
    bk__arena_init(&arena, arena_memory, sizeof arena_memory);
    bk_buf buf = {.arena = &arena};
    bk__stored_write(&buf, &stored);
    bk_assert(bk_str_eq(bk_buf_str(&buf), input)); /* there is one way to write it */
    bk__arena_reset(&arena);
    return 0;
}
