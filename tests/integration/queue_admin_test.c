/* Adding jobs, looking at them, changing them, hearing of them: <backend/queue.h> and
 * <backend/queue_admin.h>, on a Redis of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/queue_app.h"

static struct redis server;

/* Runs @p fn beside a queue that nobody works at, or one whose jobs all succeed. */
static void run(bk_err (*fn)(void *data), const bk_worker_opts *opts, bk_job_fn handler)
{
    struct queue_app it = queue_app_make(&server, opts, 0);

    redis_cli(&server, "FLUSHALL");
    if (handler != NULL)
        bk_worker_on(it.worker, NULL, handler, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, fn);
    queue_app_end(&it);
}

static bk_err succeed(bk_job *job, void *data)
{
    (void)job, (void)data;
    return BK_OK;
}

static bk_err give_up(bk_job *job, void *data)
{
    (void)job, (void)data;
    return bk_fail(BK_EIO, "no");
}

BK_YIELDS static bk_err add(const struct queue_app *it, const bk_job_opts *opts, bk_str *id)
{
    return bk_jobs_add_json(it->queue, "x", BK_LIT("{}"), opts, id);
}

BK_YIELDS static bk_err await_counts(const struct queue_app *it, int64_t completed, int64_t failed)
{
    bk_job_counts counts;

    for (int ms = 0; ms < QUEUE_APP_PATIENCE_MS; ms += 5) {
        BK_TRY(bk_queue_counts(it->queue, &counts));
        if (counts.completed == completed && counts.failed == failed && counts.active == 0)
            return BK_OK;
        BK_TRY(bk_sleep_ms(5));
    }
    return bk_fail(BK_ETIMEDOUT, "%lld completed, %lld failed", (long long)counts.completed,
                   (long long)counts.failed);
}

/* --- adding --------------------------------------------------------------------------------------- */

static bk_err add_many(void *data)
{
    const struct queue_app *it = data;
    enum {
        COUNT = 2 * BK_JOBS_CHUNK + 7
    };
    bk_job_spec *specs = bk_arena_zalloc(bk_fiber_arena(), COUNT * sizeof *specs);
    bk_str *ids = bk_arena_zalloc(bk_fiber_arena(), COUNT * sizeof *ids);
    bk_job_counts counts;
    int64_t number;

    for (size_t i = 0; i < COUNT; i++)
        specs[i] = (bk_job_spec){.name = "x"};
    specs[5].json = BK_LIT("{");
    assert_int_equal(bk_jobs_add_bulk(it->queue, specs, COUNT, ids), BK_EINVAL);
    bk_error_clear();
    BK_TRY(bk_queue_counts(it->queue, &counts));
    assert_int_equal(counts.waiting, 0); /* all are checked before the first is added */
    specs[5].json = BK_LIT("5");
    BK_TRY(bk_jobs_add_bulk(it->queue, specs, COUNT, ids));
    for (size_t i = 0; i < COUNT; i++) {
        BK_TRY(bk_str_to_i64(ids[i], &number));
        assert_int_equal(number, i + 1);
    }
    BK_TRY(bk_jobs_add_bulk(it->queue, specs, 0, NULL));
    BK_TRY(bk_queue_counts(it->queue, &counts));
    assert_int_equal(counts.waiting, COUNT);
    return BK_OK;
}

static void test_many_are_added_in_their_order(void **state)
{
    (void)state;
    run(add_many, NULL, NULL);
}

static bk_err add_wrong(void *data)
{
    const struct queue_app *it = data;
    char large[2000];

    memset(large, ' ', sizeof large);
    memcpy(large, "{}", 2);
    assert_int_equal(add(it, &(bk_job_opts){.priority = UINT32_MAX}, NULL), BK_EINVAL);
    assert_int_equal(add(it, &(bk_job_opts){.id = BK_LIT("7")}, NULL), BK_EINVAL);
    assert_int_equal(bk_jobs_add_json(it->queue, "x", BK_LIT("{"), NULL, NULL), BK_EINVAL);
    assert_int_equal(bk_jobs_add_json(it->queue, "x", bk_str_at(large, sizeof large),
                                      &(bk_job_opts){.size_limit = 1999}, NULL),
                     BK_ETOOBIG);
    bk_error_clear();
    return BK_OK;
}

static void test_what_is_refused_changes_nothing(void **state)
{
    (void)state;
    run(add_wrong, NULL, NULL);
    assert_string_equal(redis_cli(&server, "DBSIZE"), "0");
}

static bk_err add_replacing(void *data)
{
    const struct queue_app *it = data;
    bk_job_opts first = {.delay_ms = 600000, .dedup = {.id = BK_LIT("d"), .replace = true}};
    bk_job_opts timed = {.dedup = {.id = BK_LIT("t"), .ttl_ms = 600000, .extend = true}};
    bk_job_info info;
    bk_str a, b, c, d;

    BK_TRY(add(it, &first, &a));
    BK_TRY(bk_jobs_add_json(it->queue, "newer", BK_LIT("{}"), &first, &b));
    assert_false(bk_str_eq(a, b));
    assert_int_equal(bk_queue_job(it->queue, a, &info), BK_ENOTFOUND);
    bk_error_clear();
    BK_TRY(bk_queue_job(it->queue, b, &info));
    assert_true(bk_str_eq(info.name, BK_LIT("newer")));
    assert_int_equal(info.state, BK_JOB_DELAYED);
    assert_true(bk_str_eq(info.dedup_id, BK_LIT("d")));

    BK_TRY(add(it, &timed, &c));
    BK_TRY(bk_redis_run(it->redis, "PEXPIRE bull:q:de:t 1000", BK_NO_ARGS, NULL));
    BK_TRY(add(it, &timed, &d));
    assert_true(bk_str_eq(c, d));
    int64_t left;
    BK_TRY(bk_redis_i64(it->redis, "PTTL bull:q:de:t", BK_NO_ARGS, &left));
    assert_true(left > 1000);
    return BK_OK;
}

static void test_a_duplicate_replaces_or_prolongs(void **state)
{
    (void)state;
    run(add_replacing, NULL, NULL);
}

static bk_err add_without_redis(void *data)
{
    struct queue_app *it = data;

    redis_signal(it->server, SIGKILL);
    assert_int_equal(add(it, NULL, NULL), BK_EUNAVAILABLE);
    assert_int_equal(bk_queue_pause(it->queue), BK_EUNAVAILABLE);
    bk_error_clear();
    redis_again(it->server);
    return BK_OK;
}

static void test_without_redis_nothing_is_said_to_be_added(void **state)
{
    (void)state;
    run(add_without_redis, NULL, NULL);
}

/* --- looking --------------------------------------------------------------------------------------- */

static bk_err look_at_pages(void *data)
{
    const struct queue_app *it = data;
    const bk_job_info *jobs;
    bk_job_counts counts;
    size_t found;

    for (int i = 0; i < 5; i++)
        BK_TRY(add(it, NULL, NULL));
    BK_TRY(add(it, &(bk_job_opts){.priority = 2}, NULL));
    BK_TRY(add(it, &(bk_job_opts){.priority = 1}, NULL));
    BK_TRY(add(it, &(bk_job_opts){.delay_ms = 60000, .attempts = 3}, NULL));
    BK_TRY(bk_queue_counts(it->queue, &counts));
    assert_int_equal(counts.waiting, 5);
    assert_int_equal(counts.prioritized, 2);
    assert_int_equal(counts.delayed, 1);
    assert_false(counts.paused);

    BK_TRY(bk_queue_jobs(it->queue, BK_JOB_WAITING, 1, 2, &jobs, &found));
    assert_int_equal(found, 2);
    assert_true(bk_str_eq(jobs[0].id, BK_LIT("2")) && bk_str_eq(jobs[1].id, BK_LIT("3")));
    BK_TRY(bk_queue_jobs(it->queue, BK_JOB_PRIORITIZED, 0, 10, &jobs, &found));
    assert_int_equal(found, 2);
    assert_true(bk_str_eq(jobs[0].id, BK_LIT("7")));
    assert_int_equal(jobs[0].priority, 1);
    BK_TRY(bk_queue_jobs(it->queue, BK_JOB_DELAYED, 0, 10, &jobs, &found));
    assert_int_equal(found, 1);
    assert_int_equal(jobs[0].delay_ms, 60000);
    assert_int_equal(jobs[0].state, BK_JOB_DELAYED);
    BK_TRY(bk_queue_jobs(it->queue, BK_JOB_COMPLETED, 0, 10, &jobs, &found));
    assert_int_equal(found, 0);
    assert_int_equal(bk_queue_jobs(it->queue, BK_JOB_UNKNOWN, 0, 1, &jobs, &found), BK_EINVAL);
    bk_error_clear();
    return BK_OK;
}

static void test_jobs_are_shown_page_by_page(void **state)
{
    (void)state;
    run(look_at_pages, NULL, NULL);
}

static bk_err look_at_metrics(void *data)
{
    const struct queue_app *it = data;
    bk_queue_metrics metrics;

    for (int i = 0; i < 3; i++)
        BK_TRY(add(it, NULL, NULL));
    BK_TRY(await_counts(it, 3, 0));
    BK_TRY(bk_queue_get_metrics(it->queue, BK_JOB_COMPLETED, &metrics));
    assert_int_equal(metrics.count, 3);
    assert_true(metrics.since > 0);
    assert_int_equal(metrics.points, 0);
    /* Three minutes later. */
    BK_TRY(bk_redis_run(it->redis, "HSET bull:q:metrics:completed prevTS $1",
                        BK_ARGS(bk_i64(metrics.since / 1000 - 180000)), NULL));
    BK_TRY(add(it, NULL, NULL));
    BK_TRY(await_counts(it, 4, 0));
    BK_TRY(bk_queue_get_metrics(it->queue, BK_JOB_COMPLETED, &metrics));
    assert_int_equal(metrics.count, 4);
    assert_int_equal(metrics.points, 3);
    assert_true(metrics.minutes[0] == 0 && metrics.minutes[1] == 0 && metrics.minutes[2] == 3);
    assert_int_equal(bk_queue_get_metrics(it->queue, BK_JOB_ACTIVE, &metrics), BK_EINVAL);
    bk_error_clear();
    return BK_OK;
}

static void test_ended_jobs_are_counted_by_the_minute(void **state)
{
    (void)state;
    run(look_at_metrics, &(bk_worker_opts){.metrics_minutes = 10}, succeed);
}

/* --- changing --------------------------------------------------------------------------------------- */

static bk_err change_jobs(void *data)
{
    const struct queue_app *it = data;
    bk_job_state state;
    bk_job_info info;
    bk_str late, plain;

    BK_TRY(add(it, &(bk_job_opts){.delay_ms = 60000}, &late));
    BK_TRY(add(it, NULL, &plain));
    BK_TRY(bk_queue_set_delay(it->queue, late, 90000));
    BK_TRY(bk_queue_job(it->queue, late, &info));
    assert_int_equal(info.delay_ms, 90000);
    assert_int_equal(bk_queue_set_delay(it->queue, plain, 1), BK_ECONFLICT);
    assert_int_equal(bk_queue_set_delay(it->queue, BK_LIT("none"), 1), BK_ENOTFOUND);
    BK_TRY(bk_queue_set_priority(it->queue, plain, 7));
    BK_TRY(bk_queue_job_state(it->queue, plain, &state));
    assert_int_equal(state, BK_JOB_PRIORITIZED);
    BK_TRY(bk_queue_set_priority(it->queue, plain, 0));
    BK_TRY(bk_queue_job_state(it->queue, plain, &state));
    assert_int_equal(state, BK_JOB_WAITING);
    assert_int_equal(bk_queue_set_priority(it->queue, plain, 2097152), BK_EINVAL);
    assert_int_equal(bk_queue_set_priority(it->queue, BK_LIT("none"), 1), BK_ENOTFOUND);
    assert_int_equal(bk_queue_promote(it->queue, plain), BK_ECONFLICT);
    BK_TRY(bk_queue_promote(it->queue, late));
    assert_int_equal(bk_queue_promote(it->queue, BK_LIT("none")), BK_ENOTFOUND);
    assert_int_equal(bk_queue_retry(it->queue, plain), BK_ECONFLICT);
    assert_int_equal(bk_queue_retry(it->queue, BK_LIT("none")), BK_ENOTFOUND);
    BK_TRY(bk_queue_remove(it->queue, plain));
    BK_TRY(bk_queue_remove(it->queue, plain));
    BK_TRY(bk_redis_run(
        it->redis, "SET $1 somebody",
        BK_ARGS(bk_text(bk_arena_printf(bk_fiber_arena(), "bull:q:%.*s:lock", BK_PRI(late)))),
        NULL));
    assert_int_equal(bk_queue_remove(it->queue, late), BK_ECONFLICT);
    bk_error_clear();
    return BK_OK;
}

static void test_one_job_is_changed(void **state)
{
    (void)state;
    run(change_jobs, NULL, NULL);
}

static bk_err retry_and_clean(void *data)
{
    const struct queue_app *it = data;
    uint64_t count = 0;
    bk_job_info info;

    for (int i = 0; i < 5; i++)
        BK_TRY(add(it, NULL, NULL));
    BK_TRY(await_counts(it, 0, 5));
    BK_TRY(bk_queue_retry(it->queue, BK_LIT("3")));
    BK_TRY(await_counts(it, 0, 5));
    BK_TRY(bk_queue_retry_all(it->queue, BK_JOB_FAILED, &count));
    assert_int_equal(count, 5);
    BK_TRY(await_counts(it, 0, 5));
    BK_TRY(bk_queue_job(it->queue, BK_LIT("3"), &info));
    assert_int_equal(info.attempts_made, 3);
    assert_int_equal(bk_queue_retry_all(it->queue, BK_JOB_ACTIVE, NULL), BK_EINVAL);
    bk_error_clear();
    BK_TRY(bk_queue_clean(it->queue, BK_JOB_FAILED, 600000, 0, &count));
    assert_int_equal(count, 0);
    BK_TRY(bk_queue_clean(it->queue, BK_JOB_FAILED, 0, 2, &count));
    assert_int_equal(count, 2);
    BK_TRY(bk_queue_clean(it->queue, BK_JOB_FAILED, 0, 0, &count));
    assert_int_equal(count, 3);
    return BK_OK;
}

static void test_failed_jobs_run_once_more_and_go(void **state)
{
    (void)state;
    run(retry_and_clean, &(bk_worker_opts){.concurrency = 3}, give_up);
}

static bk_err empty_it(void *data)
{
    const struct queue_app *it = data;
    bk_job_counts counts;
    uint64_t count = 0;

    for (int i = 0; i < 3; i++) {
        BK_TRY(add(it, NULL, NULL));
        BK_TRY(add(it, &(bk_job_opts){.priority = 1}, NULL));
        BK_TRY(add(it, &(bk_job_opts){.delay_ms = 60000}, NULL));
    }
    BK_TRY(bk_queue_drain(it->queue, false));
    BK_TRY(bk_queue_counts(it->queue, &counts));
    assert_true(counts.waiting == 0 && counts.prioritized == 0 && counts.delayed == 3);
    BK_TRY(bk_queue_promote_all(it->queue, &count));
    assert_int_equal(count, 3);
    BK_TRY(add(it, &(bk_job_opts){.delay_ms = 60000}, NULL));
    BK_TRY(bk_queue_clean(it->queue, BK_JOB_WAITING, 0, 0, &count));
    assert_int_equal(count, 3);
    BK_TRY(bk_queue_drain(it->queue, true));
    BK_TRY(bk_queue_counts(it->queue, &counts));
    assert_int_equal(counts.delayed, 0);

    for (int i = 0; i < 1500; i++)
        BK_TRY(add(it, &(bk_job_opts){.priority = 1 + (uint32_t)i % 2}, NULL));
    BK_TRY(bk_queue_pause(it->queue));
    BK_TRY(bk_queue_counts(it->queue, &counts));
    assert_true(counts.paused);
    BK_TRY(bk_queue_resume(it->queue));
    BK_TRY(bk_redis_run(it->redis, "LPUSH bull:q:active 1", BK_NO_ARGS, NULL));
    assert_int_equal(bk_queue_obliterate(it->queue, false), BK_ECONFLICT);
    bk_error_clear();
    return bk_queue_obliterate(it->queue, true);
}

static void test_a_queue_is_emptied(void **state)
{
    (void)state;
    run(empty_it, NULL, NULL);
    assert_string_equal(redis_cli(&server, "DBSIZE"), "0");
}

static bk_err set_limits(void *data)
{
    const struct queue_app *it = data;
    bk_str text;

    BK_TRY(bk_queue_set_concurrency(it->queue, 3));
    BK_TRY(bk_queue_set_limit(it->queue, 5, 1000));
    BK_TRY(bk_redis_str(it->redis, "HGET bull:q:meta concurrency", BK_NO_ARGS, &text));
    assert_true(bk_str_eq(text, BK_LIT("3")));
    assert_int_equal(bk_queue_set_limit(it->queue, 5, 0), BK_EINVAL);
    bk_error_clear();
    BK_TRY(bk_queue_set_concurrency(it->queue, 0));
    return bk_queue_set_limit(it->queue, 0, 0);
}

static void test_limits_of_a_queue_are_set_and_lifted(void **state)
{
    (void)state;
    run(set_limits, NULL, NULL);
    assert_string_equal(redis_cli(&server, "DBSIZE"), "0");
}

/* --- hearing -------------------------------------------------------------------------------------- */

/* The next event that is not about waiting and such. */
BK_YIELDS static bk_err next_of(bk_queue_events *events, const char *kind, bk_queue_event *event)
{
    bk_deadline before = bk_deadline_push(QUEUE_APP_PATIENCE_MS);
    bk_err err;

    do
        err = bk_queue_events_next(events, event);
    while (err == BK_OK && !bk_str_eq(event->kind, bk_str_of(kind)));
    bk_deadline_pop(before);
    return err;
}

static bk_err hear(void *data)
{
    const struct queue_app *it = data;
    bk_queue_events *events, *small, *later;
    bk_queue_event event;
    char first[64];

    BK_TRY(bk_queue_events_open(it->queue, NULL, &events));
    BK_TRY(bk_queue_events_open(it->queue, &(bk_queue_events_opts){.queue = 2}, &small));
    BK_TRY(add(it, NULL, NULL));
    BK_TRY(next_of(events, "added", &event));
    snprintf(first, sizeof first, "%.*s", BK_PRI(event.id));
    assert_true(bk_str_eq(event.name, BK_LIT("x")) && bk_str_eq(event.job_id, BK_LIT("1")));
    BK_TRY(next_of(events, "completed", &event));
    assert_true(bk_str_eq(event.return_value, BK_LIT("null")));
    assert_true(bk_str_eq(event.prev, BK_LIT("active")) && !event.gap);
    for (int i = 0; i < 300; i++)
        BK_TRY(add(it, NULL, NULL));
    BK_TRY(await_counts(it, 301, 0));
    for (int i = 0; i < 301; i++) { /* one that is slow misses nothing while Redis has it */
        BK_TRY(next_of(small, "completed", &event));
        assert_false(event.gap);
    }
    BK_TRY(bk_queue_events_open(it->queue, &(bk_queue_events_opts){.after = bk_str_of(first)},
                                &later));
    for (int i = 0; i < 301; i++)
        BK_TRY(next_of(later, "completed", &event));
    bk_source *sources[] = {bk_queue_events_source(later)};
    size_t which;
    BK_TRY(add(it, NULL, NULL));
    BK_TRY(bk_select(sources, 1, &which));
    BK_TRY(next_of(later, "completed", &event));
    bk_queue_events_close(later);
    assert_int_equal(bk_queue_events_next(later, &event), BK_ECLOSED);

    BK_TRY(bk_redis_run(it->redis, "XTRIM bull:q:events MAXLEN 10", BK_NO_ARGS, NULL));
    BK_TRY(bk_queue_events_open(it->queue, &(bk_queue_events_opts){.after = bk_str_of(first)},
                                &later));
    BK_TRY(bk_queue_events_next(later, &event));
    assert_true(event.gap);
    assert_int_equal(
        bk_queue_events_open(it->queue, &(bk_queue_events_opts){.after = BK_LIT("x")}, &later),
        BK_EINVAL);
    bk_error_clear();
    return BK_OK;
}

static void test_events_are_heard_by_all_and_from_where_one_likes(void **state)
{
    (void)state;
    run(hear, &(bk_worker_opts){.concurrency = 5}, succeed);
}

static int start_server(void **state)
{
    (void)state;
    server = redis_start("--appendonly", "yes");
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
        cmocka_unit_test(test_many_are_added_in_their_order),
        cmocka_unit_test(test_what_is_refused_changes_nothing),
        cmocka_unit_test(test_a_duplicate_replaces_or_prolongs),
        cmocka_unit_test(test_without_redis_nothing_is_said_to_be_added),
        cmocka_unit_test(test_jobs_are_shown_page_by_page),
        cmocka_unit_test(test_ended_jobs_are_counted_by_the_minute),
        cmocka_unit_test(test_one_job_is_changed),
        cmocka_unit_test(test_failed_jobs_run_once_more_and_go),
        cmocka_unit_test(test_a_queue_is_emptied),
        cmocka_unit_test(test_limits_of_a_queue_are_set_and_lifted),
        cmocka_unit_test(test_events_are_heard_by_all_and_from_where_one_likes),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
