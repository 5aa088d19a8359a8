/*
 * bench_token.c: see bench_token.h (RFC 7519, RFC 7515).
 */
#include "bench_token.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* base64url to what EVP reads, and back to bytes. */
static bk_err decode(bk_arena *arena, bk_str text, bk_str *out)
{
    size_t len = (text.len + 3) / 4 * 4;
    unsigned char *plain = bk_arena_alloc(arena, len + 1);
    unsigned char *bytes = bk_arena_alloc(arena, len + 1);

    for (size_t i = 0; i < len; i++) {
        char c = i < text.len ? text.ptr[i] : '=';
        plain[i] = (unsigned char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    int got = EVP_DecodeBlock(bytes, plain, (int)len);
    if (got < 0)
        return bk_fail(BK_EUNAUTHORIZED, "the token is no base64url");
    *out = bk_str_at((char *)bytes, (size_t)got - (len - text.len));
    return BK_OK;
}

static bool is_signed(bk_arena *arena, bk_str content, bk_str signature)
{
    const char *secret = getenv("JWT_SECRET");
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    bk_str given;

    if (secret == NULL)
        secret = "bench-secret";
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)content.ptr, content.len,
         mac, &len);
    return decode(arena, signature, &given) == BK_OK && given.len == len &&
           CRYPTO_memcmp(given.ptr, mac, len) == 0;
}

bk_err bench_token_check(bk_req *req)
{
    bk_arena *arena = bk_req_arena(req);
    bk_str header = bk_req_header(req, "Authorization"), rest, part, json;
    bk_str parts[3];
    bk_json *claims;
    int64_t expires;

    if (!bk_str_starts(header, BK_LIT("Bearer ")))
        return bk_fail(BK_EUNAUTHORIZED, "a bearer token is needed");
    rest = bk_str_at(header.ptr + 7, header.len - 7);
    bk_str token = rest;
    for (size_t i = 0; i < 3; i++) {
        if (!bk_str_split(&rest, '.', &part))
            return bk_fail(BK_EUNAUTHORIZED, "the token has not three parts");
        parts[i] = part;
    }
    bk_str content = bk_str_at(token.ptr, parts[0].len + 1 + parts[1].len);
    if (!is_signed(arena, content, parts[2]))
        return bk_fail(BK_EUNAUTHORIZED, "the token's signature is wrong");
    BK_TRY(decode(arena, parts[1], &json));
    if (bk_json_parse(arena, json, NULL, &claims) != BK_OK ||
        bk_json_i64(bk_json_get(claims, BK_LIT("exp")), &expires) != BK_OK ||
        expires * 1000000 < bk_time_now())
        return bk_fail(BK_EUNAUTHORIZED, "the token has expired");
    return BK_OK;
}
