/* shop.h: what all parts of the service share. Made once by main(), before workers are forked. */
#ifndef SERVICE_SHOP_H
#define SERVICE_SHOP_H

#include <backend/backend.h>

#include "config.h"

struct shop {
    const struct settings *settings;
    bk_pg *db;
    bk_redis *redis;       /* for what may be lost; NULL: memory:// */
    bk_redis *queue_redis; /* for jobs, which may not; often the same */
    bk_cache *cache;
    bk_pubsub *hub;
    bk_sessions *sessions;
    bk_jwt_keys *keys; /* sign and verify tokens */
    bk_queue *queue;   /* jobs; NULL without Redis */
    bk_outbox *outbox; /* jobs of transactions */
    bk_mailer *mailer;
    const char *const *origins;                    /* pages that may call; NULL: only our own */
    bk_limiter *account_guesses, *address_guesses; /* wrong passwords */

    /* Around routes, as bk_route_opts.use: who is logged in, and who is an admin besides. */
    bk_middleware members[8], admins[8];
};

/* Of a request. */
static inline struct shop *shop_of(const bk_req *req)
{
    return bk_req_state(req);
}

#endif
