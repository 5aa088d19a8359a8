/*
 * hmac.h: HMAC (RFC 2104) by a key that is used again and again.
 *
 * Making one costs more than a microsecond, since OpenSSL looks the algorithm up by its name; a sum
 * costs a tenth of that. So keys are made once and kept.
 */
#ifndef BK_CRYPTO_HMAC_H
#define BK_CRYPTO_HMAC_H

#include <backend/base.h>

struct bk__hmac;

enum {
    BK__HMAC_MAX = 64,
    BK__HMAC_SHA256 = 32 /* bytes of a sum by SHA-256 */
};

/* @p digest: "SHA256", "SHA384", "SHA512". @p key: of any length; copied. */
struct bk__hmac *bk__hmac_new(const char *digest, bk_str key);

/* NULL is fine. */
void bk__hmac_free(struct bk__hmac *hmac);

/* Sums up the parts one behind the other, as if they were one text; returns the bytes of the sum.
 */
size_t bk__hmac_sum(struct bk__hmac *hmac, const bk_str *parts, size_t count,
                    unsigned char out[BK__HMAC_MAX]);

/* Compares in a time that does not tell where they differ. */
bool bk__same_secret(const void *a, const void *b, size_t len);

#endif
