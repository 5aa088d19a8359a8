/*
 * args.h: what Bind and COPY both need of a value.
 */
#ifndef BK_PG_ARGS_H
#define BK_PG_ARGS_H

#include <backend/args.h>

struct bk__pg_out;

/* Item @p i of an array, as a value of its own. */
bk_arg bk__pg_item_at(const bk_arg *array, size_t i);

/* Appends a value that is not NULL in the text that PostgreSQL reads. Returns NULL, or what is
 * wrong with the value ("is not UTF-8"): then some of it may have been appended. */
const char *bk__pg_put_as_text(struct bk__pg_out *out, const bk_arg *arg);

#endif
