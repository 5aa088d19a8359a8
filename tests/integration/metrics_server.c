/*
 * metrics_server.c: two workers that are measured and asked how they are. For metrics_test.py.
 *
 * DATABASE_URL and REDIS_URL name the servers. The parent is the least of a supervisor: it starts a
 * worker that has died again in its slot, and reports. SIGTERM stops all.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/backend.h>

#include "app/app.h"
#include "ops/workers.h"

enum {
    WORKERS = 2
};

struct shop {
    bk_pg *db;
    bk_cache *cache;
    bk_counter *orders;
    bk_health *health;
    bk_queue *mails, *reports; /* nobody works at mails */
};

static bk_app *app;
static pid_t workers[WORKERS];
static volatile sig_atomic_t stopping;

static bk_err who(bk_req *req, bk_res *res) /* GET /pid */
{
    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%d", (int)getpid()));
}

static bk_err load(bk_str key, void *data, bk_str *out)
{
    const struct shop *shop = data;
    bk_rows *rows;

    BK_TRY(bk_pg_query(shop->db, "SELECT $1::text", BK_ARGS(bk_text(key)), &rows));
    *out = bk_rows_str(rows, 0, 0);
    return BK_OK;
}

static bk_err item(bk_req *req, bk_res *res) /* GET /items/{id} */
{
    struct shop *shop = bk_app_data(app);
    bk_str value;

    BK_TRY(bk_cache_fetch(shop->cache, bk_req_param(req, "id"), NULL, load, shop, &value));
    return bk_res_text(res, 200, value);
}

static bk_err order(bk_req *req, bk_res *res) /* POST /orders/{channel} */
{
    const struct shop *shop = bk_app_data(app);

    bk_counter_add(bk_counter_with(shop->orders, BK_LABELS(bk_req_param(req, "channel"))), 1);
    return bk_res_empty(res);
}

static bk_err mail(bk_req *req, bk_res *res) /* POST /mails */
{
    const struct shop *shop = bk_app_data(app);

    (void)req;
    BK_TRY(bk_jobs_add_json(shop->mails, "send", BK_LIT("{}"), NULL, NULL));
    return bk_res_empty(res);
}

static bk_err report(bk_req *req, bk_res *res) /* POST /reports/{how} */
{
    const struct shop *shop = bk_app_data(app);
    const char *how = bk_arena_cstr(bk_req_arena(req), bk_req_param(req, "how"));

    BK_TRY(bk_jobs_add_json(shop->reports, how, BK_LIT("{}"), NULL, NULL));
    return bk_res_empty(res);
}

static bk_err make_report(bk_job *job, void *data)
{
    (void)data;
    return bk_str_eq(bk_job_name(job), BK_LIT("badly")) ? bk_fail(BK_EIO, "no paper") : BK_OK;
}

static bk_err leave(bk_req *req, bk_res *res) /* POST /leave */
{
    const struct shop *shop = bk_app_data(app);

    (void)req;
    bk_health_set_ready(shop->health, false);
    return bk_res_empty(res);
}

static void declare(struct shop *shop)
{
    bk_router *root = bk_app_router(app);
    bk_redis *redis = bk_redis_new(
        app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL")), .command_ms = 500});

    shop->db = bk_pg_new(
        app, &(bk_pg_opts){.url = bk_str_of(getenv("DATABASE_URL")), .pool = {.min = 1, .max = 4}});
    shop->cache = bk_cache_new(app, &(bk_cache_opts){.redis = redis});
    shop->orders = bk_counter_new(app, &(bk_metric_opts){
                                           .name = "shop_orders_total",
                                           .help = "Orders taken.",
                                           .labels = {"channel"},
                                           .series = 5,
                                       });
    shop->health = bk_health_new(app, NULL);
    bk_health_add_pg(shop->health, shop->db, NULL);
    bk_health_add_redis(shop->health, redis, &(bk_health_opts){.optional = true});
    shop->mails =
        bk_queue_new(app, &(bk_queue_opts){.name = "mails", .redis = redis, .metrics_ms = 100});
    shop->reports =
        bk_queue_new(app, &(bk_queue_opts){.name = "reports", .redis = redis, .metrics_ms = 100});
    bk_worker_on(bk_worker_new(app, shop->reports, NULL), NULL, make_report, NULL);
    bk_metrics_serve(app, NULL, NULL);
    bk_get(root, "/pid", who);
    bk_get(root, "/items/{id}", item);
    bk_post(root, "/orders/{channel}", order);
    bk_post(root, "/mails", mail);
    bk_post(root, "/reports/{how}", report);
    bk_post(root, "/leave", leave);
}

static void stop_worker(int signal)
{
    (void)signal;
    bk_app_stop(app);
}

static void stop_all(int signal)
{
    stopping = 1;
    for (int i = 0; i < WORKERS; i++)
        if (workers[i] > 0)
            kill(workers[i], signal);
}

static void start_worker(unsigned slot)
{
    pid_t pid = fork();

    if (pid != 0) {
        workers[slot] = pid;
        return;
    }
    signal(SIGTERM, stop_worker);
    app->berth.slot = slot;
    bk_err err = bk_app_run(app);
    bk_app_free(app);
    exit(err == BK_OK ? 0 : 1);
}

int main(void)
{
    struct shop shop;
    struct bk__workers_metrics *metrics;

    app = bk_app_new(&(bk_app_opts){.data = &shop});
    declare(&shop);
    metrics = bk__workers_declare(app);
    if (bk_app_listen(app, &(bk_listen_opts){.port = 0}) != BK_OK)
        return 1;
    printf("listening on http://127.0.0.1:%d\n", bk_app_port(app, 0));
    fflush(stdout);
    struct sigaction action = {.sa_handler = stop_all}; /* it interrupts waitpid() */
    sigaction(SIGTERM, &action, NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        start_worker(i);
    bk__workers_report(metrics, "web", "ready", WORKERS);
    for (unsigned left = WORKERS; left != 0;) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        for (unsigned i = 0; pid > 0 && i < WORKERS; i++) {
            if (workers[i] != pid)
                continue;
            bk__metrics_vacate(&app->metrics, i);
            if (stopping) {
                left--;
            } else {
                bk__workers_restarted(metrics, "web", "crash");
                start_worker(i);
            }
        }
    }
    bk_app_free(app);
    return 0;
}
