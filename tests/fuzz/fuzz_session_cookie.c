/* fuzz_session_cookie.c: the first line of the input is an id, the rest a cookie's value. */
#include <stdint.h>

#include "core/assert.h"
#include "session/cookie_sid.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bk__sid_keys keys;
    struct bk_arena arena;
    bk_str cookie = bk_str_at((const char *)data, size);

    if (keys.count == 0)
        bk__sid_keys_init(&keys, (const char *const[]){"keyboard cat", "luna", NULL});
    if (size == 0 || size > INPUT_MAX)
        return 0;
    bk__arena_init(&arena, arena_memory, sizeof(arena_memory));
    bk_str id = take_line(&cookie);

    /* What we write we read, as far as it is an id at all. */
    bk_str written = bk__sid_write(&keys, &arena, id);
    bk_str back = bk__sid_read(&keys, &arena, written);
    bk_assert(bk_str_present(back) == (id.len >= 1 && id.len <= BK__SID_MAX));
    bk_assert(!bk_str_present(back) || bk_str_eq(back, id));

    /* A signature is not guessed, but those of the corpus are right. */
    bk_str read = bk__sid_read(&keys, &arena, cookie);
    bk_assert(!bk_str_present(read) || (read.len >= 1 && read.len <= BK__SID_MAX));
    bk__arena_reset(&arena);
    return 0;
}
