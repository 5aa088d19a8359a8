/* observability.c: what a service tells of itself. See docs/guide/observability.md. */
#include "observability.h"

/* snippet: setup */
bk_err observability_set_up(void) /* early in main() */
{
    static const char *const hidden[] = {"password", "*.token", NULL};

    return bk_log_setup(&(bk_log_opts){.levels = "info,pg=debug,pg.pool=warn", .redact = hidden});
}
/* end of snippet */

/* snippet: outermost */
static void observe(bk_app *app)
{
    bk_router *root = bk_app_router(app);

    bk_use(root, bk_mw_request_id(app, NULL));
    bk_use(root, bk_mw_trace(app, NULL));
    bk_use(root, bk_mw_access_log(app, NULL));
    bk_use(root, bk_mw_timeout(app, NULL));
}
/* end of snippet */

/* snippet: export */
static void export_traces(bk_app *app)
{
    (void)bk_otlp_new(app, &(bk_otlp_opts){.service = "shop"});
}
/* end of snippet */

/* snippet: line */
static bk_err order(bk_req *req, bk_res *res) /* POST /orders/{product} */
{
    int64_t product, left = 3;

    BK_TRY(bk_req_param_i64(req, "product", &product));
    bk_info("stock.low", bk_kv_i64("product", product), bk_kv_i64("left", left));
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: outgoing */
/* The head of a call to another service that is not made by a bk_http_client. */
static bk_str outgoing_head(bk_arena *arena)
{
    bk_str trace = bk_trace_header(arena), left = bk_deadline_header(arena);
    bk_buf head = {.arena = arena};

    if (bk_str_present(trace))
        bk_buf_printf(&head, "traceparent: %.*s\r\n", BK_PRI(trace));
    if (bk_str_present(left))
        bk_buf_printf(&head, BK_DEADLINE_HEADER ": %.*s\r\n", BK_PRI(left));
    return bk_buf_str(&head);
}
/* end of snippet */

/* snippet: span */
static bk_err price(bk_req *req, bk_res *res) /* GET /prices/{product} */
{
    bk_span *span = bk_span_begin("ask the shop", BK_SPAN_CLIENT);

    bk_span_str(span, "peer.service", BK_LIT("shop"));
    bk_str head = outgoing_head(bk_req_arena(req)); /* the shop's parent is this span */
    bk_span_end(span, BK_OK);
    return bk_res_text(res, 200, head);
}
/* end of snippet */

/* snippet: errors */
static void speak_as_before(bk_app *app, bk_router *old_api)
{
    bk_use(old_api, bk_mw_recover(app, &(bk_mw_recover_opts){.format = BK_ERRORS_FASTIFY}));
}
/* end of snippet */

void observability_declare(bk_app *app)
{
    bk_router *old_api = bk_router_group(bk_app_router(app), "/v1");

    export_traces(app);
    observe(app);
    speak_as_before(app, old_api);
    bk_post(bk_app_router(app), "/orders/{product}", order);
    bk_post(old_api, "/orders/{product}", order);
    bk_get(bk_app_router(app), "/prices/{product}", price);
}
