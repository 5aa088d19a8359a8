/*
 * Connections that break while much is on its way: fibers are cancelled, run out of time and lose
 * their sessions at random, and whatever is answered must be the right answer. What is looked for
 * here is memory that is used after it was freed, so it is most worth under AddressSanitizer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/fiber_run.h"
#include "harness/pg_app.h"

#define WORKERS  24
#define SEEDS    5
#define ROUND_MS 4000

struct stress {
    struct pg_app *it;
    uint64_t seed;
    uint64_t until_ms;
    bk_fiber *workers[WORKERS];
    uint64_t counts[32]; /* by how a statement ended: -err */
    uint64_t wrong, terminated, surprises;
};

struct pick {
    struct stress *all;
    uint64_t seed;
};

/* Adds one number to another: an answer meant for somebody else has another sum. */
static bk_err ask_sum(bk_pg *pg, struct pick *pick)
{
    int64_t a = random_below(&pick->seed, 1000000), b = random_below(&pick->seed, 1000000), sum = 0;
    bk_err err =
        ask_number(pg, "SELECT $1::bigint + $2::bigint AS n", BK_ARGS(bk_i64(a), bk_i64(b)), &sum);

    pick->all->wrong += err == BK_OK && sum != a + b;
    return err;
}

static bk_err ask_series(bk_pg *pg, struct pick *pick)
{
    int64_t count = random_below(&pick->seed, 3000);
    bk_rows *rows;

    BK_TRY(bk_pg_query(pg, "SELECT g, repeat('x', 50) FROM generate_series(1, $1::int) g",
                       BK_ARGS(bk_i64(count)), &rows));
    pick->all->wrong += bk_rows_count(rows) != (size_t)count;
    return BK_OK;
}

static bk_err ask_list(bk_pg *pg, struct pick *pick)
{
    int64_t count = random_below(&pick->seed, 300);
    bk_array list;

    BK_TRY(bk_pg_all(pg, "SELECT g AS n FROM generate_series(1, $1::bigint) g",
                     BK_ARGS(bk_i64(count)), number_desc, &list));
    const struct number *items = list.items;
    pick->all->wrong += list.count != (size_t)count;
    for (size_t i = 0; i < list.count; i++)
        pick->all->wrong += items[i].n != (int64_t)i + 1;
    return BK_OK;
}

static bk_err ask_nonsense(bk_pg *pg, struct pick *pick)
{
    bk_err err = bk_pg_exec(pg, "SELECT 1 / $1::int", BK_ARGS(bk_i64(0)), NULL);

    (void)pick;
    return err == BK_EINTERNAL ? BK_OK : err;
}

static bk_err ask_sleep(bk_pg *pg, struct pick *pick)
{
    return bk_pg_exec(pg, "SELECT pg_sleep($1)",
                      BK_ARGS(bk_f64(random_below(&pick->seed, 60) / 1000.0)), NULL);
}

/* A text of its own: statements are prepared, pushed out and closed. */
static bk_err ask_rarity(bk_pg *pg, struct pick *pick)
{
    uint32_t which = random_below(&pick->seed, 64);
    char sql[64];
    int64_t n = -1;

    snprintf(sql, sizeof sql, "SELECT %u::bigint AS n", which);
    BK_TRY(ask_number(pg, sql, BK_NO_ARGS, &n));
    pick->all->wrong += n != which;
    return BK_OK;
}

static bk_err one_of_all(bk_pg *pg, struct pick *pick)
{
    bk_err (*const all[])(bk_pg *, struct pick *) = {ask_sum,    ask_sum,    ask_sum,
                                                     ask_series, ask_list,   ask_nonsense,
                                                     ask_sleep,  ask_rarity, ask_rarity};

    return all[random_below(&pick->seed, sizeof all / sizeof all[0])](pg, pick);
}

static bk_err in_savepoint(bk_pg *tx, void *data)
{
    return one_of_all(tx, data);
}

static bk_err in_tx(bk_pg *tx, void *data)
{
    struct pick *pick = data;

    BK_TRY(bk_pg_exec(tx, "INSERT INTO notes VALUES ($1)", BK_ARGS(bk_i64(1)), NULL));
    if (random_below(&pick->seed, 2) == 0)
        if (bk_pg_tx(tx, in_savepoint, data) != BK_OK)
            bk_error_clear();
    if (random_below(&pick->seed, 3) == 0)
        BK_TRY(bk_sleep_ms(random_below(&pick->seed, 10)));
    return one_of_all(tx, pick);
}

static bk_err in_session(bk_pg *session, void *data)
{
    struct pick *pick = data;

    BK_TRY(bk_pg_exec(session, "SET work_mem = '1MB'", BK_NO_ARGS, NULL));
    if (random_below(&pick->seed, 3) == 0)
        BK_TRY(bk_pg_exec(session, "DEALLOCATE ALL", BK_NO_ARGS, NULL));
    if (random_below(&pick->seed, 3) == 0)
        BK_TRY(bk_pg_exec(session, "BEGIN", BK_NO_ARGS, NULL));
    return one_of_all(session, pick);
}

static bk_err take_row(void *row, void *data)
{
    struct pick *pick = data;

    (void)row;
    if (random_below(&pick->seed, 50) == 0)
        BK_TRY(bk_sleep_ms(1));
    return random_below(&pick->seed, 400) == 0 ? BK_EGONE : BK_OK;
}

static bk_err act(struct pick *pick)
{
    bk_pg *db = pick->all->it->db;
    bk_err err;

    switch (random_below(&pick->seed, 12)) {
    case 0:
        return bk_pg_session(db, in_session, pick);
    case 1:
    case 2:
        return bk_pg_tx(db, in_tx, pick);
    case 3:
        err = bk_pg_each(db, "SELECT g::bigint AS n FROM generate_series(1, 500) g", BK_NO_ARGS,
                         number_desc, take_row, pick);
        return err == BK_EGONE ? BK_OK : err;
    default:
        return one_of_all(db, pick);
    }
}

/* A mistake within a transaction keeps that from being committed; else none may be found. */
static void note_surprise(struct stress *all, bk_err err)
{
    if (err != BK_EINTERNAL || error_says("a statement had failed"))
        return;
    if (all->surprises++ == 0)
        for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
            print_error("surprise: %.*s\n", BK_PRI(link->message));
}

static bk_err work(void *data)
{
    struct pick *pick = data;
    struct stress *all = pick->all;

    while (bk_now_ms() < all->until_ms) {
        bk_deadline before = bk_deadline_push(
            random_below(&pick->seed, 4) == 0 ? 1 + random_below(&pick->seed, 30) : UINT64_MAX);
        bk_err err = act(pick);
        bk_deadline_pop(before);
        all->counts[-err]++;
        note_surprise(all, err);
        bk_error_clear();
        if (err == BK_ECANCELED)
            return BK_OK;
    }
    return BK_OK;
}

/* A worker, and another when it was cancelled. */
static bk_err keep_working(void *data)
{
    struct pick *pick = data;
    struct stress *all = pick->all;
    size_t place = random_below(&pick->seed, WORKERS);

    while (all->workers[place] != NULL)
        place = (place + 1) % WORKERS;
    all->workers[place] = bk_fiber_self();
    bk_err err = work(pick);
    all->workers[place] = NULL;
    return err;
}

static bk_err employ(void *data)
{
    struct stress *all = data;

    while (bk_now_ms() < all->until_ms) {
        size_t busy = 0;
        for (size_t i = 0; i < WORKERS; i++)
            busy += all->workers[i] != NULL;
        for (; busy < WORKERS; busy++) {
            struct pick *pick = bk_arena_alloc(bk_fiber_arena(), sizeof *pick);
            *pick = (struct pick){all, all->seed + random_below(&all->seed, 1u << 30) + 1};
            BK_TRY(bk_spawn("worker", keep_working, pick));
        }
        BK_TRY(bk_sleep_ms(1 + random_below(&all->seed, 4)));
        bk_fiber *victim = all->workers[random_below(&all->seed, WORKERS)];
        if (victim != NULL && random_below(&all->seed, 2) == 0)
            bk_fiber_cancel(victim);
    }
    for (size_t i = 0; i < WORKERS; i++)
        while (all->workers[i] != NULL)
            BK_TRY(bk_sleep_ms(1));
    return BK_OK;
}

static bk_err terminate(void *data)
{
    struct stress *all = data;
    uint64_t seed = all->seed + 77;

    while (bk_now_ms() < all->until_ms) {
        int64_t count = 0;
        BK_TRY(bk_sleep_ms(5 + random_below(&seed, 60)));
        bk_err err = ask_number(
            all->it->admin,
            "SELECT count(pg_terminate_backend(pid)) AS n FROM (SELECT pid FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
            "ORDER BY hashint8(pid + $1::bigint) LIMIT 1) one",
            BK_ARGS(bk_i64(random_below(&seed, 1000))), &count);
        all->terminated += err == BK_OK ? (uint64_t)count : 0;
        bk_error_clear();
    }
    return BK_OK;
}

static bk_err rage(void *data)
{
    bk_group *group = bk_group_open();

    bk_group_spawn(group, "employ", employ, data);
    bk_group_spawn(group, "terminate", terminate, data);
    return bk_group_wait(group);
}

static void run_stress(struct postgres *server, uint64_t seed, const bk_pg_opts *opts)
{
    struct pg_app it = pg_app_open(server, opts);
    struct stress all = {.it = &it, .seed = seed * 7919, .until_ms = bk_now_ms() + ROUND_MS};

    pg_app_run(&it, rage, &all);
    assert_int_equal(all.wrong, 0);
    assert_true(all.counts[0] > 10);
    assert_true(all.terminated > 3);
    assert_true(all.counts[-BK_ECANCELED] > 3);
    assert_true(all.counts[-BK_ETIMEDOUT] > 3);
    assert_int_equal(all.surprises, 0);
    assert_int_equal(all.counts[-BK_EINVAL], 0);
    bk_pg_stats stats = pg_app_stats(&it);
    assert_true(stats.pool.lost > 0);
    print_message("seed %d: %d well, %d cancelled, %d late, %d unavailable; %d terminated, %d "
                  "cancels, %d resent\n",
                  (int)seed, (int)all.counts[0], (int)all.counts[-BK_ECANCELED],
                  (int)all.counts[-BK_ETIMEDOUT], (int)all.counts[-BK_EUNAVAILABLE],
                  (int)all.terminated, (int)stats.cancelled, (int)stats.resent);
    pg_app_close(&it);
}

static void test_nothing_is_wrong_however_connections_and_fibers_end(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_stress(*state, seed,
                   &(bk_pg_opts){.pool = {.max = 1 + 2 * (uint32_t)(seed % 3), .connecting = 4},
                                 .statements = seed % 2 == 0 ? 4 : 0});
}

static int start(void **state)
{
    pg_app_start_server(state);
    postgres_do(*state, "psql", "CREATE TABLE notes (n bigint)");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_wrong_however_connections_and_fibers_end),
    };

    return cmocka_run_group_tests_name("pg/stress", tests, start, pg_app_stop_server);
}
