/**
 * @file backend/middleware/request_id.h
 * @brief A name for each request, which its answer and its log lines carry.
 *
 * @code
 * bk_use(root, bk_mw_request_id(app, NULL));
 * @endcode
 *
 * Every request has an id (bk_req_id()): that of a trusted peer's `X-Request-Id` when it is 1 to
 * 128 of the characters A-Z a-z 0-9 . _ -, else a new UUIDv7. This middleware echoes it to the
 * client, and says where else ids may come from. Put it outermost, so that every answer has it.
 */
#ifndef BACKEND_MIDDLEWARE_REQUEST_ID_H
#define BACKEND_MIDDLEWARE_REQUEST_ID_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Makes an id. @return Request-owned or static. What is no id by the rule above is not used: the
 *  request gets a UUIDv7. */
typedef bk_str (*bk_request_id_fn)(bk_req *req, void *data);

/** Settings. Zero means default. */
typedef struct bk_mw_request_id_opts {
    const char *header; /**< Where it comes from and goes to. Default "X-Request-Id". Borrowed
                             as long as the app. */
    bool from_anyone;   /**< Take it from any client, not only from trusted_proxies: two requests
                             may have the same id then. */
    bool             no_echo; /**< Leave the answer as it is. */
    bk_request_id_fn make;    /**< For requests that came without. Default: UUIDv7. */
    void            *data;    /**< For @c make. */
} bk_mw_request_id_opts;

/** The middleware. A header name that is none stops the program.
 *  @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_request_id(bk_app *app, const bk_mw_request_id_opts *opts);

BK_END_DECLS

#endif
