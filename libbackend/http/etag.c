/*
 * etag.c: making entity tags and comparing them with those that a client has.
 *
 * Tags are not quoted strings: a backslash in one is a byte like others, so the lists are read here
 * and not by header.c. A list is read to its end before it counts.
 */
#include "http/etag.h"

#include <backend/str.h>

#include "core/encode.h"

static char *put_hex(char *at, uint64_t value, int digits)
{
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[value >> shift & 15];
    return at;
}

size_t bk__etag_weak(bk_str body, char out[BK__ETAG_MAX])
{
    int digits = 1;
    while (digits < 16 && body.len >> (digits * 4) != 0)
        digits++;

    char *at = out;
    memcpy(at, "W/\"", 3);
    at = put_hex(at + 3, body.len, digits);
    *at++ = '-';
    at = put_hex(at, bk__hash64(body.ptr, body.len), 16);
    *at++ = '"';
    return (size_t)(at - out);
}

static bool is_weak(bk_str tag)
{
    return bk_str_starts(tag, BK_LIT("W/"));
}

/* Without W/. */
static bk_str opaque(bk_str tag)
{
    return is_weak(tag) ? bk_str_at(tag.ptr + 2, tag.len - 2) : tag;
}

/* The length of the tag that @p text begins with; 0 when it begins with none. */
static size_t tag_length(bk_str text)
{
    size_t at = is_weak(text) ? 2 : 0;
    if (at >= text.len || text.ptr[at] != '"')
        return 0;
    for (at++; at < text.len; at++) {
        unsigned char c = (unsigned char)text.ptr[at];
        if (c == '"')
            return at + 1;
        if (c <= 0x20 || c == 0x7f)
            return 0;
    }
    return 0;
}

bool bk__etag_valid(bk_str tag)
{
    return tag.len > 0 && tag_length(tag) == tag.len;
}

static bool is_same(bk_str a, bk_str b, bool strong)
{
    if (strong && (is_weak(a) || is_weak(b)))
        return false;
    return bk_str_eq(opaque(a), opaque(b));
}

static bk_str skip(bk_str text, size_t count)
{
    return bk_str_at(text.ptr + count, text.len - count);
}

static bool hits(bk_str header, bk_str tag, bool strong)
{
    bk_str rest = bk_str_trim(header);
    bool found = false, known = bk__etag_valid(tag);

    if (bk_str_eq(rest, BK_LIT("*")))
        return true;
    while (rest.len > 0) {
        size_t len = tag_length(rest);
        if (len > 0 && known && is_same(bk_str_at(rest.ptr, len), tag, strong))
            found = true;
        rest = bk_str_trim(skip(rest, len));
        if (rest.len > 0 && rest.ptr[0] != ',')
            return false;
        if (rest.len > 0)
            rest = bk_str_trim(skip(rest, 1));
    }
    return found;
}

bool bk__etag_none_match_hits(bk_str header, bk_str tag)
{
    return hits(header, tag, false);
}

bool bk__etag_match_hits(bk_str header, bk_str tag)
{
    return hits(header, tag, true);
}
