/*
 * buf.c: a run of bytes that grows in an arena.
 *
 * The usual buffer is the newest thing in its arena and grows where it lies; else it moves to a
 * piece twice as large, and the old one stays until the arena ends. What must hold: cap is a
 * multiple of the arena's alignment, so that the end of the buffer is the end of its piece.
 */
#include <backend/str.h>

#include <stdarg.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/assert.h"
#include "core/number.h"

#define FIRST_CAP ((size_t)64)

static size_t round_up(size_t size)
{
    return (size + BK__ARENA_ALIGN - 1) & ~(size_t)(BK__ARENA_ALIGN - 1);
}

static void grow(bk_buf *buf, size_t more)
{
    bk_assert(buf->arena != NULL);
    bk_assert(more <= PTRDIFF_MAX / 4 && buf->len <= PTRDIFF_MAX / 4);
    size_t need = round_up(buf->len + more);
    size_t cap = buf->cap < FIRST_CAP / 2 ? FIRST_CAP : 2 * buf->cap;
    if (cap < need)
        cap = need;
    if (buf->ptr != NULL && bk__arena_extend(buf->arena, buf->ptr, buf->cap, cap)) {
        buf->cap = cap;
        return;
    }
    char *moved = bk__arena_get(buf->arena, cap);
    if (buf->ptr != NULL)
        memcpy(moved, buf->ptr, buf->len);
    buf->ptr = moved;
    buf->cap = cap;
}

static inline char *reserve(bk_buf *buf, size_t more)
{
    if (bk__unlikely(buf->cap - buf->len < more) || buf->ptr == NULL)
        grow(buf, more);
    return buf->ptr + buf->len;
}

char *bk_buf_reserve(bk_buf *buf, size_t more)
{
    return reserve(buf, more);
}

void bk_buf_add(bk_buf *buf, bk_str text)
{
    if (text.len == 0)
        return;
    memcpy(reserve(buf, text.len), text.ptr, text.len);
    buf->len += text.len;
}

void bk_buf_add_char(bk_buf *buf, char c)
{
    *reserve(buf, 1) = c;
    buf->len++;
}

void bk_buf_add_i64(bk_buf *buf, int64_t value)
{
    buf->len += bk__i64_text(value, reserve(buf, BK__I64_TEXT));
}

void bk_buf_add_f64(bk_buf *buf, double value)
{
    buf->len += bk__f64_text(value, reserve(buf, BK__F64_TEXT));
}

void bk_buf_printf(bk_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char *end = reserve(buf, 1);
    size_t room = buf->cap - buf->len;
    int len = vsnprintf(end, room, format, args);
    bk_assert(len >= 0);
    if ((size_t)len >= room)
        vsnprintf(reserve(buf, (size_t)len + 1), (size_t)len + 1, format, again);
    buf->len += (size_t)len;
    va_end(again);
    va_end(args);
}
