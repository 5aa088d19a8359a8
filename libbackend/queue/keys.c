/*
 * keys.c: names of queues, jobs, keys and connections.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/str.h>

#include "core/assert.h"
#include "queue/queue.h"

int64_t bk__queue_now(void)
{
    return bk_time_now() / 1000;
}

bk_err bk__queue_name_check(const char *name)
{
    if (name == NULL || name[0] == '\0')
        return bk_fail(BK_EINVAL, "a queue needs a name");
    if (strchr(name, ':') != NULL)
        return bk_fail(BK_EINVAL, "a queue's name has no ':', \"%s\" has one", name);
    if (!bk_str_utf8(bk_str_of(name)))
        return bk_fail(BK_EINVAL, "a queue's name is UTF-8");
    return BK_OK;
}

/* As JavaScript prints it: so 42 and -1, but not 042 or 4.2. */
static bool is_number(bk_str text)
{
    size_t at = text.len != 0 && text.ptr[0] == '-';

    if (text.len == at || (text.ptr[at] == '0' && text.len != 1))
        return false;
    for (; at < text.len; at++)
        if (text.ptr[at] < '0' || text.ptr[at] > '9')
            return false;
    return true;
}

bk_err bk__job_id_check(bk_str id)
{
    size_t colons = 0;

    if (!bk_str_utf8(id))
        return bk_fail(BK_EINVAL, "a job's id is UTF-8");
    if (is_number(id))
        return bk_fail(BK_EINVAL, "a job's id may not be a number: %.*s", BK_PRI(id));
    for (size_t i = 0; i < id.len; i++)
        colons += id.ptr[i] == ':';
    if (colons != 0 && colons != 2)
        return bk_fail(BK_EINVAL, "a job's id has no ':', or two: %.*s", BK_PRI(id));
    if (bk_str_starts(id, BK_LIT("0:")))
        return bk_fail(BK_EINVAL, "a job's id may not begin with 0: %.*s", BK_PRI(id));
    return BK_OK;
}

bk_str bk__queue_key(bk_arena *arena, const bk_queue *queue, bk_str suffix)
{
    char *key = bk_arena_alloc(arena, queue->base.len + suffix.len + 1);

    memcpy(key, queue->base.ptr, queue->base.len);
    if (suffix.len != 0)
        memcpy(key + queue->base.len, suffix.ptr, suffix.len);
    key[queue->base.len + suffix.len] = '\0';
    return bk_str_at(key, queue->base.len + suffix.len);
}

/* RFC 4648, 4, with padding. Returns the length. */
static size_t base64(const char *text, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text), at = 0;

    for (size_t i = 0; i < len; i += 3) {
        const unsigned char *in = (const unsigned char *)text + i;
        size_t left = len - i;
        uint32_t bits =
            (uint32_t)in[0] << 16 | (left > 1 ? (uint32_t)in[1] << 8 : 0) | (left > 2 ? in[2] : 0);
        out[at++] = digits[bits >> 18];
        out[at++] = digits[bits >> 12 & 63];
        out[at++] = left > 1 ? digits[bits >> 6 & 63] : '=';
        out[at++] = left > 2 ? digits[bits & 63] : '=';
    }
    return at;
}

char *bk__queue_client_name(const bk_queue *queue, const char *tail)
{
    size_t prefix = strlen(queue->prefix);
    char *out = malloc(prefix + 1 + 4 * (strlen(queue->name) / 3 + 1) + strlen(tail) + 1);

    bk_assert(out != NULL);
    memcpy(out, queue->prefix, prefix);
    out[prefix] = ':';
    size_t len = prefix + 1 + base64(queue->name, out + prefix + 1);
    memcpy(out + len, tail, strlen(tail) + 1);
    return out;
}
