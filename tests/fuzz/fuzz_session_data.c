/* fuzz_session_data.c: the input is a session as the store has it. */
#include <ctype.h>
#include <stdint.h>

#include "core/assert.h"
#include "json/check.h"
#include "session/data.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_arena arena;
    bk_str text = bk_str_at((const char *)data, size);

    if (size == 0 || size > INPUT_MAX)
        return 0;
    bk__arena_init(&arena, arena_memory, sizeof(arena_memory));
    struct bk__session_data parts = {.arena = &arena}, again = {.arena = &arena};
    bk_buf once = {.arena = &arena}, twice = {.arena = &arena};
    bool is_object = bk__session_data_read(&parts, text);

    /* All that is JSON and an object is taken. */
    size_t first = 0;
    while (first < size && isspace(data[first]))
        first++;
    bool begins = first < size && data[first] == '{';
    bk_assert(is_object || !begins || !bk__json_valid(text));
    if (is_object) {
        for (size_t i = 0; i < parts.count; i++)
            bk_assert(inside(parts.items[i].key, text) && inside(parts.items[i].value, text));
        bk__session_data_print(&parts, &once);
        bk_assert(once.len <= size);
        bk_assert(bk__session_data_read(&again, bk_buf_str(&once)) && again.count == parts.count);
        bk__session_data_print(&again, &twice);
        bk_assert(bk_str_eq(bk_buf_str(&once), bk_buf_str(&twice)));
    }
    bk__arena_reset(&arena);
    return 0;
}
