/*
 * http1_request.c: see http1_request.h.
 */
#include "http/http1_request.h"

#include <string.h>

#include "http/server.h"

static size_t limit(uint32_t value)
{
    return value == BK_UNLIMITED ? SIZE_MAX : value;
}

struct bk__http1_limits bk__http1_limits_of(const struct bk__server *server)
{
    const bk_limits *limits = &server->limits;

    return (struct bk__http1_limits){limit(limits->target_bytes), limit(limits->header_bytes),
                                     limit(limits->header_count)};
}

void bk__http1_refuse(bk_req *req, bk_err err, const char *why)
{
    req->refusal = err;
    req->refusal_why = why;
    req->closes = true;
}

static bool is_too_long(const bk_req *req, const struct bk__http1_head *head)
{
    return head->has_length && req->body_limit != BK_UNLIMITED && head->length > req->body_limit;
}

bk_err bk__http1_request(bk_req *req, const char *bytes, size_t len, size_t lines,
                         struct bk__http1_head *head)
{
    struct bk_arena *arena = &req->fiber->task.arena;
    const char *why = NULL;
    char *copy = bk__arena_get(arena, len);

    memcpy(copy, bytes, len);
    *head = (struct bk__http1_head){.headers = bk__arena_get(arena, lines * sizeof(bk_pair))};
    bk_err err = bk__http1_parse(copy, len, head, &why);
    req->method_text = head->method;
    req->target = head->target;
    req->host = head->host;
    req->headers = head->headers;
    req->header_count = (uint32_t)head->count;
    req->version = head->version != 0 ? head->version : 11;
    if (err != BK_OK) {
        bk__http1_refuse(req, err, why);
        return err;
    }
    bk__req_admit(req);
    if (is_too_long(req, head)) {
        if (req->refusal == BK_OK)
            req->refusal = BK_ETOOBIG;
        req->closes = true;
    }
    return BK_OK;
}
