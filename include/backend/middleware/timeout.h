/**
 * @file backend/middleware/timeout.h
 * @brief How long a request may take, as the caller and the route say.
 *
 * @code
 * bk_use(api, bk_mw_timeout(app, NULL));
 * bk_use(search, bk_mw_timeout(app, &(bk_mw_timeout_opts){.timeout_ms = 500}));
 * @endcode
 *
 * A caller that waits 800 ms for us sends `X-Request-Timeout-Ms: 800`; what we do for longer is
 * done for nobody. The header narrows the request's deadline and never widens it: a handler's waits
 * end with BK_ETIMEDOUT then, and the answer is 504. It counts only from
 * bk_app_opts.trusted_proxies. A trusted peer that sends something else than a whole number of
 * milliseconds gets 400; one that has 0 ms left gets 504 at once.
 *
 * bk_deadline_header() is what to send to those whom we call.
 */
#ifndef BACKEND_MIDDLEWARE_TIMEOUT_H
#define BACKEND_MIDDLEWARE_TIMEOUT_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Settings. Zero means default. */
typedef struct bk_mw_timeout_opts {
    const char *header;     /**< Default BK_DEADLINE_HEADER. Borrowed as long as the app. */
    bool        no_header;  /**< Look at no header. */
    uint32_t    timeout_ms; /**< For what comes after it. Default: the route's. */
} bk_mw_timeout_opts;

/** The middleware. A header name that is none stops the program.
 *  @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_timeout(bk_app *app, const bk_mw_timeout_opts *opts);

BK_END_DECLS

#endif
