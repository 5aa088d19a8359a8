/*
 * csrf.c: refusing what a page of another site makes a browser send. See
 * <backend/middleware/csrf.h>.
 *
 * A browser says where a request comes from, and a page cannot make it lie: Sec-Fetch-Site and
 * Origin are out of a script's reach. The token, for those who want both, is a random value in a
 * cookie that only this host can set, sent back by a page that can read it.
 */
#include <backend/middleware/csrf.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/loop.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/encode.h"
#include "core/random.h"
#include "crypto/hmac.h"
#include "http/exchange.h"
#include "http/server.h"
#include "middleware/fields.h"

#define RANDOM_BYTES 16
#define TOKEN_TEXT   (2 * RANDOM_BYTES)

struct csrf {
    bk_mw_csrf_opts opts;
};

/* "https://shop.example:8443" has the host "shop.example:8443". */
static bool has_host(bk_str origin, bk_str host)
{
    const char *mark = memmem(origin.ptr, origin.len, "://", 3);

    if (mark == NULL || host.len == 0)
        return false;
    mark += 3;
    return bk_str_ieq(bk_str_at(mark, (size_t)(origin.ptr + origin.len - mark)), host);
}

static bool comes_from_us(const struct csrf *self, const bk_req *req)
{
    bk_str site = bk__req_header(req, BK_LIT("sec-fetch-site"));
    bk_str origin = bk__req_header(req, BK_LIT("origin"));

    if (bk_str_present(origin) && bk__origins_have(self->opts.trusted, origin))
        return true;
    if (bk_str_present(site))
        return bk_str_eq(site, BK_LIT("same-origin")) || bk_str_eq(site, BK_LIT("none"));
    if (bk_str_present(origin))
        return has_host(origin, bk_req_host(req));
    return !self->opts.strict;
}

/* --- the token -------------------------------------------------------------------------------- */

/* Of the header, else of a form. */
static bk_str sent_token(bk_req *req)
{
    bk_str token = bk__req_header(req, BK_LIT("x-csrf-token"));
    bk_pairs fields;

    if (bk_str_present(token) ||
        !bk_str_eq(bk_req_content_type(req), BK_LIT("application/x-www-form-urlencoded")))
        return token;
    if (bk_req_form(req, &fields) != BK_OK) {
        bk_error_clear(); /* without a token it is refused anyway */
        return token;
    }
    for (size_t i = 0; i < fields.count; i++)
        if (bk_str_eq(fields.items[i].name, BK_LIT("_csrf")))
            return fields.items[i].value;
    return token;
}

static bool has_token(bk_req *req)
{
    bk_str ours = bk_req_cookie_signed(req, BK_CSRF_COOKIE), theirs = sent_token(req);

    return ours.len == TOKEN_TEXT && theirs.len == TOKEN_TEXT &&
           bk__same_secret(ours.ptr, theirs.ptr, TOKEN_TEXT);
}

/* What the token is kept under on its request, so that all who ask get the same. */
static const char token_key;

bk_err bk_csrf_token(bk_req *req, bk_res *res, bk_str *out)
{
    static const bk_cookie_opts opts = {.same_site = BK_SAME_SITE_STRICT, .sign = true};
    bk_arena *arena = bk_req_arena(req);
    const bk_str *made = bk_req_get(req, &token_key);
    char random[RANDOM_BYTES];

    bk_str token = made != NULL ? *made : bk_req_cookie_signed(req, BK_CSRF_COOKIE);
    if (token.len != TOKEN_TEXT) {
        char *text = bk_arena_alloc(arena, TOKEN_TEXT);
        bk__random(random, sizeof random);
        bk__hex(random, sizeof random, text);
        token = bk_str_at(text, TOKEN_TEXT);
        BK_TRY(bk_res_cookie(res, BK_CSRF_COOKIE, token, &opts));
        bk_str *kept = BK_NEW(arena, bk_str);
        *kept = token;
        bk_req_set(req, &token_key, kept);
    }
    *out = token;
    return BK_OK;
}

/* --- the middleware --------------------------------------------------------------------------- */

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct csrf *self = data;
    bk_method method = bk_req_method(req);

    if (method == BK_METHOD_GET || method == BK_METHOD_HEAD || method == BK_METHOD_OPTIONS)
        return bk_next_run(next, req, res);
    if (!comes_from_us(self, req))
        return bk_fail(BK_EFORBIDDEN, "this request comes from another site");
    if (self->opts.token && !has_token(req))
        return bk_fail(BK_EFORBIDDEN, "the CSRF token is missing or is not this visitor's");
    return bk_next_run(next, req, res);
}

static const bk_part_type part = {.name = "csrf", .free = free};

bk_middleware bk_mw_csrf(bk_app *app, const bk_mw_csrf_opts *opts)
{
    struct csrf *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    if (opts != NULL)
        self->opts = *opts;
    bk__origins_check("bk_mw_csrf", self->opts.trusted);
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
