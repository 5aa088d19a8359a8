/*
 * text.h: what tests of parsers say about a bk_str. Include it after cmocka.h.
 */
#ifndef TEST_TEXT_H
#define TEST_TEXT_H

#include <backend/base.h>

/* @p got holds the bytes of the C string @p want; it is absent where @p want is NULL. */
#define assert_text(got, want) check_text(got, want, __FILE__, __LINE__)
#define assert_absent(got)     check_text(got, NULL, __FILE__, __LINE__)

static inline void check_text(bk_str got, const char *want, const char *file, int line)
{
    if (got.ptr == NULL && want == NULL)
        return;
    if (got.ptr != NULL && want != NULL && got.len == strlen(want) &&
        memcmp(got.ptr, want, got.len) == 0)
        return;
    print_error("got %s\"%.*s\", not %s\"%s\"\n", got.ptr == NULL ? "absent " : "", (int)got.len,
                got.ptr != NULL ? got.ptr : "", want == NULL ? "absent " : "",
                want != NULL ? want : "");
    _fail(file, line);
}

#endif
