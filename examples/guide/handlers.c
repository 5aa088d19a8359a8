/* handlers.c: see docs/guide/handlers.md. */
#include "guide.h"

/* snippet: read */
static bk_err greet(bk_req *req, bk_res *res) /* GET /greet/{name}?times=3 */
{
    bk_str name = bk_req_param(req, "name");
    bk_str agent = bk_req_header(req, "User-Agent"); /* absent if it was not sent */
    bk_str theme = bk_req_cookie(req, "theme");
    int64_t times;

    BK_TRY(bk_req_query_i64(req, "times", 1, 1, 10, &times)); /* else 400, naming "times" */
    bk_info("greeted", bk_kv_str("agent", agent), bk_kv_str("theme", theme));

    bk_buf text = {.arena = bk_req_arena(req)};
    while (times-- > 0)
        bk_buf_printf(&text, "Hello, %.*s!\n", BK_PRI(name));
    return bk_res_text(res, 200, bk_buf_str(&text));
}
/* end of snippet */

/* snippet: json */
static bk_err now(bk_req *req, bk_res *res) /* GET /now */
{
    (void)req;
    bk_json_writer *w = bk_res_json_writer(res, 200);
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("now"));
    bk_json_write_time(w, bk_time_now());
    bk_json_end_object(w);
    return BK_OK;
}
/* end of snippet */

/* snippet: unknown-json */
static bk_err webhook(bk_req *req, bk_res *res) /* POST /webhook */
{
    bk_json *event;

    BK_TRY(bk_req_json(req, &event));
    bk_str kind = bk_json_str(bk_json_get(event, BK_LIT("kind")));
    bk_str city = bk_json_str(bk_json_at(event, BK_LIT("/order/address/city")));
    if (!bk_str_present(kind))
        return bk_fail(BK_EINVAL, "\"kind\" is missing");
    bk_info("webhook.came", bk_kv_str("kind", kind), bk_kv_str("city", city));
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: errors */
static bk_err reserve(int64_t stock, int64_t wanted)
{
    if (stock < wanted)
        return bk_fail(BK_ECONFLICT, "only %lld left", (long long)stock);
    return BK_OK;
}

static bk_err order(bk_req *req, bk_res *res) /* POST /products/{id}/orders?count=2 */
{
    int64_t id, count;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(bk_req_query_i64(req, "count", 1, 1, 100, &count));
    if (id != 7)
        return bk_fail(BK_ENOTFOUND, "there is no product %lld", (long long)id);
    BK_TRY(bk_context(reserve(3, count), "ordering product %lld", (long long)id));
    return bk_res_created(res, BK_LIT("/orders/1"));
}
/* end of snippet */

/* snippet: field-error */
static bk_err sign_up(bk_req *req, bk_res *res) /* POST /users?email=... */
{
    bk_str email = bk_req_query_str(req, "email");

    if (bk_str_eq(email, BK_LIT("ann@example.com")))
        return bk_fail_field(BK_ECONFLICT, BK_LIT("/email"), BK_LIT("unique"),
                             BK_LIT("is taken by another user"));
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: cookie */
static bk_err remember(bk_req *req, bk_res *res) /* POST /theme?name=dark */
{
    bk_str name = bk_req_query_str(req, "name");

    BK_TRY(bk_res_cookie(res, "theme", name, &(bk_cookie_opts){.max_age_s = 30 * 86400}));
    BK_TRY(bk_res_header(res, "Cache-Control", BK_LIT("no-store")));
    return bk_res_redirect(res, 303, BK_LIT("/"));
}
/* end of snippet */

/* snippet: stream */
static bk_err count_up(bk_req *req, bk_res *res) /* GET /count */
{
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    for (int i = 1; i <= 1000; i++)
        BK_TRY(bk_res_write(res, bk_arena_printf(bk_req_arena(req), "%d\n", i)));
    return BK_OK;
}
/* end of snippet */

/* snippet: upload */
static bk_err upload(bk_req *req, bk_res *res) /* POST /upload, multipart/form-data */
{
    bk_parts parts;

    BK_TRY(bk_req_multipart(req, &(bk_multipart_opts){.max_files = 1}, &parts));
    for (size_t i = 0; i < parts.count; i++) {
        const bk_part *part = &parts.items[i];
        bk_info("upload.part", bk_kv_str("name", part->name), bk_kv_str("file", part->filename),
                bk_kv_i64("bytes", (int64_t)part->data.len));
    }
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: file */
static bk_err page(bk_req *req, bk_res *res) /* GET /pages/{path*} */
{
    const char *path = bk_arena_cstr(bk_req_arena(req), bk_req_param(req, "path"));

    return bk_res_file(res, path, &(bk_file_opts){.root = "public"});
}
/* end of snippet */

/* snippet: routes */
void handlers_routes(bk_router *router)
{
    bk_get(router, "/greet/{name}", greet);
    bk_get(router, "/now", now);
    bk_get(router, "/count", count_up);
    bk_get(router, "/pages/{path*}", page);
    bk_post(router, "/theme", remember);
    bk_post(router, "/webhook", webhook);
    bk_post(router, "/upload", upload, &(bk_route_opts){.body_limit_bytes = 50 * 1024 * 1024});

    bk_router *shop = bk_router_group(router, "/shop");
    bk_post(shop, "/products/{id}/orders", order, &(bk_route_opts){.timeout_ms = 2000});
    bk_post(shop, "/users", sign_up);
}
/* end of snippet */
