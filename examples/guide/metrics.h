/* metrics.h: see docs/guide/metrics-and-health.md. */
#ifndef GUIDE_METRICS_H
#define GUIDE_METRICS_H

#include <backend/backend.h>

/* What the handlers of a shop share. */
struct orders {
    bk_counter *taken;
    bk_histogram *seconds;
    bk_gauge *drafts;
    size_t draft_count;
    bool catalog_is_loaded;
};

void metrics_declare(bk_app *app, struct orders *orders);
void metrics_routes(bk_router *router);
void metrics_apart(bk_app *app, bk_app *admin);
bk_health *health_declare(bk_app *app, bk_pg *db, bk_redis *redis, struct orders *orders);

#endif
