/* controller.c: /api/reports over HTTP. */
#include "../users/users.h"
#include "reports.h"

static bk_err order(bk_req *req, bk_res *res) /* POST /api/reports */
{
    struct report report;

    BK_TRY(reports_order(shop_of(req), who_is(req), bk_valid_body(req), &report));
    BK_TRY(bk_res_header(
        res, "Location",
        bk_arena_printf(bk_req_arena(req), "/api/reports/%lld", (long long)report.id)));
    return bk_res_object(res, 202, report_desc, &report);
}

static bk_err show(bk_req *req, bk_res *res) /* GET /api/reports/{id} */
{
    struct report report;
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(reports_find(shop_of(req)->db, who_is(req), id, &report));
    return bk_res_object(res, 200, report_desc, &report);
}

static bk_err file(bk_req *req, bk_res *res) /* GET /api/reports/{id}/file */
{
    struct report_file found;
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    BK_TRY(reports_find_file(shop_of(req)->db, who_is(req), id, &found));
    BK_TRY(bk_res_header(res, "Content-Disposition",
                         BK_LIT("attachment; filename=\"inventory.csv\"")));
    return bk_res_bytes(res, 200, "text/csv; charset=utf-8", found.csv);
}

void reports_routes(bk_app *app, bk_router *api, struct shop *shop)
{
    static const bk_openapi_doc doc = {.tag = "reports", .security = "bearer"};

    (void)app;
    bk_post(api, "/reports", order,
            &(bk_route_opts){.use = shop->members,
                             .body = report_order_desc,
                             .openapi = &doc,
                             .answer = report_desc,
                             .summary = "Order a report"});
    bk_get(api, "/reports/{id}", show,
           &(bk_route_opts){.use = shop->members,
                            .answer = report_desc,
                            .openapi = &doc,
                            .summary = "How far is it?"});
    bk_get(api, "/reports/{id}/file", file,
           &(bk_route_opts){.use = shop->members, .openapi = &doc, .summary = "The CSV"});
}
