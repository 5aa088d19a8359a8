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

/* Set in the value of what is a digit. */
#define DIGIT 0x40

static const unsigned char base64url_values[256] = {
    ['A'] = DIGIT | 0,  ['B'] = DIGIT | 1,  ['C'] = DIGIT | 2,  ['D'] = DIGIT | 3,
    ['E'] = DIGIT | 4,  ['F'] = DIGIT | 5,  ['G'] = DIGIT | 6,  ['H'] = DIGIT | 7,
    ['I'] = DIGIT | 8,  ['J'] = DIGIT | 9,  ['K'] = DIGIT | 10, ['L'] = DIGIT | 11,
    ['M'] = DIGIT | 12, ['N'] = DIGIT | 13, ['O'] = DIGIT | 14, ['P'] = DIGIT | 15,
    ['Q'] = DIGIT | 16, ['R'] = DIGIT | 17, ['S'] = DIGIT | 18, ['T'] = DIGIT | 19,
    ['U'] = DIGIT | 20, ['V'] = DIGIT | 21, ['W'] = DIGIT | 22, ['X'] = DIGIT | 23,
    ['Y'] = DIGIT | 24, ['Z'] = DIGIT | 25, ['a'] = DIGIT | 26, ['b'] = DIGIT | 27,
    ['c'] = DIGIT | 28, ['d'] = DIGIT | 29, ['e'] = DIGIT | 30, ['f'] = DIGIT | 31,
    ['g'] = DIGIT | 32, ['h'] = DIGIT | 33, ['i'] = DIGIT | 34, ['j'] = DIGIT | 35,
    ['k'] = DIGIT | 36, ['l'] = DIGIT | 37, ['m'] = DIGIT | 38, ['n'] = DIGIT | 39,
    ['o'] = DIGIT | 40, ['p'] = DIGIT | 41, ['q'] = DIGIT | 42, ['r'] = DIGIT | 43,
    ['s'] = DIGIT | 44, ['t'] = DIGIT | 45, ['u'] = DIGIT | 46, ['v'] = DIGIT | 47,
    ['w'] = DIGIT | 48, ['x'] = DIGIT | 49, ['y'] = DIGIT | 50, ['z'] = DIGIT | 51,
    ['0'] = DIGIT | 52, ['1'] = DIGIT | 53, ['2'] = DIGIT | 54, ['3'] = DIGIT | 55,
    ['4'] = DIGIT | 56, ['5'] = DIGIT | 57, ['6'] = DIGIT | 58, ['7'] = DIGIT | 59,
    ['8'] = DIGIT | 60, ['9'] = DIGIT | 61, ['-'] = DIGIT | 62, ['_'] = DIGIT | 63,
};

/* Decodes a whole group; false: not all are digits. */
static bool decode_group(const unsigned char *in, char *out)
{
    uint32_t a = base64url_values[in[0]], b = base64url_values[in[1]];
    uint32_t c = base64url_values[in[2]], d = base64url_values[in[3]];
    uint32_t group = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63);

    out[0] = (char)(group >> 16);
    out[1] = (char)(group >> 8);
    out[2] = (char)group;
    return (a & b & c & d & DIGIT) != 0;
}

/* Decodes the last two or three digits; what they have more than whole bytes must be zero, or the
 * same bytes would have several spellings. */
static bool decode_rest(const unsigned char *in, size_t left, char *out)
{
    uint32_t a = base64url_values[in[0]], b = base64url_values[in[1]];
    uint32_t c = left == 3 ? base64url_values[in[2]] : DIGIT;
    uint32_t group = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6;

    out[0] = (char)(group >> 16);
    if (left == 3)
        out[1] = (char)(group >> 8);
    return (a & b & c & DIGIT) != 0 && (group & (left == 3 ? 0xff : 0xffff)) == 0;
}

bk_err bk__base64url_decode(bk_arena *arena, bk_str text, bk_str *out)
{
    const unsigned char *in = (const unsigned char *)text.ptr;
    size_t left = text.len;

    if (left % 4 == 1)
        return BK_EINVAL;
    size_t len = left / 4 * 3 + left % 4 * 3 / 4;
    char *bytes = bk__arena_get(arena, len + 1), *at = bytes;
    bool good = true;
    for (; left >= 4; left -= 4, in += 4, at += 3)
        good &= decode_group(in, at);
    if (left != 0)
        good &= decode_rest(in, left, at);
    if (!good)
        return BK_EINVAL;
    bytes[len] = '\0';
    *out = bk_str_at(bytes, len);
    return BK_OK;
}

typedef uint8_t hex_block __attribute__((vector_size(16)));

/* Eight bytes as sixteen digits. */
static inline hex_block hex_digits(const void *bytes)
{
    uint64_t eight;

    memcpy(&eight, bytes, 8);
    hex_block in = (hex_block)(uint64_t __attribute__((vector_size(16)))){eight, 0};
    hex_block out = __builtin_shufflevector(in >> 4, in & 15, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5,
                                            21, 6, 22, 7, 23);
    return out + '0' + ((hex_block)(out > 9) & ('a' - '0' - 10));
}

void bk__hex(const void *bytes, size_t len, char *out)
{
    const char *in = bytes;
    hex_block digits;

    for (; len >= 8; len -= 8, in += 8, out += 16) {
        digits = hex_digits(in);
        memcpy(out, &digits, 16);
    }
    if (len != 0) {
        char rest[8] = {0};
        memcpy(rest, in, len);
        digits = hex_digits(rest);
        memcpy(out, &digits, 2 * len);
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
