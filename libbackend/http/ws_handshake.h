/*
 * ws_handshake.h: what makes a request a WebSocket (RFC 6455, 4.2).
 */
#ifndef BK_HTTP_WS_HANDSHAKE_H
#define BK_HTTP_WS_HANDSHAKE_H

#include <backend/websocket.h>

/* Checks the request, and puts the fields of the answer into @p res: for a 101, or for the error
 * that it returns; see bk_ws_accept(). @p protocol receives the subprotocol, absent if none. */
bk_err bk__ws_handshake(bk_req *req, bk_res *res, const bk_ws_opts *opts, bk_str *protocol);

enum {
    BK__WS_ACCEPT = 28
};

/* Sec-WebSocket-Accept for a key; ends with NUL. */
void bk__ws_accept_key(bk_str key, char out[BK__WS_ACCEPT + 1]);

/* Is @p origin ("https://shop.example:8443") that of a page of @p host ("shop.example:8443")? The
 * default port of the origin's scheme may be there or not. */
bool bk__ws_same_host(bk_str origin, bk_str host);

#endif
