/*
 * ws_handshake.c: what makes a request a WebSocket. See ws_handshake.h.
 *
 * A browser sends cookies along with the handshake from any page of any site, and asks nobody
 * first: the check of Origin is what stands in for CORS (RFC 6455, 10.2).
 */
#include "http/ws_handshake.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "http/exchange.h"
#include "http/header.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */

enum {
    KEY_LEN = 24 /* 16 bytes as base64 */
};

void bk__ws_accept_key(bk_str key, char out[BK__WS_ACCEPT + 1])
{
    unsigned char text[KEY_LEN + sizeof GUID], digest[SHA_DIGEST_LENGTH];

    memcpy(text, key.ptr, KEY_LEN);
    memcpy(text + KEY_LEN, GUID, sizeof GUID - 1);
    SHA1(text, KEY_LEN + sizeof GUID - 1, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

static bool is_key(bk_str key)
{
    unsigned char bytes[KEY_LEN];

    return key.len == KEY_LEN && memcmp(key.ptr + KEY_LEN - 2, "==", 2) == 0 &&
           key.ptr[KEY_LEN - 3] != '=' &&
           EVP_DecodeBlock(bytes, (const unsigned char *)key.ptr, KEY_LEN) > 0;
}

static bk_str without_port(bk_str host, bk_str port)
{
    if (host.len > port.len && memcmp(host.ptr + host.len - port.len, port.ptr, port.len) == 0)
        host.len -= port.len;
    return host;
}

static bool same_host(bk_str origin, bk_str scheme, bk_str port, bk_str host)
{
    if (!bk_str_starts(origin, scheme))
        return false;
    bk_str from = bk_str_at(origin.ptr + scheme.len, origin.len - scheme.len);
    return from.len != 0 && bk_str_ieq(without_port(from, port), without_port(host, port));
}

bool bk__ws_same_host(bk_str origin, bk_str host)
{
    return same_host(origin, BK_LIT("https://"), BK_LIT(":443"), host) ||
           same_host(origin, BK_LIT("http://"), BK_LIT(":80"), host);
}

static bool is_allowed(bk_str origin, bk_str host, const char *const *origins)
{
    if (!bk_str_present(origin))
        return true; /* no browser, so nobody's cookies are abused */
    if (origins == NULL)
        return bk__ws_same_host(origin, host);
    for (; *origins != NULL; origins++)
        if (strcmp(*origins, BK_WS_ANY_ORIGIN) == 0 || bk_str_ieq(origin, bk_str_of(*origins)))
            return true;
    return false;
}

static bk_str choose_protocol(bk_str offered, const char *const *protocols)
{
    for (; protocols != NULL && *protocols != NULL; protocols++) {
        bk_str rest = offered, element;
        while (bk_str_present(rest) && bk__header_list_next(&rest, &element))
            if (bk_str_eq(element, bk_str_of(*protocols)))
                return bk_str_of(*protocols);
    }
    return (bk_str){NULL, 0};
}

/* Says what is spoken here. */
static void name_protocol(bk_res *res)
{
    bk__res_push_header(res, BK_LIT("Upgrade"), BK_LIT("websocket"));
    bk__res_push_header(res, BK_LIT("Connection"), BK_LIT("Upgrade"));
}

static bk_err refuse_version(bk_res *res, const char *why)
{
    name_protocol(res);
    bk__res_push_header(res, BK_LIT("Sec-WebSocket-Version"), BK_LIT("13"));
    return bk_fail(BK_EUPGRADE, "%s", why);
}

bk_err bk__ws_handshake(bk_req *req, bk_res *res, const bk_ws_opts *opts, bk_str *protocol)
{
    bk_str key = bk__req_header(req, BK_LIT("sec-websocket-key"));
    bk_str origin = bk__req_header(req, BK_LIT("origin"));
    bk_str offered = bk__req_header(req, BK_LIT("sec-websocket-protocol"));

    if (req->transport != NULL && req->transport->upgrade == NULL)
        return bk_fail(BK_ENOTIMPL, "WebSocket is spoken over HTTP/1.1 only");
    if (req->method != BK_METHOD_GET || req->version != 11 ||
        !bk__header_list_has(bk__req_header(req, BK_LIT("upgrade")), BK_LIT("websocket")) ||
        !bk__header_list_has(bk__req_header(req, BK_LIT("connection")), BK_LIT("upgrade")))
        return refuse_version(res, "this is a WebSocket: begin with its handshake");
    if (!bk_str_eq(bk__req_header(req, BK_LIT("sec-websocket-version")), BK_LIT("13")))
        return refuse_version(res, "of WebSocket, only version 13 is spoken");
    if (!is_key(key))
        return bk_fail(BK_EINVAL, "Sec-WebSocket-Key is not 16 bytes in base64");
    if (!is_allowed(origin, bk_req_host(req), opts->origins))
        return bk_fail(BK_EFORBIDDEN, "pages of this origin may not connect");
    name_protocol(res);
    char *accept = bk_arena_alloc(bk_req_arena(req), BK__WS_ACCEPT + 1);
    bk__ws_accept_key(key, accept);
    bk__res_push_header(res, BK_LIT("Sec-WebSocket-Accept"), bk_str_at(accept, BK__WS_ACCEPT));
    *protocol = choose_protocol(offered, opts->protocols);
    if (bk_str_present(*protocol))
        bk__res_push_header(res, BK_LIT("Sec-WebSocket-Protocol"), *protocol);
    return BK_OK;
}
