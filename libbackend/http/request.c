/*
 * request.c: reading a request. See <backend/request.h>.
 *
 * What a handler may never ask for (id, client address, decoded query) is made when it is asked
 * for, and kept.
 */
#include <string.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/random.h"
#include "http/cookie.h"
#include "http/exchange.h"
#include "http/form.h"
#include "http/forwarded.h"
#include "http/header.h"
#include "http/multipart.h"
#include "http/server.h"
#include "http/table.h"

struct bk__req_value {
    struct bk__req_value *next;
    const void *key;
    void *value;
};

bk_arena *bk_req_arena(bk_req *req)
{
    return &req->fiber->task.arena;
}

bk_app *bk_req_app(const bk_req *req)
{
    return req->server->app;
}

void *bk_req_state(const bk_req *req)
{
    return req->server->state;
}

bk_method bk_req_method(const bk_req *req)
{
    return req->method;
}

bk_str bk_req_path(const bk_req *req)
{
    return req->path;
}

bk_str bk_req_query(const bk_req *req)
{
    return req->query;
}

int bk_req_version(const bk_req *req)
{
    return req->version;
}

bk_str bk_req_route(const bk_req *req)
{
    return req->route != NULL ? bk_str_of(req->route->pattern) : (bk_str){NULL, 0};
}

void *bk_req_route_data(const bk_req *req)
{
    return req->route != NULL ? req->route->opts.data : NULL;
}

bool bk_req_gone(const bk_req *req)
{
    return req->lost;
}

/* --- headers ---------------------------------------------------------------------------------- */

/* The values of a field that came more than once, joined. */
static bk_str join(const bk_req *req, bk_str name, uint32_t first)
{
    bk_buf buf = {.arena = &req->fiber->task.arena};
    bool cookie = bk_str_eq(name, BK_LIT("cookie")); /* RFC 9113, 8.2.3 */

    for (uint32_t i = first; i < req->header_count; i++) {
        if (!bk_str_eq(req->headers[i].name, name))
            continue;
        if (i != first)
            bk_buf_add(&buf, cookie ? BK_LIT("; ") : BK_LIT(", "));
        bk_buf_add(&buf, req->headers[i].value);
    }
    return bk_buf_str(&buf);
}

bk_str bk__req_header(const bk_req *req, bk_str name)
{
    uint32_t first = UINT32_MAX;

    for (uint32_t i = 0; i < req->header_count; i++) {
        if (!bk_str_eq(req->headers[i].name, name))
            continue;
        if (first != UINT32_MAX)
            return join(req, name, first);
        first = i;
    }
    return first != UINT32_MAX ? req->headers[first].value : (bk_str){NULL, 0};
}

bk_str bk_req_header(const bk_req *req, const char *name)
{
    char lower[128];
    size_t len = strlen(name);

    if (len > sizeof lower)
        return (bk_str){NULL, 0};
    for (size_t i = 0; i < len; i++)
        lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
    if (bk_str_eq(bk_str_at(lower, len), BK_LIT("cookie")))
        ((bk_req *)(uintptr_t)req)->personal = true; /* a mark of ours, nothing the caller sees */
    return bk__req_header(req, bk_str_at(lower, len));
}

bk_pairs bk_req_headers(const bk_req *req)
{
    return (bk_pairs){req->headers, req->header_count};
}

bk_str bk_req_content_type(bk_req *req)
{
    bk_str value = bk__req_header(req, BK_LIT("content-type"));

    if (!bk_str_present(value))
        return value;
    bk_str type = bk_arena_dup(bk_req_arena(req), bk__header_media_type(value));
    for (size_t i = 0; i < type.len; i++) {
        char *c = (char *)type.ptr + i; /* our own copy */
        if (*c >= 'A' && *c <= 'Z')
            *c |= 0x20;
    }
    return type;
}

/* --- who asks --------------------------------------------------------------------------------- */

bk_str bk__req_peer(bk_req *req)
{
    if (bk_str_present(req->peer))
        return req->peer;
    bk_assert(req->transport != NULL); /* else bk__req_lost() has asked in time */
    char *text = bk__arena_get(bk_req_arena(req), BK__PEER_TEXT);
    req->transport->peer(req, text);
    req->peer = bk_str_of(text);
    return req->peer;
}

/* A header that only counts when proxies are known to set it. */
static bk_str proxy_header(const bk_req *req, bool set_by_proxies, bk_str name)
{
    return set_by_proxies ? bk__req_header(req, name) : (bk_str){NULL, 0};
}

/* Client, scheme and host, as trusted proxies tell. */
static void resolve(bk_req *req)
{
    struct bk__forwarded found = {.client = bk__req_peer(req)};
    bool forwarded = req->server->forwarded;

    if (req->server->trust != NULL)
        bk__forwarded_resolve(bk_req_arena(req), req->server->trust, found.client,
                              proxy_header(req, forwarded, BK_LIT("forwarded")),
                              proxy_header(req, !forwarded, BK_LIT("x-forwarded-for")),
                              proxy_header(req, !forwarded, BK_LIT("x-forwarded-proto")),
                              proxy_header(req, !forwarded, BK_LIT("x-forwarded-host")), &found);
    req->client = found.client;
    req->scheme = bk_str_present(found.scheme) ? found.scheme
                  : req->secure                ? BK_LIT("https")
                                               : BK_LIT("http");
    if (bk_str_present(found.host))
        req->host = found.host;
}

bk_str bk_req_client(bk_req *req)
{
    if (!bk_str_present(req->client))
        resolve(req);
    return req->client;
}

bk_str bk_req_scheme(const bk_req *req)
{
    bk_req *self = (bk_req *)(uintptr_t)req; /* what is resolved late was so all along */

    if (!bk_str_present(req->scheme))
        resolve(self);
    return req->scheme;
}

bk_str bk_req_host(const bk_req *req)
{
    if (req->server->trust != NULL)
        (void)bk_req_scheme(req);
    return req->host;
}

bk_str bk__req_believed_header(bk_req *req, bk_str name, bool anyone)
{
    const struct bk__trust *trust = req->server->trust;

    if (!anyone && trust == NULL)
        return (bk_str){NULL, 0};
    bk_str sent = bk__req_header(req, name);
    if (!bk_str_present(sent) || anyone || bk__trust_has(trust, bk__req_peer(req)))
        return sent;
    return (bk_str){NULL, 0};
}

bool bk__req_id_fits(bk_str id)
{
    if (id.len == 0 || id.len > 128)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

void bk__req_set_id(bk_req *req, bk_str id)
{
    req->id = id;
    req->id_given = true;
    req->fiber->task.request_id = id;
}

/* Ids of others are believed from trusted peers alone, and only when they are harmless. */
bool bk__req_take_id(bk_req *req, bk_str lower_case_name, bool anyone)
{
    bk_str sent = bk__req_believed_header(req, lower_case_name, anyone);

    if (!bk__req_id_fits(sent))
        return false;
    bk__req_set_id(req, sent);
    return true;
}

bk_str bk_req_id(bk_req *req)
{
    if (bk_str_present(req->id) || bk__req_take_id(req, BK_LIT("x-request-id"), false))
        return req->id;
    char *text = bk__arena_get(bk_req_arena(req), BK__UUID_TEXT);
    bk__uuid7(text);
    req->id = bk_str_at(text, BK__UUID_TEXT);
    req->fiber->task.request_id = req->id;
    return req->id;
}

/* --- path and query --------------------------------------------------------------------------- */

bk_str bk_req_param(const bk_req *req, const char *name)
{
    bk_str wanted = bk_str_of(name);

    bk_assert(req->route != NULL);
    for (size_t i = 0; i < req->route->name_count; i++)
        if (bk_str_eq(req->route->names[i], wanted))
            return req->match.params[i];
    bk_unreachable("the route has no path parameter of that name");
}

bk_err bk_req_param_i64(const bk_req *req, const char *name, int64_t *out)
{
    if (bk_str_to_i64(bk_req_param(req, name), out) == BK_OK)
        return BK_OK;
    return bk_fail_field(BK_EINVAL, bk_str_of(name), BK_LIT("type"), BK_LIT("must be an integer"));
}

bk_str bk_req_query_str(bk_req *req, const char *name)
{
    bk_str value;

    if (bk__form_find(bk_req_arena(req), req->query, bk_str_of(name), &value) != BK_OK)
        return (bk_str){NULL, 0};
    return value;
}

bk_err bk_req_query_i64(bk_req *req, const char *name, int64_t fallback, int64_t min, int64_t max,
                        int64_t *out)
{
    int64_t value = fallback;
    bk_str text;
    bk_err err = bk__form_find(bk_req_arena(req), req->query, bk_str_of(name), &text);

    if (err != BK_OK || bk_str_present(text)) {
        if (err != BK_OK || bk_str_to_i64(text, &value) != BK_OK)
            return bk_fail_field(BK_EINVAL, bk_str_of(name), BK_LIT("type"),
                                 BK_LIT("must be an integer"));
        if (value < min || value > max)
            return bk_fail_field(BK_EINVAL, bk_str_of(name),
                                 value < min ? BK_LIT("minimum") : BK_LIT("maximum"),
                                 bk_arena_printf(bk_req_arena(req), "must be from %lld to %lld",
                                                 (long long)min, (long long)max));
    }
    *out = value;
    return BK_OK;
}

bk_err bk_req_query_all(bk_req *req, bk_pairs *out)
{
    if (!req->query_parsed) {
        BK_TRY(bk__form_parse(bk_req_arena(req), req->query, &req->query_pairs));
        req->query_parsed = true;
    }
    *out = req->query_pairs;
    return BK_OK;
}

bk_err bk_req_bind_query(bk_req *req, bk_desc_fn desc, void *out)
{
    return bk_bind_form(bk_req_arena(req), req->query, desc, NULL, out);
}

/* --- cookies ---------------------------------------------------------------------------------- */

bk_str bk_req_cookie(bk_req *req, const char *name)
{
    bk_str header = bk__req_header(req, BK_LIT("cookie"));

    req->personal = true;
    return bk_str_present(header) ? bk__cookie_find(header, bk_str_of(name)) : header;
}

bk_str bk_req_cookie_signed(bk_req *req, const char *name)
{
    bk_str value = bk_req_cookie(req, name);

    if (!bk_str_present(value) || !bk_str_present(req->server->secret))
        return (bk_str){NULL, 0};
    return bk__cookie_verify(req->server->secret, bk_str_of(name), value);
}

/* --- body ------------------------------------------------------------------------------------- */

bk_str bk_req_body(const bk_req *req)
{
    return bk_str_at(req->body != NULL ? req->body : "", req->body_len);
}

static bool is_json(bk_str type)
{
    return bk_str_eq(type, BK_LIT("application/json")) ||
           (type.len > 5 && memcmp(type.ptr + type.len - 5, "+json", 5) == 0);
}

static bool is_form(bk_str type)
{
    return bk_str_eq(type, BK_LIT("application/x-www-form-urlencoded"));
}

/* Both are UTF-8 here (RFC 8259, 8.1); another charset is not guessed at. */
static bk_err check_charset(bk_req *req)
{
    bk_str value = bk__req_header(req, BK_LIT("content-type"));
    bk_str charset = bk__header_param(bk_req_arena(req), value, BK_LIT("charset"));
    bk_str coding = bk__req_header(req, BK_LIT("content-encoding"));

    if (bk_str_present(charset) && !bk_str_ieq(charset, BK_LIT("utf-8")))
        return bk_fail(BK_EMEDIATYPE, "charset %.*s is not supported, send utf-8", (int)charset.len,
                       charset.ptr);
    if (coding.len != 0 && !bk_str_ieq(coding, BK_LIT("identity")))
        return bk_fail(BK_EMEDIATYPE, "content-encoding %.*s is not supported", (int)coding.len,
                       coding.ptr);
    return BK_OK;
}

static bk_err refuse_type(bk_str type, const char *wanted)
{
    return bk_fail(BK_EMEDIATYPE, "the body is %.*s, send %s",
                   bk_str_present(type) ? (int)type.len : 10,
                   bk_str_present(type) ? type.ptr : "of no type", wanted);
}

bk_err bk_req_bind_opts(bk_req *req, bk_desc_fn desc, const bk_bind_opts *opts, void *out)
{
    bk_str type = bk_req_content_type(req);

    if (is_json(type)) {
        BK_TRY(check_charset(req));
        return bk_bind_json(bk_req_arena(req), bk_req_body(req), desc, opts, out);
    }
    if (is_form(type)) {
        BK_TRY(check_charset(req));
        return bk_bind_form(bk_req_arena(req), bk_req_body(req), desc, opts, out);
    }
    return refuse_type(type, "application/json");
}

bk_err bk_req_bind(bk_req *req, bk_desc_fn desc, void *out)
{
    return bk_req_bind_opts(req, desc, NULL, out);
}

bk_err bk_req_json(bk_req *req, bk_json **out)
{
    bk_str type = bk_req_content_type(req);

    if (!is_json(type))
        return refuse_type(type, "application/json");
    BK_TRY(check_charset(req));
    return bk_json_parse(bk_req_arena(req), bk_req_body(req), NULL, out);
}

bk_err bk_req_form(bk_req *req, bk_pairs *out)
{
    bk_str type = bk_req_content_type(req);

    if (!is_form(type))
        return refuse_type(type, "application/x-www-form-urlencoded");
    BK_TRY(check_charset(req));
    return bk__form_parse(bk_req_arena(req), bk_req_body(req), out);
}

bk_err bk_req_multipart(bk_req *req, const bk_multipart_opts *opts, bk_parts *out)
{
    bk_str boundary, value = bk__req_header(req, BK_LIT("content-type"));

    if (!bk_str_present(value))
        return refuse_type(value, "multipart/form-data");
    BK_TRY(bk__multipart_boundary(value, &boundary));
    return bk__multipart_parse(bk_req_arena(req), bk_req_body(req), boundary, opts, out);
}

/* --- values of middleware --------------------------------------------------------------------- */

void bk_req_set(bk_req *req, const void *key, void *value)
{
    for (struct bk__req_value *at = req->values; at != NULL; at = at->next) {
        if (at->key == key) {
            at->value = value;
            return;
        }
    }
    struct bk__req_value *fresh = bk__arena_get(bk_req_arena(req), sizeof *fresh);
    *fresh = (struct bk__req_value){req->values, key, value};
    req->values = fresh;
}

void *bk_req_get(const bk_req *req, const void *key)
{
    for (const struct bk__req_value *at = req->values; at != NULL; at = at->next)
        if (at->key == key)
            return at->value;
    return NULL;
}
