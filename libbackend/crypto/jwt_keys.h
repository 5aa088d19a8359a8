/*
 * jwt_keys.h: a set of keys from the inside.
 */
#ifndef BK_CRYPTO_JWT_KEYS_H
#define BK_CRYPTO_JWT_KEYS_H

#include "crypto/jws.h"

struct bk_jwt_keys {
    struct bk__jws_key *items; /* malloc */
    size_t count;
    bool owned; /* by an app */
};

#endif
