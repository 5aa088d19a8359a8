/*
 * http1.h: HTTP/1.0 and 1.1 (RFC 9112) over the loop's sockets.
 */
#ifndef BK_HTTP_HTTP1_H
#define BK_HTTP_HTTP1_H

struct bk__peer;
struct bk__server;
struct st_h2o_socket_t;

/* Takes over an accepted socket, TLS done. */
void bk__http1_accept(struct bk__server *server, struct st_h2o_socket_t *sock,
                      const struct bk__peer *peer);

/* Closes idle connections; those at work close after their answer. */
void bk__http1_drain(struct bk__server *server);

/* Closes all, now. Requests at work are told that their client is gone. */
void bk__http1_close_all(struct bk__server *server);

#endif
