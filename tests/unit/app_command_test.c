/* Subcommands that an app adds to its program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <backend/backend.h>

#include "harness/stops.h"

struct note {
    int calls, argc;
    char first[16];
    bk_app *app;
};

static int count(bk_app *app, int argc, char **argv, void *data)
{
    struct note *note = data;

    note->calls++;
    note->argc = argc;
    note->app = app;
    strncpy(note->first, argc > 1 ? argv[1] : "", sizeof note->first - 1);
    return 7;
}

static void test_a_command_gets_its_arguments_and_its_status_is_the_programs(void **state)
{
    (void)state;
    struct note note = {0};
    char program[] = "program", seed[] = "seed", many[] = "many";
    char *argv[] = {program, seed, many, NULL};
    bk_app *app = bk_app_new(NULL);

    bk_app_command(app, "seed", "fills the tables", count, &note);
    assert_int_equal(bk_app_main(app, 3, argv), 7);
    assert_int_equal(note.calls, 1);
    assert_int_equal(note.argc, 2);
    assert_string_equal(note.first, "many");
}

static bk_err fails_after_a_while(void *data)
{
    int *runs = data;

    BK_TRY(bk_sleep_ms(1)); /* so it is on a fiber */
    (*runs)++;
    return bk_fail(BK_ECONFLICT, "run %d", *runs);
}

static void test_a_call_runs_on_a_fiber_and_hands_its_errors_out(void **state)
{
    (void)state;
    int runs = 0;
    bk_app *app = bk_app_new(NULL);

    for (int i = 1; i <= 2; i++) {
        assert_int_equal(bk_app_call(app, "seed", fails_after_a_while, &runs), BK_ECONFLICT);
        assert_int_equal(runs, i);
        assert_non_null(bk_error_chain());
    }
    assert_string_equal(bk_error_chain()->message.ptr, "run 2");
    bk_app_free(app);
}

struct told {
    bk_app *app;
    unsigned roles;
};

static bk_err tell_roles(void *data)
{
    struct told *told = data;

    told->roles = bk_app_roles(told->app);
    return BK_OK;
}

static void test_a_call_has_no_role(void **state)
{
    (void)state;
    struct told told = {bk_app_new(NULL), 99};

    assert_int_equal(bk_app_call(told.app, "seed", tell_roles, &told), BK_OK);
    assert_int_equal(told.roles, 0);
    assert_int_equal(bk_app_roles(told.app), BK_ROLE_WEB | BK_ROLE_JOBS);
    bk_app_free(told.app);
}

static void add_serve(void)
{
    bk_app_command(bk_app_new(NULL), "serve", "", count, NULL);
}

static void add_twice(void)
{
    bk_app *app = bk_app_new(NULL);

    bk_app_command(app, "seed", "", count, NULL);
    bk_app_command(app, "seed", "", count, NULL);
}

static void test_a_name_that_is_taken_stops_the_program(void **state)
{
    (void)state;
    char words[512];

    assert_true(stops(add_serve, words, sizeof words));
    assert_non_null(strstr(words, "there is a command \"serve\" already"));
    assert_true(stops(add_twice, words, sizeof words));
    assert_non_null(strstr(words, "there is a command \"seed\" already"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_command_gets_its_arguments_and_its_status_is_the_programs),
        cmocka_unit_test(test_a_call_runs_on_a_fiber_and_hands_its_errors_out),
        cmocka_unit_test(test_a_call_has_no_role),
        cmocka_unit_test(test_a_name_that_is_taken_stops_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
