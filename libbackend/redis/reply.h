/*
 * reply.h: bytes of a server as replies. hiredis parses; what it finds becomes a bk_reply.
 */
#ifndef BK_REDIS_REPLY_H
#define BK_REDIS_REPLY_H

#include <backend/redis.h>

struct bk__redis_reader;

/* @p limit: most bytes that one reply may have; BK_UNLIMITED. */
struct bk__redis_reader *bk__redis_reader_new(uint32_t limit);
void bk__redis_reader_free(struct bk__redis_reader *reader); /* NULL is fine */

/* Adds bytes. BK_EIO, with words from bk__redis_reader_why(), when they cannot be kept. */
bk_err bk__redis_reader_feed(struct bk__redis_reader *reader, const char *bytes, size_t len);

/* The next whole reply; it lives until the next call. BK_EAGAIN: more bytes are needed. BK_EIO:
 * this is no Redis, or the reply is too large; nothing more can be read. */
bk_err bk__redis_reader_next(struct bk__redis_reader *reader, bk_reply *reply);

const char *bk__redis_reader_why(const struct bk__redis_reader *reader);

/* A copy of @p reply and of all that it points to. */
void bk__redis_reply_copy(bk_arena *arena, const bk_reply *reply, bk_reply *out);

#endif
