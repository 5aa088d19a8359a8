/*
 * http1_write.c: the text of an HTTP/1 answer. See http1_write.h.
 */
#include "http/http1_write.h"

#include <string.h>

#include "core/assert.h"
#include "http/exchange.h"

static char *put(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    return out + len;
}

#define PUT(out, literal) put(out, literal, sizeof(literal) - 1)

static char *put_number(char *out, uint64_t value)
{
    char digits[20];
    size_t count = 0;

    do
        digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    while (count != 0)
        *out++ = digits[--count];
    return out;
}

static char *put_status_line(char *out, int status)
{
    if (bk__likely(status == 200))
        return PUT(out, "HTTP/1.1 200 OK\r\nDate: ");
    const char *text = bk__status_text(status);
    out = PUT(out, "HTTP/1.1 ");
    out = put_number(out, (uint64_t)status);
    *out++ = ' ';
    out = put(out, text, strlen(text));
    return PUT(out, "\r\nDate: ");
}

/* Room for all but the header fields that the handler set. */
#define FIXED_BYTES 256

bk_str bk__http1_write_head(bk_arena *arena, const struct bk__head *head, uint64_t length,
                            enum bk__connection_field field, const char *date)
{
    size_t room = FIXED_BYTES;

    for (size_t i = 0; i < head->count; i++)
        room += head->headers[i].name.len + head->headers[i].value.len + 4;
    char *start = bk__arena_get(arena, room);
    char *out = put_status_line(start, head->status);

    out = put(out, date, 29);
    if (field == BK__CONNECTION_CLOSE)
        out = PUT(out, "\r\nConnection: close");
    else if (field == BK__CONNECTION_KEEP_ALIVE)
        out = PUT(out, "\r\nConnection: keep-alive");
    if (length == BK__LENGTH_CHUNKED) {
        out = PUT(out, "\r\nTransfer-Encoding: chunked");
    } else if (length != BK_LENGTH_UNKNOWN && head->status != 204 && head->status != 304) {
        out = PUT(out, "\r\nContent-Length: ");
        out = put_number(out, length);
    }
    for (size_t i = 0; i < head->count; i++) {
        out = PUT(out, "\r\n");
        out = put(out, head->headers[i].name.ptr, head->headers[i].name.len);
        out = PUT(out, ": ");
        out = put(out, head->headers[i].value.ptr, head->headers[i].value.len);
    }
    out = PUT(out, "\r\n\r\n");
    bk_debug_assert((size_t)(out - start) <= room);
    return (bk_str){start, (size_t)(out - start)};
}

bk_str bk__http1_chunk_head(char room[BK__CHUNK_HEAD], size_t len)
{
    char *at = room + BK__CHUNK_HEAD;

    *--at = '\n';
    *--at = '\r';
    do
        *--at = "0123456789abcdef"[len & 15];
    while ((len >>= 4) != 0);
    return (bk_str){at, (size_t)(room + BK__CHUNK_HEAD - at)};
}
