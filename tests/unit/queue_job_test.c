/* How a job and its options are written: libbackend/queue/job.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "queue/queue.h"

static bk_arena *arena;

static void check_opts(const bk_job_opts *opts, const char *expected)
{
    bk_str json = bk__opts_write(arena, opts);

    if (!bk_str_eq(json, bk_str_of(expected)))
        fail_msg("%.*s is not %s", BK_PRI(json), expected);
}

static void test_options_have_bullmqs_short_names(void **state)
{
    (void)state;
    check_opts(&(bk_job_opts){0}, "{\"attempts\":0}");
    check_opts(
        &(bk_job_opts){.attempts = 3,
                       .backoff = {BK_BACKOFF_EXPONENTIAL, 100, 0.5},
                       .keep_completed = {.age_s = 60, .count = 10},
                       .keep_failed = {.count = 5},
                       .keep_logs = 3,
                       .lifo = true,
                       .stack_traces = 2,
                       .size_limit = 1000},
        "{\"kl\":3,\"lifo\":true,\"sizeLimit\":1000,\"stackTraceLimit\":2,"
        "\"removeOnComplete\":{\"age\":60,\"count\":10},\"removeOnFail\":5,"
        "\"backoff\":{\"type\":\"exponential\",\"delay\":100,\"jitter\":0.5},\"attempts\":3}");
    check_opts(
        &(bk_job_opts){.dedup = {.id = BK_LIT("D1"), .ttl_ms = 5000, .keep_last_if_active = true}},
        "{\"de\":{\"id\":\"D1\",\"ttl\":5000,\"keepLastIfActive\":true},\"attempts\":0}");
    check_opts(&(bk_job_opts){.id = BK_LIT("custom-1"), .priority = 2, .delay_ms = 60000},
               "{\"jobId\":\"custom-1\",\"priority\":2,\"delay\":60000,\"attempts\":0}");
    check_opts(&(bk_job_opts){.keep_completed = {.remove = true}, .keep_failed = {.all = true}},
               "{\"removeOnComplete\":true,\"removeOnFail\":false,\"attempts\":0}");
}

static void test_several_attempts_have_a_backoff_unless_told_otherwise(void **state)
{
    (void)state;
    check_opts(
        &(bk_job_opts){.attempts = 2},
        "{\"backoff\":{\"type\":\"exponential\",\"delay\":1000,\"jitter\":0.5},\"attempts\":2}");
    check_opts(&(bk_job_opts){.attempts = 2, .backoff = {.kind = BK_BACKOFF_NONE}},
               "{\"attempts\":2}");
    check_opts(&(bk_job_opts){.attempts = 2, .backoff = {.kind = BK_BACKOFF_FIXED, .ms = 7}},
               "{\"backoff\":{\"type\":\"fixed\",\"delay\":7},\"attempts\":2}");
}

static void test_many_attempts_leave_a_bounded_number_of_traces(void **state)
{
    (void)state;
    check_opts(&(bk_job_opts){.attempts = 11, .backoff = {.kind = BK_BACKOFF_NONE}},
               "{\"stackTraceLimit\":10,\"attempts\":11}");
    check_opts(&(bk_job_opts){.attempts = 11,
                              .backoff = {.kind = BK_BACKOFF_NONE},
                              .stack_traces = BK_UNLIMITED},
               "{\"attempts\":11}");
}

static void test_what_a_job_says_wins_over_its_queue(void **state)
{
    bk_job_opts under = {.attempts = 5,
                         .priority = 3,
                         .keep_completed = {.remove = true},
                         .id = BK_LIT("never"),
                         .delay_ms = 7};
    bk_job_opts out = bk__opts_merge(&under, &(bk_job_opts){.attempts = 2, .id = BK_LIT("own")});

    (void)state;
    assert_int_equal(out.attempts, 2);
    assert_int_equal(out.priority, 3);
    assert_int_equal(out.delay_ms, 7);
    assert_true(out.keep_completed.remove);
    assert_true(bk_str_eq(out.id, BK_LIT("own")));
    out = bk__opts_merge(&under, NULL);
    assert_int_equal(out.attempts, 5);
    assert_false(bk_str_present(out.id));
}

static void test_wrong_options_are_refused_with_words(void **state)
{
    const bk_job_opts bad[] = {
        {.priority = 2097152},    {.backoff = {.jitter = 1.5}},  {.backoff = {.jitter = -0.1}},
        {.delay_ms = UINT64_MAX}, {.dedup = {.id = BK_LIT("")}}, {.id = BK_LIT("42")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(bk__opts_check(&bad[i]), BK_EINVAL);
        assert_true(bk_error_chain()->message.len != 0);
        bk_error_clear();
    }
    assert_int_equal(bk__opts_check(&(bk_job_opts){.priority = 2097151}), BK_OK);
}

static void test_a_payload_is_json_and_not_too_large(void **state)
{
    bk_queue queue = {.name = (char *)(uintptr_t) "q"};
    bk_job_spec spec = {.name = "n"};
    struct bk__new_job job;

    (void)state;
    assert_int_equal(bk__new_job_make(&queue, &spec, arena, &job), BK_OK);
    assert_true(bk_str_eq(job.data, BK_LIT("{}")));
    spec.json = BK_LIT("{\"a\":");
    assert_int_equal(bk__new_job_make(&queue, &spec, arena, &job), BK_EINVAL);
    spec.json = BK_LIT("[1,2,3]");
    spec.opts = &(bk_job_opts){.size_limit = 6};
    assert_int_equal(bk__new_job_make(&queue, &spec, arena, &job), BK_ETOOBIG);
    spec.opts = &(bk_job_opts){.size_limit = 7};
    assert_int_equal(bk__new_job_make(&queue, &spec, arena, &job), BK_OK);
    bk_error_clear();
}

static void test_pairs_are_kept_in_their_order_however_many(void **state)
{
    struct bk__new_job job = {.arena = arena};

    (void)state;
    for (int i = 0; i < 100; i++)
        bk__new_job_set_i64(&job, BK_LIT("n"), i);
    assert_int_equal(job.pair_count, 200);
    for (size_t i = 0; i < 100; i++) {
        int64_t value = -1;
        assert_int_equal(bk_str_to_i64(job.pairs[2 * i + 1], &value), BK_OK);
        assert_int_equal(value, i);
    }
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
        cmocka_unit_test(test_options_have_bullmqs_short_names),
        cmocka_unit_test(test_several_attempts_have_a_backoff_unless_told_otherwise),
        cmocka_unit_test(test_many_attempts_leave_a_bounded_number_of_traces),
        cmocka_unit_test(test_what_a_job_says_wins_over_its_queue),
        cmocka_unit_test(test_wrong_options_are_refused_with_words),
        cmocka_unit_test(test_a_payload_is_json_and_not_too_large),
        cmocka_unit_test(test_pairs_are_kept_in_their_order_however_many),
    };

    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
