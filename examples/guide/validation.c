/* validation.c: requests that are what the routes say, and docs that say it. See
 * docs/guide/validation.md. */
#include "guide.h"

struct item {
    int64_t id;
    bk_str name;
    double price;
};

BK_DESCRIBE(item_desc, struct item, BK_I64(id, BK_READ_ONLY),
            BK_STR(name, BK_REQUIRED, BK_LEN(1, 200)), BK_F64(price, BK_REQUIRED, BK_MIN(0)))

struct item_id {
    int64_t id;
};

BK_DESCRIBE(item_id_desc, struct item_id, BK_I64(id, BK_MIN(1)))

/* snippet: handlers */
static bk_err show(bk_req *req, bk_res *res) /* GET /items/{id} */
{
    const struct item_id *params = bk_valid_params(req);
    struct item item = {.id = params->id, .name = BK_LIT("chair"), .price = 9.5};

    return bk_res_object(res, 200, item_desc, &item);
}

static bk_err create(bk_req *req, bk_res *res) /* POST /items */
{
    struct item *item = bk_valid_body(req);

    item->id = 42;
    return bk_res_object(res, 201, item_desc, item);
}
/* end of snippet */

/* snippet: routes */
void validation_declare(bk_app *app, bk_router *api)
{
    static const bk_openapi_doc show_doc = {.operation_id = "showItem", .tag = "items"};

    bk_use(api, bk_mw_validate(app, NULL));
    bk_get(api, "/items/{id}", show,
           &(bk_route_opts){.summary = "One item",
                            .params = item_id_desc,
                            .answer = item_desc,
                            .openapi = &show_doc});
    bk_post(api, "/items", create, &(bk_route_opts){.body = item_desc, .answer = item_desc});
    bk_openapi_serve(app, bk_app_router(app), &(bk_openapi_opts){.title = "Shop"});
}
/* end of snippet */

/* snippet: schema */
static const char events_schema[] =
    "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/$defs/event\"},"
    " \"$defs\": {\"event\": {\"required\": [\"at\"],"
    "                       \"properties\": {\"at\": {\"format\": \"date-time\"}}}}}";

static bk_err take_events(bk_req *req, bk_res *res) /* POST /events */
{
    bk_info("events.taken", bk_kv_i64("count", (int64_t)bk_json_len(bk_valid_json(req))));
    return bk_res_empty(res);
}

bk_err validation_declare_events(bk_router *api, bk_arena *arena)
{
    bk_route_opts opts = {.summary = "Takes events"};

    BK_TRY(bk_schema_parse(arena, bk_str_of(events_schema), &opts.body_schema));
    bk_post(api, "/events", take_events, &opts);
    return BK_OK;
}
/* end of snippet */
