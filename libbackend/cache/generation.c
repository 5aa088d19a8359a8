/*
 * generation.c: counters of invalidations. See generation.h.
 */
#include "cache/generation.h"

#include <stdlib.h>

#include "core/assert.h"
#include "core/shared.h"

struct bk__generation_table {
    _Atomic uint64_t counts[BK__GENERATION_SLOTS];
    _Atomic int64_t owed[BK__GENERATION_SLOTS]; /* ms of wall time; 0: nothing */
};

void bk__generations_init(struct bk__generations *generations)
{
    *generations = (struct bk__generations){
        .shared = bk__shared_new(sizeof *generations->shared),
        .seed = bk__seed_new(),
    };
}

void bk__generations_fini(struct bk__generations *generations)
{
    bk__shared_free(generations->shared, sizeof *generations->shared);
}

void bk__generations_start(struct bk__generations *generations)
{
    generations->local = calloc(BK__GENERATION_SLOTS, sizeof *generations->local);
    bk_assert(generations->local != NULL);
}

void bk__generations_stop(struct bk__generations *generations)
{
    free(generations->local);
    generations->local = NULL;
}

uint32_t bk__slot_of_key(const struct bk__generations *generations, bk_str key)
{
    return (uint32_t)bk__hash_seeded(&generations->seed, key.ptr, key.len) % BK__GENERATION_SLOTS;
}

/* A tag and a key of the same name are two things. */
uint32_t bk__slot_of_tag(const struct bk__generations *generations, bk_str tag)
{
    uint64_t hash = bk__hash_seeded(&generations->seed, tag.ptr, tag.len);

    return (uint32_t)(hash >> 32) % BK__GENERATION_SLOTS;
}

uint64_t bk__generation(const struct bk__generations *generations, uint32_t slot)
{
    return atomic_load_explicit(&generations->shared->counts[slot], memory_order_acquire) +
           generations->local[slot];
}

void bk__generation_invalidate(struct bk__generations *generations, uint32_t slot)
{
    atomic_fetch_add_explicit(&generations->shared->counts[slot], 1, memory_order_acq_rel);
}

void bk__generation_heard(struct bk__generations *generations, uint32_t slot)
{
    generations->local[slot]++;
}

int64_t bk__owed_until(const struct bk__generations *generations, uint32_t slot)
{
    return atomic_load_explicit(&generations->shared->owed[slot], memory_order_acquire);
}

void bk__owe(struct bk__generations *generations, uint32_t slot, int64_t until_ms)
{
    _Atomic int64_t *owed = &generations->shared->owed[slot];
    int64_t before = atomic_load(owed);

    while (before < until_ms && !atomic_compare_exchange_weak(owed, &before, until_ms))
        continue;
}

/* Another worker may owe something in this slot since. */
void bk__owe_no_more(struct bk__generations *generations, uint32_t slot, int64_t until_ms)
{
    atomic_compare_exchange_strong(&generations->shared->owed[slot], &until_ms, 0);
}
