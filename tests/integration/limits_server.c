/* A service that limits, sheds, and does what is sent twice once. For limits_test.py. */
#include <stdlib.h>

#include <backend/backend.h>

static bk_err hello(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("hello"));
}

/* Waits so long that others come meanwhile; each time it says another number. */
static bk_err pay(bk_req *req, bk_res *res)
{
    static int runs; /* of one worker, for one test */

    runs++;
    BK_TRY(bk_sleep_ms(300));
    return bk_res_text(res, 201, bk_arena_printf(bk_req_arena(req), "payment %d", runs));
}

static bk_err slow(bk_req *req, bk_res *res)
{
    BK_TRY(bk_sleep_ms(1000));
    return hello(req, res);
}

int main(int argc, char **argv)
{
    bk_app *app = bk_app_new(NULL);
    bk_redis *redis = bk_redis_new(
        app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL")), .command_ms = 300});
    bk_router *root = bk_app_router(app);
    bk_router *limited = bk_router_group(root, "/limited");
    bk_router *payments = bk_router_group(root, "/payments");
    bk_router *busy = bk_router_group(root, "/busy");

    bk_get(root, "/", hello);
    bk_use(limited,
           bk_mw_rate_limit(app, &(bk_mw_rate_limit_opts){.limit = {.limit = 10, .redis = redis}}));
    bk_get(limited, "/x", hello);
    bk_use(payments, bk_mw_idempotency(app, &(bk_mw_idempotency_opts){.redis = redis}));
    bk_post(payments, "/x", pay);
    bk_use(busy, bk_mw_shed(app, &(bk_mw_shed_opts){.most = 5, .fixed = true}));
    bk_get(busy, "/x", slow);
    return bk_app_main(app, argc, argv);
}
