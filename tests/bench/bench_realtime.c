/* bench_realtime.c: see bench_realtime.h. */
#include "bench_realtime.h"

#define TOPIC BK_LIT("news")

static bk_err events(bk_req *req, bk_res *res)
{
    bk_subscription *sub;
    bk_sse *sse;
    bk_pubsub_event e;

    BK_TRY(bk_subscribe(bk_req_route_data(req), TOPIC, NULL, &sub));
    BK_TRY(bk_sse_open(req, res, NULL, &sse));
    for (;;) {
        BK_TRY(bk_subscription_next(sub, &e));
        BK_TRY(bk_sse_send(sse, &(bk_sse_event){.data = e.bytes}));
    }
}

static bk_err socket_of(bk_req *req, bk_res *res)
{
    bk_subscription *sub;
    bk_ws *ws;
    bk_ws_message heard;
    bk_pubsub_event e;
    size_t which;

    BK_TRY(bk_ws_accept(req, res, NULL, &ws));
    BK_TRY(bk_subscribe(bk_req_route_data(req), TOPIC, NULL, &sub));
    bk_source *sources[] = {bk_ws_source(ws), bk_subscription_source(sub)};
    for (;;) {
        BK_TRY(bk_select(sources, 2, &which));
        if (which == 0) {
            BK_TRY(bk_ws_recv(ws, &heard)); /* and ignored; its end is what counts */
        } else {
            BK_TRY(bk_subscription_next(sub, &e));
            BK_TRY(bk_ws_send_text(ws, e.bytes));
        }
    }
}

static bk_err say(bk_req *req, bk_res *res)
{
    BK_TRY(bk_publish(bk_req_route_data(req), TOPIC, bk_req_body(req), NULL));
    return bk_res_empty(res);
}

void bench_realtime_routes(bk_app *app)
{
    bk_router *root = bk_app_router(app);
    bk_route_opts opts = {.data = bk_pubsub_new(app, NULL)};

    bk_get(root, "/events", events, &opts);
    bk_get(root, "/socket", socket_of, &opts);
    bk_post(root, "/say", say, &opts);
}
