/*
 * migrate.c: takes the lock, looks, plans, applies. See <backend/migrate.h>.
 *
 * All of it happens on one connection. So when that is lost, the lock and the transaction that it
 * guards are lost together, and nobody else can have begun in between.
 *
 * The lock is asked for again and again rather than waited for in the server: a statement that
 * waits has a snapshot, CREATE INDEX CONCURRENTLY waits for all older snapshots to go, and the two
 * would be a deadlock.
 */
#include <backend/migrate.h>

#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>

#include "core/assert.h"
#include "migrate/apply.h"
#include "migrate/plan.h"
#include "migrate/source.h"
#include "migrate/store.h"

#define LOCK_KEY         INT64_C(0x626b5f6d69677261) /* "bk_migra": pg_locks shows its two halves */
#define LOCK_POLL_MS     200
#define LOCK_SAY_MS      10000
#define CONNECT_PAUSE_MS 500

struct job {
    const bk_migrations *set;
    bk_migrate_opts opts; /* defaults filled in */
    bk_err (*fn)(bk_pg *session, struct job *job);
    bool lock;
    bool connected; /* an error after that is no reason to try again */
    bool down, applied;
    int64_t version;
    size_t count;
    struct bk__store store;
    bk_array *entries;
};

static struct job make_job(const bk_migrations *set, const bk_migrate_opts *opts,
                           bk_err (*fn)(bk_pg *session, struct job *job))
{
    struct job job = {.set = set, .fn = fn, .lock = true};

    if (opts != NULL)
        job.opts = *opts;
    if (job.opts.wait_ms == 0)
        job.opts.wait_ms = 600000;
    if (job.opts.lock_timeout_ms == 0)
        job.opts.lock_timeout_ms = 5000;
    if (job.opts.lock_attempts == 0)
        job.opts.lock_attempts = 10;
    return job;
}

/* --- the connection and the lock -------------------------------------------------------------- */

struct taken {
    bool got;
};

/* clang-format off */
BK_DESCRIBE(taken_desc, struct taken,
            BK_BOOL(got))
/* clang-format on */

static bk_err take_lock(bk_pg *session, const bk_migrate_opts *opts)
{
    uint64_t begin = bk_now_ms(), say_at = begin;
    struct taken taken;

    for (;;) {
        BK_TRY(bk_pg_one(session, "SELECT pg_try_advisory_lock($1) AS got",
                         BK_ARGS(bk_i64(LOCK_KEY)), taken_desc, &taken));
        if (taken.got)
            return BK_OK;
        if (opts->no_wait)
            return bk_fail(BK_EAGAIN, "another instance is migrating this database");
        uint64_t now = bk_now_ms();
        if (opts->wait_ms != BK_UNLIMITED && now - begin >= opts->wait_ms)
            return bk_fail(BK_ETIMEDOUT,
                           "another instance is still migrating this database after "
                           "%u ms",
                           opts->wait_ms);
        if (now >= say_at) {
            bk__migrate_say(opts, "another instance is migrating; waiting");
            say_at = now + LOCK_SAY_MS;
        }
        BK_TRY(bk_sleep_ms(LOCK_POLL_MS));
    }
}

static bk_err run_job(bk_pg *session, void *data)
{
    struct job *job = data;

    job->connected = true;
    if (job->lock)
        BK_TRY(take_lock(session, &job->opts));
    BK_TRY(bk__store_find(session, &job->store));
    return job->fn(session, job);
}

static bk_err run(bk_pg *pg, struct job *job)
{
    uint64_t begin = bk_now_ms();
    bool said = false;

    BK_TRY(bk__migrations_check(job->set));
    for (;;) {
        bk_err err = bk_pg_session(pg, run_job, job);
        if (job->connected || err != BK_EUNAVAILABLE || bk_now_ms() - begin >= job->opts.connect_ms)
            return err;
        if (!said)
            bk__migrate_say(&job->opts, "no connection yet; waiting");
        said = true;
        bk_error_clear();
        BK_TRY(bk_sleep_ms(CONNECT_PAUSE_MS));
    }
}

static bk_err compare(bk_pg *session, const struct job *job, struct bk__history *out)
{
    bk_array rows;

    BK_TRY(bk__store_read(session, &job->store, &rows));
    bk__plan_compare(bk_fiber_arena(), job->set, rows.items, rows.count, out);
    return BK_OK;
}

/* --- up and down ------------------------------------------------------------------------------ */

static void say_newer(const struct job *job, const struct bk__history *history)
{
    const bk_migration_entry *last =
        history->count > 0 ? &history->entries[history->count - 1] : NULL;

    if (last != NULL && last->state == BK_MIGRATION_NEWER)
        bk__migrate_say(&job->opts,
                        "the database is at version %lld, which is later than this program",
                        (long long)last->version);
}

static void say_dry(const struct job *job, const struct bk__step *step)
{
    bk_str sql = step->down ? step->migration->down : step->migration->up;
    size_t len = sql.len;

    while (len > 0 && sql.ptr[len - 1] == '\n')
        len--;
    bk__migrate_say(&job->opts, "-- %s, %s a transaction\n%.*s\n",
                    step->down ? step->migration->down_file : step->migration->up_file,
                    bk__migration_in_transaction(sql) ? "in" : "without", (int)len, sql.ptr);
}

/* Nothing runs before all of it has been read. */
static bk_err read_all(const struct bk__plan *plan)
{
    bk_arena *arena = bk_arena_new();
    bk_array statements;
    bk_err err = BK_OK;

    for (size_t i = 0; err == BK_OK && i < plan->count; i++)
        err = bk__step_statements(arena, &plan->steps[i], &statements);
    bk_arena_free(arena);
    return err;
}

static bk_err migrate(bk_pg *session, struct job *job)
{
    struct bk__history history;
    struct bk__plan plan;

    BK_TRY(compare(session, job, &history));
    BK_TRY(job->down ? bk__plan_down(bk_fiber_arena(), &history, &job->opts, &plan)
                     : bk__plan_up(bk_fiber_arena(), &history, &job->opts, &plan));
    BK_TRY(read_all(&plan));
    if (!job->down)
        say_newer(job, &history);
    for (size_t i = 0; job->opts.dry_run && i < plan.count; i++)
        say_dry(job, &plan.steps[i]);
    if (job->opts.dry_run)
        return BK_OK;
    if (plan.count > 0 && !job->store.exists)
        BK_TRY(bk__store_create(session, &job->store));
    for (size_t i = 0; i < plan.count; i++) {
        BK_TRY(bk__step_apply(session, &job->store, &plan.steps[i], &job->opts));
        job->count++;
    }
    return BK_OK;
}

static bk_err run_migrate(bk_pg *pg, const bk_migrations *set, const bk_migrate_opts *opts,
                          bool down, size_t *count)
{
    struct job job = make_job(set, opts, migrate);

    job.down = down;
    job.lock = !job.opts.dry_run;
    bk_err err = run(pg, &job);
    if (count != NULL)
        *count = job.count;
    return err;
}

bk_err bk_migrate_up(bk_pg *pg, const bk_migrations *set, const bk_migrate_opts *opts,
                     size_t *count)
{
    return run_migrate(pg, set, opts, false, count);
}

bk_err bk_migrate_down(bk_pg *pg, const bk_migrations *set, const bk_migrate_opts *opts,
                       size_t *count)
{
    return run_migrate(pg, set, opts, true, count);
}

/* --- looking and noting ----------------------------------------------------------------------- */

static bk_err look(bk_pg *session, struct job *job)
{
    struct bk__history history;

    BK_TRY(compare(session, job, &history));
    *job->entries = (bk_array){.items = history.entries, .count = history.count};
    return BK_OK;
}

bk_err bk_migrate_status(bk_pg *pg, const bk_migrations *set, const bk_migrate_opts *opts,
                         bk_array *out)
{
    struct job job = make_job(set, opts, look);

    job.lock = false;
    job.entries = out;
    *out = (bk_array){0};
    return run(pg, &job);
}

static bk_err note_all(bk_pg *tx, void *data)
{
    struct job *job = data;
    struct bk__history history;

    job->count = 0;
    BK_TRY(compare(tx, job, &history));
    if (!job->store.exists)
        BK_TRY(bk__store_create(tx, &job->store));
    for (size_t i = 0; i < history.count; i++) {
        const bk_migration_entry *it = &history.entries[i];
        bool is_new = it->state == BK_MIGRATION_PENDING || it->state == BK_MIGRATION_LATE;
        if (!is_new || it->version > job->version)
            continue;
        BK_TRY(bk__store_note(tx, &job->store, it->migration, 0, (bk_str){NULL, 0}));
        job->count++;
    }
    return BK_OK;
}

static bk_err baseline(bk_pg *session, struct job *job)
{
    if (bk__migrations_find(job->set, job->version) == NULL)
        return bk_fail(BK_EINVAL, "there is no migration %lld", (long long)job->version);
    return bk_pg_tx(session, note_all, job);
}

bk_err bk_migrate_baseline(bk_pg *pg, const bk_migrations *set, int64_t version,
                           const bk_migrate_opts *opts, size_t *count)
{
    struct job job = make_job(set, opts, baseline);

    job.version = version;
    bk_err err = run(pg, &job);
    if (count != NULL)
        *count = err == BK_OK ? job.count : 0;
    return err;
}

static const bk_migration_entry *find_entry(const struct bk__history *history, int64_t version)
{
    for (size_t i = 0; i < history->count; i++)
        if (history->entries[i].version == version)
            return &history->entries[i];
    return NULL;
}

static bk_err resolve(bk_pg *session, struct job *job)
{
    struct bk__history history;

    BK_TRY(compare(session, job, &history));
    const bk_migration_entry *entry = find_entry(&history, job->version);
    if (entry == NULL)
        return bk_fail(BK_EINVAL, "there is no migration %lld", (long long)job->version);
    if (entry->state == BK_MIGRATION_APPLIED || entry->state == BK_MIGRATION_PENDING ||
        entry->state == BK_MIGRATION_NEWER)
        return bk_fail(BK_ECONFLICT, "migration %lld is %s: there is nothing to resolve",
                       (long long)job->version, bk_migration_state_name(entry->state));
    if (!job->applied)
        return job->store.exists ? bk__store_forget(session, &job->store, job->version) : BK_OK;
    if (entry->migration == NULL)
        return bk_fail(BK_ECONFLICT, "migration %lld has no file, so it can only be made pending",
                       (long long)job->version);
    return bk__store_note(session, &job->store, entry->migration, entry->duration_ms,
                          (bk_str){NULL, 0});
}

bk_err bk_migrate_resolve(bk_pg *pg, const bk_migrations *set, int64_t version, bool applied,
                          const bk_migrate_opts *opts)
{
    struct job job = make_job(set, opts, resolve);

    job.version = version;
    job.applied = applied;
    return run(pg, &job);
}
