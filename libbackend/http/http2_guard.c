/*
 * http2_guard.c: the judgements about HTTP/2 clients. See http2_guard.h.
 */
#include "http/http2_guard.h"

#include <backend/router.h>
#include <backend/str.h>

#include "http/header.h"

#define BUCKET_UNITS     100
#define BUCKET_LEAK      10 /* units a second, so thousandths a millisecond */
#define SWEEP_MIN_MS     100
#define SWEEP_MAX_MS     1000
#define CONNECTIONS_A_MS 20 /* looked at, in the long run */

bool bk__h2_bucket_add(struct bk__h2_bucket *bucket, uint64_t now_ms, uint32_t units)
{
    uint64_t leaked = (now_ms - bucket->at_ms) * BUCKET_LEAK;

    bucket->level = bucket->level > leaked ? bucket->level - leaked : 0;
    bucket->level += units * UINT64_C(1000);
    bucket->at_ms = now_ms;
    return bucket->level <= BUCKET_UNITS * UINT64_C(1000);
}

bool bk__h2_watch_stalled(struct bk__h2_watch *watch, uint32_t mark, uint64_t now_ms,
                          uint32_t limit_ms)
{
    uint32_t now = (uint32_t)now_ms;

    if (watch->since == 0 || watch->mark != mark) {
        watch->mark = mark;
        watch->since = now != 0 ? now : 1;
        return false;
    }
    return limit_ms != BK_UNLIMITED && now - watch->since > limit_ms;
}

uint32_t bk__h2_sweep_ms(size_t connections)
{
    size_t ms = connections / CONNECTIONS_A_MS;

    return ms < SWEEP_MIN_MS ? SWEEP_MIN_MS : ms > SWEEP_MAX_MS ? SWEEP_MAX_MS : (uint32_t)ms;
}

bool bk__h2_field_is_hop(bk_str name)
{
    return bk_str_eq(name, BK_LIT("connection")) || bk_str_eq(name, BK_LIT("keep-alive")) ||
           bk_str_eq(name, BK_LIT("proxy-connection")) || bk_str_eq(name, BK_LIT("upgrade")) ||
           bk_str_eq(name, BK_LIT("transfer-encoding"));
}

static bool is_lower_case(bk_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
            return false;
    return true;
}

bool bk__h2_field_allowed(bk_str name, bk_str value)
{
    if (!bk__header_is_token(name) || !is_lower_case(name) || bk__h2_field_is_hop(name))
        return false;
    if (bk_str_eq(name, BK_LIT("te")) && !bk_str_ieq(value, BK_LIT("trailers")))
        return false;
    return bk__header_is_value(value) && bk_str_trim(value).len == value.len;
}

bool bk__h2_path_allowed(bk_str method, bk_str path)
{
    if (bk_str_eq(path, BK_LIT("*")))
        return bk_str_eq(method, BK_LIT("OPTIONS"));
    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return false;
    }
    return true;
}
