/* A program on bk_app_main() whose handlers misbehave. For main_test.py. */
#include <stdlib.h>
#include <string.h>

#include <backend/backend.h>

static bk_err fine(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("fine"));
}

static int deeper(volatile char *above, int depth)
{
    volatile char here[1024];

    here[0] = above[0];
    return depth > 0 ? deeper(here, depth - 1) + here[0] : here[0];
}

static bk_err overflow(bk_req *req, bk_res *res)
{
    char top[1] = {1};

    (void)bk_req_id(req);
    bk_res_status(res, deeper(top, 1 << 20) != 0 ? 200 : 204);
    return BK_OK;
}

static bk_err segfault(bk_req *req, bk_res *res)
{
    volatile int *volatile nowhere = NULL;

    (void)req;
    bk_res_status(res, *nowhere);
    return BK_OK;
}

static bk_err linger(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_sleep_ms(700));
    return bk_res_text(res, 200, BK_LIT("late"));
}

int main(int argc, char **argv)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "trouble"});
    bk_router *router = bk_app_router(app);

    bk_get(router, "/fine", fine);
    bk_get(router, "/overflow/{how}", overflow);
    bk_get(router, "/segfault", segfault);
    bk_get(router, "/linger", linger);
    return bk_app_main(app, argc, argv);
}
