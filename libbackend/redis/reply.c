/*
 * reply.c: replies. See reply.h.
 *
 * hiredis' reader calls our functions for each object, which build bk_reply in an arena of the
 * reader's own: a reply may come in pieces, and whoever waits for it may be gone before the last.
 *
 * What must hold: no length that the server sends makes us reserve more than the limit. hiredis
 * asks for an array as soon as its length is there, before its items are.
 */
#include "redis/reply.h"

#include <stdlib.h>
#include <string.h>

#include <hiredis/read.h>

#include <backend/str.h>

#include "core/arena.h"
#include "core/assert.h"

/* Of hiredis' own buffer, kept between replies. */
#define KEPT_BYTES 65536

struct bk__redis_reader {
    redisReader *hiredis;
    bk_arena *arena;
    bk_reply root;
    uint32_t limit;
    size_t reserved; /* bytes of arrays of the reply that is being read */
    size_t fed;      /* bytes since the last whole reply */
    const char *why;
};

/* --- what hiredis calls ----------------------------------------------------------------------- */

static bk_reply *place_of(const redisReadTask *task)
{
    struct bk__redis_reader *reader = task->privdata;

    if (task->parent == NULL)
        return &reader->root;
    bk_reply *parent = task->parent->obj;
    return (bk_reply *)(uintptr_t)&parent->items[task->idx];
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    const struct bk__redis_reader *reader = task->privdata;
    bk_reply *reply = place_of(task);

    *reply = (bk_reply){
        .type = task->type == REDIS_REPLY_STATUS  ? BK_REPLY_STATUS
                : task->type == REDIS_REPLY_ERROR ? BK_REPLY_ERROR
                                                  : BK_REPLY_STR,
        .str = bk_arena_dup(reader->arena, (bk_str){text, len}),
    };
    return reply;
}

static void *create_array(const redisReadTask *task, int count)
{
    struct bk__redis_reader *reader = task->privdata;
    bk_reply *reply = place_of(task);
    size_t items = count > 0 ? (size_t)count : 0;

    reader->reserved += items * sizeof *reply;
    if (reader->limit != BK_UNLIMITED && reader->reserved > reader->limit) {
        reader->why = "the reply is too large";
        return NULL;
    }
    *reply = (bk_reply){
        .type = BK_REPLY_ARRAY,
        .items = bk_arena_zalloc(reader->arena, (items + 1) * sizeof *reply),
        .count = items,
    };
    return reply;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    bk_reply *reply = place_of(task);

    *reply = (bk_reply){.type = BK_REPLY_I64, .i64 = value};
    return reply;
}

static void *create_nil(const redisReadTask *task)
{
    bk_reply *reply = place_of(task);

    *reply = (bk_reply){.type = BK_REPLY_NIL};
    return reply;
}

/* The arena frees. */
static void free_object(void *object)
{
    (void)object;
}

static const redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_object,
};

/* --- the reader ------------------------------------------------------------------------------- */

struct bk__redis_reader *bk__redis_reader_new(uint32_t limit)
{
    struct bk__redis_reader *reader = calloc(1, sizeof *reader);

    bk_assert(reader != NULL);
    /* It is only read. */
    reader->hiredis =
        redisReaderCreateWithFunctions((redisReplyObjectFunctions *)(uintptr_t)&functions);
    bk_assert(reader->hiredis != NULL);
    reader->hiredis->privdata = reader;
    reader->hiredis->maxbuf = KEPT_BYTES;
    reader->arena = bk_arena_new();
    reader->limit = limit;
    return reader;
}

void bk__redis_reader_free(struct bk__redis_reader *reader)
{
    if (reader == NULL)
        return;
    redisReaderFree(reader->hiredis);
    bk_arena_free(reader->arena);
    free(reader);
}

bk_err bk__redis_reader_feed(struct bk__redis_reader *reader, const char *bytes, size_t len)
{
    reader->fed += len;
    if (redisReaderFeed(reader->hiredis, bytes, len) == REDIS_OK)
        return BK_OK;
    reader->why = reader->hiredis->errstr;
    return BK_EIO;
}

bk_err bk__redis_reader_next(struct bk__redis_reader *reader, bk_reply *reply)
{
    void *root = NULL;

    if (reader->hiredis->ridx == -1) { /* between replies: nothing of the last one is used */
        bk__arena_reset(reader->arena);
        reader->reserved = 0;
    }
    if (redisReaderGetReply(reader->hiredis, &root) != REDIS_OK) {
        if (reader->why == NULL)
            reader->why = reader->hiredis->errstr;
        return BK_EIO;
    }
    if (root == NULL) {
        if (reader->fed <= reader->limit || reader->limit == BK_UNLIMITED)
            return BK_EAGAIN;
        reader->why = "the reply is too large";
        return BK_EIO;
    }
    reader->fed = reader->hiredis->len - reader->hiredis->pos;
    *reply = reader->root;
    return BK_OK;
}

const char *bk__redis_reader_why(const struct bk__redis_reader *reader)
{
    return reader->why;
}

/* --- copies ----------------------------------------------------------------------------------- */

/* hiredis bounds the depth, so this recurses a few times at most. */
void bk__redis_reply_copy(bk_arena *arena, const bk_reply *reply, bk_reply *out)
{
    *out = *reply;
    if (reply->str.ptr != NULL)
        out->str = bk_arena_dup(arena, reply->str);
    if (reply->count == 0)
        return;
    bk_reply *items = bk_arena_alloc(arena, reply->count * sizeof *items);
    for (size_t i = 0; i < reply->count; i++)
        bk__redis_reply_copy(arena, &reply->items[i], &items[i]);
    out->items = items;
}
