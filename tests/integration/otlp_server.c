/* A program on bk_app_main() that exports its traces. For otlp_test.py. */
#include <stdlib.h>

#include <backend/backend.h>

static struct {
    bk_otlp *otlp;
    bk_http_client *client;
    bk_pg *db; /* NULL: without DATABASE_URL */
    bk_str upstream;
} it;

/* A span of its own, in it a statement and a request to UPSTREAM. */
static bk_err price(bk_req *req, bk_res *res)
{
    bk_http_answer answer;
    bk_span *span = bk_span_begin("find the price", BK_SPAN_INTERNAL);

    bk_span_str(span, "product", bk_req_param(req, "product"));
    bk_err err = it.db != NULL ? bk_pg_exec(it.db, "SELECT 1", BK_NO_ARGS, NULL) : BK_OK;
    if (err == BK_OK)
        err = bk_http_send(it.client, &(bk_http_request){.url = it.upstream}, &answer);
    bk_span_end(span, err);
    BK_TRY(err);
    return bk_res_text(res, 200, bk_trace_id());
}

static bk_err many(bk_req *req, bk_res *res)
{
    int64_t count;

    BK_TRY(bk_req_param_i64(req, "count", &count));
    for (int64_t i = 0; i < count; i++)
        bk_span_end(bk_span_begin("one of many", BK_SPAN_INTERNAL), BK_OK);
    return bk_res_empty(res);
}

static bk_err break_down(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EINTERNAL, "it breaks down");
}

static bk_err stats(bk_req *req, bk_res *res)
{
    bk_otlp_stats stats;

    (void)req;
    bk_otlp_get_stats(it.otlp, &stats);
    bk_json_writer *w = bk_res_json_writer(res, 200);
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("exported"));
    bk_json_write_i64(w, (int64_t)stats.exported);
    bk_json_write_key(w, BK_LIT("dropped"));
    bk_json_write_i64(w, (int64_t)stats.dropped);
    bk_json_write_key(w, BK_LIT("waiting"));
    bk_json_write_i64(w, (int64_t)stats.waiting);
    bk_json_write_key(w, BK_LIT("requests"));
    bk_json_write_i64(w, (int64_t)stats.requests);
    bk_json_end_object(w);
    return BK_OK;
}

int main(int argc, char **argv)
{
    static const char *const trusted[] = {"127.0.0.1", NULL};
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "traced", .trusted_proxies = trusted});
    bk_router *root = bk_app_router(app), *traced = bk_router_group(root, "");

    it.otlp = bk_otlp_new(app, NULL);
    it.client = bk_http_client_new(app, NULL);
    if (getenv("DATABASE_URL") != NULL)
        it.db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(getenv("DATABASE_URL"))});
    it.upstream = bk_str_of(getenv("UPSTREAM"));
    bk_metrics_serve(app, NULL, NULL);
    bk_use(traced, bk_mw_trace(app, NULL));
    bk_get(traced, "/prices/{product}", price);
    bk_get(traced, "/many/{count}", many);
    bk_get(traced, "/broken", break_down);
    bk_get(root, "/stats", stats);
    return bk_app_main(app, argc, argv);
}
