/*
 * jwk.c: keys as JSON. See jwk.h.
 *
 * The members are read as a described struct, so a key that says something twice is refused before
 * anybody asks what it meant. Numbers go to OpenSSL by their names there; whether they make a key
 * is for jws.c to see to.
 */
#include "crypto/jwk.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <backend/describe.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/encode.h"

struct jwk {
    bk_str kty, use, alg, kid, crv;
    bk_array key_ops;
    bk_str k;                      /* a secret */
    bk_str n, e, p, q, dp, dq, qi; /* RSA */
    bk_str oth;                    /* RSA of more than two primes */
    bk_str x, y;                   /* a point */
    bk_str d;                      /* what makes RSA or a curve's key private */
};

/* clang-format off */
BK_DESCRIBE(jwk_desc, struct jwk,
            BK_STR(kty, BK_REQUIRED), BK_STR(use), BK_STR(alg), BK_STR(kid), BK_STR(crv),
            BK_ARRAY(key_ops, BK_TYPE_STR),
            BK_STR(k),
            BK_STR(n), BK_STR(e), BK_STR(p), BK_STR(q), BK_STR(dp), BK_STR(dq), BK_STR(qi),
            BK_JSON(oth),
            BK_STR(x), BK_STR(y), BK_STR(d))
/* clang-format on */

struct reading {
    bk_arena *arena;
    const struct jwk *jwk;
    OSSL_PARAM_BLD *params;
    BIGNUM *numbers[8]; /* which params borrows */
    size_t count;
};

/* --- members ---------------------------------------------------------------------------------- */

static bool decode(bk_arena *arena, bk_str text, bk_str *out)
{
    return text.len != 0 && bk__base64url_decode(arena, text, out) == BK_OK;
}

static void wipe(bk_str bytes)
{
    OPENSSL_cleanse((char *)(uintptr_t)bytes.ptr, bytes.len);
}

static bk_err push_number(struct reading *it, const char *param, const char *member, bk_str text)
{
    bk_str bytes;

    if (!decode(it->arena, text, &bytes))
        return bk_fail(BK_EINVAL, "JWK: \"%s\" is missing or no base64url", member);
    BIGNUM *number = BN_bin2bn((const unsigned char *)bytes.ptr, (int)bytes.len, NULL);
    wipe(bytes);
    bk_assert(number != NULL && it->count < sizeof it->numbers / sizeof it->numbers[0]);
    it->numbers[it->count++] = number;
    bk_assert(OSSL_PARAM_BLD_push_BN(it->params, param, number) == 1);
    return BK_OK;
}

static bool has_op(const bk_array *ops, const char *name)
{
    const bk_str *items = ops->items;

    for (size_t i = 0; i < ops->count; i++)
        if (bk_str_eq(items[i], bk_str_of(name)))
            return true;
    return false;
}

static bool may(const struct jwk *jwk, const char *op)
{
    return jwk->key_ops.items == NULL || has_op(&jwk->key_ops, op);
}

/* --- kinds of key ----------------------------------------------------------------------------- */

static bk_err read_secret(bk_arena *arena, const struct jwk *jwk, bk_jwt_alg alg,
                          struct bk__jws_key *key)
{
    bk_str bytes;

    if (!decode(arena, jwk->k, &bytes))
        return bk_fail(BK_EINVAL, "JWK: \"k\" is missing or no base64url");
    bk_err err = bk__jws_key_secret(key, alg, bytes);
    wipe(bytes);
    return err;
}

static bk_err push_rsa(struct reading *it)
{
    const struct jwk *jwk = it->jwk;

    BK_TRY(push_number(it, OSSL_PKEY_PARAM_RSA_N, "n", jwk->n));
    BK_TRY(push_number(it, OSSL_PKEY_PARAM_RSA_E, "e", jwk->e));
    if (!bk_str_present(jwk->d))
        return BK_OK;
    if (bk_str_present(jwk->oth))
        return bk_fail(BK_EINVAL, "JWK: an RSA key has two primes");
    BK_TRY(push_number(it, OSSL_PKEY_PARAM_RSA_D, "d", jwk->d));
    BK_TRY(push_number(it, OSSL_PKEY_PARAM_RSA_FACTOR1, "p", jwk->p));
    BK_TRY(push_number(it, OSSL_PKEY_PARAM_RSA_FACTOR2, "q", jwk->q));
    BK_TRY(push_number(it, OSSL_PKEY_PARAM_RSA_EXPONENT1, "dp", jwk->dp));
    BK_TRY(push_number(it, OSSL_PKEY_PARAM_RSA_EXPONENT2, "dq", jwk->dq));
    return push_number(it, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, "qi", jwk->qi);
}

/* Coordinates have their curve's length, with leading zeros (RFC 7518, 6.2.1.2). */
static bk_err push_ec(struct reading *it, const struct bk__jws_alg *curve)
{
    const struct jwk *jwk = it->jwk;
    size_t len = curve->bytes;
    bk_str x, y;

    if (!decode(it->arena, jwk->x, &x) || !decode(it->arena, jwk->y, &y) || x.len != len ||
        y.len != len)
        return bk_fail(BK_EINVAL, "JWK: a point on %s has an \"x\" and a \"y\" of %zu bytes",
                       curve->curve, len);
    unsigned char *point = bk_arena_alloc(it->arena, 1 + 2 * len);
    point[0] = 4; /* not compressed */
    memcpy(point + 1, x.ptr, len);
    memcpy(point + 1 + len, y.ptr, len);
    bk_assert(OSSL_PARAM_BLD_push_utf8_string(it->params, OSSL_PKEY_PARAM_GROUP_NAME, curve->group,
                                              0) == 1 &&
              OSSL_PARAM_BLD_push_octet_string(it->params, OSSL_PKEY_PARAM_PUB_KEY, point,
                                               1 + 2 * len) == 1);
    if (!bk_str_present(jwk->d))
        return BK_OK;
    return push_number(it, OSSL_PKEY_PARAM_PRIV_KEY, "d", jwk->d);
}

/* NULL: the numbers do not make a key. */
static EVP_PKEY *build(struct reading *it, const char *kind, bool is_private)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(it->params);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    EVP_PKEY *pkey = NULL;

    bk_assert(ctx != NULL);
    if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    ERR_clear_error();
    return pkey;
}

/* @p curve: NULL for RSA. */
static bk_err read_numbers(bk_arena *arena, const struct jwk *jwk, const struct bk__jws_alg *curve,
                           EVP_PKEY **out)
{
    struct reading it = {.arena = arena, .jwk = jwk, .params = OSSL_PARAM_BLD_new()};

    bk_assert(it.params != NULL);
    bk_err err = curve != NULL ? push_ec(&it, curve) : push_rsa(&it);
    *out = err == BK_OK ? build(&it, curve != NULL ? "EC" : "RSA", bk_str_present(jwk->d)) : NULL;
    OSSL_PARAM_BLD_free(it.params);
    for (size_t i = 0; i < it.count; i++)
        BN_clear_free(it.numbers[i]);
    if (err == BK_OK && *out == NULL)
        return bk_fail(BK_EINVAL, "JWK: the numbers of this key do not make one");
    return err;
}

/* OpenSSL makes the public half of the private one; "x" must be the same. */
static bk_err read_ed25519(bk_arena *arena, const struct jwk *jwk, EVP_PKEY **out)
{
    unsigned char own[32];
    size_t len = sizeof own;
    bk_str x, d;

    if (!decode(arena, jwk->x, &x) || x.len != sizeof own)
        return bk_fail(BK_EINVAL, "JWK: \"x\" of Ed25519 is 32 bytes");
    const unsigned char *public_key = (const unsigned char *)x.ptr;
    if (!bk_str_present(jwk->d)) {
        *out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, x.len);
        bk_assert(*out != NULL);
        return BK_OK;
    }
    if (!decode(arena, jwk->d, &d) || d.len != sizeof own)
        return bk_fail(BK_EINVAL, "JWK: \"d\" of Ed25519 is 32 bytes");
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)d.ptr, d.len);
    wipe(d);
    bk_assert(pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, own, &len) == 1);
    if (memcmp(own, public_key, sizeof own) != 0) {
        EVP_PKEY_free(pkey);
        return bk_fail(BK_EINVAL, "JWK: \"x\" is not what \"d\" makes");
    }
    *out = pkey;
    return BK_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bk_err foreign(enum bk__jwk_sort *sort, const char *what)
{
    *sort = BK__JWK_FOREIGN;
    return bk_fail(BK_EINVAL, "JWK: its \"%s\" is none that is known here", what);
}

/* The algorithm that the key says, or that the program does; both say the same. */
static bk_err read_alg(const struct jwk *jwk, bk_jwt_alg wanted, bk_jwt_alg *out,
                       enum bk__jwk_sort *sort)
{
    *out = wanted;
    if (!bk_str_present(jwk->alg))
        return BK_OK;
    const struct bk__jws_alg *alg = bk__jws_alg_named(jwk->alg);
    if (alg == NULL)
        return foreign(sort, "alg");
    if (wanted != BK_JWT_BY_KEY && wanted != alg->id)
        return bk_fail(BK_EINVAL, "JWK: this is a key for %s", alg->name.ptr);
    *out = alg->id;
    return BK_OK;
}

/* @p curve stays NULL for Ed25519. */
static bk_err read_curve(const struct jwk *jwk, const struct bk__jws_alg **curve,
                         enum bk__jwk_sort *sort)
{
    static const bk_str names[] = {{"ES256", 5}, {"ES384", 5}, {"ES512", 5}};

    *curve = NULL;
    if (bk_str_eq(jwk->kty, BK_LIT("OKP")))
        return bk_str_eq(jwk->crv, BK_LIT("Ed25519")) ? BK_OK : foreign(sort, "crv");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct bk__jws_alg *alg = bk__jws_alg_named(names[i]);
        if (bk_str_eq(jwk->crv, bk_str_of(alg->curve)))
            *curve = alg;
    }
    return *curve != NULL ? BK_OK : foreign(sort, "crv");
}

static bk_err read_pkey(bk_arena *arena, const struct jwk *jwk, EVP_PKEY **out,
                        enum bk__jwk_sort *sort)
{
    const struct bk__jws_alg *curve = NULL;

    if (bk_str_eq(jwk->kty, BK_LIT("RSA")))
        return read_numbers(arena, jwk, NULL, out);
    if (!bk_str_eq(jwk->kty, BK_LIT("EC")) && !bk_str_eq(jwk->kty, BK_LIT("OKP")))
        return foreign(sort, "kty");
    BK_TRY(read_curve(jwk, &curve, sort));
    return curve != NULL ? read_numbers(arena, jwk, curve, out) : read_ed25519(arena, jwk, out);
}

static bk_err read_key(bk_arena *arena, const struct jwk *jwk, bk_jwt_alg alg,
                       struct bk__jws_key *key, enum bk__jwk_sort *sort)
{
    EVP_PKEY *pkey = NULL;

    if (bk_str_eq(jwk->kty, BK_LIT("oct")))
        return read_secret(arena, jwk, alg, key);
    BK_TRY(read_pkey(arena, jwk, &pkey, sort));
    return bk__jws_key_pkey(key, alg, pkey, bk_str_present(jwk->d));
}

bk_err bk__jwk_read(bk_arena *arena, bk_str json, const bk_jwt_key_opts *opts,
                    struct bk__jws_key *key, enum bk__jwk_sort *sort)
{
    static const bk_jwt_key_opts defaults;
    struct jwk jwk;
    bk_jwt_alg alg;

    memset(key, 0, sizeof *key);
    *sort = BK__JWK_OURS;
    if (opts == NULL)
        opts = &defaults;
    if (bk_bind_json(arena, json, jwk_desc, NULL, &jwk) != BK_OK)
        return bk_fail(BK_EINVAL, "JWK: this is no JSON object of a key, or says something twice");
    if (bk_str_present(jwk.use) && !bk_str_eq(jwk.use, BK_LIT("sig")))
        return foreign(sort, "use");
    if (!may(&jwk, "verify") && !may(&jwk, "sign"))
        return foreign(sort, "key_ops");
    BK_TRY(read_alg(&jwk, opts->alg, &alg, sort));
    BK_TRY(read_key(arena, &jwk, alg, key, sort));
    key->can_sign = key->can_sign && may(&jwk, "sign");
    bk__jws_key_name(key, bk_str_present(opts->kid) ? opts->kid : jwk.kid);
    return BK_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_member(bk_json_writer *writer, const char *name, bk_str text)
{
    bk_json_write_key(writer, bk_str_of(name));
    bk_json_write_str(writer, text);
}

/* @p len: 0: as many bytes as the number has. */
static void write_number(bk_json_writer *writer, const EVP_PKEY *pkey, const char *param,
                         const char *name, size_t len)
{
    unsigned char bytes[BK__JWS_SIGNATURE_MAX]; /* as long as the modulus at most */
    BIGNUM *number = NULL;

    bk_assert(EVP_PKEY_get_bn_param(pkey, param, &number) == 1);
    int written = BN_bn2binpad(number, bytes, len != 0 ? (int)len : BN_num_bytes(number));
    bk_assert(written > 0);
    BN_free(number);
    write_member(writer, name,
                 bk__base64url(writer->buf->arena, bk_str_at((char *)bytes, (size_t)written)));
}

void bk__jwk_write(const struct bk__jws_key *key, bk_json_writer *writer)
{
    unsigned char raw[32];
    size_t len = sizeof raw;

    if (key->alg->kind == BK__JWS_SECRET)
        return;
    bk_json_begin_object(writer);
    write_member(writer, "kty",
                 key->alg->kind == BK__JWS_EC        ? BK_LIT("EC")
                 : key->alg->kind == BK__JWS_ED25519 ? BK_LIT("OKP")
                                                     : BK_LIT("RSA"));
    write_member(writer, "use", BK_LIT("sig"));
    write_member(writer, "alg", key->alg->name);
    if (bk_str_present(key->kid))
        write_member(writer, "kid", key->kid);
    if (key->alg->kind == BK__JWS_EC) {
        write_member(writer, "crv", bk_str_of(key->alg->curve));
        write_number(writer, key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, "x", key->alg->bytes);
        write_number(writer, key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, "y", key->alg->bytes);
    } else if (key->alg->kind == BK__JWS_ED25519) {
        write_member(writer, "crv", BK_LIT("Ed25519"));
        bk_assert(EVP_PKEY_get_raw_public_key(key->pkey, raw, &len) == 1);
        write_member(writer, "x", bk__base64url(writer->buf->arena, bk_str_at((char *)raw, len)));
    } else {
        write_number(writer, key->pkey, OSSL_PKEY_PARAM_RSA_N, "n", 0);
        write_number(writer, key->pkey, OSSL_PKEY_PARAM_RSA_E, "e", 0);
    }
    bk_json_end_object(writer);
}
