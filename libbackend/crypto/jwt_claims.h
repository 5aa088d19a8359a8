/*
 * jwt_claims.h: the claims that RFC 7519, 4.1 registers, read in one pass over all of them.
 */
#ifndef BK_CRYPTO_JWT_CLAIMS_H
#define BK_CRYPTO_JWT_CLAIMS_H

#include <backend/jwt.h>

struct bk__jwt_claims {
    bk_str issuer, subject, id; /* absent: not there */
    bk_time expires, not_before, issued;
    bool has_expires, has_not_before, has_issued;
    bool has_audience, for_audience; /* it is or holds the one that was asked for */
};

/* Reads @p json, whole: one object, no key twice anywhere. @p audience: may be NULL.
 * Returns NULL, or what is wrong, static and without quotes. */
const char *bk__jwt_claims_read(bk_arena *arena, bk_str json, bk_str audience,
                                struct bk__jwt_claims *out);

/* Words of several claims, as bk_jwt_words() has them. */
struct bk__jwt_words {
    const char *const *claims; /* their names; ends with NULL */
    bool whole;                /* a string is one word, blanks and all */
    const char **items;        /* ends with NULL; NULL: there are none */
    size_t count, cap;
};

/* Fills @p count lists, which have their claims set, in one walk over all claims. */
void bk__jwt_words_read(const bk_jwt *jwt, struct bk__jwt_words *lists, size_t count);

#endif
