/*
 * stored_answer.c: a finished answer as bytes, and back. See stored_answer.h.
 *
 * The bytes come from Redis, where others can write too: whatever they hold, reading stays within
 * them, and what a header may not hold never reaches a client.
 */
#include "middleware/stored_answer.h"

#include <string.h>

#include "http/etag.h"
#include "http/header.h"

static const bk_str magic = {"A1", 2};

enum {
    HEADERS_MAX = 64
};

static void put_u32(bk_buf *buf, uint32_t value)
{
    char bytes[4] = {(char)value, (char)(value >> 8), (char)(value >> 16), (char)(value >> 24)};

    bk_buf_add(buf, (bk_str){bytes, sizeof bytes});
}

static void put_str(bk_buf *buf, bk_str text)
{
    put_u32(buf, (uint32_t)text.len);
    bk_buf_add(buf, text);
    bk_buf_add_char(buf, '\0');
}

void bk__stored_answer_write(bk_buf *buf, const struct bk__stored_answer *answer)
{
    bk_buf_add(buf, magic);
    put_str(buf, answer->etag);
    put_str(buf, answer->type);
    put_u32(buf, (uint32_t)answer->count);
    for (size_t i = 0; i < answer->count; i++) {
        put_str(buf, answer->headers[i].name);
        put_str(buf, answer->headers[i].value);
    }
    bk_buf_add(buf, answer->body);
}

static bool take_u32(bk_str *rest, uint32_t *out)
{
    const unsigned char *at = (const unsigned char *)rest->ptr;

    if (rest->len < 4)
        return false;
    *out = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    rest->ptr += 4;
    rest->len -= 4;
    return true;
}

static bool take_str(bk_str *rest, bk_str *out)
{
    uint32_t len;

    if (!take_u32(rest, &len) || rest->len <= len || rest->ptr[len] != '\0')
        return false;
    *out = (bk_str){rest->ptr, len};
    rest->ptr += len + 1;
    rest->len -= len + 1;
    return true;
}

static bool take_pair(bk_str *rest, bk_pair *out)
{
    return take_str(rest, &out->name) && take_str(rest, &out->value) &&
           bk__header_is_token(out->name) && bk__header_is_value(out->value);
}

/* What precedes the headers. */
static bool take_front(bk_str *rest, struct bk__stored_answer *answer, uint32_t *count)
{
    if (!bk_str_starts(*rest, magic))
        return false;
    rest->ptr += magic.len;
    rest->len -= magic.len;
    return take_str(rest, &answer->etag) && take_str(rest, &answer->type) &&
           take_u32(rest, count) && *count <= HEADERS_MAX &&
           (answer->etag.len == 0 || bk__etag_valid(answer->etag)) &&
           bk__header_is_value(answer->type);
}

bool bk__stored_answer_read(bk_str bytes, bk_res *res)
{
    struct bk__stored_answer answer = {0};
    uint32_t count, before = res->header_count;

    if (!take_front(&bytes, &answer, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        bk_pair pair;
        if (!take_pair(&bytes, &pair)) {
            res->header_count = before;
            return false;
        }
        bk__res_push_header(res, pair.name, pair.value);
    }
    bk__res_set_body(res, 200, answer.type.len != 0 ? answer.type.ptr : NULL, bytes);
    res->etag = answer.etag.len != 0 ? answer.etag : (bk_str){NULL, 0};
    res->no_etag = answer.etag.len == 0;
    return true;
}
