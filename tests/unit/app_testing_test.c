/*
 * The test client itself: requests without a socket, the clock that obeys, captured logs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "harness/aborts.h"
#include "harness/stops.h"
#include "text.h"
#include "harness/http_app.h"

#include "core/fault.h"

static const bk_test_opts virtual_clock = {.virtual_clock = true};

/* Answers with what came: method, target, headers, body. */
static bk_err echo(bk_req *req, bk_res *res)
{
    bk_buf buf = {.arena = bk_req_arena(req)};
    bk_pairs headers = bk_req_headers(req);

    bk_buf_printf(&buf, "%s from %s\n", bk_method_name(bk_req_method(req)),
                  bk_arena_cstr(bk_req_arena(req), bk_req_client(req)));
    for (size_t i = 0; i < headers.count; i++) {
        bk_buf_add(&buf, headers.items[i].name);
        bk_buf_add(&buf, BK_LIT(": "));
        bk_buf_add(&buf, headers.items[i].value);
        bk_buf_add_char(&buf, '\n');
    }
    bk_buf_add(&buf, bk_req_body(req));
    bk_res_no_etag(res);
    return bk_res_text(res, 200, bk_buf_str(&buf));
}

static bk_err nap(bk_req *req, bk_res *res)
{
    int64_t ms;

    BK_TRY(bk_req_query_i64(req, "ms", 1000, 0, 1000000, &ms));
    BK_TRY(bk_sleep_ms((uint64_t)ms));
    bk_info("nap.over", bk_kv_i64("ms", ms), bk_kv_i64("now", bk_time_now()));
    return bk_res_text(res, 200, BK_LIT("rested"));
}

static bk_err two_cookies(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_cookie(res, "a", BK_LIT("1"), NULL));
    BK_TRY(bk_res_cookie(res, "b", BK_LIT("2"), NULL));
    return bk_res_empty(res);
}

/* Three pieces; between them nothing is waited for but the client. */
static bk_err pieces(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("one ")));
    BK_TRY(bk_res_write(res, BK_LIT("two ")));
    return bk_res_write(res, BK_LIT("three"));
}

static bk_err torn(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("begun")));
    return bk_fail(BK_EINTERNAL, "then it broke");
}

static void routes(bk_router *root)
{
    bk_get(root, "/", echo);
    bk_post(root, "/", echo);
    bk_get(root, "/nap", nap, &(bk_route_opts){.timeout_ms = BK_UNLIMITED});
    bk_get(root, "/cookies", two_cookies);
    bk_get(root, "/pieces", pieces);
    bk_get(root, "/torn", torn);
}

static void test_a_get_is_answered_without_a_socket(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);
    bk_test_res *res = bk_test_get(it.test, "/");

    (void)state;
    assert_answer(res, 200, "GET from 127.0.0.1\nhost: test\n");
    assert_field(res, "CONTENT-length", "30");
    assert_int_equal(bk_test_header(res, "Date").len, 29);
    assert_absent(bk_test_header(res, "Connection"));
    http_app_close(&it);
}

static void test_a_request_is_sent_as_it_is_given(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);
    const bk_pair headers[] = {{BK_LIT("X-One"), BK_LIT("1")},
                               {BK_LIT("HOST"), BK_LIT("shop.example")},
                               {{NULL, 0}, {NULL, 0}}};
    bk_test_res *res = bk_test_send(it.test, &(bk_test_req){.method = "POST",
                                                            .headers = headers,
                                                            .body = BK_LIT("abc"),
                                                            .client = "2001:db8::1"});

    (void)state;
    assert_answer(res, 200,
                  "POST from 2001:db8::1\nx-one: 1\nhost: shop.example\ncontent-length: 3\nabc");
    res = bk_test_post_json(it.test, "/", "{}");
    assert_answer(res, 200,
                  "POST from 127.0.0.1\nhost: test\ncontent-type: application/json\n"
                  "content-length: 2\n{}");
    http_app_close(&it);
}

static void test_the_parser_of_sockets_reads_it(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)state;
    assert_problem(bk_test_get(it.test, "/a b"), 400, "no HTTP version");
    assert_problem(http_get(&it, "/", "bad name", "x"), 400, "name is no token");
    assert_problem(http_get(&it, "/", "x", "a\nb"), 400, "a line ends with LF alone");
    assert_problem(http_get(&it, "/", "host", "a", "host", "b"), 400, "more than one Host");
    assert_problem(http_get(&it, "/", "transfer-encoding", "gzip"), 501, "Not Implemented");
    http_app_close(&it);
}

static void test_begin_does_not_wait(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);
    bk_test_res *first = bk_test_begin(it.test, &(bk_test_req){.target = "/nap?ms=20"});
    bk_test_res *second = bk_test_begin(it.test, &(bk_test_req){.target = "/nap?ms=10"});

    (void)state;
    bk_test_settle(it.test);
    assert_false(bk_test_done(first));
    assert_status(first, 0);
    assert_text(bk_test_body(first), "");
    assert_absent(bk_test_header(first, "Date"));
    bk_test_advance(it.test, 10);
    assert_false(bk_test_done(first));
    assert_answer(second, 200, "rested");
    bk_test_advance(it.test, 9);
    assert_false(bk_test_done(first));
    bk_test_advance(it.test, 1);
    assert_answer(first, 200, "rested");
    http_app_close(&it);
}

static void test_real_time_passes_by_itself(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)state;
    assert_answer(bk_test_get(it.test, "/nap?ms=20"), 200, "rested");
    http_app_close(&it);
}

static bk_err tick(void *data)
{
    uint64_t *sum = data;

    for (int i = 0; i < 5; i++) {
        BK_TRY(bk_sleep_ms(1000));
        *sum = *sum * 10 + bk_now_ms() / 1000 % 10;
    }
    return BK_OK;
}

static bk_err start_ticking(void *data)
{
    return bk_spawn("ticker", tick, data);
}

static void test_the_clock_stands_still_until_it_is_moved(void **state)
{
    struct http_app it = http_app_open(
        routes, NULL, &(bk_test_opts){.virtual_clock = true, .start_at = 1700000000000000});
    uint64_t sum = 0, start = bk_now_ms();

    (void)state;
    bk_test_settle(it.test);
    assert_int_equal(bk_time_now(), 1700000000000000);
    bk_test_advance(it.test, 1000 - start % 1000);
    start = bk_now_ms();
    assert_int_equal(start % 1000, 0);
    assert_int_equal(bk_test_run(it.test, start_ticking, &sum), BK_OK);
    bk_test_advance(it.test, 10000);
    assert_int_equal(bk_now_ms(), start + 10000);
    uint64_t want = 0; /* each tick saw its own second, not the end of the leap */
    for (uint64_t i = 1; i <= 5; i++)
        want = want * 10 + (start / 1000 + i) % 10;
    assert_int_equal(sum, want);
    http_app_close(&it);
}

static void test_log_lines_are_kept(void **state)
{
    struct http_app it = http_app_open(
        routes, NULL, &(bk_test_opts){.virtual_clock = true, .start_at = 1700000000000000});
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/nap?ms=5"});

    (void)state;
    assert_text(bk_test_logs(it.test), "");
    bk_test_advance(it.test, 5);
    assert_true(bk_test_done(res));
    bk_str logs = bk_test_logs(it.test);
    assert_holds(logs, "\"msg\":\"nap.over\"");
    assert_holds(logs, "\"time\":1700000000005");
    assert_holds(logs, "\"route\":\"/nap\"");
    assert_holds(logs, "\"now\":1700000000005000");
    assert_int_equal(logs.ptr[logs.len - 1], '\n');
    http_app_close(&it);
}

static void log_aloud(void)
{
    struct http_app it = http_app_open(routes, NULL, &(bk_test_opts){.show_logs = true});

    (void)!bk_test_get(it.test, "/nap?ms=0");
    exit(1);
}

static void test_log_lines_are_shown_when_asked_for(void **state)
{
    char words[2048];

    (void)state;
    assert_true(stops(log_aloud, words, sizeof words));
    assert_non_null(strstr(words, "\"msg\":\"nap.over\""));
}

static bk_err give_back(void *data)
{
    (void)bk_yield();
    return *(bk_err *)data;
}

static void test_a_function_runs_as_a_fiber(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);
    bk_err want = BK_ECONFLICT;

    (void)state;
    assert_int_equal(bk_test_run(it.test, give_back, &want), BK_ECONFLICT);
    http_app_close(&it);
}

static void test_headers_of_one_name_are_joined(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);
    bk_str cookies = bk_test_header(bk_test_get(it.test, "/cookies"), "set-cookie");

    (void)state;
    assert_holds(cookies, "a=1; ");
    assert_holds(cookies, ", b=2; ");
    http_app_close(&it);
}

static void test_a_stalled_client_takes_nothing_until_it_goes_on(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/pieces"});

    (void)state;
    bk_test_stall(it.test, res); /* the first piece is on its way already */
    bk_test_settle(it.test);
    assert_status(res, 200);
    assert_text(bk_test_body(res), "one ");
    assert_false(bk_test_done(res));
    bk_test_resume(it.test, res);
    bk_test_settle(it.test);
    assert_answer(res, 200, "one two three");
    http_app_close(&it);
}

static void test_a_stalled_client_is_cut_off_in_time(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/pieces"});

    (void)state;
    bk_test_stall(it.test, res);
    bk_test_advance(it.test, 30000);
    assert_at_rest(&it);
    bk_test_finish(it.test, res);
    assert_false(bk_test_done(res));
    assert_text(bk_test_body(res), "one ");
    http_app_close(&it);
}

static void test_a_broken_answer_is_never_done(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);
    bk_test_res *res = bk_test_get(it.test, "/torn");

    (void)state;
    assert_status(res, 200);
    assert_text(bk_test_body(res), "begun");
    assert_false(bk_test_done(res));
    http_app_close(&it);
}

static void test_a_reset_request_is_over(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/nap"});

    (void)state;
    bk_test_reset(it.test, res);
    bk_test_finish(it.test, res);
    assert_false(bk_test_done(res));
    assert_status(res, 0);
    bk_test_reset(it.test, res);
    assert_at_rest(&it);
    http_app_close(&it);
}

/* --- start and end ---------------------------------------------------------------------------- */

struct life {
    char log[128];
};

static void note(struct life *life, const char *what)
{
    strncat(life->log, what, sizeof life->log - strlen(life->log) - 1);
}

static bk_err start_worker(bk_app *app, void *data, void **state)
{
    assert_ptr_equal(data, bk_app_data(app));
    note(data, "start ");
    BK_TRY(bk_yield());
    *state = data;
    return BK_OK;
}

static void stop_worker(bk_app *app, void *state)
{
    assert_ptr_equal(state, bk_app_data(app));
    note(state, "stop ");
}

static bk_err use_worker(bk_req *req, bk_res *res)
{
    struct life *life = bk_req_state(req);

    note(life, "request ");
    (void)bk_sleep_ms(60000);
    note(life, "end ");
    return bk_res_empty(res);
}

static bk_err use_worker_behind(void *data)
{
    (void)bk_sleep_ms(60000);
    note(data, "fiber ");
    return BK_OK;
}

static bk_err spawn_it(void *data)
{
    return bk_spawn("background", use_worker_behind, data);
}

static void one_route(bk_router *root)
{
    bk_get(root, "/", use_worker);
}

static void test_the_worker_outlives_its_requests_and_fibers(void **state)
{
    struct life life = {""};
    bk_app_opts opts = {
        .on_worker_start = start_worker, .on_worker_stop = stop_worker, .data = &life};
    struct http_app it = http_app_open(one_route, &opts, &virtual_clock);
    uint64_t start = bk_now_ns();

    (void)state;
    assert_int_equal(bk_test_run(it.test, spawn_it, &life), BK_OK);
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/"});
    bk_test_settle(it.test);
    assert_false(bk_test_done(res));
    bk_test_free(it.test);
    bk_app_free(it.app);
    assert_string_equal(life.log, "start request fiber end stop ");
    assert_true(bk_now_ns() - start < 5000000000u);
}

static void test_an_app_can_be_tested_again(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)state;
    bk_test_free(it.test);
    bk_test_free(NULL);
    it.test = bk_test_new(it.app, &virtual_clock);
    bk_test_advance(it.test, 3600000); /* the end must not wait for real time to come this far */
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/pieces"});
    bk_test_stall(it.test, res);
    bk_test_settle(it.test);
    bk_test_free(it.test);
    bk_app_free(it.app);
}

static bk_err fail_to_start(bk_app *app, void *data, void **state)
{
    (void)app, (void)data, (void)state;
    return bk_fail(BK_EUPSTREAM, "the database is away");
}

static void start_in_vain(void)
{
    bk_app_opts opts = {.on_worker_start = fail_to_start};

    (void)http_app_open(routes, &opts, NULL);
}

static void test_a_worker_that_does_not_start_stops_the_program(void **state)
{
    char words[2048];

    (void)state;
    assert_true(stops(start_in_vain, words, sizeof words));
    assert_non_null(strstr(words, "the app did not start: "));
    assert_non_null(strstr(words, "the database is away"));
}

#ifdef BK_FAULT_INJECTION

static void wait_in_vain(void)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);

    bk__fault_arm("testing.patience", 1, UINT32_MAX);
    (void)!bk_test_get(it.test, "/nap?ms=1");
}

static void test_waiting_for_virtual_time_stops_the_program(void **state)
{
    char words[2048];

    (void)state;
    assert_true(stops(wait_in_vain, words, sizeof words));
    assert_non_null(strstr(words, "GET /nap?ms=1: "));
    assert_non_null(strstr(words, "fibers that wait: /nap"));
    assert_non_null(strstr(words, "bk_test_advance()"));
}

#endif

static bk_err settle_within(void *data)
{
    bk_test_settle(data);
    return BK_OK;
}

static void test_itself_from_within(void)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)bk_test_run(it.test, settle_within, it.test);
}

static void test_a_test_is_not_run_from_within_the_app(void **state)
{
    (void)state;
    assert_true(aborts(test_itself_from_within));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_get_is_answered_without_a_socket),
        cmocka_unit_test(test_a_request_is_sent_as_it_is_given),
        cmocka_unit_test(test_the_parser_of_sockets_reads_it),
        cmocka_unit_test(test_begin_does_not_wait),
        cmocka_unit_test(test_real_time_passes_by_itself),
        cmocka_unit_test(test_the_clock_stands_still_until_it_is_moved),
        cmocka_unit_test(test_log_lines_are_kept),
        cmocka_unit_test(test_log_lines_are_shown_when_asked_for),
        cmocka_unit_test(test_a_function_runs_as_a_fiber),
        cmocka_unit_test(test_headers_of_one_name_are_joined),
        cmocka_unit_test(test_a_stalled_client_takes_nothing_until_it_goes_on),
        cmocka_unit_test(test_a_stalled_client_is_cut_off_in_time),
        cmocka_unit_test(test_a_broken_answer_is_never_done),
        cmocka_unit_test(test_a_reset_request_is_over),
        cmocka_unit_test(test_the_worker_outlives_its_requests_and_fibers),
        cmocka_unit_test(test_an_app_can_be_tested_again),
        cmocka_unit_test(test_a_worker_that_does_not_start_stops_the_program),
#ifdef BK_FAULT_INJECTION
        cmocka_unit_test(test_waiting_for_virtual_time_stops_the_program),
#endif
        cmocka_unit_test(test_a_test_is_not_run_from_within_the_app),
    };
    return cmocka_run_group_tests_name("testing", tests, NULL, NULL);
}
