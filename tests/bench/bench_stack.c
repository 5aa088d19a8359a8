/* bench_stack.c: see bench_stack.h. */
#include "bench_stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void observe(bk_app *app, const char *log)
{
    bk_router *root = bk_app_router(app);

    if (bk_log_setup(&(bk_log_opts){.file = log}) != BK_OK) {
        fprintf(stderr, "bench-server: %s cannot be written\n", log);
        exit(1);
    }
    bk_metrics_serve(app, NULL, NULL);
    bk_use(root, bk_mw_request_id(app, NULL));
    bk_use(root, bk_mw_trace(app, NULL));
    bk_use(root, bk_mw_access_log(app, NULL));
}

/* The limit is one that no load here reaches: what counting costs is asked, not what refusing does.
 */
static void protect(bk_app *app)
{
    bk_router *root = bk_app_router(app);

    bk_use(root, bk_mw_timeout(app, NULL));
    bk_use(root, bk_mw_rate_limit(app, &(bk_mw_rate_limit_opts){
                                           .limit = {.limit = 1000000, .window_ms = 1000}}));
    bk_use(root, bk_mw_security_headers(app, NULL));
}

bool bench_stack_use(bk_app *app, const char *name, const char *log)
{
    bool whole = strcmp(name, "default") == 0;

    if (strcmp(name, "none") == 0)
        return true;
    if (!whole && strcmp(name, "observed") != 0)
        return false;
    if (whole)
        bk_use(bk_app_router(app), bk_mw_shed(app, NULL));
    observe(app, log);
    if (whole)
        protect(app);
    return true;
}
