#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/router.h>

#include "migrate/plan.h"
#include "migrate/source.h"

#define FILES 4

static const bk_migration files[FILES] = {
    {1, "one", "1_one.up.sql", {"SELECT 1", 8}, "1_one.down.sql", {"SELECT 2", 8}},
    {2, "two", "2_two.up.sql", {"SELECT 2", 8}, NULL, {NULL, 0}},
    {4, "four", "4_four.up.sql", {"SELECT 4", 8}, "4_four.down.sql", {"SELECT 5", 8}},
    {9, "nine", "9_nine.up.sql", {"SELECT 9", 8}, "9_nine.down.sql", {"SELECT 1", 8}},
};
static const bk_migrations set = {files, FILES};

static int begin(void **state)
{
    *state = bk_arena_new();
    return 0;
}

static int end(void **state)
{
    bk_error_clear();
    bk_arena_free(*state);
    return 0;
}

/* A database that has the versions of @p list, which ends with 0. A negative one was changed. */
static struct bk__history history_of(bk_arena *arena, const int64_t *list)
{
    struct bk__applied rows[8] = {0};
    struct bk__history history;
    size_t count = 0;

    for (; list[count] != 0; count++) {
        int64_t version = list[count] < 0 ? -list[count] : list[count];
        const bk_migration *file = bk__migrations_find(&set, version);
        rows[count].version = version;
        rows[count].name = BK_LIT("there");
        rows[count].checksum = file != NULL && list[count] > 0 ? bk__migration_checksum(arena, file)
                                                               : BK_LIT("another");
    }
    bk__plan_compare(arena, &set, rows, count, &history);
    return history;
}
#define HISTORY(...) history_of(*state, (const int64_t[]){__VA_ARGS__})

/* "1:applied 2:pending ..." */
static const char *states(const struct bk__history *history)
{
    static char shown[512];
    size_t len = 0;

    for (size_t i = 0; i < history->count; i++)
        len += (size_t)snprintf(shown + len, sizeof shown - len, "%s%d:%s", i > 0 ? " " : "",
                                (int)history->entries[i].version,
                                bk_migration_state_name(history->entries[i].state));
    return shown;
}

/* "+1 -4", or "!" and the words of the error. */
static const char *plan(bk_arena *arena, const struct bk__history *history, bool down,
                        const bk_migrate_opts *opts)
{
    static char shown[512];
    struct bk__plan found;
    size_t len = 0;
    bk_err err = down ? bk__plan_down(arena, history, opts, &found)
                      : bk__plan_up(arena, history, opts, &found);

    shown[0] = '\0';
    if (err != BK_OK) {
        snprintf(shown, sizeof shown, "!%.*s", BK_PRI(bk_error_chain()->message));
        return shown;
    }
    for (size_t i = 0; i < found.count; i++)
        len += (size_t)snprintf(shown + len, sizeof shown - len, "%s%c%d", i > 0 ? " " : "",
                                found.steps[i].down ? '-' : '+',
                                (int)found.steps[i].migration->version);
    return shown;
}
#define UP(history, ...)   plan(*state, history, false, &(bk_migrate_opts){__VA_ARGS__})
#define DOWN(history, ...) plan(*state, history, true, &(bk_migrate_opts){__VA_ARGS__})

static void test_each_migration_stands_somehow(void **state)
{
    struct bk__history history = HISTORY(1, -2, 3, 4, 12, 0);
    assert_string_equal(states(&history),
                        "1:applied 2:changed 3:missing 4:applied 9:late 12:newer");
    history = HISTORY(1, 4, 0);
    assert_string_equal(states(&history), "1:applied 2:late 4:applied 9:pending");
    history = HISTORY(0);
    assert_string_equal(states(&history), "1:pending 2:pending 4:pending 9:pending");
}

static void test_up_applies_what_is_pending_in_order(void **state)
{
    struct bk__history history = HISTORY(1, 0);
    assert_string_equal(UP(&history, .out_of_order = false), "+2 +4 +9");
    assert_string_equal(UP(&history, .to = 4), "+2 +4");
    assert_string_equal(UP(&history, .to = 1), "");
    assert_string_equal(UP(&history, .to = 5), "!there is no migration 5");
}

static void test_a_late_one_needs_leave(void **state)
{
    struct bk__history history = HISTORY(1, 4, 0);
    assert_int_equal(UP(&history, .to = 0)[0], '!');
    assert_string_equal(UP(&history, .out_of_order = true), "+2 +9");
}

static void test_up_refuses_a_history_that_does_not_fit(void **state)
{
    struct bk__history history = HISTORY(-1, 2, 0);
    assert_non_null(strstr(UP(&history, .to = 0), "migration 1 there was changed"));
    history = HISTORY(1, 2, 3, 0);
    assert_non_null(strstr(UP(&history, .out_of_order = true), "migration 3 there is applied"));
    history = HISTORY(-1, -2, 0);
    assert_non_null(strstr(UP(&history, .to = 0), "there are more like it"));
    history = HISTORY(1, 2, 4, 9, 12, 0);
    assert_string_equal(UP(&history, .to = 0), "");
}

static void test_an_unfinished_one_stops_both_ways(void **state)
{
    struct bk__applied row = {.version = 1, .name = BK_LIT("one"), .unfinished = BK_LIT("up: f:3")};
    struct bk__history history;

    bk__plan_compare(*state, &set, &row, 1, &history);
    assert_int_equal(history.entries[0].state, BK_MIGRATION_UNFINISHED);
    assert_non_null(strstr(UP(&history, .to = 0), "(it stopped at up: f:3)"));
    assert_non_null(strstr(DOWN(&history, .to = 0), "did not finish"));
}

static void test_down_undoes_the_newest_first(void **state)
{
    struct bk__history history = HISTORY(1, 2, 4, 9, 0);
    assert_string_equal(DOWN(&history, .to = 0), "-9");
    assert_string_equal(DOWN(&history, .steps = 2), "-9 -4");
    assert_string_equal(DOWN(&history, .to = 2), "-9 -4");
    assert_non_null(strstr(DOWN(&history, .steps = BK_UNLIMITED), "migration 2 there cannot be"));
    assert_non_null(strstr(DOWN(&history, .to = 1), "it has no .down.sql"));
    assert_string_equal(DOWN(&history, .to = 5), "!there is no migration 5");
    history = HISTORY(1, 0);
    assert_string_equal(DOWN(&history, .steps = 7), "-1");
    history = HISTORY(1, 12, 0);
    assert_non_null(strstr(DOWN(&history, .to = 0), "later release"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_migration_stands_somehow, begin, end),
        cmocka_unit_test_setup_teardown(test_up_applies_what_is_pending_in_order, begin, end),
        cmocka_unit_test_setup_teardown(test_a_late_one_needs_leave, begin, end),
        cmocka_unit_test_setup_teardown(test_up_refuses_a_history_that_does_not_fit, begin, end),
        cmocka_unit_test_setup_teardown(test_an_unfinished_one_stops_both_ways, begin, end),
        cmocka_unit_test_setup_teardown(test_down_undoes_the_newest_first, begin, end),
    };
    return cmocka_run_group_tests_name("migrate_plan", tests, NULL, NULL);
}
