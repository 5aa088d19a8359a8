/*
 * cors.c: telling browsers which pages may call. See <backend/middleware/cors.h>.
 *
 * All that does not depend on the request is made once. What must hold: an origin is only ever
 * echoed after it was found allowed, and every answer that depends on it says so in Vary, since a
 * shared cache would else give one origin's answer to another.
 */
#include <backend/middleware/cors.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/loop.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/exchange.h"
#include "http/header.h"
#include "middleware/fields.h"

struct cors {
    bk_mw_cors_opts opts;
    bool is_dynamic; /* answers depend on the origin */
    bk_str methods;
    bk_str headers, expose, max_age; /* absent: not said */
    bk_arena *arena;                 /* holds them, and this */
};

static bool is_allowed(const struct cors *self, bk_str origin)
{
    if (self->opts.any_origin)
        return true;
    if (bk__origins_have(self->opts.origins, origin))
        return true;
    return self->opts.allow != NULL && self->opts.allow(origin, self->opts.data);
}

static void say(bk_res *res, bk_str name, bk_str value)
{
    if (bk_str_present(value))
        bk__res_push_header(res, name, value);
}

static void name_origin(const struct cors *self, bk_res *res, bk_str origin)
{
    say(res, BK_LIT("Access-Control-Allow-Origin"), self->opts.any_origin ? BK_LIT("*") : origin);
    if (self->opts.credentials)
        say(res, BK_LIT("Access-Control-Allow-Credentials"), BK_LIT("true"));
}

static bk_err answer_preflight(const struct cors *self, bk_req *req, bk_res *res, bool allowed)
{
    bk_str asked = bk__req_header(req, BK_LIT("access-control-request-headers"));

    if (self->opts.reflect_headers)
        bk__vary(res, BK_LIT("Access-Control-Request-Headers"));
    if (!allowed)
        return bk_res_empty(res);
    say(res, BK_LIT("Access-Control-Allow-Methods"), self->methods);
    say(res, BK_LIT("Access-Control-Allow-Headers"),
        self->opts.reflect_headers ? asked : self->headers);
    say(res, BK_LIT("Access-Control-Max-Age"), self->max_age);
    if (self->opts.private_network &&
        bk_str_eq(bk__req_header(req, BK_LIT("access-control-request-private-network")),
                  BK_LIT("true")))
        say(res, BK_LIT("Access-Control-Allow-Private-Network"), BK_LIT("true"));
    return bk_res_empty(res);
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct cors *self = data;
    bk_str origin = bk__req_header(req, BK_LIT("origin"));
    bool present = bk_str_present(origin);

    if (self->is_dynamic)
        bk__vary(res, BK_LIT("Origin"));
    bool allowed = present && is_allowed(self, origin);
    if (allowed)
        name_origin(self, res, origin);
    if (present && bk_req_method(req) == BK_METHOD_OPTIONS &&
        bk_str_present(bk__req_header(req, BK_LIT("access-control-request-method"))))
        return answer_preflight(self, req, res, allowed);
    if (allowed)
        say(res, BK_LIT("Access-Control-Expose-Headers"), self->expose);
    return bk_next_run(next, req, res);
}

/* --- setting up ------------------------------------------------------------------------------- */

static bk_str join(bk_arena *arena, const char *const *names)
{
    bk_buf buf = {.arena = arena};

    for (; names != NULL && *names != NULL; names++) {
        if (!bk__header_is_token(bk_str_of(*names)))
            bk__setup_error(__FILE__, __LINE__, "bk_mw_cors: \"%s\" is no header name", *names);
        if (buf.len != 0)
            bk_buf_add_char(&buf, ',');
        bk_buf_add(&buf, bk_str_of(*names));
    }
    return buf.len != 0 ? bk_buf_str(&buf) : (bk_str){NULL, 0};
}

static void check(const bk_mw_cors_opts *opts)
{
    if (opts->any_origin && opts->credentials)
        bk__setup_error(__FILE__, __LINE__,
                        "bk_mw_cors: every origin with credentials would let any page act for the "
                        "visitor; browsers refuse it, too: list the origins");
    if (opts->any_origin && (opts->origins != NULL || opts->allow != NULL))
        bk__setup_error(__FILE__, __LINE__,
                        "bk_mw_cors: any_origin leaves nothing for origins or allow to decide");
    if (opts->reflect_headers && opts->headers != NULL)
        bk__setup_error(__FILE__, __LINE__,
                        "bk_mw_cors: reflect_headers leaves nothing for headers to decide");
    if (opts->methods != NULL && !bk__header_is_value(bk_str_of(opts->methods)))
        bk__setup_error(__FILE__, __LINE__, "bk_mw_cors: methods is no header value");
    bk__origins_check("bk_mw_cors", opts->origins);
}

static void free_self(void *data)
{
    struct cors *self = data;

    bk_arena_free(self->arena);
}

static const bk_part_type part = {.name = "cors", .free = free_self};

bk_middleware bk_mw_cors(bk_app *app, const bk_mw_cors_opts *opts)
{
    bk_arena *arena = bk_arena_new();
    struct cors *self = BK_NEW(arena, struct cors);

    self->arena = arena;
    if (opts != NULL)
        self->opts = *opts;
    check(&self->opts);
    self->is_dynamic = self->opts.origins != NULL || self->opts.allow != NULL;
    self->methods = self->opts.methods != NULL ? bk_str_of(self->opts.methods)
                                               : BK_LIT("GET,HEAD,PUT,PATCH,POST,DELETE");
    self->headers = join(arena, self->opts.headers);
    self->expose = join(arena, self->opts.expose);
    if (self->opts.max_age_s != 0)
        self->max_age = bk_arena_printf(arena, "%u", self->opts.max_age_s);
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
