/*
 * pg.h: the code that docs/guide/postgresql.md shows. It is compiled, and
 * tests/integration/pg_guide_test.c runs it against a server.
 */
#ifndef GUIDE_PG_H
#define GUIDE_PG_H

#include <backend/backend.h>

/* snippet: shop */
struct shop { /* what handlers find by bk_req_state() */
    bk_pg *db, *replica;
    bk_pool *canvases;
};
/* end of snippet */

/* clang-format off */
/* snippet: describe */
struct product {
    int64_t id;
    bk_str sku, name;
    int64_t price_cents, stock;
    bk_array tags; /* bk_str */
    bk_time made_at;
};

BK_DESCRIBE(product_row, struct product,
            BK_I64(id, BK_READ_ONLY),
            BK_STR(sku, BK_REQUIRED, BK_LEN(1, 40)),
            BK_STR(name, BK_REQUIRED, BK_LEN(1, 200)),
            BK_I64(price_cents, BK_REQUIRED, BK_MIN(0)),
            BK_I64(stock, BK_MIN(0)),
            BK_ARRAY(tags, BK_TYPE_STR, BK_LEN(0, 10)),
            BK_TIME(made_at, BK_READ_ONLY))
/* end of snippet */
/* clang-format on */

/* pg_queries.c */
void pg_declare(bk_app *app, struct shop *shop, const char *url);
void pg_query_routes(bk_router *router);

/* pg_tx.c */
void pg_tx_routes(bk_router *router);

/* pg_bulk.c */
bk_err pg_load_prices(struct shop *shop, int64_t count);
bk_err pg_follow_stock(void *shop);
void pg_bulk_routes(bk_router *router);

/* pg_pools.c */
bk_pg *pg_declare_replica(bk_app *app, const char *urls);
bk_pg *pg_declare_rotating(bk_app *app, const char *url, const char *token_file);
bk_pool *pg_declare_canvases(bk_app *app);
void pg_pool_routes(bk_router *router);

#endif
