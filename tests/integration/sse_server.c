/* A server of event streams for sse_test.py. */
#include <backend/backend.h>

static bk_err events(bk_req *req, bk_res *res)
{
    bk_subscription *sub;
    bk_sse *sse;
    bk_pubsub_event e;

    BK_TRY(bk_subscribe(bk_req_route_data(req), BK_LIT("news"),
                        &(bk_subscribe_opts){.after = bk_sse_last_event_id(req)}, &sub));
    BK_TRY(bk_sse_open(req, res, &(bk_sse_opts){.heartbeat_ms = 200}, &sse));
    for (;;) {
        BK_TRY(bk_subscription_next(sub, &e));
        bk_str type = e.gap ? BK_LIT("gap") : bk_str_of(NULL);
        BK_TRY(bk_sse_send(sse, &(bk_sse_event){.id = e.id, .event = type, .data = e.bytes}));
    }
}

static bk_err publish(bk_req *req, bk_res *res)
{
    BK_TRY(bk_publish(bk_req_route_data(req), BK_LIT("news"), bk_req_body(req), NULL));
    return bk_res_empty(res);
}

int main(int argc, char **argv)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "events"});
    bk_pubsub *hub = bk_pubsub_new(app, &(bk_pubsub_opts){.replay = 100});
    bk_route_opts opts = {.data = hub};

    bk_get(bk_app_router(app), "/events", events, &opts);
    bk_post(bk_app_router(app), "/publish", publish, &opts);
    return bk_app_main(app, argc, argv);
}
