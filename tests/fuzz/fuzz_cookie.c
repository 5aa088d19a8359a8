/*
 * fuzz_cookie.c: the first line of the input is a name, the second a value, the rest a Cookie
 * header.
 */
#include <stdint.h>
#include <stdlib.h>

#include "http/cookie.h"
#include "http/header.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_made(bk_arena *arena, bk_str name, bk_str value)
{
    bk_str made, pair;
    if (bk__cookie_format(arena, name, value, NULL, &made) != BK_OK)
        return;
    bk_assert(made.len <= 4096 && bk__header_is_value(made));
    (void)bk_str_split(&made, ';', &pair);
    bk_str back = bk__cookie_find(pair, name);
    bk_assert(bk_str_present(back) && bk_str_eq(back, value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_arena arena;
    bk_str header = bk_str_at((const char *)data, size), secret;
    secret = BK_LIT("a secret of at least 32 bytes ...");

    if (size == 0 || size > INPUT_MAX)
        return 0;
    bk_str name = take_line(&header), value = take_line(&header);
    bk_str found = bk__cookie_find(header, name);
    bk_assert(!bk_str_present(found) || inside(found, header));
    bk_assert(!bk_str_present(bk__cookie_verify(secret, name, found)));

    bk__arena_init(&arena, arena_memory, sizeof(arena_memory));
    check_made(&arena, name, value);
    bk_str text = bk__cookie_sign(&arena, secret, name, value);
    bk_str back = bk__cookie_verify(secret, name, text);
    bk_assert(bk_str_present(back) && bk_str_eq(back, value));
    bk__arena_reset(&arena);
    return 0;
}
