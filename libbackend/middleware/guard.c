/*
 * guard.c: who it is, kept on the request, and who is let in. See <backend/middleware/guard.h>.
 */
#include <backend/middleware/guard.h>

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/loop.h>
#include <backend/middleware/session.h>
#include <backend/str.h>

#include "core/assert.h"
#include "middleware/challenge.h"

struct guard {
    bk_mw_guard_opts opts;
};

struct session_auth {
    bk_mw_session_auth_opts opts;
};

/* --- the principal ---------------------------------------------------------------------------- */

static const char principal_key;

void bk_req_set_principal(bk_req *req, const bk_principal *principal)
{
    bk_principal *copy = BK_NEW(bk_req_arena(req), bk_principal);

    *copy = *principal;
    bk_req_set(req, &principal_key, copy);
}

const bk_principal *bk_req_principal(const bk_req *req)
{
    return bk_req_get(req, &principal_key);
}

static bool has(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

bool bk_principal_has_role(const bk_principal *principal, const char *role)
{
    return principal != NULL && has(principal->roles, role);
}

bool bk_principal_has_permission(const bk_principal *principal, const char *permission)
{
    return principal != NULL && has(principal->permissions, permission);
}

/* --- guards ----------------------------------------------------------------------------------- */

static bk_err check_roles(const bk_principal *who, const char *const *any)
{
    if (any == NULL)
        return BK_OK;
    for (const char *const *role = any; *role != NULL; role++)
        if (bk_principal_has_role(who, *role))
            return BK_OK;
    return bk_fail(BK_EFORBIDDEN, "this needs a role that you do not have");
}

static bk_err check_permissions(const bk_principal *who, const char *const *all)
{
    for (; all != NULL && *all != NULL; all++)
        if (!bk_principal_has_permission(who, *all))
            return bk_fail(BK_EFORBIDDEN, "this needs the permission \"%s\"", *all);
    return BK_OK;
}

static bk_err run_guard(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct guard *self = data;
    const bk_principal *who = bk_req_principal(req);

    if (who == NULL)
        return bk__challenge(res, self->opts.challenge, "this needs a login");
    BK_TRY(check_roles(who, self->opts.any_role));
    BK_TRY(check_permissions(who, self->opts.all_permissions));
    return bk_next_run(next, req, res);
}

static const bk_part_type guard_part = {.name = "guard", .free = free};

bk_middleware bk_mw_guard(bk_app *app, const bk_mw_guard_opts *opts)
{
    struct guard *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    if (opts != NULL)
        self->opts = *opts;
    if (self->opts.challenge == NULL)
        self->opts.challenge = "Bearer";
    bk_app_part(app, &guard_part, self);
    return bk_mw(run_guard, self);
}

/* --- sessions --------------------------------------------------------------------------------- */

/* Whose session it is: as bk_session_login() noted it, else as another service did. */
static bk_str user_of(bk_req *req, const bk_session *session, const char *key)
{
    bk_str user = bk_session_user(session);

    if (bk_str_present(user) || key == NULL)
        return user;
    user = bk_session_str(session, key);
    int64_t number = bk_session_i64(session, key, INT64_MIN);
    if (number != INT64_MIN)
        user = bk_arena_printf(bk_req_arena(req), "%lld", (long long)number);
    return user.len > 0 ? user : bk_str_of(NULL);
}

static bk_err run_session_auth(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct session_auth *self = data;
    bk_session *session;

    if (bk_req_principal(req) != NULL)
        return bk_next_run(next, req, res);
    BK_TRY(bk_session_of(req, &session));
    bk_principal who = {.id = user_of(req, session, self->opts.key)};
    if (!bk_str_present(who.id))
        return bk_next_run(next, req, res);
    bk_err err = self->opts.load != NULL ? self->opts.load(req, &who, self->opts.data) : BK_OK;
    if (err == BK_ENOTFOUND)
        bk_error_clear();
    else if (err != BK_OK)
        return err;
    else
        bk_req_set_principal(req, &who);
    return bk_next_run(next, req, res);
}

static const bk_part_type session_auth_part = {.name = "session auth", .free = free};

bk_middleware bk_mw_session_auth(bk_app *app, const bk_mw_session_auth_opts *opts)
{
    struct session_auth *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    if (opts != NULL)
        self->opts = *opts;
    bk_app_part(app, &session_auth_part, self);
    return bk_mw(run_session_auth, self);
}
