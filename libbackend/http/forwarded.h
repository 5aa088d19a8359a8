/*
 * forwarded.h: who asked, and how, when proxies stand between.
 */
#ifndef BK_HTTP_FORWARDED_H
#define BK_HTTP_FORWARDED_H

#include <backend/base.h>

#include "http/trust.h"

struct bk__forwarded {
    bk_str client; /* numeric address in canonical text, or the peer */
    bk_str scheme; /* "http" or "https", by the nearest proxy that tells; absent if none does */
    bk_str host;   /* likewise */
};

/*
 * The client's address behind proxies (RFC 7239 Forwarded, or X-Forwarded-For): walks from the
 * right while the addresses are trusted.
 *
 * @p peer is the socket's address; nothing but it is believed unless it is trusted. Malformed or
 * obfuscated elements end the walk at the last good address. Values are absent when the header was
 * not sent. Where both are sent, Forwarded counts, and X-Forwarded-* are not looked at.
 */
void bk__forwarded_resolve(bk_arena *arena, const struct bk__trust *trust, bk_str peer,
                           bk_str forwarded, bk_str x_forwarded_for, bk_str x_forwarded_proto,
                           bk_str x_forwarded_host, struct bk__forwarded *out);

#endif
