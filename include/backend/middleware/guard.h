/**
 * @file backend/middleware/guard.h
 * @brief Who a request comes from, and what he may do.
 *
 * A middleware finds out who it is (bk_mw_session_auth(), bk_mw_api_key(), bk_mw_basic(), or one of
 * your own) and says so with bk_req_set_principal(); guards around routes say who is let in:
 *
 * @code
 * static const char *const admins[] = {"admin", NULL};
 *
 * bk_use(api, bk_mw_session_auth(app, &(bk_mw_session_auth_opts){.load = load_user}));
 * bk_use(api, bk_mw_guard(app, NULL));                                          // logged in
 * bk_use(admin, bk_mw_guard(app, &(bk_mw_guard_opts){.any_role = admins}));     // and an admin
 * @endcode
 *
 * 401 with `WWW-Authenticate` when nobody is known, 403 when somebody is who may not (RFC 9110,
 * 15.5.2 and 15.5.4).
 */
#ifndef BACKEND_MIDDLEWARE_GUARD_H
#define BACKEND_MIDDLEWARE_GUARD_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/middleware.h>
#include <backend/request.h>
#include <backend/response.h>

BK_BEGIN_DECLS

/** Who a request comes from. */
typedef struct bk_principal {
    bk_str             id;          /**< A user's, a service's. */
    const char *const *roles;       /**< Ends with NULL. May be NULL: none. */
    const char *const *permissions; /**< Likewise. */
    void              *data;        /**< Yours. */
} bk_principal;

/** Says who it is. Copied, but not what it points to, which must live as long as the request. */
BK_API void bk_req_set_principal(bk_req *req, const bk_principal *principal);

/** Who it is; NULL: not known. Borrowed from the request. */
BK_API const bk_principal *bk_req_principal(const bk_req *req);

/** Whether @p principal, which may be NULL, has the role. */
BK_API bool bk_principal_has_role(const bk_principal *principal, const char *role);

/** Whether @p principal, which may be NULL, has the permission. */
BK_API bool bk_principal_has_permission(const bk_principal *principal, const char *permission);

/** Settings. Zero means default. Lists end with NULL; all is borrowed as long as the app. */
typedef struct bk_mw_guard_opts {
    const char *const *any_role;        /**< One of them is needed. Default: none is. */
    const char *const *all_permissions; /**< Each of them is needed. Default: none is. */
    const char        *challenge;       /**< WWW-Authenticate of a 401. Default "Bearer". */
} bk_mw_guard_opts;

/** Lets in who is known and has what is needed. @param opts  Copied; may be NULL: who is known. */
BK_API BK_NODISCARD bk_middleware bk_mw_guard(bk_app *app, const bk_mw_guard_opts *opts);

/** Fills @p out, whose id is set to the session's user, with what is known of him. May wait.
 *  @return BK_OK; BK_ENOTFOUND: there is no such user any more, so nobody is known; other errors
 *          end the request. */
typedef bk_err (*bk_session_principal_fn)(bk_req *req, bk_principal *out, void *data);

/** Settings. Zero means default. */
typedef struct bk_mw_session_auth_opts {
    bk_session_principal_fn load; /**< Default: the principal has an id only. */
    void                   *data; /**< Handed to load. */
    const char *key; /**< Where a service in Node puts the user's id, a string or a number:
                          `req.session.userId`. Looked at where bk_session_login() has not been
                          called. Borrowed as long as the app. May be NULL. */
} bk_mw_session_auth_opts;

/** Sets the principal of who is logged in by his session; stands within bk_mw_session(). Who is not
 *  logged in passes, unknown; who is known already, by a token, passes without a look at his
 *  session. @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_session_auth(bk_app                        *app,
                                                     const bk_mw_session_auth_opts *opts);

BK_END_DECLS

#endif
