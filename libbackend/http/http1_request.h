/*
 * http1_request.h: from the bytes of a head to an admitted request.
 *
 * What a socket's connection (http1.c) and the test client (transport_test.c) have in common, so
 * that both meet the same strictness.
 */
#ifndef BK_HTTP_HTTP1_REQUEST_H
#define BK_HTTP_HTTP1_REQUEST_H

#include "http/exchange.h"
#include "http/http1_head.h"

/* The server's limits as the parser wants them. */
struct bk__http1_limits bk__http1_limits_of(const struct bk__server *server);

/*
 * Copies a whole head of @p lines lines, as scanned, into the request's arena, parses it there,
 * fills the request in and has it admitted. A body that is announced to be too large is a refusal
 * already.
 *
 * @p head says how the body is framed. Returns what the parser does; where that is an error, it is
 * the refusal, and where the request ends is not known.
 */
bk_err bk__http1_request(bk_req *req, const char *bytes, size_t len, size_t lines,
                         struct bk__http1_head *head);

/* Makes @p err the answer of a request whose end is not known. @p why: static, or NULL. */
void bk__http1_refuse(bk_req *req, bk_err err, const char *why);

#endif
