/*
 * cookie_sid.c: a session's id as it stands in the cookie. See cookie_sid.h.
 *
 * The cookie is whatever a client sends. Until its signature has been found right, nothing is done
 * with it but looking for its last dot; and signatures are compared as text, so that no two texts
 * are one signature.
 */
#include "session/cookie_sid.h"

#include <backend/str.h>

#include "core/encode.h"
#include "core/random.h"
#include "crypto/hmac.h"

enum {
    ENTROPY = 24,
    NAME_BYTES = 12,
    SIGNATURE = 43,                                    /* SHA-256 in base64 */
    COOKIE_MAX = 3 * (2 + BK__SID_MAX + 1 + SIGNATURE) /* with each byte percent-encoded */
};

void bk__sid_keys_init(struct bk__sid_keys *keys, const char *const *secrets)
{
    keys->count = 0;
    for (size_t i = 0; secrets[i] != NULL && i < BK__SECRETS_MAX; i++)
        keys->keys[keys->count++] = bk__hmac_new("SHA256", bk_str_of(secrets[i]));
}

void bk__sid_keys_fini(struct bk__sid_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        bk__hmac_free(keys->keys[i]);
    keys->count = 0;
}

bk_str bk__sid_new(bk_arena *arena)
{
    char bytes[ENTROPY];

    bk__random(bytes, sizeof bytes);
    return bk__base64url(arena, bk_str_at(bytes, sizeof bytes));
}

/* --- the signature ---------------------------------------------------------------------------- */

static void sign(struct bk__hmac *key, bk_str id, char out[SIGNATURE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char sum[BK__HMAC_MAX + 1];
    size_t len = bk__hmac_sum(key, &id, 1, sum), at = 0;

    sum[len] = 0; /* 32 bytes are no multiple of three: the last digit ends in two zero bits */
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)sum[i] << 16 | (uint32_t)sum[i + 1] << 8;
        if (i + 2 < len)
            bits |= sum[i + 2];
        for (int shift = 18; shift >= 0 && at < SIGNATURE; shift -= 6)
            out[at++] = digits[bits >> shift & 63];
    }
}

static bool is_signed(struct bk__hmac *key, bk_str id, const char *signature)
{
    char right[SIGNATURE];

    sign(key, id, right);
    return bk__same_secret(right, signature, SIGNATURE);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes; absent when it cannot be. */
static bk_str decode(bk_arena *arena, bk_str text)
{
    char *out = bk_arena_alloc(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? digit(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? digit(text.ptr[i + 2]) : -1;
            if (low < 0)
                return (bk_str){NULL, 0};
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[len++] = c;
    }
    return bk_str_at(out, len);
}

bk_str bk__sid_read(const struct bk__sid_keys *keys, bk_arena *arena, bk_str cookie)
{
    const bk_str none = {NULL, 0};

    if (cookie.len > COOKIE_MAX)
        return none;
    bk_str text = decode(arena, cookie);
    if (!bk_str_starts(text, BK_LIT("s:")) || text.len < 2 + 1 + 1 + SIGNATURE)
        return none;
    bk_str id = bk_str_at(text.ptr + 2, text.len - 2 - 1 - SIGNATURE);
    if (id.ptr[id.len] != '.' || id.len > BK__SID_MAX)
        return none;
    for (size_t i = 0; i < keys->count; i++)
        if (is_signed(keys->keys[i], id, id.ptr + id.len + 1))
            return id;
    return none;
}

/* --- writing ---------------------------------------------------------------------------------- */

bk_str bk__sid_write(const struct bk__sid_keys *keys, bk_arena *arena, bk_str id)
{
    char signature[SIGNATURE];
    bk_buf buf = {.arena = arena};

    sign(keys->keys[0], id, signature);
    bk_buf_reserve(&buf, sizeof "s%3A" + id.len + 3 * SIGNATURE);
    bk_buf_add(&buf, BK_LIT("s%3A"));
    bk_buf_add(&buf, bk__percent_encode(arena, id));
    bk_buf_add_char(&buf, '.');
    bk_buf_add(&buf, bk__percent_encode(arena, bk_str_at(signature, SIGNATURE)));
    return bk_buf_str(&buf);
}

bk_str bk__sid_name(const struct bk__sid_keys *keys, bk_arena *arena, bk_str id)
{
    const bk_str parts[] = {BK_LIT("name of session "), id};
    unsigned char sum[BK__HMAC_MAX];

    (void)bk__hmac_sum(keys->keys[0], parts, 2, sum);
    return bk__base64url(arena, bk_str_at((const char *)sum, NAME_BYTES));
}
