/*
 * The access log: what a line says, when it is written, and what it never says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <cjson/cJSON.h>

#include <backend/middleware/access_log.h>

#include "text.h"
#include "harness/http_app.h"

static bk_err show(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("hello"));
}

static bk_err failing(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EINTERNAL, "broken");
}

static bk_err missing(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_ENOTFOUND, "no such thing");
}

static bk_err stream(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 201, "text/plain", BK_LENGTH_UNKNOWN));
    for (int i = 0; i < 3; i++)
        BK_TRY(bk_res_write(res, BK_LIT("piece")));
    return BK_OK;
}

static bk_err sleeper(bk_req *req, bk_res *res)
{
    BK_TRY(bk_sleep_ms(1000));
    return show(req, res);
}

static struct http_app open_with(const bk_mw_access_log_opts *opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    bk_use(root, bk_mw_request_id(it.app, NULL));
    bk_use(root, bk_mw_trace(it.app, NULL));
    bk_use(root, bk_mw_access_log(it.app, opts));
    bk_get(root, "/users/{id}", show);
    bk_get(root, "/fail", failing);
    bk_get(root, "/missing", missing);
    bk_get(root, "/stream", stream);
    bk_get(root, "/sleep", sleeper);
    bk_get(root, "/livez", show);
    bk_get(root, "/readyz", failing);
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = true});
    return it;
}

/* How many lines of the access log there are. */
static int count_lines(const struct http_app *it)
{
    bk_str line, logs = bk_test_logs(it->test);
    int count = 0;

    while (bk_str_split(&logs, '\n', &line))
        count += memmem(line.ptr, line.len, "\"responseTime\"", 14) != NULL;
    return count;
}

/* The last line. Free it by cJSON_Delete(). */
static cJSON *last_line(const struct http_app *it)
{
    bk_str logs = bk_test_logs(it->test);

    assert_true(logs.len > 0 && logs.ptr[logs.len - 1] == '\n');
    logs.len--;
    const char *before = memrchr(logs.ptr, '\n', logs.len);
    const char *begin = before != NULL ? before + 1 : logs.ptr;
    cJSON *json = cJSON_ParseWithLength(begin, logs.len - (size_t)(begin - logs.ptr));
    assert_non_null(json);
    return json;
}

static const cJSON *at(const cJSON *json, const char *object, const char *name)
{
    return cJSON_GetObjectItem(object != NULL ? cJSON_GetObjectItem(json, object) : json, name);
}

static const char *text_at(const cJSON *json, const char *object, const char *name)
{
    const char *text = cJSON_GetStringValue(at(json, object, name));

    return text != NULL ? text : "(none)";
}

static int int_at(const cJSON *json, const char *object, const char *name)
{
    const cJSON *item = at(json, object, name);

    assert_true(cJSON_IsNumber(item));
    return item->valueint;
}

static void test_a_line_has_the_shape_of_pino_http(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);

    bk_test_res *res = bk_test_get(it.test, "/users/7?full=1");
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 1);
    cJSON *json = last_line(&it);
    assert_int_equal(int_at(json, NULL, "level"), 30);
    assert_string_equal(text_at(json, NULL, "msg"), "request.completed");
    assert_int_equal(strlen(text_at(json, NULL, "trace_id")), 32);
    assert_text(bk_test_header(res, "X-Request-Id"), text_at(json, NULL, "reqId"));
    assert_string_equal(text_at(json, "req", "id"), text_at(json, NULL, "reqId"));
    assert_string_equal(text_at(json, "req", "method"), "GET");
    assert_string_equal(text_at(json, "req", "url"), "/users/7?full=1");
    assert_string_equal(text_at(json, "req", "route"), "/users/{id}");
    assert_string_equal(text_at(json, "req", "remoteAddress"), "127.0.0.1");
    assert_null(at(json, "req", "headers"));
    assert_int_equal(int_at(json, "res", "statusCode"), 200);
    assert_int_equal(int_at(json, "res", "bytes"), 5);
    assert_true(cJSON_IsNumber(at(json, NULL, "responseTime")));
    assert_null(at(json, NULL, "aborted"));
    cJSON_Delete(json);
    http_app_close(&it);
}

/* Level, event and status of the one line of GET @p target. */
static void check_outcome(const bk_mw_access_log_opts *opts, const char *target, int level,
                          const char *event, int status)
{
    struct http_app it = open_with(opts);

    (void)!bk_test_get(it.test, target);
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 1);
    cJSON *json = last_line(&it);
    assert_int_equal(int_at(json, NULL, "level"), level);
    assert_string_equal(text_at(json, NULL, "msg"), event);
    assert_int_equal(int_at(json, "res", "statusCode"), status);
    cJSON_Delete(json);
    http_app_close(&it);
}

static void test_the_level_goes_by_the_status(void **state)
{
    (void)state;
    const bk_mw_access_log_opts warn = {.warn_client_error = true};

    check_outcome(NULL, "/fail", 50, "request.errored", 500);
    check_outcome(NULL, "/missing", 30, "request.completed", 404);
    check_outcome(NULL, "/nowhere", 30, "request.completed", 404);
    check_outcome(&warn, "/missing", 40, "request.completed", 404);
    check_outcome(&warn, "/fail", 50, "request.errored", 500);
    check_outcome(&warn, "/stream", 30, "request.completed", 201);
}

static void test_what_was_sent_is_counted(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);

    bk_test_res *res = bk_test_get(it.test, "/stream");
    bk_test_settle(it.test);
    cJSON *json = last_line(&it);
    assert_int_equal(int_at(json, "res", "bytes"), 15);
    cJSON_Delete(json);
    bk_str etag = bk_test_header(bk_test_get(it.test, "/users/7"), "ETag");
    (void)res;
    bk_pair fields[] = {{BK_LIT("if-none-match"), etag}, {{0}, {0}}};
    assert_status(bk_test_send(it.test, &(bk_test_req){.target = "/users/7", .headers = fields}),
                  304);
    bk_test_settle(it.test);
    json = last_line(&it);
    assert_int_equal(int_at(json, "res", "statusCode"), 304);
    assert_int_equal(int_at(json, "res", "bytes"), 0);
    cJSON_Delete(json);
    (void)!http_send(&it, "HEAD", "/users/7", NULL, NULL);
    bk_test_settle(it.test);
    json = last_line(&it);
    assert_string_equal(text_at(json, "req", "method"), "HEAD");
    assert_int_equal(int_at(json, "res", "bytes"), 0);
    cJSON_Delete(json);
    http_app_close(&it);
}

static void test_the_line_comes_when_all_has_been_sent(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);

    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/stream"});
    bk_test_stall(it.test, res);
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 0);
    bk_test_resume(it.test, res);
    bk_test_finish(it.test, res);
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 1);
    http_app_close(&it);
}

static void test_a_client_that_went_away_is_told_apart(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);

    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/sleep"});
    bk_test_settle(it.test);
    bk_test_reset(it.test, res);
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 1);
    cJSON *json = last_line(&it);
    assert_string_equal(text_at(json, NULL, "msg"), "request.aborted");
    assert_true(cJSON_IsTrue(at(json, NULL, "aborted")));
    assert_true(cJSON_IsNull(at(json, "res", "statusCode")));
    assert_string_equal(text_at(json, "req", "remoteAddress"), "127.0.0.1");
    cJSON_Delete(json);

    res = bk_test_begin(it.test, &(bk_test_req){.target = "/stream"});
    bk_test_stall(it.test, res);
    bk_test_settle(it.test);
    bk_test_reset(it.test, res);
    bk_test_settle(it.test);
    json = last_line(&it);
    assert_string_equal(text_at(json, NULL, "msg"), "request.aborted");
    assert_int_equal(int_at(json, "res", "statusCode"), 201);
    cJSON_Delete(json);
    http_app_close(&it);
}

static void test_health_checks_are_logged_only_when_they_fail(void **state)
{
    (void)state;
    static const char *const none[] = {NULL}, *const users[] = {"/users/7", NULL};

    struct http_app it = open_with(NULL);
    (void)!bk_test_get(it.test, "/livez");
    (void)!bk_test_get(it.test, "/livez?verbose=1");
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 0);
    (void)!bk_test_get(it.test, "/readyz");
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 1);
    http_app_close(&it);

    it = open_with(&(bk_mw_access_log_opts){.skip = none});
    (void)!bk_test_get(it.test, "/livez");
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 1);
    http_app_close(&it);

    it = open_with(&(bk_mw_access_log_opts){.skip = users});
    (void)!bk_test_get(it.test, "/users/7");
    (void)!bk_test_get(it.test, "/users/8");
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 1);
    http_app_close(&it);
}

static void test_one_in_so_many_is_logged_and_every_failure(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_access_log_opts){.sample_one_in = 5});

    for (int i = 0; i < 20; i++)
        (void)!bk_test_get(it.test, "/users/7");
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 4);
    for (int i = 0; i < 3; i++)
        (void)!bk_test_get(it.test, "/missing");
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 7);
    http_app_close(&it);
}

static void check_url(const bk_mw_access_log_opts *opts, const char *target, const char *want)
{
    struct http_app it = open_with(opts);

    (void)!bk_test_get(it.test, target);
    bk_test_settle(it.test);
    cJSON *json = last_line(&it);
    assert_string_equal(text_at(json, "req", "url"), want);
    cJSON_Delete(json);
    http_app_close(&it);
}

static void test_secrets_of_the_query_stay_out(void **state)
{
    (void)state;
    static const char *const own[] = {"pin", NULL};

    check_url(NULL, "/users/7?token=abc&x=1", "/users/7?token=***&x=1");
    check_url(NULL, "/users/7?x=1&password=a=b", "/users/7?x=1&password=***");
    check_url(NULL, "/users/7?code=", "/users/7?code=***");
    check_url(NULL, "/users/7?code&tokens=1&", "/users/7?code&tokens=1&");
    check_url(NULL, "/users/7?", "/users/7?");
    check_url(&(bk_mw_access_log_opts){.secret_query = own}, "/users/7?token=a&pin=1",
              "/users/7?token=a&pin=***");
    check_url(&(bk_mw_access_log_opts){.no_query = true}, "/users/7?x=1", "/users/7");
}

static void test_headers_show_when_they_are_asked_for_but_no_credentials(void **state)
{
    (void)state;
    static const char *const names[] = {"user-agent", "authorization", "referer", NULL};
    struct http_app it = open_with(&(bk_mw_access_log_opts){.headers = names});

    (void)!http_get(&it, "/users/7", "user-agent", "a \"browser\"", "authorization", "Bearer x");
    bk_test_settle(it.test);
    cJSON *json = last_line(&it);
    const cJSON *headers = at(json, "req", "headers");
    assert_string_equal(text_at(headers, NULL, "user-agent"), "a \"browser\"");
    assert_string_equal(text_at(headers, NULL, "authorization"), "***");
    assert_null(at(headers, NULL, "referer"));
    cJSON_Delete(json);
    http_app_close(&it);
}

static void test_a_url_without_end_is_cut_and_the_line_stays_json(void **state)
{
    (void)state;
    static char target[8001];
    struct http_app it = open_with(NULL);

    memset(target, 'x', sizeof target - 1);
    memcpy(target, "/users/", 7);
    (void)!bk_test_get(it.test, target);
    bk_test_settle(it.test);
    cJSON *json = last_line(&it);
    assert_true(cJSON_IsTrue(at(json, NULL, "truncated")));
    assert_int_equal(int_at(json, "res", "statusCode"), 200);
    cJSON_Delete(json);
    http_app_close(&it);
}

static void test_nothing_is_written_below_the_level(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);

    bk_log_set_level(BK_LOG_WARN);
    (void)!bk_test_get(it.test, "/users/7");
    bk_test_settle(it.test);
    assert_int_equal(count_lines(&it), 0);
    bk_log_set_level(BK_LOG_INFO);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_has_the_shape_of_pino_http),
        cmocka_unit_test(test_the_level_goes_by_the_status),
        cmocka_unit_test(test_what_was_sent_is_counted),
        cmocka_unit_test(test_the_line_comes_when_all_has_been_sent),
        cmocka_unit_test(test_a_client_that_went_away_is_told_apart),
        cmocka_unit_test(test_health_checks_are_logged_only_when_they_fail),
        cmocka_unit_test(test_one_in_so_many_is_logged_and_every_failure),
        cmocka_unit_test(test_secrets_of_the_query_stay_out),
        cmocka_unit_test(test_headers_show_when_they_are_asked_for_but_no_credentials),
        cmocka_unit_test(test_a_url_without_end_is_cut_and_the_line_stays_json),
        cmocka_unit_test(test_nothing_is_written_below_the_level),
    };
    return cmocka_run_group_tests_name("middleware/access_log", tests, NULL, NULL);
}
