/*
 * reach.h: the descriptions that one leads to.
 *
 * Descriptions refer to each other and may go in circles, so whoever has to see all of them walks
 * this list, which has each once.
 */
#ifndef BK_JSON_REACH_H
#define BK_JSON_REACH_H

#include <backend/describe.h>

struct bk__reach {
    bk_arena *arena;
    const bk_desc **items; /* the one asked for comes first */
    size_t count, cap;
};

/* Lists @p root and all that its fields lead to. */
void bk__reach_init(struct bk__reach *reach, bk_arena *arena, const bk_desc *root);

/* Adds another with all that it leads to. A zeroed list with an arena is an empty one. */
void bk__reach_add(struct bk__reach *reach, const bk_desc *root);

/* The place of @p desc in the list. */
size_t bk__reach_index(const struct bk__reach *reach, const bk_desc *desc);

#endif
