/*
 * l1.h: values in the worker's memory, bounded by bytes.
 *
 * An item is used where it lies; who does pins it, and an item that is dropped while pinned lives
 * until the last pin goes. What is used seldom goes first: a clock goes through the items and drops
 * those that were not asked for since it last came by.
 */
#ifndef BK_CACHE_L1_H
#define BK_CACHE_L1_H

#include <backend/base.h>

#include "core/hash.h"
#include "core/list.h"

enum {
    BK__DEPENDENCIES_MAX = 17 /* the key and 16 tags */
};

/* A slot of the generations, and what its generation was when the value began to be loaded. */
struct bk__dependency {
    uint64_t generation;
    uint32_t slot;
};

/* How long a value is good for, in ms of bk_now_ms(). */
struct bk__lifetime {
    uint64_t born, fresh_until, stale_until, error_until; /* error_until is the last */
};

struct bk__l1_item {
    struct bk__link link; /* in bk__l1.clock */
    struct bk__l1_item *next;
    uint64_t hash;
    uint64_t epoch; /* of the channel that tells of invalidations: see bk_cache.epoch */
    uint32_t key_len, value_len, pins, dependency_count;
    bool used, dropped, absent;
    struct bk__lifetime life;
    struct bk__dependency *dependencies; /* these three lie behind it */
    char *key, *value;
};

struct bk__l1 {
    struct bk__l1_item **buckets;
    size_t bucket_count, count, bytes, max_bytes;
    struct bk__list clock; /* its hand is at the front */
    uint64_t evicted;
    struct bk__seed seed;
};

void bk__l1_init(struct bk__l1 *l1, size_t max_bytes);
void bk__l1_fini(struct bk__l1 *l1); /* nothing may be pinned */

/* NULL when it has none. */
struct bk__l1_item *bk__l1_find(struct bk__l1 *l1, bk_str key);

/* Puts a value in, in place of that key's. NULL when it is too large to be kept. */
struct bk__l1_item *bk__l1_put(struct bk__l1 *l1, bk_str key, bk_str value, bool absent,
                               const struct bk__lifetime *life,
                               const struct bk__dependency *dependencies, size_t count);

void bk__l1_drop(struct bk__l1 *l1, struct bk__l1_item *item);

static inline void bk__l1_pin(struct bk__l1_item *item)
{
    item->pins++;
}

void bk__l1_unpin(struct bk__l1_item *item);

#endif
