/*
 * Deadlines from callers: whose count, and that they only narrow.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/middleware/timeout.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

static const char *const trusted[] = {"127.0.0.1", NULL};

static bk_err left(bk_req *req, bk_res *res)
{
    bk_str text = bk_deadline_header(bk_req_arena(req));

    return bk_res_text(res, 200, bk_str_present(text) ? text : BK_LIT("none"));
}

static bk_err sleeper(bk_req *req, bk_res *res)
{
    BK_TRY(bk_sleep_ms(5000));
    return left(req, res);
}

static struct http_app open_with(const bk_mw_timeout_opts *opts, const char *const *proxies)
{
    bk_app_opts app_opts = {.trusted_proxies = proxies, .timeouts = {.handler_ms = 20000}};
    struct http_app it = {.app = bk_app_new(&app_opts)};

    bk_use(bk_app_router(it.app), bk_mw_timeout(it.app, opts));
    bk_get(bk_app_router(it.app), "/", left);
    bk_get(bk_app_router(it.app), "/short", left, &(bk_route_opts){.timeout_ms = 700});
    bk_get(bk_app_router(it.app), "/sleep", sleeper);
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = true});
    return it;
}

#define ask(it, target, value) http_get(it, target, "x-request-timeout-ms", value)

static void test_a_trusted_caller_narrows_the_deadline(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, trusted);

    assert_answer(bk_test_get(it.test, "/"), 200, "20000");
    assert_answer(ask(&it, "/", "800"), 200, "800");
    assert_answer(ask(&it, "/", "0000000800"), 200, "800");
    http_app_close(&it);
}

static void test_it_never_widens_it(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, trusted);

    assert_answer(ask(&it, "/", "20001"), 200, "20000");
    assert_answer(ask(&it, "/short", "701"), 200, "700");
    assert_answer(ask(&it, "/short", "99999999999999999999999999"), 200, "700");
    assert_answer(ask(&it, "/short", "4294967296"), 200, "700");
    http_app_close(&it);
}

static void test_it_ends_what_waits_too_long(void **state)
{
    (void)state;
    static const bk_pair fields[] = {{BK_LIT("x-request-timeout-ms"), BK_LIT("800")}, {{0}, {0}}};
    struct http_app it = open_with(NULL, trusted);

    bk_test_res *res =
        bk_test_begin(it.test, &(bk_test_req){.target = "/sleep", .headers = fields});
    bk_test_advance(it.test, 799);
    assert_false(bk_test_done(res));
    bk_test_advance(it.test, 1);
    bk_test_finish(it.test, res);
    assert_problem(res, 504, "\"status\":504");
    http_app_close(&it);
}

static void test_nobody_elses_word_counts(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, NULL);
    assert_answer(ask(&it, "/", "800"), 200, "20000");
    assert_answer(ask(&it, "/", "nonsense"), 200, "20000");
    http_app_close(&it);

    static const char *const others[] = {"10.0.0.0/8", NULL};
    it = open_with(NULL, others);
    assert_answer(ask(&it, "/", "0"), 200, "20000");
    http_app_close(&it);
}

static void test_a_trusted_caller_that_errs_is_told(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "-1",       "1.5",
                                      "1s",  "0x10",     "+5",
                                      "1 2", "800, 900", "000000000000000000000000000000001"};
    struct http_app it = open_with(NULL, trusted);

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_problem(ask(&it, "/", bad[i]), 400, "X-Request-Timeout-Ms must be a whole number");
    bk_test_res *twice =
        http_get(&it, "/", "x-request-timeout-ms", "1", "x-request-timeout-ms", "2");
    assert_status(twice, 400);
    assert_problem(ask(&it, "/", "0"), 504, "\"status\":504");
    http_app_close(&it);
}

static void test_it_has_a_time_of_its_own(void **state)
{
    (void)state;
    struct http_app it =
        open_with(&(bk_mw_timeout_opts){.timeout_ms = 900, .no_header = true}, trusted);
    assert_answer(ask(&it, "/", "800"), 200, "900");
    assert_answer(ask(&it, "/short", "800"), 200, "700");
    http_app_close(&it);

    it = open_with(&(bk_mw_timeout_opts){.timeout_ms = 900, .header = "X-Left"}, trusted);
    assert_answer(http_get(&it, "/", "x-left", "1000"), 200, "900");
    assert_answer(http_get(&it, "/", "X-LEFT", "100"), 200, "100");
    assert_answer(ask(&it, "/", "800"), 200, "900");
    http_app_close(&it);
}

static bk_err no_deadline(void *data)
{
    (void)data;
    assert_absent(bk_deadline_header(bk_fiber_arena()));
    return BK_OK;
}

static void test_without_a_deadline_nothing_is_passed_on(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, NULL);

    assert_int_equal(bk_test_run(it.test, no_deadline, NULL), BK_OK);
    http_app_close(&it);
}

static void with_a_bad_name(void)
{
    (void)open_with(&(bk_mw_timeout_opts){.header = "a:b"}, NULL);
}

static void test_a_name_that_is_none_stops_the_program(void **state)
{
    (void)state;
    char words[1024];

    assert_true(stops(with_a_bad_name, words, sizeof words));
    assert_non_null(strstr(words, "is no name of a header"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trusted_caller_narrows_the_deadline),
        cmocka_unit_test(test_it_never_widens_it),
        cmocka_unit_test(test_it_ends_what_waits_too_long),
        cmocka_unit_test(test_nobody_elses_word_counts),
        cmocka_unit_test(test_a_trusted_caller_that_errs_is_told),
        cmocka_unit_test(test_it_has_a_time_of_its_own),
        cmocka_unit_test(test_without_a_deadline_nothing_is_passed_on),
        cmocka_unit_test(test_a_name_that_is_none_stops_the_program),
    };
    return cmocka_run_group_tests_name("middleware/timeout", tests, NULL, NULL);
}
