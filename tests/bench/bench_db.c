/*
 * bench_db.c: rows of `world`, `fortune` and `products`, as the peers serve them.
 *
 * The rules of TechEmpower's tests hold: each row of /queries and /updates is a query of its own,
 * and fortunes are sorted and escaped here. The reads and the write of /updates do not depend on
 * each other, so they travel together.
 */
#include "bench_db.h"

#include <stdlib.h>

#define WORLDS   10000
#define ROWS_MAX 500
#define PAGE_MAX 100
#define PRODUCT  "id, sku, name, description, price_cents, stock, created_at, updated_at"

static bk_pg *db_of(bk_req *req)
{
    return bk_req_route_data(req);
}

static int32_t random_world(void)
{
    return 1 + (int32_t)(random() % WORLDS);
}

/* --- world ------------------------------------------------------------------------------------ */

struct world {
    int32_t id, randomnumber;
};

BK_DESCRIBE(world_desc, struct world, BK_I32(id), BK_I32(randomnumber))

#define ONE_WORLD "SELECT id, randomnumber FROM world WHERE id = $1"

static bk_err one_world(bk_req *req, bk_res *res)
{
    struct world world;

    BK_TRY(bk_pg_one(db_of(req), ONE_WORLD, BK_ARGS(bk_i64(random_world())), world_desc, &world));
    return bk_res_object(res, 200, world_desc, &world);
}

static bk_err queries(bk_req *req, bk_res *res)
{
    bk_pg_batch *batch = bk_pg_batch_open(db_of(req));
    int64_t count;

    BK_TRY(bk_req_query_i64(req, "n", 1, 1, ROWS_MAX, &count));
    struct world *worlds = bk_arena_alloc(bk_req_arena(req), (size_t)count * sizeof *worlds);
    for (int64_t i = 0; i < count; i++)
        bk_pg_batch_one(batch, ONE_WORLD, BK_ARGS(bk_i64(random_world())), world_desc, &worlds[i]);
    BK_TRY(bk_pg_batch_run(batch));
    return bk_res_array(res, 200, world_desc, worlds, (size_t)count);
}

static int by_id(const void *a, const void *b)
{
    return ((const struct world *)a)->id - ((const struct world *)b)->id;
}

static bk_err updates(bk_req *req, bk_res *res)
{
    bk_pg_batch *batch = bk_pg_batch_open(db_of(req));
    struct world *worlds;
    int64_t count, distinct = 0;

    BK_TRY(bk_req_query_i64(req, "n", 1, 1, ROWS_MAX, &count));
    worlds = bk_arena_alloc(bk_req_arena(req), (size_t)count * sizeof *worlds);
    struct world *changed = bk_arena_alloc(bk_req_arena(req), (size_t)count * sizeof *changed);
    int32_t *ids = bk_arena_alloc(bk_req_arena(req), (size_t)count * sizeof *ids);
    int32_t *numbers = bk_arena_alloc(bk_req_arena(req), (size_t)count * sizeof *numbers);
    for (int64_t i = 0; i < count; i++)
        changed[i] = (struct world){random_world(), random_world()};
    qsort(changed, (size_t)count, sizeof *changed, by_id); /* so that no two requests deadlock */
    for (int64_t i = 0; i < count; i++) {
        bk_pg_batch_one(batch, ONE_WORLD, BK_ARGS(bk_i64(changed[i].id)), world_desc, &worlds[i]);
        if (i > 0 && changed[i].id == changed[i - 1].id) {
            changed[i].randomnumber = changed[i - 1].randomnumber;
            continue;
        }
        ids[distinct] = changed[i].id;
        numbers[distinct++] = changed[i].randomnumber;
    }
    bk_pg_batch_exec(batch,
                     "UPDATE world SET randomnumber = new.number"
                     " FROM (SELECT unnest($1::int[]) AS id, unnest($2::int[]) AS number) AS new"
                     " WHERE world.id = new.id",
                     BK_ARGS(bk_array_of(BK_TYPE_I32, ids, (size_t)distinct),
                             bk_array_of(BK_TYPE_I32, numbers, (size_t)distinct)),
                     NULL);
    BK_TRY(bk_pg_batch_run(batch));
    for (int64_t i = 0; i < count; i++)
        worlds[i].randomnumber = changed[i].randomnumber;
    return bk_res_array(res, 200, world_desc, worlds, (size_t)count);
}

/* --- fortunes --------------------------------------------------------------------------------- */

struct fortune {
    int32_t id;
    bk_str message;
};

BK_DESCRIBE(fortune_desc, struct fortune, BK_I32(id), BK_STR(message))

static int by_message(const void *a, const void *b)
{
    bk_str x = ((const struct fortune *)a)->message, y = ((const struct fortune *)b)->message;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);

    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

static void add_escaped(bk_buf *page, bk_str text)
{
    const char *plain = text.ptr, *end = text.ptr + text.len;

    for (const char *at = plain; at < end; at++) {
        bk_str entity;
        switch (*at) {
        case '<':
            entity = BK_LIT("&lt;");
            break;
        case '>':
            entity = BK_LIT("&gt;");
            break;
        case '&':
            entity = BK_LIT("&amp;");
            break;
        case '"':
            entity = BK_LIT("&quot;");
            break;
        case '\'':
            entity = BK_LIT("&#39;");
            break;
        default:
            continue;
        }
        bk_buf_add(page, bk_str_at(plain, (size_t)(at - plain)));
        bk_buf_add(page, entity);
        plain = at + 1;
    }
    bk_buf_add(page, bk_str_at(plain, (size_t)(end - plain)));
}

static bk_err fortunes(bk_req *req, bk_res *res)
{
    bk_array stored;

    BK_TRY(bk_pg_all(db_of(req), "SELECT id, message FROM fortune", BK_NO_ARGS, fortune_desc,
                     &stored));
    size_t count = stored.count + 1;
    struct fortune *all = bk_arena_alloc(bk_req_arena(req), count * sizeof *all);
    if (stored.count > 0)
        memcpy(all, stored.items, stored.count * sizeof *all);
    all[stored.count] = (struct fortune){0, BK_LIT("Additional fortune added at request time.")};
    qsort(all, count, sizeof *all, by_message);

    bk_buf page = {.arena = bk_req_arena(req)};
    bk_buf_reserve(&page, 2048);
    bk_buf_add(&page, BK_LIT("<!DOCTYPE html><html><head><title>Fortunes</title></head><body>"
                             "<table><tr><th>id</th><th>message</th></tr>"));
    for (size_t i = 0; i < count; i++) {
        bk_buf_add(&page, BK_LIT("<tr><td>"));
        bk_buf_add_i64(&page, all[i].id);
        bk_buf_add(&page, BK_LIT("</td><td>"));
        add_escaped(&page, all[i].message);
        bk_buf_add(&page, BK_LIT("</td></tr>"));
    }
    bk_buf_add(&page, BK_LIT("</table></body></html>"));
    return bk_res_html(res, 200, bk_buf_str(&page));
}

/* --- products --------------------------------------------------------------------------------- */

struct product {
    int32_t id;
    bk_str sku, name, description;
    int32_t price_cents, stock;
    bk_time created_at, updated_at;
};

BK_DESCRIBE(product_desc, struct product, BK_I32(id, BK_READ_ONLY),
            BK_STR(sku, BK_REQUIRED, BK_LEN(1, 100)), BK_STR(name, BK_REQUIRED, BK_LEN(1, 200)),
            BK_STR(description, BK_LEN(0, 10000), BK_DEFAULT("\"\"")),
            BK_I32(price_cents, BK_REQUIRED, BK_MIN(0)), BK_I32(stock, BK_MIN(0)),
            BK_TIME(created_at, BK_READ_ONLY), BK_TIME(updated_at, BK_READ_ONLY))

static bk_err show_product(bk_pg *db, bk_req *req, bk_res *res)
{
    struct product product;
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(bk_pg_one(db, "SELECT " PRODUCT " FROM products WHERE id = $1", BK_ARGS(bk_i64(id)),
                     product_desc, &product));
    return bk_res_object(res, 200, product_desc, &product);
}

static bk_err one_product(bk_req *req, bk_res *res)
{
    return show_product(db_of(req), req, res);
}

static bk_err list_products(bk_req *req, bk_res *res)
{
    int64_t limit, offset;
    bk_array products;

    BK_TRY(bk_req_query_i64(req, "limit", 20, 1, PAGE_MAX, &limit));
    BK_TRY(bk_req_query_i64(req, "offset", 0, 0, INT32_MAX, &offset));
    BK_TRY(bk_pg_all(db_of(req), "SELECT " PRODUCT " FROM products ORDER BY id LIMIT $1 OFFSET $2",
                     BK_ARGS(bk_i64(limit), bk_i64(offset)), product_desc, &products));
    return bk_res_array(res, 200, product_desc, products.items, products.count);
}

static bk_err create_product(bk_req *req, bk_res *res)
{
    struct product product;

    BK_TRY(bk_req_bind(req, product_desc, &product));
    bk_err err =
        bk_pg_one(db_of(req),
                  "INSERT INTO products (sku, name, description, price_cents, stock)"
                  " VALUES ($1, $2, $3, $4, $5) RETURNING " PRODUCT,
                  BK_ARGS(bk_text(product.sku), bk_text(product.name), bk_text(product.description),
                          bk_i64(product.price_cents), bk_i64(product.stock)),
                  product_desc, &product);
    if (err != BK_OK && bk_pg_violates("products_sku_key"))
        return bk_fail_field(BK_ECONFLICT, BK_LIT("/sku"), BK_LIT("unique"), BK_LIT("is taken"));
    BK_TRY(err);
    return bk_res_object(res, 201, product_desc, &product);
}

/* --- products from the cache -------------------------------------------------------------------- */

struct bench_cached {
    bk_pg *db;
    bk_cache *cache;
};

static bk_err one_cached_product(bk_req *req, bk_res *res)
{
    const struct bench_cached *it = bk_req_route_data(req);

    return show_product(it->db, req, res);
}

struct price {
    int32_t price_cents;
};

BK_DESCRIBE(price_desc, struct price, BK_I32(price_cents, BK_REQUIRED, BK_MIN(0)))

/* Changes a product, and drops what the cache holds of it before the answer. */
static bk_err change_cached_product(bk_req *req, bk_res *res)
{
    const struct bench_cached *it = bk_req_route_data(req);
    struct price price;
    int64_t id, changed;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(bk_req_bind(req, price_desc, &price));
    BK_TRY(bk_pg_exec(it->db, "UPDATE products SET price_cents = $2 WHERE id = $1",
                      BK_ARGS(bk_i64(id), bk_i64(price.price_cents)), &changed));
    BK_TRY(bk_response_cache_drop(it->cache, bk_req_path(req)));
    return changed != 0 ? bk_res_empty(res)
                        : bk_fail(BK_ENOTFOUND, "no product %lld", (long long)id);
}

/* GET /api/cached shows what the cache of this worker has done. */
static bk_err cache_stats(bk_req *req, bk_res *res)
{
    const struct bench_cached *it = bk_req_route_data(req);
    bk_cache_stats stats;

    bk_cache_get_stats(it->cache, &stats);
    bk_json_writer *w = bk_res_json_writer(res, 200);
    bk_json_begin_object(w);
    const struct {
        bk_str name;
        uint64_t value;
    } fields[] = {
        {BK_LIT("l1_hits"), stats.l1_hits},       {BK_LIT("l2_hits"), stats.l2_hits},
        {BK_LIT("misses"), stats.misses},         {BK_LIT("shared"), stats.shared},
        {BK_LIT("l1_items"), stats.l1_items},     {BK_LIT("l1_bytes"), stats.l1_bytes},
        {BK_LIT("l1_evicted"), stats.l1_evicted}, {BK_LIT("refused_fills"), stats.refused_fills},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        bk_json_write_key(w, fields[i].name);
        bk_json_write_i64(w, (int64_t)fields[i].value);
    }
    bk_json_end_object(w);
    return BK_OK;
}

/* --- routes ----------------------------------------------------------------------------------- */

static bk_err unavailable(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EUNAVAILABLE, "no database, or no Redis, is configured");
}

static void add_cached_routes(bk_app *app, bk_router *router, bk_pg *db, bk_cache *cache)
{
    bk_router *cached = bk_router_group(router, "/api/cached");

    if (db == NULL || cache == NULL) {
        bk_get(cached, "/products/{id}", unavailable);
        return;
    }
    struct bench_cached *it = calloc(1, sizeof *it);
    if (it == NULL)
        abort();
    *it = (struct bench_cached){db, cache};
    bk_use(cached, bk_mw_response_cache(app, &(bk_mw_response_cache_opts){.cache = cache}));
    bk_get(cached, "/products/{id}", one_cached_product, &(bk_route_opts){.data = it});
    bk_patch(cached, "/products/{id}", change_cached_product, &(bk_route_opts){.data = it});
    bk_get(router, "/api/cached", cache_stats, &(bk_route_opts){.data = it});
}

void bench_db_routes(bk_app *app, bk_pg *db, bk_cache *cache, bk_router *signed_in)
{
    bk_router *router = bk_app_router(app);
    const struct {
        bk_method method;
        const char *path;
        bk_handler handler;
    } routes[] = {
        {BK_METHOD_GET, "/db", one_world},
        {BK_METHOD_GET, "/queries", queries},
        {BK_METHOD_GET, "/updates", updates},
        {BK_METHOD_GET, "/fortunes", fortunes},
        {BK_METHOD_GET, "/api/products", list_products},
        {BK_METHOD_GET, "/api/products/{id}", one_product},
    };

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        bk_route_at(__FILE__, __LINE__, router, routes[i].method, routes[i].path,
                    db != NULL ? routes[i].handler : unavailable, &(bk_route_opts){.data = db});
    bool can_create = db != NULL && signed_in != NULL;
    bk_post(can_create ? signed_in : router, "/api/products",
            can_create ? create_product : unavailable, &(bk_route_opts){.data = db});
    add_cached_routes(app, router, db, cache);
}
