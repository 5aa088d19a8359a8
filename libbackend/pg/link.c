/*
 * link.c: reading and writing the socket that libpq has set up. See link.h.
 *
 * With TLS we read and write through libpq's SSL object, whose BIO is libpq's own and only sends
 * and receives. libpq has nothing buffered: it has read the first ReadyForQuery, behind which a
 * server says nothing unless asked, or what it says (a notice) may be lost without harm.
 */
#include "pg/link.h"

#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "crypto/stream.h"

ssize_t bk__pg_link_read(struct bk__pg_link *link, void *to, size_t len)
{
    return bk__stream_read(link->fd, link->ssl, to, len);
}

ssize_t bk__pg_link_write(struct bk__pg_link *link, const void *from, size_t len)
{
    return bk__stream_write(link->fd, link->ssl, from, len);
}

bool bk__pg_link_pending(const struct bk__pg_link *link)
{
    return bk__stream_pending(link->ssl);
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
