/*
 * session.c: the session of a request, by its cookie. See <backend/middleware/session.h>.
 *
 * The middleware puts a place for the session on the request, and no more: it is filled by the
 * first who asks. When the handler has returned, a session that somebody asked for is saved, and
 * the cookie goes with the answer where the client is to learn something.
 */
#include <backend/middleware/session.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/request.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/cookie.h"
#include "session/session.h"

enum {
    ATTRIBUTES = 384 /* bytes that they can have, with the longest domain */
};

struct session_mw {
    bk_mw_session_opts opts; /* defaults filled in */
    char secure[ATTRIBUTES],
        plain[ATTRIBUTES]; /* the cookie's attributes as express-session notes them */
};

/* What a request has of its session. In its arena. */
struct place {
    struct session_mw *self;
    bk_session *session; /* NULL: nobody has asked */
    bool sent;           /* the client sent a cookie */
    bool secure;         /* the cookie is to say Secure */
};

/* What a place is set under on its request. */
static const char place_key;

/* --- settings --------------------------------------------------------------------------------- */

static void describe(char out[ATTRIBUTES], const bk_mw_session_opts *opts, bool secure)
{
    static const char *const same_site[] = {"lax", "strict", "none"};
    const char *domain = opts->domain;

    snprintf(out, ATTRIBUTES, "%s\"httpOnly\":true,%s%s%s\"path\":\"/\",\"sameSite\":\"%s\"",
             secure ? "\"secure\":true," : "", domain != NULL ? "\"domain\":\"" : "",
             domain != NULL ? domain : "", domain != NULL ? "\"," : "", same_site[opts->same_site]);
}

static bk_cookie_opts cookie_opts(const struct session_mw *self, bool secure)
{
    return (bk_cookie_opts){
        .domain = self->opts.domain,
        .same_site = self->opts.same_site,
        .insecure = !secure,
    };
}

/* Says at the start what would else be found out with the first cookie. */
static void check(const struct session_mw *self)
{
    bk_arena *arena = bk_arena_new();
    bk_cookie_opts opts = cookie_opts(self, !self->opts.insecure);
    bk_str text;
    bk_err err = bk__cookie_format(arena, bk_str_of(self->opts.cookie), BK_LIT("x"), &opts, &text);

    bk_arena_free(arena);
    if (err != BK_OK)
        bk__setup_error(__FILE__, __LINE__,
                        "session: the cookie \"%s\" cannot be set with its options",
                        self->opts.cookie);
}

/* --- the session ------------------------------------------------------------------------------ */

static bool has_prefix(const char *name)
{
    return strncasecmp(name, "__Host-", 7) == 0 || strncasecmp(name, "__Secure-", 9) == 0;
}

/* A browser on this machine that came in plain HTTP, as in development. */
static bool is_from_here(bk_req *req)
{
    bk_str host = bk_req_host(req), name;

    if (bk_str_eq(bk_req_scheme(req), BK_LIT("https")) || !bk_str_present(host))
        return false;
    bk_str client = bk_req_client(req);
    if (!bk_str_starts(client, BK_LIT("127.")) && !bk_str_eq(client, BK_LIT("::1")))
        return false;
    (void)bk_str_split(&host, ':', &name);
    return bk_str_ieq(name, BK_LIT("localhost")) || bk_str_starts(name, BK_LIT("127."));
}

static bool is_secure(const struct session_mw *self, bk_req *req)
{
    if (self->opts.insecure)
        return false;
    return has_prefix(self->opts.cookie) || self->opts.same_site == BK_SAME_SITE_NONE ||
           !is_from_here(req);
}

static struct place *place_of(bk_req *req)
{
    struct place *place = bk_req_get(req, &place_key);

    bk_assert(place != NULL); /* bk_mw_session() stands around this handler */
    return place;
}

bk_err bk_session_of(bk_req *req, bk_session **out)
{
    struct place *place = place_of(req);
    struct session_mw *self = place->self;

    if (place->session == NULL) {
        bk_str cookie = bk_req_cookie(req, self->opts.cookie);
        bk_session *session;
        place->sent = bk_str_present(cookie);
        place->secure = is_secure(self, req);
        BK_TRY(bk__session_open(self->opts.sessions, bk_req_arena(req), cookie,
                                bk_str_of(place->secure ? self->secure : self->plain), &session));
        if (place->session == NULL) /* another fiber of the request may have asked as well */
            place->session = session;
    }
    *out = place->session;
    return BK_OK;
}

/* --- its cookie ------------------------------------------------------------------------------- */

/* False: there is nothing to be told. */
static bool choose(const struct place *place, const struct bk__session_saved *saved, bk_str *value,
                   bk_cookie_opts *opts)
{
    const bk_session *session = place->session;

    *opts = cookie_opts(place->self, place->secure);
    if (saved->gone) {
        *value = BK_LIT("");
        opts->max_age_s = -1;
        return place->sent;
    }
    if (session->max_age >= 0)
        opts->max_age_s = (session->max_age + 999) / 1000;
    bool again = place->self->opts.rolling || (saved->changed && session->max_age >= 0);
    if (!bk_str_present(session->id) || (!saved->fresh && !again))
        return false;
    *value = bk__session_cookie(session);
    return true;
}

static bk_err save(const struct place *place, bk_res *res)
{
    struct bk__session_saved saved;
    bk_cookie_opts opts;
    bk_str value;

    BK_TRY(bk__session_save(place->session, &saved));
    if (!choose(place, &saved, &value, &opts))
        return BK_OK;
    if (!bk_res_started(res))
        return bk_res_cookie(res, place->self->opts.cookie, value, &opts);
    if (saved.fresh || saved.gone)
        bk_warn("session.cookie_too_late"); /* bk_session_commit() was not called */
    return BK_OK;
}

bk_err bk_session_commit(bk_req *req, bk_res *res)
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    return save(place_of(req), res);
}

/* --- the middleware --------------------------------------------------------------------------- */

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    if (bk_req_get(req, &place_key) != NULL)
        return bk_next_run(next, req, res);
    struct place *place = BK_NEW(bk_req_arena(req), struct place);
    place->self = data;
    bk_req_set(req, &place_key, place);
    bk_err err = bk_next_run(next, req, res);
    if (place->session == NULL || (err != BK_OK && bk_fiber_interrupted() != BK_OK))
        return err;
    bk_err saved = save(place, res);
    return saved != BK_OK ? saved : err;
}

static void free_self(void *data)
{
    free(data);
}

static const bk_part_type part = {.name = "session middleware", .free = free_self};

bk_middleware bk_mw_session(bk_app *app, const bk_mw_session_opts *opts)
{
    struct session_mw *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    if (opts == NULL || opts->sessions == NULL)
        bk__setup_error(__FILE__, __LINE__, "session: no sessions are set");
    self->opts = *opts;
    if (opts->cookie == NULL)
        self->opts.cookie = opts->sessions->opts.express_compatible ? "connect.sid" : "__Host-sid";
    check(self);
    describe(self->secure, &self->opts, true);
    describe(self->plain, &self->opts, false);
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
