/*
 * etag.h: validators (RFC 9110, 8.8 and 13).
 */
#ifndef BK_HTTP_ETAG_H
#define BK_HTTP_ETAG_H

#include <backend/base.h>

#define BK__ETAG_MAX 40

/* W/"<length in hex>-<hash in hex>" of a body; returns its length. */
size_t bk__etag_weak(bk_str body, char out[BK__ETAG_MAX]);

/* W/"..." or "..." of etagc bytes. */
bool bk__etag_valid(bk_str tag);

/* If-None-Match: weak comparison, "*" matches anything that exists. A malformed list matches
 * nothing. */
bool bk__etag_none_match_hits(bk_str header, bk_str tag);

/* If-Match: strong comparison. */
bool bk__etag_match_hits(bk_str header, bk_str tag);

#endif
