/*
 * l1.c: values in the worker's memory. See l1.h.
 */
#include "cache/l1.h"

#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"

enum {
    BUCKETS_FIRST = 256,
    MALLOC_BYTES = 16 /* what an allocation costs beside its bytes */
};

void bk__l1_init(struct bk__l1 *l1, size_t max_bytes)
{
    *l1 = (struct bk__l1){
        .buckets = calloc(BUCKETS_FIRST, sizeof *l1->buckets),
        .bucket_count = BUCKETS_FIRST,
        .max_bytes = max_bytes,
        .seed = bk__seed_new(),
    };
    bk_assert(l1->buckets != NULL);
    bk__list_init(&l1->clock);
}

void bk__l1_fini(struct bk__l1 *l1)
{
    struct bk__link *link;

    if (l1->buckets == NULL)
        return;
    while ((link = bk__list_pop(&l1->clock)) != NULL) {
        struct bk__l1_item *item = bk__container_of(link, struct bk__l1_item, link);
        bk_assert(item->pins == 0);
        free(item);
    }
    free(l1->buckets);
    l1->buckets = NULL;
}

static struct bk__l1_item **bucket_of(const struct bk__l1 *l1, uint64_t hash)
{
    return &l1->buckets[hash & (l1->bucket_count - 1)];
}

static size_t cost(const struct bk__l1_item *item)
{
    return sizeof *item + item->key_len + item->value_len + MALLOC_BYTES +
           item->dependency_count * sizeof *item->dependencies + sizeof(void *);
}

struct bk__l1_item *bk__l1_find(struct bk__l1 *l1, bk_str key)
{
    uint64_t hash = bk__hash_seeded(&l1->seed, key.ptr, key.len);

    for (struct bk__l1_item *it = *bucket_of(l1, hash); it != NULL; it = it->next) {
        if (it->hash == hash && it->key_len == key.len && memcmp(it->key, key.ptr, key.len) == 0) {
            it->used = true;
            return it;
        }
    }
    return NULL;
}

void bk__l1_unpin(struct bk__l1_item *item)
{
    bk_debug_assert(item->pins != 0);
    if (--item->pins == 0 && item->dropped)
        free(item);
}

void bk__l1_drop(struct bk__l1 *l1, struct bk__l1_item *item)
{
    struct bk__l1_item **at = bucket_of(l1, item->hash);

    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    bk__list_remove(&item->link);
    l1->count--;
    l1->bytes -= cost(item);
    if (item->pins == 0)
        free(item);
    else
        item->dropped = true;
}

static void grow(struct bk__l1 *l1)
{
    struct bk__l1_item **old = l1->buckets;
    size_t count = l1->bucket_count;

    l1->bucket_count = 2 * count;
    l1->buckets = calloc(l1->bucket_count, sizeof *l1->buckets);
    bk_assert(l1->buckets != NULL);
    for (size_t i = 0; i < count; i++) {
        for (struct bk__l1_item *it = old[i], *next; it != NULL; it = next) {
            struct bk__l1_item **bucket = bucket_of(l1, it->hash);
            next = it->next;
            it->next = *bucket;
            *bucket = it;
        }
    }
    free(old);
}

/* Items that were used since the hand last came by get another round. */
static void make_room(struct bk__l1 *l1, size_t need)
{
    while (l1->bytes + need > l1->max_bytes) {
        struct bk__link *front = l1->clock.anchor.next;
        struct bk__l1_item *item = bk__container_of(front, struct bk__l1_item, link);
        if (item->used) {
            item->used = false;
            bk__list_remove(front);
            bk__list_push(&l1->clock, front);
            continue;
        }
        l1->evicted++;
        bk__l1_drop(l1, item);
    }
}

/* One allocation holds the item, its dependencies, key and value. */
static struct bk__l1_item *make(bk_str key, bk_str value, const struct bk__dependency *dependencies,
                                size_t count)
{
    size_t list = count * sizeof *dependencies;
    struct bk__l1_item *item = malloc(sizeof *item + list + key.len + value.len);

    bk_assert(item != NULL);
    *item = (struct bk__l1_item){
        .key_len = (uint32_t)key.len,
        .value_len = (uint32_t)value.len,
        .dependency_count = (uint32_t)count,
        .dependencies = (struct bk__dependency *)(item + 1),
        .key = (char *)(item + 1) + list,
        .value = (char *)(item + 1) + list + key.len,
    };
    memcpy(item->dependencies, dependencies, list);
    memcpy(item->key, key.ptr, key.len);
    if (value.len != 0)
        memcpy(item->value, value.ptr, value.len);
    return item;
}

struct bk__l1_item *bk__l1_put(struct bk__l1 *l1, bk_str key, bk_str value, bool absent,
                               const struct bk__lifetime *life,
                               const struct bk__dependency *dependencies, size_t count)
{
    struct bk__l1_item *old = bk__l1_find(l1, key);

    if (old != NULL)
        bk__l1_drop(l1, old);
    struct bk__l1_item *item = make(key, value, dependencies, count);
    item->absent = absent;
    item->life = *life;
    item->hash = bk__hash_seeded(&l1->seed, key.ptr, key.len);
    if (cost(item) > l1->max_bytes / 4) { /* one value must not push all others out */
        free(item);
        return NULL;
    }
    make_room(l1, cost(item));
    if (l1->count >= l1->bucket_count)
        grow(l1);
    struct bk__l1_item **bucket = bucket_of(l1, item->hash);
    item->next = *bucket;
    *bucket = item;
    bk__list_push(&l1->clock, &item->link);
    l1->count++;
    l1->bytes += cost(item);
    return item;
}
