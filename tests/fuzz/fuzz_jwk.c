/*
 * fuzz_jwk.c: the input is a JWK, a JWK Set or a key in PEM: what is taken signs and verifies, and
 * is taken again when it was published.
 */
#include <stdint.h>

#include <backend/jwt.h>
#include <backend/str.h>

#include "core/assert.h"
#include "crypto/jwt_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct bk__jws_key *key)
{
    unsigned char signature[BK__JWS_SIGNATURE_MAX];
    bk_str input = BK_LIT("e30.e30");

    bk_assert(key->alg != NULL && (key->hmac == NULL) != (key->pkey == NULL));
    bk_assert(!bk__jws_verify(key, input, BK_LIT("")));
    if (!key->can_sign)
        return;
    size_t len = bk__jws_sign(key, input, signature);
    bk_assert(len != 0 && bk__jws_verify(key, input, bk_str_at((char *)signature, len)));
}

static void try_set(bk_arena *arena, const bk_jwt_keys *keys)
{
    bk_jwt_keys *again = bk_jwt_keys_new(NULL);
    bk_buf buf = {.arena = arena};
    size_t published = 0;

    bk_assert(bk_jwt_keys_count(keys) >= 1);
    for (size_t i = 0; i < keys->count; i++) {
        use(&keys->items[i]);
        published += keys->items[i].pkey != NULL;
    }
    bk_jwt_keys_public(keys, &buf);
    bk_err err = bk_jwt_keys_add_jwk(again, bk_buf_str(&buf), NULL);
    bk_assert(err == (published != 0 ? BK_OK : BK_EINVAL));
    bk_assert(bk_jwt_keys_count(again) == published);
    bk_jwt_keys_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str text = bk_str_at((const char *)data, size);
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);
    bk_arena *arena = bk_arena_new();
    bk_err err = bk_str_starts(text, BK_LIT("-----")) ? bk_jwt_keys_add_pem(keys, text, NULL)
                                                      : bk_jwt_keys_add_jwk(keys, text, NULL);

    if (err == BK_OK)
        try_set(arena, keys);
    else
        bk_assert(err == BK_EINVAL && bk_jwt_keys_count(keys) == 0 &&
                  bk_error_chain()->message.len != 0);
    bk_error_clear();
    bk_arena_free(arena);
    bk_jwt_keys_free(keys);
    return 0;
}
