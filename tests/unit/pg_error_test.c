/* The server's errors: what is read of them, what a service makes of them, what a client may see.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../harness/fiber_run.h"
#include "pg/error.h"
#include "pg_bytes.h"
#include "text.h"

#include <backend/pg.h>

/* --- reading ------------------------------------------------------------------------------------ */

#define DUPLICATE                                                                                  \
    "SERROR\0VERROR\0C23505\0Mduplicate key value\0DKey (id)=(1) already exists.\0Hno hint\0"      \
    "Wa function\0sshop\0tusers\0cid\0nusers_pkey\0Fnbtinsert.c\0L1\0Rbt_check_unique\0\0"

static void test_all_fields_are_read(void **state)
{
    struct bk__pg_error error;

    (void)state;
    bk__pg_error_read(RAW(DUPLICATE), &error);
    assert_string_equal(error.sqlstate, "23505");
    assert_false(error.fatal);
    assert_text(error.message, "duplicate key value");
    assert_text(error.detail, "Key (id)=(1) already exists.");
    assert_text(error.hint, "no hint");
    assert_text(error.where, "a function");
    assert_text(error.schema, "shop");
    assert_text(error.table, "users");
    assert_text(error.column, "id");
    assert_text(error.constraint, "users_pkey");
    assert_text(error.routine, "bt_check_unique");
}

static void test_what_was_not_said_is_absent(void **state)
{
    struct bk__pg_error error;

    (void)state;
    bk__pg_error_read(RAW("\0"), &error);
    assert_string_equal(error.sqlstate, "");
    assert_absent(error.message);
    assert_absent(error.constraint);
    bk__pg_error_read(RAW("C123\0Zlater versions\0Mtext\0\0"), &error);
    assert_string_equal(error.sqlstate, ""); /* no code has three characters */
    assert_text(error.message, "text");
}

/* Whatever the length at which it is cut, nothing is read beyond. */
static void test_a_damaged_message_is_read_as_far_as_it_goes(void **state)
{
    bk_str whole = RAW(DUPLICATE);
    struct bk__pg_error error;

    (void)state;
    for (size_t len = 0; len < whole.len; len++) {
        char *exact = malloc(len != 0 ? len : 1);
        memcpy(exact, whole.ptr, len);
        bk__pg_error_read(bk_str_at(exact, len), &error);
        assert_true(error.message.len == 0 || bk_str_eq(error.message, RAW("duplicate key value")));
        assert_false(error.fatal);
        free(exact);
    }
}

/* 'S' is translated into the server's language, 'V' is not. */
static void test_only_the_severity_that_is_not_translated_counts(void **state)
{
    struct bk__pg_error error;

    (void)state;
    bk__pg_error_read(RAW("SFATAL\0VERROR\0C42601\0\0"), &error);
    assert_false(error.fatal);
    bk__pg_error_read(RAW("SSCHWERWIEGEND\0VFATAL\0C57P01\0\0"), &error);
    assert_true(error.fatal);
    bk__pg_error_read(RAW("SPANIK\0VPANIC\0CXX000\0\0"), &error);
    assert_true(error.fatal);
}

static void test_a_copy_outlives_the_message(void **state)
{
    bk_str whole = RAW(DUPLICATE);
    bk_arena *arena = bk_arena_new();
    char *bytes = malloc(whole.len);
    struct bk__pg_error error;

    (void)state;
    memcpy(bytes, whole.ptr, whole.len);
    bk__pg_error_read(bk_str_at(bytes, whole.len), &error);
    struct bk__pg_error *copy = bk__pg_error_dup(arena, &error);
    memset(bytes, 'x', whole.len);
    free(bytes);
    assert_string_equal(copy->sqlstate, "23505");
    assert_text(copy->message, "duplicate key value");
    assert_text(copy->detail, "Key (id)=(1) already exists.");
    assert_text(copy->hint, "no hint");
    assert_text(copy->where, "a function");
    assert_text(copy->schema, "shop");
    assert_text(copy->table, "users");
    assert_text(copy->column, "id");
    assert_text(copy->constraint, "users_pkey");
    assert_text(copy->routine, "bt_check_unique");
    bk_arena_free(arena);
}

/* --- codes -------------------------------------------------------------------------------------- */

static bk_err test_codes_are_those_of_a_service(void *unused)
{
    static const struct {
        const char *sqlstate;
        bk_err err;
    } codes[] = {
        {"23505", BK_ECONFLICT},    {"23503", BK_ECONFLICT},    {"23P01", BK_ECONFLICT},
        {"23502", BK_EINVAL},       {"23514", BK_EINVAL},       {"22001", BK_EINVAL},
        {"22003", BK_EINVAL},       {"22P02", BK_EINVAL},       {"22007", BK_EINVAL},
        {"57014", BK_ETIMEDOUT},    {"40001", BK_EUNAVAILABLE}, {"40P01", BK_EUNAVAILABLE},
        {"53300", BK_EUNAVAILABLE}, {"57P01", BK_EUNAVAILABLE}, {"57P03", BK_EUNAVAILABLE},
        {"25006", BK_EUNAVAILABLE}, {"55P03", BK_EUNAVAILABLE}, {"08006", BK_EUNAVAILABLE},
        {"08P01", BK_EINTERNAL},    {"42601", BK_EINTERNAL},    {"42P01", BK_EINTERNAL},
        {"42501", BK_EINTERNAL},    {"22012", BK_EINTERNAL},    {"25P02", BK_EINTERNAL},
        {"26000", BK_EINTERNAL},    {"XX000", BK_EINTERNAL},    {"", BK_EINTERNAL},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct bk__pg_error error = {.message = BK_LIT("no"), .routine = BK_LIT("routine")};
        memcpy(error.sqlstate, codes[i].sqlstate, strlen(codes[i].sqlstate));
        if (bk__pg_error_fail(&error, NULL) != codes[i].err)
            fail_msg("%s is not %d", codes[i].sqlstate, codes[i].err);
        assert_string_equal(bk_pg_sqlstate(), codes[i].sqlstate);
    }
    return BK_OK;
}

/* PgBouncer says so of itself, and without a routine, when it has lost the server. */
static bk_err test_a_proxy_that_lost_the_server_is_no_mistake(void *unused)
{
    struct bk__pg_error error = {.sqlstate = "08P01", .message = BK_LIT("server conn crashed?")};

    (void)unused;
    assert_int_equal(bk__pg_error_fail(&error, NULL), BK_EUNAVAILABLE);
    return BK_OK;
}

static void test_a_stale_plan_is_told_from_what_is_not_supported(void **state)
{
    struct bk__pg_error stale = {.sqlstate = "0A000", .routine = BK_LIT("RevalidateCachedQuery")};
    struct bk__pg_error other = {.sqlstate = "0A000", .routine = BK_LIT("transformStmt")};

    (void)state;
    assert_true(bk__pg_error_is_stale_plan(&stale));
    assert_false(bk__pg_error_is_stale_plan(&other));
    assert_false(bk__pg_error_is_stale_plan(NULL));
    assert_false(bk__pg_error_is(NULL, "0A000"));
    assert_true(bk__pg_error_is(&other, BK__PG_PLAN_CHANGED));
}

/* --- on a fiber --------------------------------------------------------------------------------- */

static bk_err fail_with(const char *sqlstate, const char *constraint)
{
    struct bk__pg_error error = {
        .message = BK_LIT("the table secret_table refuses"),
        .detail = BK_LIT("Key (email)=(a@b.c) exists"),
        .hint = BK_LIT("look in secret_table"),
        .constraint = bk_str_of(constraint),
    };

    memcpy(error.sqlstate, sqlstate, 5);
    return bk__pg_error_fail(&error, "INSERT INTO secret_table VALUES ($1)");
}

/* The first link is what a client is shown of a 4xx. */
static bk_err test_a_client_never_reads_what_the_server_said(void *unused)
{
    static const char *const sqlstates[] = {"23505", "23514", "22P02", "22001", "57014", "42601"};

    (void)unused;
    for (size_t i = 0; i < 6; i++) {
        fail_with(sqlstates[i], "secret_key");
        const bk_error_link *first = bk_error_chain();
        assert_true(says("refuses"));
        assert_true(says("(a@b.c)"));
        assert_true(says("look in"));
        assert_true(says(sqlstates[i]));
        assert_true(says("in: INSERT INTO secret_table"));
        while (first->cause != NULL)
            first = first->cause;
        assert_true(first->message.len > 0);
        assert_null(memmem(first->message.ptr, first->message.len, "secret", 6));
        assert_null(memmem(first->message.ptr, first->message.len, "INSERT", 6));
        assert_null(memmem(first->message.ptr, first->message.len, "@", 1));
    }
    return BK_OK;
}

static bk_err test_a_violation_is_known_by_its_constraint(void *unused)
{
    (void)unused;
    assert_false(bk_pg_violates("users_email_key"));
    assert_string_equal(bk_pg_sqlstate(), "");
    fail_with("23505", "users_email_key");
    assert_true(bk_pg_violates("users_email_key"));
    assert_false(bk_pg_violates("users_email"));
    assert_false(bk_pg_violates("users_email_key2"));
    assert_false(bk_pg_violates(""));
    assert_string_equal(bk_pg_sqlstate(), "23505");
    fail_with("22023", "users_email_key"); /* no violation, whatever it names */
    assert_false(bk_pg_violates("users_email_key"));
    assert_string_equal(bk_pg_sqlstate(), "22023");
    fail_with("23502", NULL);
    assert_false(bk_pg_violates("users_email_key"));
    return BK_OK;
}

static bk_err test_another_error_forgets_where_it_came_from(void *unused)
{
    (void)unused;
    fail_with("23505", "users_email_key");
    bk_err err = bk_context(BK_ECONFLICT, "while signing up");
    assert_int_equal(err, BK_ECONFLICT);
    assert_true(bk_pg_violates("users_email_key")); /* it is the same error still */
    bk_fail(BK_EINVAL, "another");
    assert_false(bk_pg_violates("users_email_key"));
    assert_string_equal(bk_pg_sqlstate(), "");
    fail_with("23505", "users_email_key");
    bk_error_clear();
    assert_false(bk_pg_violates("users_email_key"));
    assert_string_equal(bk_pg_sqlstate(), "");
    return BK_OK;
}

static bk_err fail_in_group(void *data)
{
    return fail_with(data, "orders_user_fkey");
}

static bk_err test_a_group_hands_on_where_its_error_came_from(void *unused)
{
    bk_group *group = bk_group_open();
    char sqlstate[] = "23503";

    (void)unused;
    bk_group_spawn(group, "child", fail_in_group, sqlstate);
    assert_int_equal(bk_group_wait(group), BK_ECONFLICT);
    memcpy(sqlstate, "xxxxx", 5);
    assert_string_equal(bk_pg_sqlstate(), "23503");
    assert_true(bk_pg_violates("orders_user_fkey"));
    return BK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fields_are_read),
        cmocka_unit_test(test_what_was_not_said_is_absent),
        cmocka_unit_test(test_a_damaged_message_is_read_as_far_as_it_goes),
        cmocka_unit_test(test_only_the_severity_that_is_not_translated_counts),
        cmocka_unit_test(test_a_copy_outlives_the_message),
        fiber_unit_test(test_codes_are_those_of_a_service),
        fiber_unit_test(test_a_proxy_that_lost_the_server_is_no_mistake),
        cmocka_unit_test(test_a_stale_plan_is_told_from_what_is_not_supported),
        fiber_unit_test(test_a_client_never_reads_what_the_server_said),
        fiber_unit_test(test_a_violation_is_known_by_its_constraint),
        fiber_unit_test(test_another_error_forgets_where_it_came_from),
        fiber_unit_test(test_a_group_hands_on_where_its_error_came_from),
    };

    return cmocka_run_group_tests_name("pg/error", tests, NULL, NULL);
}
