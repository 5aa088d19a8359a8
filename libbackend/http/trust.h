/*
 * trust.h: the networks whose word is taken, and addresses as text.
 */
#ifndef BK_HTTP_TRUST_H
#define BK_HTTP_TRUST_H

#include <backend/base.h>

#define BK__ADDRESS_TEXT 46 /* the longest address, with a NUL */

struct bk__trust; /* parsed networks; NULL trusts nobody */

/* @p networks ("10.0.0.0/8", "::1", "unix") ends with NULL, and may be NULL. Returns NULL when one
 * of them is none, or has bits set behind its prefix; that is *bad then. */
struct bk__trust *bk__trust_new(const char *const *networks, const char **bad);
void bk__trust_free(struct bk__trust *trust); /* NULL is fine */

/* @p address: numeric text without port, or "unix". An IPv4 address in IPv6 ("::ffff:10.0.0.1") is
 * the IPv4 address, and no IPv6 network holds it. */
bool bk__trust_has(const struct bk__trust *trust, bk_str address);

/* The usual text of a numeric address without port, with a NUL after it. Returns its length; 0 when
 * @p text is none. */
size_t bk__address_canonical(bk_str text, char out[BK__ADDRESS_TEXT]);

#endif
