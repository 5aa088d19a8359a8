/*
 * jwt.c: bearer tokens. See <backend/middleware/jwt.h>.
 *
 * Reasons that go into a header are fixed sentences of jwt.c in crypto/: nothing of what a client
 * sent comes back in one.
 */
#include <backend/middleware/jwt.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "crypto/jwt_claims.h"
#include "middleware/challenge.h"

struct jwt {
    bk_mw_jwt_opts opts; /* defaults filled in */
};

static const char token_key;

const bk_jwt *bk_req_jwt(const bk_req *req)
{
    return bk_req_get(req, &token_key);
}

/* --- refusals --------------------------------------------------------------------------------- */

/* With the reason that stands in the fiber's chain. */
static bk_err refuse(bk_req *req, bk_res *res)
{
    bk_str why = bk_error_chain()->message;
    bk_str challenge =
        bk_arena_printf(bk_req_arena(req),
                        "Bearer error=\"invalid_token\", error_description=\"%.*s\"", BK_PRI(why));

    return bk__challenge(res, challenge.ptr, bk_arena_cstr(bk_req_arena(req), why));
}

/* Three parts between dots. */
static bool has_form(bk_str text)
{
    size_t dots = 0;

    for (size_t i = 0; i < text.len; i++)
        dots += text.ptr[i] == '.';
    return dots == 2;
}

/* --- who it is -------------------------------------------------------------------------------- */

static bk_err verify(const struct jwt *self, bk_req *req, bk_str token, bk_jwt *out)
{
    const bk_mw_jwt_opts *opts = &self->opts;
    bk_err err = bk_jwt_verify(opts->keys, bk_req_arena(req), token, &opts->rules, out);

    if (err != BK_EUNAUTHORIZED || opts->refresh == NULL || !bk_jwt_keys_misses(opts->keys, token))
        return err;
    err = opts->refresh(opts->keys, opts->data);
    if (err == BK_EUNAUTHORIZED)
        return bk_context(BK_EINTERNAL, "refreshing keys"); /* ours with others, not the client's */
    BK_TRY(err);
    return bk_jwt_verify(opts->keys, bk_req_arena(req), token, &opts->rules, out);
}

static bk_err find_out(const struct jwt *self, bk_req *req, const bk_jwt *jwt)
{
    const bk_mw_jwt_opts *opts = &self->opts;
    struct bk__jwt_words words[] = {
        {.claims = opts->roles, .whole = true}, /* who is "no admin" is none */
        {.claims = opts->permissions},
    };

    bk__jwt_words_read(jwt, words, 2);
    bk_principal who = {.id = jwt->subject, .roles = words[0].items, .permissions = words[1].items};
    if (opts->load != NULL) {
        bk_err err = opts->load(req, jwt, &who, opts->data);
        if (err == BK_ENOTFOUND || err == BK_EUNAUTHORIZED)
            return bk_fail(BK_EUNAUTHORIZED, "the token has been revoked");
        BK_TRY(err);
    }
    bk_req_set_principal(req, &who);
    return BK_OK;
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct jwt *self = data;
    bk_str token = bk__credentials(req, "Bearer");

    if (!bk_str_present(token) || (self->opts.optional && !has_form(token)))
        return self->opts.optional ? bk_next_run(next, req, res)
                                   : bk__challenge(res, "Bearer", "this needs a token");
    bk_jwt *jwt = BK_NEW(bk_req_arena(req), bk_jwt);
    bk_err err = verify(self, req, token, jwt);
    if (err == BK_OK)
        err = find_out(self, req, jwt);
    if (err != BK_OK)
        return err == BK_EUNAUTHORIZED ? refuse(req, res) : err;
    bk_req_set(req, &token_key, jwt);
    return bk_next_run(next, req, res);
}

static const bk_part_type part = {.name = "jwt", .free = free};

bk_middleware bk_mw_jwt(bk_app *app, const bk_mw_jwt_opts *opts)
{
    static const char *const roles[] = {"role", "roles", NULL};
    static const char *const permissions[] = {"scope", "scp", "permissions", NULL};
    struct jwt *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    bk_assert(opts != NULL && opts->keys != NULL);
    self->opts = *opts;
    if (opts->roles == NULL)
        self->opts.roles = roles;
    if (opts->permissions == NULL)
        self->opts.permissions = permissions;
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
