/*
 * generation.h: has anything been invalidated since?
 *
 * Keys and tags fall into slots. Each slot has a counter that all workers of the host share, which
 * an invalidation by one of them moves on, and one of this worker's own, which a message of Redis
 * moves on. Their sum is the slot's generation: what was read under one generation is not to be
 * used under another. Slots may be shared by keys: such a key misses once for nothing.
 *
 * Nothing needs to be found to be invalidated, and no lock is held: a counter that is moved on
 * twice is as good as once.
 */
#ifndef BK_CACHE_GENERATION_H
#define BK_CACHE_GENERATION_H

#include <stdatomic.h>

#include <backend/base.h>

#include "core/hash.h"

enum {
    BK__GENERATION_SLOTS = 65536
};

struct bk__generation_table;

struct bk__generations {
    struct bk__generation_table *shared;
    uint64_t *local; /* of this worker; made when it starts */
    struct bk__seed seed;
};

/* Before workers are forked, and at the app's end. */
void bk__generations_init(struct bk__generations *generations);
void bk__generations_fini(struct bk__generations *generations);

/* In a worker. */
void bk__generations_start(struct bk__generations *generations);
void bk__generations_stop(struct bk__generations *generations);

uint32_t bk__slot_of_key(const struct bk__generations *generations, bk_str key);
uint32_t bk__slot_of_tag(const struct bk__generations *generations, bk_str tag);

/* The slot's generation now. */
uint64_t bk__generation(const struct bk__generations *generations, uint32_t slot);

/* Moves it on in all workers of the host. */
void bk__generation_invalidate(struct bk__generations *generations, uint32_t slot);

/* Moves it on in this worker: another host has said so. */
void bk__generation_heard(struct bk__generations *generations, uint32_t slot);

/* Until when (ms of wall time) Redis has not been told of an invalidation in this slot, so that
 * what it has is not to be used; 0: it has been told. For all workers of the host. */
int64_t bk__owed_until(const struct bk__generations *generations, uint32_t slot);
void bk__owe(struct bk__generations *generations, uint32_t slot, int64_t until_ms);
void bk__owe_no_more(struct bk__generations *generations, uint32_t slot, int64_t until_ms);

#endif
