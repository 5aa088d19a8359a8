/**
 * @file backend/middleware/response_cache.h
 * @brief Whole GET answers from the cache: neither handler nor JSON runs for them.
 *
 * @code
 * bk_cache *cache = bk_cache_new(app, &(bk_cache_opts){.redis = redis});
 * bk_router *catalog = bk_router_group(api, "/products");
 * bk_use(catalog, bk_mw_response_cache(app, &(bk_mw_response_cache_opts){
 *     .cache = cache, .policy = {.ttl_ms = 60000, .stale_ms = 5000}}));
 *
 * // in the handler that changes a product, after the write and before its answer:
 * BK_TRY(bk_response_cache_drop(cache, BK_LIT("/products/7")));
 * BK_TRY(bk_cache_del_tag(cache, BK_LIT("products")));
 * @endcode
 *
 * **What is kept**: answers of status 200 to GET, with their headers and ETag, under host, path,
 * query and the request headers in `vary`. An answer is not kept when it sets a cookie; when its
 * Cache-Control says private, no-store or no-cache; when its Vary names a header that `vary` does
 * not, or `*`; when it is streamed; or when the handler has looked at a cookie of the request,
 * since it may be this client's own then. `max-age`, `s-maxage`, `stale-while-revalidate` and
 * `stale-if-error` of its Cache-Control (RFC 9111, RFC 5861) go before those of the policy.
 *
 * **Which requests pass by**: other methods than GET and HEAD; with Authorization, Range or a body;
 * with `Cache-Control: no-cache` or `no-store`; whose cookies an outer middleware has read.
 *
 * **What an answer says**: `Age` (RFC 9111), `Cache-Status` (RFC 9211) and `X-Cache` with HIT,
 * STALE, MISS or BYPASS; If-None-Match is answered with 304 from the cache.
 *
 * Requests that miss together run one handler. Handlers must not depend on what the key does not
 * hold: a request header that is not in `vary`, a parameter that is not in `query`. For coherence
 * see backend/cache.h.
 */
#ifndef BACKEND_MIDDLEWARE_RESPONSE_CACHE_H
#define BACKEND_MIDDLEWARE_RESPONSE_CACHE_H

#include <backend/base.h>
#include <backend/cache.h>
#include <backend/errors.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Settings. */
typedef struct bk_mw_response_cache_opts {
    bk_cache       *cache;  /**< Where answers are kept. Must be set. */
    bk_cache_policy policy; /**< For how long; the tags are those of every answer, borrowed as long
                                 as the app. Zero means that of the cache. */
    const char *const *query; /**< Parameters that belong to the key; others are ignored. Ends with
                                   NULL; borrowed as long as the app. Default: all of them. */
    const char *const *vary;  /**< Request headers that belong to the key, likewise. Default: none.
                               */
} bk_mw_response_cache_opts;

/** The middleware. It stops the program when no cache is set. @param opts  Copied; kept for as long
 *  as @p app. */
BK_API BK_NODISCARD bk_middleware bk_mw_response_cache(bk_app                          *app,
                                                       const bk_mw_response_cache_opts *opts);

/** In a handler: its answer will be dropped with @p tag. Call it before what the tag stands for is
 *  read. Nothing happens where the answer is not to be cached.
 *  @return BK_OK; BK_ETIMEDOUT or BK_ECANCELED. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_response_cache_tag(bk_req *req, bk_str tag);

/** In a handler: this answer is not kept. */
BK_API void bk_response_cache_skip(bk_req *req);

/** Drops what is kept of @p path, for each host, query and variant. As bk_cache_del().
 *  @param path  As in a request: "/products/7". */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_response_cache_drop(bk_cache *cache, bk_str path);

BK_END_DECLS

#endif
