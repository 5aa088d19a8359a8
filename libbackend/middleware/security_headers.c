/*
 * security_headers.c: headers that make browsers careful. See
 * <backend/middleware/security_headers.h>.
 *
 * The list is made once; a request costs copying its pairs, which point to what does not change.
 * They are set before the handler runs, because a stream's head goes out while it does.
 */
#include <backend/middleware/security_headers.h>

#include <stdlib.h>

#include <backend/loop.h>
#include <backend/response.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/exchange.h"
#include "http/header.h"

enum {
    HEADERS_MAX = 14
};

struct security_headers {
    bk_pair headers[HEADERS_MAX];
    size_t count;
};

static bool is_among(const bk_pair *headers, uint32_t count, bk_str name)
{
    for (uint32_t i = 0; i < count; i++)
        if (bk_str_ieq(headers[i].name, name))
            return true;
    return false;
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct security_headers *self = data;
    uint32_t before = res->header_count;

    bk__res_reserve_headers(res, HEADERS_MAX);
    for (size_t i = 0; i < self->count; i++)
        if (!is_among(res->headers, before, self->headers[i].name))
            bk__res_push_header(res, self->headers[i].name, self->headers[i].value);
    return bk_next_run(next, req, res);
}

/* --- setting up ------------------------------------------------------------------------------- */

/* As helmet writes it. */
static const char page_policy[] =
    "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';"
    "frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';"
    "script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests";
static const char api_policy[] = "default-src 'none'; frame-ancestors 'none'";

static void add(struct security_headers *self, const char *name, const char *value,
                const char *fallback)
{
    bk_str text = bk_str_of(value != NULL ? value : fallback);

    if (text.len == 0)
        return;
    if (!bk__header_is_value(text))
        bk__setup_error(__FILE__, __LINE__,
                        "bk_mw_security_headers: the value of %s holds what no header can", name);
    self->headers[self->count++] = (bk_pair){bk_str_of(name), text};
}

static void fill(struct security_headers *self, const bk_mw_security_headers_opts *opts)
{
    add(self, "Content-Security-Policy", opts->content_security_policy,
        opts->api ? api_policy : page_policy);
    add(self, "Content-Security-Policy-Report-Only", opts->content_security_policy_report_only,
        BK_HEADER_OFF);
    add(self, "Cross-Origin-Embedder-Policy", opts->cross_origin_embedder_policy, BK_HEADER_OFF);
    add(self, "Cross-Origin-Opener-Policy", opts->cross_origin_opener_policy, "same-origin");
    add(self, "Cross-Origin-Resource-Policy", opts->cross_origin_resource_policy, "same-origin");
    add(self, "Origin-Agent-Cluster", opts->origin_agent_cluster, "?1");
    add(self, "Referrer-Policy", opts->referrer_policy, "no-referrer");
    add(self, "Strict-Transport-Security", opts->strict_transport_security,
        "max-age=31536000; includeSubDomains");
    add(self, "X-Content-Type-Options", opts->content_type_options, "nosniff");
    add(self, "X-DNS-Prefetch-Control", opts->dns_prefetch_control, "off");
    add(self, "X-Download-Options", opts->download_options, "noopen");
    add(self, "X-Frame-Options", opts->frame_options, "SAMEORIGIN");
    add(self, "X-Permitted-Cross-Domain-Policies", opts->permitted_cross_domain_policies, "none");
    add(self, "X-XSS-Protection", opts->xss_protection, "0");
}

static const bk_part_type part = {.name = "security headers", .free = free};

bk_middleware bk_mw_security_headers(bk_app *app, const bk_mw_security_headers_opts *opts)
{
    static const bk_mw_security_headers_opts defaults = {0};
    struct security_headers *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    fill(self, opts != NULL ? opts : &defaults);
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
