/*
 * Requests are counted as they were answered.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "text.h"
#include "harness/http_app.h"

static bk_err item(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("12345"));
}

static bk_err fails(bk_req *req, bk_res *res)
{
    (void)req;
    (void)res;
    return bk_fail(BK_ECONFLICT, "no");
}

static bk_err stream(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("1234567")));
    return bk_res_write(res, BK_LIT("890"));
}

static bk_err slow(bk_req *req, bk_res *res)
{
    BK_TRY(bk_sleep_ms(60000));
    return item(req, res);
}

static struct http_app open_app(void)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    bk_get(root, "/items/{id}", item);
    bk_post(root, "/items/{id}", item);
    bk_get(root, "/fails", fails);
    bk_get(root, "/stream", stream);
    bk_get(root, "/slow", slow);
    bk_metrics_serve(it.app, NULL, NULL);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static bk_str metrics(const struct http_app *it)
{
    return bk_test_body(bk_test_get(it->test, "/metrics"));
}

#define COUNT "http_server_request_duration_seconds_count"

static void test_by_route_method_and_status(void **state)
{
    struct http_app it = open_app();

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_status(bk_test_get(it.test, i == 1 ? "/items/2" : "/items/1"), 200);
    assert_status(http_send(&it, "HEAD", "/items/1", NULL, NULL), 200);
    assert_status(http_send(&it, "POST", "/items/9", NULL, "body of 16 bytes"), 200);
    assert_status(bk_test_get(it.test, "/fails"), 409);
    bk_str etag = bk_test_header(bk_test_get(it.test, "/items/1"), "ETag");
    char tag[64];
    snprintf(tag, sizeof tag, "%.*s", BK_PRI(etag));
    assert_status(http_get(&it, "/items/1", "if-none-match", tag), 304);
    bk_str body = metrics(&it);
    assert_holds(body, COUNT "{http_request_method=\"GET\",http_route=\"/items/{id}\","
                             "http_response_status_code=\"200\"} 4\n");
    assert_holds(body, COUNT "{http_request_method=\"GET\",http_route=\"/items/{id}\","
                             "http_response_status_code=\"304\"} 1\n");
    assert_holds(body, COUNT "{http_request_method=\"HEAD\",http_route=\"/items/{id}\","
                             "http_response_status_code=\"200\"} 1\n");
    assert_holds(body, COUNT "{http_request_method=\"GET\",http_route=\"/fails\","
                             "http_response_status_code=\"409\"} 1\n");
    assert_holds(body, "http_server_response_body_bytes_total{http_request_method=\"GET\","
                       "http_route=\"/items/{id}\"} 20\n");
    assert_holds(body, "http_server_response_body_bytes_total{http_request_method=\"HEAD\","
                       "http_route=\"/items/{id}\"} 0\n");
    assert_holds(body, "http_server_request_body_bytes_total{http_request_method=\"POST\","
                       "http_route=\"/items/{id}\"} 16\n");
    http_app_close(&it);
}

static void test_what_has_no_route_has_none(void **state)
{
    struct http_app it = open_app();

    (void)state;
    assert_status(bk_test_get(it.test, "/nowhere"), 404);
    assert_status(bk_test_get(it.test, "/else"), 404);
    assert_status(http_send(&it, "BREW", "/items/1", NULL, NULL), 501);
    assert_status(http_send(&it, "DELETE", "/items/1", NULL, NULL), 405);
    bk_str body = metrics(&it);
    assert_holds(body, COUNT "{http_request_method=\"GET\",http_route=\"\","
                             "http_response_status_code=\"404\"} 2\n");
    assert_holds(body, COUNT "{http_request_method=\"_OTHER\",http_route=\"\","
                             "http_response_status_code=\"501\"} 1\n");
    assert_holds(body, COUNT "{http_request_method=\"DELETE\",http_route=\"\","
                             "http_response_status_code=\"405\"} 1\n");
    assert_lacks(body, "nowhere");
    assert_lacks(body, "BREW");
    http_app_close(&it);
}

static void test_streams_count_what_they_sent(void **state)
{
    struct http_app it = open_app();

    (void)state;
    assert_status(bk_test_get(it.test, "/stream"), 200);
    assert_holds(metrics(&it), "http_server_response_body_bytes_total{http_request_method=\"GET\","
                               "http_route=\"/stream\"} 10\n");
    http_app_close(&it);
}

static void test_requests_at_work_are_seen(void **state)
{
    struct http_app it = open_app();

    (void)state;
    bk_test_res *waits = bk_test_begin(it.test, &(bk_test_req){.target = "/slow"});
    bk_test_settle(it.test);
    bk_str body = metrics(&it);
    assert_holds(body, "http_server_active_requests 2\n"); /* with the one that asks */
    assert_lacks(body, "http_route=\"/slow\"");
    bk_test_reset(it.test, waits);
    bk_test_settle(it.test);
    body = metrics(&it);
    assert_holds(body, "http_server_active_requests 1\n");
    assert_holds(body, "http_route=\"/slow\"");
    http_app_close(&it);
}

static void test_an_app_that_runs_again_counts_on(void **state)
{
    struct http_app it = open_app();

    (void)state;
    assert_status(bk_test_get(it.test, "/items/1"), 200);
    bk_test_free(it.test);
    it.test = bk_test_new(it.app, NULL);
    assert_status(bk_test_get(it.test, "/items/1"), 200);
    assert_holds(metrics(&it), COUNT "{http_request_method=\"GET\",http_route=\"/items/{id}\","
                                     "http_response_status_code=\"200\"} 2\n");
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_route_method_and_status),
        cmocka_unit_test(test_what_has_no_route_has_none),
        cmocka_unit_test(test_streams_count_what_they_sent),
        cmocka_unit_test(test_requests_at_work_are_seen),
        cmocka_unit_test(test_an_app_that_runs_again_counts_on),
    };
    return cmocka_run_group_tests_name("http_meter", tests, NULL, NULL);
}
