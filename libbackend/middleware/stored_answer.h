/*
 * stored_answer.h: a finished answer as bytes, and back.
 *
 *   "A1"  ETag  Content-Type  count  (name  value) * count  body
 *
 * where each string has its length in four bytes (little-endian) before it and a NUL behind it, and
 * the body is what is left. An answer is sent from where these bytes lie, so nothing is copied.
 */
#ifndef BK_MIDDLEWARE_STORED_ANSWER_H
#define BK_MIDDLEWARE_STORED_ANSWER_H

#include <backend/str.h>

#include "http/exchange.h"

/* Of status 200. */
struct bk__stored_answer {
    bk_str etag; /* empty: none */
    bk_str type; /* NUL-terminated; empty: none */
    const bk_pair *headers;
    size_t count;
    bk_str body;
};

void bk__stored_answer_write(bk_buf *buf, const struct bk__stored_answer *answer);

/* Puts it into @p res, whose other headers stay. False, with nothing done, for bytes that are no
 * stored answer. @p bytes: borrowed until the answer is sent. */
bool bk__stored_answer_read(bk_str bytes, bk_res *res);

#endif
