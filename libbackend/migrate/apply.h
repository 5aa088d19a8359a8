/*
 * apply.h: runs one migration.
 */
#ifndef BK_MIGRATE_APPLY_H
#define BK_MIGRATE_APPLY_H

#include "migrate/store.h"

/* Says a line by opts->say, or logs it. */
void bk__migrate_say(const bk_migrate_opts *opts, const char *format, ...) BK_PRINTF(2, 3);

/* Its statements in its file. @p out: struct bk__migration_statement items. */
bk_err bk__step_statements(bk_arena *arena, const struct bk__step *step, bk_array *out);

/* Runs @p step on @p session and notes it. @p opts: with its defaults filled in. */
BK_YIELDS bk_err bk__step_apply(bk_pg *session, const struct bk__store *store,
                                const struct bk__step *step, const bk_migrate_opts *opts);

#endif
