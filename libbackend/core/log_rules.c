/*
 * log_rules.c: see log_rules.h.
 */
#include "core/log_rules.h"

#include <string.h>

#include <backend/str.h>

static const struct {
    bk_str name;
    int level;
} names[] = {
    {BK_LIT("trace"), BK_LOG_TRACE}, {BK_LIT("debug"), BK_LOG_DEBUG},
    {BK_LIT("info"), BK_LOG_INFO},   {BK_LIT("warn"), BK_LOG_WARN},
    {BK_LIT("error"), BK_LOG_ERROR}, {BK_LIT("fatal"), BK_LOG_FATAL},
    {BK_LIT("off"), BK_LOG_OFF},     {BK_LIT("silent"), BK_LOG_OFF}, /* pino's word */
};

int bk__log_level_named(bk_str name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (bk_str_ieq(name, names[i].name))
            return names[i].level;
    return 0;
}

static bk_str trim(bk_str text)
{
    while (text.len > 0 && text.ptr[0] == ' ') {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && text.ptr[text.len - 1] == ' ')
        text.len--;
    return text;
}

static bk_err add_level(struct bk__log_levels *levels, bk_str entry)
{
    bk_str prefix, level = entry;

    (void)bk_str_split(&level, '=', &prefix);
    bool has_prefix = bk_str_present(level);
    int value = bk__log_level_named(trim(has_prefix ? level : prefix));
    if (value == 0)
        return bk_fail(BK_EINVAL,
                       "\"%.*s\" is no level: trace, debug, info, warn, error, fatal or off",
                       BK_PRI(entry));
    if (!has_prefix) {
        levels->level = value;
        return BK_OK;
    }
    prefix = trim(prefix);
    if (prefix.len == 0)
        return bk_fail(BK_EINVAL, "\"%.*s\" names no events", BK_PRI(entry));
    if (levels->count == BK__LOG_RULES_MAX)
        return bk_fail(BK_EINVAL, "there are more than %d levels", BK__LOG_RULES_MAX);
    levels->rules[levels->count].prefix = prefix;
    levels->rules[levels->count++].level = value;
    if (value < levels->lowest)
        levels->lowest = value;
    return BK_OK;
}

bk_err bk__log_levels_read(const char *text, struct bk__log_levels *out)
{
    bk_str entry, rest = bk_str_of(text);

    *out = (struct bk__log_levels){.lowest = BK_LOG_OFF};
    if (rest.len == 0)
        return BK_OK;
    while (bk_str_split(&rest, ',', &entry))
        BK_TRY(add_level(out, trim(entry)));
    return BK_OK;
}

static bool is_about(bk_str prefix, const char *event)
{
    return strncmp(event, prefix.ptr, prefix.len) == 0 &&
           (event[prefix.len] == '.' || event[prefix.len] == '\0');
}

int bk__log_levels_of(const struct bk__log_levels *levels, const char *event, int fallback)
{
    size_t longest = 0;
    int level = fallback;

    for (size_t i = 0; i < levels->count; i++) {
        bk_str prefix = levels->rules[i].prefix;
        if (prefix.len >= longest && is_about(prefix, event)) {
            longest = prefix.len;
            level = levels->rules[i].level;
        }
    }
    return level;
}

/* --- redaction -------------------------------------------------------------------------------- */

static bk_err add_path(struct bk__log_redact *redact, const char *path)
{
    bk_str part, rest = bk_str_of(path);

    if (redact->count == BK__LOG_RULES_MAX)
        return bk_fail(BK_EINVAL, "there are more than %d paths to redact", BK__LOG_RULES_MAX);
    size_t depth = 0;
    while (bk_str_split(&rest, '.', &part)) {
        if (part.len == 0 || depth == BK__LOG_PATH_DEPTH)
            return bk_fail(BK_EINVAL,
                           "\"%s\" is no path to redact: one to three names with dots between them",
                           path);
        redact->paths[redact->count].parts[depth++] = part;
    }
    redact->paths[redact->count++].depth = depth;
    return BK_OK;
}

bk_err bk__log_redact_read(const char *const *paths, struct bk__log_redact *out)
{
    *out = (struct bk__log_redact){0};
    for (; paths != NULL && *paths != NULL; paths++)
        BK_TRY(add_path(out, *paths));
    return BK_OK;
}

static bool fits(bk_str part, const char *name)
{
    return (part.len == 1 && part.ptr[0] == '*') || bk_str_eq(part, bk_str_of(name));
}

bool bk__log_redact_hides(const struct bk__log_redact *redact, const char *const *objects,
                          size_t depth, const char *name)
{
    for (size_t i = 0; i < redact->count; i++) {
        const bk_str *parts = redact->paths[i].parts;
        bool all = redact->paths[i].depth == depth + 1 && fits(parts[depth], name);
        for (size_t at = 0; all && at < depth; at++)
            all = fits(parts[at], objects[at]);
        if (all)
            return true;
    }
    return false;
}
