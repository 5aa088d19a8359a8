/* repository.c: the SQL of products. */
#include "products.h"

#define COLUMNS "id, sku, name, description, price_cents, stock, created_at, updated_at"

/* What the database refuses, in the client's words. */
static bk_err explain(bk_err err)
{
    if (err == BK_ECONFLICT && bk_pg_violates("products_sku_key"))
        return bk_fail_field(bk_fail(BK_ECONFLICT, "there is a product of this SKU already"),
                             BK_LIT("/sku"), BK_LIT("unique"), BK_LIT("is taken"));
    if (err == BK_ENOTFOUND)
        return bk_fail(BK_ENOTFOUND, "no such product");
    return err;
}

bk_err products_find(bk_pg *db, int64_t id, struct product *out)
{
    return explain(bk_pg_one(db, "SELECT " COLUMNS " FROM products WHERE id = $1",
                             BK_ARGS(bk_i64(id)), product_desc, out));
}

/* One row more than asked for tells whether there is another page. */
static bk_err select_page(bk_pg *db, const struct product_query *query, bk_array *out)
{
    int64_t limit = query->limit + 1;

    if (query->q.len == 0)
        return bk_pg_all(db, "SELECT " COLUMNS " FROM products WHERE id > $1 ORDER BY id LIMIT $2",
                         BK_ARGS(bk_i64(query->cursor), bk_i64(limit)), product_desc, out);
    return bk_pg_all(db,
                     "SELECT " COLUMNS " FROM products "
                     "WHERE id > $1 AND words @@ websearch_to_tsquery('simple', $3) "
                     "ORDER BY id LIMIT $2",
                     BK_ARGS(bk_i64(query->cursor), bk_i64(limit), bk_text(query->q)), product_desc,
                     out);
}

bk_err products_list(bk_pg *db, const struct product_query *query, struct product_page *out)
{
    BK_TRY(select_page(db, query, &out->items));
    out->has_next = out->items.count > (size_t)query->limit;
    out->next_cursor = 0;
    if (out->has_next)
        out->next_cursor = ((struct product *)out->items.items)[--out->items.count - 1].id;
    return BK_OK;
}

bk_err products_insert(bk_pg *db, const struct product *in, struct product *out)
{
    return explain(bk_pg_one(db,
                             "INSERT INTO products (sku, name, description, price_cents, stock) "
                             "VALUES ($1, $2, $3, $4, $5) RETURNING " COLUMNS,
                             BK_ARGS(bk_text(in->sku), bk_text(in->name), bk_text(in->description),
                                     bk_i64(in->price_cents), bk_i64(in->stock)),
                             product_desc, out));
}

bk_err products_update(bk_pg *db, int64_t id, const struct product_change *change,
                       struct product *out)
{
    return explain(
        bk_pg_one(db,
                  "UPDATE products SET sku = coalesce($2, sku), name = coalesce($3, name), "
                  "description = coalesce($4, description), "
                  "price_cents = coalesce($5, price_cents), stock = coalesce($6, stock), "
                  "updated_at = now() WHERE id = $1 RETURNING " COLUMNS,
                  BK_ARGS(bk_i64(id), bk_text(change->sku), bk_text(change->name),
                          bk_text(change->description),
                          bk_i64_if(change->has_price_cents, change->price_cents),
                          bk_i64_if(change->has_stock, change->stock)),
                  product_desc, out));
}

bk_err products_delete(bk_pg *db, int64_t id, struct product *out)
{
    return explain(bk_pg_one(db, "DELETE FROM products WHERE id = $1 RETURNING " COLUMNS,
                             BK_ARGS(bk_i64(id)), product_desc, out));
}

/* --- for jobs --- */

struct count {
    int64_t count;
};

/* clang-format off */
BK_DESCRIBE(count_desc, struct count, BK_I64(count))
/* clang-format on */

bk_err products_count(bk_pg *db, int64_t *out)
{
    struct count row;

    bk_err err = bk_pg_one(db, "SELECT count(*) FROM products", BK_NO_ARGS, count_desc, &row);
    *out = row.count;
    return err;
}

bk_err products_nearly_out(bk_pg *db, int32_t fewer_than, int64_t limit, bk_array *out)
{
    return bk_pg_all(db,
                     "SELECT id, sku, name, price_cents, stock FROM products "
                     "WHERE stock < $1 ORDER BY stock, id LIMIT $2",
                     BK_ARGS(bk_i64(fewer_than), bk_i64(limit)), product_desc, out);
}
