/**
 * @file backend/middleware/validate.h
 * @brief Requests are what their route says before the handler runs.
 *
 * @code
 * bk_use(api, bk_mw_validate(app, NULL));
 * bk_post(api, "/products", create, &(bk_route_opts){.body = product_desc});
 * bk_get(api, "/products", list, &(bk_route_opts){.query = page_desc});
 *
 * static bk_err create(bk_req *req, bk_res *res)
 * {
 *     struct product *product = bk_valid_body(req); // checked and bound
 * @endcode
 *
 * What a route describes in its bk_route_opts (params, query, headers, and body or body_schema) is
 * checked in that order, and each part bound to its struct. The first part that is not as described
 * gets **400**, with every error of that part; **422** with `bk_app_opts.invalid_status`. A body of
 * another type than JSON or, where it is described, a form gets 415. Routes that describe nothing
 * pass, and cost nothing.
 */
#ifndef BACKEND_MIDDLEWARE_VALIDATE_H
#define BACKEND_MIDDLEWARE_VALIDATE_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/json.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Settings. Zero means default. */
typedef struct bk_mw_validate_opts {
    bk_unknown_keys unknown; /**< In queries and bodies, what no field has. Default: ignored. */
} bk_mw_validate_opts;

/** The middleware. @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_validate(bk_app *app, const bk_mw_validate_opts *opts);

/** The struct of the route's `body`; NULL when it describes none, or the middleware did not run.
 *  Request-owned. */
BK_API void *bk_valid_body(const bk_req *req);

/** The struct of the route's `query`, likewise. */
BK_API void *bk_valid_query(const bk_req *req);

/** The struct of the route's `params`, likewise. */
BK_API void *bk_valid_params(const bk_req *req);

/** The struct of the route's `headers`, likewise. */
BK_API void *bk_valid_headers(const bk_req *req);

/** The body that passed the route's `body_schema`, likewise. */
BK_API bk_json *bk_valid_json(const bk_req *req);

BK_END_DECLS

#endif
