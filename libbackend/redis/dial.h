/*
 * dial.h: a socket to a Redis server: names resolved, connected, TLS shaken.
 */
#ifndef BK_REDIS_DIAL_H
#define BK_REDIS_DIAL_H

#include <sys/types.h>

#include "redis/url.h"

struct ssl_st;

/* A connected, non-blocking socket. */
struct bk__redis_socket {
    int fd;
    struct ssl_st *ssl; /* NULL: no TLS */
};

/* As read(2) and write(2), through TLS where there is some: -1 with errno EAGAIN when it would have
 * to wait, 0 from read at the end of the stream. */
ssize_t bk__redis_socket_read(struct bk__redis_socket *sock, void *to, size_t len);
ssize_t bk__redis_socket_write(struct bk__redis_socket *sock, const void *from, size_t len);

/* True when bytes that were decrypted already wait to be read, which no descriptor will tell of. */
bool bk__redis_socket_pending(const struct bk__redis_socket *sock);

/* Closes and frees it. NULL is fine. */
void bk__redis_socket_close(struct bk__redis_socket *sock);

/* An attempt to connect. */
struct bk__redis_dialing;

/* Called once, on the loop's stack. @p sock: NULL when it failed, else the receiver's to close.
 * @p why: of a failure, one line; borrowed. */
typedef void (*bk__redis_dialed_fn)(struct bk__redis_socket *sock, const char *why, void *data);

/* Begins to connect to @p host, or to the target's unix socket where it is NULL, on a thread of its
 * own, since resolving names and reading certificates block. @p host: copied. */
struct bk__redis_dialing *bk__redis_dial(struct bk__redis_target *target, const char *host,
                                         uint16_t port, uint32_t timeout_ms, bk__redis_dialed_fn fn,
                                         void *data);

/* fn is not called any more. Does not wait: a thread that hangs in the resolver ends by itself. Not
 * once fn was called. */
void bk__redis_dial_abandon(struct bk__redis_dialing *dialing);

#endif
