/*
 * feed.c: what happens to products, as server-sent events and over WebSocket: JSON as
 * {"type":"created","data":{...}}. Where some were missed the type is "reload": ask for all again.
 */
#include "products.h"

#define TOPIC BK_LIT("products")

struct news {
    bk_str type;
    struct product data;
};

/* clang-format off */
BK_DESCRIBE(news_desc, struct news, BK_STR(type), BK_STRUCT(data, product_desc))
/* clang-format on */

/* A message is its type, a blank, the JSON, so that who sends it on need not read it. */
void feed_publish(struct shop *shop, const char *type, const struct product *product)
{
    bk_buf buf = {.arena = bk_fiber_arena()};

    bk_buf_printf(&buf, "%s ", type);
    bk_write_json(&buf, news_desc, &(struct news){bk_str_of(type), *product});
    if (bk_publish(shop->hub, TOPIC, bk_buf_str(&buf), NULL) != BK_OK)
        bk_warn("feed.lost", bk_kv_i64("product", product->id));
}

/* The next message; @p json lives until the next call. */
static bk_err next_news(bk_subscription *sub, bk_str *id, bk_str *type, bk_str *json)
{
    bk_pubsub_event event;

    BK_TRY(bk_subscription_next(sub, &event));
    *id = event.id;
    *json = event.bytes;
    if (!bk_str_present(event.bytes))
        *json = BK_LIT("reload {\"type\":\"reload\"}");
    (void)bk_str_split(json, ' ', type);
    return BK_OK;
}

static bk_err events(bk_req *req, bk_res *res) /* GET /api/products/events */
{
    bk_subscribe_opts from = {.after = bk_sse_last_event_id(req)};
    bk_str id, type, json;
    bk_subscription *sub;
    bk_sse *sse;

    BK_TRY(bk_subscribe(shop_of(req)->hub, TOPIC, &from, &sub));
    BK_TRY(bk_sse_open(req, res, &(bk_sse_opts){.retry_ms = 2000}, &sse));
    for (;;) {
        BK_TRY(next_news(sub, &id, &type, &json));
        BK_TRY(bk_sse_send(sse, &(bk_sse_event){.id = id, .event = type, .data = json}));
    }
}

static bk_err socket(bk_req *req, bk_res *res) /* GET /api/ws */
{
    struct shop *shop = shop_of(req);
    bk_ws_opts opts = {.message_bytes = 1024, .origins = shop->origins};
    bk_subscription *sub;
    bk_ws *ws;
    bk_str id, type, json;
    bk_ws_message said;
    size_t which;

    BK_TRY(bk_ws_accept(req, res, &opts, &ws));
    BK_TRY(bk_subscribe(shop->hub, TOPIC, NULL, &sub));
    bk_source *sources[] = {bk_ws_source(ws), bk_subscription_source(sub)};
    for (;;) {
        BK_TRY(bk_select(sources, 2, &which));
        if (which == 0) { /* clients have nothing to say here, but may leave */
            BK_TRY(bk_ws_recv(ws, &said));
            continue;
        }
        BK_TRY(next_news(sub, &id, &type, &json));
        BK_TRY(bk_ws_send_text(ws, json));
    }
}

void feed_routes(bk_app *app, bk_router *api, struct shop *shop)
{
    static const bk_openapi_doc doc = {.tag = "products"};

    (void)app, (void)shop;
    bk_get(api, "/products/events", events,
           &(bk_route_opts){.openapi = &doc, .summary = "What happens, as server-sent events"});
    bk_get(api, "/ws", socket,
           &(bk_route_opts){.openapi = &doc, .summary = "The same over WebSocket"});
}
