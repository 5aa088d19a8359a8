/*
 * idempotency_memory.c: records in a worker's memory. See idempotency_store.h.
 *
 * All records live equally long, so the list of those that are done, in the order in which they
 * were done, is also the order in which they end: what is too old or too much goes at its front.
 * Locks are never put out; there are no more of them than requests.
 */
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/hash.h"
#include "core/list.h"
#include "middleware/idempotency_store.h"

enum {
    BUCKETS = 4096
};

struct record {
    struct bk__link in_bucket;
    struct bk__link in_done; /* unlinked while it is a lock */
    uint64_t ends_ms;
    bk_str key; /* these two: of its own, in one piece with it */
    bk_str bytes;
    size_t size; /* of all of it */
};

struct store {
    size_t bytes, most;
    uint64_t ttl_ms;
    struct bk__seed seed;
    struct bk__list done;
    struct bk__list buckets[BUCKETS];
};

static struct bk__list *bucket_of(struct store *self, bk_str key)
{
    return &self->buckets[bk__hash_seeded(&self->seed, key.ptr, key.len) % BUCKETS];
}

static struct record *find(struct store *self, bk_str key)
{
    bk__list_each(it, bucket_of(self, key)) {
        struct record *record = bk__container_of(it, struct record, in_bucket);
        if (bk_str_eq(record->key, key))
            return record;
    }
    return NULL;
}

static struct record *put(struct store *self, bk_str key, bk_str bytes)
{
    size_t size = sizeof(struct record) + key.len + bytes.len;
    struct record *record = malloc(size);

    bk_assert(record != NULL);
    char *text = (char *)(record + 1);
    memcpy(text, key.ptr, key.len);
    memcpy(text + key.len, bytes.ptr, bytes.len);
    *record = (struct record){
        .key = bk_str_at(text, key.len),
        .bytes = bk_str_at(text + key.len, bytes.len),
        .size = size,
    };
    bk__list_push(bucket_of(self, key), &record->in_bucket);
    self->bytes += size;
    return record;
}

static void drop(struct store *self, struct record *record)
{
    self->bytes -= record->size;
    bk__list_remove(&record->in_bucket);
    bk__list_remove(&record->in_done);
    free(record);
}

static struct record *oldest(const struct store *self)
{
    if (bk__list_empty(&self->done))
        return NULL;
    return bk__container_of(self->done.anchor.next, struct record, in_done);
}

static void tidy(struct store *self)
{
    struct record *record;

    while ((record = oldest(self)) != NULL &&
           (record->ends_ms <= bk_now_ms() || self->bytes > self->most))
        drop(self, record);
}

static bk_err enter(void *store, struct bk__idempotency_claim *claim)
{
    struct store *self = store;

    tidy(self);
    const struct record *record = find(self, claim->key);
    if (record != NULL)
        claim->found = bk_arena_dup(bk_fiber_arena(), record->bytes);
    else
        (void)put(self, claim->key, bk_str_at(claim->lock, sizeof claim->lock));
    return BK_OK;
}

static bk_err land(void *store, const struct bk__idempotency_claim *claim, bk_str bytes)
{
    struct store *self = store;
    struct record *lock = find(self, claim->key);

    bk_assert(lock != NULL);
    drop(self, lock);
    struct record *record = put(self, claim->key, bytes);
    record->ends_ms = bk_now_ms() + self->ttl_ms;
    bk__list_push(&self->done, &record->in_done);
    tidy(self);
    return BK_OK;
}

static bk_err leave(void *store, const struct bk__idempotency_claim *claim)
{
    struct store *self = store;
    struct record *lock = find(self, claim->key);

    bk_assert(lock != NULL);
    drop(self, lock);
    return BK_OK;
}

static void free_store(void *store)
{
    struct store *self = store;
    struct record *record;

    while ((record = oldest(self)) != NULL)
        drop(self, record);
    free(self);
}

const struct bk__idempotency_store bk__idempotency_memory = {enter, NULL, land, leave, free_store};

void *bk__idempotency_memory_new(size_t bytes, uint64_t ttl_ms)
{
    struct store *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    self->most = bytes;
    self->ttl_ms = ttl_ms;
    self->seed = bk__seed_new();
    bk__list_init(&self->done);
    for (size_t i = 0; i < BUCKETS; i++)
        bk__list_init(&self->buckets[i]);
    return self;
}
