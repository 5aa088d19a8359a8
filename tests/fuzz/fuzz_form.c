/*
 * fuzz_form.c: the input is a query or a urlencoded body.
 */
#include <stdint.h>
#include <stdlib.h>

#include "http/form.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Views of the input come in its order. Moves @p at behind @p view. */
static void check_view(bk_str view, bk_str input, const char **at)
{
    bk_assert(inside_either(view, input) && bk_str_utf8(view));
    if (inside(view, input)) {
        bk_assert(view.ptr >= *at);
        *at = view.ptr + view.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_arena arena;
    bk_str input = bk_str_at((const char *)data, size), value;
    const char *at = input.ptr;
    bk_pairs pairs;

    if (size == 0 || size > INPUT_MAX)
        return 0;
    bk__arena_init(&arena, arena_memory, sizeof(arena_memory));
    if (bk__form_parse(&arena, input, &pairs) == BK_OK) {
        bk_assert(pairs.count <= BK__FORM_PAIRS_MAX);
        for (size_t i = 0; i < pairs.count; i++) {
            check_view(pairs.items[i].name, input, &at);
            check_view(pairs.items[i].value, input, &at);
        }
        for (size_t i = 0; i < pairs.count && i < 8; i++) {
            bk_err err = bk__form_find(&arena, input, pairs.items[i].name, &value);
            size_t first = 0;
            while (!bk_str_eq(pairs.items[first].name, pairs.items[i].name))
                first++;
            bk_assert(err == BK_OK && bk_str_eq(value, pairs.items[first].value));
        }
    }
    bk__arena_reset(&arena);
    return 0;
}
