/*
 * cookie.h: cookies, read (RFC 6265, 5.4, leniently) and made (4.1, strictly), and signed values.
 *
 * A signed value is VALUE "." BASE64URL(HMAC-SHA256(secret, NAME "=" VALUE)): the name is part of
 * what is signed, so that one cookie cannot be passed off as another.
 */
#ifndef BK_HTTP_COOKIE_H
#define BK_HTTP_COOKIE_H

#include <backend/response.h>

/* The value of @p name in a Cookie header value; quotes around it are taken off; absent when there
 * is none. The first one counts. */
bk_str bk__cookie_find(bk_str header, bk_str name);

/* A Set-Cookie value. BK_EINVAL for bytes that a cookie cannot hold, for SameSite=None with
 * `insecure`, for a bad path or domain, for what the prefixes __Host- and __Secure- rule out, over
 * 4096 bytes. @p opts may be NULL; its `sign` is the caller's affair. */
bk_err bk__cookie_format(bk_arena *arena, bk_str name, bk_str value, const bk_cookie_opts *opts,
                         bk_str *out);

/* @p secret: at least 32 bytes, here and below. */
bk_str bk__cookie_sign(bk_arena *arena, bk_str secret, bk_str name, bk_str value);

/* The value without its signature; absent when the signature is not right (compared in constant
 * time). */
bk_str bk__cookie_verify(bk_str secret, bk_str name, bk_str signed_value);

#endif
