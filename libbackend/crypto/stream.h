/*
 * stream.h: reading and writing a socket that may speak TLS.
 *
 * As read(2) and write(2): -1 with errno EAGAIN when it would have to wait, 0 from reading at the
 * end of the stream. The descriptor is non-blocking.
 */
#ifndef BK_CRYPTO_STREAM_H
#define BK_CRYPTO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ssl_st;

/* @p ssl: NULL: no TLS. */
ssize_t bk__stream_read(int fd, struct ssl_st *ssl, void *to, size_t len);
ssize_t bk__stream_write(int fd, struct ssl_st *ssl, const void *from, size_t len);

/* True when bytes that were decrypted already wait to be read, which no descriptor will tell of. */
bool bk__stream_pending(const struct ssl_st *ssl);

#endif
