/*
 * stored.c: a value as it lies in Redis. See stored.h.
 *
 * Anyone who can write to Redis can write this: what is odd is no stored value, and a miss.
 */
#include "cache/stored.h"

#include <string.h>

static const bk_str magic = {"C1", 2};

enum {
    ABSENT = 1
};

static void put_number(bk_buf *buf, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++, value >>= 8)
        bk_buf_add_char(buf, (char)(value & 0xff));
}

static void put_nonce(bk_buf *buf, const struct bk__nonce *nonce)
{
    bk_buf_add(buf, (bk_str){nonce->text, sizeof nonce->text});
}

void bk__stored_write(bk_buf *buf, const struct bk__stored *stored)
{
    bk_buf_add(buf, magic);
    put_number(buf, stored->absent ? ABSENT : 0, 1);
    put_number(buf, stored->tag_count, 1);
    put_number(buf, (uint64_t)stored->born_ms, 8);
    put_number(buf, stored->ttl_ms, 4);
    put_number(buf, stored->stale_ms, 4);
    put_number(buf, stored->error_ms, 4);
    put_nonce(buf, &stored->marker);
    for (size_t i = 0; i < stored->tag_count; i++) {
        put_number(buf, stored->tags[i].name.len, 2);
        bk_buf_add(buf, stored->tags[i].name);
        put_nonce(buf, &stored->tags[i].version);
    }
    bk_buf_add(buf, stored->payload);
}

static bool take(bk_str *rest, size_t len, bk_str *out)
{
    if (rest->len < len)
        return false;
    *out = (bk_str){rest->ptr, len};
    rest->ptr += len;
    rest->len -= len;
    return true;
}

static bool take_number(bk_str *rest, size_t bytes, uint64_t *out)
{
    bk_str text;

    if (!take(rest, bytes, &text))
        return false;
    *out = 0;
    for (size_t i = bytes; i > 0; i--)
        *out = *out << 8 | (unsigned char)text.ptr[i - 1];
    return true;
}

static bool take_nonce(bk_str *rest, struct bk__nonce *out)
{
    bk_str text;

    if (!take(rest, sizeof out->text, &text))
        return false;
    memcpy(out->text, text.ptr, sizeof out->text);
    return true;
}

bool bk__stored_read(bk_str bytes, struct bk__stored *stored)
{
    uint64_t flags, tags, born, ttl, stale, error, len;

    if (!bk_str_starts(bytes, magic))
        return false;
    bytes = bk_str_at(bytes.ptr + magic.len, bytes.len - magic.len);
    if (!take_number(&bytes, 1, &flags) || !take_number(&bytes, 1, &tags) ||
        !take_number(&bytes, 8, &born) || !take_number(&bytes, 4, &ttl) ||
        !take_number(&bytes, 4, &stale) || !take_number(&bytes, 4, &error) ||
        !take_nonce(&bytes, &stored->marker) || flags > ABSENT || tags > BK__TAGS_MAX)
        return false;
    stored->absent = flags != 0;
    stored->born_ms = (int64_t)born;
    stored->ttl_ms = (uint32_t)ttl;
    stored->stale_ms = (uint32_t)stale;
    stored->error_ms = (uint32_t)error;
    stored->tag_count = (size_t)tags;
    for (size_t i = 0; i < stored->tag_count; i++)
        if (!take_number(&bytes, 2, &len) || !take(&bytes, (size_t)len, &stored->tags[i].name) ||
            !take_nonce(&bytes, &stored->tags[i].version))
            return false;
    stored->payload = bytes;
    return true;
}
