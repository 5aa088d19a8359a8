/*
 * Bytes of a server: whole, and cut in two. Both give the same replies; what is copied holds the
 * same, and no reply is larger than the limit.
 */
#include <stdint.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "redis/reply.h"

#define LIMIT 65536

/* Adds what a reply holds to a sum that depends on the order. hiredis bounds the depth. */
static uint64_t sum_of(const bk_reply *reply, uint64_t sum)
{
    sum = sum * 31 + reply->type;
    sum = sum * 31 + (uint64_t)reply->i64;
    if (reply->str.ptr != NULL)
        bk_assert(reply->str.ptr[reply->str.len] == '\0');
    for (size_t i = 0; i < reply->str.len; i++)
        sum = sum * 31 + (unsigned char)reply->str.ptr[i];
    bk_assert(reply->count * sizeof *reply <= LIMIT);
    for (size_t i = 0; i < reply->count; i++)
        sum = sum_of(&reply->items[i], sum);
    return sum;
}

static bk_err drain(struct bk__redis_reader *reader, uint64_t *sum)
{
    bk_arena *arena = bk_arena_new();
    bk_reply reply, copy;
    bk_err err;

    while ((err = bk__redis_reader_next(reader, &reply)) == BK_OK) {
        bk__redis_reply_copy(arena, &reply, &copy);
        bk_assert(sum_of(&copy, 1) == sum_of(&reply, 1));
        *sum = sum_of(&copy, *sum);
    }
    if (err == BK_EIO)
        bk_assert(bk__redis_reader_why(reader) != NULL);
    bk_arena_free(arena);
    return err;
}

static uint64_t read_in_two(const char *bytes, size_t len, size_t cut)
{
    struct bk__redis_reader *reader = bk__redis_reader_new(LIMIT);
    uint64_t sum = 0;

    if (bk__redis_reader_feed(reader, bytes, cut) == BK_OK && drain(reader, &sum) == BK_EAGAIN &&
        bk__redis_reader_feed(reader, bytes + cut, len - cut) == BK_OK)
        (void)drain(reader, &sum);
    bk__redis_reader_free(reader);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    uint64_t whole = read_in_two(bytes, size, size);

    bk_assert(read_in_two(bytes, size, size / 2) == whole);
    bk_assert(read_in_two(bytes, size, size != 0 ? (size_t)data[0] % size : 0) == whole);
    return 0;
}
