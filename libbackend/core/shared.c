/*
 * shared.c: memory that forked processes share. See shared.h.
 */
#include "core/shared.h"

#include <sys/mman.h>

#include "core/assert.h"

void *bk__shared_new(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    bk_assert(memory != MAP_FAILED);
    return memory;
}

void bk__shared_free(void *memory, size_t bytes)
{
    if (memory != NULL)
        munmap(memory, bytes);
}
