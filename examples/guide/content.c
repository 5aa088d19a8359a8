/* content.c: what browsers need of a service. See docs/guide/content.md. */
#include "guide.h"

/* snippet: stack */
static const char *const pages[] = {"https://shop.example", "https://admin.example", NULL};
static const char *const allowed[] = {"content-type", "authorization", NULL};

void content_declare(bk_app *app, bk_router *api)
{
    bk_router *root = bk_app_router(app);

    bk_use(root, bk_mw_compress(app, NULL));
    bk_use(root, bk_mw_security_headers(app, NULL));
    bk_use(root, bk_mw_csrf(app, &(bk_mw_csrf_opts){.trusted = pages}));
    bk_use(root, bk_mw_static(app, &(bk_mw_static_opts){.root = "public", .precompressed = true}));
    bk_use(api, bk_mw_cors(app, &(bk_mw_cors_opts){.origins = pages,
                                                   .headers = allowed,
                                                   .credentials = true,
                                                   .max_age_s = 600}));
    bk_use(api, bk_mw_body(app, NULL));
}
/* end of snippet */

/* snippet: assets */
void content_declare_assets(bk_app *app)
{
    bk_use(bk_app_router(app), bk_mw_static(app, &(bk_mw_static_opts){.root = "dist/assets",
                                                                      .prefix = "/assets",
                                                                      .max_age_s = 31536000,
                                                                      .immutable = true,
                                                                      .precompressed = true}));
}
/* end of snippet */

/* snippet: token */
bk_err content_form(bk_req *req, bk_res *res) /* GET /profile */
{
    bk_str token;

    BK_TRY(bk_csrf_token(req, res, &token));
    return bk_res_html(res, 200,
                       bk_arena_printf(bk_req_arena(req),
                                       "<form method=post>"
                                       "<input type=hidden name=_csrf value=\"%.*s\">"
                                       "<input name=name><button>Save</button></form>",
                                       BK_PRI(token)));
}
/* end of snippet */
