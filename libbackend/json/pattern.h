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

/* A pattern of one owner, for those that do not stand in the program. */
struct bk__pattern;

/* Compiles @p text. NULL when it is no pattern; what is wrong with it is then in @p room. */
struct bk__pattern *bk__pattern_new(const char *text, char *room, size_t size);
void bk__pattern_free(struct bk__pattern *pattern); /* NULL is fine */

/* As bk__pattern_match(). Any thread may. */
bool bk__pattern_run(struct bk__pattern *pattern, bk_str text);

/* Its text. */
const char *bk__pattern_text(const struct bk__pattern *pattern);

/* Compiles @p pattern, where that was not done yet. NULL when it is a good one; else what is
 * wrong with it, written to @p room. */
const char *bk__pattern_check(const char *pattern, char *room, size_t size);

/* True when @p pattern, which is a correct one, matches somewhere in @p text, which is UTF-8.
 * False as well when finding out would take too long; the limit grows with the text. */
bool bk__pattern_match(const char *pattern, bk_str text);

#endif
