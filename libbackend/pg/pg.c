/*
 * pg.c: a pool's life: its settings, its connections being made, its end.
 *
 * The engine (pool/) decides when to connect and whom to serve; here a connection is made for it:
 * the password is asked for on a fiber, then link.h connects on a thread.
 */
#include "pg/pg.h"

#include <stdlib.h>

#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/loop.h>

#include "core/assert.h"
#include "pg/metrics.h"

/* --- connections being made --------------------------------------------------------------------- */

struct bk__pg_opening {
    struct bk__link link; /* in pool->openings */
    struct bk__pg_pool *pool;
    bk__pg_connected_fn fn; /* NULL: nobody wants it any more */
    void *data;
    bk_fiber *fiber;                /* asks for the password; NULL: done with that */
    struct bk__pg_attempt *attempt; /* NULL while the password is asked for */
};

static void end_opening(struct bk__pg_opening *opening, struct bk__pg_link *link, const char *why)
{
    bk__list_remove(&opening->link);
    opening->fn(link, why, opening->data);
    free(opening);
}

static void on_connected(struct bk__pg_link *link, const char *why, void *data)
{
    end_opening(data, link, why);
}

static bk_err ask_password(void *data)
{
    struct bk__pg_opening *opening = data;
    struct bk__pg_pool *pool = opening->pool;
    bk_str password = {0};
    bk_deadline before = bk_deadline_push(pool->opts.pool.connect_ms);

    opening->fiber = bk_fiber_self();
    bk_err err = pool->opts.password(pool->opts.data, &password);
    bk_deadline_pop(before);
    opening->fiber = NULL;
    if (opening->fn == NULL)
        free(opening); /* abandoned meanwhile */
    else if (err == BK_OK)
        opening->attempt = bk__pg_connect(pool->target, password, pool->opts.pool.connect_ms,
                                          on_connected, opening);
    else
        end_opening(opening, NULL, "the password callback failed");
    return err;
}

struct bk__pg_opening *bk__pg_open(struct bk__pg_pool *pool, bk__pg_connected_fn fn, void *data)
{
    struct bk__pg_opening *opening = calloc(1, sizeof *opening);

    bk_assert(opening != NULL);
    *opening = (struct bk__pg_opening){.pool = pool, .fn = fn, .data = data};
    bk__list_push(&pool->openings, &opening->link);
    if (pool->opts.password == NULL)
        opening->attempt = bk__pg_connect(pool->target, (bk_str){0}, pool->opts.pool.connect_ms,
                                          on_connected, opening);
    else if (bk_spawn("pg password", ask_password, opening) != BK_OK) {
        end_opening(opening, NULL, "no fiber is free to ask for the password");
        return NULL;
    }
    return opening;
}

void bk__pg_open_abandon(struct bk__pg_opening *opening)
{
    bk__list_remove(&opening->link);
    if (opening->attempt != NULL) {
        bk__pg_abandon(opening->attempt);
        free(opening);
        return;
    }
    opening->fn = NULL; /* its fiber frees it */
    if (opening->fiber != NULL)
        bk_fiber_cancel(opening->fiber);
}

/* --- what the engine asks for ------------------------------------------------------------------- */

static void on_broken(struct bk__pg_conn *conn)
{
    bk__pool_lost(&conn->pool->members, &conn->member);
    if (!conn->held)
        bk__pg_conn_close(conn);
}

static const struct bk__pg_conn_owner owner = {.broken = on_broken};

static void on_opened(struct bk__pg_link *link, const char *why, void *data)
{
    struct bk__pg_pool *pool = data;
    struct bk__pg_conn *conn = link != NULL ? bk__pg_conn_new(pool, link, &owner, NULL) : NULL;

    if (conn != NULL)
        bk__pool_opened(&pool->members, &conn->member);
    else
        bk__pool_open_failed(&pool->members,
                             bk_str_of(why != NULL ? why : "the loop refused its socket"));
}

static struct bk__pg_pool *pool_of(struct bk__pool *members)
{
    return bk__container_of(members, struct bk__pg_pool, members);
}

static struct bk__pg_conn *conn_of(const struct bk__member *member)
{
    return (struct bk__pg_conn *)(uintptr_t)bk__container_of(member, const struct bk__pg_conn,
                                                             member);
}

static void open_member(struct bk__pool *members)
{
    struct bk__pg_pool *pool = pool_of(members);

    if (!pool->stopping)
        bk__pg_open(pool, on_opened, pool);
}

static void close_member(struct bk__pool *members, struct bk__member *member)
{
    (void)members;
    bk__pg_conn_close(conn_of(member));
}

static uint64_t wait_ns(const struct bk__member *member)
{
    return bk__pg_conn_wait_ns(conn_of(member));
}

static const struct bk__pool_ops ops = {
    .open = open_member,
    .close = close_member,
    .wait_ns = wait_ns,
};

bk_err bk__pg_hold(struct bk__pg_pool *pool, struct bk__pg_conn **out, const char *file, int line)
{
    struct bk__member *member;

    BK_TRY(bk__pool_hold(&pool->members, &member, file, line));
    *out = conn_of(member);
    (*out)->held = true;
    return BK_OK;
}

/* --- its life ----------------------------------------------------------------------------------- */

static bk_err start(void *data)
{
    struct bk__pg_pool *pool = ((bk_pg *)data)->pool;

    pool->stopping = false;
    bk__pg_statements_init(&pool->statements, pool->opts.statements);
    bk__pool_start(&pool->members, bk_app_sharers(pool->app));
    return BK_OK;
}

/* No fiber is left that uses a connection, but some may still be cleaned up or have an answer on
 * its way that nobody waits for. */
static void break_busy(struct bk__pg_pool *pool)
{
    struct bk__link *it = pool->members.members.anchor.next;

    while (it != &pool->members.members.anchor) {
        struct bk__link *next = it->next;
        struct bk__pg_conn *conn = conn_of(bk__container_of(it, struct bk__member, link));
        if (conn->unit_count > 0 || conn->settling)
            bk__pg_conn_break(conn, "the app stops");
        it = next;
    }
}

static void stop(void *data)
{
    struct bk__pg_pool *pool = ((bk_pg *)data)->pool;
    struct bk__link *link;

    pool->stopping = true;
    bk__pg_listening_stop(pool);
    while (!bk__list_empty(&pool->openings))
        bk__pg_open_abandon(
            bk__container_of(pool->openings.anchor.next, struct bk__pg_opening, link));
    break_busy(pool);
    bk__pool_stop(&pool->members);
    while ((link = bk__list_pop(&pool->spare_units)) != NULL)
        free(bk__container_of(link, struct bk__pg_unit, link));
    bk__pg_statements_fini(&pool->statements);
}

static void free_pg(void *data)
{
    bk_pg *pg = data;

    bk__pg_target_free(pg->pool->target);
    free(pg->pool);
    free(pg);
}

static const bk_part_type part = {.name = "pg", .start = start, .stop = stop, .free = free_pg};

static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void fill_defaults(bk_pg_opts *opts)
{
    if (opts->name == NULL)
        opts->name = "pg";
    fill(&opts->statements, 256);
    fill(&opts->pipeline, 128);
    fill(&opts->pipeline_us, 2000);
    fill(&opts->slow_ms, 10);
    fill(&opts->result_bytes, 64 * 1024 * 1024);
    if (opts->no_prepare)
        opts->pipeline = 1; /* PgBouncer may change the server behind it between transactions */
    bk__pool_check_opts(&opts->pool, "bk_pg_opts.pool");
}

bk_pg *bk_pg_new(bk_app *app, const bk_pg_opts *opts)
{
    bk_pg *pg = calloc(1, sizeof *pg);
    struct bk__pg_pool *pool = calloc(1, sizeof *pool);

    bk_assert(pg != NULL && pool != NULL);
    pg->pool = pool;
    pool->app = app;
    if (opts != NULL)
        pool->opts = *opts;
    fill_defaults(&pool->opts);
    if (bk__pg_target_new(&pool->opts, &pool->target) != BK_OK)
        bk__setup_error("bk_pg_opts.url", 0, "%.*s", BK_PRI(bk_error_chain()->message));
    pool->opts.url = (bk_str){0}; /* it was the caller's */
    bk__list_init(&pool->openings);
    bk__list_init(&pool->spare_units);
    bk__pool_init(&pool->members, pool->opts.name, &ops, &pool->opts.pool);
    pool->members.share_wait_ns = (uint64_t)pool->opts.pipeline_us * 1000;
    pool->slow_ns = (uint64_t)pool->opts.slow_ms * 1000000;
    bk_app_part(app, &part, pg);
    bk__pg_measure(app, pg);
    return pg;
}

void bk_pg_get_stats(const bk_pg *pg, bk_pg_stats *stats)
{
    *stats = pg->pool->stats;
    stats->pool = pg->pool->members.stats;
}
