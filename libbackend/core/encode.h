/*
 * encode.h: bytes as text and back.
 */
#ifndef BK_CORE_ENCODE_H
#define BK_CORE_ENCODE_H

#include <backend/arena.h>
#include <backend/errors.h>

/* base64url without padding (RFC 4648, 5). */
bk_str bk__base64url(bk_arena *arena, bk_str bytes);
bk_err bk__base64url_decode(bk_arena *arena, bk_str text, bk_str *out); /* strict: BK_EINVAL */

/* Lower-case hexadecimal. */
void bk__hex(const void *bytes, size_t len, char *out); /* writes 2 * len, no NUL */

/* Percent-decoding (RFC 3986, 2.1). "%" without two hex digits: BK_EINVAL. @p out may be @p text
 * itself when nothing was encoded. With @p plus, '+' is a blank (WHATWG form). */
bk_err bk__percent_decode(bk_arena *arena, bk_str text, bool plus, bk_str *out);

/* Percent-encodes all but RFC 3986 unreserved bytes. */
bk_str bk__percent_encode(bk_arena *arena, bk_str text);

/* A quick 64-bit hash for ETags. Not for tables whose keys clients choose. */
uint64_t bk__hash64(const void *bytes, size_t len);

#endif
