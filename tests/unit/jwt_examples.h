/*
 * jwt_examples.h: keys of RFC 7515 (appendix A) and RFC 8037 (appendix A), others for the same
 * purpose, and tokens made by hand, right or wrong. Include it after cmocka.h.
 */
#ifndef TEST_JWT_EXAMPLES_H
#define TEST_JWT_EXAMPLES_H

#include <backend/jwt.h>

#include "core/clock.h"
#include "core/encode.h"
#include "crypto/jwk.h"

/* RFC 7515, A.1 */
#define A1_KEY                                                                                     \
    "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4" \
    "hcgUuTwjAzZr1Z9CAow\"}"

/* RFC 7515, A.2 */
#define A2_N                                                                                        \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d" \
    "4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexM" \
    "dbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvU" \
    "K-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define A2_D                                                                                        \
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOo" \
    "AJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gf" \
    "pRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPD" \
    "VZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ"
#define A2_P                                                                                        \
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJ" \
    "dTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc"
#define A2_Q                                                                                        \
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD" \
    "_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc"
#define A2_DP                                                                                       \
    "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6" \
    "HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0"
#define A2_DQ                                                                                       \
    "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaH" \
    "F-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU"
#define A2_QI                                                                                       \
    "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YI" \
    "Bi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U"
#define A2_PUBLIC "{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQAB\"}"
#define A2_KEY                                                                                     \
    "{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQAB\",\"d\":\"" A2_D "\",\"p\":\"" A2_P          \
    "\",\"q\":\"" A2_Q "\",\"dp\":\"" A2_DP "\",\"dq\":\"" A2_DQ "\",\"qi\":\"" A2_QI "\"}"

/* RFC 7515, A.3 */
#define A3_X      "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define A3_Y      "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define A3_PUBLIC "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y "\"}"
#define A3_KEY                                                                                     \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y                           \
    "\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}"

/* RFC 7515, A.4 */
#define A4_KEY                                                                                      \
    "{\"kty\":\"EC\",\"crv\":\"P-521\","                                                            \
    "\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqw" \
    "QGk\","                                                                                        \
    "\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3ky" \
    "Mj2\","                                                                                        \
    "\"d\":\"AY5pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajnu0ferB0d53vM9mE15" \
    "j2C\"}"

/* RFC 8037, A.1 */
#define ED_X      "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define ED_PUBLIC "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}"
#define ED_KEY                                                                                     \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","  \
    "\"x\":\"" ED_X "\"}"

#define JOE                                                                                        \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
#define JOE_EXPIRES 1300819380

#define SECRET       "a secret of at least thirty-two bytes"
#define OTHER_SECRET "another secret of thirty-two bytes, or more"

/* A clock that stands. */
static inline void stand_at(struct bk__clock *clock, int64_t seconds)
{
    *clock = (struct bk__clock){.now = seconds * 1000000, .is_virtual = true};
    bk__clock_current = clock;
}

static inline bk_jwt_keys *keys_of_jwk(const char *json, bk_jwt_alg alg)
{
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);

    assert_int_equal(bk_jwt_keys_add_jwk(keys, bk_str_of(json), &(bk_jwt_key_opts){.alg = alg}),
                     BK_OK);
    return keys;
}

static inline bk_jwt_keys *keys_of_secret(const char *secret, const char *kid)
{
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);

    assert_int_equal(
        bk_jwt_keys_add_secret(keys, bk_str_of(secret), &(bk_jwt_key_opts){.kid = bk_str_of(kid)}),
        BK_OK);
    return keys;
}

/* A token of any header and any claims, which @p key signs; unsigned: NULL. */
static inline bk_str forge(bk_arena *arena, const struct bk__jws_key *key, const char *header,
                           const char *claims)
{
    unsigned char signature[BK__JWS_SIGNATURE_MAX];
    bk_str head = bk__base64url(arena, bk_str_of(header));
    bk_str body = bk__base64url(arena, bk_str_of(claims));
    bk_str input = bk_arena_printf(arena, "%.*s.%.*s", BK_PRI(head), BK_PRI(body));
    size_t len = key != NULL ? bk__jws_sign(key, input, signature) : 0;
    bk_str tail = bk__base64url(arena, bk_str_at((char *)signature, len));

    return bk_arena_printf(arena, "%.*s.%.*s", BK_PRI(input), BK_PRI(tail));
}

#endif
