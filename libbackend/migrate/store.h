/*
 * store.h: the table bk_migrations, which says what a database has.
 *
 *     version      bigint       primary key
 *     name         text
 *     checksum     text         SHA-256 of the SQL that applied it, in hexadecimal
 *     applied_at   timestamptz
 *     duration_ms  bigint
 *     unfinished   text         where a migration without a transaction is, or stopped; NULL: it is
 * done
 *
 * It lies in the first schema of the search path, and is called by its full name ever after, since
 * a migration may change the search path.
 */
#ifndef BK_MIGRATE_STORE_H
#define BK_MIGRATE_STORE_H

#include "migrate/plan.h"

struct bk__store {
    const char *table; /* quoted, with its schema */
    bool exists;
};

BK_YIELDS bk_err bk__store_find(bk_pg *pg, struct bk__store *out);
BK_YIELDS bk_err bk__store_create(bk_pg *pg, struct bk__store *store);

/* By rising version; struct bk__applied items. None while the table does not exist. */
BK_YIELDS bk_err bk__store_read(bk_pg *pg, const struct bk__store *store, bk_array *out);

/* Notes that @p migration is applied, or with @p unfinished, how far it has come. */
BK_YIELDS bk_err bk__store_note(bk_pg *pg, const struct bk__store *store,
                                const bk_migration *migration, int64_t duration_ms,
                                bk_str unfinished);
BK_YIELDS bk_err bk__store_forget(bk_pg *pg, const struct bk__store *store, int64_t version);

#endif
