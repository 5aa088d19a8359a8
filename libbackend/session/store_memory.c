/*
 * store_memory.c: sessions in the worker's memory. See store.h.
 *
 * A hash table, and a list by last use: the one at its front has not been used for longest, and
 * goes when there are too many. One whose time is up goes when it is asked for, or by and by from
 * the front. A user's sessions are found by looking through all: this store is for programs that
 * have few.
 */
#include "session/store.h"

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/hash.h"
#include "core/list.h"

enum {
    BUCKETS = 4096
};

struct item {
    struct bk__link link; /* in memory_store.by_use */
    struct item *next;    /* of its bucket */
    uint64_t ends_at;     /* bk_now_ms() */
    int64_t since;
    bk_str id, user, text; /* behind it; user may be absent */
};

struct memory_store {
    struct item *buckets[BUCKETS];
    struct bk__list by_use;
    size_t count, max_count;
    struct bk__seed seed;
};

void *bk__session_store_memory_new(size_t max_count)
{
    struct memory_store *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    self->max_count = max_count;
    self->seed = bk__seed_new();
    bk__list_init(&self->by_use);
    return self;
}

static struct item *item_of(struct bk__link *link)
{
    return bk__container_of(link, struct item, link);
}

static struct item **bucket_of(struct memory_store *self, bk_str id)
{
    return &self->buckets[bk__hash_seeded(&self->seed, id.ptr, id.len) % BUCKETS];
}

static void drop(struct memory_store *self, struct item *item)
{
    struct item **at = bucket_of(self, item->id);

    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    bk__list_remove(&item->link);
    self->count--;
    free(item);
}

static struct item *find(struct memory_store *self, bk_str id)
{
    struct item *item = *bucket_of(self, id);

    while (item != NULL && !bk_str_eq(item->id, id))
        item = item->next;
    if (item == NULL || item->ends_at > bk_now_ms())
        return item;
    drop(self, item);
    return NULL;
}

static bk_str copy(char **at, bk_str text)
{
    char *begin = *at;

    if (!bk_str_present(text))
        return text;
    memcpy(begin, text.ptr, text.len);
    *at += text.len;
    return bk_str_at(begin, text.len);
}

static void make_room(struct memory_store *self)
{
    while (!bk__list_empty(&self->by_use)) {
        struct item *oldest = item_of(self->by_use.anchor.next);
        if (self->count < self->max_count && oldest->ends_at > bk_now_ms())
            break;
        drop(self, oldest);
    }
}

static void add(struct memory_store *self, const struct bk__stored_session *session)
{
    struct item *item =
        malloc(sizeof *item + session->id.len + session->user.len + session->text.len);
    struct item **bucket = bucket_of(self, session->id);

    bk_assert(item != NULL);
    char *behind = (char *)(item + 1);
    *item = (struct item){
        .next = *bucket,
        .ends_at = bk_now_ms() + session->ttl_ms,
        .since = session->since,
        .id = copy(&behind, session->id),
        .user = copy(&behind, session->user),
        .text = copy(&behind, session->text),
    };
    *bucket = item;
    bk__list_push(&self->by_use, &item->link);
    self->count++;
}

/* --- the store -------------------------------------------------------------------------------- */

static bk_err get(void *store, struct bk__stored_session *session, bool *found)
{
    struct item *item = find(store, session->id);

    *found = item != NULL;
    if (item == NULL)
        return BK_OK;
    session->text = bk_arena_dup(bk_fiber_arena(), item->text);
    session->ttl_ms = item->ends_at - bk_now_ms();
    return BK_OK;
}

static bool is_of(const struct item *item, bk_str user)
{
    return bk_str_present(item->user) && bk_str_eq(item->user, user) && item->ends_at > bk_now_ms();
}

static size_t count_of(struct memory_store *self, bk_str user)
{
    size_t count = 0;

    bk__list_each(it, &self->by_use)
        if (is_of(item_of(it), user))
            count++;
    return count;
}

static bk_err put(void *store, const struct bk__stored_session *session, bool renew, bool *kept,
                  size_t *user_count)
{
    struct memory_store *self = store;
    struct item *item = find(self, session->id);

    *user_count = 0;
    *kept = item != NULL || !renew;
    if (!*kept)
        return BK_OK;
    if (item != NULL)
        drop(self, item);
    make_room(self);
    add(self, session);
    if (bk_str_present(session->user) && !renew)
        *user_count = count_of(self, session->user);
    return BK_OK;
}

static bk_err touch(void *store, const struct bk__stored_session *session)
{
    struct memory_store *self = store;
    struct item *item = find(self, session->id);

    if (item == NULL)
        return BK_OK;
    item->ends_at = bk_now_ms() + session->ttl_ms;
    bk__list_remove(&item->link);
    bk__list_push(&self->by_use, &item->link);
    return BK_OK;
}

static bk_err del(void *store, bk_str id, bk_str user, bool *was)
{
    struct item *item = find(store, id);

    (void)user;
    *was = item != NULL;
    if (item != NULL)
        drop(store, item);
    return BK_OK;
}

static int by_age(const void *a, const void *b)
{
    const struct bk__stored_session *x = a, *y = b;

    return (x->since > y->since) - (x->since < y->since);
}

static bk_err list(void *store, bk_str user, struct bk__stored_session **out, size_t *count)
{
    struct memory_store *self = store;
    bk_arena *arena = bk_fiber_arena();

    *count = 0;
    *out = bk_arena_alloc(arena, (count_of(self, user) + 1) * sizeof **out);
    bk__list_each(it, &self->by_use) {
        const struct item *item = item_of(it);
        if (is_of(item, user))
            (*out)[(*count)++] = (struct bk__stored_session){
                .id = bk_arena_dup(arena, item->id),
                .text = bk_arena_dup(arena, item->text),
                .user = bk_arena_dup(arena, item->user),
                .since = item->since,
            };
    }
    qsort(*out, *count, sizeof **out, by_age);
    return BK_OK;
}

static void free_store(void *store)
{
    struct memory_store *self = store;

    while (!bk__list_empty(&self->by_use))
        drop(self, item_of(self->by_use.anchor.next));
    free(self);
}

const struct bk__session_store_type bk__session_store_memory = {
    .get = get, .put = put, .touch = touch, .del = del, .list = list, .free = free_store};
