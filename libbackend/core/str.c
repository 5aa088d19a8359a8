/*
 * str.c: looking at borrowed bytes.
 */
#include <backend/str.h>

#include "core/utf8.h"

static unsigned char lower(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : byte;
}

bool bk_str_ieq(bk_str a, bk_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] != b.ptr[i] && lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool bk_str_starts(bk_str text, bk_str prefix)
{
    return prefix.len == 0 ||
           (text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

bk_str bk_str_trim(bk_str text)
{
    while (text.len > 0 && blank(text.ptr[text.len - 1]))
        text.len--;
    while (text.len > 0 && blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    return text;
}

bool bk_str_split(bk_str *rest, char separator, bk_str *part)
{
    if (rest->ptr == NULL)
        return false;
    const char *cut = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    if (cut == NULL) {
        *part = *rest;
        *rest = (bk_str){0};
        return true;
    }
    size_t len = (size_t)(cut - rest->ptr);
    *part = bk_str_at(rest->ptr, len);
    *rest = bk_str_at(cut + 1, rest->len - len - 1);
    return true;
}

/* The bytes that may follow a lead byte first: some leads forbid part of 80..BF, which rules out
 * overlong forms, surrogates and what lies beyond U+10FFFF (RFC 3629, 4). */
static bool second_fits(unsigned char lead, unsigned char second)
{
    switch (lead) {
    case 0xe0:
        return second >= 0xa0 && second <= 0xbf;
    case 0xed:
        return second >= 0x80 && second <= 0x9f;
    case 0xf0:
        return second >= 0x90 && second <= 0xbf;
    case 0xf4:
        return second >= 0x80 && second <= 0x8f;
    default:
        return second >= 0x80 && second <= 0xbf;
    }
}

size_t bk__utf8_char(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t need;
    if (bytes[0] < 0x80)
        return 1;
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
        return 0;
    need = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    if (len < need || !second_fits(bytes[0], bytes[1]))
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    return need;
}

/* True when all of eight bytes are in 01..7F. */
static bool plain8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    /* Taking 1 off a zero byte sets its top bit. The loan may also mark a byte above it as bad,
     * which is no matter: the zero is bad already. */
    return (((word - 0x0101010101010101) | word) & 0x8080808080808080) == 0;
}

bool bk_str_utf8(bk_str text)
{
    const char *at = text.ptr;
    size_t left = text.len;
    while (left > 0) {
        if (left >= 8 && plain8(at)) {
            at += 8;
            left -= 8;
            continue;
        }
        size_t len = *at != '\0' ? bk__utf8_char(at, left) : 0;
        if (len == 0)
            return false;
        at += len;
        left -= len;
    }
    return true;
}
