/*
 * log_rules.h: which events are logged, and which fields do not show.
 *
 * Both are read from settings once and not changed afterwards.
 */
#ifndef BK_CORE_LOG_RULES_H
#define BK_CORE_LOG_RULES_H

#include <backend/errors.h>
#include <backend/log.h>

#define BK__LOG_RULES_MAX  32 /* of each kind */
#define BK__LOG_PATH_DEPTH 3

struct bk__log_levels {
    int level;  /* of what no rule is about; 0: not said */
    int lowest; /* of any rule; BK_LOG_OFF: there is none */
    size_t count;
    struct {
        bk_str prefix; /* of events: "pg" is about "pg" and "pg.slow" */
        int level;
    } rules[BK__LOG_RULES_MAX];
};

/* Reads "info,pg=debug,redis.down=off"; @p text, which the rules borrow, may be NULL. BK_EINVAL
 * with words. */
BK_NODISCARD bk_err bk__log_levels_read(const char *text, struct bk__log_levels *out);

/* The level from which on @p event is logged; @p fallback where no rule is about it. */
int bk__log_levels_of(const struct bk__log_levels *levels, const char *event, int fallback);

/* The level of a name such as "warn", or 0. */
int bk__log_level_named(bk_str name);

struct bk__log_redact {
    size_t count;
    struct {
        bk_str parts[BK__LOG_PATH_DEPTH]; /* "*" is any */
        size_t depth;
    } paths[BK__LOG_RULES_MAX];
};

/* Reads paths such as "password", "req.headers.referer", "*.token"; @p paths, which the rules
 * borrow, ends with NULL and may be NULL. BK_EINVAL with words. */
BK_NODISCARD bk_err bk__log_redact_read(const char *const *paths, struct bk__log_redact *out);

/* Whether the field @p name of the @p depth objects that stand in each other is hidden. */
bool bk__log_redact_hides(const struct bk__log_redact *redact, const char *const *objects,
                          size_t depth, const char *name);

#endif
