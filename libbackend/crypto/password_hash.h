/*
 * password_hash.h: the strings that stored password hashes are, read strictly and within limits:
 * whoever can write one to the database must not be able to stop the service with its costs.
 */
#ifndef BK_CRYPTO_PASSWORD_HASH_H
#define BK_CRYPTO_PASSWORD_HASH_H

#include <backend/errors.h>
#include <backend/password.h>

enum {
    BK__HASH_MAX = 512, /* bytes of the string */
    BK__SALT_MAX = 64,
    BK__KEY_MAX = 128
};

enum bk__hash_kind {
    BK__HASH_ARGON2ID,
    BK__HASH_ARGON2I,
    BK__HASH_ARGON2D,
    BK__HASH_BCRYPT,
    BK__HASH_SCRYPT
};

struct bk__hash {
    enum bk__hash_kind kind;
    uint32_t
        costs[3]; /* argon2: KiB, passes, lanes; scrypt: log2 N, r, p; bcrypt: log2 of rounds */
    unsigned char salt[BK__SALT_MAX], key[BK__KEY_MAX]; /* not bcrypt's */
    size_t salt_len, key_len;
};

/* BK_EINVAL: it is none, or over the limits. */
bk_err bk__hash_parse(bk_str text, struct bk__hash *out);

/* BK_EINVAL: over the limits. */
bk_err bk__hash_check_costs(enum bk__hash_kind kind, const uint32_t costs[3]);

#endif
