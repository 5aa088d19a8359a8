/*
 * plan.h: what a program has and what a database has, laid side by side, and what follows from
 * that.
 */
#ifndef BK_MIGRATE_PLAN_H
#define BK_MIGRATE_PLAN_H

#include <backend/migrate.h>

/* A row of bk_migrations. */
struct bk__applied {
    int64_t version;
    bk_str name, checksum;
    bk_time applied_at;
    int64_t duration_ms;
    bk_str unfinished; /* where it stopped; absent: it is complete */
};

/* What has been compared. In one arena. */
struct bk__history {
    bk_migration_entry *entries; /* by rising version */
    size_t count;
};

/* A migration that is to run. */
struct bk__step {
    const bk_migration *migration;
    bool down;
};

struct bk__plan {
    struct bk__step *steps; /* in order */
    size_t count;
};

/* @p rows by rising version. */
void bk__plan_compare(bk_arena *arena, const bk_migrations *set, const struct bk__applied *rows,
                      size_t count, struct bk__history *out);

/* What bk_migrate_up() and bk_migrate_down() would run. BK_ECONFLICT or BK_EINVAL with words. */
bk_err bk__plan_up(bk_arena *arena, const struct bk__history *history, const bk_migrate_opts *opts,
                   struct bk__plan *out);
bk_err bk__plan_down(bk_arena *arena, const struct bk__history *history,
                     const bk_migrate_opts *opts, struct bk__plan *out);

#endif
