/**
 * @file backend/middleware/body.h
 * @brief Request bodies that come compressed.
 *
 * @code
 * bk_use(api, bk_mw_body(app, NULL));
 * bk_post(api, "/import", import, &(bk_route_opts){.body_limit_bytes = 50 << 20});
 * @endcode
 *
 * Handlers see the body as it was before, and no Content-Encoding: bk_req_bind() and the others
 * need not know. `gzip`, `x-gzip`, `deflate` (as zlib has it) and `br` are understood, one at a
 * time. How long a body may be as it is sent stands in bk_route_opts and bk_app_opts.
 *
 * **Refused**: another coding, or several, with 415 and `Accept-Encoding: gzip, deflate, br`
 * (RFC 9110, 15.5.16); what becomes longer than `max_bytes`, or more than `max_ratio` times as long
 * as it came, with 413, as soon as that is seen; what is cut short, damaged or followed by other
 * bytes with 400.
 *
 * Up to 8 KiB are decoded where the handler runs, more on a thread of the offload pool.
 */
#ifndef BACKEND_MIDDLEWARE_BODY_H
#define BACKEND_MIDDLEWARE_BODY_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Settings. Zero means default. */
typedef struct bk_mw_body_opts {
    uint32_t max_bytes; /**< Of the decoded body. Default: the route's body limit, or 10 MiB where
                             that is BK_UNLIMITED. */
    uint32_t max_ratio; /**< Decoded to encoded length, asked above 64 KiB. Default 100. */
} bk_mw_body_opts;

/** The middleware. @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_body(bk_app *app, const bk_mw_body_opts *opts);

BK_END_DECLS

#endif
