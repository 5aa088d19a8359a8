/*
 * reach.c: the descriptions that one leads to; see reach.h.
 */
#include "json/reach.h"

#include "core/arena.h"
#include "json/field.h"

#define FIRST_CAP 8

size_t bk__reach_index(const struct bk__reach *reach, const bk_desc *desc)
{
    size_t at = 0;
    while (at < reach->count && reach->items[at] != desc)
        at++;
    return at;
}

static void add_one(struct bk__reach *reach, const bk_desc *desc)
{
    if (bk__reach_index(reach, desc) < reach->count)
        return;
    if (reach->count == reach->cap) {
        size_t cap = reach->cap != 0 ? 2 * reach->cap : FIRST_CAP;
        const bk_desc **items = bk__arena_get(reach->arena, cap * sizeof(*items));
        for (size_t i = 0; i < reach->count; i++)
            items[i] = reach->items[i];
        reach->items = items;
        reach->cap = cap;
    }
    reach->items[reach->count++] = desc;
}

void bk__reach_init(struct bk__reach *reach, bk_arena *arena, const bk_desc *root)
{
    *reach = (struct bk__reach){.arena = arena};
    bk__reach_add(reach, root);
}

void bk__reach_add(struct bk__reach *reach, const bk_desc *root)
{
    size_t first = reach->count;

    add_one(reach, root);
    for (size_t at = first; at < reach->count; at++) {
        const bk_desc *desc = reach->items[at];
        for (size_t i = 0; i < desc->count; i++) {
            const bk_field *field = &desc->fields[i];
            if (bk__value_type(field) == BK_TYPE_STRUCT && field->of != NULL)
                add_one(reach, field->of());
        }
    }
}
