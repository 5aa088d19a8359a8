/*
 * shared.h: memory that is the same in all processes forked from here on: for what must be one
 * truth in all workers of a host.
 *
 * It holds no locks, since a worker can die at any instruction: only atomics, each right by itself.
 */
#ifndef BK_CORE_SHARED_H
#define BK_CORE_SHARED_H

#include <stddef.h>

/* Zeroed. Pages cost memory once they are touched. */
void *bk__shared_new(size_t bytes);

/* For the calling process. NULL is fine. */
void bk__shared_free(void *memory, size_t bytes);

#endif
