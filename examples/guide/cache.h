/* cache.h: what the handlers of cache.c share. */
#ifndef GUIDE_CACHE_H
#define GUIDE_CACHE_H

#include <backend/backend.h>

/* snippet: store */
struct store { /* what handlers find by bk_req_state() */
    bk_redis *redis;
    bk_cache *cache;
    int64_t price;
    int products_made;
};
/* end of snippet */

void cache_declare(bk_app *app, struct store *store, const char *url);
void cache_routes(bk_app *app, struct store *store);

#endif
