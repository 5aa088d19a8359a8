/* Tests of libbackend/app/roles.c: which process runs the jobs of a role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "app/app.h"
#include "core/roles.h"
#include "harness/stops.h"

/* Whether a process of @p app that is such a one runs jobs of @p role. */
static bool runs(bk_app *app, unsigned roles, unsigned own, uint32_t apart, int role)
{
    app->berth.roles = roles;
    app->berth.own = own;
    app->berth.apart = apart;
    return bk__role_is_here(app, role);
}

static void test_jobs_of_a_role_run_in_its_processes_or_where_others_do(void **state)
{
    bk_app *app = bk_app_new(NULL);
    int mails = bk__role_declare(app, "mails"), reports = bk__role_declare(app, "reports2");

    (void)state;
    assert_int_equal(bk__role_declare(app, "mails"), mails);
    assert_int_not_equal(mails, reports);
    assert_true(bk__role_is_here(app, BK__NO_ROLE) && bk__role_is_here(app, reports)); /* alone */
    assert_null(bk_app_role(app));
    assert_true(runs(app, BK_ROLE_JOBS, 0, 1U << reports, mails));
    assert_false(runs(app, BK_ROLE_JOBS, 0, 1U << reports, reports));
    assert_true(runs(app, BK_ROLE_JOBS, 0, 1U << reports, BK__NO_ROLE));
    assert_false(runs(app, BK_ROLE_WEB, 0, 1U << reports, mails));
    assert_true(runs(app, BK_ROLE_OWN, (unsigned)reports, 1U << reports, reports));
    assert_false(runs(app, BK_ROLE_OWN, (unsigned)reports, 1U << reports, mails));
    assert_false(runs(app, BK_ROLE_OWN, (unsigned)reports, 1U << reports, BK__NO_ROLE));
    assert_string_equal(bk_app_role(app), "reports2");
    bk_app_free(app);
}

static void test_settings_of_a_role_are_taken_in(void **state)
{
    static const bk_cluster_role roles[] = {{.name = "b", .workers = 3, .hang_ms = 70000},
                                            {.name = NULL}};
    bk_app *app = bk_app_new(NULL);
    int a = bk__role_declare(app, "a"), b = bk__role_declare(app, "b");

    (void)state;
    bk_app_cluster(app, &(bk_cluster_opts){.roles = roles});
    bk__roles_fill(app);
    assert_int_equal(app->roles[a].workers, 0);
    assert_int_equal(app->roles[a].hang_ms, BK_UNLIMITED); /* its handlers may compute for long */
    assert_int_equal(app->roles[b].workers, 3);
    assert_int_equal(app->roles[b].hang_ms, 70000);
    bk_app_free(app);
}

/* --- what stops the program --------------------------------------------------------------------- */

static const char *wrong_name;

static void declare_wrong(void)
{
    (void)bk__role_declare(bk_app_new(NULL), wrong_name);
}

static void declare_nine(void)
{
    bk_app *app = bk_app_new(NULL);
    char name[] = "a";

    for (; name[0] < 'a' + BK__OWN_ROLES + 1; name[0]++)
        (void)bk__role_declare(app, name);
}

static void set_unknown(void)
{
    static const bk_cluster_role roles[] = {{.name = "nobody", .workers = 1}, {.name = NULL}};
    bk_app *app = bk_app_new(NULL);

    bk_app_cluster(app, &(bk_cluster_opts){.roles = roles});
    bk__roles_fill(app);
}

static void test_wrong_roles_stop_the_program_with_words(void **state)
{
    static const char *const names[] = {"",        "web", "job", "command",
                                        "Reports", "2nd", "a-b", "abcdefghijklmnopq"};
    char words[1000];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        wrong_name = names[i];
        assert_true(stops(declare_wrong, words, sizeof words));
        assert_non_null(strstr(words, "at most 16 lower-case letters and digits"));
    }
    assert_true(stops(declare_nine, words, sizeof words));
    assert_non_null(strstr(words, "role \"i\": an app may have 8"));
    assert_true(stops(set_unknown, words, sizeof words));
    assert_non_null(strstr(words, "no worker has the role \"nobody\""));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_of_a_role_run_in_its_processes_or_where_others_do),
        cmocka_unit_test(test_settings_of_a_role_are_taken_in),
        cmocka_unit_test(test_wrong_roles_stop_the_program_with_words),
    };

    return cmocka_run_group_tests_name("app_roles", tests, NULL, NULL);
}
