/**
 * @file backend/migrate.h
 * @brief SQL migrations: numbered files in the binary, applied once, in order, by one instance.
 *
 * A folder has `0001_create_users.up.sql` and, where it can be undone, `0001_create_users.down.sql`
 * beside it. The program bk-embed-migrations turns it into a C file at build time, so that the
 * binary and its schema cannot be separated:
 *
 * @code
 * extern const bk_migrations shop_migrations; // in the file that bk-embed-migrations wrote
 *
 * bk_pg *db = bk_pg_new(app, &opts);
 * bk_migrations_use(app, db, &shop_migrations);
 * return bk_app_main(app, argc, argv); // shop migrate up|down|status|plan|baseline|resolve
 * @endcode
 *
 * **A migration is one transaction:** all of its statements and its row in the table
 * `bk_migrations`, or nothing. A file whose first line is `-- no-transaction` runs statement by
 * statement instead, for CREATE INDEX CONCURRENTLY and its like. Where such a one is interrupted it
 * is *unfinished*, and nothing goes on until bk_migrate_resolve().
 *
 * **Instances** that start at the same time take turns by an advisory lock of the database: the
 * first migrates, the others wait and find nothing to do. It belongs to a session, so it is gone
 * when its holder dies, and it needs a connection that does not go through a pooler of
 * transactions.
 *
 * **History is not rewritten:** an applied file that was changed or is missing, and a new one with
 * a version below applied ones, are refused before anything runs. Applied versions above all that
 * the program knows are not: an older release must be able to start.
 *
 * In a transaction each statement waits at most lock_timeout_ms for a lock, for all who come later
 * wait behind it; then the migration is rolled back and tried again.
 */
#ifndef BACKEND_MIGRATE_H
#define BACKEND_MIGRATE_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/pg.h>

BK_BEGIN_DECLS

/** One migration, as bk-embed-migrations writes it. All is borrowed for as long as it is used. */
typedef struct bk_migration {
    int64_t     version;   /**< From 1; "0012_" and "20261123183000_" are both fine. */
    const char *name;      /**< What follows the number: "create_users". */
    const char *up_file;   /**< Its path, for messages. */
    bk_str      up;        /**< The SQL; line ends are LF. */
    const char *down_file; /**< NULL: it cannot be undone. */
    bk_str      down;      /**< The SQL that undoes it; absent likewise. */
} bk_migration;

/** The migrations of a program, by rising version. */
typedef struct bk_migrations {
    const bk_migration *items; /**< The first. */
    size_t              count; /**< How many. */
} bk_migrations;

/** Hears what is being done. @param line  For a person, without a newline. Borrowed for the call.
 */
typedef void (*bk_migrate_say_fn)(const char *line, void *data);

/** How to migrate. Zero means default. */
typedef struct bk_migrate_opts {
    int64_t to; /**< Up to this version, which is applied; down to it, which stays. Default: up to
                   the last; down by `steps`. */
    uint32_t steps;        /**< Down: how many. Default 1; BK_UNLIMITED: all. */
    bool     dry_run;      /**< Say which would run, and their SQL; change nothing. */
    bool     out_of_order; /**< Up: also those with a version below applied ones. */
    bool     no_wait;      /**< BK_EAGAIN at once when another instance migrates. */
    uint32_t wait_ms;      /**< Longest wait for it. Default 10 min; BK_UNLIMITED. */
    uint32_t connect_ms;   /**< How long to go on trying when there is no server. Default: no longer
                                than the pool's acquire_ms. */
    uint32_t lock_timeout_ms; /**< Longest wait of a statement for a lock. Default 5 s;
                                   BK_UNLIMITED. */
    uint32_t lock_attempts;   /**< Runs in all of a migration that waited too long for a lock.
                                   Default 10. */
    bk_migrate_say_fn say;    /**< Default: a log line each. */
    void             *data;   /**< For `say`. */
} bk_migrate_opts;

/** How a migration stands. */
typedef enum bk_migration_state {
    BK_MIGRATION_APPLIED,
    BK_MIGRATION_PENDING,
    BK_MIGRATION_LATE,       /**< Pending, but one with a higher version is applied. Refused. */
    BK_MIGRATION_CHANGED,    /**< Applied, and its file is another now. Refused. */
    BK_MIGRATION_MISSING,    /**< Applied, and the program has no such file. Refused. */
    BK_MIGRATION_UNFINISHED, /**< Without a transaction, and interrupted or failed. Refused. */
    BK_MIGRATION_NEWER       /**< Applied by a later release: above all versions of this program. */
} bk_migration_state;

/** One line of bk_migrate_status(). */
typedef struct bk_migration_entry {
    int64_t            version;     /**< Its number. */
    bk_str             name;        /**< As it was applied, else as the program has it. */
    bk_migration_state state;       /**< How it stands. */
    bk_time            applied_at;  /**< 0 while it is not applied. */
    int64_t            duration_ms; /**< What it took; 0 likewise and after a baseline. */
    bk_str unfinished; /**< Where it stopped: "up: db/0007_index.up.sql:3". Absent: it did not. */
    const bk_migration *migration; /**< NULL: the program does not have it. */
} bk_migration_entry;

/** The state in one word: "pending". Static. @threads Any. */
BK_API const char *bk_migration_state_name(bk_migration_state state);

/**
 * Gives bk_app_main() the subcommand `migrate`. Migrations that do not rise in version stop the
 * program with words.
 *
 * @param pg   A pool of @p app.
 * @param set  Borrowed for as long as the app.
 */
BK_API void bk_migrations_use(bk_app *app, bk_pg *pg, const bk_migrations *set);

/**
 * Applies what is pending. Here and below: on a fiber, for tests and programs with a main of their
 * own.
 *
 * @param pg     A pool.
 * @param opts   May be NULL.
 * @param count  Receives how many were applied, also on error. May be NULL.
 * @return BK_OK, also when there was nothing to do; BK_ECONFLICT with words when history does not
 *         fit; BK_EINVAL for a file that is no SQL, or a version that there is not; BK_EAGAIN or
 *         BK_ETIMEDOUT when another instance migrates; BK_EUNAVAILABLE without a server; else the
 *         error of the statement that failed, with file and line in the chain.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_migrate_up(bk_pg *pg, const bk_migrations *set,
                                                   const bk_migrate_opts *opts, size_t *count);

/** Undoes the newest. Errors as bk_migrate_up(); BK_ECONFLICT also where one cannot be undone: then
 *  none is. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_migrate_down(bk_pg *pg, const bk_migrations *set,
                                                     const bk_migrate_opts *opts, size_t *count);

/** How all stand, by version; changes nothing.
 *  @param out  Receives bk_migration_entry items, request-owned. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_migrate_status(bk_pg *pg, const bk_migrations *set,
                                                       const bk_migrate_opts *opts, bk_array *out);

/** Notes those up to @p version as applied without running them: for a database that has them
 *  already, by other means. @param count  Receives how many. May be NULL. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_migrate_baseline(bk_pg *pg, const bk_migrations *set,
                                                         int64_t                version,
                                                         const bk_migrate_opts *opts,
                                                         size_t                *count);

/** After a look at the database: notes one that is unfinished, changed, missing or late as what it
 * is.
 *  @param applied  True: applied, as its file is now. False: not applied, so that it runs again. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_migrate_resolve(bk_pg *pg, const bk_migrations *set,
                                                        int64_t version, bool applied,
                                                        const bk_migrate_opts *opts);

BK_END_DECLS

#endif
