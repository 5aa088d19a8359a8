/**
 * @file backend/middleware/cors.h
 * @brief Which pages of other origins may call this service (CORS, as the Fetch standard has it).
 *
 * @code
 * static const char *const origins[] = {"https://shop.example", "https://admin.example", NULL};
 * static const char *const headers[] = {"content-type", "authorization", NULL};
 *
 * bk_use(api, bk_mw_cors(app, &(bk_mw_cors_opts){
 *     .origins = origins, .headers = headers, .credentials = true, .max_age_s = 600}));
 * @endcode
 *
 * **Default**: no origin is allowed. Nothing is refused here either: it is the browser that keeps a
 * page from an answer that does not name its origin.
 *
 * **A preflight** (OPTIONS with `Origin` and `Access-Control-Request-Method`) is answered with 204
 * and reaches no handler: with `Access-Control-Allow-Origin`, `-Methods`, `-Headers`, `-Max-Age`,
 * `-Credentials` and `-Private-Network` for an allowed origin, with none of them for another. It
 * runs the middleware of the route that it asks about, so put this one before what authenticates.
 *
 * **Other requests** with an allowed `Origin` get `Access-Control-Allow-Origin`, `-Credentials` and
 * `Access-Control-Expose-Headers`, also on errors. `Vary: Origin` is on every answer that depends
 * on the origin, allowed or not.
 */
#ifndef BACKEND_MIDDLEWARE_CORS_H
#define BACKEND_MIDDLEWARE_CORS_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Whether pages of @p origin ("https://shop.example") may call. Called on the request's fiber. */
typedef bool (*bk_cors_allow_fn)(bk_str origin, void *data);

/** Settings. Zero means default. The lists end with NULL; all is borrowed as long as the app. */
typedef struct bk_mw_cors_opts {
    const char *const *origins;    /**< Allowed ones, compared byte by byte. Default: none. */
    bk_cors_allow_fn   allow;      /**< Asked about origins that are not listed. May be NULL. */
    void              *data;       /**< For `allow`; may be NULL. */
    bool               any_origin; /**< Say `*`. Not with the three above, nor with credentials. */
    const char        *methods;    /**< Default "GET,HEAD,PUT,PATCH,POST,DELETE". */
    const char *const *headers;    /**< Request headers that a page may set. Default: none. */
    bool               reflect_headers; /**< It may set any: what it asks for is allowed. */
    const char *const *expose;          /**< Headers of answers that a page may read. Default: none
                                             but those that every page may. */
    uint32_t max_age_s;       /**< How long a browser keeps a preflight. Default: it decides. */
    bool     credentials;     /**< Cookies and Authorization may come along. */
    bool     private_network; /**< A public page may call this private address. */
} bk_mw_cors_opts;

/** The middleware. Settings that cannot be stop the program: `any_origin` with credentials or with
 *  origins, an origin that is none ("https://shop.example/"). @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_cors(bk_app *app, const bk_mw_cors_opts *opts);

BK_END_DECLS

#endif
