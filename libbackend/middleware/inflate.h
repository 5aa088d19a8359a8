/*
 * inflate.h: unpacking what a client sent, with a limit on what it becomes.
 */
#ifndef BK_MIDDLEWARE_INFLATE_H
#define BK_MIDDLEWARE_INFLATE_H

#include <backend/errors.h>

enum bk__packed {
    BK__PACKED_GZIP,    /* RFC 1952, one member or several */
    BK__PACKED_DEFLATE, /* RFC 1950: zlib */
    BK__PACKED_BROTLI   /* RFC 7932 */
};

/*
 * Unpacks the whole of @p bytes. @p out receives what malloc() made, never NULL.
 *
 * BK_ETOOBIG as soon as it becomes longer than @p limit; BK_EINVAL for what is damaged, cut short,
 * or followed by something else. @p out is untouched then. Records nothing. @threads Any.
 */
bk_err bk__inflate(enum bk__packed how, bk_str bytes, size_t limit, char **out, size_t *out_len);

#endif
