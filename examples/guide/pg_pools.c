/* pg_pools.c: other pools. See docs/guide/postgresql.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg.h"

/* snippet: replica */
bk_pg *pg_declare_replica(bk_app *app, const char *urls)
{
    return bk_pg_new(app,
                     &(bk_pg_opts){
                         .name = "replica",
                         .url = bk_str_of(urls), /* postgres://a,b/shop?target_session_attrs=... */
                         .read_only = true,
                     });
}
/* end of snippet */

/* snippet: password */
static bk_err read_token(void *path, bk_str *password)
{
    char *token = bk_arena_alloc(bk_fiber_arena(), 4096);
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return bk_fail(BK_EIO, "%s: %s", (char *)path, strerror(errno));
    size_t len = fread(token, 1, 4096, file);
    fclose(file);
    while (len > 0 && token[len - 1] == '\n')
        len--;
    *password = bk_str_at(token, len);
    return BK_OK;
}

bk_pg *pg_declare_rotating(bk_app *app, const char *url, const char *token_file)
{
    return bk_pg_new(app, &(bk_pg_opts){
                              .name = "rotating",
                              .url = bk_str_of(url),
                              .password = read_token, /* for each new connection */
                              .data = (void *)(uintptr_t)token_file,
                              .pool = {.lifetime_ms = 10 * 60 * 1000},
                          });
}
/* end of snippet */

/* snippet: resource */
struct canvas {
    uint32_t pixels[256][256];
};

static bk_err open_canvas(void *data, void **canvas)
{
    (void)data;
    *canvas = calloc(1, sizeof(struct canvas));
    return *canvas != NULL ? BK_OK : bk_fail(BK_EUNAVAILABLE, "no memory for a canvas");
}

static void close_canvas(void *data, void *canvas)
{
    (void)data;
    free(canvas);
}

bk_pool *pg_declare_canvases(bk_app *app)
{
    static const bk_pool_type type = {.name = "canvas", .open = open_canvas, .close = close_canvas};

    return bk_pool_new(app, &type, &(bk_pool_opts){.min = 1, .max = 4, .waiting = 100}, NULL);
}

static bk_err draw(bk_req *req, bk_res *res) /* GET /chart */
{
    struct shop *shop = bk_req_state(req);
    struct canvas *canvas;

    BK_TRY(bk_pool_acquire(shop->canvases, (void **)&canvas)); /* 503 when all stay busy */
    canvas->pixels[0][0]++;
    bk_pool_release(shop->canvases, canvas, BK_POOL_GOOD); /* BK_POOL_BROKEN closes it */
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: health */
static bk_err health(bk_req *req, bk_res *res) /* GET /health/pool */
{
    struct shop *shop = bk_req_state(req);
    bk_pg_stats now;

    bk_pg_get_stats(shop->db, &now);
    return bk_res_text(res, now.pool.open > 0 ? 200 : 503,
                       bk_arena_printf(bk_req_arena(req), "%u open, %u in line, %d on their way\n",
                                       now.pool.open, now.pool.waiting, (int)now.in_flight));
}
/* end of snippet */

void pg_pool_routes(bk_router *router)
{
    bk_get(router, "/chart", draw);
    bk_get(router, "/health/pool", health);
}
