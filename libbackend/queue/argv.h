/*
 * argv.h: the words of a script call, made anew for each call in the same memory.
 */
#ifndef BK_QUEUE_ARGV_H
#define BK_QUEUE_ARGV_H

#include <backend/errors.h>
#include <backend/str.h>

#include "core/arena.h"

struct bk__argv {
    bk_str *items;
    size_t count, cap;
    bk_arena text; /* of numbers and other words that are made here */
    char *lent;    /* its first chunk */
};

void bk__argv_init(struct bk__argv *argv);
void bk__argv_fini(struct bk__argv *argv);

/* Forgets all words. */
void bk__argv_clear(struct bk__argv *argv);

/* Adds a word, borrowed until the next clear. An absent one is empty. */
void bk__argv_push(struct bk__argv *argv, bk_str word);
void bk__argv_push_i64(struct bk__argv *argv, int64_t value);

/* A name and its value. */
void bk__argv_pair(struct bk__argv *argv, bk_str name, bk_str value);
void bk__argv_pair_i64(struct bk__argv *argv, bk_str name, int64_t value);

/* Sets a word that is there already. */
void bk__argv_set_i64(struct bk__argv *argv, size_t at, int64_t value);

#endif
