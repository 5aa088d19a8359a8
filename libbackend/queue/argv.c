/*
 * argv.c: the words of a script call. See argv.h.
 */
#include "queue/argv.h"

#include <stdlib.h>

#include "core/assert.h"
#include "core/number.h"

enum {
    ITEMS_FIRST = 64,
    TEXT_FIRST = 8192
};

void bk__argv_init(struct bk__argv *argv)
{
    argv->count = 0;
    argv->cap = ITEMS_FIRST;
    argv->items = malloc(argv->cap * sizeof *argv->items);
    argv->lent = aligned_alloc(BK__ARENA_ALIGN, TEXT_FIRST);
    bk_assert(argv->items != NULL && argv->lent != NULL);
    bk__arena_init(&argv->text, argv->lent, TEXT_FIRST);
}

void bk__argv_fini(struct bk__argv *argv)
{
    bk__arena_fini(&argv->text);
    free(argv->lent);
    free(argv->items);
    *argv = (struct bk__argv){0};
}

void bk__argv_clear(struct bk__argv *argv)
{
    argv->count = 0;
    bk__arena_reset(&argv->text);
}

void bk__argv_push(struct bk__argv *argv, bk_str word)
{
    if (argv->count == argv->cap) {
        argv->cap *= 2;
        argv->items = realloc(argv->items, argv->cap * sizeof *argv->items);
        bk_assert(argv->items != NULL);
    }
    argv->items[argv->count++] = word.ptr != NULL ? word : BK_LIT("");
}

static bk_str text_of(struct bk__argv *argv, int64_t value)
{
    static const char digits[] = "0123456789";

    if (value >= 0 && value < 10)
        return (bk_str){digits + value, 1};
    char *text = bk__arena_get(&argv->text, BK__I64_TEXT);
    return (bk_str){text, bk__i64_text(value, text)};
}

void bk__argv_push_i64(struct bk__argv *argv, int64_t value)
{
    bk__argv_push(argv, text_of(argv, value));
}

void bk__argv_pair(struct bk__argv *argv, bk_str name, bk_str value)
{
    bk__argv_push(argv, name);
    bk__argv_push(argv, value);
}

void bk__argv_pair_i64(struct bk__argv *argv, bk_str name, int64_t value)
{
    bk__argv_push(argv, name);
    bk__argv_push_i64(argv, value);
}

void bk__argv_set_i64(struct bk__argv *argv, size_t at, int64_t value)
{
    bk_debug_assert(at < argv->count);
    argv->items[at] = text_of(argv, value);
}
