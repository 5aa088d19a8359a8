/*
 * Errors as answers (RFC 9457): what a client is told, what only the log is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "text.h"
#include "harness/http_app.h"

static bk_err conflict(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_context(bk_fail(BK_ECONFLICT, "only \"%d\" left", 3), "while reserving");
}

static bk_err broken(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_context(bk_fail(BK_EUPSTREAM, "password of db1 is wrong"), "while loading");
}

/* An error that nobody has put into words. */
static bk_err bare(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return BK_EGONE;
}

/* What was recorded is not what is returned. */
static bk_err other(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    (void)bk_fail(BK_EIO, "the disk is full");
    return BK_ENOTFOUND;
}

static bk_err fields(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    (void)bk_fail_field(BK_EINVAL, BK_LIT("/items/0/qty"), BK_LIT("minimum"),
                        BK_LIT("must be 1 or more"));
    return bk_fail_field(BK_EINVAL, BK_LIT("/name"), BK_LIT("required"), BK_LIT("is missing"));
}

static bk_err unique(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail_field(BK_ECONFLICT, BK_LIT("/email"), BK_LIT("unique"), BK_LIT("is taken"));
}

static bk_err invalid(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EINVAL, "this is not how it goes");
}

static bk_err half_done(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_etag(res, BK_LIT("\"v1\"")));
    BK_TRY(bk_res_header(res, "Cache-Control", BK_LIT("public, max-age=3600")));
    BK_TRY(bk_res_header(res, "X-Kept", BK_LIT("yes")));
    BK_TRY(bk_res_text(res, 200, BK_LIT("a body that must not be seen")));
    return bk_fail(BK_EINTERNAL, "and then this");
}

static bk_err late(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_header(res, "Retry-After", BK_LIT("120")));
    return bk_fail(BK_ELIMITED, "slow down");
}

static bk_err busy(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EUNAVAILABLE, "the pool is full");
}

static bk_err tell_id(bk_req *req, bk_res *res)
{
    BK_TRY(bk_res_header(res, "X-Request-Id", bk_req_id(req)));
    bk_info("id.told");
    return bk_fail(BK_EINTERNAL, "so that it is in the log too");
}

static bk_err log_first(bk_req *req, bk_res *res)
{
    bk_info("log.first");
    return bk_res_text(res, 200, bk_req_id(req));
}

static void routes(bk_router *root)
{
    bk_get(root, "/conflict", conflict);
    bk_get(root, "/broken", broken);
    bk_get(root, "/bare", bare);
    bk_get(root, "/other", other);
    bk_get(root, "/fields", fields);
    bk_get(root, "/unique", unique);
    bk_get(root, "/invalid", invalid);
    bk_get(root, "/half-done", half_done);
    bk_get(root, "/late", late);
    bk_get(root, "/busy", busy);
    bk_get(root, "/tell-id", tell_id);
    bk_get(root, "/log-first", log_first);
}

static int open_app(void **state)
{
    static struct http_app it;

    it = http_app_open(routes, NULL, NULL);
    *state = &it;
    return 0;
}

static int close_app(void **state)
{
    http_app_close(*state);
    return 0;
}

static void test_a_4xx_says_what_was_wrong(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/conflict");

    assert_problem(res, 409,
                   "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,"
                   "\"detail\":\"only \\\"3\\\" left\",\"instance\":\"urn:uuid:");
    assert_lacks(bk_test_body(res), "reserving"); /* what was being done is not for clients */
    assert_lacks(bk_test_logs(it->test), "request.failed");
}

static void test_a_5xx_says_nothing_and_the_log_all(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/broken");
    bk_str logs = bk_test_logs(it->test);

    assert_problem(res, 502, "\"title\":\"Bad Gateway\",\"status\":502,\"instance\":\"urn:uuid:");
    assert_lacks(bk_test_body(res), "detail");
    assert_lacks(bk_test_body(res), "password");
    assert_holds(logs, "\"level\":50");
    assert_holds(logs, "\"msg\":\"request.failed\"");
    assert_holds(logs, "\"route\":\"/broken\"");
    assert_holds(logs, "while loading (");
    assert_holds(logs, "password of db1 is wrong (");
    assert_holds(logs, "http_problem_test.c:");
}

static void test_the_instance_is_the_request_id_of_the_log(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/tell-id");
    bk_str id = bk_test_header(res, "X-Request-Id");
    char text[128];

    assert_int_equal(id.len, 36);
    snprintf(text, sizeof text, "\"instance\":\"urn:uuid:%.*s\"", (int)id.len, id.ptr);
    assert_problem(res, 500, text);
    snprintf(text, sizeof text, "\"msg\":\"id.told\",\"reqId\":\"%.*s\"", (int)id.len, id.ptr);
    assert_holds(bk_test_logs(it->test), text);
    snprintf(text, sizeof text, "\"msg\":\"request.failed\",\"reqId\":\"%.*s\"", (int)id.len,
             id.ptr);
    assert_holds(bk_test_logs(it->test), text);
}

static void test_each_log_line_of_a_request_has_its_id(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/log-first");
    bk_str id = bk_test_body(res);
    char text[128];

    snprintf(text, sizeof text, "\"msg\":\"log.first\",\"reqId\":\"%.*s\"", (int)id.len, id.ptr);
    assert_holds(bk_test_logs(it->test), text);
}

static void test_without_words_there_is_no_detail(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/bare");

    assert_problem(res, 410, "\"title\":\"Gone\"");
    assert_lacks(bk_test_body(res), "detail");
    res = bk_test_get(it->test, "/other");
    assert_problem(res, 404, "\"title\":\"Not Found\"");
    assert_lacks(bk_test_body(res), "disk");
}

static void test_all_field_errors_are_listed(void **state)
{
    struct http_app *it = *state;

    assert_problem(bk_test_get(it->test, "/fields"), 400,
                   "\"errors\":[{\"pointer\":\"/items/0/qty\",\"code\":\"minimum\","
                   "\"detail\":\"must be 1 or more\"},{\"pointer\":\"/name\","
                   "\"code\":\"required\",\"detail\":\"is missing\"}]}");
    assert_problem(bk_test_get(it->test, "/unique"), 409, "\"errors\":[{\"pointer\":\"/email\"");
}

static void test_field_errors_are_422_where_wanted(void **state)
{
    struct http_app it = http_app_open(routes, &(bk_app_opts){.invalid_status = 422}, NULL);

    (void)state;
    assert_problem(bk_test_get(it.test, "/fields"), 422,
                   "\"title\":\"Unprocessable Content\",\"status\":422");
    assert_problem(bk_test_get(it.test, "/invalid"), 400, "this is not how it goes");
    assert_problem(bk_test_get(it.test, "/unique"), 409, "is taken");
    http_app_close(&it);
}

static void test_what_was_to_be_the_answer_is_forgotten(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/half-done");

    assert_problem(res, 500, "Internal Server Error");
    assert_lacks(bk_test_body(res), "must not be seen");
    assert_field(res, "ETag", NULL);
    assert_field(res, "Cache-Control", NULL);
    assert_field(res, "X-Kept", "yes");
}

static void test_the_client_is_told_when_to_come_back(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/late");

    assert_problem(res, 429, "slow down");
    assert_field(res, "Retry-After", "120");
    res = bk_test_get(it->test, "/busy");
    assert_problem(res, 503, "Service Unavailable");
    assert_field(res, "Retry-After", "1");
}

#define with_app(test) cmocka_unit_test_setup_teardown(test, open_app, close_app)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_app(test_a_4xx_says_what_was_wrong),
        with_app(test_a_5xx_says_nothing_and_the_log_all),
        with_app(test_the_instance_is_the_request_id_of_the_log),
        with_app(test_each_log_line_of_a_request_has_its_id),
        with_app(test_without_words_there_is_no_detail),
        with_app(test_all_field_errors_are_listed),
        cmocka_unit_test(test_field_errors_are_422_where_wanted),
        with_app(test_what_was_to_be_the_answer_is_forgotten),
        with_app(test_the_client_is_told_when_to_come_back),
    };
    return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
