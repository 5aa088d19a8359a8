/*
 * main.c: a service of users and products. From here on read shop.h, users/, products/.
 */
#include <stdio.h>

#include "jobs/jobs.h"
#include "products/products.h"
#include "reports/reports.h"
#include "seed.h"
#include "users/users.h"

extern const bk_migrations migrations; /* of migrations/, embedded by the build */

static const bk_openapi_opts api_docs = {
    .title = "Users and products",
    .description = "The reference service of libbackend.",
    .bearer = true,
};

/* What waits for nothing and can be made before the app runs; pools open when it does. */
static void declare_stores(bk_app *app, const struct settings *settings, struct shop *shop)
{
    const char *secrets[] = {settings->session_secret.ptr, NULL};

    shop->settings = settings;
    shop->db = bk_pg_new(app, &(bk_pg_opts){.url = settings->database_url,
                                            .pool = {.min = (uint32_t)settings->db_pool_min,
                                                     .max = (uint32_t)settings->db_pool_max}});
    bk_migrations_use(app, shop->db, &migrations);
    shop->redis = bk_redis_new(app, &(bk_redis_opts){.url = settings->redis_url});
    shop->queue_redis = shop->redis;
    if (!bk_str_eq(settings->queue_redis_url, settings->redis_url))
        shop->queue_redis = bk_redis_new(
            app, &(bk_redis_opts){.url = settings->queue_redis_url, .name = "queue-redis"});
    shop->mailer = bk_mailer_new(
        app, &(bk_mailer_opts){.url = settings->mail_url,
                               .from = {.email = settings->mail_from, .name = BK_LIT("Service")}});
    shop->cache = bk_cache_new(app, &(bk_cache_opts){.redis = shop->redis, .prefix = "shop:v1:"});
    shop->hub = bk_pubsub_new(app, &(bk_pubsub_opts){.redis = shop->redis, .replay = 1000});
    shop->sessions =
        bk_sessions_new(app, &(bk_sessions_opts){.redis = shop->redis,
                                                 .secrets = secrets,
                                                 .express_compatible = settings->express_sessions});
    shop->keys = bk_jwt_keys_new(app);
    if (bk_jwt_keys_add_secret(shop->keys, settings->jwt_secret, NULL) != BK_OK)
        bk_error("jwt.secret", bk_kv_str("why", bk_error_chain()->message));
    shop->account_guesses = bk_limiter_new(app, &(bk_limiter_opts){.name = "login-account",
                                                                   .limit = 5,
                                                                   .window_ms = 15 * 60000,
                                                                   .redis = shop->redis});
    shop->address_guesses = bk_limiter_new(app, &(bk_limiter_opts){.name = "login-address",
                                                                   .limit = 50,
                                                                   .window_ms = 15 * 60000,
                                                                   .redis = shop->redis});
}

/* Around every request, the outermost first. */
static void declare_middleware(bk_app *app, struct shop *shop)
{
    bk_router *root = bk_app_router(app);

    bk_use(root, bk_mw_request_id(app, NULL));
    bk_use(root, bk_mw_trace(app, NULL));
    bk_use(root, bk_mw_access_log(app, NULL));
    bk_use(root, bk_mw_shed(app, NULL));
    bk_use(root, bk_mw_security_headers(app, &(bk_mw_security_headers_opts){.api = true}));
    bk_use(root, bk_mw_cors(app, &(bk_mw_cors_opts){.origins = shop->origins,
                                                    .reflect_headers = true,
                                                    .credentials = true,
                                                    .max_age_s = 600}));
    bk_use(root, bk_mw_compress(app, NULL));
}

/* Around the API. */
static bk_router *declare_api(bk_app *app, struct shop *shop)
{
    const struct settings *settings = shop->settings;
    bk_router *api = bk_router_group(bk_app_router(app), "/api");
    /* __Host- cookies want HTTPS, which there is not on a developer's machine. */
    const char *cookie = config_is_production(settings) ? NULL : "sid";

    if (settings->rate_limit > 0)
        bk_use(api,
               bk_mw_rate_limit(app, &(bk_mw_rate_limit_opts){
                                         .limit = {.limit = (uint32_t)settings->rate_limit,
                                                   .window_ms = (uint32_t)settings->rate_window_ms,
                                                   .redis = shop->redis}}));
    bk_use(api, bk_mw_session(app, &(bk_mw_session_opts){
                                       .sessions = shop->sessions,
                                       .cookie = settings->express_sessions ? NULL : cookie}));
    bk_use(api, bk_mw_body(app, NULL));
    bk_use(api, bk_mw_validate(app, NULL));
    return api;
}

static bk_err begin_worker(bk_app *app, void *data, void **state)
{
    *state = data;
    return (bk_app_roles(app) & BK_ROLE_JOBS) != 0 ? jobs_schedule(data) : BK_OK;
}

/* PROGRAM openapi */
static int print_openapi(bk_app *app, int argc, char **argv, void *data)
{
    bk_arena *arena = bk_arena_new();
    bk_buf text = {.arena = arena};

    (void)argc, (void)argv, (void)data;
    bk_openapi_write(&text, bk_app_router(app), &api_docs);
    printf("%.*s\n", BK_PRI(bk_buf_str(&text)));
    bk_arena_free(arena);
    return 0;
}

/* What an orchestrator and Prometheus ask. */
static void declare_ops(bk_app *app, struct shop *shop)
{
    bk_health *health = bk_health_new(app, NULL);

    bk_health_add_pg(health, shop->db, NULL);
    bk_health_add_redis(health, shop->redis, &(bk_health_opts){.optional = true});
    bk_metrics_serve(app, bk_app_router(app), NULL);
    bk_openapi_serve(app, bk_app_router(app), &api_docs);
    bk_app_command(app, "openapi", "the API's description, as /openapi.json", print_openapi, NULL);
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct shop shop = {0};
    bk_config *config = config_open(&argc, argv, &settings);
    bk_listen_opts listen = config_listen(&settings);
    bk_log_opts log = {.levels = settings.log_level.ptr,
                       .format = (bk_log_format)settings.log_format};
    bk_app *app = bk_app_new(&(bk_app_opts){
        .name = "service",
        .data = &shop,
        .on_worker_start = begin_worker,
        .listen = &listen,
        .secret = settings.session_secret,
        .limits.body_bytes = (uint32_t)settings.body_limit,
        .trusted_proxies = bk_config_words(config, &settings.trusted_proxies),
    });

    if (bk_log_setup(&log) != BK_OK) {
        fprintf(stderr, "log_level: %s\n", bk_error_chain()->message.ptr);
        return 2;
    }
    bk_config_use(app, config);
    bk_otlp_new(app, NULL); /* where OTEL_EXPORTER_OTLP_ENDPOINT says */
    bk_app_cluster(app, &(bk_cluster_opts){.web_workers = (uint32_t)settings.web_workers,
                                           .job_workers = (uint32_t)settings.job_workers});
    if (settings.cors_origins.count > 0)
        shop.origins = bk_config_words(config, &settings.cors_origins);
    declare_stores(app, &settings, &shop);
    declare_middleware(app, &shop);
    jobs_declare(app, &shop);
    who_declare(app, &shop);
    seed_declare(app, &shop);

    bk_router *api = declare_api(app, &shop);
    auth_routes(app, api, &shop);
    users_routes(app, api, &shop);
    products_routes(app, api, &shop);
    feed_routes(app, api, &shop);
    reports_routes(app, api, &shop);
    declare_ops(app, &shop);
    return bk_app_main(app, argc, argv);
}
