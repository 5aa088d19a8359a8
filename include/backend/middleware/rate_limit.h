/**
 * @file backend/middleware/rate_limit.h
 * @brief So many requests per client and minute, and 429 beyond.
 *
 * @code
 * bk_use(bk_app_router(app), bk_mw_rate_limit(app, NULL)); // 100 a minute for each address
 *
 * bk_use(api, bk_mw_rate_limit(app, &(bk_mw_rate_limit_opts){
 *     .limit = {.name = "api", .limit = 1000, .redis = redis}, .header = "x-api-key"}));
 * @endcode
 *
 * **Who is counted**: the client's address (bk_req_client(), so what trusted proxies say), IPv6
 * clients by their /56, which is what one household gets. Or the value of a header, or what a
 * function says, such as the user of a session. A client can write into a header what it likes:
 * limit by one only behind a middleware that has checked it.
 *
 * **What an answer says**, whatever its status:
 *
 *     RateLimit-Policy: "default";q=100;w=60
 *     RateLimit: "default";r=97;t=42
 *
 * (draft-ietf-httpapi-ratelimit-headers-08), with `legacy_headers` also `X-RateLimit-Limit`,
 * `X-RateLimit-Remaining` and `X-RateLimit-Reset`, which is in seconds since 1970.
 *
 * **Beyond the limit**: 429 with `Retry-After` in seconds and a problem whose detail is "Too many
 * requests, please try again later.". Such requests are not counted. 503 only where the limiter
 * refuses without its Redis (BK_LIMIT_REFUSE).
 */
#ifndef BACKEND_MIDDLEWARE_RATE_LIMIT_H
#define BACKEND_MIDDLEWARE_RATE_LIMIT_H

#include <backend/base.h>
#include <backend/limit.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Who is counted for @p req: any bytes; absent for the client's address. Borrowed until the
 *  request ends. May wait. @param data  Of the settings. */
typedef bk_str (*bk_rate_limit_key_fn)(bk_req *req, void *data);

/** What @p req costs; 0: it passes and is not counted. More than the limit counts as the limit.
 *  @param data  Of the settings. */
typedef uint32_t (*bk_rate_limit_cost_fn)(bk_req *req, void *data);

/** Settings. Zero means default. */
typedef struct bk_mw_rate_limit_opts {
    bk_limiter     *limiter;   /**< Counts here. Default: one of its own, by `limit`. */
    bk_limiter_opts limit;     /**< Of its own limiter: 100 in 60 s unless it says otherwise. */
    const char     *header;    /**< Count by this request header; where it was not sent, by address.
                                    Its value is kept as a digest. Borrowed. May be NULL. */
    bk_rate_limit_key_fn  key; /**< Count by what it says, instead. May be NULL. */
    bk_rate_limit_cost_fn cost; /**< Default: each request costs 1. */
    void                 *data; /**< For both functions. May be NULL. */
    bool failures_only;  /**< Count only requests that end with an error or a status from 400 on, as
                              wrong passwords do. Those that run at once are counted when they end:
                              more than the limit may be under way. */
    bool legacy_headers; /**< Send X-RateLimit-* too. */
} bk_mw_rate_limit_opts;

/** The middleware. Settings that are not possible stop the program with words.
 *  @param opts  Copied. May be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_rate_limit(bk_app *app, const bk_mw_rate_limit_opts *opts);

BK_END_DECLS

#endif
