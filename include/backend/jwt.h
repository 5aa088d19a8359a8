/**
 * @file backend/jwt.h
 * @brief JSON Web Tokens: signed and verified by keys that know their algorithm.
 *
 * @code
 * bk_jwt_keys *keys = bk_jwt_keys_new(app);
 * BK_TRY(bk_jwt_keys_add_secret(keys, secret, NULL)); // HS256
 *
 * bk_jwt_sign_opts about = {.subject = user, .issuer = BK_LIT("https://shop.example")};
 * BK_TRY(bk_jwt_sign_object(keys, arena, claims_desc, &claims, &about, &token));
 *
 * bk_jwt jwt;
 * BK_TRY(bk_jwt_verify(keys, arena, token, &(bk_jwt_rules){.issuer = "https://shop.example"},
 * &jwt)); BK_TRY(bk_jwt_bind(&jwt, claims_desc, &claims));
 * @endcode
 *
 * A token is a JWS in its compact form (RFC 7515) around an object of claims (RFC 7519). HS, RS and
 * PS with 256, 384 and 512; ES256, ES384, ES512; EdDSA with Ed25519. There is no `none`, and there
 * are no encrypted tokens.
 *
 * **The key decides.** Each key has one algorithm, which is given with it. A token whose header
 * says another is not looked at further by that key, so nobody who verifies chooses an algorithm,
 * and an RSA key never becomes a secret. Keys that a header brings or names (`jwk`, `jku`, `x5c`,
 * `x5u`) are never used; a header with `crit` is refused, for we know no extension.
 *
 * **Rotation.** A set has several keys: the first signs, all verify. A token with a `kid` is tried
 * with the keys of that `kid` and those that have none; a token without with all.
 *
 * **Refused keys**: secrets shorter than the hash, RSA below 2048 bits, other curves than P-256,
 * P-384, P-521 and Ed25519, text of a PEM file as a secret.
 *
 * **Refused tokens**: longer than the limit, not in the one spelling that base64url has for its
 * bytes, with a key twice in a JSON object, with claims of a wrong type, and all that #bk_jwt_rules
 * says.
 *
 * Nothing here waits. Verifying takes about a microsecond with a secret, 20 with RSA, 55 to 75 with
 * P-256 and Ed25519, 400 with P-521; signing a quarter of a millisecond with RSA. The numbers of a
 * key are checked when it is added: 3 ms for an RSA key, a tenth of a second for a private one.
 */
#ifndef BACKEND_JWT_H
#define BACKEND_JWT_H

#include <backend/arena.h>
#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/str.h>

BK_BEGIN_DECLS

/* --- keys --- */

/** The algorithm of a key, by its name in RFC 7518 and RFC 8037. */
typedef enum bk_jwt_alg {
    BK_JWT_BY_KEY, /**< As the key is: a secret HS256, RSA RS256, a curve its own. */
    BK_JWT_HS256,
    BK_JWT_HS384,
    BK_JWT_HS512,
    BK_JWT_RS256,
    BK_JWT_RS384,
    BK_JWT_RS512,
    BK_JWT_PS256,
    BK_JWT_PS384,
    BK_JWT_PS512,
    BK_JWT_ES256, /**< P-256 */
    BK_JWT_ES384, /**< P-384 */
    BK_JWT_ES512, /**< P-521 */
    BK_JWT_EDDSA  /**< Ed25519; "Ed25519" is taken for it as well (RFC 9864). */
} bk_jwt_alg;

/** Keys that a set can have. */
#define BK_JWT_KEYS_MAX 64

/** A set of keys. Made before the workers are forked, or in each. */
typedef struct bk_jwt_keys bk_jwt_keys;

/** About a key. Zero means default. */
typedef struct bk_jwt_key_opts {
    bk_jwt_alg alg; /**< Default: as the key is; in a JWK, as it says. One that is not the key's is
                         refused. */
    bk_str kid;     /**< Its name in headers; copied. Default: none; in a JWK, as it says. */
} bk_jwt_key_opts;

/** A set without keys. @param app  Frees it in the end; NULL: it is yours, bk_jwt_keys_free(). */
BK_API BK_NODISCARD bk_jwt_keys *bk_jwt_keys_new(bk_app *app);

/** Frees a set that is yours. NULL is fine. */
BK_API void bk_jwt_keys_free(bk_jwt_keys *keys);

/** Adds a secret, for HS256 or what @p opts says. @param secret  At least as many bytes as the hash
 *  has: 32, 48, 64; not kept. @param opts  May be NULL.
 *  @return BK_OK; BK_EINVAL in words: too short, no secret at all, too many keys. */
BK_API BK_NODISCARD bk_err bk_jwt_keys_add_secret(bk_jwt_keys *keys, bk_str secret,
                                                  const bk_jwt_key_opts *opts);

/** Adds a key in PEM: `PUBLIC KEY`, which verifies, or an unencrypted private key, which also
 * signs.
 *  @param opts  May be NULL.
 *  @return BK_OK; BK_EINVAL in words. */
BK_API BK_NODISCARD bk_err bk_jwt_keys_add_pem(bk_jwt_keys *keys, bk_str pem,
                                               const bk_jwt_key_opts *opts);

/** Adds a JWK or all of a JWK Set (RFC 7517), in order. Keys of a set whose kind, algorithm or
 * curve is not known here, or that are not for signatures, are passed over; a set in which none is
 * left is refused. @param opts  For a JWK alone; may be NULL.
 *  @return BK_OK; BK_EINVAL in words, and nothing is added. */
BK_API BK_NODISCARD bk_err bk_jwt_keys_add_jwk(bk_jwt_keys *keys, bk_str json,
                                               const bk_jwt_key_opts *opts);

/** Puts the keys of @p fresh in the place of those of @p keys, at once: for sets that are fetched
 *  again and again. @param fresh  Taken: one that is yours. */
BK_API void bk_jwt_keys_replace(bk_jwt_keys *keys, bk_jwt_keys *fresh);

/** How many keys there are. */
BK_API size_t bk_jwt_keys_count(const bk_jwt_keys *keys);

/** Whether @p token, which is not verified, names a key that @p keys does not have, so that a set
 *  which others keep may be worth to be fetched again. */
BK_API bool bk_jwt_keys_misses(const bk_jwt_keys *keys, bk_str token);

/** Writes the public halves as a JWK Set, for others to verify with; secrets are left out. */
BK_API void bk_jwt_keys_public(const bk_jwt_keys *keys, bk_buf *buf);

/* --- making tokens --- */

/** What a token says besides its claims. Zero means default. */
typedef struct bk_jwt_sign_opts {
    bk_str      subject;    /**< `sub`. Default: none. */
    bk_str      issuer;     /**< `iss`. Default: none. */
    bk_str      audience;   /**< `aud`. Default: none. */
    bk_str      id;         /**< `jti`. Default: none. */
    uint32_t    lifetime_s; /**< Until `exp`. Default 3600; #BK_UNLIMITED: no `exp`. */
    const char *typ;        /**< Of the header. Default "JWT". */
} bk_jwt_sign_opts;

/** Makes a token that the first key signs. `iat` and `exp` are added where @p claims has none.
 *
 *  @param claims  A JSON object; absent: no other claims.
 *  @param opts    May be NULL. What it sets must not be in @p claims, too.
 *  @param token   Receives the token, in @p arena.
 *  @return BK_OK; BK_EINTERNAL in words: no key that signs, claims that we would refuse, more than
 *          8192 bytes. */
BK_API BK_NODISCARD bk_err bk_jwt_sign(bk_jwt_keys *keys, bk_arena *arena, bk_str claims,
                                       const bk_jwt_sign_opts *opts, bk_str *token);

/** The same with a described struct. Its times are written as NumericDate: seconds since 1970. */
BK_API BK_NODISCARD bk_err bk_jwt_sign_object(bk_jwt_keys *keys, bk_arena *arena, bk_desc_fn desc,
                                              const void *claims, const bk_jwt_sign_opts *opts,
                                              bk_str *token);

/* --- reading tokens --- */

/** Clocks that agree to the microsecond, for bk_jwt_rules.skew_s. */
#define BK_JWT_NO_SKEW UINT32_MAX

/** What a token must be. Zero means default. Strings are borrowed for the call. */
typedef struct bk_jwt_rules {
    const char *issuer;   /**< `iss` must be this. Default: it is not looked at. */
    const char *audience; /**< `aud` must be this or hold it. Default: there must be none, for a
                               token with one is meant for somebody (RFC 7519, 4.1.3). */
    const char *typ;      /**< The header's `typ` must be this, such as "at+jwt". Default: "JWT" or
                               none. Case and "application/" do not count. */
    uint32_t skew_s;    /**< How far clocks may differ. Default 30; #BK_JWT_NO_SKEW: not at all. */
    uint32_t max_age_s; /**< Since `iat`, which must then be there. Default: no such rule. */
    uint32_t max_bytes; /**< Of the token. Default 8192. */
    bool     any_audience; /**< Do not look at `aud`. */
    bool     no_expiry;    /**< Take tokens without `exp`. */
} bk_jwt_rules;

/** A token that was verified. */
typedef struct bk_jwt {
    bk_str    subject; /**< `sub`; a number as its text. Absent: none. */
    bk_str    issuer;  /**< `iss`; absent: none. */
    bk_str    id;      /**< `jti`; absent: none. */
    bk_time   expires; /**< `exp`; 0: never. */
    bk_time   issued;  /**< `iat`; 0: not said. */
    bk_str    claims;  /**< All claims, as their JSON. */
    bk_arena *arena;   /**< Where all this is. */
} bk_jwt;

/**
 * Verifies @p token: its signature, then what it says.
 *
 * @param rules  May be NULL.
 * @param out    In @p arena, which is kept until the claims have been read. Untouched on error.
 * @return BK_OK; BK_EUNAUTHORIZED: the message says why, and nothing that the token brought.
 */
BK_API BK_NODISCARD bk_err bk_jwt_verify(bk_jwt_keys *keys, bk_arena *arena, bk_str token,
                                         const bk_jwt_rules *rules, bk_jwt *out);

/** The claim @p name as its JSON text; absent if there is none. */
BK_API bk_str bk_jwt_json(const bk_jwt *jwt, const char *name);

/** A string; absent when the claim is none. */
BK_API bk_str bk_jwt_str(const bk_jwt *jwt, const char *name);

/** An integer. BK_EUNAUTHORIZED, naming the claim, when it is none. */
BK_API BK_NODISCARD bk_err bk_jwt_i64(const bk_jwt *jwt, const char *name, int64_t *out);

/** A time: seconds since 1970, with or without a fraction. BK_EUNAUTHORIZED when it is none. */
BK_API BK_NODISCARD bk_err bk_jwt_time(const bk_jwt *jwt, const char *name, bk_time *out);

/** true only for JSON's true. */
BK_API bool bk_jwt_bool(const bk_jwt *jwt, const char *name);

/** The strings of an array, or the words of a string between blanks, as `scope` has them (RFC
 * 8693). Ends with NULL; in the token's arena. Empty when the claim is none of both. Strings with a
 * NUL are no JSON of ours, so none is cut. */
BK_API const char *const *bk_jwt_words(const bk_jwt *jwt, const char *name);

/** Reads the claims into a described struct. Its times are NumericDate. Claims that it does not
 * have are passed over. @return BK_OK; BK_EUNAUTHORIZED: they do not fit. */
BK_API BK_NODISCARD bk_err bk_jwt_bind(const bk_jwt *jwt, bk_desc_fn desc, void *out);

BK_END_DECLS

#endif
