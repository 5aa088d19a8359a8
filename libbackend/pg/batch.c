/*
 * batch.c: statements that travel together, as one unit.
 *
 * What is added is copied into the request's arena, so that a loop may add from locals. The one
 * Sync at the end makes the server take all of them as one transaction.
 */
#include <backend/arena.h>
#include <backend/fiber.h>

#include "json/field.h"
#include "pg/pg.h"

#define FIRST_ITEMS 8

struct bk_pg_batch {
    bk_pg *pg;
    bk_arena *arena;
    struct bk__pg_work *works; /* their sinks are in `sinks`, by the same index */
    struct bk__pg_sink *sinks;
    size_t count, cap;
};

bk_pg_batch *bk_pg_batch_open(bk_pg *pg)
{
    bk_pg_batch *batch = bk_arena_zalloc(bk_fiber_arena(), sizeof *batch);

    batch->pg = pg;
    batch->arena = bk_fiber_arena();
    return batch;
}

static void *grow(bk_arena *arena, const void *items, size_t used_bytes, size_t bytes)
{
    void *larger = bk_arena_alloc(arena, bytes);

    if (used_bytes > 0)
        memcpy(larger, items, used_bytes);
    return larger;
}

/* The texts of an array of strings, too. */
static bk_array copy_array(bk_arena *arena, const bk_arg *arg)
{
    size_t bytes = arg->array.count * bk__scalar_bytes(arg->item_type);
    bk_array copy = {.items = bk_arena_alloc(arena, bytes), .count = arg->array.count};

    if (bytes > 0)
        memcpy(copy.items, arg->array.items, bytes);
    if (arg->item_type == BK_TYPE_STR)
        for (size_t i = 0; i < copy.count; i++)
            ((bk_str *)copy.items)[i] = bk_arena_dup(arena, ((bk_str *)copy.items)[i]);
    return copy;
}

static bk_args copy_args(bk_arena *arena, bk_args args)
{
    if (args.count == 0)
        return args;
    bk_arg *copy = bk_arena_alloc(arena, args.count * sizeof *copy);
    memcpy(copy, args.items, args.count * sizeof *copy);
    for (size_t i = 0; i < args.count; i++) {
        if (bk_str_present(copy[i].text))
            copy[i].text = bk_arena_dup(arena, copy[i].text);
        if (copy[i].kind == BK_ARG_ARRAY)
            copy[i].array = copy_array(arena, &copy[i]);
    }
    return bk__args_at(copy, args.count);
}

/* @p sql: most texts are literals, but a copy is cheap beside a statement. */
static void add(bk_pg_batch *batch, const char *sql, bk_args args, const struct bk__pg_sink *sink,
                int64_t *changed)
{
    if (batch->count == batch->cap) {
        size_t cap = batch->cap != 0 ? 2 * batch->cap : FIRST_ITEMS;
        batch->works = grow(batch->arena, batch->works, batch->count * sizeof *batch->works,
                            cap * sizeof *batch->works);
        batch->sinks = grow(batch->arena, batch->sinks, batch->count * sizeof *batch->sinks,
                            cap * sizeof *batch->sinks);
        batch->cap = cap;
    }
    struct bk__pg_sink *place = &batch->sinks[batch->count];
    *place = *sink;
    place->arena = batch->arena;
    place->limit = batch->pg->pool->opts.result_bytes;
    const char *last = batch->count > 0 ? batch->works[batch->count - 1].sql : NULL;
    batch->works[batch->count++] = (struct bk__pg_work){
        .sql = last != NULL && strcmp(last, sql) == 0 ? last
                                                      : bk_arena_cstr(batch->arena, bk_str_of(sql)),
        .args = copy_args(batch->arena, args),
        .changed = changed,
    };
}

void bk_pg_batch_exec(bk_pg_batch *batch, const char *sql, bk_args args, int64_t *changed)
{
    add(batch, sql, args, &(struct bk__pg_sink){.kind = BK__PG_SINK_NONE}, changed);
}

void bk_pg_batch_one(bk_pg_batch *batch, const char *sql, bk_args args, bk_desc_fn desc, void *out)
{
    add(batch, sql, args, &(struct bk__pg_sink){.kind = BK__PG_SINK_ONE, .desc = desc, .out = out},
        NULL);
}

void bk_pg_batch_all(bk_pg_batch *batch, const char *sql, bk_args args, bk_desc_fn desc,
                     bk_array *out)
{
    *out = (bk_array){0};
    add(batch, sql, args, &(struct bk__pg_sink){.kind = BK__PG_SINK_ALL, .desc = desc, .out = out},
        NULL);
}

bk_err bk_pg_batch_run(bk_pg_batch *batch)
{
    size_t count = batch->count;

    batch->count = 0;
    if (count == 0)
        return BK_OK;
    for (size_t i = 0; i < count; i++)
        if (batch->sinks[i].kind != BK__PG_SINK_NONE)
            batch->works[i].sink = &batch->sinks[i]; /* they lie still from here on */
    return bk__pg_run(batch->pg, batch->works, count, 0);
}
