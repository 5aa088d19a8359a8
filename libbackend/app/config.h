/*
 * config.h: what the files of settings share. See <backend/config.h>.
 */
#ifndef BK_APP_CONFIG_H
#define BK_APP_CONFIG_H

#include <stdio.h>

#include <backend/config.h>

/* Where a value may come from; the later win. */
enum bk__rank {
    BK__FROM_NOWHERE,
    BK__FROM_FILE,
    BK__FROM_DOTENV,
    BK__FROM_ENVIRONMENT,
    BK__FROM_FLAG
};

/* A setting's value as it was found. */
struct bk__given {
    enum bk__rank rank;
    bk_str text;   /* absent: it could not be had, and that was said */
    bk_str source; /* for people; absent: a default */
    bool by_file;  /* it is in a file that was named */
};

/* One reading of all. */
struct bk__config_reading {
    bk_arena *arena;
    const bk_desc *desc;
    struct bk__given *given; /* one for each field */
    void *object;
    bk_str *errors;
    size_t error_count, error_cap;
};

struct bk_config {
    bk_arena *arena; /* it is in it as well */
    bk_config_opts opts;
    struct bk__config_reading now;
    struct bk__given *flags; /* one for each field */
    bk_str file_flag;        /* --config; absent */
    bk_str file;             /* the path in force; absent: none */
    void *settings;          /* the caller's */
    bk_arena *last;          /* of a reload that left nothing but mistakes; may be NULL */
};

/* The field of a key; -1 when there is none. The key may be written in capitals and with '-'. */
int bk__config_find(const bk_desc *desc, bk_str key);

/* Records a mistake: "SOURCE: words". @p source may be absent. */
void bk__config_wrong(struct bk__config_reading *reading, bk_str source, const char *format, ...)
    BK_PRINTF(3, 4);

/* A value for @p key was found, or with @p key ending in _FILE the path of one. False: there is no
 * such setting. */
bool bk__config_give(struct bk__config_reading *reading, enum bk__rank rank, bk_str key,
                     bk_str text, bk_str source);

/* The setting whose key is like @p key, by its spelling; absent: none is. */
bk_str bk__config_like(bk_arena *arena, const bk_desc *desc, bk_str key);

/* Takes what are settings' flags out of the command line. */
void bk__config_take_flags(bk_config *config, struct bk__config_reading *reading);

/* The sources, in the order of their rank. */
void bk__config_read_file(bk_config *config, struct bk__config_reading *reading);
void bk__config_read_dotenv(bk_config *config, struct bk__config_reading *reading);
void bk__config_read_environment(bk_config *config, struct bk__config_reading *reading);

/* The variable's value; absent when it is not set, or empty. */
bk_str bk__config_env(const bk_config *config, const char *name);

/* All of a file. BK_ENOTFOUND, or BK_EIO, and then *why has words. */
bk_err bk__config_read_whole(bk_arena *arena, const char *path, bk_str *out, const char **why);

/* What --help says of the settings; nothing when @p config is NULL. */
void bk__config_print_help(const bk_config *config, FILE *out);

#endif
