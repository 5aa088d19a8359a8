/*
 * stack.c: blocks of address space for stacks. See stack.h.
 *
 * The list of unused blocks is an array beside the blocks and not a chain through them, so that a
 * block can lose its pages without losing its place. It is a stack: the block used last is used
 * next. The blocks at its bottom that were never reached between two trims are the ones to empty.
 */
#include "fiber/stack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#ifdef BK_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#endif

#include "core/assert.h"
#include "core/fault.h"

struct bk__stack_slab {
    struct bk__stack_slab *next;
    char *memory;
    unsigned valgrind_ids[BK__STACKS_PER_SLAB];
};

#define SLAB_BYTES ((size_t)BK__STACKS_PER_SLAB * BK__STACK_BYTES)

void bk__stacks_init(struct bk__stacks *stacks)
{
    *stacks = (struct bk__stacks){0};
}

void bk__stacks_fini(struct bk__stacks *stacks)
{
    struct bk__stack_slab *slab = stacks->slabs;
    size_t blocks = 0;

    while (slab != NULL) {
        struct bk__stack_slab *next = slab->next;
#ifdef BK_HAVE_VALGRIND
        for (size_t i = 0; i < BK__STACKS_PER_SLAB; i++)
            VALGRIND_STACK_DEREGISTER(slab->valgrind_ids[i]);
#endif
        munmap(slab->memory, SLAB_BYTES);
        free(slab);
        slab = next;
        blocks += BK__STACKS_PER_SLAB;
    }
    bk_assert(blocks == stacks->unused_count);
    free(stacks->unused);
    *stacks = (struct bk__stacks){0};
}

static char *map_slab(void)
{
    if (BK__FAULT("stack.map"))
        return NULL;
    char *memory = mmap(NULL, SLAB_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    for (size_t i = 0; i < BK__STACKS_PER_SLAB; i++) {
        if (mprotect(memory + i * BK__STACK_BYTES, BK__STACK_GUARD, PROT_NONE) != 0) {
            munmap(memory, SLAB_BYTES);
            return NULL;
        }
    }
    return memory;
}

static bool add_slab(struct bk__stacks *stacks)
{
    char *memory = map_slab();
    if (memory == NULL)
        return false;

    struct bk__stack_slab *slab = calloc(1, sizeof *slab);
    size_t cap = stacks->unused_cap + BK__STACKS_PER_SLAB;
    char **unused = realloc(stacks->unused, cap * sizeof *unused);
    bk_assert(slab != NULL && unused != NULL);
    slab->memory = memory;
    slab->next = stacks->slabs;
    stacks->slabs = slab;
    stacks->unused = unused;
    stacks->unused_cap = cap;
    for (size_t i = BK__STACKS_PER_SLAB; i-- > 0;) {
        char *block = memory + i * BK__STACK_BYTES;
#ifdef BK_HAVE_VALGRIND
        slab->valgrind_ids[i] =
            VALGRIND_STACK_REGISTER(block + BK__STACK_GUARD, block + BK__STACK_BYTES);
#endif
        stacks->unused[stacks->unused_count++] = block;
    }
    stacks->cold = stacks->unused_count; /* a slab is only added when nothing was unused */
    return true;
}

char *bk__stack_get(struct bk__stacks *stacks)
{
    if (bk__unlikely(stacks->unused_count == 0) && !add_slab(stacks))
        return NULL;
    char *block = stacks->unused[--stacks->unused_count];
    if (stacks->unused_count < stacks->least_unused)
        stacks->least_unused = stacks->unused_count;
    if (stacks->unused_count < stacks->cold)
        stacks->cold = stacks->unused_count;
    return block;
}

void bk__stack_put(struct bk__stacks *stacks, char *block)
{
    bk_debug_assert(stacks->unused_count < stacks->unused_cap);
    stacks->unused[stacks->unused_count++] = block;
}

void bk__stacks_trim(struct bk__stacks *stacks)
{
    for (size_t i = stacks->cold; i < stacks->least_unused; i++)
        madvise(stacks->unused[i] + BK__STACK_GUARD, BK__STACK_BYTES - BK__STACK_GUARD,
                MADV_DONTNEED);
    if (stacks->cold < stacks->least_unused)
        stacks->cold = stacks->least_unused;
    stacks->least_unused = stacks->unused_count;
}
