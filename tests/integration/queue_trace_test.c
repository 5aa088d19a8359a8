/* A job goes on with the trace that it was added in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/span.h"
#include "core/task.h"
#include "harness/queue_app.h"

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct redis server;

/* What the handler found. */
static struct seen {
    bool ran;
    bool has_trace, is_sampled;
    char id[33], state[64];
} seen;

static void copy(char *out, size_t size, bk_str text)
{
    snprintf(out, size, "%.*s", BK_PRI(text));
}

static bk_err look(bk_job *job, void *data)
{
    (void)job, (void)data;
    seen = (struct seen){.ran = true, .has_trace = bk_str_present(bk_trace_id())};
    seen.is_sampled = seen.has_trace && bk_trace_sampled();
    copy(seen.id, sizeof seen.id, bk_trace_id());
    copy(seen.state, sizeof seen.state, bk_trace_state());
    bk_span_end(bk_span_begin("inner", BK_SPAN_INTERNAL), BK_OK);
    return BK_OK;
}

/* --- ours to ours ------------------------------------------------------------------------------- */

static bk_err add_within_a_trace(void *data)
{
    struct queue_app *it = data;
    struct bk__span spans[4];
    struct bk__trace trace;
    bk_str id, opts;

    assert_true(bk__trace_continue(BK_LIT(PARENT), &trace));
    trace.state = BK_LIT("vendor=a\"b");
    bk__task_current->trace = &trace;
    bk_err err = bk_jobs_add_json(it->queue, "look", BK_LIT("{}"), NULL, &id);
    bk__task_current->trace = NULL;
    BK_TRY(err);
    BK_TRY(queue_app_await(it, id, BK_JOB_COMPLETED));
    assert_true(seen.ran && seen.has_trace && seen.is_sampled);
    assert_memory_equal(seen.id, trace.log.id, 32);
    assert_string_equal(seen.state, "vendor=a\"b");

    /* As BullMQ's telemetry has it: JSON within a JSON string. */
    BK_TRY(bk_redis_str(
        it->redis, "HGET $1 opts",
        BK_ARGS(bk_text(bk_arena_printf(bk_fiber_arena(), "bull:q:%.*s", BK_PRI(id)))), &opts));
    bk_json *json, *fields;
    BK_TRY(bk_json_parse(bk_fiber_arena(), opts, NULL, &json));
    BK_TRY(bk_json_parse(bk_fiber_arena(), bk_json_str(bk_json_get(json, BK_LIT("tm"))), NULL,
                         &fields));
    bk_str parent = bk_json_str(bk_json_get(fields, BK_LIT("traceparent")));
    assert_int_equal(parent.len, 55);
    assert_memory_equal(parent.ptr + 3, trace.log.id, 32);
    assert_memory_equal(parent.ptr + 36, trace.log.span, 16);

    /* The job's span stands in the adder's, and the handler's own in that. */
    assert_int_equal(bk__spans_take(spans, 4), 2);
    assert_memory_equal(spans[1].name, "process q", 9);
    assert_int_equal(spans[1].kind, BK_SPAN_CONSUMER);
    assert_memory_equal(spans[1].parent_id, trace.log.span, 16);
    assert_memory_equal(spans[0].parent_id, spans[1].span_id, 16);
    return BK_OK;
}

/* --- what others have written ----------------------------------------------------------------- */

static bk_err add_with(struct queue_app *it, const char *opts)
{
    bk_arena *arena = bk_fiber_arena();
    bk_str id = bk_arena_printf(arena, "x%d", rand());
    bk_str key = bk_arena_printf(arena, "bull:q:%.*s", BK_PRI(id));

    seen.ran = false;
    BK_TRY(bk_redis_run(it->redis, "HSET $1 name look data {} timestamp 1 opts $2",
                        BK_ARGS(bk_text(key), bk_text(bk_str_of(opts))), NULL));
    BK_TRY(bk_redis_run(it->redis, "LPUSH bull:q:wait $1", BK_ARGS(bk_text(id)), NULL));
    BK_TRY(bk_redis_run(it->redis, "ZADD bull:q:marker 0 0", BK_NO_ARGS, NULL));
    BK_TRY(queue_app_await(it, id, BK_JOB_COMPLETED));
    assert_true(seen.ran);
    return BK_OK;
}

static bk_err odd_traces(void *data)
{
    static const char *const odd[] = {
        "{}",
        "{\"tm\":7}",
        "{\"tm\":null}",
        "{\"tm\":\"\"}",
        "{\"tm\":\"no json\"}",
        "{\"tm\":\"[1]\"}",
        "{\"tm\":\"{\\\"traceparent\\\":1}\"}",
        "{\"tm\":\"{\\\"traceparent\\\":\\\"00-00000000000000000000000000000000-b7ad6b7169203331-01\\\"}\"}",
        "{\"tm\":\"{\\\"tracestate\\\":\\\"a=b\\\"}\"}",
    };
    struct queue_app *it = data;

    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        BK_TRY(add_with(it, odd[i]));
        assert_false(seen.has_trace);
    }
    BK_TRY(add_with(it, "{\"tm\":\"{\\\"traceparent\\\":\\\"" PARENT
                        "\\\",\\\"tracestate\\\":\\\"===\\\"}\"}"));
    assert_true(seen.has_trace);
    assert_string_equal(seen.id, "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(seen.state, "");
    return BK_OK;
}

/* --- a schedule -------------------------------------------------------------------------------- */

static bk_err put_within_a_trace(void *data)
{
    struct queue_app *it = data;
    struct bk__trace trace;

    bk__trace_new(&trace);
    bk__task_current->trace = &trace;
    bk_err err = bk_schedule_put(
        it->queue, &(bk_schedule){.id = BK_LIT("s"), .every_ms = 3600000, .job = {.name = "look"}},
        NULL);
    bk__task_current->trace = NULL;
    BK_TRY(err);
    for (int i = 0; i < 1000 && !seen.ran; i++)
        BK_TRY(bk_sleep_ms(5));
    assert_true(seen.ran);
    assert_false(seen.has_trace);
    return BK_OK;
}

/* --- the tests --------------------------------------------------------------------------------- */

static void run_with_worker(bk_err (*fn)(void *data))
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){.name = "w1"}, 0);

    redis_cli(&server, "FLUSHALL");
    seen = (struct seen){0};
    bk_worker_on(it.worker, "look", look, NULL);
    queue_app_begin(&it);
    bk__spans_open(8);
    queue_app_run(&it, fn);
    bk__spans_close();
    queue_app_end(&it);
}

static void test_a_job_goes_on_with_the_trace_it_was_added_in(void **state)
{
    (void)state;
    run_with_worker(add_within_a_trace);
}

static void test_what_is_no_trace_is_as_if_it_were_not_there(void **state)
{
    (void)state;
    run_with_worker(odd_traces);
}

static void test_a_schedule_does_not_keep_the_trace_of_who_wrote_it(void **state)
{
    (void)state;
    run_with_worker(put_within_a_trace);
}

static int start_server(void **state)
{
    (void)state;
    server = redis_start("--loglevel", "warning");
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    redis_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_goes_on_with_the_trace_it_was_added_in),
        cmocka_unit_test(test_what_is_no_trace_is_as_if_it_were_not_there),
        cmocka_unit_test(test_a_schedule_does_not_keep_the_trace_of_who_wrote_it),
    };
    return cmocka_run_group_tests_name("queue_trace", tests, start_server, stop_server);
}
