/**
 * @file backend/middleware/api_key.h
 * @brief API keys: found by their id, checked by their hash.
 *
 * @code
 * static bk_err find(bk_req *req, bk_str id, bk_str *hash, bk_principal *out, void *data)
 * {
 *     struct api_key_row row;
 *     BK_TRY(keys_find(data, id, &row)); // BK_ENOTFOUND passes as 401
 *     *hash = row.hash;
 *     out->id = row.owner;
 *     return BK_OK;
 * }
 *
 * bk_use(api, bk_mw_api_key(app, &(bk_mw_api_key_opts){.prefix = "shop", .find = find, .data =
 * db}));
 * @endcode
 *
 * The key stands in `X-API-Key`, or in `Authorization: Bearer`, where what has not the form of a
 * key is left to others. bk_api_key_new() makes keys (backend/token.h). A request without one, or
 * with a wrong one, gets 401 with `WWW-Authenticate: ApiKey`.
 */
#ifndef BACKEND_MIDDLEWARE_API_KEY_H
#define BACKEND_MIDDLEWARE_API_KEY_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/middleware.h>
#include <backend/middleware/guard.h>

BK_BEGIN_DECLS

/** Finds what is kept of a key. May wait. @param hash  Receives bk_api_key.hash, request-owned.
 *  @param out   Receives who it is, likewise.
 *  @return BK_OK; BK_ENOTFOUND: there is none, 401; other errors end the request. */
typedef bk_err (*bk_api_key_find_fn)(bk_req *req, bk_str id, bk_str *hash, bk_principal *out,
                                     void *data);

/** Settings. Zero means default. */
typedef struct bk_mw_api_key_opts {
    const char        *prefix; /**< Of the keys. Must be set; borrowed as long as the app. */
    bk_api_key_find_fn find;   /**< Must be set. */
    void              *data;   /**< Handed to find. */
    bool optional; /**< Who sends none passes, unknown, for another middleware or a guard to see to.
                        A wrong one is refused all the same. */
} bk_mw_api_key_opts;

/** The middleware. Settings that are missing stop the program. @param opts  Copied. */
BK_API BK_NODISCARD bk_middleware bk_mw_api_key(bk_app *app, const bk_mw_api_key_opts *opts);

BK_END_DECLS

#endif
