/*
 * main_log.c: see main_log.h.
 *
 * An operator may say more than the program, and not less: LOG_REDACT adds to its paths.
 */
#include "app/main_log.h"

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/log.h"
#include "core/log_rules.h"

/* Set and not empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bk_err read_format(const char *text, bk_log_format *out)
{
    if (strcmp(text, "json") == 0)
        *out = BK_LOG_FORMAT_JSON;
    else if (strcmp(text, "pretty") == 0)
        *out = BK_LOG_FORMAT_PRETTY;
    else if (strcmp(text, "auto") == 0)
        *out = BK_LOG_FORMAT_AUTO;
    else
        return bk_fail(BK_EINVAL, "LOG_FORMAT is \"%s\"; it may be json, pretty or auto", text);
    return BK_OK;
}

/* The program's paths, and then those of @p text. */
static const char *const *more_paths(bk_arena *arena, const char *const *own, const char *text)
{
    enum {
        MOST = 2 * BK__LOG_RULES_MAX /* what is too many is refused later */
    };
    const char **paths = bk_arena_zalloc(arena, (MOST + 1) * sizeof *paths);
    bk_str path, rest = bk_str_of(text);
    size_t count = 0;

    for (; own != NULL && own[count] != NULL && count < MOST; count++)
        paths[count] = own[count];
    while (count < MOST && bk_str_split(&rest, ',', &path))
        paths[count++] = bk_arena_cstr(arena, path);
    return paths;
}

static bk_err set_up(bk_arena *arena)
{
    bk_log_opts opts = bk__log_opts();
    const char *level = variable("LOG_LEVEL"), *format = variable("LOG_FORMAT");
    const char *file = variable("LOG_FILE"), *redact = variable("LOG_REDACT");

    if (level == NULL && format == NULL && file == NULL && redact == NULL)
        return BK_OK;
    if (level != NULL)
        opts.levels = level;
    if (format != NULL)
        BK_TRY(read_format(format, &opts.format));
    if (file != NULL)
        opts.file = file;
    if (redact != NULL)
        opts.redact = more_paths(arena, opts.redact, redact);
    return bk_log_setup(&opts);
}

bk_err bk__main_log(void)
{
    bk_arena *arena = bk_arena_new();
    bk_err err = set_up(arena);

    bk_arena_free(arena);
    if (err == BK_OK)
        return BK_OK;
    bk_str why = bk_error_chain()->message;
    return bk_context(err, "LOG_LEVEL, LOG_FORMAT, LOG_FILE or LOG_REDACT: %.*s", BK_PRI(why));
}
