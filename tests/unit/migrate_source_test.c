#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/arena.h>

#include "migrate/source.h"

static bk_err check(int64_t first, int64_t second)
{
    const bk_migration items[] = {
        {first, "a", "a.up.sql", {"", 0}, NULL, {NULL, 0}},
        {second, "b", "b.up.sql", {"", 0}, NULL, {NULL, 0}},
    };
    bk_err err = bk__migrations_check(&(bk_migrations){items, 2});

    bk_error_clear();
    return err;
}

static void test_versions_rise_from_one(void **state)
{
    (void)state;
    assert_int_equal(check(1, 2), BK_OK);
    assert_int_equal(check(1, 20261123183000), BK_OK);
    assert_int_equal(check(2, 2), BK_EINVAL);
    assert_int_equal(check(3, 2), BK_EINVAL);
    assert_int_equal(check(0, 1), BK_EINVAL);
    assert_int_equal(check(-1, 1), BK_EINVAL);
}

static void test_a_migration_without_its_sql_is_refused(void **state)
{
    bk_migration item = {1, "a", "a.up.sql", {NULL, 0}, NULL, {NULL, 0}};

    (void)state;
    assert_int_equal(bk__migrations_check(&(bk_migrations){&item, 1}), BK_EINVAL);
    item.up = BK_LIT("x");
    item.down_file = "a.down.sql";
    assert_int_equal(bk__migrations_check(&(bk_migrations){&item, 1}), BK_EINVAL);
    bk_error_clear();
}

static void test_the_checksum_is_sha256_of_the_way_up(void **state)
{
    bk_arena *arena = bk_arena_new();
    bk_migration item = {1, "a", "f", BK_LIT("abc"), NULL, {NULL, 0}};

    (void)state;
    bk_str sum = bk__migration_checksum(arena, &item);
    assert_true(
        bk_str_eq(sum, BK_LIT("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
    item.down = BK_LIT("other");
    assert_true(bk_str_eq(sum, bk__migration_checksum(arena, &item)));
    bk_arena_free(arena);
}

static void test_only_the_first_line_opts_out(void **state)
{
    (void)state;
    assert_false(bk__migration_in_transaction(BK_LIT("-- no-transaction\nSELECT 1")));
    assert_false(bk__migration_in_transaction(BK_LIT("-- no-transaction \r\nSELECT 1")));
    assert_true(bk__migration_in_transaction(BK_LIT("\n-- no-transaction\nSELECT 1")));
    assert_true(bk__migration_in_transaction(BK_LIT("-- no-transactions\nSELECT 1")));
    assert_true(bk__migration_in_transaction(BK_LIT("")));
}

/* The words of the refusal; NULL: there is none. */
static const char *refusal(bk_arena *arena, bk_str sql)
{
    bk_array out;

    bk_error_clear();
    if (bk__migration_statements(arena, "f.sql", sql, &out) == BK_OK)
        return NULL;
    assert_true(bk_str_eq(bk_error_chain()->message, BK_LIT("f.sql")));
    return bk_error_chain()->cause->message.ptr;
}

static void test_what_could_not_run_is_refused_before(void **state)
{
    bk_arena *arena = bk_arena_new();

    (void)state;
    assert_null(refusal(arena, BK_LIT("SELECT 1; SET x = 1")));
    assert_non_null(strstr(refusal(arena, BK_LIT("\nCOMMIT")), "line 2: the migration is"));
    assert_null(refusal(arena, BK_LIT("-- no-transaction\nBEGIN; COMMIT")));
    assert_non_null(strstr(refusal(arena, BK_LIT("copy t FROM stdin")), "COPY"));
    assert_non_null(strstr(refusal(arena, BK_LIT("\\connect x")), "psql"));
    assert_non_null(strstr(refusal(arena, bk_str_at("a\0b", 3)), "NUL"));
    assert_non_null(strstr(refusal(arena, BK_LIT("'")), "not closed"));
    bk_error_clear();
    bk_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_rise_from_one),
        cmocka_unit_test(test_a_migration_without_its_sql_is_refused),
        cmocka_unit_test(test_the_checksum_is_sha256_of_the_way_up),
        cmocka_unit_test(test_only_the_first_line_opts_out),
        cmocka_unit_test(test_what_could_not_run_is_refused_before),
    };
    return cmocka_run_group_tests_name("migrate_source", tests, NULL, NULL);
}
