/*
 * wire.c: the protocol's messages as bytes.
 *
 * Writing appends to one buffer per connection, which keeps its memory: in the long run a message
 * costs a memcpy. A message's length is patched in when its end is known. Places in the buffer are
 * counted from `start`, since the bytes move when it grows.
 */
#include "pg/wire.h"

#include <stdlib.h>

#include <backend/str.h>

#include "core/assert.h"

#define FIRST_SIZE ((size_t)4 << 10)

void bk__pg_out_fini(struct bk__pg_out *out)
{
    free(out->ptr);
    *out = (struct bk__pg_out){0};
}

static void make_room(struct bk__pg_out *out, size_t more)
{
    size_t waiting = out->end - out->start;
    size_t cap = out->cap != 0 ? out->cap : FIRST_SIZE;

    bk_assert(more <= PTRDIFF_MAX / 2 - waiting);
    if (out->start != 0) {
        memmove(out->ptr, out->ptr + out->start, waiting);
        out->start = 0;
        out->end = waiting;
    }
    while (cap < waiting + more)
        cap *= 2;
    if (cap != out->cap) {
        out->ptr = realloc(out->ptr, cap);
        bk_assert(out->ptr != NULL);
        out->cap = cap;
    }
}

char *bk__pg_out_take(struct bk__pg_out *out, size_t more)
{
    if (bk__unlikely(out->cap - out->end < more))
        make_room(out, more);
    char *at = out->ptr + out->end;
    out->end += more;
    return at;
}

static char *put_text(char *at, const void *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

/* Room for a body of @p len bytes, behind its head. */
static char *begin(struct bk__pg_out *out, char type, size_t len)
{
    bk_assert(len <= INT32_MAX - 4);
    char *at = bk__pg_out_take(out, 5 + len);
    *at = type;
    bk__pg_set_u32(at + 1, (uint32_t)len + 4);
    return at + 5;
}

size_t bk__pg_begin_message(struct bk__pg_out *out, char type)
{
    *bk__pg_out_take(out, 5) = type;
    return out->end - out->start;
}

void bk__pg_end_message(struct bk__pg_out *out, size_t mark)
{
    size_t len = out->end - out->start - mark;
    bk_assert(len <= INT32_MAX - 4);
    bk__pg_set_u32(out->ptr + out->start + mark - 4, (uint32_t)len + 4);
}

void bk__pg_drop_message(struct bk__pg_out *out, size_t mark)
{
    out->end = out->start + mark - 5;
}

void bk__pg_put_parse(struct bk__pg_out *out, const char *statement, const char *sql,
                      const char *comment)
{
    size_t name_size = strlen(statement) + 1, sql_len = strlen(sql);
    size_t comment_size = strlen(comment) + 1;
    char *at = begin(out, 'P', name_size + sql_len + comment_size + 2);

    at = put_text(at, statement, name_size);
    at = put_text(at, sql, sql_len);
    at = put_text(at, comment, comment_size);
    bk__pg_set_u16(at, 0); /* no types of parameters */
}

/* Describe and Close name a statement or a portal. */
static void put_named(struct bk__pg_out *out, char type, char kind, const char *name)
{
    size_t name_size = strlen(name) + 1;
    char *at = begin(out, type, 1 + name_size);

    *at = kind;
    put_text(at + 1, name, name_size);
}

void bk__pg_put_describe(struct bk__pg_out *out, const char *statement)
{
    put_named(out, 'D', 'S', statement);
}

void bk__pg_put_describe_portal(struct bk__pg_out *out)
{
    put_named(out, 'D', 'P', "");
}

void bk__pg_put_close(struct bk__pg_out *out, const char *statement)
{
    put_named(out, 'C', 'S', statement);
}

void bk__pg_put_execute(struct bk__pg_out *out)
{
    char *at = begin(out, 'E', 1 + 4);

    *at = '\0';
    bk__pg_set_u32(at + 1, 0); /* no limit of rows */
}

void bk__pg_put_sync(struct bk__pg_out *out)
{
    begin(out, 'S', 0);
}

void bk__pg_put_copy_data(struct bk__pg_out *out, bk_str data)
{
    char *at = begin(out, 'd', data.len);

    if (data.len != 0)
        memcpy(at, data.ptr, data.len);
}

void bk__pg_put_copy_done(struct bk__pg_out *out)
{
    begin(out, 'c', 0);
}

void bk__pg_put_copy_fail(struct bk__pg_out *out, const char *why)
{
    size_t size = strlen(why) + 1;

    put_text(begin(out, 'f', size), why, size);
}

size_t bk__pg_read_message(const char *input, size_t len, size_t limit,
                           struct bk__pg_message *message, size_t *wanted)
{
    uint32_t counted;

    *wanted = 0;
    if (len < 5)
        return 0;
    memcpy(&counted, input + 1, 4);
    counted = be32toh(counted);
    if (counted < 4 || counted > limit)
        return SIZE_MAX;
    size_t whole = 1 + (size_t)counted;
    if (len < whole) {
        *wanted = whole;
        return 0;
    }
    message->type = *input;
    message->body = input + 5;
    message->len = whole - 5;
    return whole;
}

bk_str bk__pg_read_cstr(struct bk__pg_reader *reader)
{
    const char *begin = reader->at;
    size_t left = (size_t)(reader->end - begin);
    const char *nul = left != 0 ? memchr(begin, '\0', left) : NULL;

    if (nul == NULL) {
        reader->bad = true;
        return (bk_str){NULL, 0};
    }
    reader->at = nul + 1;
    return bk_str_at(begin, (size_t)(nul - begin));
}

int64_t bk__pg_tag_count(bk_str tag)
{
    size_t at = tag.len;
    int64_t count;

    while (at > 0 && tag.ptr[at - 1] != ' ')
        at--;
    if (at == 0 || bk_str_to_i64(bk_str_at(tag.ptr + at, tag.len - at), &count) != BK_OK)
        return 0;
    return count < 0 ? 0 : count;
}
