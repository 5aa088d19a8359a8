/* bench_auth.c: see bench_auth.h. */
#include "bench_auth.h"

#include <stdio.h>
#include <stdlib.h>

struct me {
    int64_t id;
    bk_str email;
};

BK_DESCRIBE(claims_desc, struct me, BK_I64(id, BK_KEY("sub"), BK_REQUIRED), BK_STR(email))
BK_DESCRIBE(me_desc, struct me, BK_I64(id), BK_STR(email))

static bk_err me(bk_req *req, bk_res *res)
{
    struct me me;

    BK_TRY(bk_jwt_bind(bk_req_jwt(req), claims_desc, &me));
    return bk_res_object(res, 200, me_desc, &me);
}

static bk_err no_secret(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EUNAVAILABLE, "JWT_SECRET is not set");
}

bk_router *bench_auth_group(bk_app *app, const char *secret)
{
    if (secret == NULL)
        return NULL;
    bk_jwt_keys *keys = bk_jwt_keys_new(app);
    if (bk_jwt_keys_add_secret(keys, bk_str_of(secret), NULL) != BK_OK) {
        fprintf(stderr, "bench-server: JWT_SECRET: %.*s\n", BK_PRI(bk_error_chain()->message));
        exit(2);
    }
    bk_router *group = bk_router_group(bk_app_router(app), "/");
    bk_use(group, bk_mw_jwt(app, &(bk_mw_jwt_opts){.keys = keys}));
    return group;
}

void bench_auth_routes(bk_router *root, bk_router *group)
{
    bk_get(group != NULL ? group : root, "/api/me", group != NULL ? me : no_secret);
}
