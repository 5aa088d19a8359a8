/* repository.c: the SQL of reports. */
#include "reports.h"

#define COLUMNS                                                                                    \
    "id, owner_id, kind, state, progress, created_at, finished_at, "                               \
    "CASE WHEN state = 'done' THEN '/api/reports/' || id || '/file' END AS file"

bk_err reports_insert(bk_pg *db, int64_t owner, bk_str kind, struct report *out)
{
    return bk_pg_one(db, "INSERT INTO reports (owner_id, kind) VALUES ($1, $2) RETURNING " COLUMNS,
                     BK_ARGS(bk_i64(owner), bk_text(kind)), report_desc, out);
}

bk_err reports_find(bk_pg *db, int64_t owner, int64_t id, struct report *out)
{
    bk_err err = bk_pg_one(db, "SELECT " COLUMNS " FROM reports WHERE id = $1 AND owner_id = $2",
                           BK_ARGS(bk_i64(id), bk_i64(owner)), report_desc, out);
    return err == BK_ENOTFOUND ? bk_fail(err, "no such report") : err;
}

bk_err reports_find_file(bk_pg *db, int64_t owner, int64_t id, struct report_file *out)
{
    bk_err err = bk_pg_one(db,
                           "SELECT csv FROM reports "
                           "WHERE id = $1 AND owner_id = $2 AND state = 'done'",
                           BK_ARGS(bk_i64(id), bk_i64(owner)), report_file_desc, out);
    return err == BK_ENOTFOUND ? bk_fail(err, "no such report, or it is not ready") : err;
}

bk_err reports_note_progress(bk_pg *db, int64_t id, int32_t percent)
{
    return bk_pg_exec(db,
                      "UPDATE reports SET state = 'running', progress = $2 "
                      "WHERE id = $1 AND state <> 'done'",
                      BK_ARGS(bk_i64(id), bk_i64(percent)), NULL);
}

bk_err reports_finish(bk_pg *db, int64_t id, bk_str csv)
{
    return bk_pg_exec(db,
                      "UPDATE reports SET state = 'done', progress = 100, csv = $2, "
                      "finished_at = now() WHERE id = $1",
                      BK_ARGS(bk_i64(id), bk_text(csv)), NULL);
}

bk_err reports_fail(bk_pg *db, int64_t id)
{
    return bk_pg_exec(db,
                      "UPDATE reports SET state = 'failed', finished_at = now() "
                      "WHERE id = $1 AND state <> 'done'",
                      BK_ARGS(bk_i64(id)), NULL);
}
