/*
 * source.h: the migrations that a program brings, and what their texts say.
 */
#ifndef BK_MIGRATE_SOURCE_H
#define BK_MIGRATE_SOURCE_H

#include <backend/migrate.h>

#define BK__CHECKSUM_LEN 64 /* SHA-256 in hexadecimal */

/* BK_EINVAL with words unless versions are from 1 and rise, and each has a name, a file and SQL. */
bk_err bk__migrations_check(const bk_migrations *set);

/* NULL when there is none of that version. */
const bk_migration *bk__migrations_find(const bk_migrations *set, int64_t version);

/* Of the SQL that applies it; the one that undoes it may change later. In @p arena. */
bk_str bk__migration_checksum(bk_arena *arena, const bk_migration *migration);

/* Its first line is not "-- no-transaction". */
bool bk__migration_in_transaction(bk_str sql);

/* One statement of a file, as it is sent. */
struct bk__migration_statement {
    const char *sql;
    int line;
};

/* Cuts @p sql, and refuses what could not run: BK_EINVAL with @p file and line. @p out receives
 * struct bk__migration_statement items in @p arena. */
bk_err bk__migration_statements(bk_arena *arena, const char *file, bk_str sql, bk_array *out);

#endif
