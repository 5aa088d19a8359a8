/* pg_bulk.c: many rows out, many rows in, and what others change. See docs/guide/postgresql.md. */
#include <stdio.h>

#include "pg.h"

/* snippet: each */
static bk_err write_line(void *row, void *res)
{
    const struct product *product = row;
    char line[128];
    int len = snprintf(line, sizeof line, "%lld,%.*s,%lld\n", (long long)product->id,
                       BK_PRI(product->sku), (long long)product->price_cents);

    return bk_res_write(res, bk_str_at(line, (size_t)len)); /* waits for slow clients */
}

static bk_err export_all(bk_req *req, bk_res *res) /* GET /products.csv */
{
    struct shop *shop = bk_req_state(req);

    BK_TRY(bk_res_stream(res, 200, "text/csv", BK_LENGTH_UNKNOWN));
    return bk_pg_each(shop->db, "SELECT id, sku, price_cents FROM products ORDER BY id", BK_NO_ARGS,
                      product_row, write_line, res);
}
/* end of snippet */

/* snippet: copy */
static bk_err send_prices(bk_pg_copy *copy, void *data)
{
    const int64_t *count = data;
    char sku[32];

    for (int64_t i = 0; i < *count; i++) {
        int len = snprintf(sku, sizeof sku, "bulk-%lld", (long long)i);
        bk_str text = bk_str_at(sku, (size_t)len);
        BK_TRY(bk_pg_copy_row(copy, BK_ARGS(bk_text(text), bk_text(text), bk_i64(100 + i))));
    }
    return BK_OK; /* an error would undo all */
}

bk_err pg_load_prices(struct shop *shop, int64_t count)
{
    int64_t loaded;

    BK_TRY(
        bk_pg_copy_in(shop->db, "products (sku, name, price_cents)", send_prices, &count, &loaded));
    bk_info("prices.loaded", bk_kv_i64("rows", loaded));
    return BK_OK;
}
/* end of snippet */

/* snippet: listen */
bk_err pg_follow_stock(void *data) /* a fiber of bk_spawn() */
{
    struct shop *shop = data;
    bk_pg_listener *listener;
    bk_pg_event event;
    bk_err err;

    BK_TRY(bk_pg_listen(shop->db, "stock", &listener));
    while ((err = bk_pg_listener_next(listener, &event)) == BK_OK) {
        if (event.gap)
            bk_info("stock.read_again"); /* something may have been missed: ask the tables */
        else
            bk_info("stock.changed", bk_kv_str("product", event.payload));
    }
    bk_pg_listener_close(listener);
    return err == BK_ECLOSED || err == BK_ECANCELED ? BK_OK : err; /* the app stops */
}
/* end of snippet */

/* snippet: notify */
static bk_err restock(bk_pg *tx, void *id)
{
    BK_TRY(bk_pg_exec(tx, "UPDATE products SET stock = stock + 10 WHERE id = $1::text::bigint",
                      BK_ARGS(bk_text(*(bk_str *)id)), NULL));
    return bk_pg_notify(tx, "stock", *(bk_str *)id); /* is heard when it has been committed */
}
/* end of snippet */

static bk_err add_stock(bk_req *req, bk_res *res) /* POST /products/{id}/stock */
{
    struct shop *shop = bk_req_state(req);
    bk_str id = bk_req_param(req, "id");

    BK_TRY(bk_pg_tx(shop->db, restock, &id));
    return bk_res_empty(res);
}

void pg_bulk_routes(bk_router *router)
{
    bk_get(router, "/products.csv", export_all);
    bk_post(router, "/products/{id}/stock", add_stock);
}
