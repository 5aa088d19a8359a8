/* express.c: the snippets of docs/guide/coming-from-express.md. examples/service is the whole of
 * it; tests/compat/express_service_test.py runs that beside an Express service. */
#include <stdlib.h>

#include <backend/backend.h>

int express_main(int argc, char **argv);

struct shop {
    bk_pg *db;
    bk_redis *redis;
    bk_cache *cache;
    bk_queue *mails;
    bk_sessions *sessions;
    bk_jwt_keys *keys;
};

struct product {
    int64_t id;
    bk_str name;
    int64_t price_cents;
};

/* snippet: describe */
/* clang-format off */
BK_DESCRIBE(product_desc, struct product,
    BK_I64(id, BK_READ_ONLY),
    BK_STR(name, BK_REQUIRED, BK_LEN(1, 200)),
    BK_I64(price_cents, BK_REQUIRED, BK_MIN(0)))
/* clang-format on */
/* end of snippet */

struct mail {
    int64_t user;
};

BK_DESCRIBE(mail_desc, struct mail, BK_I64(user, BK_REQUIRED))

/* snippet: read */
static bk_err product_show(bk_req *req, bk_res *res) /* GET /api/products/{id} */
{
    struct shop *shop = bk_req_state(req);
    struct product product;
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(bk_pg_one(shop->db, "SELECT id, name, price_cents FROM products WHERE id = $1",
                     BK_ARGS(bk_i64(id)), product_desc, &product));
    return bk_res_object(res, 200, product_desc, &product);
}
/* end of snippet */

/* snippet: write */
static bk_err product_create(bk_req *req, bk_res *res) /* POST /api/products */
{
    struct shop *shop = bk_req_state(req);
    struct product product;

    BK_TRY(bk_req_bind(req, product_desc, &product));
    BK_TRY(bk_pg_one(shop->db,
                     "INSERT INTO products (name, price_cents) VALUES ($1, $2) "
                     "RETURNING id, name, price_cents",
                     BK_ARGS(bk_text(product.name), bk_i64(product.price_cents)), product_desc,
                     &product));
    BK_TRY(bk_cache_del_tag(shop->cache, BK_LIT("products")));
    return bk_res_object(res, 201, product_desc, &product);
}
/* end of snippet */

/* snippet: job */
static bk_err send_mail(bk_job *job, void *shop)
{
    struct mail mail;

    (void)shop;
    BK_TRY(bk_job_bind(job, mail_desc, &mail));
    bk_info("mail.sent", bk_kv_i64("user", mail.user));
    return BK_OK;
}

static bk_err invite(bk_req *req, bk_res *res) /* POST /api/invitations */
{
    struct shop *shop = bk_req_state(req);
    struct mail mail;

    BK_TRY(bk_req_bind(req, mail_desc, &mail));
    BK_TRY(bk_jobs_add(shop->mails, "welcome", mail_desc, &mail,
                       &(bk_job_opts){.attempts = 3, .backoff = {.ms = 1000}}, NULL));
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: middleware */
static bk_err timed(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    uint64_t begin = bk_now_ns();

    (void)data;
    bk_err err = bk_next_run(next, req, res);
    bk_debug("timed", bk_kv_i64("us", (int64_t)(bk_now_ns() - begin) / 1000));
    return err;
}
/* end of snippet */

/* snippet: main */
int express_main(int argc, char **argv)
{
    const char *const secrets[] = {getenv("SESSION_SECRET"), NULL};
    struct shop shop;
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "shop", .data = &shop});
    bk_router *root = bk_app_router(app);

    shop.db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(getenv("DATABASE_URL")),
                                           .pool = {.min = 5, .max = 50}});
    shop.redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL"))});
    shop.cache = bk_cache_new(app, &(bk_cache_opts){.redis = shop.redis});
    shop.mails = bk_queue_new(app, &(bk_queue_opts){.name = "mails", .redis = shop.redis});
    shop.sessions = bk_sessions_new(
        app,
        &(bk_sessions_opts){.redis = shop.redis, .secrets = secrets, .express_compatible = true});
    bk_worker_on(bk_worker_new(app, shop.mails, NULL), "welcome", send_mail, &shop);

    bk_use(root, bk_mw_security_headers(app, NULL));
    bk_use(root, bk_mw_compress(app, NULL));
    bk_use(root, bk_mw_rate_limit(app, &(bk_mw_rate_limit_opts){.limit = {.redis = shop.redis}}));
    bk_use(root, bk_mw_session(app, &(bk_mw_session_opts){.sessions = shop.sessions}));
    bk_use(root, bk_mw(timed, NULL));

    bk_router *api = bk_router_group(root, "/api");
    const bk_middleware cached[] = {
        bk_mw_response_cache(app, &(bk_mw_response_cache_opts){.cache = shop.cache}), {0}};
    bk_get(api, "/products/{id}", product_show, &(bk_route_opts){.use = cached});
    bk_post(api, "/products", product_create);
    bk_post(api, "/invitations", invite);
    return bk_app_main(app, argc, argv);
}
/* end of snippet */
