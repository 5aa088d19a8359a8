/*
 * Any bytes into a described struct: an error leaves zeros and says something; what is bound is
 * written as JSON that binds again, to the same JSON.
 */
#include <stdint.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/json.h>

#include "core/assert.h"
#include "described.h"

static void judge_error(const struct order *order)
{
    const unsigned char *bytes = (const unsigned char *)order;
    size_t count;

    for (size_t i = 0; i < sizeof(*order); i++)
        bk_assert(bytes[i] == 0);
    const bk_error_link *link = bk_error_chain();
    bk_assert(link != NULL && link->code == BK_EINVAL);
    (void)bk_error_fields(&count);
    bk_assert(count <= 100 && (count > 0 || link->message.len > 0));
}

static bk_str write(bk_arena *arena, const struct order *order)
{
    bk_buf buf = {.arena = arena};
    bk_write_json(&buf, order_desc, order);
    return bk_buf_str(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bk_bind_opts partial = {.partial = true, .max_depth = 16},
                              strict = {.unknown = BK_UNKNOWN_REFUSED, .max_nodes = 100};
    bk_str json = bk_str_at((const char *)data, size);
    bk_arena *arena = bk_arena_new();
    struct order order, again;

    if (bk_bind_json(arena, json, order_desc, &partial, &order) != BK_OK)
        judge_error(&order);
    if (bk_bind_json(arena, json, order_desc, &strict, &order) != BK_OK)
        judge_error(&order);
    if (bk_bind_json(arena, json, order_desc, NULL, &order) != BK_OK) {
        judge_error(&order);
    } else {
        bk_str once = write(arena, &order);
        bk_assert(bk_json_check(once, NULL) == BK_OK);
        bk_assert(bk_bind_json(arena, once, order_desc, NULL, &again) == BK_OK);
        bk_assert(bk_str_eq(write(arena, &again), once));
    }
    bk_arena_free(arena);
    return 0;
}
