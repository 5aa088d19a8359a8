/* cache.c: Redis and the cache. See docs/guide/caching.md. */
#include "cache.h"

/* snippet: declare */
void cache_declare(bk_app *app, struct store *store, const char *url)
{
    store->redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(url)});
    store->cache = bk_cache_new(app, &(bk_cache_opts){.redis = store->redis, .prefix = "shop:v1:"});
}
/* end of snippet */

/* snippet: commands */
static bk_err visit(bk_req *req, bk_res *res) /* POST /visits */
{
    struct store *store = bk_req_state(req);
    int64_t visits;

    BK_TRY(bk_redis_i64(store->redis, "INCR visits", BK_NO_ARGS, &visits));
    BK_TRY(bk_redis_run(
        store->redis, "SET $1 $2 PX $3",
        BK_ARGS(bk_text(BK_LIT("last-visitor")), bk_text(bk_req_client(req)), bk_i64(60000)),
        NULL));
    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%lld\n", (long long)visits));
}
/* end of snippet */

/* snippet: fetch */
static bk_err load_price(bk_str key, void *data, bk_str *out) /* runs on a miss */
{
    struct store *store = data;

    (void)key;
    *out = bk_arena_printf(bk_fiber_arena(), "%lld", (long long)++store->price);
    return BK_OK;
}

static bk_err price(bk_req *req, bk_res *res) /* GET /price */
{
    struct store *store = bk_req_state(req);
    bk_cache_policy policy = {.ttl_ms = 10000, .stale_ms = 60000, .stale_if_error_ms = 3600000};
    bk_str text;

    BK_TRY(bk_cache_fetch(store->cache, BK_LIT("price"), &policy, load_price, store, &text));
    return bk_res_text(res, 200, text);
}
/* end of snippet */

/* snippet: answers */
static bk_err product(bk_req *req, bk_res *res) /* GET /products/{id} */
{
    struct store *store = bk_req_state(req);

    BK_TRY(bk_response_cache_tag(req, BK_LIT("products"))); /* before it is read */
    return bk_res_text(
        res, 200, bk_arena_printf(bk_req_arena(req), "made %d times\n", ++store->products_made));
}

static bk_err change_product(bk_req *req, bk_res *res) /* PUT /products/{id} */
{
    struct store *store = bk_req_state(req);

    /* Write it, then: */
    BK_TRY(bk_response_cache_drop(store->cache, bk_req_path(req)));
    return bk_res_empty(res);
}

void cache_routes(bk_app *app, struct store *store)
{
    bk_router *products = bk_router_group(bk_app_router(app), "/products");

    bk_use(products, bk_mw_response_cache(app, &(bk_mw_response_cache_opts){
                                                   .cache = store->cache,
                                                   .policy = {.ttl_ms = 60000, .stale_ms = 5000}}));
    bk_get(products, "/{id}", product);
    bk_put(products, "/{id}", change_product);
    bk_get(bk_app_router(app), "/price", price);
    bk_post(bk_app_router(app), "/visits", visit);
}
/* end of snippet */
