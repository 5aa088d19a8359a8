/*
 * jwk.h: keys as JSON (RFC 7517, RFC 7518, 6, RFC 8037).
 */
#ifndef BK_CRYPTO_JWK_H
#define BK_CRYPTO_JWK_H

#include <backend/json.h>

#include "crypto/jws.h"

/* What a set is to do about a key that it cannot use. */
enum bk__jwk_sort {
    BK__JWK_OURS,
    BK__JWK_FOREIGN /* of a kind, algorithm, curve or use that is not ours: a set passes it over */
};

/* Reads one key. @p arena: for the time of the call. @p opts: may be NULL.
 * BK_EINVAL in words; @p key is zeroed then, and @p sort says which. */
bk_err bk__jwk_read(bk_arena *arena, bk_str json, const bk_jwt_key_opts *opts,
                    struct bk__jws_key *key, enum bk__jwk_sort *sort);

/* Writes the public half; nothing of a secret. */
void bk__jwk_write(const struct bk__jws_key *key, bk_json_writer *writer);

#endif
