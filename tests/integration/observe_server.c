/* A program on bk_app_main() with ids, traces and an access log. For observe_test.py. */
#include <signal.h>

#include <backend/backend.h>

static bk_err hello(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("hello"));
}

static bk_err big(bk_req *req, bk_res *res)
{
    size_t len = (size_t)32 << 20;
    char *text = bk_arena_zalloc(bk_req_arena(req), len);

    return bk_res_text(res, 200, bk_str_at(text, len));
}

static bk_err linger(bk_req *req, bk_res *res)
{
    BK_TRY(bk_sleep_ms(20000));
    return hello(req, res);
}

static bk_err die(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    bk_info("last.words", bk_kv_cstr("password", "hunter2"));
    raise(SIGSEGV);
    return BK_OK;
}

int main(int argc, char **argv)
{
    static const char *const trusted[] = {"127.0.0.1", NULL};
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "observed", .trusted_proxies = trusted});
    bk_router *root = bk_app_router(app);

    bk_use(root, bk_mw_request_id(app, NULL));
    bk_use(root, bk_mw_trace(app, NULL));
    bk_use(root, bk_mw_access_log(app, NULL));
    bk_use(root, bk_mw_timeout(app, NULL));
    bk_get(root, "/hello/{name}", hello);
    bk_get(root, "/big", big);
    bk_get(root, "/linger", linger);
    bk_get(root, "/die", die);
    return bk_app_main(app, argc, argv);
}
