/*
 * http2.h: HTTP/2 (RFC 9113) by libh2o, and what 2.2.5 leaves open closed (see
 * docs/internals/http2.md).
 */
#ifndef BK_HTTP_HTTP2_H
#define BK_HTTP_HTTP2_H

struct bk__peer;
struct bk__server;
struct st_h2o_socket_t;

/* Makes h2o's context on the server's loop; sets server->h2. Checks that the private layouts this
 * relies on are those of the library that is linked, and stops the program if not. */
void bk__http2_open(struct bk__server *server);

/* Frees it; all connections must be closed. NULL server->h2 is fine. */
void bk__http2_close(struct bk__server *server);

/* Takes over a socket whose TLS handshake chose "h2". */
void bk__http2_accept(struct bk__server *server, struct st_h2o_socket_t *sock,
                      const struct bk__peer *peer);

/* GOAWAY on each connection; it closes when its streams are done. */
void bk__http2_drain(struct bk__server *server);

/* Closes all, now. */
void bk__http2_close_all(struct bk__server *server);

#endif
