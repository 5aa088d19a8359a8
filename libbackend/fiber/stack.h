/*
 * stack.h: the stacks of a loop's fibers.
 *
 * A stack is a block of address space: a guard page that may not be touched, then room that the
 * kernel gives page by page as it is used. Blocks are cut from slabs, many at one mmap(); each
 * still counts as two mappings against vm.max_map_count, which bounds a process to some 32,000.
 * Used ones are kept warm, newest first. From time to time the pages of blocks that nobody needed
 * for a while are given back.
 */
#ifndef BK_FIBER_STACK_H
#define BK_FIBER_STACK_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BK__STACK_BYTES (256 * 1024) /* sanitizers make frames several times larger */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define BK__STACK_BYTES (256 * 1024)
#endif
#endif
#ifndef BK__STACK_BYTES
#define BK__STACK_BYTES (64 * 1024)
#endif

#define BK__STACK_GUARD     4096
#define BK__STACKS_PER_SLAB 64

struct bk__stack_slab;

struct bk__stacks {
    struct bk__stack_slab *slabs;
    char **unused; /* blocks nobody uses, the warmest last */
    size_t unused_count, unused_cap;
    size_t cold;         /* the first so many of `unused` hold no pages */
    size_t least_unused; /* since the last trim */
};

void bk__stacks_init(struct bk__stacks *stacks);
void bk__stacks_fini(struct bk__stacks *stacks); /* all blocks must have been put back */

/* The lowest address of a block of BK__STACK_BYTES, guard included; NULL when the kernel gives no
 * more. */
char *bk__stack_get(struct bk__stacks *stacks);
void bk__stack_put(struct bk__stacks *stacks, char *block);

/* Gives back the pages of blocks that were unused ever since the last call. */
void bk__stacks_trim(struct bk__stacks *stacks);

/* True when @p address lies in the guard page of @p block. */
static inline int bk__stack_guards(const char *block, const void *address)
{
    return (uintptr_t)address - (uintptr_t)block < BK__STACK_GUARD;
}

#endif
