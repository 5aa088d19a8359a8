/* hello: a service in ten lines. Run it with --port N, or without and find it at port 8080. */
#include <backend/backend.h>

static bk_err hello(bk_req *req, bk_res *res)
{
    bk_str name = bk_req_param(req, "name");
    return bk_res_text(res, 200,
                       bk_arena_printf(bk_req_arena(req), "Hello, %.*s!\n", BK_PRI(name)));
}

static bk_err index_page(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("Hello, World!\n"));
}

int main(int argc, char **argv)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "hello"});
    bk_get(bk_app_router(app), "/", index_page);
    bk_get(bk_app_router(app), "/hello/{name}", hello);
    return bk_app_main(app, argc, argv);
}
