/*
 * error.h: what the server says when something goes wrong.
 */
#ifndef BK_PG_ERROR_H
#define BK_PG_ERROR_H

#include <backend/arena.h>
#include <backend/errors.h>

/* An ErrorResponse (protocol: "Error and Notice Message Fields"). Strings are absent where the
 * server said nothing. */
struct bk__pg_error {
    char sqlstate[6]; /* "" when the message had none */
    bool fatal;       /* the session ends with it */
    bk_str message, detail, hint, where, schema, table, column, constraint, routine;
};

/* Reads the body of an ErrorResponse or NoticeResponse; the strings are borrowed from it. */
void bk__pg_error_read(bk_str body, struct bk__pg_error *error);

/* A copy in @p arena. */
struct bk__pg_error *bk__pg_error_dup(bk_arena *arena, const struct bk__pg_error *error);

/* Records it on the calling fiber, with @p sql as what was being done. @return the code. */
bk_err bk__pg_error_fail(const struct bk__pg_error *error, const char *sql);

/* Codes that are acted upon. */
#define BK__PG_PLAN_CHANGED      "0A000" /* with routine RevalidateCachedQuery */
#define BK__PG_NO_SUCH_STATEMENT "26000"
#define BK__PG_STATEMENT_EXISTS  "42P05"
#define BK__PG_CANCELLED         "57014"
#define BK__PG_SERIALIZATION     "40001"
#define BK__PG_DEADLOCK          "40P01"
#define BK__PG_READ_ONLY         "25006"

bool bk__pg_error_is(const struct bk__pg_error *error, const char *sqlstate);

/* The plan of a prepared statement does not fit its tables any more. */
bool bk__pg_error_is_stale_plan(const struct bk__pg_error *error);

#endif
