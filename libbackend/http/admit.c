/*
 * admit.c: the door. What every request must satisfy, whatever carried it, and which route it
 * takes.
 *
 * Runs on the loop's stack, before any handler and before the body is read, so that what cannot be
 * answered is refused early and its body is never held. HTTP/1's own syntax was checked in
 * http1_head.c, HTTP/2's in http2_guard.c.
 */
#include <string.h>

#include <backend/str.h>

#include "core/encode.h"
#include "http/exchange.h"
#include "http/header.h"
#include "http/server.h"
#include "http/table.h"

static void refuse(bk_req *req, bk_err err, const char *why, bool closes)
{
    req->refusal = err;
    req->refusal_why = why;
    req->closes |= closes;
}

/* False for methods that this server does not know. */
static bool read_method(bk_str text, bk_method *out)
{
    for (int method = 0; method < BK__METHODS; method++) {
        if (bk_str_eq(text, bk_str_of(bk_method_name((bk_method)method)))) {
            *out = (bk_method)method;
            return true;
        }
    }
    return false;
}

/* RFC 3986, 3.2.2 in outline: what a Host may be made of. Empty is allowed (RFC 9112, 3.2). */
static bool is_host(bk_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  (c != '\0' && strchr("-._~%!$&'()*+,;=:[]", c) != NULL);
        if (!ok)
            return false;
    }
    return true;
}

/* Of "http://" or "https://", in any case; 0 for what begins with neither. */
static size_t scheme_length(bk_str target)
{
    static const bk_str schemes[] = {{"http://", 7}, {"https://", 8}};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = schemes[i].len;
        if (target.len > len && bk_str_ieq(bk_str_at(target.ptr, len), schemes[i]))
            return len;
    }
    return 0;
}

/* origin-form, absolute-form and "*" (RFC 9112, 3.2). Sets path, query and, from absolute-form, the
 * host. */
static bool read_target(bk_req *req)
{
    bk_str rest = req->target;

    if (bk_str_eq(rest, BK_LIT("*"))) {
        req->path = rest;
        return req->method == BK_METHOD_OPTIONS;
    }
    if (rest.len != 0 && rest.ptr[0] != '/') {
        size_t scheme = scheme_length(rest);
        if (scheme == 0)
            return false;
        rest = bk_str_at(rest.ptr + scheme, rest.len - scheme);
        size_t host = 0;
        while (host < rest.len && rest.ptr[host] != '/' && rest.ptr[host] != '?')
            host++;
        req->host = bk_str_at(rest.ptr, host);
        rest = bk_str_at(rest.ptr + host, rest.len - host);
        if (host == 0)
            return false;
        if (rest.len == 0 || rest.ptr[0] == '?') {
            req->path = BK_LIT("/");
            if (rest.len != 0)
                req->query = bk_str_at(rest.ptr + 1, rest.len - 1);
            return true;
        }
    }
    if (rest.len == 0)
        return false;
    const char *mark = memchr(rest.ptr, '?', rest.len);
    req->path = bk_str_at(rest.ptr, mark != NULL ? (size_t)(mark - rest.ptr) : rest.len);
    if (mark != NULL)
        req->query = bk_str_at(mark + 1, rest.len - req->path.len - 1);
    return true;
}

/* Parameters are decoded once, here; one that is no text is refused. */
static bool decode_params(bk_req *req)
{
    bk_arena *arena = &req->fiber->task.arena;

    for (size_t i = 0; i < req->match.count; i++) {
        bk_str *param = &req->match.params[i];
        if (memchr(param->ptr, '%', param->len) == NULL)
            continue;
        if (bk__percent_decode(arena, *param, false, param) != BK_OK || !bk_str_utf8(*param))
            return false;
    }
    return true;
}

/* The route whose middleware is to run around a 405 or an automatic OPTIONS: the one that a CORS
 * preflight asks about, else any. */
static const struct bk__route *neighbor_of(const bk_req *req, const struct bk__place *place)
{
    const struct bk__route *any = NULL;
    bk_method asked;

    if (req->method == BK_METHOD_OPTIONS &&
        read_method(bk__req_header(req, BK_LIT("access-control-request-method")), &asked)) {
        if (place->routes[asked] != NULL)
            return place->routes[asked];
        if (asked == BK_METHOD_HEAD && place->routes[BK_METHOD_GET] != NULL)
            return place->routes[BK_METHOD_GET];
    }
    for (size_t i = 0; i < BK__METHODS && any == NULL; i++)
        any = place->routes[i];
    return any;
}

static void find_route(bk_req *req)
{
    if (bk_str_eq(req->path, BK_LIT("*"))) {
        req->allow = (1u << BK__METHODS) - 1;
        refuse(req, BK_EMETHOD, NULL, false);
        return;
    }
    if (!bk__tree_find(req->server->table->tree, req->path, &req->match)) {
        refuse(req, BK_ENOTFOUND, NULL, false);
        return;
    }
    const struct bk__place *place = req->match.value;
    const struct bk__route *route = place->routes[req->method];
    if (route == NULL && req->method == BK_METHOD_HEAD)
        route = place->routes[BK_METHOD_GET];
    if (route == NULL) {
        req->allow = place->allow;
        req->neighbor = neighbor_of(req, place);
        refuse(req, BK_EMETHOD, NULL, false);
        return;
    }
    req->route = route;
    req->fiber->task.route = bk_str_of(route->pattern);
    req->fiber->task.name = route->opts.name;
    if (route->opts.body_limit_bytes != 0)
        req->body_limit = route->opts.body_limit_bytes;
    if (req->match.count != 0 && !decode_params(req))
        refuse(req, BK_EINVAL, "a path parameter is no UTF-8 text", false);
}

void bk__req_admit(bk_req *req)
{
    req->body_limit = req->server->limits.body_bytes;
    if (req->refusal != BK_OK)
        return;
    if (!read_method(req->method_text, &req->method)) {
        bool tunnel = bk_str_eq(req->method_text, BK_LIT("CONNECT"));
        refuse(req, BK_ENOTIMPL, "the method is not known here", tunnel);
        return;
    }
    uint32_t longest = req->server->limits.target_bytes;
    if (longest != BK_UNLIMITED && req->target.len > longest) {
        refuse(req, BK_EURITOOLONG, "the request target is too long", true);
        return;
    }
    if (!read_target(req)) {
        refuse(req, BK_EINVAL, "the request target has no form that is served here", true);
        return;
    }
    if (!is_host(req->host)) {
        refuse(req, BK_EINVAL, "Host holds what it may not", true);
        return;
    }
    req->admitted = true;
    find_route(req);
}
