/* A server of WebSockets for websocket_test.py. Times are short, so that tests are. */
#include <stdlib.h>

#include <backend/backend.h>

#include "../../examples/guide/realtime.h"

/* What a test wants other than by default, from the query. */
static bk_ws_opts opts_of(bk_req *req)
{
    static const char *const origins[] = {"https://shop.example", NULL};
    static const char *const any[] = {BK_WS_ANY_ORIGIN, NULL};
    static const char *const protocols[] = {"v2.chat", "v1.chat", NULL};
    bk_ws_opts opts = {.protocols = protocols, .message_bytes = 100000, .close_ms = 500};

    if (bk_str_present(bk_req_query_str(req, "ping")))
        opts.ping_ms = opts.pong_ms = 200;
    if (bk_str_present(bk_req_query_str(req, "origins")))
        opts.origins = origins;
    if (bk_str_present(bk_req_query_str(req, "any")))
        opts.origins = any;
    return opts;
}

static bk_err echo(bk_req *req, bk_res *res)
{
    bk_ws_opts opts = opts_of(req);
    bk_ws *ws;
    bk_ws_message m;

    BK_TRY(bk_res_header(res, "X-Greeting", BK_LIT("hello")));
    BK_TRY(bk_ws_accept(req, res, &opts, &ws));
    for (;;) {
        BK_TRY(bk_ws_recv(ws, &m));
        if (m.is_text)
            BK_TRY(bk_ws_send_text(ws, m.bytes));
        else
            BK_TRY(bk_ws_send_binary(ws, m.bytes));
    }
}

/* What the socket says of itself, before anything was sent and after its close. */
static bk_err tell(bk_req *req, bk_ws *ws)
{
    bk_ws_message m;
    size_t unsent = bk_ws_unsent(ws);
    bk_str text = bk_arena_printf(bk_req_arena(req), "%.*s %d %zu", BK_PRI(bk_ws_protocol(ws)),
                                  bk_ws_close_code(ws), unsent);

    BK_TRY(bk_ws_send_text(ws, text));
    bk_err err = bk_ws_recv(ws, &m);
    bk_info("told", bk_kv_i64("code", bk_ws_close_code(ws)),
            bk_kv_i64("unsent", (int64_t)bk_ws_unsent(ws)));
    return err;
}

/* Does what the first message says. */
static bk_err obey(bk_req *req, bk_res *res)
{
    bk_ws_opts opts = opts_of(req);
    bk_ws *ws;
    bk_ws_message m;

    BK_TRY(bk_ws_accept(req, res, &opts, &ws));
    BK_TRY(bk_ws_recv(ws, &m));
    if (bk_str_eq(m.bytes, BK_LIT("close")))
        bk_ws_close(ws, 4001, BK_LIT("as you said"));
    else if (bk_str_eq(m.bytes, BK_LIT("tell")))
        return tell(req, ws);
    else if (bk_str_eq(m.bytes, BK_LIT("fail")))
        return bk_fail(BK_EIO, "told to fail");
    else if (bk_str_eq(m.bytes, BK_LIT("sleep")))
        BK_TRY(bk_sleep_ms(60000));
    else if (bk_str_eq(m.bytes, BK_LIT("latin")))
        return bk_ws_send_text(ws, BK_LIT("\xe9"));
    return BK_OK;
}

/* Sends for as long as it is let, and says at the end how far it came. */
static bk_err flood(bk_req *req, bk_res *res)
{
    static const char lump[16 * 1024];
    int64_t *sent = bk_req_route_data(req);
    bk_ws *ws;

    BK_TRY(bk_ws_accept(req, res, NULL, &ws));
    for (;;) {
        BK_TRY(bk_ws_send_binary(ws, bk_str_at(lump, sizeof lump)));
        *sent += (int64_t)sizeof lump;
    }
}

static bk_err flooded(bk_req *req, bk_res *res)
{
    int64_t *sent = bk_req_route_data(req);

    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%lld", (long long)*sent));
}

static bk_err say(bk_req *req, bk_res *res)
{
    BK_TRY(bk_publish(bk_req_route_data(req), BK_LIT("chat"), bk_req_body(req), NULL));
    return bk_res_empty(res);
}

/* A room: what anybody says, everybody hears. */
static bk_err room(bk_req *req, bk_res *res)
{
    bk_pubsub *hub = bk_req_route_data(req);
    bk_ws *ws;
    bk_subscription *sub;
    bk_ws_message m;
    bk_pubsub_event e;
    size_t which;

    BK_TRY(bk_ws_accept(req, res, NULL, &ws));
    BK_TRY(bk_subscribe(hub, BK_LIT("chat"), NULL, &sub));
    bk_source *sources[] = {bk_ws_source(ws), bk_subscription_source(sub)};
    for (;;) {
        BK_TRY(bk_select(sources, 2, &which));
        if (which == 0) {
            BK_TRY(bk_ws_try_recv(ws, &m));
            BK_TRY(bk_publish(hub, BK_LIT("chat"), m.bytes, NULL));
        } else {
            BK_TRY(bk_subscription_next(sub, &e));
            BK_TRY(bk_ws_send_text(ws, e.bytes));
        }
    }
}

int main(int argc, char **argv)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "sockets", .timeouts = {.handler_ms = 300}});
    bk_pubsub *hub = bk_pubsub_new(app, NULL);
    bk_router *root = bk_app_router(app);
    int64_t sent = 0;
    bk_route_opts of_flood = {.data = &sent}, of_hub = {.data = hub};

    bk_get(root, "/echo", echo, NULL);
    bk_get(root, "/obey", obey, NULL);
    bk_get(root, "/flood", flood, &of_flood);
    bk_get(root, "/flooded", flooded, &of_flood);
    bk_get(root, "/room", room, &of_hub);
    bk_post(root, "/say", say, &of_hub);
    realtime_declare(app, NULL);
    return bk_app_main(app, argc, argv);
}
