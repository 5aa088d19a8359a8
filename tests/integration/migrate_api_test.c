/* Migrations as a host program runs them, and what docs/guide/migrations.md shows. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "../../examples/guide/guide.h"
#include "harness/postgres.h"

extern const bk_migrations shop_migrations;

static bk_pg *db;
static size_t lines;

static void hear(const char *line, void *data)
{
    *(size_t *)data += strlen(line) > 0;
}

static bk_migration_state state_of(size_t index)
{
    bk_array entries;

    assert_int_equal(bk_migrate_status(db, &shop_migrations, NULL, &entries), BK_OK);
    assert_true(index < entries.count);
    return ((const bk_migration_entry *)entries.items)[index].state;
}

static bk_err go_up_and_down(void *data)
{
    bk_migrate_opts opts = {.say = hear, .data = &lines};
    size_t count = 7;

    (void)data;
    assert_int_equal(state_of(0), BK_MIGRATION_PENDING);
    assert_int_equal(migrations_up(db), BK_OK);
    assert_int_equal(state_of(1), BK_MIGRATION_APPLIED);
    assert_int_equal(bk_migrate_up(db, &shop_migrations, &opts, &count), BK_OK);
    assert_int_equal(count, 0);
    assert_in_range(lines, 0, 1); /* it may say that it waits for the lock of the run before */
    assert_int_equal(bk_migrate_down(db, &shop_migrations, &opts, &count), BK_ECONFLICT);
    assert_int_equal(count, 0);
    assert_int_equal(state_of(1), BK_MIGRATION_APPLIED);
    bk_error_clear();
    return BK_OK;
}

static bk_err note_and_resolve(void *data)
{
    size_t count;

    (void)data;
    BK_TRY(bk_pg_exec(db, "DROP TABLE bk_migrations, products", BK_NO_ARGS, NULL));
    BK_TRY(bk_migrate_baseline(db, &shop_migrations, 1, NULL, &count));
    assert_int_equal(count, 1);
    assert_int_equal(bk_migrate_resolve(db, &shop_migrations, 1, true, NULL), BK_ECONFLICT);
    bk_error_clear();
    BK_TRY(bk_pg_exec(db, "UPDATE bk_migrations SET checksum = 'x'", BK_NO_ARGS, NULL));
    assert_int_equal(state_of(0), BK_MIGRATION_CHANGED);
    BK_TRY(bk_migrate_resolve(db, &shop_migrations, 1, true, NULL));
    assert_int_equal(state_of(0), BK_MIGRATION_APPLIED);
    assert_string_equal(bk_migration_state_name(state_of(1)), "pending");
    return BK_OK;
}

static void test_a_host_migrates_on_a_fiber(void **state)
{
    assert_int_equal(bk_test_run(*state, go_up_and_down, NULL), BK_OK);
}

static void test_what_was_looked_at_is_noted(void **state)
{
    assert_int_equal(bk_test_run(*state, note_and_resolve, NULL), BK_OK);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_host_migrates_on_a_fiber),
        cmocka_unit_test(test_what_was_looked_at_is_noted),
    };
    struct postgres server = postgres_start("max_connections=20");
    setenv("DATABASE_URL", server.url, 1);
    bk_app *app = bk_app_new(NULL);
    db = migrations_declare(app);
    bk_test *test = bk_test_new(app, NULL);

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tests[i].initial_state = test;
    int failed = cmocka_run_group_tests_name("migrate_api", tests, NULL, NULL);
    bk_test_free(test);
    bk_app_free(app);
    postgres_stop(&server);
    return failed;
}
