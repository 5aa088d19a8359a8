/*
 * jws.c: signatures by OpenSSL. See jws.h.
 *
 * JOSE writes an ECDSA signature as two numbers of fixed length, OpenSSL as DER, so these are
 * turned into each other. All other signatures are alike in both.
 */
#include "crypto/jws.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "core/assert.h"
#include "crypto/hmac.h"

enum {
    COORDINATE_MAX = 66, /* of P-521 */
    DER_MAX = 2 * COORDINATE_MAX + 16
};

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct bk__jws_alg algs[] = {
    {BK_JWT_HS256, NAME("HS256"), BK__JWS_SECRET, "SHA256", NULL, NULL, 32},
    {BK_JWT_HS384, NAME("HS384"), BK__JWS_SECRET, "SHA384", NULL, NULL, 48},
    {BK_JWT_HS512, NAME("HS512"), BK__JWS_SECRET, "SHA512", NULL, NULL, 64},
    {BK_JWT_RS256, NAME("RS256"), BK__JWS_RSA, "SHA256", NULL, NULL, 0},
    {BK_JWT_RS384, NAME("RS384"), BK__JWS_RSA, "SHA384", NULL, NULL, 0},
    {BK_JWT_RS512, NAME("RS512"), BK__JWS_RSA, "SHA512", NULL, NULL, 0},
    {BK_JWT_PS256, NAME("PS256"), BK__JWS_RSA_PSS, "SHA256", NULL, NULL, 0},
    {BK_JWT_PS384, NAME("PS384"), BK__JWS_RSA_PSS, "SHA384", NULL, NULL, 0},
    {BK_JWT_PS512, NAME("PS512"), BK__JWS_RSA_PSS, "SHA512", NULL, NULL, 0},
    {BK_JWT_ES256, NAME("ES256"), BK__JWS_EC, "SHA256", "P-256", "prime256v1", 32},
    {BK_JWT_ES384, NAME("ES384"), BK__JWS_EC, "SHA384", "P-384", "secp384r1", 48},
    {BK_JWT_ES512, NAME("ES512"), BK__JWS_EC, "SHA512", "P-521", "secp521r1", COORDINATE_MAX},
    {BK_JWT_EDDSA, NAME("EdDSA"), BK__JWS_ED25519, NULL, NULL, NULL, 32},
};

#define ALGS (sizeof algs / sizeof algs[0])

static const struct bk__jws_alg *alg_of(bk_jwt_alg id)
{
    for (size_t i = 0; i < ALGS; i++)
        if (algs[i].id == id)
            return &algs[i];
    bk_unreachable("an algorithm that is none");
}

const struct bk__jws_alg *bk__jws_alg_named(bk_str name)
{
    for (size_t i = 0; i < ALGS; i++)
        if (bk_str_eq(algs[i].name, name))
            return &algs[i];
    if (bk_str_eq(name, BK_LIT("Ed25519"))) /* as RFC 9864 calls it */
        return alg_of(BK_JWT_EDDSA);
    return NULL;
}

/* --- keys ------------------------------------------------------------------------------------- */

bk_err bk__jws_key_secret(struct bk__jws_key *key, bk_jwt_alg id, bk_str secret)
{
    const struct bk__jws_alg *alg = alg_of(id != BK_JWT_BY_KEY ? id : BK_JWT_HS256);

    memset(key, 0, sizeof *key);
    if (alg->kind != BK__JWS_SECRET)
        return bk_fail(BK_EINVAL, "a secret cannot be a key for %s", alg->name.ptr);
    if (secret.len < alg->bytes)
        return bk_fail(BK_EINVAL, "a secret for %s needs at least %zu bytes, this one has %zu",
                       alg->name.ptr, alg->bytes, secret.len);
    key->alg = alg;
    key->hmac = bk__hmac_new(alg->digest, secret);
    key->can_sign = true;
    return BK_OK;
}

/* The curve's algorithm; NULL: none of ours. */
static const struct bk__jws_alg *alg_of_curve(const EVP_PKEY *pkey)
{
    char group[64];

    if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                       NULL) != 1)
        return NULL;
    for (size_t i = 0; i < ALGS; i++)
        if (algs[i].group != NULL && strcmp(algs[i].group, group) == 0)
            return &algs[i];
    return NULL;
}

static bk_err check_rsa(const EVP_PKEY *pkey)
{
    int bits = EVP_PKEY_get_bits(pkey);

    if (bits < BK__JWS_RSA_BITS_MIN || bits > BK__JWS_RSA_BITS_MAX)
        return bk_fail(BK_EINVAL, "an RSA key has from %d to %d bits, this one %d",
                       BK__JWS_RSA_BITS_MIN, BK__JWS_RSA_BITS_MAX, bits);
    return BK_OK;
}

/* What the key is for by itself; NULL: none of ours. */
static const struct bk__jws_alg *alg_by_key(const EVP_PKEY *pkey)
{
    if (EVP_PKEY_is_a(pkey, "RSA"))
        return alg_of(BK_JWT_RS256);
    if (EVP_PKEY_is_a(pkey, "ED25519"))
        return alg_of(BK_JWT_EDDSA);
    return EVP_PKEY_is_a(pkey, "EC") ? alg_of_curve(pkey) : NULL;
}

static bool is_for(const struct bk__jws_alg *own, const struct bk__jws_alg *wanted)
{
    return own == wanted || (own->kind == BK__JWS_RSA &&
                             (wanted->kind == BK__JWS_RSA || wanted->kind == BK__JWS_RSA_PSS));
}

/* The numbers of the key, which may have come from anywhere. */
static bk_err check_numbers(EVP_PKEY *pkey, bool can_sign)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);

    bk_assert(ctx != NULL);
    bool sound =
        EVP_PKEY_public_check(ctx) == 1 && (!can_sign || EVP_PKEY_pairwise_check(ctx) == 1);
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return sound ? BK_OK : bk_fail(BK_EINVAL, "the numbers of this key do not make one");
}

static bk_err choose(EVP_PKEY *pkey, bk_jwt_alg id, bool can_sign, const struct bk__jws_alg **out)
{
    const struct bk__jws_alg *own = alg_by_key(pkey);
    const struct bk__jws_alg *wanted = id != BK_JWT_BY_KEY ? alg_of(id) : own;

    if (own == NULL)
        return bk_fail(BK_EINVAL, "a key is RSA, on P-256, P-384 or P-521, or Ed25519");
    if (own->kind == BK__JWS_RSA)
        BK_TRY(check_rsa(pkey));
    if (!is_for(own, wanted))
        return bk_fail(BK_EINVAL, "this is no key for %s", wanted->name.ptr);
    *out = wanted;
    return check_numbers(pkey, can_sign);
}

bk_err bk__jws_key_pkey(struct bk__jws_key *key, bk_jwt_alg id, EVP_PKEY *pkey, bool can_sign)
{
    const struct bk__jws_alg *alg = NULL;

    memset(key, 0, sizeof *key);
    bk_err err = choose(pkey, id, can_sign, &alg);
    if (err != BK_OK) {
        EVP_PKEY_free(pkey);
        return err;
    }
    key->alg = alg;
    key->pkey = pkey;
    key->can_sign = can_sign;
    return BK_OK;
}

static bk_str copy(bk_str text)
{
    char *out = malloc(text.len + 1);

    bk_assert(out != NULL);
    memcpy(out, text.len != 0 ? text.ptr : "", text.len);
    return bk_str_at(out, text.len);
}

void bk__jws_key_name(struct bk__jws_key *key, bk_str kid)
{
    if (bk_str_present(kid))
        key->kid = copy(kid);
}

void bk__jws_key_fini(struct bk__jws_key *key)
{
    free((char *)(uintptr_t)key->kid.ptr);
    bk__hmac_free(key->hmac);
    EVP_PKEY_free(key->pkey);
    memset(key, 0, sizeof *key);
}

/* --- ECDSA's two forms ------------------------------------------------------------------------ */

/* Returns the bytes of the DER; 0: there is none. */
static size_t to_der(const unsigned char *raw, size_t half, unsigned char out[DER_MAX])
{
    ECDSA_SIG *both = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, (int)half, NULL), *s = BN_bin2bn(raw + half, (int)half, NULL);
    int len = 0;

    bk_assert(both != NULL && r != NULL && s != NULL);
    ECDSA_SIG_set0(both, r, s);
    if (i2d_ECDSA_SIG(both, NULL) <= DER_MAX)
        len = i2d_ECDSA_SIG(both, &out);
    ECDSA_SIG_free(both);
    return len > 0 ? (size_t)len : 0;
}

static size_t from_der(const unsigned char *der, size_t len, size_t half, unsigned char *out)
{
    ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &der, (long)len);

    if (both == NULL)
        return 0;
    bool done = BN_bn2binpad(ECDSA_SIG_get0_r(both), out, (int)half) > 0 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(both), out + half, (int)half) > 0;
    ECDSA_SIG_free(both);
    return done ? 2 * half : 0;
}

/* --- signatures ------------------------------------------------------------------------------- */

static bool set_padding(const struct bk__jws_alg *alg, EVP_PKEY_CTX *ctx)
{
    return alg->kind != BK__JWS_RSA_PSS ||
           (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool verify_pkey(const struct bk__jws_key *key, bk_str input, const unsigned char *signature,
                        size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *own = NULL;

    bk_assert(ctx != NULL);
    bool good =
        EVP_DigestVerifyInit_ex(ctx, &own, key->alg->digest, NULL, NULL, key->pkey, NULL) == 1 &&
        set_padding(key->alg, own) &&
        EVP_DigestVerify(ctx, signature, len, (const unsigned char *)input.ptr, input.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error(); /* a wrong signature leaves something there */
    return good;
}

bool bk__jws_verify(const struct bk__jws_key *key, bk_str input, bk_str signature)
{
    const unsigned char *bytes = (const unsigned char *)signature.ptr;
    unsigned char other[DER_MAX]; /* a sum is shorter */
    size_t len;

    switch (key->alg->kind) {
    case BK__JWS_SECRET:
        len = bk__hmac_sum(key->hmac, &input, 1, other);
        return signature.len == len && bk__same_secret(other, bytes, len);
    case BK__JWS_EC:
        if (signature.len != 2 * key->alg->bytes)
            return false;
        len = to_der(bytes, key->alg->bytes, other);
        return len != 0 && verify_pkey(key, input, other, len);
    default:
        return verify_pkey(key, input, bytes, signature.len);
    }
}

static size_t sign_pkey(const struct bk__jws_key *key, bk_str input, unsigned char *out,
                        size_t room)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *own = NULL;
    size_t len = room;

    bk_assert(ctx != NULL);
    bool good =
        EVP_DigestSignInit_ex(ctx, &own, key->alg->digest, NULL, NULL, key->pkey, NULL) == 1 &&
        set_padding(key->alg, own) &&
        EVP_DigestSign(ctx, out, &len, (const unsigned char *)input.ptr, input.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good ? len : 0;
}

size_t bk__jws_sign(const struct bk__jws_key *key, bk_str input,
                    unsigned char out[BK__JWS_SIGNATURE_MAX])
{
    unsigned char der[DER_MAX];

    bk_assert(key->can_sign);
    if (key->alg->kind == BK__JWS_SECRET)
        return bk__hmac_sum(key->hmac, &input, 1, out);
    if (key->alg->kind != BK__JWS_EC)
        return sign_pkey(key, input, out, BK__JWS_SIGNATURE_MAX);
    size_t len = sign_pkey(key, input, der, sizeof der);
    return len != 0 ? from_der(der, len, key->alg->bytes, out) : 0;
}
