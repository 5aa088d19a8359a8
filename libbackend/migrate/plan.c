/*
 * plan.c: decides, from two sorted lists, how each migration stands and which are to run. See
 * plan.h.
 *
 * Knows no database and changes nothing. Its one principle: where history is not what the program
 * thinks it is, nobody but a person can say what is right, so nothing runs.
 */
#include "migrate/plan.h"

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "migrate/source.h"

const char *bk_migration_state_name(bk_migration_state state)
{
    static const char *const names[] = {
        [BK_MIGRATION_APPLIED] = "applied",
        [BK_MIGRATION_PENDING] = "pending",
        [BK_MIGRATION_LATE] = "late",
        [BK_MIGRATION_CHANGED] = "changed",
        [BK_MIGRATION_MISSING] = "missing",
        [BK_MIGRATION_NEWER] = "newer",
        [BK_MIGRATION_UNFINISHED] = "unfinished",
    };

    bk_assert((size_t)state < sizeof names / sizeof names[0]);
    return names[state];
}

/* --- comparing -------------------------------------------------------------------------------- */

static bk_migration_state state_of(bk_arena *arena, const bk_migration *migration,
                                   const struct bk__applied *row, int64_t newest_known,
                                   int64_t newest_applied)
{
    if (row == NULL)
        return migration->version < newest_applied ? BK_MIGRATION_LATE : BK_MIGRATION_PENDING;
    if (row->unfinished.ptr != NULL)
        return BK_MIGRATION_UNFINISHED;
    if (migration == NULL)
        return row->version > newest_known ? BK_MIGRATION_NEWER : BK_MIGRATION_MISSING;
    if (!bk_str_eq(bk__migration_checksum(arena, migration), row->checksum))
        return BK_MIGRATION_CHANGED;
    return BK_MIGRATION_APPLIED;
}

static bk_migration_entry entry_of(const bk_migration *migration, const struct bk__applied *row)
{
    bk_migration_entry entry = {.migration = migration};

    if (row == NULL) {
        entry.version = migration->version;
        entry.name = bk_str_of(migration->name);
    } else {
        entry.version = row->version;
        entry.name = row->name;
        entry.applied_at = row->applied_at;
        entry.duration_ms = row->duration_ms;
        entry.unfinished = row->unfinished;
    }
    return entry;
}

void bk__plan_compare(bk_arena *arena, const bk_migrations *set, const struct bk__applied *rows,
                      size_t count, struct bk__history *out)
{
    int64_t newest_known = set->count > 0 ? set->items[set->count - 1].version : 0;
    int64_t newest_applied = count > 0 ? rows[count - 1].version : 0;
    size_t own = 0, there = 0;

    out->count = 0;
    out->entries = bk_arena_zalloc(arena, (set->count + count + 1) * sizeof *out->entries);
    while (own < set->count || there < count) {
        const bk_migration *migration = own < set->count ? &set->items[own] : NULL;
        const struct bk__applied *row = there < count ? &rows[there] : NULL;
        if (migration != NULL && row != NULL && migration->version != row->version) {
            if (migration->version < row->version)
                row = NULL;
            else
                migration = NULL;
        }
        own += migration != NULL;
        there += row != NULL;
        bk_migration_entry *entry = &out->entries[out->count++];
        *entry = entry_of(migration, row);
        entry->state = state_of(arena, migration, row, newest_known, newest_applied);
    }
}

/* --- refusing --------------------------------------------------------------------------------- */

static const char *objection(bk_migration_state state)
{
    switch (state) {
    case BK_MIGRATION_LATE:
        return "is new, but one with a higher version is applied already; give it a higher number, "
               "or allow it by --out-of-order";
    case BK_MIGRATION_CHANGED:
        return "was changed after it was applied; restore its file and put the change in a new one";
    case BK_MIGRATION_MISSING:
        return "is applied, but the program does not have it; restore its file";
    case BK_MIGRATION_UNFINISHED:
        return "did not finish; see what of it is done, mend that by hand, and then \"resolve\" it "
               "as applied or as pending";
    default:
        return NULL;
    }
}

/* The first thing wrong, and how many more. */
static bk_err refuse_history(const struct bk__history *history, bool late_is_fine)
{
    const bk_migration_entry *first = NULL;
    size_t more = 0;

    for (size_t i = 0; i < history->count; i++) {
        const bk_migration_entry *it = &history->entries[i];
        if (objection(it->state) == NULL || (it->state == BK_MIGRATION_LATE && late_is_fine))
            continue;
        if (first == NULL)
            first = it;
        else
            more++;
    }
    if (first == NULL)
        return BK_OK;
    bool stopped = first->unfinished.ptr != NULL;
    return bk_fail(BK_ECONFLICT, "migration %lld %.*s %s%s%.*s%s%s", (long long)first->version,
                   BK_PRI(first->name), objection(first->state), stopped ? " (it stopped at " : "",
                   BK_PRI(first->unfinished), stopped ? ")" : "",
                   more > 0 ? "; there are more like it, see \"status\"" : "");
}

static bk_err no_such_version(int64_t version)
{
    return bk_fail(BK_EINVAL, "there is no migration %lld", (long long)version);
}

static bool has_version(const struct bk__history *history, int64_t version)
{
    for (size_t i = 0; i < history->count; i++)
        if (history->entries[i].version == version)
            return true;
    return false;
}

/* --- deciding --------------------------------------------------------------------------------- */

static void add_step(struct bk__plan *plan, const bk_migration *migration, bool down)
{
    plan->steps[plan->count++] = (struct bk__step){.migration = migration, .down = down};
}

static void init_plan(bk_arena *arena, const struct bk__history *history, struct bk__plan *out)
{
    out->count = 0;
    out->steps = bk_arena_zalloc(arena, (history->count + 1) * sizeof *out->steps);
}

bk_err bk__plan_up(bk_arena *arena, const struct bk__history *history, const bk_migrate_opts *opts,
                   struct bk__plan *out)
{
    BK_TRY(refuse_history(history, opts->out_of_order));
    if (opts->to != 0 && !has_version(history, opts->to))
        return no_such_version(opts->to);
    init_plan(arena, history, out);
    for (size_t i = 0; i < history->count; i++) {
        const bk_migration_entry *it = &history->entries[i];
        bool is_new = it->state == BK_MIGRATION_PENDING || it->state == BK_MIGRATION_LATE;
        if (is_new && (opts->to == 0 || it->version <= opts->to))
            add_step(out, it->migration, false);
    }
    return BK_OK;
}

static bk_err plan_undoing(const bk_migration_entry *entry, struct bk__plan *out)
{
    if (entry->migration == NULL)
        return bk_fail(
            BK_ECONFLICT,
            "migration %lld %.*s was applied by a later release, which alone can undo it",
            (long long)entry->version, BK_PRI(entry->name));
    if (entry->migration->down_file == NULL)
        return bk_fail(BK_ECONFLICT, "migration %lld %.*s cannot be undone: it has no .down.sql",
                       (long long)entry->version, BK_PRI(entry->name));
    add_step(out, entry->migration, true);
    return BK_OK;
}

bk_err bk__plan_down(bk_arena *arena, const struct bk__history *history,
                     const bk_migrate_opts *opts, struct bk__plan *out)
{
    uint32_t left = opts->to != 0 || opts->steps == BK_UNLIMITED ? UINT32_MAX
                    : opts->steps != 0                           ? opts->steps
                                                                 : 1;

    BK_TRY(refuse_history(history, true));
    if (opts->to != 0 && !has_version(history, opts->to))
        return no_such_version(opts->to);
    init_plan(arena, history, out);
    for (size_t i = history->count; i > 0 && left > 0; i--) {
        const bk_migration_entry *it = &history->entries[i - 1];
        if (it->version <= opts->to)
            break;
        if (it->state != BK_MIGRATION_APPLIED && it->state != BK_MIGRATION_NEWER)
            continue;
        BK_TRY(plan_undoing(it, out));
        left--;
    }
    return BK_OK;
}
