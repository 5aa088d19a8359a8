/*
 * wire.h: PostgreSQL's frontend/backend protocol 3.0 as bytes: messages written and read.
 *
 * Nothing here knows sockets or fibers. Source: PostgreSQL documentation, "Frontend/Backend
 * Protocol", message formats. A message is a type byte, a length that counts itself and what
 * follows, and the body.
 */
#ifndef BK_PG_WIRE_H
#define BK_PG_WIRE_H

#include <endian.h>

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/args.h>

/* --- writing ---------------------------------------------------------------------------------- */

/* Bytes on their way out: malloc'ed, grows, and is consumed from its front. Zero is empty. */
struct bk__pg_out {
    char *ptr;
    size_t start, end, cap; /* what waits lies from start to end */
};

void bk__pg_out_fini(struct bk__pg_out *out);

/* Room for @p more bytes behind the end; end is moved by them. */
char *bk__pg_out_take(struct bk__pg_out *out, size_t more);

/* Integers as the protocol has them: most significant byte first. */
static inline void bk__pg_set_u16(char *at, uint16_t value)
{
    value = htobe16(value);
    memcpy(at, &value, 2);
}

static inline void bk__pg_set_u32(char *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, 4);
}

static inline void bk__pg_set_u64(char *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, 8);
}

static inline void bk__pg_put_bytes(struct bk__pg_out *out, bk_str bytes)
{
    if (bytes.len != 0)
        memcpy(bk__pg_out_take(out, bytes.len), bytes.ptr, bytes.len);
}

/* The server takes no message of a gigabyte. */
#define BK__PG_MESSAGE_MAX (((size_t)1 << 30) - 4096)

/* A message whose length is known only at its end. The mark is for the other two: one completes the
 * message, one takes it back. */
size_t bk__pg_begin_message(struct bk__pg_out *out, char type);
void bk__pg_end_message(struct bk__pg_out *out, size_t mark);
void bk__pg_drop_message(struct bk__pg_out *out, size_t mark);

/* How a statement's values are sent and its columns are wanted. */
struct bk__pg_bind {
    const char *statement; /* its name; "" for the unnamed one */
    bk_args args;
    const uint32_t *types;  /* the parameters' OIDs, args.count of them; NULL: not known yet, all is
                               sent as text */
    const uint8_t *formats; /* of the result's columns, 0 text, 1 binary; NULL: all text */
    size_t format_count;
};

/* Each appends one message. Types of parameters are left to the server. */
void bk__pg_put_parse(struct bk__pg_out *out, const char *statement, const char *sql,
                      const char *comment); /* goes behind the SQL; may be empty */
void bk__pg_put_describe(struct bk__pg_out *out, const char *statement);
void bk__pg_put_describe_portal(struct bk__pg_out *out); /* the unnamed one */
void bk__pg_put_execute(struct bk__pg_out *out);         /* the unnamed portal, all rows */
void bk__pg_put_close(struct bk__pg_out *out, const char *statement);
void bk__pg_put_sync(struct bk__pg_out *out);
void bk__pg_put_copy_data(struct bk__pg_out *out, bk_str data);
void bk__pg_put_copy_done(struct bk__pg_out *out);
void bk__pg_put_copy_fail(struct bk__pg_out *out, const char *why);

/* Appends Bind to the unnamed portal. BK_EINVAL, with words that name the parameter ("$2"), when a
 * value cannot be sent: NUL or wrong UTF-8 in text, not finite where the type has no such value,
 * too many parameters (over 65535); nothing is appended then. */
bk_err bk__pg_put_bind(struct bk__pg_out *out, const struct bk__pg_bind *bind);

/* One row of COPY's text format from @p args: columns with tabs between, "\N" for NULL, escapes,
 * newline. As a CopyData message. BK_EINVAL as above. */
bk_err bk__pg_put_copy_row(struct bk__pg_out *out, bk_args args);

/* --- reading ---------------------------------------------------------------------------------- */

struct bk__pg_message {
    char type;
    const char *body; /* borrowed from the input */
    size_t len;
};

/* The message at @p input: its whole length; 0 when more bytes are needed, and then *wanted is how
 * long it will be once that is known (0 until then); SIZE_MAX when it cannot be a message (a length
 * below 4 or above @p limit). */
size_t bk__pg_read_message(const char *input, size_t len, size_t limit,
                           struct bk__pg_message *message, size_t *wanted);

/* A view that is consumed from its front. A read beyond the end sets `bad` and gives zeros, so that
 * a parser may look once at the end. */
struct bk__pg_reader {
    const char *at, *end;
    bool bad;
};

static inline struct bk__pg_reader bk__pg_reader_of(bk_str bytes)
{
    return (struct bk__pg_reader){.at = bytes.ptr, .end = bytes.ptr + bytes.len};
}

static inline uint16_t bk__pg_read_u16(struct bk__pg_reader *reader)
{
    uint16_t value = 0;

    if (reader->end - reader->at < 2) {
        reader->bad = true;
        return 0;
    }
    memcpy(&value, reader->at, 2);
    reader->at += 2;
    return be16toh(value);
}

static inline uint32_t bk__pg_read_u32(struct bk__pg_reader *reader)
{
    uint32_t value = 0;

    if (reader->end - reader->at < 4) {
        reader->bad = true;
        return 0;
    }
    memcpy(&value, reader->at, 4);
    reader->at += 4;
    return be32toh(value);
}

static inline uint64_t bk__pg_read_u64(struct bk__pg_reader *reader)
{
    uint64_t value = 0;

    if (reader->end - reader->at < 8) {
        reader->bad = true;
        return 0;
    }
    memcpy(&value, reader->at, 8);
    reader->at += 8;
    return be64toh(value);
}

/* A string that ends with NUL; absent when it does not. */
bk_str bk__pg_read_cstr(struct bk__pg_reader *reader);

/* A value of DataRow: false when it is NULL. */
static inline bool bk__pg_read_value(struct bk__pg_reader *reader, bk_str *value)
{
    int32_t len = (int32_t)bk__pg_read_u32(reader);

    if (len < 0)
        return false;
    if (reader->end - reader->at < len) {
        reader->bad = true;
        return false;
    }
    value->ptr = reader->at;
    value->len = (size_t)len;
    reader->at += len;
    return true;
}

/* The number that ends a command tag: "INSERT 0 5", "SELECT 12"; 0 when there is none. */
int64_t bk__pg_tag_count(bk_str tag);

#endif
