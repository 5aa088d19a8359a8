/* controller.c: /api/products over HTTP. */
#include "products.h"

static bk_err list(bk_req *req, bk_res *res) /* GET /api/products */
{
    struct product_page page = {0};

    BK_TRY(bk_response_cache_tag(req, BK_LIT("products"))); /* any change drops it */
    BK_TRY(products_list(shop_of(req)->db, bk_valid_query(req), &page));
    return bk_res_object(res, 200, product_page_desc, &page);
}

static bk_err show(bk_req *req, bk_res *res) /* GET /api/products/{id} */
{
    struct product product;
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(products_find(shop_of(req)->db, id, &product));
    return bk_res_object(res, 200, product_desc, &product);
}

static bk_err create(bk_req *req, bk_res *res) /* POST /api/products */
{
    struct product product;

    BK_TRY(products_create(shop_of(req), bk_valid_body(req), &product));
    BK_TRY(bk_res_created(
        res, bk_arena_printf(bk_req_arena(req), "/api/products/%lld", (long long)product.id)));
    return bk_res_object(res, 201, product_desc, &product);
}

static bk_err change(bk_req *req, bk_res *res) /* PATCH /api/products/{id} */
{
    struct product product;
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(products_change(shop_of(req), id, bk_valid_body(req), &product));
    return bk_res_object(res, 200, product_desc, &product);
}

static bk_err remove_product(bk_req *req, bk_res *res) /* DELETE /api/products/{id} */
{
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(products_remove(shop_of(req), id));
    return bk_res_empty(res);
}

void products_routes(bk_app *app, bk_router *api, struct shop *shop)
{
    static const bk_openapi_doc doc = {.tag = "products"},
                                own = {.tag = "products", .security = "bearer"};
    static const char *const parameters[] = {"limit", "cursor", "q", NULL};
    const bk_middleware cached[] = {
        bk_mw_response_cache(
            app,
            &(bk_mw_response_cache_opts){.cache = shop->cache,
                                         .query = parameters,
                                         .policy = {.ttl_ms = 60000, .stale_if_error_ms = 600000}}),
        {0},
    };

    bk_get(api, "/products", list,
           &(bk_route_opts){.use = cached,
                            .query = product_query_desc,
                            .openapi = &doc,
                            .answer = product_page_desc,
                            .summary = "Products, by id"});
    bk_get(api, "/products/{id}", show,
           &(bk_route_opts){
               .use = cached, .answer = product_desc, .openapi = &doc, .summary = "A product"});
    bk_post(api, "/products", create,
            &(bk_route_opts){.use = shop->admins,
                             .body = product_desc,
                             .answer = product_desc,
                             .openapi = &own,
                             .summary = "Add a product"});
    bk_patch(api, "/products/{id}", change,
             &(bk_route_opts){.use = shop->admins,
                              .body = product_change_desc,
                              .openapi = &own,
                              .answer = product_desc,
                              .summary = "Change a product"});
    bk_delete(
        api, "/products/{id}", remove_product,
        &(bk_route_opts){.use = shop->admins, .openapi = &own, .summary = "Delete a product"});
}
