/*
 * socket.c: reading and writing, with TLS or without. See dial.h.
 */
#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "crypto/stream.h"
#include "redis/dial.h"

ssize_t bk__redis_socket_read(struct bk__redis_socket *sock, void *to, size_t len)
{
    return bk__stream_read(sock->fd, sock->ssl, to, len);
}

ssize_t bk__redis_socket_write(struct bk__redis_socket *sock, const void *from, size_t len)
{
    return bk__stream_write(sock->fd, sock->ssl, from, len);
}

bool bk__redis_socket_pending(const struct bk__redis_socket *sock)
{
    return bk__stream_pending(sock->ssl);
}

void bk__redis_socket_close(struct bk__redis_socket *sock)
{
    if (sock == NULL)
        return;
    if (sock->ssl != NULL) {
        (void)SSL_shutdown(sock->ssl);
        ERR_clear_error();
        SSL_free(sock->ssl);
    }
    if (sock->fd >= 0)
        close(sock->fd);
    free(sock);
}
