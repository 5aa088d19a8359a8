/*
 * split.h: where one SQL statement ends and the next begins.
 *
 * The extended protocol takes one statement a message, so a file has to be cut. That takes knowing
 * what hides a semicolon, and no more of SQL than that.
 */
#ifndef BK_MIGRATE_SPLIT_H
#define BK_MIGRATE_SPLIT_H

#include <backend/errors.h>
#include <backend/str.h>

struct bk__sql_statement {
    bk_str text; /* from its first word to its last; without the semicolon. In the input */
    int line;    /* of its first word, from 1 */
};

struct bk__sql_split {
    const char *at, *end; /* what is left */
    int line;             /* of `at` */
};

/* @p sql is borrowed for as long as statements are taken from it. */
void bk__sql_split_init(struct bk__sql_split *split, bk_str sql);

/* The next statement. @p more becomes false, and @p out is untouched, after the last. Comments
 * between statements belong to none. BK_EINVAL with a line where a quote, a comment or a
 * parenthesis is not closed. */
bk_err bk__sql_split_next(struct bk__sql_split *split, struct bk__sql_statement *out, bool *more);

#endif
