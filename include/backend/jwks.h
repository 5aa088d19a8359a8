/**
 * @file backend/jwks.h
 * @brief Keys that an issuer publishes: fetched, kept fresh, and fetched anew when he changes them.
 *
 * @code
 * bk_jwt_keys *keys = bk_jwt_keys_new(app);
 * bk_jwks_opts from = {.client = client, .keys = keys, .url = "https://id.example/jwks.json"};
 * bk_jwks *jwks = bk_jwks_new(app, &from);
 * bk_mw_jwt_opts opts = {.keys = keys, .refresh = bk_jwks_refresh, .data = jwks};
 * @endcode
 *
 * Each worker fetches the set when it starts, and again when the answer's `Cache-Control: max-age`
 * is over, within bounds. The keys change at once and as a whole; a set that is the same as before
 * is not read again.
 *
 * **When it fails** (no answer, another status than 200, no JWK Set, none of its keys of use) the
 * keys from before stay, it is logged and counted, and tried again soon. A worker starts all the
 * same.
 *
 * **A `kid` that nobody knows** may be a new key, or a lie: for all requests of a worker together,
 * the set is fetched at most once in `refresh_ms` for such tokens.
 *
 * **Not taken**: secrets in a set, for whoever may read it could sign with them.
 */
#ifndef BACKEND_JWKS_H
#define BACKEND_JWKS_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/http_client.h>
#include <backend/jwt.h>

BK_BEGIN_DECLS

/** A set of keys that is fetched. Freed with its app. */
typedef struct bk_jwks bk_jwks;

/** Settings. Zero means default. What is borrowed is so as long as the app. */
typedef struct bk_jwks_opts {
    bk_http_client *client; /**< Must be set; of the same app. Without redirects, unless plain_http:
                                 they could lead away from https. */
    const char *url;        /**< Of the JWK Set; must be set. https: only, unless plain_http.
                                 Borrowed. */
    bk_jwt_keys *keys;      /**< What is filled; must be set. Nothing else may change it. What it
                                 has before is replaced by the first set. Borrowed. */
    const char *name;       /**< For logs, metrics and errors; borrowed. Default "jwks". */
    uint32_t    every_ms;   /**< Until it is fetched again, where the answer does not say. Default
                                 10 minutes. */
    uint32_t least_ms;   /**< Not sooner than this, whatever the answer says. Default 1 minute. */
    uint32_t most_ms;    /**< Not later. Default 1 day. */
    uint32_t refresh_ms; /**< Between two fetches for an unknown `kid`, and before the next try
                              when one has failed. Default 30 s. */
    uint32_t timeout_ms; /**< Of a fetch. Default 5 s. */
    uint32_t bytes;      /**< Largest set. Default 256 KiB. */
    bool     plain_http; /**< Take http: for tests, or where the network itself is trusted. */
} bk_jwks_opts;

/** Counters since the start of the worker. */
typedef struct bk_jwks_stats {
    uint64_t fetches;  /**< Fetches that have ended. */
    uint64_t failures; /**< Of those, without a set that can be used. */
    uint64_t changes;  /**< Of those, with another set than before. */
    uint64_t keys;     /**< How many there are now. */
} bk_jwks_stats;

/** Declares a set of @p app, before the app runs. Settings that are missing or wrong stop the
 *  program with words. @param opts  Copied, but for what its fields say. */
BK_API BK_NODISCARD bk_jwks *bk_jwks_new(bk_app *app, const bk_jwks_opts *opts);

/**
 * Fetches the set for a token whose `kid` is unknown, or waits for a fetch that is under way. Has
 * the form of a bk_jwt_refresh_fn.
 *
 * @param keys  Those of its options.
 * @param jwks  The bk_jwks.
 * @return BK_OK: look again, also when it was fetched a moment ago; BK_EUNAVAILABLE: the last fetch
 *         has failed, so nobody can say whose token that is; BK_ETIMEDOUT; BK_ECANCELED.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_jwks_refresh(bk_jwt_keys *keys, void *jwks);

/** Fills @p stats. */
BK_API void bk_jwks_get_stats(const bk_jwks *jwks, bk_jwks_stats *stats);

BK_END_DECLS

#endif
