/* pg_tx.c: several statements that belong together. See docs/guide/postgresql.md. */
#include "pg.h"

/* snippet: tx */
struct order {
    int64_t product, count;
};

static bk_err place_order(bk_pg *tx, void *data)
{
    const struct order *order = data;
    int64_t changed;

    BK_TRY(bk_pg_exec(tx, "UPDATE products SET stock = stock - $2 WHERE id = $1 AND stock >= $2",
                      BK_ARGS(bk_i64(order->product), bk_i64(order->count)), &changed));
    if (changed == 0) /* an error rolls back */
        return bk_fail(BK_ECONFLICT, "there are not %lld left", (long long)order->count);
    return bk_pg_exec(tx, "INSERT INTO orders (product, count) VALUES ($1, $2)",
                      BK_ARGS(bk_i64(order->product), bk_i64(order->count)), NULL);
}

static bk_err order(bk_req *req, bk_res *res) /* POST /products/{id}/orders?count=2 */
{
    struct shop *shop = bk_req_state(req);
    struct order order;

    BK_TRY(bk_req_param_i64(req, "id", &order.product));
    BK_TRY(bk_req_query_i64(req, "count", 1, 1, 100, &order.count));
    BK_TRY(bk_pg_tx(shop->db, place_order, &order)); /* BK_OK: it is committed */
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: savepoint */
static bk_err write_note(bk_pg *tx, void *data)
{
    const struct order *order = data;

    return bk_pg_exec(tx, "INSERT INTO notes (product, text) VALUES ($1, 'ordered')",
                      BK_ARGS(bk_i64(order->product)), NULL);
}

static bk_err order_with_note(bk_pg *tx, void *data)
{
    BK_TRY(place_order(tx, data));
    bk_err err = bk_pg_tx(tx, write_note, data); /* in a transaction: a savepoint */
    if (err == BK_ECONFLICT) {                   /* only the note was undone */
        bk_error_clear();
        return BK_OK;
    }
    return err;
}
/* end of snippet */

/* snippet: serializable */
static bk_err order_once(bk_req *req, bk_res *res) /* POST /products/{id}/careful-orders */
{
    struct shop *shop = bk_req_state(req);
    struct order order = {.count = 1};

    BK_TRY(bk_req_param_i64(req, "id", &order.product));
    BK_TRY(bk_pg_tx_with(shop->db, &(bk_pg_tx_opts){.isolation = BK_PG_SERIALIZABLE, .attempts = 5},
                         order_with_note, &order));
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: session */
static bk_err count_under_lock(bk_pg *session, void *data)
{
    BK_TRY(bk_pg_exec(session, "SELECT pg_advisory_lock(7)", BK_NO_ARGS, NULL));
    BK_TRY(bk_pg_exec(session, "SET work_mem = '64MB'", BK_NO_ARGS, NULL));
    return bk_pg_exec(session, "SELECT DISTINCT unnest(tags) FROM products", BK_NO_ARGS, data);
} /* lock and setting are gone now */

static bk_err count_tags(bk_req *req, bk_res *res) /* GET /tags/count */
{
    struct shop *shop = bk_req_state(req);
    int64_t tags;

    BK_TRY(bk_pg_session(shop->db, count_under_lock, &tags));
    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%d\n", (int)tags));
}
/* end of snippet */

void pg_tx_routes(bk_router *router)
{
    bk_post(router, "/products/{id}/orders", order);
    bk_post(router, "/products/{id}/careful-orders", order_once);
    bk_get(router, "/tags/count", count_tags);
}
