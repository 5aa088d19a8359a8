/*
 * link.c: reading and writing the socket that libpq has set up. See link.h.
 *
 * With TLS we read and write through libpq's SSL object, whose BIO is libpq's own and only sends
 * and receives. libpq has nothing buffered: it has read the first ReadyForQuery, behind which a
 * server says nothing unless asked, or what it says (a notice) may be lost without harm.
 */
#include "pg/link.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <libpq-fe.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

/* What a call on the SSL object that returned @p got means as the return of read(2). */
static ssize_t tls_result(const struct bk__pg_link *link, int got)
{
    int saved = errno;
    int what = SSL_get_error(link->ssl, got);
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

ssize_t bk__pg_link_read(struct bk__pg_link *link, void *to, size_t len)
{
    ssize_t got;

    if (link->ssl != NULL) {
        tls_prepare();
        int count = SSL_read(link->ssl, to, tls_len(len));
        return count > 0 ? count : tls_result(link, count);
    }
    do {
        got = recv(link->fd, to, len, 0);
    } while (got < 0 && errno == EINTR);
    return got;
}

ssize_t bk__pg_link_write(struct bk__pg_link *link, const void *from, size_t len)
{
    ssize_t sent;

    if (link->ssl != NULL) {
        tls_prepare();
        int count = SSL_write(link->ssl, from, tls_len(len));
        if (count > 0)
            return count;
        if (tls_result(link, count) == 0)
            errno = EPIPE; /* writing knows no end of the stream */
        return -1;
    }
    do {
        sent = send(link->fd, from, len, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

bool bk__pg_link_pending(const struct bk__pg_link *link)
{
    return link->ssl != NULL && SSL_pending(link->ssl) > 0;
}

/* PQfinish() writes Terminate, and does not wait since the connection was made non-blocking. */
void bk__pg_link_close(struct bk__pg_link *link)
{
    if (link == NULL)
        return;
    PQfinish(link->libpq);
    explicit_bzero(&link->key, sizeof link->key);
    free(link);
}
