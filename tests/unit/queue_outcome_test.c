/* Stored options, backoff, and what becomes of a job: libbackend/queue/outcome.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "queue/worker.h"

static bk_arena *arena;

static struct bk__stored_opts read_opts(const char *json)
{
    struct bk__stored_opts opts;

    bk__stored_opts_read(arena, bk_str_of(json), &opts);
    return opts;
}

static void test_options_of_node_are_read(void **state)
{
    struct bk__stored_opts opts = read_opts(
        "{\"kl\":3,\"lifo\":true,\"sizeLimit\":1000,\"stackTraceLimit\":2,\"removeOnFail\":5,"
        "\"removeOnComplete\":{\"age\":60,\"count\":10},"
        "\"backoff\":{\"type\":\"exponential\",\"delay\":100,\"jitter\":0.5},\"attempts\":3}");

    (void)state;
    assert_int_equal(opts.attempts, 3);
    assert_int_equal(opts.keep_logs, 3);
    assert_int_equal(opts.stack_traces, 2);
    assert_true(opts.lifo && opts.exponential);
    assert_true(opts.backoff_ms == 100 && opts.jitter == 0.5);
    assert_true(opts.completed.said && opts.completed.count == 10 && opts.completed.age_s == 60);
    assert_true(opts.failed.said && opts.failed.count == 5 && opts.failed.age_s == -1);
}

static void test_true_false_and_numbers_say_how_many_stay(void **state)
{
    (void)state;
    assert_int_equal(read_opts("{\"removeOnComplete\":true}").completed.count, 0);
    assert_int_equal(read_opts("{\"removeOnComplete\":false}").completed.count, -1);
    assert_true(read_opts("{\"removeOnComplete\":false}").completed.said);
    assert_int_equal(read_opts("{\"removeOnComplete\":0}").completed.count, 0);
    assert_int_equal(read_opts("{\"removeOnComplete\":{\"age\":5}}").completed.count, -1);
    assert_false(read_opts("{}").completed.said);
    assert_false(read_opts("{\"removeOnComplete\":null}").completed.said);
}

static void test_odd_options_are_as_if_not_there(void **state)
{
    static const char *const odd[] = {"",
                                      "null",
                                      "[]",
                                      "{",
                                      "{\"attempts\":\"x\",\"backoff\":[]}",
                                      "{\"attempts\":1e300,\"kl\":{},\"removeOnFail\":\"yes\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct bk__stored_opts opts = read_opts(odd[i]);
        assert_int_equal(opts.attempts, 0);
        assert_true(opts.backoff_ms == 0);
        assert_int_equal(opts.stack_traces, -1);
    }
}

static void test_backoff_grows_as_bullmqs(void **state)
{
    struct bk__stored_opts none = read_opts("{}");
    struct bk__stored_opts fixed = read_opts("{\"backoff\":{\"type\":\"fixed\",\"delay\":300}}");
    struct bk__stored_opts bare = read_opts("{\"backoff\":100}");
    struct bk__stored_opts grows =
        read_opts("{\"backoff\":{\"type\":\"exponential\",\"delay\":100}}");

    (void)state;
    assert_int_equal(bk__backoff_after(&none, 1, 0), 0);
    assert_int_equal(bk__backoff_after(&fixed, 1, 0), 300);
    assert_int_equal(bk__backoff_after(&fixed, 9, 0), 300);
    assert_int_equal(bk__backoff_after(&bare, 3, 0), 100);
    assert_int_equal(bk__backoff_after(&grows, 1, 0), 100);
    assert_int_equal(bk__backoff_after(&grows, 2, 0), 200);
    assert_int_equal(bk__backoff_after(&grows, 5, 0), 1600);
    assert_true(bk__backoff_after(&grows, 5000, 0) > 0);
}

static void test_jitter_takes_its_part_of_the_delay(void **state)
{
    struct bk__stored_opts opts =
        read_opts("{\"backoff\":{\"type\":\"fixed\",\"delay\":1000,\"jitter\":0.5}}");

    (void)state;
    assert_int_equal(bk__backoff_after(&opts, 1, 0), 500);
    assert_int_equal(bk__backoff_after(&opts, 1, 0.5), 750);
    assert_int_equal(bk__backoff_after(&opts, 1, 1), 1000);
}

/* A job as it stands when its handler has returned. */
static bk_job job_of(bk_worker *worker, bk_fiber *fiber, const char *opts, int64_t made)
{
    bk_job job = {.worker = worker,
                  .fiber = fiber,
                  .arena = arena,
                  .made = made,
                  .started = made + 1,
                  .again_ms = -1,
                  .hold_ms = -1};

    job.stored = read_opts(opts);
    return job;
}

static void test_a_failure_is_retried_until_the_attempts_are_used_up(void **state)
{
    bk_worker worker = {0};
    bk_fiber fiber = {0};
    const char *opts = "{\"attempts\":3,\"backoff\":{\"type\":\"fixed\",\"delay\":9}}";

    (void)state;
    for (int64_t made = 0; made < 3; made++) {
        bk_job job = job_of(&worker, &fiber, opts, made);
        bk__job_judge(&job, bk_fail(BK_EINTERNAL, "boom"));
        bk_error_clear();
        assert_int_equal(job.outcome, made < 2 ? BK__RETRIED : BK__FAILED);
        assert_true(bk_str_eq(job.reason, BK_LIT("boom")));
        if (made < 2)
            assert_int_equal(job.delay_ms, 9);
    }
    bk_job job = job_of(&worker, &fiber, "{}", 0);
    bk__job_judge(&job, bk_fail(BK_EINTERNAL, "boom"));
    assert_int_equal(job.outcome, BK__FAILED);
    bk_error_clear();
}

static void test_the_reason_is_the_first_that_was_recorded(void **state)
{
    bk_worker worker = {0};
    bk_fiber fiber = {0};
    bk_job job = job_of(&worker, &fiber, "{}", 0);

    (void)state;
    bk__job_judge(&job, bk_context(bk_fail(BK_EIO, "the disk is full"), "writing the report"));
    bk_error_clear();
    assert_true(bk_str_eq(job.reason, BK_LIT("the disk is full")));
    assert_non_null(memmem(job.traces.ptr, job.traces.len, "writing the report", 18));
}

static void test_traces_are_cut_to_the_newest(void **state)
{
    bk_worker worker = {0};
    bk_fiber fiber = {0};
    bk_job job = job_of(&worker, &fiber, "{\"attempts\":9,\"stackTraceLimit\":2}", 2);

    (void)state;
    job.stacktrace = BK_LIT("[\"Error: one\",\"Error: two\"]");
    bk__job_judge(&job, bk_fail(BK_EINTERNAL, "three"));
    assert_null(memmem(job.traces.ptr, job.traces.len, "one", 3));
    assert_true(bk_str_starts(job.traces, BK_LIT("[\"Error: two\",\"Error: three")));
    job = job_of(&worker, &fiber, "{\"stackTraceLimit\":0}", 0);
    bk__job_judge(&job, bk_fail(BK_EINTERNAL, "x"));
    assert_true(bk_str_eq(job.traces, BK_LIT("[]")));
    bk_error_clear();
}

static void test_a_handler_that_was_told_to_stop_costs_no_attempt(void **state)
{
    bk_worker worker = {.stopping = true};
    bk_fiber fiber = {.cancelled = true};
    bk_job job = job_of(&worker, &fiber, "{\"attempts\":1}", 0);

    (void)state;
    bk__job_judge(&job, BK_ECANCELED);
    assert_int_equal(job.outcome, BK__RETURNED);
    bk__job_judge(&job, BK_OK);
    assert_int_equal(job.outcome, BK__COMPLETED);
}

static int make_arena(void **state)
{
    (void)state;
    arena = bk_arena_new();
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    bk_arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_of_node_are_read),
        cmocka_unit_test(test_true_false_and_numbers_say_how_many_stay),
        cmocka_unit_test(test_odd_options_are_as_if_not_there),
        cmocka_unit_test(test_backoff_grows_as_bullmqs),
        cmocka_unit_test(test_jitter_takes_its_part_of_the_delay),
        cmocka_unit_test(test_a_failure_is_retried_until_the_attempts_are_used_up),
        cmocka_unit_test(test_the_reason_is_the_first_that_was_recorded),
        cmocka_unit_test(test_traces_are_cut_to_the_newest),
        cmocka_unit_test(test_a_handler_that_was_told_to_stop_costs_no_attempt),
    };

    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
