/*
 * Live, ready, started: what each says of checks that pass, fail, hang and recover.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/health.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

/* A thing that is checked. */
struct thing {
    bool fails, hangs;
    unsigned asked;
};

static struct thing first, second;
static bk_health *health;

static bk_err ask(void *data)
{
    struct thing *thing = data;

    thing->asked++;
    if (thing->hangs)
        BK_TRY(bk_sleep_ms(60000));
    if (thing->fails)
        return bk_fail(BK_EUNAVAILABLE, "secret words of %s", "a database");
    return BK_OK;
}

static struct http_app open_app(const bk_health_opts *of_first, const bk_health_opts *of_second)
{
    struct http_app it = {.app = bk_app_new(NULL)};

    first = second = (struct thing){0};
    health = bk_health_new(it.app, NULL);
    if (of_first != NULL)
        bk_health_add(health, of_first, ask, &first);
    if (of_second != NULL)
        bk_health_add(health, of_second, ask, &second);
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = true});
    return it;
}

static const bk_health_opts of_pg = {.name = "pg"}, of_mail = {.name = "mail"};

static void test_without_checks_all_is_well(void **state)
{
    struct http_app it = open_app(NULL, NULL);

    (void)state;
    assert_answer(bk_test_get(it.test, "/livez"), 200, "{\"status\":\"ok\"}");
    assert_answer(bk_test_get(it.test, "/readyz"), 200, "{\"status\":\"ok\",\"checks\":{}}");
    assert_answer(bk_test_get(it.test, "/startupz"), 200, "{\"status\":\"ok\"}");
    assert_field(bk_test_get(it.test, "/readyz"), "Cache-Control", "no-store");
    assert_field(bk_test_get(it.test, "/readyz"), "Content-Type", "application/json");
    http_app_close(&it);
}

static void test_a_failing_check_makes_it_not_ready_but_alive(void **state)
{
    struct http_app it = open_app(&of_pg, &of_mail);

    (void)state;
    first.fails = true;
    bk_test_res *res = bk_test_get(it.test, "/readyz");
    assert_answer(
        res, 503,
        "{\"status\":\"error\",\"checks\":{\"pg\":{\"status\":\"error\"},\"mail\":{\"status\":\"ok\"}}}");
    assert_status(bk_test_get(it.test, "/livez"), 200);
    assert_status(bk_test_get(it.test, "/startupz"), 200);
    assert_holds(bk_test_logs(it.test), "\"check\":\"pg\",\"code\":\"unavailable\","
                                        "\"why\":\"secret words of a database\"");
    http_app_close(&it);
}

static void test_results_are_good_for_a_second(void **state)
{
    struct http_app it = open_app(&of_pg, NULL);

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_status(bk_test_get(it.test, "/readyz"), 200);
    assert_int_equal(first.asked, 1);
    first.fails = true;
    bk_test_advance(it.test, 999);
    assert_status(bk_test_get(it.test, "/readyz"), 200);
    bk_test_advance(it.test, 1);
    assert_status(bk_test_get(it.test, "/readyz"), 503);
    first.fails = false;
    bk_test_advance(it.test, 1000);
    assert_status(bk_test_get(it.test, "/readyz"), 200);
    assert_int_equal(first.asked, 3);
    assert_holds(bk_test_logs(it.test), "\"health.recovered\"");
    http_app_close(&it);
}

static void test_checks_run_side_by_side_and_have_a_limit(void **state)
{
    struct http_app it = open_app(&(bk_health_opts){.name = "pg", .timeout_ms = 300},
                                  &(bk_health_opts){.name = "mail", .timeout_ms = 300});

    (void)state;
    first.hangs = second.hangs = true;
    bk_test_res *a = bk_test_begin(it.test, &(bk_test_req){.target = "/readyz"});
    bk_test_res *b = bk_test_begin(it.test, &(bk_test_req){.target = "/readyz"});
    bk_test_advance(it.test, 299);
    assert_false(bk_test_done(a));
    assert_status(bk_test_get(it.test, "/livez"), 200);
    bk_test_advance(it.test, 1);
    assert_status(a, 503);
    assert_status(b, 503);
    assert_int_equal(first.asked, 1);
    assert_int_equal(second.asked, 1);
    http_app_close(&it);
}

static void test_a_prober_that_hangs_up_stops_no_check(void **state)
{
    struct http_app it = open_app(&of_pg, NULL);

    (void)state;
    first.hangs = true;
    bk_test_res *a = bk_test_begin(it.test, &(bk_test_req){.target = "/readyz"});
    bk_test_settle(it.test);
    bk_test_reset(it.test, a);
    bk_test_res *b = bk_test_begin(it.test, &(bk_test_req){.target = "/readyz"});
    bk_test_advance(it.test, 1000);
    assert_status(b, 503);
    assert_int_equal(first.asked, 1);
    http_app_close(&it);
}

static void test_an_optional_check_only_degrades(void **state)
{
    struct http_app it = open_app(&of_pg, &(bk_health_opts){.name = "mail", .optional = true});

    (void)state;
    second.fails = true;
    bk_test_res *res = bk_test_get(it.test, "/readyz");
    assert_answer(
        res, 200,
        "{\"status\":\"degraded\",\"checks\":{\"pg\":{\"status\":\"ok\"},\"mail\":{\"status\":\"error\"}}}");
    http_app_close(&it);
}

static void test_it_has_started_once_that_was_so(void **state)
{
    struct http_app it = open_app(&(bk_health_opts){.name = "warm", .at_start = true}, &of_mail);

    (void)state;
    first.fails = true;
    assert_answer(bk_test_get(it.test, "/startupz"), 503, "{\"status\":\"starting\"}");
    assert_holds(bk_test_body(bk_test_get(it.test, "/readyz")), "{\"status\":\"starting\"");
    first.fails = false;
    bk_test_advance(it.test, 1000);
    assert_status(bk_test_get(it.test, "/startupz"), 200);
    first.fails = true;
    bk_test_advance(it.test, 5000);
    assert_status(bk_test_get(it.test, "/startupz"), 200);
    assert_status(bk_test_get(it.test, "/readyz"), 200);
    assert_int_equal(first.asked, 2);
    http_app_close(&it);
}

static void test_it_is_taken_out_and_back_in(void **state)
{
    struct http_app it = open_app(&of_pg, NULL);

    (void)state;
    bk_health_set_ready(health, false);
    assert_answer(bk_test_get(it.test, "/readyz"), 503, "{\"status\":\"not_ready\"}");
    bk_health_set_ready(health, true);
    assert_status(bk_test_get(it.test, "/readyz"), 200);
    it.app->server.retiring = true; /* as a supervisor does */
    assert_answer(bk_test_get(it.test, "/readyz"), 503, "{\"status\":\"shutting_down\"}");
    it.app->server.retiring = false;
    it.app->server.draining = true;
    assert_status(bk_test_get(it.test, "/readyz"), 503);
    assert_status(bk_test_get(it.test, "/livez"), 200);
    it.app->server.draining = false;
    http_app_close(&it);
}

static void test_with_no_fiber_left_for_a_check_it_is_not_ready(void **state)
{
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.limits = {.fibers = 2}})};

    (void)state;
    first = (struct thing){0};
    health = bk_health_new(it.app, NULL);
    bk_health_add(health, &of_pg, ask, &first);
    it.test = bk_test_new(it.app, NULL);
    assert_answer(bk_test_get(it.test, "/readyz"), 503, "{\"status\":\"error\"}");
    assert_status(bk_test_get(it.test, "/livez"), 200);
    assert_int_equal(first.asked, 0);
    http_app_close(&it);
}

static void test_an_app_that_stops_while_a_check_hangs_stops(void **state)
{
    struct http_app it = open_app(&of_pg, NULL);

    (void)state;
    first.hangs = true;
    (void)!bk_test_begin(it.test, &(bk_test_req){.target = "/readyz"});
    bk_test_settle(it.test);
    bk_test_free(it.test);
    bk_app_free(it.app);
}

static void test_paths_may_have_a_prefix(void **state)
{
    struct http_app it = {.app = bk_app_new(NULL)};

    (void)state;
    health = bk_health_new(it.app, &(bk_health_settings){.prefix = "/health", .cached_ms = 5000});
    it.test = bk_test_new(it.app, NULL);
    assert_status(bk_test_get(it.test, "/health/readyz"), 200);
    assert_status(bk_test_get(it.test, "/readyz"), 404);
    http_app_close(&it);
}

static void add_twice(void)
{
    bk_health *twice = bk_health_new(bk_app_new(NULL), NULL);

    bk_health_add(twice, &of_pg, ask, &first);
    bk_health_add(twice, &of_pg, ask, &first);
}

static void add_nameless(void)
{
    bk_health_add(bk_health_new(bk_app_new(NULL), NULL), &(bk_health_opts){0}, ask, &first);
}

static void test_wrong_checks_stop_the_program(void **state)
{
    char words[256];

    (void)state;
    assert_true(stops(add_twice, words, sizeof words));
    assert_non_null(strstr(words, "there are two checks \"pg\""));
    assert_true(stops(add_nameless, words, sizeof words));
    assert_non_null(strstr(words, "a check needs a name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_checks_all_is_well),
        cmocka_unit_test(test_a_failing_check_makes_it_not_ready_but_alive),
        cmocka_unit_test(test_results_are_good_for_a_second),
        cmocka_unit_test(test_checks_run_side_by_side_and_have_a_limit),
        cmocka_unit_test(test_a_prober_that_hangs_up_stops_no_check),
        cmocka_unit_test(test_an_optional_check_only_degrades),
        cmocka_unit_test(test_it_has_started_once_that_was_so),
        cmocka_unit_test(test_it_is_taken_out_and_back_in),
        cmocka_unit_test(test_with_no_fiber_left_for_a_check_it_is_not_ready),
        cmocka_unit_test(test_an_app_that_stops_while_a_check_hangs_stops),
        cmocka_unit_test(test_paths_may_have_a_prefix),
        cmocka_unit_test(test_wrong_checks_stop_the_program),
    };
    return cmocka_run_group_tests_name("ops_health", tests, NULL, NULL);
}
