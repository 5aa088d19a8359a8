/*
 * encode.c: bytes as text and back.
 *
 * What decodes does so strictly: two texts never mean the same bytes, so that a signed token or a
 * cache key has one spelling only. (Percent-encoding cannot have that; it only refuses what is
 * broken.)
 */
#include "core/encode.h"

#include <endian.h>
#include <string.h>

#include <backend/str.h>

#include "core/arena.h"

static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static const char hex_digits[] = "0123456789abcdef";
static const char HEX_digits[] = "0123456789ABCDEF";

bk_str bk__base64url(bk_arena *arena, bk_str bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    size_t len = bytes.len / 3 * 4 + (bytes.len % 3 * 4 + 2) / 3;
    char *out = bk__arena_get(arena, len + 1);
    char *at = out;
    size_t left = bytes.len;
    for (; left >= 3; left -= 3, in += 3) {
        uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *at++ = base64url_digits[group >> 18];
        *at++ = base64url_digits[group >> 12 & 63];
        *at++ = base64url_digits[group >> 6 & 63];
        *at++ = base64url_digits[group & 63];
    }
    if (left > 0) {
        uint32_t group = (uint32_t)in[0] << 16 | (left == 2 ? (uint32_t)in[1] << 8 : 0);
        *at++ = base64url_digits[group >> 18];
        *at++ = base64url_digits[group >> 12 & 63];
        if (left == 2)
            *at++ = base64url_digits[group >> 6 & 63];
    }
    *at = '\0';
    return bk_str_at(out, len);
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bk_err bk__base64url_decode(bk_arena *arena, bk_str text, bk_str *out)
{
    if (text.len % 4 == 1)
        return BK_EINVAL;
    size_t len = text.len / 4 * 3 + text.len % 4 * 3 / 4;
    char *bytes = bk__arena_get(arena, len + 1);
    size_t written = 0;
    uint32_t bits = 0; /* the lowest @p held ones are not written yet */
    int held = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64url_value(text.ptr[i]);
        if (value < 0)
            return BK_EINVAL;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[written++] = (char)(bits >> held & 0xff);
        }
    }
    if ((bits & ((1u << held) - 1)) != 0)
        return BK_EINVAL; /* left-over bits would give the same bytes several spellings */
    bytes[len] = '\0';
    *out = bk_str_at(bytes, len);
    return BK_OK;
}

void bk__hex(const void *bytes, size_t len, char *out)
{
    const unsigned char *in = bytes;
    for (size_t i = 0; i < len; i++) {
        *out++ = hex_digits[in[i] >> 4];
        *out++ = hex_digits[in[i] & 15];
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool has_encoded(bk_str text, bool plus)
{
    if (text.len == 0)
        return false;
    return memchr(text.ptr, '%', text.len) != NULL ||
           (plus && memchr(text.ptr, '+', text.len) != NULL);
}

bk_err bk__percent_decode(bk_arena *arena, bk_str text, bool plus, bk_str *out)
{
    if (!has_encoded(text, plus)) {
        *out = text;
        return BK_OK;
    }
    char *bytes = bk__arena_get(arena, text.len + 1);
    char *at = bytes;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_value(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return BK_EINVAL;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        *at++ = c;
    }
    *at = '\0';
    *out = bk_str_at(bytes, (size_t)(at - bytes));
    return BK_OK;
}

static bool unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

bk_str bk__percent_encode(bk_arena *arena, bk_str text)
{
    size_t len = text.len;
    for (size_t i = 0; i < text.len; i++)
        len += unreserved(text.ptr[i]) ? 0 : 2;
    char *out = bk__arena_get(arena, len + 1);
    char *at = out;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (unreserved(text.ptr[i])) {
            *at++ = text.ptr[i];
            continue;
        }
        *at++ = '%';
        *at++ = HEX_digits[byte >> 4];
        *at++ = HEX_digits[byte & 15];
    }
    *at = '\0';
    return bk_str_at(out, len);
}

/* Multiplies to 128 bits and folds the halves together: each bit of the result depends on all bits.
 */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t bk__hash64(const void *bytes, size_t len)
{
    /* Odd, with about as many ones as zeros: the fractions of the golden ratio and of root two. */
    const uint64_t first = 0x9e3779b97f4a7c15, second = 0x6a09e667f3bcc909;
    const char *at = bytes;
    uint64_t hash = fold(len ^ first, second);
    uint64_t word;
    for (size_t left = len; left > 0;) {
        size_t step = left < 8 ? left : 8;
        word = 0;
        memcpy(&word, at, step);
        hash = fold(hash ^ le64toh(word), first);
        at += step;
        left -= step;
    }
    return fold(hash ^ first, second);
}
