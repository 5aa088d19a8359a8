/**
 * @file backend/middleware/jwt.h
 * @brief Bearer tokens: who a request comes from, by a JSON Web Token (backend/jwt.h).
 *
 * @code
 * bk_mw_jwt_opts opts = {.keys = keys, .rules = {.issuer = "https://shop.example"}};
 * bk_use(api, bk_mw_jwt(app, &opts));
 *
 * static bk_err me(bk_req *req, bk_res *res)
 * {
 *     struct claims claims;
 *     BK_TRY(bk_jwt_bind(bk_req_jwt(req), claims_desc, &claims));
 *     return bk_res_object(res, 200, claims_desc, &claims);
 * }
 * @endcode
 *
 * The token stands in `Authorization: Bearer`. Its subject becomes the principal's id, its `role`
 * and `roles` his roles, each a string or an array of strings; its `scope`, `scp` and `permissions`
 * his permissions, each an array of strings or words between blanks (backend/middleware/guard.h).
 *
 * **401** (RFC 6750, 3): without a token `WWW-Authenticate: Bearer`; with one that is refused also
 * `error="invalid_token"` and an `error_description` that says why.
 *
 * Who signs tokens in a browser's cookie wants bk_mw_session() instead.
 */
#ifndef BACKEND_MIDDLEWARE_JWT_H
#define BACKEND_MIDDLEWARE_JWT_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/jwt.h>
#include <backend/middleware.h>
#include <backend/middleware/guard.h>

BK_BEGIN_DECLS

/** Fills in what is known of who bears @p jwt; @p out has what the claims say. May wait.
 *  @return BK_OK; BK_ENOTFOUND: the token was revoked, or its bearer is gone, 401; other errors end
 *          the request. */
typedef bk_err (*bk_jwt_load_fn)(bk_req *req, const bk_jwt *jwt, bk_principal *out, void *data);

/** Brings new keys by bk_jwt_keys_replace(), for a token whose `kid` no key has. Called for each
 * such token, which anybody can send: it is for you to say how often that is worth the effort. May
 * wait.
 *  @return BK_OK: the token is looked at once more; other errors end the request. */
typedef bk_err (*bk_jwt_refresh_fn)(bk_jwt_keys *keys, void *data);

/** Settings. Zero means default. What is borrowed is so as long as the app. */
typedef struct bk_mw_jwt_opts {
    bk_jwt_keys       *keys;    /**< Must be set; borrowed. */
    bk_jwt_rules       rules;   /**< What tokens must be. Its strings are borrowed. */
    bk_jwt_load_fn     load;    /**< Default: the claims are all that is known. */
    bk_jwt_refresh_fn  refresh; /**< Default: a key that is not known is not. */
    void              *data;    /**< Handed to load and refresh. */
    const char *const *roles; /**< Claims that hold roles. Ends with NULL; borrowed. Default `role`
                                   and `roles`. */
    const char *const *permissions; /**< Claims that hold permissions, likewise. Default `scope`,
                                         `scp` and `permissions`. */
    bool optional; /**< Who sends no token, or something that has not its form, passes, unknown, for
                        another middleware or a guard to see to. A wrong token is refused. */
} bk_mw_jwt_opts;

/** The middleware. Settings that are missing stop the program. @param opts  Copied. */
BK_API BK_NODISCARD bk_middleware bk_mw_jwt(bk_app *app, const bk_mw_jwt_opts *opts);

/** The token of @p req; NULL: it has none. Request-owned. */
BK_API const bk_jwt *bk_req_jwt(const bk_req *req);

BK_END_DECLS

#endif
