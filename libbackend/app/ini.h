/*
 * ini.h: lines of names and values, of a settings file or of `.env`.
 *
 * A settings file has sections, and a value goes to the end of its line, for passwords in URLs may
 * hold any character. `.env` has what shells and dotenv agree on: `export` before a name, and
 * comments after a value. Both may quote: 'as it is', or "with \n, \t, \\ and \"".
 */
#ifndef BK_APP_INI_H
#define BK_APP_INI_H

#include <backend/arena.h>
#include <backend/str.h>

#define BK__INI_BYTES_MAX ((size_t)1 << 20)

struct bk__ini {
    bk_arena *arena; /* holds values that had to be copied */
    bk_str rest;     /* absent at the end */
    bk_str section;  /* empty before the first */
    bool dotenv;
    int line;        /* of what was read last, from 1 */
    const char *why; /* what was wrong with it; static */
};

struct bk__ini_entry {
    bk_str section, name, value;
    int line;
};

enum bk__ini_result {
    BK__INI_ENTRY,
    BK__INI_WRONG, /* `why` and `line` say what; reading may go on */
    BK__INI_END
};

/* @p text is borrowed as long as entries are used. */
void bk__ini_init(struct bk__ini *ini, bk_arena *arena, bk_str text, bool dotenv);

enum bk__ini_result bk__ini_next(struct bk__ini *ini, struct bk__ini_entry *out);

#endif
