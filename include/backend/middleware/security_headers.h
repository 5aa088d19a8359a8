/**
 * @file backend/middleware/security_headers.h
 * @brief Headers that make browsers careful: those of helmet 8, with its values.
 *
 * @code
 * bk_use(root, bk_mw_security_headers(app, NULL));
 * bk_use(api, bk_mw_security_headers(app, &(bk_mw_security_headers_opts){.api = true}));
 * bk_use(root, bk_mw_security_headers(app, &(bk_mw_security_headers_opts){
 *     .frame_options = "DENY", .download_options = BK_HEADER_OFF}));
 * @endcode
 *
 * They are made once, and put on every answer before its handler runs: bk_res_header() in a handler
 * replaces one. What an outer middleware has set stays as it is. Of helmet's thirteen, the last is
 * that `X-Powered-By` goes; here nothing sends it.
 */
#ifndef BACKEND_MIDDLEWARE_SECURITY_HEADERS_H
#define BACKEND_MIDDLEWARE_SECURITY_HEADERS_H

#include <backend/base.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Instead of a value: the header is left out. */
#define BK_HEADER_OFF ""

/** Values. NULL means the default; borrowed as long as the app. */
typedef struct bk_mw_security_headers_opts {
    bool api; /**< For a service without pages: the policy is `default-src 'none';
                   frame-ancestors 'none'`. */
    const char *content_security_policy; /**< Default: helmet's; `default-src 'self';...`. */
    const char *content_security_policy_report_only; /**< Default: left out. */
    const char *cross_origin_embedder_policy;        /**< Default: left out, as in helmet. */
    const char *cross_origin_opener_policy;          /**< Default "same-origin". */
    const char *cross_origin_resource_policy;        /**< Default "same-origin". */
    const char *origin_agent_cluster;                /**< Default "?1". */
    const char *referrer_policy;                     /**< Default "no-referrer". */
    const char *strict_transport_security; /**< Default "max-age=31536000; includeSubDomains". */
    const char *content_type_options;      /**< Default "nosniff". */
    const char *dns_prefetch_control;      /**< Default "off". */
    const char *download_options;          /**< Default "noopen". */
    const char *frame_options;             /**< Default "SAMEORIGIN". */
    const char *permitted_cross_domain_policies; /**< Default "none". */
    const char *xss_protection;                  /**< Default "0". */
} bk_mw_security_headers_opts;

/** The middleware. A value that no header can hold stops the program.
 *  @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_security_headers(bk_app                            *app,
                                                         const bk_mw_security_headers_opts *opts);

BK_END_DECLS

#endif
