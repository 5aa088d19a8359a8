/*
 * utf8.h: one character of UTF-8 at a time.
 */
#ifndef BK_CORE_UTF8_H
#define BK_CORE_UTF8_H

#include <stddef.h>

/* The length, 1 to 4, of the well-formed character (RFC 3629) that @p text begins with; 0: it
 * begins with none. @p len is at least 1. */
size_t bk__utf8_char(const char *text, size_t len);

#endif
