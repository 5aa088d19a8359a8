/*
 * apply.c: one migration, statement by statement. See apply.h.
 *
 * In a transaction its row is written with it, so that the database never says otherwise than it
 * is. Without one, the row comes first and says which statement is running, so that whatever ends
 * the process leaves behind where it was.
 */
#include "migrate/apply.h"

#include <stdarg.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/log.h>

#include "core/arena.h"
#include "migrate/source.h"

#define LOCK_NOT_AVAILABLE    "55P03"
#define NOT_IN_A_TRANSACTION  "25001"
#define LOCK_PAUSE_MS         500
#define LOCK_PAUSE_LONGEST_MS 10000

struct work {
    const struct bk__store *store;
    const struct bk__step *step;
    const bk_migrate_opts *opts;
    const struct bk__migration_statement *statements;
    size_t count;
    uint64_t begin_ns;
};

void bk__migrate_say(const bk_migrate_opts *opts, const char *format, ...)
{
    bk_arena *arena = bk_arena_new();
    va_list args;

    va_start(args, format);
    bk_str line = bk__arena_vprintf(arena, format, args);
    va_end(args);
    if (opts->say != NULL)
        opts->say(line.ptr, opts->data);
    else
        bk_info("migrate", bk_kv_str("detail", line));
    bk_arena_free(arena);
}

static const char *file_of(const struct bk__step *step)
{
    return step->down ? step->migration->down_file : step->migration->up_file;
}

static bk_str sql_of(const struct bk__step *step)
{
    return step->down ? step->migration->down : step->migration->up;
}

bk_err bk__step_statements(bk_arena *arena, const struct bk__step *step, bk_array *out)
{
    return bk__migration_statements(arena, file_of(step), sql_of(step), out);
}

static int64_t elapsed_ms(const struct work *work)
{
    return (int64_t)((bk_now_ns() - work->begin_ns) / 1000000);
}

static bk_err note_done(bk_pg *pg, const struct work *work)
{
    const bk_migration *migration = work->step->migration;

    if (work->step->down)
        return bk__store_forget(pg, work->store, migration->version);
    return bk__store_note(pg, work->store, migration, elapsed_ms(work), (bk_str){NULL, 0});
}

/* --- in a transaction ------------------------------------------------------------------------- */

static bk_err limit_lock_waits(bk_pg *tx, uint32_t ms)
{
    if (ms == BK_UNLIMITED)
        return BK_OK;
    bk_str value = bk_arena_printf(bk_fiber_arena(), "%ums", ms);
    return bk_pg_exec(tx, "SELECT set_config('lock_timeout', $1, true)", BK_ARGS(bk_text(value)),
                      NULL);
}

static bk_err run_in_transaction(bk_pg *tx, void *data)
{
    struct work *work = data;

    BK_TRY(limit_lock_waits(tx, work->opts->lock_timeout_ms));
    for (size_t i = 0; i < work->count; i++) {
        const struct bk__migration_statement *it = &work->statements[i];
        bk_err err = bk_pg_exec(tx, it->sql, BK_NO_ARGS, NULL);
        if (err == BK_OK)
            continue;
        bool cannot = strcmp(bk_pg_sqlstate(), NOT_IN_A_TRANSACTION) == 0;
        return bk_context(err, "%s:%d: this failed, and nothing of the file is done%s",
                          file_of(work->step), it->line,
                          cannot
                              ? "; what cannot be in a transaction needs a file whose first line "
                                "is \"-- no-transaction\""
                              : "");
    }
    return bk_context(note_done(tx, work), "while noting %s in %s", file_of(work->step),
                      work->store->table);
}

static bk_err apply_in_transaction(bk_pg *session, struct work *work)
{
    static const bk_pg_tx_opts unhurried = {.max_ms = BK_UNLIMITED};
    uint64_t pause = LOCK_PAUSE_MS;

    for (uint32_t attempt = 1;; attempt++) {
        bk_err err = bk_pg_tx_with(session, &unhurried, run_in_transaction, work);
        if (err == BK_OK || strcmp(bk_pg_sqlstate(), LOCK_NOT_AVAILABLE) != 0)
            return err;
        if (attempt >= work->opts->lock_attempts)
            return bk_context(err, "%s waited %u times for a lock, %u ms each", file_of(work->step),
                              attempt, work->opts->lock_timeout_ms);
        bk__migrate_say(work->opts, "%s: a lock is taken; rolled back, attempt %u of %u in %u ms",
                        file_of(work->step), attempt + 1, work->opts->lock_attempts,
                        (unsigned)pause);
        bk_error_clear();
        BK_TRY(bk_sleep_ms(pause));
        pause = 2 * pause < LOCK_PAUSE_LONGEST_MS ? 2 * pause : LOCK_PAUSE_LONGEST_MS;
    }
}

/* --- without ---------------------------------------------------------------------------------- */

static bk_err apply_bare(bk_pg *session, struct work *work)
{
    const bk_migration *migration = work->step->migration;
    const char *file = file_of(work->step);

    for (size_t i = 0; i < work->count; i++) {
        const struct bk__migration_statement *it = &work->statements[i];
        bk_str where = bk_arena_printf(bk_fiber_arena(), "%s: %s:%d",
                                       work->step->down ? "down" : "up", file, it->line);
        BK_TRY(bk__store_note(session, work->store, migration, elapsed_ms(work), where));
        bk_err err = bk_pg_exec(session, it->sql, BK_NO_ARGS, NULL);
        if (err != BK_OK)
            return bk_context(
                err,
                "%s:%d: this failed, and the %zu before it in the file are done: it has no "
                "transaction; mend by hand what is half done (an index may be there, but invalid), "
                "then \"migrate resolve %lld applied\" or \"migrate resolve %lld pending\"",
                file, it->line, i, (long long)migration->version, (long long)migration->version);
    }
    return bk_context(note_done(session, work), "while noting %s in %s", file, work->store->table);
}

/* What a migration has set must not reach the next one. */
static bk_err reset_session(bk_pg *session)
{
    BK_TRY(bk_pg_exec(session, "RESET SESSION AUTHORIZATION", BK_NO_ARGS, NULL));
    return bk_pg_exec(session, "RESET ALL", BK_NO_ARGS, NULL);
}

bk_err bk__step_apply(bk_pg *session, const struct bk__store *store, const struct bk__step *step,
                      const bk_migrate_opts *opts)
{
    struct work work = {.store = store, .step = step, .opts = opts, .begin_ns = bk_now_ns()};
    bk_array statements;

    BK_TRY(bk__step_statements(bk_fiber_arena(), step, &statements));
    work.statements = statements.items;
    work.count = statements.count;
    BK_TRY(bk__migration_in_transaction(sql_of(step)) ? apply_in_transaction(session, &work)
                                                      : apply_bare(session, &work));
    bk__migrate_say(opts, "%s  %s (%lld ms)", step->down ? "undone " : "applied", file_of(step),
                    (long long)elapsed_ms(&work));
    return reset_session(session);
}
