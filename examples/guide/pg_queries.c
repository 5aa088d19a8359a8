/* pg_queries.c: statements one by one. See docs/guide/postgresql.md. */
#include "pg.h"

/* snippet: declare */
void pg_declare(bk_app *app, struct shop *shop, const char *url)
{
    shop->db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(url), .pool = {.max = 20}});
}
/* end of snippet */

/* snippet: one */
static bk_err show(bk_req *req, bk_res *res) /* GET /products/{id} */
{
    struct shop *shop = bk_req_state(req);
    struct product product;
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(bk_pg_one(shop->db, "SELECT * FROM products WHERE id = $1", BK_ARGS(bk_i64(id)),
                     product_row, &product)); /* no row: 404 */
    return bk_res_object(res, 200, product_row, &product);
}
/* end of snippet */

/* snippet: create */
static bk_err create(bk_req *req, bk_res *res) /* POST /products */
{
    struct shop *shop = bk_req_state(req);
    struct product product;

    BK_TRY(bk_req_bind(req, product_row, &product));
    bk_err err =
        bk_pg_one(shop->db,
                  "INSERT INTO products (sku, name, price_cents, stock, tags) "
                  "VALUES ($1, $2, $3, $4, $5) RETURNING *",
                  BK_ARGS(bk_text(product.sku), bk_text(product.name), bk_i64(product.price_cents),
                          bk_i64(product.stock),
                          bk_array_of(BK_TYPE_STR, product.tags.items, product.tags.count)),
                  product_row, &product);
    if (err == BK_ECONFLICT && bk_pg_violates("products_sku_key")) {
        bk_error_clear(); /* the field says it better */
        return bk_fail_field(BK_ECONFLICT, BK_LIT("/sku"), BK_LIT("unique"),
                             BK_LIT("is taken by another product"));
    }
    BK_TRY(err);
    BK_TRY(bk_res_created(
        res, bk_arena_printf(bk_req_arena(req), "/products/%lld", (long long)product.id)));
    return bk_res_object(res, 201, product_row, &product);
}
/* end of snippet */

/* snippet: all */
static bk_err total(bk_req *req, bk_res *res) /* GET /total: what all goods are worth */
{
    struct shop *shop = bk_req_state(req);
    bk_array found;
    long long cents = 0;

    BK_TRY(bk_pg_all(shop->db, "SELECT price_cents, stock FROM products WHERE stock > 0",
                     BK_NO_ARGS, product_row, &found));
    const struct product *products = found.items;
    for (size_t i = 0; i < found.count; i++)
        cents += products[i].price_cents * products[i].stock;
    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%lld\n", cents));
}
/* end of snippet */

/* snippet: json */
static bk_err list(bk_req *req, bk_res *res) /* GET /products?after=0&limit=20 */
{
    struct shop *shop = bk_req_state(req);
    int64_t after, limit;

    BK_TRY(bk_req_query_i64(req, "after", 0, 0, INT64_MAX, &after));
    BK_TRY(bk_req_query_i64(req, "limit", 20, 1, 100, &limit));
    return bk_pg_json(shop->db,
                      "SELECT id, sku, name, price_cents AS \"priceCents\", tags FROM products "
                      "WHERE id > $1 ORDER BY id LIMIT $2",
                      BK_ARGS(bk_i64(after), bk_i64(limit)), bk_res_json_writer(res, 200));
}
/* end of snippet */

/* snippet: exec */
static bk_err tag(bk_req *req, bk_res *res) /* PUT /tags/{tag}: of two products */
{
    struct shop *shop = bk_req_state(req);
    const int64_t ids[] = {1, 2};
    int64_t changed;

    BK_TRY(bk_pg_exec(shop->db, "UPDATE products SET tags = tags || $1::text WHERE id = ANY($2)",
                      BK_ARGS(bk_text(bk_req_param(req, "tag")), bk_array_of(BK_TYPE_I64, ids, 2)),
                      &changed));
    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%d\n", (int)changed));
}
/* end of snippet */

/* snippet: rows */
static bk_err report(bk_req *req, bk_res *res) /* GET /report */
{
    struct shop *shop = bk_req_state(req);
    bk_buf text = {.arena = bk_req_arena(req)};
    bk_rows *rows;

    BK_TRY(bk_pg_query(shop->db,
                       "SELECT stock > 0 AS there, count(*) FROM products GROUP BY 1 ORDER BY 1",
                       BK_NO_ARGS, &rows));
    for (size_t i = 0; i < bk_rows_count(rows); i++) {
        bool there;
        int64_t count;
        BK_TRY(bk_rows_bool(rows, i, bk_rows_column(rows, "there"), &there));
        BK_TRY(bk_rows_i64(rows, i, bk_rows_column(rows, "count"), &count));
        bk_buf_printf(&text, "%s: %lld\n", there ? "there" : "gone", (long long)count);
    }
    return bk_res_text(res, 200, bk_buf_str(&text));
}
/* end of snippet */

/* snippet: batch */
static bk_err compare(bk_req *req, bk_res *res) /* GET /compare?a=1&b=2 */
{
    struct shop *shop = bk_req_state(req);
    struct product a, b;
    int64_t first, second;

    BK_TRY(bk_req_query_i64(req, "a", 1, 1, INT64_MAX, &first));
    BK_TRY(bk_req_query_i64(req, "b", 2, 1, INT64_MAX, &second));
    bk_pg_batch *batch = bk_pg_batch_open(shop->db);
    bk_pg_batch_one(batch, "SELECT * FROM products WHERE id = $1", BK_ARGS(bk_i64(first)),
                    product_row, &a);
    bk_pg_batch_one(batch, "SELECT * FROM products WHERE id = $1", BK_ARGS(bk_i64(second)),
                    product_row, &b);
    BK_TRY(bk_pg_batch_run(batch)); /* one round trip for both */
    return bk_res_text(res, 200,
                       a.price_cents < b.price_cents ? BK_LIT("the first is cheaper\n")
                                                     : BK_LIT("the second is not dearer\n"));
}
/* end of snippet */

/* snippet: deadline */
static bk_err hint(bk_req *req, bk_res *res) /* GET /hint: nice to have, not worth a wait */
{
    struct shop *shop = bk_req_state(req);
    struct product product;

    bk_deadline before = bk_deadline_push(50);
    bk_err err = bk_pg_one(shop->db, "SELECT name, pg_sleep(1) FROM products LIMIT 1", BK_NO_ARGS,
                           product_row, &product);
    bk_deadline_pop(before);

    if (err == BK_ETIMEDOUT) { /* the server has been told to stop */
        bk_error_clear();
        return bk_res_empty(res);
    }
    BK_TRY(err);
    return bk_res_text(res, 200, product.name);
}
/* end of snippet */

void pg_query_routes(bk_router *router)
{
    bk_get(router, "/products", list);
    bk_post(router, "/products", create, &(bk_route_opts){.body = product_row});
    bk_get(router, "/products/{id}", show);
    bk_get(router, "/total", total);
    bk_put(router, "/tags/{tag}", tag);
    bk_get(router, "/report", report);
    bk_get(router, "/compare", compare);
    bk_get(router, "/hint", hint);
}
