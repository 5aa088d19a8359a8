/* service.c: a report and its job are ordered together or not at all. */
#include "../jobs/jobs.h"
#include "reports.h"

struct order {
    struct shop *shop;
    int64_t owner;
    bk_str kind;
    struct report *report;
};

static bk_err place(bk_pg *tx, void *data)
{
    struct order *order = data;

    BK_TRY(reports_insert(tx, order->owner, order->kind, order->report));
    return jobs_inventory(order->shop, tx, order->report->id);
}

bk_err reports_order(struct shop *shop, int64_t owner, const struct report_order *wanted,
                     struct report *out)
{
    struct order order = {shop, owner, wanted->kind, out};

    return bk_pg_tx(shop->db, place, &order);
}
