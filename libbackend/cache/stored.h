/*
 * stored.h: a value as it lies in Redis.
 *
 *   "C1" flags tags  born  ttl stale error  marker  (length tag version) * tags  payload
 *
 * Integers are little-endian: flags and tags have one byte, born eight (ms of wall time), ttl,
 * stale and error four (ms), a tag's length two. Markers and versions have 16 bytes (l2.h).
 */
#ifndef BK_CACHE_STORED_H
#define BK_CACHE_STORED_H

#include <backend/str.h>

enum {
    BK__NONCE_BYTES = 16,
    BK__TAGS_MAX = 16
};

/* Tells one invalidation from another: text that is never made twice. All zero: there was none. */
struct bk__nonce {
    char text[BK__NONCE_BYTES];
};

struct bk__stored_tag {
    bk_str name;
    struct bk__nonce version;
};

struct bk__stored {
    bool absent; /* the value is that there is none */
    int64_t born_ms;
    uint32_t ttl_ms, stale_ms, error_ms; /* each after the one before */
    struct bk__nonce marker;             /* that was there when the load began */
    struct bk__stored_tag tags[BK__TAGS_MAX];
    size_t tag_count;
    bk_str payload;
};

void bk__stored_write(bk_buf *buf, const struct bk__stored *stored);

/* False for bytes that are no stored value. Views point into @p bytes. */
bool bk__stored_read(bk_str bytes, struct bk__stored *stored);

#endif
