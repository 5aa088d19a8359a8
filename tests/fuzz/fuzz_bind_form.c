/* Any bytes as a form: an error leaves zeros; what is bound is written as JSON. */
#include <stdint.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/json.h>

#include "core/assert.h"
#include "described.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str form = bk_str_at((const char *)data, size);
    bk_arena *arena = bk_arena_new();
    struct order order;

    if (bk_bind_form(arena, form, order_desc, NULL, &order) == BK_OK) {
        bk_buf buf = {.arena = arena};
        bk_write_json(&buf, order_desc, &order);
        bk_assert(bk_json_check(bk_buf_str(&buf), NULL) == BK_OK);
    } else {
        const unsigned char *bytes = (const unsigned char *)&order;
        for (size_t i = 0; i < sizeof(order); i++)
            bk_assert(bytes[i] == 0);
        bk_assert(bk_error_chain() != NULL);
    }
    bk_arena_free(arena);
    return 0;
}
