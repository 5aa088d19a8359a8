/*
 * escape.h: one "%XX" (RFC 3986, 2.1).
 */
#ifndef BK_HTTP_ESCAPE_H
#define BK_HTTP_ESCAPE_H

#include <backend/base.h>

static inline int bk__hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that the escape at @p at stands for; -1 when none is there. */
static inline int bk__escape_at(bk_str text, size_t at)
{
    if (text.len - at < 3 || text.ptr[at] != '%')
        return -1;
    int high = bk__hex_digit(text.ptr[at + 1]), low = bk__hex_digit(text.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

#endif
