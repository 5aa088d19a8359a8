/*
 * log_pretty.h: a log line for people.
 */
#ifndef BK_CORE_LOG_PRETTY_H
#define BK_CORE_LOG_PRETTY_H

#include <backend/base.h>

/* What a line may become, of @p len bytes. */
#define BK__LOG_PRETTY_MAX(len) ((len) + 256)

/* Writes a line of log_line.c as `12:00:01.123 INFO  stock.low  product=42`, with its newline, to
 * @p out, which has room for BK__LOG_PRETTY_MAX of its length. Returns how much. */
size_t bk__log_pretty(bk_str line, bool colors, char *out);

#endif
