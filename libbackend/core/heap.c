/*
 * heap.c: a binary heap of timers.
 *
 * The parent of place i is (i - 1) / 2. What must hold: no node comes before its parent, and each
 * node's index is its place plus one.
 */
#include "core/heap.h"

#include <stdlib.h>

#include "core/assert.h"

#define FIRST_CAP 64

void bk__heap_init(struct bk__heap *heap)
{
    *heap = (struct bk__heap){0};
}

void bk__heap_fini(struct bk__heap *heap)
{
    bk_assert(heap->count == 0);
    free(heap->nodes);
    *heap = (struct bk__heap){0};
}

static bool before(const struct bk__heap_node *a, const struct bk__heap_node *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct bk__heap *heap, size_t place, struct bk__heap_node *node)
{
    heap->nodes[place] = node;
    node->index = place + 1;
}

/* Moves parents of the free @p place down until @p node may stand there. */
static void rise(struct bk__heap *heap, size_t place, struct bk__heap_node *node)
{
    while (place > 0) {
        size_t parent = (place - 1) / 2;
        if (!before(node, heap->nodes[parent]))
            break;
        put(heap, place, heap->nodes[parent]);
        place = parent;
    }
    put(heap, place, node);
}

/* Moves children of the free @p place up until @p node may stand there. */
static void sink(struct bk__heap *heap, size_t place, struct bk__heap_node *node)
{
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!before(heap->nodes[child], node))
            break;
        put(heap, place, heap->nodes[child]);
        place = child;
    }
    put(heap, place, node);
}

void bk__heap_insert(struct bk__heap *heap, struct bk__heap_node *node, uint64_t at)
{
    bk_assert(!bk__heap_linked(node));
    if (heap->count == heap->cap) {
        size_t cap = heap->cap != 0 ? 2 * heap->cap : FIRST_CAP;
        struct bk__heap_node **nodes = realloc(heap->nodes, cap * sizeof(struct bk__heap_node *));
        bk_assert(nodes != NULL);
        heap->nodes = nodes;
        heap->cap = cap;
    }
    node->at = at;
    node->order = heap->next_order++;
    rise(heap, heap->count++, node);
}

void bk__heap_remove(struct bk__heap *heap, struct bk__heap_node *node)
{
    if (!bk__heap_linked(node))
        return;
    size_t place = node->index - 1;
    bk_assert(place < heap->count && heap->nodes[place] == node);
    node->index = 0;
    struct bk__heap_node *last = heap->nodes[--heap->count];
    if (last == node)
        return;
    if (before(last, node))
        rise(heap, place, last);
    else
        sink(heap, place, last);
}
