/*
 * sse_chat: a chat for one page, by server-sent events. With REDIS_URL it is one chat on all hosts.
 */
#include <stdlib.h>

#include <backend/backend.h>

#define TOPIC BK_LIT("chat")

extern const char page[]; /* page.html */
extern const size_t page_len;

struct line {
    bk_str name, text;
};

/* clang-format off */
BK_DESCRIBE(line_desc, struct line,
    BK_STR(name, BK_REQUIRED, BK_LEN(1, 40)),
    BK_STR(text, BK_REQUIRED, BK_LEN(1, 500)))
/* clang-format on */

/* bk_app_opts.data is where main() keeps it. */
static bk_pubsub *hub_of(const bk_req *req)
{
    return *(bk_pubsub **)bk_req_state(req);
}

static bk_err index_page(bk_req *req, bk_res *res) /* GET / */
{
    (void)req;
    return bk_res_html(res, 200, bk_str_at(page, page_len));
}

static bk_err say(bk_req *req, bk_res *res) /* POST /lines */
{
    bk_buf json = {.arena = bk_req_arena(req)};
    struct line line;

    BK_TRY(bk_req_bind(req, line_desc, &line));
    bk_write_json(&json, line_desc, &line);
    BK_TRY(bk_publish(hub_of(req), TOPIC, bk_buf_str(&json), NULL));
    return bk_res_empty(res);
}

static bk_err hear(bk_req *req, bk_res *res) /* GET /lines */
{
    bk_subscribe_opts from = {.after = bk_sse_last_event_id(req)};
    bk_subscription *sub;
    bk_pubsub_event event;
    bk_sse *sse;

    BK_TRY(bk_subscribe(hub_of(req), TOPIC, &from, &sub));
    BK_TRY(bk_sse_open(req, res, NULL, &sse));
    for (;;) {
        BK_TRY(bk_subscription_next(sub, &event));
        if (bk_str_present(event.bytes))
            BK_TRY(bk_sse_send(sse, &(bk_sse_event){.id = event.id, .data = event.bytes}));
    }
}

int main(int argc, char **argv)
{
    bk_pubsub *hub;
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "sse_chat", .data = &hub});
    bk_router *root = bk_app_router(app);
    const char *url = getenv("REDIS_URL");
    bk_redis *redis =
        url != NULL ? bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(url)}) : NULL;

    hub = bk_pubsub_new(app, &(bk_pubsub_opts){.redis = redis, .replay = 100});
    bk_get(root, "/", index_page);
    bk_post(root, "/lines", say);
    bk_get(root, "/lines", hear);
    return bk_app_main(app, argc, argv);
}
