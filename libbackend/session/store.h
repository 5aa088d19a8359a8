/*
 * store.h: where sessions are kept: Redis, or the worker's memory.
 *
 * A store knows a session as a text under an id, which goes when its time is up, and which may
 * belong to a user. All functions run on a fiber, and return BK_OK, what the store's failure is
 * (BK_EUNAVAILABLE), or BK_ETIMEDOUT or BK_ECANCELED. What they hand out lives in the fiber's
 * arena.
 */
#ifndef BK_SESSION_STORE_H
#define BK_SESSION_STORE_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/redis.h>

/* A session as the store has it. */
struct bk__stored_session {
    bk_str id, text;
    uint64_t ttl_ms; /* from now; BK__TTL_NONE when it does not end */
    bk_str user;     /* absent: nobody's */
    int64_t since;   /* of the user's, in ms since 1970: they are listed by it */
};

#define BK__TTL_NONE UINT64_MAX

struct bk__session_store_type {
    /* Fills text and ttl_ms of the session with this id. `found`: there is one. */
    BK_YIELDS bk_err (*get)(void *store, struct bk__stored_session *session, bool *found);

    /* Keeps it. One that was there before (`renew`) is not kept when it has gone meanwhile: `kept`.
     * `user_count` receives how many the user may have now, some of which may have ended. */
    BK_YIELDS bk_err (*put)(void *store, const struct bk__stored_session *session, bool renew,
                            bool *kept, size_t *user_count);

    /* Gives it another time to live. */
    BK_YIELDS bk_err (*touch)(void *store, const struct bk__stored_session *session);

    /* Ends it. `was`: it was there. */
    BK_YIELDS bk_err (*del)(void *store, bk_str id, bk_str user, bool *was);

    /* Those of a user, the oldest first, without their ttl_ms. */
    BK_YIELDS bk_err (*list)(void *store, bk_str user, struct bk__stored_session **out,
                             size_t *count);

    void (*free)(void *store);
};

extern const struct bk__session_store_type bk__session_store_redis;
extern const struct bk__session_store_type bk__session_store_memory;

/* @p prefix: of keys; borrowed. */
void *bk__session_store_redis_new(bk_redis *redis, bk_str prefix);

void *bk__session_store_memory_new(size_t max_count);

#endif
