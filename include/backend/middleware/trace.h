/**
 * @file backend/middleware/trace.h
 * @brief Each request in its trace (W3C Trace Context).
 *
 * @code
 * bk_use(root, bk_mw_trace(app, NULL));
 * @endcode
 *
 * A request that comes with a valid `traceparent` from one of bk_app_opts.trusted_proxies goes on
 * with that trace, and is sampled if the caller says so. Any other begins a new one. Every log line
 * of the request then has `trace_id`, `span_id` and `trace_flags`, and so have problem answers
 * their `trace_id`; backend/trace.h hands the trace on. Put it before bk_mw_access_log().
 *
 * The request itself is a span of kind server, named by method and route.
 */
#ifndef BACKEND_MIDDLEWARE_TRACE_H
#define BACKEND_MIDDLEWARE_TRACE_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Settings. Zero means default. */
typedef struct bk_mw_trace_opts {
    bool from_anyone;       /**< Go on with the traces of any client, not only of trusted_proxies:
                                 they decide what is sampled then. */
    uint32_t sample_one_in; /**< Of the traces that begin here, sample one in so many. Default 1:
                                 all. BK_UNLIMITED: none. */
    const char *response_header; /**< Tell the client the traceparent of its request under this
                                    name, such as "traceresponse". Default: do not. Borrowed as long
                                    as the app. */
} bk_mw_trace_opts;

/** The middleware. A header name that is none stops the program.
 *  @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_trace(bk_app *app, const bk_mw_trace_opts *opts);

BK_END_DECLS

#endif
