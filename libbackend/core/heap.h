/*
 * heap.h: a binary heap of timers, ordered by time and then by age.
 *
 * The nodes are the owners' (intrusive); the heap holds pointers to them. Insert and remove cost
 * O(log n), the earliest is at hand. Timers set for the same millisecond fire in the order in which
 * they were set.
 */
#ifndef BK_CORE_HEAP_H
#define BK_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bk__heap_node {
    uint64_t at;    /* the key */
    uint64_t order; /* of insertion; set by the heap */
    size_t index;   /* place in the heap plus one; 0: in none */
};

struct bk__heap {
    struct bk__heap_node **nodes;
    size_t count, cap;
    uint64_t next_order;
};

void bk__heap_init(struct bk__heap *heap);
void bk__heap_fini(struct bk__heap *heap); /* must be empty */

/* Puts an unlinked node in at the time @p at. */
void bk__heap_insert(struct bk__heap *heap, struct bk__heap_node *node, uint64_t at);

/* Takes a node out; nothing happens when it is in none. */
void bk__heap_remove(struct bk__heap *heap, struct bk__heap_node *node);

static inline bool bk__heap_linked(const struct bk__heap_node *node)
{
    return node->index != 0;
}

/* The earliest; NULL when empty. */
static inline struct bk__heap_node *bk__heap_first(const struct bk__heap *heap)
{
    return heap->count != 0 ? heap->nodes[0] : NULL;
}

#endif
