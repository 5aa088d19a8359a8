/**
 * @file backend/middleware/csrf.h
 * @brief Keeps pages of other sites from using a visitor's cookies against this one.
 *
 * @code
 * bk_use(site, bk_mw_csrf(app, NULL));
 * @endcode
 *
 * For services whose visitors are known by a cookie; those that take a token in `Authorization`
 * need none of it. GET, HEAD and OPTIONS pass, and must change nothing. Others pass when
 *
 * - `Sec-Fetch-Site` is `same-origin` or `none`;
 * - it is something else, and `Origin` is a trusted one;
 * - it is missing, and `Origin` has the request's own host or is a trusted one;
 * - both are missing: it is no browser, or one of before 2020, unless `strict` is set.
 *
 * What does not pass gets 403. Browsers send `Sec-Fetch-Site` over HTTPS only, hence the other
 * check; what is behind a proxy needs its own host in `Host` or a trusted `X-Forwarded-Host`.
 *
 * **With `token`** the request must bring a token as well: the value of a signed cookie (a double
 * submit), in the header `X-CSRF-Token` or in the form field `_csrf`. bk_csrf_token() makes it, for
 * a page or for a script:
 *
 * @code
 * bk_str token;
 * BK_TRY(bk_csrf_token(req, res, &token)); // <input type="hidden" name="_csrf" value="...">
 * @endcode
 *
 * Sources: OWASP, Cross-Site Request Forgery Prevention; Fetch Metadata (W3C).
 */
#ifndef BACKEND_MIDDLEWARE_CSRF_H
#define BACKEND_MIDDLEWARE_CSRF_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** The cookie that holds the token: browsers take it over HTTPS only, and from this host only. */
#define BK_CSRF_COOKIE "__Host-csrf"

/** Settings. Zero means default. */
typedef struct bk_mw_csrf_opts {
    const char *const *trusted; /**< Other origins that may ("https://admin.example"); ends with
                                     NULL, borrowed as long as the app. Default: none. */
    bool strict;                /**< Refuse requests with neither Sec-Fetch-Site nor Origin. */
    bool token;                 /**< Ask for a token as well. Needs bk_app_opts.secret. */
} bk_mw_csrf_opts;

/** The middleware. An origin that is none stops the program. @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_csrf(bk_app *app, const bk_mw_csrf_opts *opts);

/** The visitor's token, 32 characters; a new one, with its cookie, where there is none yet.
 *  Request-owned. @return BK_OK; BK_EINTERNAL when the app has no secret. */
BK_API BK_NODISCARD bk_err bk_csrf_token(bk_req *req, bk_res *res, bk_str *out);

BK_END_DECLS

#endif
