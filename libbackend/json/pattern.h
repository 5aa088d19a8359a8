/*
 * pattern.h: regular expressions of descriptions.
 *
 * Compiled once per process and kept: patterns stand in the program, so there are few. The list of
 * them (pattern.c) is shared by all threads, only ever grows, and is read without a lock. Besides
 * thread-locals it is the library's one variable that changes; it hides no state from its users.
 */
#ifndef BK_JSON_PATTERN_H
#define BK_JSON_PATTERN_H

#include <backend/str.h>

/* Compiles @p pattern, where that was not done yet. NULL when it is a good one; else what is
 * wrong with it, written to @p room. */
const char *bk__pattern_check(const char *pattern, char *room, size_t size);

/* True when @p pattern, which is a correct one, matches somewhere in @p text, which is UTF-8.
 * False as well when finding out would take too long; the limit grows with the text. */
bool bk__pattern_match(const char *pattern, bk_str text);

#endif
