/* reports.h: what takes too long for a request: a job makes it, its owner fetches it. */
#ifndef SERVICE_REPORTS_H
#define SERVICE_REPORTS_H

#include "../shop.h"

struct report {
    int64_t id, owner_id;
    bk_str kind, state;
    int32_t progress; /* percent */
    bk_str file;      /* where the CSV is, once it is there */
    bk_time created_at, finished_at;
    bool has_finished;
};

struct report_order {
    bk_str kind;
};

struct report_file {
    bk_str csv;
};

/* clang-format off */
BK_DESCRIBE(report_desc, struct report,
    BK_I64(id), BK_I64(owner_id), BK_STR(kind), BK_STR(state), BK_I32(progress), BK_STR(file),
    BK_TIME(created_at), BK_TIME(finished_at, BK_HAS(has_finished)))

BK_DESCRIBE(report_order_desc, struct report_order,
    BK_STR(kind, BK_REQUIRED, BK_PATTERN("^inventory$"), BK_DOC("inventory")))

BK_DESCRIBE(report_file_desc, struct report_file, BK_STR(csv))
/* clang-format on */

/* controller.c: routes below /api. */
void reports_routes(bk_app *app, bk_router *api, struct shop *shop);

/* service.c */
bk_err reports_order(struct shop *shop, int64_t owner, const struct report_order *order,
                     struct report *out);

/* repository.c. Another one's report is none. */
bk_err reports_insert(bk_pg *db, int64_t owner, bk_str kind, struct report *out);
bk_err reports_find(bk_pg *db, int64_t owner, int64_t id, struct report *out);
bk_err reports_find_file(bk_pg *db, int64_t owner, int64_t id, struct report_file *out);
bk_err reports_note_progress(bk_pg *db, int64_t id, int32_t percent);
bk_err reports_finish(bk_pg *db, int64_t id, bk_str csv);
bk_err reports_fail(bk_pg *db, int64_t id);

#endif
