/*
 * source.c: what can be known of migrations without a database. See source.h.
 *
 * All that is going to run is cut and looked at before the first statement runs: a missing quote in
 * the third file is no reason to stop after the second.
 */
#include "migrate/source.h"

#include <string.h>

#include <openssl/evp.h>

#include <backend/arena.h>

#include "core/assert.h"
#include "core/encode.h"
#include "migrate/split.h"
#include "pg/statement.h"

#define MARK "-- no-transaction"

bk_err bk__migrations_check(const bk_migrations *set)
{
    int64_t last = 0;

    for (size_t i = 0; i < set->count; i++) {
        const bk_migration *it = &set->items[i];
        if (it->version <= last)
            return bk_fail(BK_EINVAL, "migration %lld follows %lld: versions rise, from 1",
                           (long long)it->version, (long long)last);
        if (it->name == NULL || it->up_file == NULL || it->up.ptr == NULL ||
            (it->down_file == NULL) != (it->down.ptr == NULL))
            return bk_fail(BK_EINVAL, "migration %lld has no name, no file or no SQL",
                           (long long)it->version);
        last = it->version;
    }
    return BK_OK;
}

const bk_migration *bk__migrations_find(const bk_migrations *set, int64_t version)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i].version == version)
            return &set->items[i];
    return NULL;
}

bk_str bk__migration_checksum(bk_arena *arena, const bk_migration *migration)
{
    unsigned char sum[BK__CHECKSUM_LEN / 2];
    unsigned len = 0;
    char *text = bk_arena_alloc(arena, BK__CHECKSUM_LEN);

    bk_assert(EVP_Digest(migration->up.ptr, migration->up.len, sum, &len, EVP_sha256(), NULL) ==
                  1 &&
              len == sizeof sum);
    bk__hex(sum, len, text);
    return bk_str_at(text, BK__CHECKSUM_LEN);
}

bool bk__migration_in_transaction(bk_str sql)
{
    bk_str line = {NULL, 0};

    (void)bk_str_split(&sql, '\n', &line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return !bk_str_eq(bk_str_trim(line), BK_LIT(MARK));
}

/* What the server, or backend/pg.h, would refuse in the middle of the work. */
static bk_err check_verb(const struct bk__migration_statement *statement, bool in_transaction)
{
    switch (bk__pg_verb_of(statement->sql)) {
    case BK__PG_VERB_TX:
        if (!in_transaction)
            return BK_OK;
        return bk_fail(BK_EINVAL,
                       "line %d: the migration is a transaction already; to have it otherwise, let "
                       "the first line be \"" MARK "\"",
                       statement->line);
    case BK__PG_VERB_COPY:
        return bk_fail(BK_EINVAL, "line %d: COPY does not work in a migration; use INSERT",
                       statement->line);
    default:
        break;
    }
    if (statement->sql[0] == '\\')
        return bk_fail(BK_EINVAL, "line %d: this is a command of psql, not SQL", statement->line);
    return BK_OK;
}

static bk_err cut(bk_arena *arena, bk_str sql, bk_array *out)
{
    bool in_transaction = bk__migration_in_transaction(sql);
    bk_buf found = {.arena = bk_arena_new()};
    struct bk__sql_statement statement;
    struct bk__sql_split split;
    bool more = true;
    bk_err err;

    bk__sql_split_init(&split, sql);
    while ((err = bk__sql_split_next(&split, &statement, &more)) == BK_OK && more) {
        struct bk__migration_statement item = {.sql = bk_arena_cstr(arena, statement.text),
                                               .line = statement.line};
        if ((err = check_verb(&item, in_transaction)) != BK_OK)
            break;
        bk_buf_add(&found, bk_str_at((const char *)&item, sizeof item));
    }
    out->count = found.len / sizeof(struct bk__migration_statement);
    out->items = bk_arena_alloc(arena, found.len + 1);
    if (found.len > 0)
        memcpy(out->items, found.ptr, found.len);
    bk_arena_free(found.arena);
    return err;
}

bk_err bk__migration_statements(bk_arena *arena, const char *file, bk_str sql, bk_array *out)
{
    bk_err err;

    if (sql.len > 0 && memchr(sql.ptr, '\0', sql.len) != NULL)
        err = bk_fail(BK_EINVAL, "there is a NUL in the SQL");
    else
        err = cut(arena, sql, out);
    return bk_context(err, "%s", file);
}
