/*
 * store_redis.c: sessions in Redis, as npm connect-redis keeps them. See store.h.
 *
 *   PREFIX ID             string: the session; its expiry is the session's end
 *   "users:" PREFIX USER  sorted set: ids of the user's sessions, by when the user logged in
 *
 * The second is ours alone, and does not begin with PREFIX, so that connect-redis does not find it
 * among its keys. Others end sessions without telling it; so an id in it may be of none, which is
 * found out, and cleared, whenever the user's sessions are listed. In a Cluster the keys lie in
 * different slots: nothing here needs two of them to change at once.
 */
#include "session/store.h"

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"

struct redis_store {
    bk_redis *redis;
    bk_str prefix;
};

#define DAY_MS (86400 * (uint64_t)1000)

void *bk__session_store_redis_new(bk_redis *redis, bk_str prefix)
{
    struct redis_store *self = malloc(sizeof *self);

    bk_assert(self != NULL);
    *self = (struct redis_store){.redis = redis, .prefix = prefix};
    return self;
}

static bk_arg key_of(const struct redis_store *self, bk_str id)
{
    bk_buf buf = {.arena = bk_fiber_arena()};

    bk_buf_reserve(&buf, self->prefix.len + id.len);
    bk_buf_add(&buf, self->prefix);
    bk_buf_add(&buf, id);
    return bk_bytes(bk_buf_str(&buf));
}

static bk_arg index_of(const struct redis_store *self, bk_str user)
{
    bk_buf buf = {.arena = bk_fiber_arena()};

    bk_buf_add(&buf, BK_LIT("users:"));
    bk_buf_add(&buf, self->prefix);
    bk_buf_add(&buf, user);
    return bk_bytes(bk_buf_str(&buf));
}

static bk_err get(void *store, struct bk__stored_session *session, bool *found)
{
    struct redis_store *self = store;
    bk_redis_batch *batch = bk_redis_batch_open(self->redis);
    bk_arg key = key_of(self, session->id);
    bk_reply text, ttl;

    bk_redis_batch_add(batch, "GET $1", BK_ARGS(key), &text);
    bk_redis_batch_add(batch, "PTTL $1", BK_ARGS(key), &ttl);
    BK_TRY(bk_redis_batch_run(batch));
    *found = text.type == BK_REPLY_STR;
    session->text = text.str;
    session->ttl_ms = ttl.i64 >= 0 ? (uint64_t)ttl.i64 : BK__TTL_NONE;
    return BK_OK;
}

/* The index outlives its sessions, which others may prolong without telling it. */
static void add_to_index(const struct redis_store *self, bk_redis_batch *batch,
                         const struct bk__stored_session *session)
{
    uint64_t ttl = session->ttl_ms > 15 * DAY_MS ? 2 * session->ttl_ms : 30 * DAY_MS;
    bk_arg index = index_of(self, session->user);

    bk_redis_batch_add(batch, "ZADD $1 $2 $3",
                       BK_ARGS(index, bk_i64(session->since), bk_bytes(session->id)), NULL);
    bk_redis_batch_add(batch, "PEXPIRE $1 $2", BK_ARGS(index, bk_i64((int64_t)ttl)), NULL);
}

static bk_err put(void *store, const struct bk__stored_session *session, bool renew, bool *kept,
                  size_t *user_count)
{
    struct redis_store *self = store;
    bk_redis_batch *batch = bk_redis_batch_open(self->redis);
    bk_reply set, count = {.i64 = 0};

    bk_redis_batch_add(batch, renew ? "SET $1 $2 PX $3 XX" : "SET $1 $2 PX $3",
                       BK_ARGS(key_of(self, session->id), bk_bytes(session->text),
                               bk_i64((int64_t)session->ttl_ms)),
                       &set);
    if (bk_str_present(session->user)) {
        add_to_index(self, batch, session);
        bk_redis_batch_add(batch, "ZCARD $1", BK_ARGS(index_of(self, session->user)), &count);
    }
    BK_TRY(bk_redis_batch_run(batch));
    *kept = set.type != BK_REPLY_NIL;
    *user_count = (size_t)count.i64;
    return BK_OK;
}

static bk_err touch(void *store, const struct bk__stored_session *session)
{
    struct redis_store *self = store;
    bk_redis_batch *batch = bk_redis_batch_open(self->redis);

    bk_redis_batch_add(batch, "PEXPIRE $1 $2",
                       BK_ARGS(key_of(self, session->id), bk_i64((int64_t)session->ttl_ms)), NULL);
    if (bk_str_present(session->user))
        add_to_index(self, batch, session);
    return bk_redis_batch_run(batch);
}

static bk_err del(void *store, bk_str id, bk_str user, bool *was)
{
    struct redis_store *self = store;
    bk_redis_batch *batch = bk_redis_batch_open(self->redis);
    bk_reply count;

    bk_redis_batch_add(batch, "DEL $1", BK_ARGS(key_of(self, id)), &count);
    if (bk_str_present(user))
        bk_redis_batch_add(batch, "ZREM $1 $2", BK_ARGS(index_of(self, user), bk_bytes(id)), NULL);
    BK_TRY(bk_redis_batch_run(batch));
    *was = count.i64 != 0;
    return BK_OK;
}

/* Takes the ids of no session out of the index. */
static bk_err clear_index(const struct redis_store *self, bk_str user, const bk_reply *ids,
                          const bk_reply *texts, size_t count)
{
    bk_redis_batch *batch = bk_redis_batch_open(self->redis);
    bk_arg index = index_of(self, user);

    for (size_t i = 0; i < count; i++)
        if (texts[i].type == BK_REPLY_NIL)
            bk_redis_batch_add(batch, "ZREM $1 $2", BK_ARGS(index, bk_bytes(ids[2 * i].str)), NULL);
    return bk_redis_batch_run(batch);
}

static bk_err list(void *store, bk_str user, struct bk__stored_session **out, size_t *count)
{
    struct redis_store *self = store;
    bk_reply ids;

    BK_TRY(bk_redis_run(self->redis, "ZRANGE $1 0 -1 WITHSCORES", BK_ARGS(index_of(self, user)),
                        &ids));
    size_t all = ids.count / 2, live = 0; /* id and score in turn */
    struct bk__stored_session *sessions =
        bk_arena_alloc(bk_fiber_arena(), (all + 1) * sizeof *sessions);
    bk_reply *texts = bk_arena_zalloc(bk_fiber_arena(), (all + 1) * sizeof *texts);
    bk_redis_batch *batch = bk_redis_batch_open(self->redis);
    for (size_t i = 0; i < all; i++)
        bk_redis_batch_add(batch, "GET $1", BK_ARGS(key_of(self, ids.items[2 * i].str)), &texts[i]);
    if (all != 0)
        BK_TRY(bk_redis_batch_run(batch));
    for (size_t i = 0; i < all; i++) {
        if (texts[i].type != BK_REPLY_STR)
            continue;
        struct bk__stored_session *session = &sessions[live++];
        *session = (struct bk__stored_session){
            .id = ids.items[2 * i].str, .text = texts[i].str, .user = user};
        if (bk_str_to_i64(ids.items[2 * i + 1].str, &session->since) != BK_OK)
            session->since = 0; /* a score that others set */
    }
    if (live != all)
        BK_TRY(clear_index(self, user, ids.items, texts, all));
    *out = sessions;
    *count = live;
    return BK_OK;
}

const struct bk__session_store_type bk__session_store_redis = {
    .get = get, .put = put, .touch = touch, .del = del, .list = list, .free = free};
