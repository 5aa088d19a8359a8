/*
 * hmac.c: HMAC by OpenSSL. See hmac.h.
 *
 * An EVP_MAC_CTX that is initialized again without a key goes on with the one that it has.
 */
#include "crypto/hmac.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/assert.h"

struct bk__hmac {
    EVP_MAC_CTX *ctx;
};

struct bk__hmac *bk__hmac_new(const char *digest, bk_str key)
{
    struct bk__hmac *hmac = malloc(sizeof *hmac);
    const unsigned char *bytes = (const unsigned char *)(key.len != 0 ? key.ptr : "");
    OSSL_PARAM params[] = {
        /* Not const, and only read. */
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);

    bk_assert(hmac != NULL && algorithm != NULL);
    hmac->ctx = EVP_MAC_CTX_new(algorithm);
    EVP_MAC_free(algorithm);
    bk_assert(hmac->ctx != NULL && EVP_MAC_init(hmac->ctx, bytes, key.len, params) == 1);
    return hmac;
}

void bk__hmac_free(struct bk__hmac *hmac)
{
    if (hmac == NULL)
        return;
    EVP_MAC_CTX_free(hmac->ctx);
    free(hmac);
}

size_t bk__hmac_sum(struct bk__hmac *hmac, const bk_str *parts, size_t count,
                    unsigned char out[BK__HMAC_MAX])
{
    size_t len = 0;

    bk_assert(EVP_MAC_init(hmac->ctx, NULL, 0, NULL) == 1);
    for (size_t i = 0; i < count; i++)
        if (parts[i].len != 0)
            bk_assert(
                EVP_MAC_update(hmac->ctx, (const unsigned char *)parts[i].ptr, parts[i].len) == 1);
    bk_assert(EVP_MAC_final(hmac->ctx, out, &len, BK__HMAC_MAX) == 1);
    return len;
}

bool bk__same_secret(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
