/*
 * error.c: the server's errors in our terms. See error.h.
 *
 * A client of the service must not read SQL, so the words of a 4xx are ours and general, and what
 * the server said follows as context, which only the log shows. Which constraint was violated is
 * kept apart, for handlers that turn it into an error of a field.
 */
#include "pg/error.h"

#include <string.h>

#include <backend/pg.h>

#include "core/task.h"
#include "pg/wire.h"

#define SQL_SHOWN 200

void bk__pg_error_read(bk_str body, struct bk__pg_error *error)
{
    struct bk__pg_reader reader = {.at = body.ptr, .end = body.ptr + body.len};
    bk_str severity = {0};

    *error = (struct bk__pg_error){0};
    while (reader.at < reader.end && *reader.at != '\0') {
        char field = *reader.at++;
        bk_str value = bk__pg_read_cstr(&reader);
        if (reader.bad)
            break;
        switch (field) {
        case 'V':
            severity = value;
            break;
        case 'C':
            if (value.len == 5)
                memcpy(error->sqlstate, value.ptr, 5);
            break;
        case 'M':
            error->message = value;
            break;
        case 'D':
            error->detail = value;
            break;
        case 'H':
            error->hint = value;
            break;
        case 'W':
            error->where = value;
            break;
        case 's':
            error->schema = value;
            break;
        case 't':
            error->table = value;
            break;
        case 'c':
            error->column = value;
            break;
        case 'n':
            error->constraint = value;
            break;
        case 'R':
            error->routine = value;
            break;
        default: /* fields that later versions may have are to be passed over */
            break;
        }
    }
    error->fatal = bk_str_eq(severity, BK_LIT("FATAL")) || bk_str_eq(severity, BK_LIT("PANIC"));
}

struct bk__pg_error *bk__pg_error_dup(bk_arena *arena, const struct bk__pg_error *error)
{
    struct bk__pg_error *copy = bk_arena_alloc(arena, sizeof *copy);

    *copy = *error;
    copy->message = bk_arena_dup(arena, error->message);
    copy->detail = bk_arena_dup(arena, error->detail);
    copy->hint = bk_arena_dup(arena, error->hint);
    copy->where = bk_arena_dup(arena, error->where);
    copy->schema = bk_arena_dup(arena, error->schema);
    copy->table = bk_arena_dup(arena, error->table);
    copy->column = bk_arena_dup(arena, error->column);
    copy->constraint = bk_arena_dup(arena, error->constraint);
    copy->routine = bk_arena_dup(arena, error->routine);
    return copy;
}

/* Whole codes first, then classes (PostgreSQL documentation, appendix A). */
static const struct {
    const char *sqlstate; /* or the class it begins with */
    bk_err err;
} codes[] = {
    {"23505", BK_ECONFLICT},    /* unique_violation */
    {"23503", BK_ECONFLICT},    /* foreign_key_violation */
    {"23P01", BK_ECONFLICT},    /* exclusion_violation */
    {"23001", BK_ECONFLICT},    /* restrict_violation */
    {"23502", BK_EINVAL},       /* not_null_violation */
    {"23514", BK_EINVAL},       /* check_violation */
    {"22001", BK_EINVAL},       /* string_data_right_truncation */
    {"22003", BK_EINVAL},       /* numeric_value_out_of_range */
    {"22007", BK_EINVAL},       /* invalid_datetime_format */
    {"22008", BK_EINVAL},       /* datetime_field_overflow */
    {"22021", BK_EINVAL},       /* character_not_in_repertoire */
    {"22P02", BK_EINVAL},       /* invalid_text_representation */
    {"22P03", BK_EINVAL},       /* invalid_binary_representation */
    {"22P05", BK_EINVAL},       /* untranslatable_character */
    {"25006", BK_EUNAVAILABLE}, /* read_only_sql_transaction: the primary moved away */
    {"57014", BK_ETIMEDOUT},    /* query_canceled */
    {"55P03", BK_EUNAVAILABLE}, /* lock_not_available */
    {"08P01", BK_EINTERNAL},    /* protocol_violation: so many values, others are wanted */
    {"08", BK_EUNAVAILABLE},    /* connection exceptions */
    {"40", BK_EUNAVAILABLE},    /* serialization failure, deadlock */
    {"53", BK_EUNAVAILABLE},    /* out of resources */
    {"57P", BK_EUNAVAILABLE},   /* shutting down, starting up */
    {"58", BK_EUNAVAILABLE},    /* system errors */
};

/* What it is to a service. PgBouncer calls it a protocol violation, too, that it lost the server;
 * but only the server names a routine. */
static bk_err code_of(const struct bk__pg_error *error)
{
    if (strcmp(error->sqlstate, "08P01") == 0 && error->routine.len == 0)
        return BK_EUNAVAILABLE;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strncmp(error->sqlstate, codes[i].sqlstate, strlen(codes[i].sqlstate)) == 0)
            return codes[i].err;
    return BK_EINTERNAL;
}

/* The words that a client may read. */
static const char *public_words(bk_err err)
{
    switch (err) {
    case BK_ECONFLICT:
        return "The request conflicts with what is stored";
    case BK_EINVAL:
        return "A value is not valid";
    case BK_ETIMEDOUT:
        return "the statement was cancelled on the server";
    case BK_EUNAVAILABLE:
        return "the database cannot take this now";
    default:
        return "the database refused the statement";
    }
}

bk_err bk__pg_error_fail(const struct bk__pg_error *error, const char *sql)
{
    bk_err err = code_of(error);
    struct bk__error_origin origin = {.constraint = error->constraint};

    memcpy(origin.code, error->sqlstate, sizeof error->sqlstate);
    bk_fail(err, "%s", public_words(err));
    bk_context(err, "PostgreSQL %s: %.*s%s%.*s%s%.*s%s%.*s", error->sqlstate,
               BK_PRI(error->message), error->detail.len != 0 ? "; " : "", BK_PRI(error->detail),
               error->hint.len != 0 ? "; hint: " : "", BK_PRI(error->hint),
               error->constraint.len != 0 ? "; constraint " : "", BK_PRI(error->constraint));
    if (sql != NULL)
        bk_context(err, "in: %.*s%s", SQL_SHOWN, sql, strlen(sql) > SQL_SHOWN ? " ..." : "");
    bk__task_set_origin(bk__task_self(), &origin);
    return err;
}

bool bk__pg_error_is(const struct bk__pg_error *error, const char *sqlstate)
{
    return error != NULL && strcmp(error->sqlstate, sqlstate) == 0;
}

bool bk__pg_error_is_stale_plan(const struct bk__pg_error *error)
{
    return bk__pg_error_is(error, BK__PG_PLAN_CHANGED) &&
           bk_str_eq(error->routine, BK_LIT("RevalidateCachedQuery"));
}

bool bk_pg_violates(const char *constraint)
{
    const struct bk__error_origin *origin = bk__task_self()->origin;

    return origin != NULL && strncmp(origin->code, "23", 2) == 0 &&
           bk_str_eq(origin->constraint, bk_str_of(constraint));
}

const char *bk_pg_sqlstate(void)
{
    const struct bk__error_origin *origin = bk__task_self()->origin;

    return origin != NULL ? origin->code : "";
}
