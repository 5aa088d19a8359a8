/*
 * cache_rules.c: what may be kept and given to whom. See cache_rules.h.
 *
 * In doubt an answer is not kept, and a request is not answered from the cache: a miss costs some
 * time, another client's page costs trust.
 */
#include "middleware/cache_rules.h"

#include <string.h>

#include <backend/str.h>

#include "http/header.h"

/* Whether a Cache-Control field holds a directive, whatever its argument: no-cache="x" too. */
static bool has_directive(bk_str list, bk_str name)
{
    bk_str element, head;

    while (bk__header_list_next(&list, &element)) {
        (void)bk_str_split(&element, '=', &head);
        if (bk_str_ieq(bk_str_trim(head), name))
            return true;
    }
    return false;
}

static bool refuses(bk_str cache_control)
{
    return has_directive(cache_control, BK_LIT("no-store")) ||
           has_directive(cache_control, BK_LIT("no-cache"));
}

bool bk__cache_may_answer(const bk_req *req)
{
    static const bk_str hindering[] = {{"authorization", 13}, {"range", 5}};
    bk_str wish = bk__req_header(req, BK_LIT("cache-control"));

    if ((req->method != BK_METHOD_GET && req->method != BK_METHOD_HEAD) || req->body_len != 0)
        return false;
    for (size_t i = 0; i < sizeof hindering / sizeof hindering[0]; i++)
        if (bk_str_present(bk__req_header(req, hindering[i])))
            return false;
    return !req->personal && !(bk_str_present(wish) && refuses(wish));
}

static bool names(const char *const *list, bk_str name)
{
    for (; list != NULL && *list != NULL; list++)
        if (bk_str_ieq(bk_str_of(*list), name))
            return true;
    return false;
}

static bool varies_only_by(bk_str header, const char *const *vary)
{
    bk_str name;

    while (bk__header_list_next(&header, &name))
        if (!names(vary, name))
            return false;
    return true;
}

bool bk__cache_may_keep(const bk_res *res, uint32_t outer, const char *const *vary)
{
    if (res->status != 200 || res->started || res->kind == BK__BODY_STREAM || res->req->personal ||
        res->header_count < outer)
        return false;
    for (uint32_t i = outer; i < res->header_count; i++) {
        bk_pair header = res->headers[i];
        if (bk_str_ieq(header.name, BK_LIT("set-cookie")))
            return false;
        if (bk_str_ieq(header.name, BK_LIT("vary")) && !varies_only_by(header.value, vary))
            return false;
        if (bk_str_ieq(header.name, BK_LIT("cache-control")) &&
            (refuses(header.value) || has_directive(header.value, BK_LIT("private"))))
            return false;
    }
    return true;
}

/* --- times ------------------------------------------------------------------------------------ */

/* Seconds of a directive, in milliseconds; -1 when it is not there or is no number, which for
 * max-age means stale at once (RFC 9111, 4.2.1), so 0. */
static int64_t directive_ms(bk_str list, bk_str name)
{
    enum {
        YEAR_S = 365 * 24 * 3600
    };
    bk_str element, head;
    int64_t seconds;

    while (bk__header_list_next(&list, &element)) {
        (void)bk_str_split(&element, '=', &head);
        if (!bk_str_ieq(bk_str_trim(head), name))
            continue;
        element = bk_str_trim(element);
        if (element.len > 2 && element.ptr[0] == '"' && element.ptr[element.len - 1] == '"')
            element = bk_str_at(element.ptr + 1, element.len - 2);
        if (bk_str_to_i64(element, &seconds) != BK_OK || seconds < 0) {
            bk_error_clear();
            return 0;
        }
        return (seconds < YEAR_S ? seconds : YEAR_S) * 1000;
    }
    return -1;
}

static uint32_t clamp(int64_t ms)
{
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX - 1;
}

bool bk__cache_times(const bk_res *res, bk_cache_policy *policy)
{
    bk_str list = bk_res_get_header(res, "Cache-Control");

    if (!bk_str_present(list))
        return true;
    int64_t shared = directive_ms(list, BK_LIT("s-maxage"));
    int64_t fresh = shared >= 0 ? shared : directive_ms(list, BK_LIT("max-age"));
    int64_t stale = directive_ms(list, BK_LIT("stale-while-revalidate"));
    int64_t if_error = directive_ms(list, BK_LIT("stale-if-error"));

    if (fresh == 0)
        return false;
    if (fresh > 0)
        policy->ttl_ms = clamp(fresh);
    if (stale >= 0)
        policy->stale_ms = clamp(stale);
    if (if_error >= 0)
        policy->stale_if_error_ms = clamp(if_error);
    if (has_directive(list, BK_LIT("must-revalidate")) ||
        has_directive(list, BK_LIT("proxy-revalidate")))
        policy->stale_ms = policy->stale_if_error_ms = 0;
    return true;
}
