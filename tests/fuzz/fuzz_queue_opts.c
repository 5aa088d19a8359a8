/* fuzz_queue_opts.c: the input is a job's options as another program has stored them. */
#include <stdint.h>

#include "core/assert.h"
#include "queue/worker.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_arena arena;
    struct bk__stored_opts opts;

    if (size == 0 || size > INPUT_MAX)
        return 0;
    bk__arena_init(&arena, arena_memory, sizeof(arena_memory));
    bk__stored_opts_read(&arena, bk_str_at((const char *)data, size), &opts);
    for (int64_t nth = 1; nth < 100; nth += 7)
        for (double chance = 0; chance < 1; chance += 0.3)
            bk_assert(bk__backoff_after(&opts, nth, chance) >= 0);
    bk_assert(opts.completed.said || opts.completed.count == -1);
    bk__arena_reset(&arena);
    return 0;
}
