/* jobs.c: which jobs there are, and when they run. */
#include "jobs.h"

void jobs_declare(bk_app *app, struct shop *shop)
{
    if (shop->queue_redis == NULL)
        return;
    shop->outbox = bk_outbox_new(
        app, &(bk_outbox_opts){
                 .db = shop->db, .redis = shop->queue_redis, .table = "outbox", .no_create = true});
    shop->queue = bk_queue_new(
        app,
        &(bk_queue_opts){.name = "service",
                         .redis = shop->queue_redis,
                         .job = {.attempts = 5, .backoff = {BK_BACKOFF_EXPONENTIAL, .ms = 1000}}});

    bk_worker *worker = bk_worker_new(
        app, shop->queue, &(bk_worker_opts){.concurrency = 10, .timeout_ms = 5 * 60000});
    bk_worker_on(worker, "email.welcome", job_welcome, shop);
    bk_worker_on(worker, "report.inventory", job_inventory, shop);
    bk_worker_on(worker, "stock.digest", job_digest, shop);
}

bk_err jobs_schedule(struct shop *shop)
{
    bk_schedule digest = {
        .id = BK_LIT("stock.digest"),
        .pattern = BK_LIT("0 6 * * *"),
        .job = {.name = "stock.digest"},
    };

    return shop->queue != NULL ? bk_schedule_put(shop->queue, &digest, NULL) : BK_OK;
}

static bk_err add(struct shop *shop, bk_pg *tx, const char *name, int64_t id)
{
    struct job_about about = {id};

    if (shop->queue == NULL)
        return bk_fail(BK_EUNAVAILABLE, "without Redis there are no jobs");
    return bk_jobs_add_tx(tx, shop->outbox, shop->queue, name, job_about_desc, &about, NULL, NULL);
}

bk_err jobs_welcome(struct shop *shop, bk_pg *tx, int64_t user_id)
{
    return add(shop, tx, "email.welcome", user_id);
}

bk_err jobs_inventory(struct shop *shop, bk_pg *tx, int64_t report_id)
{
    return add(shop, tx, "report.inventory", report_id);
}
