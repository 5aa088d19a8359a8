/* The HTTP client within a trace: what the server is told, and what is kept of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../unit/text.h"
#include "core/span.h"
#include "core/task.h"
#include "harness/client_app.h"
#include "harness/script.h"

#define OTHER "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct script server;
static struct bk__trace trace;

static int set_up(void **state)
{
    (void)state;
    server = script_start("http_trouble.py", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    script_stop(&server);
    return 0;
}

/* The running fiber's is a sampled one with a state, and its spans are kept. */
static void begin_trace(void)
{
    bk__trace_new(&trace);
    bk__trace_set_sampled(&trace, true);
    trace.state = BK_LIT("vendor=1");
    bk__task_self()->trace = &trace;
    bk__spans_open(16);
}

/* The only one that was kept. */
static struct bk__span end_trace(void)
{
    struct bk__span spans[2];

    assert_int_equal(bk__spans_take(spans, 2), 1);
    bk__spans_close();
    bk__task_self()->trace = NULL;
    return spans[0];
}

/* How a span's attribute reads; absent when it has none of that name. Request-owned. */
static bk_str attr(const struct bk__span *span, const char *key)
{
    for (size_t i = 0; i < span->attr_count; i++) {
        const struct bk__span_attr *it = &span->attrs[i];
        if (strcmp(it->key, key) != 0)
            continue;
        if (it->is_text)
            return bk_arena_dup(bk_fiber_arena(),
                                bk_str_at(span->text + it->text_at, it->text_len));
        return bk_arena_printf(bk_fiber_arena(), "%lld", (long long)it->i64);
    }
    return (bk_str){NULL, 0};
}

/* The value of a line of @p head, which is a request as it came; absent when there is none, or more
 * than one. */
static bk_str line_of(bk_str head, const char *name)
{
    bk_str line, value = {NULL, 0};
    int found = 0;

    while (bk_str_split(&head, '\n', &line)) {
        bk_str key;
        if (bk_str_split(&line, ':', &key) && bk_str_ieq(key, bk_str_of(name)) && ++found == 1)
            value = bk_str_trim(bk_str_at(line.ptr, line.len - (line.ptr[line.len - 1] == '\r')));
    }
    return found == 1 ? value : (bk_str){NULL, 0};
}

BK_YIELDS static bk_str echo(const struct client_app *it, const bk_http_header *headers)
{
    bk_http_answer answer;
    bk_http_request request = {.url = client_url(it, "/echo?secret=1"), .headers = headers};

    assert_int_equal(bk_http_send(it->client, &request, &answer), BK_OK);
    return bk_arena_printf(bk_fiber_arena(), "%.*s\n", BK_PRI(answer.body));
}

static bk_err ask_within(void *data)
{
    const struct client_app *it = data;

    begin_trace();
    bk_str head = echo(it, NULL);
    assert_text(bk_trace_span_id(), bk_arena_cstr(bk_fiber_arena(), bk_str_at(trace.log.span, 16)));
    struct bk__span span = end_trace();

    /* Who is called has the client's span as parent, which has ours. */
    bk_str parent = line_of(head, "traceparent");
    assert_int_equal(parent.len, 55);
    assert_memory_equal(parent.ptr + 3, trace.log.id, BK__TRACE_ID);
    assert_memory_equal(parent.ptr + 36, span.span_id, BK__SPAN_ID);
    assert_memory_equal(parent.ptr + 52, "-01", 3);
    assert_text(line_of(head, "tracestate"), "vendor=1");
    assert_memory_equal(span.trace_id, trace.log.id, BK__TRACE_ID);
    assert_memory_equal(span.parent_id, trace.log.span, BK__SPAN_ID);

    assert_int_equal(span.kind, BK_SPAN_CLIENT);
    assert_int_equal(span.err, BK_OK);
    assert_text(bk_str_at(span.name, span.name_len), "GET");
    assert_text(attr(&span, "http.request.method"), "GET");
    assert_text(attr(&span, "http.response.status_code"), "200");
    assert_text(attr(&span, "server.address"), "127.0.0.1");
    assert_text(attr(&span, "server.port"), strrchr(it->base, ':') + 1);
    assert_text(attr(&span, "url.full"), client_url(it, "/echo").ptr); /* no query */
    assert_absent(attr(&span, "error.type"));
    return BK_OK;
}

static void test_a_request_is_a_span_whose_child_is_the_server(void **state)
{
    (void)state;
    client_app_run(server.port, NULL, ask_within);
}

static bk_err ask_with_headers(void *data)
{
    static const bk_http_header both[] = {{{"Traceparent", 11}, {OTHER, 55}},
                                          {{NULL, 0}, {NULL, 0}}};
    static const bk_http_header state[] = {{{"tracestate", 10}, {"mine=2", 6}},
                                           {{NULL, 0}, {NULL, 0}}};

    begin_trace();
    bk_str head = echo(data, both);
    (void)end_trace(); /* the span is made all the same */
    assert_text(line_of(head, "traceparent"), OTHER);
    assert_absent(line_of(head, "tracestate"));

    begin_trace();
    head = echo(data, state);
    (void)end_trace();
    assert_int_equal(line_of(head, "traceparent").len, 55);
    assert_text(line_of(head, "tracestate"), "mine=2");
    return BK_OK;
}

static void test_the_callers_own_header_stays(void **state)
{
    (void)state;
    client_app_run(server.port, NULL, ask_with_headers);
}

static bk_err add_other(bk_http_headers *headers, void *data)
{
    (void)data;
    return bk_http_headers_add(headers, BK_LIT("traceparent"), BK_LIT(OTHER));
}

static bk_err ask_prepared(void *data)
{
    begin_trace();
    bk_str head = echo(data, NULL);
    (void)end_trace();
    assert_text(line_of(head, "traceparent"), OTHER);
    return BK_OK;
}

static void test_what_prepare_adds_stays(void **state)
{
    (void)state;
    client_app_run(server.port, &(bk_http_client_opts){.prepare = add_other}, ask_prepared);
}

static bk_err ask_untraced(void *data)
{
    struct bk__span span;

    begin_trace();
    bk_str head = echo(data, NULL);
    assert_int_equal(bk__spans_take(&span, 1), 0);
    bk__spans_close();
    bk__task_self()->trace = NULL;
    assert_absent(line_of(head, "traceparent"));
    assert_absent(line_of(head, "tracestate"));
    return BK_OK;
}

static bk_err ask_outside(void *data)
{
    assert_absent(line_of(echo(data, NULL), "traceparent"));
    return BK_OK;
}

static void test_no_trace_tells_nothing(void **state)
{
    (void)state;
    client_app_run(server.port, &(bk_http_client_opts){.no_trace = true}, ask_untraced);
    client_app_run(server.port, NULL, ask_outside);
}

/* What the span of a request to @p path, with @p retries, says of it. */
BK_YIELDS static struct bk__span span_of(const struct client_app *it, const char *path,
                                         uint32_t retries)
{
    bk_http_answer answer;
    bk_http_request request = {.url = client_url(it, path), .retries = retries};

    begin_trace();
    (void)!bk_http_send(it->client, &request, &answer);
    bk_error_clear();
    return end_trace();
}

static bk_err ask_for_trouble(void *data)
{
    const struct client_app *it = data;

    struct bk__span span = span_of(it, "/status/404", 0);
    assert_int_equal(span.err, BK_EUPSTREAM);
    assert_text(attr(&span, "error.type"), "404");
    assert_absent(attr(&span, "http.request.resend_count"));

    span = span_of(it, "/flaky/2/503?x=1", 3);
    assert_int_equal(span.err, BK_OK);
    assert_text(attr(&span, "http.response.status_code"), "200");
    assert_text(attr(&span, "http.request.resend_count"), "2");

    span = span_of(it, "/nothing", 0);
    assert_int_equal(span.err, BK_EUPSTREAM);
    assert_absent(attr(&span, "http.response.status_code"));
    assert_text(attr(&span, "error.type"), bk_err_slug(BK_EUPSTREAM));
    return BK_OK;
}

static void test_a_span_says_what_went_wrong(void **state)
{
    (void)state;
    client_app_run(server.port, NULL, ask_for_trouble);
}

/* The server of a URL that this client may not connect to. */
BK_YIELDS static void assert_server(bk_http_client *client, const char *url, const char *address,
                                    const char *port)
{
    bk_http_answer answer;

    begin_trace();
    assert_int_equal(bk_http_send(client, &(bk_http_request){.url = bk_str_of(url)}, &answer),
                     BK_EFORBIDDEN);
    bk_error_clear();
    struct bk__span span = end_trace();
    assert_text(attr(&span, "server.address"), address);
    assert_text(attr(&span, "server.port"), port);
}

static bk_err name_servers(void *data)
{
    const struct client_app *it = data;

    assert_server(it->client, "http://127.0.0.1:8080", "127.0.0.1", "8080");
    assert_server(it->client, "http://127.0.0.1/a:5/", "127.0.0.1", "80");
    assert_server(it->client, "HTTPS://127.0.0.2#x:1", "127.0.0.2", "443");
    assert_server(it->client, "http://[::1]:81?x", "::1", "81");
    assert_server(it->client, "https://[::1]", "::1", "443");
    return BK_OK;
}

static void test_a_span_names_the_server(void **state)
{
    (void)state;
    client_app_run(server.port, &(bk_http_client_opts){.deny_private = true}, name_servers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_a_span_whose_child_is_the_server),
        cmocka_unit_test(test_the_callers_own_header_stays),
        cmocka_unit_test(test_what_prepare_adds_stays),
        cmocka_unit_test(test_no_trace_tells_nothing),
        cmocka_unit_test(test_a_span_says_what_went_wrong),
        cmocka_unit_test(test_a_span_names_the_server),
    };
    return cmocka_run_group_tests_name("http_client_trace", tests, set_up, tear_down);
}
