/*
 * resource.c: bk_pool, the engine for resources that others define. See <backend/pool.h>.
 *
 * A fiber that ends must not keep what it borrowed, so each that borrows has a keeper: a list of
 * its loans in its arena, which the end of the arena goes through. An arena forgets nothing before
 * it ends, and a fiber may borrow millions of times in its life; so a keeper serves for all of a
 * fiber's loans from a pool and is found again by the fiber's address.
 *
 * What must hold: a resource is in its borrower's keeper exactly while it is held.
 */
#include <backend/pool.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/errors.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"
#include "pool/pool.h"

#define KEEPER_BUCKETS 64

struct bk_pool {
    struct bk__pool engine;
    const bk_app *app;
    const bk_pool_type *type;
    void *data;
    bk_part_type part;
    struct bk__list keepers[KEEPER_BUCKETS]; /* struct keeper, by its fiber's address */
};

struct resource {
    struct bk__member member;
    struct bk__link loan; /* in keeper.loans while it is held */
    const bk_pool *pool;
    void *it; /* what type->open made */
};

/* In the arena of its fiber. */
struct keeper {
    struct bk__link link; /* in bk_pool.keepers */
    bk_pool *pool;
    const bk_fiber *fiber;
    struct bk__list loans; /* struct resource */
};

static bk_pool *pool_of(struct bk__pool *engine)
{
    return bk__container_of(engine, bk_pool, engine);
}

static void dispose(struct resource *resource)
{
    resource->pool->type->close(resource->pool->data, resource->it);
    free(resource);
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void report_failure(bk_pool *pool, bk_err err)
{
    const bk_error_link *why = bk_error_chain();
    bool has_words = why != NULL && why->code == err && why->message.len != 0;

    bk__pool_open_failed(&pool->engine, has_words ? why->message : bk_str_of(bk_err_text(err)));
}

BK_YIELDS static bk_err open_one(void *data)
{
    bk_pool *pool = data;
    void *it = NULL;
    bk_deadline before = bk_deadline_push(pool->engine.opts.connect_ms);
    bk_err err = pool->type->open(pool->data, &it);

    bk_deadline_pop(before);
    if (err != BK_OK) {
        report_failure(pool, err);
        return BK_OK; /* the pool has logged it */
    }
    bk_assert(it != NULL);
    struct resource *resource = calloc(1, sizeof *resource);
    bk_assert(resource != NULL);
    resource->pool = pool;
    resource->it = it;
    bk__pool_opened(&pool->engine, &resource->member);
    return BK_OK;
}

/* Like bk_spawn(), but leaves the errors of the fiber alone that happens to be running. */
static void engine_open(struct bk__pool *engine)
{
    bk_fiber *fiber = bk__fiber_new(engine->loop, engine->name);

    if (fiber == NULL)
        bk__pool_open_failed(engine, BK_LIT("the app has as many fibers as it may"));
    else
        bk__fiber_begin_later(fiber, open_one, pool_of(engine));
}

static void engine_close(struct bk__pool *engine, struct bk__member *member)
{
    (void)engine;
    dispose(bk__container_of(member, struct resource, member));
}

static bool engine_works(struct bk__member *member)
{
    const struct resource *resource = bk__container_of(member, struct resource, member);

    return resource->pool->type->works(resource->pool->data, resource->it);
}

/* --- loans ------------------------------------------------------------------------------------ */

/* The fiber has ended. What it still has may be in any state, and is not lent again. */
static void end_keeper(void *data)
{
    struct keeper *keeper = data;
    bk_pool *pool = keeper->pool;
    struct bk__link *link;

    bk__list_remove(&keeper->link);
    while ((link = bk__list_pop(&keeper->loans)) != NULL) {
        struct resource *resource = bk__container_of(link, struct resource, loan);
        bk_error("pool.leak", bk_kv_cstr("pool", pool->type->name),
                 bk_kv_cstr("fiber", keeper->fiber->task.name),
                 bk_kv_cstr("file", resource->member.file),
                 bk_kv_i64("line", resource->member.line));
        bk__pool_lost(&pool->engine, &resource->member);
        dispose(resource);
    }
}

/* Fibers lie a stack apart from each other. */
static struct bk__list *bucket_of(bk_pool *pool, const bk_fiber *fiber)
{
    return &pool->keepers[(uintptr_t)fiber / BK__STACK_BYTES % KEEPER_BUCKETS];
}

static struct keeper *find_keeper(bk_pool *pool, const bk_fiber *fiber)
{
    bk__list_each(it, bucket_of(pool, fiber)) {
        struct keeper *keeper = bk__container_of(it, struct keeper, link);
        if (keeper->fiber == fiber)
            return keeper;
    }
    return NULL;
}

static struct keeper *keeper_of(bk_pool *pool, const bk_fiber *fiber)
{
    struct keeper *keeper = find_keeper(pool, fiber);

    if (keeper != NULL)
        return keeper;
    keeper = BK_NEW(bk_fiber_arena(), struct keeper);
    keeper->pool = pool;
    keeper->fiber = fiber;
    bk__list_init(&keeper->loans);
    bk__list_push(bucket_of(pool, fiber), &keeper->link);
    bk_arena_defer(bk_fiber_arena(), end_keeper, keeper);
    return keeper;
}

static struct resource *find_loan(const struct keeper *keeper, const void *it)
{
    bk__list_each(link, &keeper->loans) {
        struct resource *resource = bk__container_of(link, struct resource, loan);
        if (resource->it == it)
            return resource;
    }
    return NULL;
}

bk_err bk_pool_acquire_at(bk_pool *pool, void **resource, const char *file, int line)
{
    struct bk__member *member;

    BK_TRY(bk__pool_hold(&pool->engine, &member, file, line));
    struct resource *lent = bk__container_of(member, struct resource, member);
    bk__list_push(&keeper_of(pool, bk_fiber_self())->loans, &lent->loan);
    *resource = lent->it;
    return BK_OK;
}

void bk_pool_release(bk_pool *pool, void *resource, bk_pool_state state)
{
    struct keeper *keeper = find_keeper(pool, bk_fiber_self());
    bk_assert(keeper != NULL); /* this fiber has borrowed something */
    struct resource *lent = find_loan(keeper, resource);
    bk_assert(lent != NULL); /* and has this */

    bk__list_remove(&lent->loan);
    if (state == BK_POOL_GOOD) {
        bk__pool_put(&pool->engine, &lent->member);
    } else {
        bk__pool_lost(&pool->engine, &lent->member);
        dispose(lent);
    }
}

/* --- as a part of the app --------------------------------------------------------------------- */

static bk_err start(void *data)
{
    bk_pool *pool = data;

    bk__pool_start(&pool->engine, bk_app_sharers(pool->app));
    return BK_OK;
}

static void stop(void *data)
{
    bk_pool *pool = data;

    bk__pool_stop(&pool->engine);
}

bk_pool *bk_pool_new(bk_app *app, const bk_pool_type *type, const bk_pool_opts *opts, void *data)
{
    static const struct bk__pool_ops ops = {.open = engine_open, .close = engine_close};
    static const struct bk__pool_ops ops_that_look = {
        .open = engine_open, .close = engine_close, .works = engine_works};
    bk_pool_opts filled = opts != NULL ? *opts : (bk_pool_opts){0};
    bk_pool *pool = calloc(1, sizeof *pool);

    bk_assert(pool != NULL && type->name != NULL && type->open != NULL && type->close != NULL);
    bk__pool_check_opts(&filled, type->name);
    pool->app = app;
    pool->type = type;
    pool->data = data;
    for (size_t i = 0; i < KEEPER_BUCKETS; i++)
        bk__list_init(&pool->keepers[i]);
    bk__pool_init(&pool->engine, type->name, type->works != NULL ? &ops_that_look : &ops, &filled);
    pool->part = (bk_part_type){.name = type->name, .start = start, .stop = stop, .free = free};
    bk_app_part(app, &pool->part, pool);
    return pool;
}

void bk_pool_get_stats(const bk_pool *pool, bk_pool_stats *stats)
{
    *stats = pool->engine.stats;
}
