/* products.h: what is for sale, in the same three layers as users/, and its feed. */
#ifndef SERVICE_PRODUCTS_H
#define SERVICE_PRODUCTS_H

#include "../shop.h"

struct product {
    int64_t id;
    bk_str sku, name, description;
    int64_t price_cents;
    int32_t stock;
    bk_time created_at, updated_at;
};

/* What a PATCH may change; what is absent stays. */
struct product_change {
    bk_str sku, name, description;
    int64_t price_cents;
    int32_t stock;
    bool has_price_cents, has_stock;
};

struct product_query {
    int64_t limit, cursor;
    bk_str q;
};

struct product_page {
    bk_array items; /* struct product */
    int64_t next_cursor;
    bool has_next;
};

#define SKU         BK_LEN(1, 64), BK_PATTERN("^[A-Za-z0-9._-]+$")
#define NAME        BK_LEN(1, 200)
#define DESCRIPTION BK_LEN(0, 5000)
#define PRICE       BK_MIN(0), BK_MAX(1000000000000)
#define STOCK       BK_MIN(0)

/* clang-format off */
BK_DESCRIBE(product_desc, struct product,
    BK_I64(id, BK_READ_ONLY),
    BK_STR(sku, BK_REQUIRED, SKU),
    BK_STR(name, BK_REQUIRED, NAME),
    BK_STR(description, DESCRIPTION, BK_DEFAULT("\"\"")),
    BK_I64(price_cents, BK_REQUIRED, PRICE),
    BK_I32(stock, STOCK, BK_DEFAULT("0")),
    BK_TIME(created_at, BK_READ_ONLY),
    BK_TIME(updated_at, BK_READ_ONLY))

BK_DESCRIBE(product_change_desc, struct product_change,
    BK_STR(sku, SKU), BK_STR(name, NAME), BK_STR(description, DESCRIPTION),
    BK_I64(price_cents, PRICE, BK_HAS(has_price_cents)), BK_I32(stock, STOCK, BK_HAS(has_stock)))

BK_DESCRIBE(product_query_desc, struct product_query,
    BK_I64(limit, BK_DEFAULT("20"), BK_MIN(1), BK_MAX(100)),
    BK_I64(cursor, BK_MIN(0), BK_DOC("next_cursor of the page before")),
    BK_STR(q, BK_LEN(0, 200), BK_DOC("words to look for")))

BK_DESCRIBE(product_page_desc, struct product_page,
    BK_ARRAY_OF(items, product_desc), BK_I64(next_cursor, BK_HAS(has_next)))
/* clang-format on */

/* controller.c and feed.c: routes below /api. */
void products_routes(bk_app *app, bk_router *api, struct shop *shop);
void feed_routes(bk_app *app, bk_router *api, struct shop *shop);

/* feed.c: tells all who listen. */
void feed_publish(struct shop *shop, const char *type, const struct product *product);

/* service.c */
bk_err products_create(struct shop *shop, const struct product *in, struct product *out);
bk_err products_change(struct shop *shop, int64_t id, const struct product_change *change,
                       struct product *out);
bk_err products_remove(struct shop *shop, int64_t id);

/* repository.c */
bk_err products_find(bk_pg *db, int64_t id, struct product *out);
bk_err products_list(bk_pg *db, const struct product_query *query, struct product_page *out);
bk_err products_insert(bk_pg *db, const struct product *in, struct product *out);
bk_err products_update(bk_pg *db, int64_t id, const struct product_change *change,
                       struct product *out);
bk_err products_delete(bk_pg *db, int64_t id, struct product *out);

/* For jobs. */
bk_err products_count(bk_pg *db, int64_t *out);
bk_err products_nearly_out(bk_pg *db, int32_t fewer_than, int64_t limit, bk_array *out);

#endif
