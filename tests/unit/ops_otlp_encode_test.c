/*
 * Spans as OTLP's JSON, byte for byte.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "core/trace.h"
#include "ops/otlp.h"
#include "text.h"

static const struct bk__otlp_pair nothing[1];
static bk_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = bk_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bk_arena_free(arena);
    return 0;
}

static struct bk__span span_named(bk_str name)
{
    struct bk__trace trace;
    struct bk__span span;

    assert_true(bk__trace_continue(
        BK_LIT("00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b173-01"), &trace));
    memcpy(trace.log.span, "eee19b7ec3c1b174", BK__SPAN_ID);
    bk__span_init(&span, &trace, name, BK_SPAN_SERVER);
    span.begun = 1544712660000000; /* 2018-12-13T14:51:00Z */
    span.duration_ns = 1000000001;
    return span;
}

static bk_str written(const struct bk__span *spans, size_t count, const struct bk__otlp_pair *more)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer writer = {.buf = &buf};
    const struct bk__otlp_resource resource = {.service = BK_LIT("my.service"),
                                               .instance = BK_LIT("0193"),
                                               .host = BK_LIT("web-1"),
                                               .version = BK_LIT("0.1.0"),
                                               .pid = 7,
                                               .more = more};

    bk__otlp_begin(&writer, &resource);
    for (size_t i = 0; i < count; i++)
        bk__otlp_span(&writer, &spans[i]);
    bk__otlp_end(&writer);
    assert_int_equal(bk_json_check(bk_buf_str(&buf), NULL), BK_OK);
    return bk_buf_str(&buf);
}

/* One span alone, without what is around it. */
static bk_str span_text(const struct bk__span *span)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer writer = {.buf = &buf};

    bk__otlp_span(&writer, span);
    assert_int_equal(bk_json_check(bk_buf_str(&buf), NULL), BK_OK);
    return bk_buf_str(&buf);
}

static bool holds(bk_str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* The shape of opentelemetry-proto's examples/trace.json, with our scope. */
static void test_a_request_is_written_byte_for_byte(void **state)
{
    (void)state;
    struct bk__span span = span_named(BK_LIT("I'm a server span"));

    bk__span_add_str(&span, "my.span.attr", BK_LIT("some value"));
    bk__span_add_i64(&span, "http.response.status_code", 200);
    assert_text(
        written(&span, 1, nothing),
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
        "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"my.service\"}},"
        "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"0193\"}},"
        "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"web-1\"}},"
        "{\"key\":\"process.pid\",\"value\":{\"intValue\":\"7\"}},"
        "{\"key\":\"telemetry.sdk.name\",\"value\":{\"stringValue\":\"libbackend\"}},"
        "{\"key\":\"telemetry.sdk.language\",\"value\":{\"stringValue\":\"c\"}},"
        "{\"key\":\"telemetry.sdk.version\",\"value\":{\"stringValue\":\"0.1.0\"}}]},"
        "\"scopeSpans\":[{\"scope\":{\"name\":\"libbackend\",\"version\":\"0.1.0\"},"
        "\"spans\":[{\"traceId\":\"5b8efff798038103d269b633813fc60c\","
        "\"spanId\":\"eee19b7ec3c1b174\",\"parentSpanId\":\"eee19b7ec3c1b173\","
        "\"name\":\"I'm a server span\",\"kind\":2,"
        "\"startTimeUnixNano\":\"1544712660000000000\","
        "\"endTimeUnixNano\":\"1544712661000000001\","
        "\"attributes\":[{\"key\":\"my.span.attr\",\"value\":{\"stringValue\":\"some value\"}},"
        "{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"200\"}}],"
        "\"status\":{}}]}]}]}");
}

static void test_the_service_may_say_more_and_otherwise(void **state)
{
    (void)state;
    const struct bk__otlp_pair more[] = {{BK_LIT("host.name"), BK_LIT("given")},
                                         {BK_LIT("team \"a\""), BK_LIT("")},
                                         {{NULL, 0}, {NULL, 0}}};
    bk_str text = written(NULL, 0, more);

    assert_true(holds(text, "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"given\"}}"));
    assert_false(holds(text, "web-1"));
    assert_true(holds(text, "{\"key\":\"team \\\"a\\\"\",\"value\":{\"stringValue\":\"\"}}]}"));
    assert_true(holds(text, "\"spans\":[]"));
}

static void test_the_first_span_of_a_trace_has_no_parent(void **state)
{
    (void)state;
    struct bk__span span = span_named(BK_LIT("root"));

    memset(span.parent_id, '0', sizeof span.parent_id);
    assert_false(holds(span_text(&span), "parentSpanId"));
}

static void test_an_error_is_a_status(void **state)
{
    (void)state;
    struct bk__span span = span_named(BK_LIT("slow"));

    span.err = BK_ETIMEDOUT;
    assert_true(holds(span_text(&span),
                      "\"status\":{\"code\":2,\"message\":\"The work did not finish in time\"}}"));
}

static void test_any_bytes_and_numbers_are_json(void **state)
{
    (void)state;
    char all[128];
    struct bk__span span;

    for (int from = 0; from < 256; from += 128) {
        for (int i = 0; i < 128; i++)
            all[i] = (char)(from + i != 0 ? from + i : 1); /* our own parser takes no NUL */
        span = span_named(bk_str_at(all, sizeof all));     /* is cut, within whatever */
        bk__span_add_str(&span, "bytes", bk_str_at(all, sizeof all));
        (void)span_text(&span);
    }
    span = span_named(BK_LIT(""));
    bk__span_add_i64(&span, "least", INT64_MIN);
    bk__span_add_str(&span, "line", BK_LIT("a\"b\\c\n\xf0\x9f\x98\x80\xff"));
    bk_str text = span_text(&span);
    assert_true(holds(text, "\"name\":\"\""));
    assert_true(holds(text, "{\"intValue\":\"-9223372036854775808\"}"));
    assert_true(holds(text, "\"a\\\"b\\\\c\\n\xf0\x9f\x98\x80\xef\xbf\xbd\""));
}

/* What a batch can come to. */
static void test_the_largest_span_is_written_whole(void **state)
{
    (void)state;
    char much[BK__SPAN_TEXT];

    memset(much, 1, sizeof much);
    struct bk__span span = span_named(bk_str_at(much, BK__SPAN_NAME));
    bk__span_add_str(&span, "all", bk_str_at(much, sizeof much));
    while (span.attr_count < BK__SPAN_ATTRS)
        bk__span_add_i64(&span, "http.response.status_code", INT64_MIN);
    assert_in_range(span_text(&span).len, 2000, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_written_byte_for_byte),
        cmocka_unit_test(test_the_service_may_say_more_and_otherwise),
        cmocka_unit_test(test_the_first_span_of_a_trace_has_no_parent),
        cmocka_unit_test(test_an_error_is_a_status),
        cmocka_unit_test(test_any_bytes_and_numbers_are_json),
        cmocka_unit_test(test_the_largest_span_is_written_whole),
    };
    return cmocka_run_group_tests_name("ops/otlp_encode", tests, set_up, tear_down);
}
