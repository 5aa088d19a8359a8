/*
 * store.c: the SQL about bk_migrations. See store.h.
 */
#include "migrate/store.h"

#include <backend/arena.h>
#include <backend/fiber.h>

#include "migrate/source.h"

struct place {
    bk_str name;
    bool found;
};

/* clang-format off */
BK_DESCRIBE(place_desc, struct place,
            BK_STR(name),
            BK_BOOL(found))

BK_DESCRIBE(applied_desc, struct bk__applied,
            BK_I64(version),
            BK_STR(name),
            BK_STR(checksum),
            BK_TIME(applied_at),
            BK_I64(duration_ms),
            BK_STR(unfinished))
/* clang-format on */

static const char *sql(const char *before, const struct bk__store *store, const char *after)
{
    return bk_arena_printf(bk_fiber_arena(), "%s %s %s", before, store->table, after).ptr;
}

bk_err bk__store_find(bk_pg *pg, struct bk__store *out)
{
    static const char find[] =
        "SELECT format('%I.bk_migrations', coalesce(n.nspname, current_schema())) AS name, "
        "c.oid IS NOT NULL AS found "
        "FROM (SELECT to_regclass('bk_migrations')) AS t (id) "
        "LEFT JOIN pg_class c ON c.oid = t.id LEFT JOIN pg_namespace n ON n.oid = c.relnamespace";
    struct place place;

    BK_TRY(bk_pg_one(pg, find, BK_NO_ARGS, place_desc, &place));
    out->table = bk_arena_cstr(bk_fiber_arena(), place.name);
    out->exists = place.found;
    return BK_OK;
}

bk_err bk__store_create(bk_pg *pg, struct bk__store *store)
{
    const char *create = sql("CREATE TABLE", store,
                             "(version bigint PRIMARY KEY CHECK (version > 0), name text NOT NULL, "
                             "checksum text NOT NULL, applied_at timestamptz NOT NULL, "
                             "duration_ms bigint NOT NULL, unfinished text)");

    BK_TRY(bk_pg_exec(pg, create, BK_NO_ARGS, NULL));
    store->exists = true;
    return BK_OK;
}

bk_err bk__store_read(bk_pg *pg, const struct bk__store *store, bk_array *out)
{
    *out = (bk_array){0};
    if (!store->exists)
        return BK_OK;
    return bk_pg_all(pg,
                     sql("SELECT version, name, checksum, applied_at, duration_ms, unfinished FROM",
                         store, "ORDER BY version"),
                     BK_NO_ARGS, applied_desc, out);
}

bk_err bk__store_note(bk_pg *pg, const struct bk__store *store, const bk_migration *migration,
                      int64_t duration_ms, bk_str unfinished)
{
    const char *note =
        sql("INSERT INTO", store,
            "AS m (version, name, checksum, applied_at, duration_ms, unfinished) "
            "VALUES ($1, $2, $3, clock_timestamp(), $4, $5) ON CONFLICT (version) DO UPDATE "
            "SET name = excluded.name, checksum = excluded.checksum, applied_at = "
            "excluded.applied_at, duration_ms = excluded.duration_ms, "
            "unfinished = excluded.unfinished");

    return bk_pg_exec(pg, note,
                      BK_ARGS(bk_i64(migration->version), bk_text(bk_str_of(migration->name)),
                              bk_text(bk__migration_checksum(bk_fiber_arena(), migration)),
                              bk_i64(duration_ms), bk_text(unfinished)),
                      NULL);
}

bk_err bk__store_forget(bk_pg *pg, const struct bk__store *store, int64_t version)
{
    return bk_pg_exec(pg, sql("DELETE FROM", store, "WHERE version = $1"), BK_ARGS(bk_i64(version)),
                      NULL);
}
