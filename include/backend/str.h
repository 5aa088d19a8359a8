/**
 * @file backend/str.h
 * @brief String views, and a buffer that grows.
 */
#ifndef BACKEND_STR_H
#define BACKEND_STR_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** A view of a C string; absent when @p text is NULL. Borrowed for as long as it is used. */
static inline bk_str bk_str_of(const char *text)
{
    bk_str view = {text, text != NULL ? strlen(text) : 0};
    return view;
}

/** A view of @p len bytes at @p ptr. */
static inline bk_str bk_str_at(const char *ptr, size_t len)
{
    bk_str view = {ptr, len};
    return view;
}

/** True when both hold the same bytes. Absent equals empty. */
static inline bool bk_str_eq(bk_str a, bk_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/** Both arguments that printf's "%.*s" wants: `printf("%.*s", BK_PRI(name))`. */
#define BK_PRI(text) (int)(text).len, ((text).ptr != NULL ? (text).ptr : "")

/** True when there is a value, be it empty. */
static inline bool bk_str_present(bk_str text)
{
    return text.ptr != NULL;
}

/** Like bk_str_eq(), but ASCII letters match in either case. @threads Any. */
BK_API bool bk_str_ieq(bk_str a, bk_str b);

/** True when @p text begins with @p prefix. @threads Any. */
BK_API bool bk_str_starts(bk_str text, bk_str prefix);

/** @p text without blanks and tabs at both ends. @threads Any. */
BK_API bk_str bk_str_trim(bk_str text);

/**
 * Cuts the part before the next @p separator off @p rest.
 *
 * @param rest  In: what is left. Out: what follows the separator; absent after the last part.
 * @param part  Receives the part, may be empty.
 * @return false when @p rest was absent: there is no further part.
 * @threads Any.
 */
BK_API bool bk_str_split(bk_str *rest, char separator, bk_str *part);

/** The whole of @p text as a decimal integer, exact. BK_EINVAL when it is not one or does not
 *  fit; @p out is untouched then. "+1", "01" and blanks are refused. @threads Any. */
BK_API BK_NODISCARD bk_err bk_str_to_i64(bk_str text, int64_t *out);

/** The whole of @p text as a JSON number (RFC 8259). BK_EINVAL when it is not one or is not
 *  finite. The locale plays no part. @threads Any. */
BK_API BK_NODISCARD bk_err bk_str_to_f64(bk_str text, double *out);

/** True when @p text is well-formed UTF-8 (RFC 3629) without NUL. @threads Any. */
BK_API bool bk_str_utf8(bk_str text);

/** A run of bytes that grows in an arena. Start with `bk_buf buf = {.arena = arena}`. */
typedef struct bk_buf {
    bk_arena *arena; /**< Where it grows. */
    char     *ptr;   /**< NULL while nothing was written. */
    size_t    len;   /**< Bytes written. */
    size_t    cap;   /**< Bytes there is room for. */
} bk_buf;

/** Room for @p more bytes after the present end; returns where they go. Set `len` yourself. */
BK_API char *bk_buf_reserve(bk_buf *buf, size_t more);

/** Appends bytes; copied. */
BK_API void bk_buf_add(bk_buf *buf, bk_str text);

/** Appends one byte. */
BK_API void bk_buf_add_char(bk_buf *buf, char c);

/** Appends a decimal integer. */
BK_API void bk_buf_add_i64(bk_buf *buf, int64_t value);

/** Appends a double in its shortest form that reads back the same. Not for NaN or infinity. */
BK_API void bk_buf_add_f64(bk_buf *buf, double value);

/** printf at the end. */
BK_API void bk_buf_printf(bk_buf *buf, const char *format, ...) BK_PRINTF(2, 3);

/** What was written so far. Borrowed until the next write. Never absent. */
static inline bk_str bk_buf_str(const bk_buf *buf)
{
    bk_str view = {buf->ptr != NULL ? buf->ptr : "", buf->len};
    return view;
}

BK_END_DECLS

#endif
