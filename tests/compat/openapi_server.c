/* A service whose routes are described and validated. For openapi_test.py. */
#include <backend/backend.h>

struct part {
    bk_str name;
    int32_t count;
};
BK_DESCRIBE(part_desc, struct part, BK_STR(name, BK_REQUIRED, BK_LEN(1, 20)),
            BK_I32(count, BK_MIN(1), BK_DEFAULT("1")))

struct product {
    int64_t id;
    bk_str name, slug;
    double price;
    bk_array parts;
};
BK_DESCRIBE(product_desc, struct product, BK_I64(id, BK_READ_ONLY),
            BK_STR(name, BK_REQUIRED, BK_LEN(1, 50), BK_DOC("What it is called.")),
            BK_STR(slug, BK_FORMAT(BK_FORMAT_SLUG)), BK_F64(price, BK_MIN(0)),
            BK_ARRAY_OF(parts, part_desc, BK_LEN(0, 3)))

struct product_id {
    int64_t id;
};
BK_DESCRIBE(product_id_desc, struct product_id, BK_I64(id, BK_REQUIRED, BK_MIN(1)))

struct page {
    int32_t size;
};
BK_DESCRIBE(page_desc, struct page, BK_I32(size, BK_MIN(1), BK_MAX(100), BK_DEFAULT("20")))

static bk_err list(bk_req *req, bk_res *res)
{
    const struct page *page = bk_valid_query(req);
    struct product one = {.id = page->size, .name = BK_LIT("one")};

    return bk_res_object(res, 200, product_desc, &one);
}

static bk_err show(bk_req *req, bk_res *res)
{
    const struct product_id *params = bk_valid_params(req);
    struct product one = {.id = params->id, .name = BK_LIT("one")};

    return bk_res_object(res, 200, product_desc, &one);
}

static bk_err create(bk_req *req, bk_res *res)
{
    struct product *product = bk_valid_body(req);

    product->id = 42;
    return bk_res_object(res, 201, product_desc, product);
}

static bk_err discard(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_empty(res);
}

static bk_err take(bk_req *req, bk_res *res)
{
    return bk_res_json(res, 200, bk_valid_json(req));
}

static void declare(bk_router *api, const bk_schema *schema)
{
    static const bk_openapi_doc show_doc = {.operation_id = "showProduct", .tag = "products"},
                                event_doc = {.security = "bearer", .deprecated = true};
    static const bk_openapi_answer gone[] = {{.status = 204}, {.status = 404}, {.status = 0}};
    static const bk_openapi_doc discard_doc = {.answers = gone, .security = "apiKey"};

    bk_get(api, "/products", list,
           &(bk_route_opts){.query = page_desc, .answer = product_desc, .summary = "One of them"});
    bk_post(api, "/products", create,
            &(bk_route_opts){.body = product_desc, .answer = product_desc});
    bk_get(
        api, "/products/{id}", show,
        &(bk_route_opts){.params = product_id_desc, .answer = product_desc, .openapi = &show_doc});
    bk_delete(api, "/products/{id}", discard,
              &(bk_route_opts){.params = product_id_desc, .openapi = &discard_doc});
    bk_put(api, "/files/{path*}", take,
           &(bk_route_opts){.body_schema = schema, .openapi = &event_doc});
}

int main(int argc, char **argv)
{
    static const char schema_text[] =
        "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/event\"},\"$defs\":{\"event\":"
        "{\"type\":\"object\",\"required\":[\"at\"],\"properties\":"
        "{\"at\":{\"type\":\"string\",\"format\":\"date-time\"}}}}}";
    bk_app *app = bk_app_new(NULL);
    bk_arena *arena = bk_arena_new();
    const bk_schema *schema;

    if (bk_schema_parse(arena, bk_str_of(schema_text), &schema) != BK_OK)
        return 1;
    bk_router *api = bk_router_group(bk_app_router(app), "/api");
    bk_use(api, bk_mw_validate(app, NULL));
    declare(api, schema);
    bk_openapi_serve(app, bk_app_router(app),
                     &(bk_openapi_opts){.title = "Shop", .bearer = true, .api_key = "X-API-Key"});
    int result = bk_app_main(app, argc, argv);
    bk_arena_free(arena);
    return result;
}
