/*
 * Streamed bodies: pieces, back-pressure, and streams that break off.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/aborts.h"
#include "text.h"
#include "harness/http_app.h"

static const bk_test_opts virtual_clock = {.virtual_clock = true};

/* What the streaming handler has seen. */
struct seen {
    int written; /* pieces that were taken */
    bk_err err;  /* of the last write */
};

static bk_err count_pieces(bk_req *req, bk_res *res, uint64_t length, uint64_t pause_ms)
{
    struct seen *seen = bk_req_route_data(req);

    BK_TRY(bk_res_stream(res, 200, "text/plain", length));
    assert_false(bk_res_started(res));
    for (int i = 0; i < 5; i++) {
        char piece[] = {(char)('0' + i), ' '};
        seen->err = bk_res_write(res, bk_str_at(piece, sizeof piece));
        memset(piece, 'x', sizeof piece); /* borrowed for the call only */
        BK_TRY(seen->err);
        assert_true(bk_res_started(res));
        seen->written++;
        if (pause_ms != 0)
            BK_TRY(bk_sleep_ms(pause_ms));
    }
    return BK_OK;
}

static bk_err pieces(bk_req *req, bk_res *res)
{
    return count_pieces(req, res, BK_LENGTH_UNKNOWN, 0);
}

static bk_err slow_pieces(bk_req *req, bk_res *res)
{
    return count_pieces(req, res, BK_LENGTH_UNKNOWN, 100);
}

static bk_err known_length(bk_req *req, bk_res *res)
{
    return count_pieces(req, res, 10, 0);
}

static bk_err short_of_length(bk_req *req, bk_res *res)
{
    return count_pieces(req, res, 11, 0);
}

static bk_err beyond_length(bk_req *req, bk_res *res)
{
    return count_pieces(req, res, 9, 0);
}

static bk_err no_piece(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN);
}

static bk_err empty_pieces(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("")));
    BK_TRY(bk_res_write(res, BK_LIT("a")));
    return bk_res_write(res, BK_LIT(""));
}

static bk_err broken(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("begun")));
    return bk_fail(BK_EUPSTREAM, "the source dried up");
}

static bk_err broken_before(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    return bk_fail(BK_ENOTFOUND, "nothing to stream");
}

/* Goes on writing whatever happens. */
static bk_err stubborn(bk_req *req, bk_res *res)
{
    struct seen *seen = bk_req_route_data(req);

    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    for (int i = 0; i < 10; i++)
        seen->err = bk_res_write(res, BK_LIT("more "));
    return BK_OK;
}

static bk_err bad_type(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_stream(res, 200, "a\r\nb: c", BK_LENGTH_UNKNOWN);
}

static bk_err second_thoughts(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("a")));
    return bk_res_text(res, 404, BK_LIT("b"));
}

static bk_err with_headers(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_etag(res, BK_LIT("\"s\"")));
    BK_TRY(bk_res_header(res, "X-A", BK_LIT("1")));
    BK_TRY(bk_res_stream(res, 203, "text/csv", 3));
    return bk_res_write(res, BK_LIT("a,b"));
}

static struct seen seen; /* of the one stream of each test */

static void routes(bk_router *root)
{
    bk_route_opts opts = {.data = &seen};

    seen = (struct seen){0, BK_OK};
    bk_get(root, "/pieces", pieces, &opts);
    bk_get(root, "/slow-pieces", slow_pieces, &opts);
    bk_get(root, "/late", slow_pieces, &(bk_route_opts){.data = &seen, .timeout_ms = 250});
    bk_get(root, "/known-length", known_length, &opts);
    bk_get(root, "/short", short_of_length, &opts);
    bk_get(root, "/beyond", beyond_length, &opts);
    bk_get(root, "/no-piece", no_piece);
    bk_get(root, "/empty-pieces", empty_pieces);
    bk_get(root, "/broken", broken);
    bk_get(root, "/broken-before", broken_before);
    bk_get(root, "/stubborn", stubborn, &opts);
    bk_get(root, "/bad-type", bad_type);
    bk_get(root, "/second-thoughts", second_thoughts);
    bk_get(root, "/with-headers", with_headers);
}

static int open_app(void **state)
{
    static struct http_app it;

    it = http_app_open(routes, &(bk_app_opts){.timeouts.write_ms = 5000}, &virtual_clock);
    *state = &it;
    return 0;
}

static int close_app(void **state)
{
    http_app_close(*state);
    return 0;
}

static bk_test_res *begin(const struct http_app *it, const char *target)
{
    bk_test_res *res = bk_test_begin(it->test, &(bk_test_req){.target = target});

    bk_test_settle(it->test);
    return res;
}

static void test_pieces_arrive_in_order(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/pieces");

    assert_answer(res, 200, "0 1 2 3 4 ");
    assert_field(res, "Content-Type", "text/plain");
    assert_field(res, "Content-Length", NULL);
    assert_field(res, "ETag", NULL);
}

static void test_each_piece_leaves_at_once(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = begin(it, "/slow-pieces");

    assert_status(res, 200);
    assert_text(bk_test_body(res), "0 ");
    bk_test_advance(it->test, 100);
    assert_text(bk_test_body(res), "0 1 ");
    assert_false(bk_test_done(res));
    bk_test_advance(it->test, 400);
    assert_answer(res, 200, "0 1 2 3 4 ");
}

static void test_a_known_length_is_told(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/known-length");

    assert_answer(res, 200, "0 1 2 3 4 ");
    assert_field(res, "Content-Length", "10");
    res = bk_test_get(it->test, "/with-headers");
    assert_answer(res, 203, "a,b");
    assert_field(res, "ETag", "\"s\"");
    assert_field(res, "X-A", "1");
}

static void test_less_than_the_length_is_a_broken_answer(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = begin(it, "/short");

    bk_test_finish(it->test, res);
    assert_false(bk_test_done(res));
    assert_text(bk_test_body(res), "0 1 2 3 4 ");
    assert_holds(bk_test_logs(it->test), "\"msg\":\"stream.too_short\"");
}

static void write_beyond_the_length(void)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)!bk_test_get(it.test, "/beyond");
}

static void change_an_answer_that_has_begun(void)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)!bk_test_get(it.test, "/second-thoughts");
}

static void test_misuse_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(write_beyond_the_length));
    assert_true(aborts(change_an_answer_that_has_begun));
}

static void test_a_stream_may_be_empty(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/no-piece"), 200, "");
    assert_answer(bk_test_get(it->test, "/empty-pieces"), 200, "a");
}

static void test_head_runs_the_handler_and_sends_nothing(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = http_send(it, "HEAD", "/known-length", NULL, NULL);

    assert_answer(res, 200, "");
    assert_field(res, "Content-Length", "10");
    assert_int_equal(seen.written, 5);
    assert_answer(http_send(it, "HEAD", "/pieces", NULL, NULL), 200, "");
    assert_answer(http_send(it, "HEAD", "/no-piece", NULL, NULL), 200, "");
}

static void test_a_write_waits_for_the_client(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = begin(it, "/slow-pieces");

    bk_test_stall(it->test, res);
    bk_test_advance(it->test, 1000);
    assert_int_equal(seen.written, 1);
    assert_text(bk_test_body(res), "0 ");
    bk_test_resume(it->test, res);
    bk_test_settle(it->test);
    assert_int_equal(seen.written, 2);
    assert_text(bk_test_body(res), "0 1 ");
    bk_test_advance(it->test, 1000);
    assert_answer(res, 200, "0 1 2 3 4 ");
}

static void test_a_client_that_takes_nothing_is_cut_off(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = begin(it, "/slow-pieces");

    bk_test_stall(it->test, res);
    bk_test_advance(it->test, 5099);
    assert_int_equal(seen.err, BK_OK);
    assert_int_equal(it->app->server.request_count, 1);
    bk_test_advance(it->test, 1);
    assert_int_equal(seen.err, BK_ECLOSED);
    assert_at_rest(it);
    assert_false(bk_test_done(res));
}

static void test_an_error_breaks_the_stream_off_and_is_logged(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = begin(it, "/broken");

    bk_test_finish(it->test, res);
    assert_false(bk_test_done(res));
    assert_status(res, 200);
    assert_text(bk_test_body(res), "begun");
    assert_holds(bk_test_logs(it->test), "the source dried up");
    assert_at_rest(it);
}

static void test_an_error_before_the_first_piece_is_an_answer(void **state)
{
    struct http_app *it = *state;

    assert_problem(bk_test_get(it->test, "/broken-before"), 404, "nothing to stream");
    assert_problem(bk_test_get(it->test, "/bad-type"), 400, "Bad Request");
}

static void test_a_deadline_breaks_the_stream_off(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = begin(it, "/late");

    bk_test_advance(it->test, 1000);
    bk_test_finish(it->test, res);
    assert_false(bk_test_done(res));
    assert_text(bk_test_body(res), "0 1 2 ");
    assert_holds(bk_test_logs(it->test), "\"err\":\"timeout\"");
}

static void test_a_deadline_ends_a_write_that_waits(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_begin(it->test, &(bk_test_req){.target = "/late"});

    bk_test_stall(it->test, res);
    bk_test_advance(it->test, 250);
    assert_int_equal(seen.err, BK_ETIMEDOUT);
    assert_at_rest(it);
    assert_false(bk_test_done(res));
}

static void test_writing_to_one_that_is_gone_is_an_error(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_begin(it->test, &(bk_test_req){.target = "/stubborn"});

    bk_test_stall(it->test, res);
    bk_test_settle(it->test);
    bk_test_reset(it->test, res);
    assert_at_rest(it);
    assert_int_equal(seen.err, BK_ECLOSED);
    assert_lacks(bk_test_logs(it->test), "request.failed");
}

#define with_app(test) cmocka_unit_test_setup_teardown(test, open_app, close_app)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_app(test_pieces_arrive_in_order),
        with_app(test_each_piece_leaves_at_once),
        with_app(test_a_known_length_is_told),
        with_app(test_less_than_the_length_is_a_broken_answer),
        cmocka_unit_test(test_misuse_stops_the_program),
        with_app(test_a_stream_may_be_empty),
        with_app(test_head_runs_the_handler_and_sends_nothing),
        with_app(test_a_write_waits_for_the_client),
        with_app(test_a_client_that_takes_nothing_is_cut_off),
        with_app(test_an_error_breaks_the_stream_off_and_is_logged),
        with_app(test_an_error_before_the_first_piece_is_an_answer),
        with_app(test_a_deadline_breaks_the_stream_off),
        with_app(test_a_deadline_ends_a_write_that_waits),
        with_app(test_writing_to_one_that_is_gone_is_an_error),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
