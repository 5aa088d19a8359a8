/*
 * stream.c: see stream.h.
 */
#include "crypto/stream.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* What a TLS call that returned @p got means as the return of read(2). */
static ssize_t tls_result(const SSL *ssl, int got)
{
    int saved = errno;
    int what = SSL_get_error(ssl, got);
    int reason = ERR_GET_REASON(ERR_peek_error());

    ERR_clear_error();
    switch (what) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        errno = saved;
        return saved != 0 ? -1 : 0;
    default:
        errno = EPROTO;
        return reason == SSL_R_UNEXPECTED_EOF_WHILE_READING ? 0 : -1;
    }
}

static int tls_len(size_t len)
{
    return len < INT_MAX ? (int)len : INT_MAX;
}

/* Errors that other code of this thread left behind would be taken for ours. */
static void tls_prepare(void)
{
    ERR_clear_error();
    errno = 0;
}

ssize_t bk__stream_read(int fd, struct ssl_st *ssl, void *to, size_t len)
{
    ssize_t got;

    if (ssl != NULL) {
        tls_prepare();
        int count = SSL_read(ssl, to, tls_len(len));
        return count > 0 ? count : tls_result(ssl, count);
    }
    do
        got = recv(fd, to, len, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

ssize_t bk__stream_write(int fd, struct ssl_st *ssl, const void *from, size_t len)
{
    ssize_t sent;

    if (ssl != NULL) {
        tls_prepare();
        int count = SSL_write(ssl, from, tls_len(len));
        if (count > 0)
            return count;
        if (tls_result(ssl, count) == 0)
            errno = EPIPE; /* writing knows no end of the stream */
        return -1;
    }
    do
        sent = send(fd, from, len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

bool bk__stream_pending(const struct ssl_st *ssl)
{
    return ssl != NULL && SSL_pending(ssl) > 0;
}
