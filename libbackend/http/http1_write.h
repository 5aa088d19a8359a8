/*
 * http1_write.h: the text of an HTTP/1 answer.
 */
#ifndef BK_HTTP_HTTP1_WRITE_H
#define BK_HTTP_HTTP1_WRITE_H

#include "core/arena.h"
#include "http/transport.h"

/* What the Connection field says; NONE leaves it out, which means keep-alive in HTTP/1.1. */
enum bk__connection_field {
    BK__CONNECTION_NONE,
    BK__CONNECTION_CLOSE,
    BK__CONNECTION_KEEP_ALIVE
};

/* A body in chunks. */
#define BK__LENGTH_CHUNKED (UINT64_MAX - 1)

/* Status line and header fields, with the empty line. @p length: of the body, BK__LENGTH_CHUNKED,
 * or BK_LENGTH_UNKNOWN for a body that ends with the connection. @p date: 29 bytes. */
bk_str bk__http1_write_head(bk_arena *arena, const struct bk__head *head, uint64_t length,
                            enum bk__connection_field field, const char *date);

enum {
    BK__CHUNK_HEAD = 18 /* 16 digits and the end of the line */
};

/* "1a2b\r\n", at the end of @p room. */
bk_str bk__http1_chunk_head(char room[BK__CHUNK_HEAD], size_t len);

#endif
