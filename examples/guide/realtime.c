/* realtime.c: topics, event streams, sockets. See docs/guide/realtime.md. */
#include "realtime.h"

struct price {
    int64_t product;
    double price;
};

BK_DESCRIBE(price_desc, struct price, BK_I64(product, BK_REQUIRED),
            BK_F64(price, BK_REQUIRED, BK_MIN(0)))

/* snippet: publish */
static bk_err set_price(bk_req *req, bk_res *res) /* POST /prices */
{
    bk_pubsub *hub = bk_req_route_data(req);
    struct price price;

    BK_TRY(bk_req_bind(req, price_desc, &price));
    BK_TRY(bk_publish(hub, BK_LIT("prices"), bk_req_body(req), NULL));
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: events */
static bk_err prices(bk_req *req, bk_res *res) /* GET /prices */
{
    bk_pubsub *hub = bk_req_route_data(req);
    bk_subscription *sub;
    bk_sse *sse;
    bk_pubsub_event e;

    BK_TRY(bk_subscribe(hub, BK_LIT("prices"),
                        &(bk_subscribe_opts){.after = bk_sse_last_event_id(req)}, &sub));
    BK_TRY(bk_sse_open(req, res, NULL, &sse));
    for (;;) {
        BK_TRY(bk_subscription_next(sub, &e));
        if (e.gap) /* the client has missed some: it had better ask for all of them */
            BK_TRY(bk_sse_send(sse,
                               &(bk_sse_event){.event = BK_LIT("reload"), .data = bk_str_of("")}));
        if (bk_str_present(e.bytes))
            BK_TRY(bk_sse_send(sse, &(bk_sse_event){.id = e.id, .data = e.bytes}));
    }
}
/* end of snippet */

/* snippet: socket */
static bk_err chat(bk_req *req, bk_res *res) /* GET /chat */
{
    bk_pubsub *hub = bk_req_route_data(req);
    bk_subscription *sub;
    bk_ws *ws;
    bk_ws_message said;
    bk_pubsub_event heard;
    size_t which;

    BK_TRY(bk_ws_accept(req, res, &(bk_ws_opts){.message_bytes = 4096}, &ws));
    BK_TRY(bk_subscribe(hub, BK_LIT("chat"), NULL, &sub));
    bk_source *sources[] = {bk_ws_source(ws), bk_subscription_source(sub)};
    for (;;) {
        BK_TRY(bk_select(sources, 2, &which));
        if (which == 0) {
            BK_TRY(bk_ws_recv(ws, &said));
            BK_TRY(bk_publish(hub, BK_LIT("chat"), said.bytes, NULL));
        } else {
            BK_TRY(bk_subscription_next(sub, &heard));
            BK_TRY(bk_ws_send_text(ws, heard.bytes));
        }
    }
}
/* end of snippet */

/* snippet: hub */
void realtime_declare(bk_app *app, bk_redis *redis)
{
    bk_router *root = bk_app_router(app);
    bk_pubsub *hub = bk_pubsub_new(app, &(bk_pubsub_opts){.redis = redis, .replay = 1000});
    bk_route_opts opts = {.data = hub};

    bk_post(root, "/prices", set_price, &opts);
    bk_get(root, "/prices", prices, &opts);
    bk_get(root, "/chat", chat, &opts);
}
/* end of snippet */
