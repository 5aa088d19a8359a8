/**
 * @file backend/middleware/access_log.h
 * @brief One log line for each request, in the shape of pino-http.
 *
 * @code
 * bk_use(root, bk_mw_request_id(app, NULL));
 * bk_use(root, bk_mw_trace(app, NULL));
 * bk_use(root, bk_mw_access_log(app, NULL));
 * // {"level":30,"time":1795458600000,"pid":7,"hostname":"web-1","msg":"request.completed",
 * //  "reqId":"0193...","trace_id":"4bf9...","span_id":"00f0...","trace_flags":"01",
 * //  "req":{"id":"0193...","method":"GET","url":"/users/7?full=1","route":"/users/{id}",
 * //         "remoteAddress":"192.0.2.7"},
 * //  "res":{"statusCode":200,"bytes":113},"responseTime":1.204}
 * @endcode
 *
 * It is written when the last byte of the answer is with the kernel, or the client is gone, so that
 * the time counts all of it; of a stream, when that ends. Put it outermost but for those that give
 * ids.
 *
 * The event is `request.completed`; `request.errored` (level error) for an answer of 500 and above;
 * `request.aborted`, with `"aborted":true`, when the client was gone before it had the whole
 * answer: then statusCode is null if it had nothing yet.
 *
 * Secrets stay out: the values of query parameters named like one (`token`, `password`, `code`; see
 * below) show as `***`, headers only show when they are asked for, and then never Authorization,
 * Cookie and their like.
 */
#ifndef BACKEND_MIDDLEWARE_ACCESS_LOG_H
#define BACKEND_MIDDLEWARE_ACCESS_LOG_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Settings. Zero means default. Lists end with NULL, and are borrowed as long as the app. */
typedef struct bk_mw_access_log_opts {
    const char *const *skip; /**< Up to 64 paths of which only failures (400 and above) are logged.
                                Default: /livez, /readyz, /startupz, /healthz, /health, /live,
                                /ready, /up, /metrics. */
    uint32_t sample_one_in;  /**< Of answers below 400, log one in so many. Default 1: all. */
    bool     warn_client_error; /**< Answers of 400 to 499 are warnings. Default: they are info. */
    bool     no_query;          /**< Leave the query out of the url. */
    const char *const *secret_query; /**< Parameters whose values show as "***". Default: token,
                                          access_token, refresh_token, id_token, api_key, apikey,
                                        key, code, password, secret, signature, sig. */
    const char *const *headers; /**< Of the request, to be shown in req.headers; in lower case, as
                                     "user-agent". Default: none. */
} bk_mw_access_log_opts;

/** The middleware. @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_access_log(bk_app *app, const bk_mw_access_log_opts *opts);

BK_END_DECLS

#endif
