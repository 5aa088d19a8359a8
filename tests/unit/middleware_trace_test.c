/*
 * The trace of a request: from whom it comes, where it shows, what is recorded.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/middleware/trace.h>

#include "core/span.h"
#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define SPAN   "b7ad6b7169203331"
#define PARENT "00-" TRACE "-" SPAN "-01"

static const char *const trusted[] = {"127.0.0.1", NULL};

/* What a call to another service would send. */
static bk_err show(bk_req *req, bk_res *res)
{
    bk_str state = bk_trace_state();

    bk_info("seen", bk_kv_i64("n", 1));
    return bk_res_text(res, 200,
                       bk_arena_printf(bk_req_arena(req), "%.*s %.*s",
                                       BK_PRI(bk_trace_header(bk_req_arena(req))), (int)state.len,
                                       state.len != 0 ? state.ptr : ""));
}

static bk_err child(void *data)
{
    *(bk_str *)data = bk_arena_dup(*(bk_arena **)((bk_str *)data + 1), bk_trace_id());
    return BK_OK;
}

/* The trace as a child of the request's fiber sees it. */
static bk_err in_a_group(bk_req *req, bk_res *res)
{
    struct {
        bk_str id;
        bk_arena *arena;
    } seen = {.arena = bk_req_arena(req)};
    bk_group *group = bk_group_open();

    bk_group_spawn(group, "child", child, &seen);
    BK_TRY(bk_group_wait(group));
    return bk_res_text(res, 200, seen.id);
}

static bk_err failing(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EINTERNAL, "broken");
}

static struct http_app open_with(const bk_mw_trace_opts *opts, const char *const *proxies)
{
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.trusted_proxies = proxies})};

    bk_use(bk_app_router(it.app), bk_mw_trace(it.app, opts));
    bk_get(bk_app_router(it.app), "/users/{id}", show);
    bk_get(bk_app_router(it.app), "/group", in_a_group);
    bk_get(bk_app_router(it.app), "/fail", failing);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static void test_a_trusted_callers_trace_is_gone_on_with(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, trusted);

    bk_str text = bk_test_body(
        http_get(&it, "/users/7", "traceparent", PARENT, "tracestate", "a=1", "tracestate", "b=2"));
    assert_true(bk_str_starts(text, BK_LIT("00-" TRACE "-")));
    assert_lacks(text, SPAN);
    assert_text(bk_str_at(text.ptr + 52, text.len - 52), "-01 a=1, b=2");
    text = bk_test_body(http_get(&it, "/users/7", "traceparent", "00-" TRACE "-" SPAN "-00"));
    assert_text(bk_str_at(text.ptr + 52, text.len - 52), "-00 ");
    http_app_close(&it);
}

/* Whether the answer is of a trace that began here. */
static bool is_new(const bk_test_res *res)
{
    bk_str text = bk_test_body(res);

    return text.len == 56 && memmem(text.ptr, text.len, TRACE, 32) == NULL &&
           memcmp(text.ptr + 52, "-01 ", 4) == 0;
}

static void test_otherwise_a_new_one_begins(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, NULL);
    assert_true(is_new(bk_test_get(it.test, "/users/7")));
    assert_true(is_new(http_get(&it, "/users/7", "traceparent", PARENT, "tracestate", "a=1")));
    http_app_close(&it);

    it = open_with(NULL, trusted);
    assert_true(is_new(http_get(&it, "/users/7", "traceparent", "00-" TRACE "-" SPAN)));
    assert_true(is_new(http_get(&it, "/users/7", "tracestate", "a=1")));
    assert_true(is_new(http_get(&it, "/users/7", "traceparent", PARENT, "traceparent", PARENT)));
    http_app_close(&it);
}

static void test_anyones_are_taken_where_that_is_asked_for(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_trace_opts){.from_anyone = true}, NULL);

    assert_holds(bk_test_body(http_get(&it, "/users/7", "traceparent", PARENT)), TRACE);
    assert_text(bk_test_body(http_get(&it, "/group", "traceparent", PARENT)), TRACE);
    /* A bad tracestate does not cost the trace. */
    bk_str text =
        bk_test_body(http_get(&it, "/users/7", "traceparent", PARENT, "tracestate", "A=1"));
    assert_true(bk_str_starts(text, BK_LIT("00-" TRACE)));
    assert_int_equal(text.len, 56);
    http_app_close(&it);
}

static void test_log_lines_and_problems_name_the_trace(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_trace_opts){.from_anyone = true}, NULL);

    bk_str text = bk_test_body(http_get(&it, "/users/7", "traceparent", PARENT));
    bk_str logs = bk_test_logs(it.test);
    assert_holds(logs, ",\"trace_id\":\"" TRACE "\",\"span_id\":\"");
    assert_holds(logs, "\",\"trace_flags\":\"01\",\"route\":\"/users/{id}\",\"n\":1}\n");
    assert_non_null(memmem(logs.ptr, logs.len, text.ptr + 36, 16)); /* our span */
    assert_problem(http_get(&it, "/fail", "traceparent", PARENT), 500,
                   "\"trace_id\":\"" TRACE "\"");
    http_app_close(&it);
}

static void test_the_client_can_be_told(void **state)
{
    (void)state;
    struct http_app it = open_with(
        &(bk_mw_trace_opts){.from_anyone = true, .response_header = "traceresponse"}, NULL);

    bk_test_res *res = http_get(&it, "/users/7", "traceparent", PARENT);
    bk_str told = bk_test_header(res, "traceresponse");
    assert_int_equal(told.len, 55);
    assert_true(bk_str_starts(bk_test_body(res), told));
    http_app_close(&it);

    it = open_with(NULL, NULL);
    assert_absent(bk_test_header(bk_test_get(it.test, "/users/7"), "traceresponse"));
    http_app_close(&it);
}

static int count_sampled(const bk_mw_trace_opts *opts, int requests)
{
    struct http_app it = open_with(opts, NULL);
    int sampled = 0;

    for (int i = 0; i < requests; i++)
        sampled += bk_test_body(bk_test_get(it.test, "/users/7")).ptr[54] == '1';
    http_app_close(&it);
    return sampled;
}

static void test_a_share_of_the_new_ones_is_sampled(void **state)
{
    (void)state;
    assert_int_equal(count_sampled(NULL, 20), 20);
    assert_int_equal(count_sampled(&(bk_mw_trace_opts){.sample_one_in = BK_UNLIMITED}, 20), 0);
    assert_in_range(count_sampled(&(bk_mw_trace_opts){.sample_one_in = 2}, 1000), 400, 600);
}

static bk_str attr_of(const struct bk__span *span, const char *key)
{
    for (int i = 0; i < span->attr_count; i++)
        if (strcmp(span->attrs[i].key, key) == 0 && span->attrs[i].is_text)
            return bk_str_at(span->text + span->attrs[i].text_at, span->attrs[i].text_len);
    return (bk_str){NULL, 0};
}

static int64_t status_of(const struct bk__span *span)
{
    for (int i = 0; i < span->attr_count; i++)
        if (strcmp(span->attrs[i].key, "http.response.status_code") == 0)
            return span->attrs[i].i64;
    return -1;
}

static void test_the_request_is_a_span(void **state)
{
    (void)state;
    struct bk__span spans[4];
    struct http_app it = open_with(&(bk_mw_trace_opts){.from_anyone = true}, NULL);

    bk__spans_open(4);
    (void)!http_get(&it, "/users/7?x=1", "traceparent", PARENT);
    (void)!bk_test_get(it.test, "/fail");
    (void)!bk_test_get(it.test, "/nowhere");
    (void)!http_get(&it, "/users/7", "traceparent", "00-" TRACE "-" SPAN "-00");
    bk_test_settle(it.test);
    assert_int_equal(bk__spans_take(spans, 4), 3);
    assert_text(bk_str_at(spans[0].name, spans[0].name_len), "GET /users/{id}");
    assert_memory_equal(spans[0].trace_id, TRACE, 32);
    assert_memory_equal(spans[0].parent_id, SPAN, 16);
    assert_int_equal(spans[0].kind, BK_SPAN_SERVER);
    assert_int_equal(spans[0].err, BK_OK);
    assert_text(attr_of(&spans[0], "http.request.method"), "GET");
    assert_text(attr_of(&spans[0], "http.route"), "/users/{id}");
    assert_text(attr_of(&spans[0], "url.path"), "/users/7");
    assert_text(attr_of(&spans[0], "url.scheme"), "http");
    assert_text(attr_of(&spans[0], "client.address"), "127.0.0.1");
    assert_int_equal(status_of(&spans[0]), 200);
    assert_int_equal(spans[1].err, BK_EINTERNAL);
    assert_int_equal(status_of(&spans[1]), 500);
    assert_text(bk_str_at(spans[2].name, spans[2].name_len), "GET");
    assert_int_equal(status_of(&spans[2]), 404);
    assert_int_equal(spans[2].err, BK_OK);
    bk__spans_close();
    http_app_close(&it);
}

static void with_a_bad_name(void)
{
    (void)open_with(&(bk_mw_trace_opts){.response_header = ""}, NULL);
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
        cmocka_unit_test(test_a_trusted_callers_trace_is_gone_on_with),
        cmocka_unit_test(test_otherwise_a_new_one_begins),
        cmocka_unit_test(test_anyones_are_taken_where_that_is_asked_for),
        cmocka_unit_test(test_log_lines_and_problems_name_the_trace),
        cmocka_unit_test(test_the_client_can_be_told),
        cmocka_unit_test(test_a_share_of_the_new_ones_is_sampled),
        cmocka_unit_test(test_the_request_is_a_span),
        cmocka_unit_test(test_a_name_that_is_none_stops_the_program),
    };
    return cmocka_run_group_tests_name("middleware/trace", tests, NULL, NULL);
}
