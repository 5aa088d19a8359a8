/*
 * A request's life: limits on its body, room for its fiber, its deadline, and clients that go away.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "text.h"
#include "harness/http_app.h"

#include "http/exchange.h"

static const bk_test_opts virtual_clock = {.virtual_clock = true};

/* What handlers leave behind for the test. */
struct trace {
    bk_err slept;
    bool gone, freed, finished;
    size_t bodies; /* bytes the server held meanwhile */
};

static void on_end(void *data)
{
    ((struct trace *)data)->freed = true;
}

static bk_err nap(bk_req *req, bk_res *res)
{
    struct trace *trace = bk_req_route_data(req);

    bk_arena_defer(bk_req_arena(req), on_end, trace);
    trace->bodies = bk_req_app(req)->server.bodies_bytes;
    trace->slept = bk_sleep_ms(1000);
    trace->gone = bk_req_gone(req);
    trace->finished = true;
    if (trace->slept != BK_OK)
        return trace->slept;
    return bk_res_text(res, 200, BK_LIT("rested"));
}

static bk_err length(bk_req *req, bk_res *res)
{
    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%zu", bk_req_body(req).len));
}

static struct trace trace; /* of the one napper of each test */

static void routes(bk_router *root)
{
    trace = (struct trace){.slept = BK_OK};
    bk_get(root, "/nap", nap, &(bk_route_opts){.data = &trace});
    bk_post(root, "/nap", nap, &(bk_route_opts){.data = &trace});
    bk_get(root, "/quick", nap, &(bk_route_opts){.data = &trace, .timeout_ms = 500});
    bk_get(root, "/patient", nap, &(bk_route_opts){.data = &trace, .timeout_ms = BK_UNLIMITED});
    bk_post(root, "/body", length);
    bk_post(root, "/small", length, &(bk_route_opts){.body_limit_bytes = 10});
    bk_post(root, "/large", length, &(bk_route_opts){.body_limit_bytes = 5000});
    bk_post(root, "/any", length, &(bk_route_opts){.body_limit_bytes = BK_UNLIMITED});
}

/* --- bodies ----------------------------------------------------------------------------------- */

static bk_test_res *post(const struct http_app *it, const char *target, size_t bytes)
{
    char *body = malloc(bytes + 1);

    memset(body, 'x', bytes);
    bk_test_res *res = bk_test_send(
        it->test,
        &(bk_test_req){.method = "POST", .target = target, .body = bk_str_at(body, bytes)});
    free(body);
    return res;
}

static void test_a_body_may_have_its_limit_and_no_more(void **state)
{
    struct http_app it = http_app_open(routes, &(bk_app_opts){.limits.body_bytes = 1000}, NULL);

    (void)state;
    assert_answer(post(&it, "/body", 0), 200, "0");
    assert_answer(post(&it, "/body", 1000), 200, "1000");
    bk_test_res *res = post(&it, "/body", 1001);
    assert_problem(res, 413, "Content Too Large");
    assert_field(res, "Connection", "close");
    http_app_close(&it);
}

static void test_a_route_has_its_own_limit(void **state)
{
    struct http_app it = http_app_open(routes, &(bk_app_opts){.limits.body_bytes = 1000}, NULL);

    (void)state;
    assert_answer(post(&it, "/small", 10), 200, "10");
    assert_problem(post(&it, "/small", 11), 413, "Content Too Large");
    assert_answer(post(&it, "/large", 5000), 200, "5000");
    assert_problem(post(&it, "/large", 5001), 413, "Content Too Large");
    assert_answer(post(&it, "/any", 100000), 200, "100000");
    http_app_close(&it);
}

/* Without a length the end is only seen when it is passed. */
static void test_a_body_of_unknown_length_is_limited_too(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);
    const char *const *chunked = FIELDS("transfer-encoding", "chunked");

    (void)state;
    assert_answer(http_send(&it, "POST", "/small", chunked, "0123456789"), 200, "10");
    assert_problem(http_send(&it, "POST", "/small", chunked, "0123456789a"), 413, "Too Large");
    http_app_close(&it);
}

static void test_the_default_limit_is_10_mib(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)state;
    assert_answer(post(&it, "/body", 10 * 1024 * 1024), 200, "10485760");
    assert_problem(post(&it, "/body", 10 * 1024 * 1024 + 1), 413, "Too Large");
    http_app_close(&it);
}

static void test_bodies_held_together_have_a_limit(void **state)
{
    struct http_app it =
        http_app_open(routes, &(bk_app_opts){.limits = {.bodies_bytes = 5000}}, &virtual_clock);
    char body[3000];
    bk_test_req req = {.method = "POST", .target = "/nap", .body = {body, sizeof body}};

    (void)state;
    memset(body, 'x', sizeof body);
    bk_test_res *first = bk_test_begin(it.test, &req);
    bk_test_settle(it.test);
    assert_int_equal(trace.bodies, 3000);
    bk_test_res *second = bk_test_send(it.test, &req);
    assert_problem(second, 503, "Service Unavailable");
    assert_field(second, "Retry-After", "1");
    assert_field(second, "Connection", "close");
    bk_test_advance(it.test, 1000);
    assert_answer(first, 200, "rested");
    assert_at_rest(&it);
    assert_answer(post(&it, "/body", 3000), 200, "3000"); /* there is room again */
    http_app_close(&it);
}

static void test_a_refused_request_with_a_huge_body_keeps_its_refusal(void **state)
{
    struct http_app it = http_app_open(routes, &(bk_app_opts){.limits.body_bytes = 10}, NULL);

    (void)state;
    bk_test_res *res = post(&it, "/nowhere", 1000);
    assert_problem(res, 404, "Not Found");
    assert_field(res, "Connection", "close");
    http_app_close(&it);
}

/* --- heads ------------------------------------------------------------------------------------ */

static void test_heads_have_limits(void **state)
{
    struct http_app it = http_app_open(
        routes,
        &(bk_app_opts){.limits = {.target_bytes = 100, .header_bytes = 300, .header_count = 4}},
        NULL);
    char target[102] = "/", value[301] = "";

    (void)state;
    memset(target + 1, 'a', 99);
    assert_problem(bk_test_get(it.test, target), 404, "Not Found");
    target[100] = 'a';
    assert_problem(bk_test_get(it.test, target), 414, "URI Too Long");
    memset(value, 'v', 250);
    assert_problem(http_get(&it, "/nowhere", "x", value), 404, "Not Found");
    memset(value, 'v', 300);
    assert_problem(http_get(&it, "/nowhere", "x", value), 431, "Too Large");
    assert_problem(http_get(&it, "/nowhere", "a", "", "b", "", "c", ""), 404, "Not Found");
    assert_problem(http_get(&it, "/nowhere", "a", "", "b", "", "c", "", "d", ""), 431, "Too Large");
    http_app_close(&it);
}

/* --- fibers ----------------------------------------------------------------------------------- */

static void test_without_a_free_fiber_the_answer_is_503(void **state)
{
    struct http_app it = http_app_open(routes, &(bk_app_opts){.limits.fibers = 2}, &virtual_clock);
    bk_test_res *naps[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        naps[i] = bk_test_begin(it.test, &(bk_test_req){.target = "/nap"});
    for (int i = 2; i < 4; i++) {
        assert_problem(naps[i], 503,
                       "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",");
        assert_field(naps[i], "Retry-After", "1");
        assert_field(naps[i], "Content-Length", "65");
    }
    bk_test_advance(it.test, 1000);
    assert_answer(naps[0], 200, "rested");
    assert_answer(naps[1], 200, "rested");
    assert_answer(post(&it, "/body", 1), 200, "1");
    http_app_close(&it);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void test_a_handler_that_is_late_is_504(void **state)
{
    struct http_app it =
        http_app_open(routes, &(bk_app_opts){.timeouts.handler_ms = 700}, &virtual_clock);
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/nap"});

    (void)state;
    bk_test_advance(it.test, 699);
    assert_false(bk_test_done(res));
    bk_test_advance(it.test, 1);
    assert_problem(res, 504, "Gateway Timeout");
    assert_int_equal(trace.slept, BK_ETIMEDOUT);
    assert_holds(bk_test_logs(it.test), "\"err\":\"timeout\"");
    http_app_close(&it);
}

static void test_a_route_has_its_own_deadline(void **state)
{
    struct http_app it =
        http_app_open(routes, &(bk_app_opts){.timeouts.handler_ms = 700}, &virtual_clock);
    bk_test_res *quick = bk_test_begin(it.test, &(bk_test_req){.target = "/quick"});
    bk_test_res *patient = bk_test_begin(it.test, &(bk_test_req){.target = "/patient"});

    (void)state;
    bk_test_advance(it.test, 500);
    assert_problem(quick, 504, "Gateway Timeout");
    bk_test_advance(it.test, 500);
    assert_answer(patient, 200, "rested");
    http_app_close(&it);
}

static void test_the_default_deadline_is_30_s(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);

    (void)state;
    assert_int_equal(it.app->server.timeouts.handler_ms, 30000);
    http_app_close(&it);
}

/* --- clients that go away --------------------------------------------------------------------- */

static void test_the_waits_of_one_that_is_gone_are_cancelled(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);
    char body[3000];
    bk_test_req req = {.method = "POST", .target = "/nap", .body = {body, sizeof body}};

    (void)state;
    memset(body, 'x', sizeof body);
    bk_test_res *res = bk_test_begin(it.test, &req);
    bk_test_settle(it.test);
    assert_int_equal(trace.bodies, 3000);
    bk_test_reset(it.test, res);
    bk_test_settle(it.test);
    assert_true(trace.finished && trace.gone && trace.freed);
    assert_int_equal(trace.slept, BK_ECANCELED);
    assert_at_rest(&it);
    assert_status(res, 0);
    assert_lacks(bk_test_logs(it.test), "request.failed"); /* nothing did */
    http_app_close(&it);
}

static void test_work_of_one_that_is_gone_is_kept_where_wanted(void **state)
{
    struct http_app it =
        http_app_open(routes, &(bk_app_opts){.keep_work_of_gone = true}, &virtual_clock);
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/nap"});

    (void)state;
    bk_test_settle(it.test);
    bk_test_reset(it.test, res);
    bk_test_settle(it.test);
    assert_false(trace.finished);
    bk_test_advance(it.test, 1000);
    assert_true(trace.finished && trace.gone && trace.freed);
    assert_int_equal(trace.slept, BK_OK);
    assert_at_rest(&it);
    assert_status(res, 0);
    http_app_close(&it);
}

static void test_one_that_goes_before_it_is_served_leaves_nothing(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);

    (void)state;
    for (int i = 0; i < 10; i++) {
        bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/nap"});
        bk_test_reset(it.test, res);
    }
    assert_at_rest(&it);
    http_app_close(&it);
}

static void test_the_address_of_one_that_is_gone_is_known(void **state)
{
    struct http_app it =
        http_app_open(routes, &(bk_app_opts){.keep_work_of_gone = true}, &virtual_clock);
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/nap", .client = "::5"});

    (void)state;
    bk_test_settle(it.test);
    const bk_req *req = bk__container_of(it.app->server.requests.anchor.next, bk_req, link);
    bk_test_reset(it.test, res);
    assert_text(bk_req_client((bk_req *)(uintptr_t)req), "::5");
    bk_test_advance(it.test, 1000);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_may_have_its_limit_and_no_more),
        cmocka_unit_test(test_a_route_has_its_own_limit),
        cmocka_unit_test(test_a_body_of_unknown_length_is_limited_too),
        cmocka_unit_test(test_the_default_limit_is_10_mib),
        cmocka_unit_test(test_bodies_held_together_have_a_limit),
        cmocka_unit_test(test_a_refused_request_with_a_huge_body_keeps_its_refusal),
        cmocka_unit_test(test_heads_have_limits),
        cmocka_unit_test(test_without_a_free_fiber_the_answer_is_503),
        cmocka_unit_test(test_a_handler_that_is_late_is_504),
        cmocka_unit_test(test_a_route_has_its_own_deadline),
        cmocka_unit_test(test_the_default_deadline_is_30_s),
        cmocka_unit_test(test_the_waits_of_one_that_is_gone_are_cancelled),
        cmocka_unit_test(test_work_of_one_that_is_gone_is_kept_where_wanted),
        cmocka_unit_test(test_one_that_goes_before_it_is_served_leaves_nothing),
        cmocka_unit_test(test_the_address_of_one_that_is_gone_is_known),
    };
    return cmocka_run_group_tests_name("handler", tests, NULL, NULL);
}
