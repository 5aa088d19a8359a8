/**
 * @file backend/middleware/static.h
 * @brief Files of a directory, for paths that no route answers.
 *
 * @code
 * bk_use(bk_app_router(app), bk_mw_static(app, &(bk_mw_static_opts){
 *     .root = "/srv/shop/public", .prefix = "/assets", .max_age_s = 31536000, .immutable = true}));
 * @endcode
 *
 * To be used on the app's own router. Routes go first, so requests that have one cost nothing. GET
 * and HEAD of `/assets/app.js` send `app.js` below the root; of `/assets/` the index; of a
 * directory without the slash a 301 to it with the slash. What is no file goes on to the next
 * middleware, and so to 404.
 *
 * Files come with `ETag`, `Last-Modified`, `Cache-Control: public, max-age=0` and answers to
 * If-None-Match, If-Modified-Since and Range (RFC 9110; see bk_res_file()). With `precompressed`,
 * `app.js.br` or `app.js.gz` is sent instead to clients that take it, with `Vary: Accept-Encoding`.
 *
 * Never sent: what a segment with a leading dot names (`.git`, `.well-known` too), what lies
 * outside the root by "..", links or encoded slashes, what is no regular file.
 */
#ifndef BACKEND_MIDDLEWARE_STATIC_H
#define BACKEND_MIDDLEWARE_STATIC_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Settings. Zero means default; strings are borrowed as long as the app. */
typedef struct bk_mw_static_opts {
    const char *root;           /**< The directory. Must be set. */
    const char *prefix;         /**< Of the paths that are looked at: "/assets". Default: all. */
    const char *index;          /**< Sent for a directory. Default "index.html"; "": nothing is. */
    uint32_t    max_age_s;      /**< Of Cache-Control. Default 0: ask each time. */
    bool        immutable;      /**< A file never changes under its name: adds `immutable`. */
    bool        precompressed;  /**< Look for .br and .gz beside a file. */
    bool        no_redirect;    /**< No 301 to a directory's slash. */
    bool        no_fallthrough; /**< What is below the prefix and no file is 404 at once. */
} bk_mw_static_opts;

/** The middleware. Without a root, or with a prefix that does not begin with '/', it stops the
 *  program. @param opts  Copied. */
BK_API BK_NODISCARD bk_middleware bk_mw_static(bk_app *app, const bk_mw_static_opts *opts);

BK_END_DECLS

#endif
