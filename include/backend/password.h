/**
 * @file backend/password.h
 * @brief Passwords: hashed by argon2id, and hashes that other services left checked.
 *
 * @code
 * bool old;
 * bk_err err = bk_password_verify(in.password, user.hash, NULL, &old); // absent hash: no such user
 * if (err != BK_OK)
 *     return err; // 401 "wrong user or password"
 * if (old) {
 *     BK_TRY(bk_password_hash(arena, in.password, NULL, &user.hash));
 *     BK_TRY(users_set_hash(db, &user));
 * }
 * @endcode
 *
 * Both work on a thread of the app's pool while the fiber waits: some 20 to 30 ms of one core and
 * 19 MiB each, so no more run at once than `bk_app_limits.offload_threads` (4), and no more wait
 * than `offload_queue`. Limit how often one client may try: bk_mw_rate_limit() with
 * `failures_only`.
 *
 * **Hashes that are understood**, by how they begin:
 *
 * | | |
 * |---|---|
 * | `$argon2id$v=19$m=19456,t=2,p=1$` | ours, and that of npm's argon2; also argon2i and argon2d |
 * | `$2a$`, `$2b$`, `$2y$` | bcrypt, of npm's bcrypt and bcryptjs |
 * | `$scrypt$ln=14,r=8,p=1$` | scrypt with salt and key in base64, of npm's scrypt-phc and passlib
 * |
 *
 * What crypto.scrypt() made and a service stored in its own way is checked by
 * bk_password_verify_scrypt().
 *
 * Sources: RFC 9106 (argon2), RFC 7914 (scrypt), the PHC string format, OWASP's Password Storage
 * Cheat Sheet for the default costs.
 */
#ifndef BACKEND_PASSWORD_H
#define BACKEND_PASSWORD_H

#include <backend/arena.h>
#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** Longest password, in bytes. Longer ones are BK_ETOOBIG: nobody has them, and hashing them is an
 *  attack. */
#define BK_PASSWORD_MAX 1024

/** What a hash costs. Zero means default. */
typedef struct bk_password_opts {
    uint32_t memory_kib; /**< Default 19,456; 8 to 262,144. */
    uint32_t passes;     /**< Over that memory. Default 2; 1 to 16. */
    uint32_t lanes;      /**< Default 1; 1 to 16. Each is a thread of its own. */
} bk_password_opts;

/**
 * Hashes a password with argon2id and a new salt.
 *
 * @param password  1 to BK_PASSWORD_MAX bytes, taken as they are: normalise Unicode first if users
 *                  type it on different systems.
 * @param opts      May be NULL.
 * @param out       Receives the hash, about 97 bytes of ASCII; in @p arena.
 * @return BK_OK; BK_EINVAL for an empty password or costs that are not possible; BK_ETOOBIG;
 *         BK_EUNAVAILABLE when too many wait; BK_ETIMEDOUT; BK_ECANCELED.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_password_hash(bk_arena *arena, bk_str password,
                                                      const bk_password_opts *opts, bk_str *out);

/**
 * Checks a password against a hash.
 *
 * @param hash    As stored. Absent where there is no such user: then the answer is the same as for
 *                a wrong password and takes as long, so that nobody learns who has an account.
 * @param opts    What new hashes cost; may be NULL.
 * @param rehash  Receives whether the hash is of another kind or cost than bk_password_hash() would
 *                make with @p opts. May be NULL. Only set when the password is right.
 * @return BK_OK: it is right; BK_EUNAUTHORIZED: it is not; BK_EINVAL: the hash is not understood or
 *         costs more than 256 MiB, 16 passes, bcrypt's 2^15 or scrypt's equal; BK_ETOOBIG for the
 *         password; BK_EUNAVAILABLE, BK_ETIMEDOUT and BK_ECANCELED as above.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_password_verify(bk_str password, bk_str hash,
                                                        const bk_password_opts *opts, bool *rehash);

/** A key that scrypt made. Zero means the default of Node's crypto.scrypt(). */
typedef struct bk_scrypt {
    bk_str   salt;        /**< As it was given to scrypt: often hex text, which is not decoded. */
    bk_str   key;         /**< The bytes that came out, 16 to 128. */
    uint32_t cost_log2;   /**< Default 14, N = 16,384. At most 20. */
    uint32_t block_size;  /**< r. Default 8; at most 32. */
    uint32_t parallelism; /**< p. Default 1; at most 16. */
} bk_scrypt;

/** Checks a password against what scrypt made of the right one; otherwise as bk_password_verify().
 *  @return Likewise; BK_EINVAL when @p made is over its limits or needs more than 256 MiB. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_password_verify_scrypt(bk_str           password,
                                                               const bk_scrypt *made);

BK_END_DECLS

#endif
