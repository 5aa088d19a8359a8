/*
 * jws.h: a key that knows its algorithm, and what it signs (RFC 7515, RFC 7518, RFC 8037).
 *
 * There is no way to ask a key for another algorithm than its own: that is what stands between us
 * and tokens that choose how they are verified (RFC 8725, 2.1 and 3.1).
 */
#ifndef BK_CRYPTO_JWS_H
#define BK_CRYPTO_JWS_H

#include <openssl/types.h>

#include <backend/jwt.h>

enum {
    BK__JWS_RSA_BITS_MIN = 2048,
    BK__JWS_RSA_BITS_MAX = 8192,
    BK__JWS_SIGNATURE_MAX = BK__JWS_RSA_BITS_MAX / 8, /* bytes */
    BK__JWS_SEEN_MAX = 200, /* bytes of a header that is remembered, and of its typ */
    BK__JWS_TYP_MAX = 32
};

enum bk__jws_kind {
    BK__JWS_SECRET,
    BK__JWS_RSA,
    BK__JWS_RSA_PSS,
    BK__JWS_EC,
    BK__JWS_ED25519
};

struct bk__jws_alg {
    bk_jwt_alg id;
    bk_str name;
    enum bk__jws_kind kind;
    const char *digest; /* NULL: its own */
    const char *curve;  /* of BK__JWS_EC, as RFC 7518 calls it; else NULL */
    const char *group;  /* likewise, as OpenSSL does */
    size_t bytes;       /* of a secret at least; of a coordinate */
};

struct bk__hmac;

/* The last header whose token a key has verified, as it was spelled, and its typ: the next token
 * nearly always has the same. */
struct bk__jws_seen {
    size_t len; /* 0: none yet */
    char text[BK__JWS_SEEN_MAX];
    size_t typ_len;
    char typ[BK__JWS_TYP_MAX];
    bool has_typ;
};

struct bk__jws_key {
    const struct bk__jws_alg *alg;
    bk_str kid;            /* malloc; absent: none */
    struct bk__hmac *hmac; /* of a secret */
    EVP_PKEY *pkey;        /* of the others */
    bool can_sign;

    struct bk__jws_seen seen;
};

/* NULL: not known here, as "none". */
const struct bk__jws_alg *bk__jws_alg_named(bk_str name);

/* Makes a key of a secret. BK_EINVAL in words; @p key is zeroed then. */
bk_err bk__jws_key_secret(struct bk__jws_key *key, bk_jwt_alg alg, bk_str secret);

/* Makes a key of @p pkey, which is taken in any case. BK_EINVAL in words. */
bk_err bk__jws_key_pkey(struct bk__jws_key *key, bk_jwt_alg alg, EVP_PKEY *pkey, bool can_sign);

/* Gives it a name, which is copied; absent: none. */
void bk__jws_key_name(struct bk__jws_key *key, bk_str kid);

/* A zeroed key is fine. */
void bk__jws_key_fini(struct bk__jws_key *key);

/* Whether @p signature is the key's of @p input. */
bool bk__jws_verify(const struct bk__jws_key *key, bk_str input, bk_str signature);

/* Signs @p input; the key can. Returns the bytes of the signature; 0: OpenSSL failed. */
size_t bk__jws_sign(const struct bk__jws_key *key, bk_str input,
                    unsigned char out[BK__JWS_SIGNATURE_MAX]);

#endif
