/*
 * words.h: a command's text and its values as words.
 */
#ifndef BK_REDIS_WORDS_H
#define BK_REDIS_WORDS_H

#include <backend/args.h>
#include <backend/errors.h>

struct bk__redis_words {
    bk_str *items; /* `fixed`, or on the heap */
    size_t count, cap;
    char *numbers; /* text of numbers; NULL: none */
    bk_str fixed[24];
};

/* Fills @p words from "WORD $1 ..."; what it points to is borrowed. BK_EINVAL, with words, for what
 * is not possible. To be ended by bk__redis_words_fini() in any case. */
bk_err bk__redis_words_make(struct bk__redis_words *words, const char *command, bk_args args);

/* Adds values, each as one word or, an array, as several. */
bk_err bk__redis_words_add(struct bk__redis_words *words, bk_args args);
void bk__redis_words_push(struct bk__redis_words *words, bk_str word);

void bk__redis_words_init(struct bk__redis_words *words);
void bk__redis_words_fini(struct bk__redis_words *words);

#endif
