/* metrics.c: see docs/guide/metrics-and-health.md. */
#include "metrics.h"

/* snippet: sample */
/* Not counted, but looked at: once a second, and when somebody asks. */
static void look_at_drafts(void *data)
{
    const struct orders *orders = data;

    bk_gauge_set(orders->drafts, (double)orders->draft_count);
}
/* end of snippet */

/* snippet: declare */
void metrics_declare(bk_app *app, struct orders *orders)
{
    static const double bounds[] = {0.05, 0.1, 0.5, 1, 5}; /* seconds */

    orders->taken = bk_counter_new(app, &(bk_metric_opts){
                                            .name = "shop_orders_total",
                                            .help = "Orders taken.",
                                            .labels = {"channel", "result"},
                                        });
    orders->seconds = bk_histogram_new(app, &(bk_metric_opts){
                                                .name = "shop_order_duration_seconds",
                                                .help = "From the cart to the receipt.",
                                                .buckets = bounds,
                                                .bucket_count = 5,
                                            });
    orders->drafts = bk_gauge_new(
        app, &(bk_metric_opts){.name = "shop_drafts", .help = "Orders that are not sent yet."});
    bk_metrics_sample(app, look_at_drafts, orders);
    bk_metrics_serve(app, NULL, NULL); /* GET /metrics */
}
/* end of snippet */

/* snippet: count */
static bk_err order(bk_req *req, bk_res *res) /* POST /orders/{channel} */
{
    struct orders *orders = bk_req_state(req);
    uint64_t begun = bk_now_ns();
    bk_str channel = bk_req_param(req, "channel");

    if (!bk_str_eq(channel, BK_LIT("web")) && !bk_str_eq(channel, BK_LIT("shop")))
        return bk_fail(BK_EINVAL, "there is no such channel");
    orders->draft_count++;
    bk_counter_add(bk_counter_with(orders->taken, BK_LABELS(channel, BK_LIT("paid"))), 1);
    bk_histogram_observe(orders->seconds, (double)(bk_now_ns() - begun) / 1e9);
    return bk_res_empty(res);
}
/* end of snippet */

void metrics_routes(bk_router *router)
{
    bk_post(router, "/orders/{channel}", order);
}

/* snippet: apart */
/* The admin app listens on a port that the outside does not see. */
void metrics_apart(bk_app *app, bk_app *admin)
{
    bk_metrics_serve(app, bk_app_router(admin), "/metrics");
}
/* end of snippet */

/* snippet: health */
static bk_err catalog_is_loaded(void *data)
{
    const struct orders *orders = data;

    if (!orders->catalog_is_loaded)
        return bk_fail(BK_EUNAVAILABLE, "the catalog is being loaded"); /* for the log */
    return BK_OK;
}

bk_health *health_declare(bk_app *app, bk_pg *db, bk_redis *redis, struct orders *orders)
{
    bk_health *health = bk_health_new(app, NULL);

    bk_health_add_pg(health, db, NULL);
    bk_health_add_redis(health, redis, &(bk_health_opts){.optional = true}); /* only a cache */
    bk_health_add(health, &(bk_health_opts){.name = "catalog", .at_start = true}, catalog_is_loaded,
                  orders);
    return health;
}
/* end of snippet */
