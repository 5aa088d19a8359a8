/*
 * pg_server.c: a service whose database is ill-treated. For pg_survival_test.py.
 *
 * DATABASE_URL names the database; PG_MIN, PG_MAX and PG_NO_PREPARE set the pool. What is written
 * has a number from the client, so that it can be counted: 201 says that it is stored.
 */
#include <stdlib.h>
#include <unistd.h>

#include <backend/backend.h>

#define HANDLER_MS 2000
#define ACQUIRE_MS 1000
#define ITEMS      100
#define BATCH      5

struct item {
    int64_t id;
    bk_str name;
};

BK_DESCRIBE(item_desc, struct item, BK_I64(id), BK_STR(name))

#define ONE_ITEM "SELECT id, name FROM items WHERE id = $1"

static bk_pg *db_of(bk_req *req)
{
    return bk_req_state(req);
}

/* --- without a database ----------------------------------------------------------------------- */

static bk_err plaintext(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("Hello, World!"));
}

static bk_err stats(bk_req *req, bk_res *res)
{
    bk_pg_stats now;
    bk_pg_get_stats(db_of(req), &now);
    const struct {
        const char *name;
        uint64_t value;
    } values[] = {
        {"pid", (uint64_t)getpid()},
        {"open", now.pool.open},
        {"idle", now.pool.idle},
        {"held", now.pool.held},
        {"opening", now.pool.opening},
        {"waiting", now.pool.waiting},
        {"opened", now.pool.opened},
        {"open_failed", now.pool.open_failed},
        {"lost_connections", now.pool.lost},
        {"timed_out", now.pool.timed_out},
        {"statements", now.statements},
        {"errors", now.errors},
        {"prepared", now.prepared},
        {"cancelled", now.cancelled},
        {"resent", now.resent},
        {"lost", now.lost},
        {"in_flight", now.in_flight},
    };

    bk_json_writer *writer = bk_res_json_writer(res, 200);
    bk_json_begin_object(writer);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        bk_json_write_key(writer, bk_str_of(values[i].name));
        bk_json_write_i64(writer, (int64_t)values[i].value);
    }
    bk_json_end_object(writer);
    return BK_OK;
}

/* --- reads ------------------------------------------------------------------------------------ */

static bk_err read_one(bk_req *req, bk_res *res)
{
    struct item item;
    int64_t id;

    BK_TRY(bk_req_query_i64(req, "id", 1, 0, INT64_MAX, &id));
    BK_TRY(bk_pg_one(db_of(req), ONE_ITEM, BK_ARGS(bk_i64(1 + id % ITEMS)), item_desc, &item));
    return bk_res_object(res, 200, item_desc, &item);
}

static bk_err read_batch(bk_req *req, bk_res *res)
{
    bk_pg_batch *batch = bk_pg_batch_open(db_of(req));
    struct item items[BATCH];
    int64_t id;

    BK_TRY(bk_req_query_i64(req, "id", 1, 0, INT64_MAX, &id));
    for (int i = 0; i < BATCH; i++)
        bk_pg_batch_one(batch, ONE_ITEM, BK_ARGS(bk_i64(1 + (id + i) % ITEMS)), item_desc,
                        &items[i]);
    BK_TRY(bk_pg_batch_run(batch));
    return bk_res_array(res, 200, item_desc, items, BATCH);
}

/* GET /sleep?ms=N keeps the server at it. */
static bk_err sleep_there(bk_req *req, bk_res *res)
{
    int64_t ms;

    BK_TRY(bk_req_query_i64(req, "ms", 100, 0, 600000, &ms));
    BK_TRY(bk_pg_exec(db_of(req), "SELECT pg_sleep($1)", BK_ARGS(bk_f64((double)ms / 1000)), NULL));
    return bk_res_text(res, 200, BK_LIT("done\n"));
}

/* --- writes ----------------------------------------------------------------------------------- */

static bk_err write_one(bk_req *req, bk_res *res)
{
    int64_t id;

    BK_TRY(bk_req_query_i64(req, "id", -1, 0, INT64_MAX, &id));
    BK_TRY(
        bk_pg_exec(db_of(req), "INSERT INTO written (id) VALUES ($1)", BK_ARGS(bk_i64(id)), NULL));
    return bk_res_text(res, 201, BK_LIT("written\n"));
}

/* What belongs together: a row in each of two tables. */
static bk_err write_both(bk_pg *tx, void *data)
{
    const int64_t *id = data;

    BK_TRY(
        bk_pg_exec(tx, "INSERT INTO pairs (id, half) VALUES ($1, 1)", BK_ARGS(bk_i64(*id)), NULL));
    return bk_pg_exec(tx, "INSERT INTO pairs (id, half) VALUES ($1, 2)", BK_ARGS(bk_i64(*id)),
                      NULL);
}

static bk_err write_pair(bk_req *req, bk_res *res)
{
    int64_t id;

    BK_TRY(bk_req_query_i64(req, "id", -1, 0, INT64_MAX, &id));
    BK_TRY(bk_pg_tx(db_of(req), write_both, &id));
    return bk_res_text(res, 201, BK_LIT("written\n"));
}

/* --- setting up ------------------------------------------------------------------------------- */

static uint32_t setting(const char *name, uint32_t fallback)
{
    const char *value = getenv(name);

    return value != NULL ? (uint32_t)strtoul(value, NULL, 10) : fallback;
}

static bk_err lend_pool(bk_app *app, void *data, void **state)
{
    (void)app;
    *state = *(bk_pg **)data;
    return BK_OK;
}

int main(int argc, char **argv)
{
    bk_pg *db;
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "survivor",
                                            .on_worker_start = lend_pool,
                                            .data = &db,
                                            .timeouts = {.handler_ms = HANDLER_MS}});
    bk_router *router = bk_app_router(app);

    db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(getenv("DATABASE_URL")),
                                      .pool = {.min = setting("PG_MIN", 4),
                                               .max = setting("PG_MAX", 10),
                                               .acquire_ms = ACQUIRE_MS,
                                               .connect_ms = 2 * ACQUIRE_MS},
                                      .no_prepare = setting("PG_NO_PREPARE", 0) != 0});
    bk_get(router, "/plaintext", plaintext);
    bk_get(router, "/stats", stats);
    bk_get(router, "/read", read_one);
    bk_get(router, "/batch", read_batch);
    bk_get(router, "/sleep", sleep_there);
    bk_post(router, "/write", write_one);
    bk_post(router, "/pair", write_pair);
    return bk_app_main(app, argc, argv);
}
