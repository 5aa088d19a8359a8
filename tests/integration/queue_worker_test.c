/* Running jobs: <backend/worker.h>, on a Redis of the test's own. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "harness/queue_app.h"

static struct redis server;

/* What handlers tell the test. */
static struct told {
    int starts;
    bk_err err;
    bool ended;
    pthread_t thread;
} told;

static void flush(void)
{
    redis_cli(&server, "FLUSHALL");
    told = (struct told){0};
}

/* --- handlers --------------------------------------------------------------------------------- */

struct mail {
    int64_t user;
    bk_str template;
};

BK_DESCRIBE(mail_desc, struct mail, BK_I64(user, BK_REQUIRED, BK_MIN(1)),
            BK_STR(template, BK_REQUIRED))

static bk_err send_mail(bk_job *job, void *data)
{
    struct mail mail;

    (void)data;
    told.starts++;
    BK_TRY(bk_job_bind(job, mail_desc, &mail));
    assert_int_equal(mail.user, 42);
    assert_true(bk_str_eq(bk_job_name(job), BK_LIT("send")));
    assert_int_equal(bk_job_attempt(job), 1);
    assert_int_equal(bk_job_attempts(job), 1);
    assert_true(bk_job_timestamp(job) > 0);
    assert_ptr_equal(bk_job_arena(job), bk_fiber_arena());
    assert_string_equal(bk_queue_name(bk_job_queue(job)), "q");
    assert_false(bk_job_is_canceled(job));
    BK_TRY(bk_job_progress(job, BK_LIT("50")));
    BK_TRY(bk_job_log(job, BK_LIT("sent")));
    assert_int_equal(bk_job_progress(job, BK_LIT("{")), BK_EINVAL);
    assert_int_equal(bk_job_return_json(job, BK_LIT("no json")), BK_EINVAL);
    bk_error_clear();
    bk_job_return(job, mail_desc, &mail);
    return BK_OK;
}

static bk_err wait_long(bk_job *job, void *data)
{
    (void)job, (void)data;
    told.starts++;
    told.err = bk_sleep_ms(600000);
    told.ended = true;
    return told.err;
}

/* --- what comes out ----------------------------------------------------------------------------- */

static bk_err add_mail_and_look(void *data)
{
    struct queue_app *it = data;
    struct mail mail = {42, BK_LIT("welcome")};
    bk_job_info info;
    bk_array lines;
    bk_str id;

    BK_TRY(bk_jobs_add(it->queue, "send", mail_desc, &mail, NULL, &id));
    BK_TRY(queue_app_await(it, id, BK_JOB_COMPLETED));
    BK_TRY(bk_queue_job(it->queue, id, &info));
    assert_true(bk_str_eq(info.return_value, BK_LIT("{\"user\":42,\"template\":\"welcome\"}")));
    assert_true(bk_str_eq(info.progress, BK_LIT("50")));
    assert_true(bk_str_eq(info.processed_by, BK_LIT("w1")));
    assert_int_equal(info.attempts_made, 1);
    assert_int_equal(info.state, BK_JOB_COMPLETED);
    BK_TRY(bk_queue_job_logs(it->queue, id, 0, 10, &lines));
    assert_int_equal(lines.count, 1);
    assert_true(bk_str_eq(((bk_str *)lines.items)[0], BK_LIT("sent")));
    return BK_OK;
}

static void test_a_handler_reads_its_job_and_tells_of_it(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){.name = "w1"}, 0);
    bk_worker_stats stats;

    (void)state;
    flush();
    bk_worker_on(it.worker, "send", send_mail, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_mail_and_look);
    bk_worker_get_stats(it.worker, &stats);
    assert_int_equal(stats.completed, 1);
    assert_int_equal(stats.running, 0);
    queue_app_end(&it);
}

static bk_err add_bad_mail(void *data)
{
    struct queue_app *it = data;
    bk_job_info info;
    bk_str id;

    BK_TRY(bk_jobs_add_json(it->queue, "send", BK_LIT("{\"user\":0}"),
                            &(bk_job_opts){.attempts = 5}, &id));
    BK_TRY(queue_app_await(it, id, BK_JOB_FAILED));
    BK_TRY(bk_queue_job(it->queue, id, &info));
    assert_non_null(memmem(info.failed_reason.ptr, info.failed_reason.len, "/user", 5));
    assert_non_null(memmem(info.failed_reason.ptr, info.failed_reason.len, "/template", 9));
    assert_true(bk_str_eq(info.data, BK_LIT("{\"user\":0}")));
    assert_int_equal(told.starts, 1);
    BK_TRY(bk_jobs_add_json(it->queue, "unheard-of", BK_LIT("{}"), NULL, &id));
    BK_TRY(queue_app_await(it, id, BK_JOB_FAILED));
    BK_TRY(bk_queue_job(it->queue, id, &info));
    assert_true(bk_str_eq(info.failed_reason, BK_LIT("no handler for jobs \"unheard-of\"")));
    return BK_OK;
}

static void test_a_payload_that_is_not_valid_fails_the_job_and_stays(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){0}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, "send", send_mail, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_bad_mail);
    queue_app_end(&it);
}

/* --- time and cancelling -------------------------------------------------------------------------- */

static bk_err add_slow(void *data)
{
    struct queue_app *it = data;
    bk_job_info info;
    bk_str id;

    BK_TRY(bk_jobs_add_json(it->queue, "wait", BK_LIT("{}"), NULL, &id));
    BK_TRY(queue_app_await(it, id, BK_JOB_FAILED));
    assert_int_equal(told.err, BK_ETIMEDOUT);
    BK_TRY(bk_queue_job(it->queue, id, &info));
    assert_true(bk_str_present(info.failed_reason));
    return BK_OK;
}

static void test_a_handler_has_its_time(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){.timeout_ms = 50}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, wait_long, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_slow);
    queue_app_end(&it);
}

static bk_err add_and_cancel(void *data)
{
    struct queue_app *it = data;
    bk_job_info info;
    bk_str id;

    assert_int_equal(bk_worker_cancel(it->worker, BK_LIT("1"), NULL), BK_ENOTFOUND);
    bk_error_clear();
    BK_TRY(bk_jobs_add_json(it->queue, "wait", BK_LIT("{}"), NULL, &id));
    while (told.starts == 0)
        BK_TRY(bk_sleep_ms(2));
    BK_TRY(bk_worker_cancel(it->worker, id, "nobody wants it"));
    BK_TRY(queue_app_await(it, id, BK_JOB_FAILED));
    BK_TRY(bk_queue_job(it->queue, id, &info));
    assert_true(bk_str_eq(info.failed_reason, BK_LIT("nobody wants it")));
    assert_int_equal(told.err, BK_ECANCELED);
    return BK_OK;
}

static void test_a_job_is_cancelled_by_its_id(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){0}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, wait_long, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_and_cancel);
    queue_app_end(&it);
}

static bk_err add_and_start(void *data)
{
    struct queue_app *it = data;

    BK_TRY(bk_jobs_add_json(it->queue, "wait", BK_LIT("{}"), NULL, NULL));
    BK_TRY(bk_jobs_add_json(it->queue, "wait", BK_LIT("{}"), NULL, NULL));
    while (told.starts == 0)
        BK_TRY(bk_sleep_ms(2));
    return BK_OK;
}

static void test_a_stop_gives_jobs_back_and_costs_no_attempt(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){0}, 50);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, wait_long, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_and_start);
    queue_app_end(&it);
    assert_true(told.ended);
    assert_string_equal(redis_cli(&server, "LINDEX", "bull:q:wait", "-1"), "1"); /* the next */
    assert_string_equal(redis_cli(&server, "LLEN", "bull:q:wait"), "2");
    assert_string_equal(redis_cli(&server, "EXISTS", "bull:q:1:lock", "bull:q:active"), "0");
    assert_string_equal(redis_cli(&server, "HEXISTS", "bull:q:1", "atm"), "0");
}

static bk_err sleep_a_little(bk_job *job, void *data)
{
    (void)job, (void)data;
    told.starts++;
    BK_TRY(bk_sleep_ms(300));
    told.ended = true;
    return BK_OK;
}

static void test_a_stop_lets_jobs_finish(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){0}, 20000);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, sleep_a_little, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_and_start);
    queue_app_end(&it);
    assert_true(told.ended);
    assert_int_equal(told.starts, 1);
    assert_string_equal(redis_cli(&server, "ZCARD", "bull:q:completed"), "1");
    assert_string_equal(redis_cli(&server, "LRANGE", "bull:q:wait", "0", "-1"), "2");
}

/* --- locks ---------------------------------------------------------------------------------------- */

static bk_err compute(bk_job *job, void *data)
{
    struct timespec end, now;
    const int *ms = data;

    told.starts++;
    told.thread = pthread_self();
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += *ms / 1000;
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    told.ended = true;
    return bk_job_return_json(job, BK_LIT("7"));
}

static bk_err add_computing(void *data)
{
    struct queue_app *it = data;
    bk_job_info info;
    bk_str id;

    BK_TRY(bk_jobs_add_json(it->queue, "compute", BK_LIT("{}"), NULL, &id));
    BK_TRY(queue_app_await(it, id, BK_JOB_COMPLETED));
    BK_TRY(bk_queue_job(it->queue, id, &info));
    assert_int_equal(info.stalled, 0);
    assert_int_equal(told.starts, 1);
    return BK_OK;
}

/* Its lock lasts a third of what the handler keeps the loop for, and others look for stalled jobs.
 */
static void test_no_busy_handler_holds_up_a_renewal(void **state)
{
    struct queue_app it =
        queue_app_make(&server, &(bk_worker_opts){.lock_ms = 1000, .stalled_ms = 200}, 0);
    int ms = 3000;

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, compute, &ms);
    queue_app_begin(&it);
    queue_app_run(&it, add_computing);
    queue_app_end(&it);
}

static void test_what_computes_runs_on_a_thread(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){.cpu = true}, 0);
    int ms = 1000;

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, compute, &ms);
    queue_app_begin(&it);
    queue_app_run(&it, add_computing);
    assert_false(pthread_equal(told.thread, pthread_self()));
    queue_app_end(&it);
}

static bk_err fail_on_a_thread(bk_job *job, void *data)
{
    (void)job, (void)data;
    return bk_fail(BK_EIO, "the thread has failed");
}

static bk_err add_failing(void *data)
{
    struct queue_app *it = data;
    bk_job_info info;
    bk_str id;

    BK_TRY(bk_jobs_add_json(it->queue, "fail", BK_LIT("{}"), NULL, &id));
    BK_TRY(queue_app_await(it, id, BK_JOB_FAILED));
    BK_TRY(bk_queue_job(it->queue, id, &info));
    assert_true(bk_str_eq(info.failed_reason, BK_LIT("the thread has failed")));
    return BK_OK;
}

static void test_an_error_of_a_thread_is_the_jobs(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){.cpu = true}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, fail_on_a_thread, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_failing);
    queue_app_end(&it);
}

static bk_err add_and_lose(void *data)
{
    struct queue_app *it = data;
    bk_worker_stats stats;
    bk_str id;

    BK_TRY(bk_jobs_add_json(it->queue, "wait", BK_LIT("{}"), NULL, &id));
    while (told.starts == 0)
        BK_TRY(bk_sleep_ms(2));
    BK_TRY(bk_redis_run(it->redis, "SET bull:q:1:lock another", BK_NO_ARGS, NULL));
    while (!told.ended)
        BK_TRY(bk_sleep_ms(5));
    assert_int_equal(told.err, BK_ECANCELED);
    do {
        BK_TRY(bk_sleep_ms(5));
        bk_worker_get_stats(it->worker, &stats);
    } while (stats.running != 0);
    assert_int_equal(stats.lost, 1);
    return queue_app_await(it, id, BK_JOB_ACTIVE); /* the other's: nothing was written */
}

static void test_a_lost_lock_cancels_the_handler_and_writes_nothing(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){.lock_ms = 800}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, wait_long, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_and_lose);
    queue_app_end(&it);
    assert_string_equal(redis_cli(&server, "GET", "bull:q:1:lock"), "another");
}

/* --- giving back ------------------------------------------------------------------------------------ */

static bk_err again_once(bk_job *job, void *data)
{
    (void)data;
    return told.starts++ == 0 ? bk_job_again(job, 30) : BK_OK;
}

static bk_err hold_once(bk_job *job, void *data)
{
    (void)data;
    return told.starts++ == 0 ? bk_job_hold_queue(job, 100) : BK_OK;
}

static bk_err add_one_and_await(void *data)
{
    struct queue_app *it = data;
    bk_job_info info;
    bk_str id;

    BK_TRY(bk_jobs_add_json(it->queue, "x", BK_LIT("{}"), NULL, &id));
    BK_TRY(queue_app_await(it, id, BK_JOB_COMPLETED));
    BK_TRY(bk_queue_job(it->queue, id, &info));
    assert_int_equal(info.attempts_made, 1);
    assert_int_equal(info.attempts_begun, 2);
    assert_false(bk_str_present(info.failed_reason));
    return BK_OK;
}

static void test_a_handler_puts_its_job_off(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){0}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, again_once, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_one_and_await);
    queue_app_end(&it);
}

static void test_a_handler_holds_its_queue(void **state)
{
    struct queue_app it =
        queue_app_make(&server, &(bk_worker_opts){.limit = {.max = 1000, .per_ms = 1000}}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, hold_once, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_one_and_await);
    queue_app_end(&it);
}

static bk_err update_then_fail(bk_job *job, void *data)
{
    (void)data;
    if (told.starts++ == 0) {
        BK_TRY(bk_job_update(job, BK_LIT("{\"step\":2}")));
        return bk_fail(BK_EIO, "half way");
    }
    assert_true(bk_str_eq(bk_job_data(job), BK_LIT("{\"step\":2}")));
    return BK_OK;
}

static bk_err add_with_attempts(void *data)
{
    struct queue_app *it = data;
    bk_str id;

    BK_TRY(bk_jobs_add_json(it->queue, "x", BK_LIT("{\"step\":1}"),
                            &(bk_job_opts){.attempts = 2, .backoff = {.kind = BK_BACKOFF_NONE}},
                            &id));
    return queue_app_await(it, id, BK_JOB_COMPLETED);
}

static void test_a_job_goes_on_where_it_stopped(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){0}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, update_then_fail, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_with_attempts);
    queue_app_end(&it);
    assert_int_equal(told.starts, 2);
}

/* --- limits --------------------------------------------------------------------------------------- */

static bk_err count_start(bk_job *job, void *data)
{
    (void)job, (void)data;
    told.starts++;
    return BK_OK;
}

static bk_err add_to_groups(void *data)
{
    struct queue_app *it = data;
    bk_job_counts counts;
    const char *payloads[] = {"{\"tenant\":\"a\"}",
                              "{\"tenant\":\"a\"}",
                              "{\"tenant\":\"a\"}",
                              "{\"tenant\":\"b\"}",
                              "{}",
                              "{}"};

    for (size_t i = 0; i < 6; i++)
        BK_TRY(bk_jobs_add_json(it->queue, "x", bk_str_of(payloads[i]), NULL, NULL));
    do {
        BK_TRY(bk_sleep_ms(5));
        BK_TRY(bk_queue_counts(it->queue, &counts));
    } while (counts.completed + counts.delayed != 6 || counts.active != 0);
    assert_int_equal(counts.completed, 5); /* two of a, one of b, and both that have no group */
    assert_int_equal(counts.delayed, 1);
    assert_int_equal(told.starts, 5);
    return BK_OK;
}

static void test_each_group_has_its_limit(void **state)
{
    struct queue_app it = queue_app_make(
        &server,
        &(bk_worker_opts){.group_limit = {.max = 2, .per_ms = 600000}, .group_key = "tenant"}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, count_start, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_to_groups);
    queue_app_end(&it);
}

static bk_err pause_and_resume(void *data)
{
    struct queue_app *it = data;
    bk_str id;

    bk_worker_pause(it->worker);
    BK_TRY(bk_jobs_add_json(it->queue, "x", BK_LIT("{}"), NULL, &id));
    BK_TRY(bk_sleep_ms(200));
    assert_int_equal(told.starts, 0);
    bk_worker_resume(it->worker);
    return queue_app_await(it, id, BK_JOB_COMPLETED);
}

static void test_a_paused_worker_takes_nothing(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){0}, 0);

    (void)state;
    flush();
    bk_worker_on(it.worker, NULL, count_start, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, pause_and_resume);
    queue_app_end(&it);
}

/* --- connections ---------------------------------------------------------------------------------- */

static bk_queue *second_queue;

/* Each is woken at once, whichever was idle first, and however often. */
static bk_err add_to_both(void *data)
{
    struct queue_app *it = data;

    for (int i = 0; i < 6; i++) {
        bk_queue *queue = i % 3 == 1 ? second_queue : it->queue;
        bk_job_info info;
        bk_str id;
        BK_TRY(bk_sleep_ms(100));
        BK_TRY(bk_jobs_add_json(queue, "x", BK_LIT("{}"), NULL, &id));
        for (int ms = 0; ms < QUEUE_APP_PATIENCE_MS; ms += 5) {
            BK_TRY(bk_queue_job(queue, id, &info));
            if (info.state == BK_JOB_COMPLETED)
                break;
            BK_TRY(bk_sleep_ms(5));
        }
        assert_int_equal(info.state, BK_JOB_COMPLETED);
        /* An idle worker looks by itself only after drain_ms. */
        assert_true(info.finished_on - info.timestamp < INT64_C(10000000));
    }
    bk_str clients;
    int found = 0;
    BK_TRY(bk_redis_str(it->redis, "CLIENT LIST", BK_NO_ARGS, &clients));
    for (bk_str line; bk_str_split(&clients, '\n', &line);)
        found += line.len != 0;
    assert_int_equal(found, 3); /* commands, waiting, locks */
    return BK_OK;
}

static void test_all_queues_share_one_connection_to_wait_on(void **state)
{
    bk_worker_opts opts = {.drain_ms = 60000};
    struct queue_app it = queue_app_make(&server, &opts, 0);

    (void)state;
    flush();
    second_queue = bk_queue_new(it.app, &(bk_queue_opts){.name = "second", .redis = it.redis});
    bk_worker *second = bk_worker_new(it.app, second_queue, &opts);
    bk_worker_on(it.worker, NULL, count_start, NULL);
    bk_worker_on(second, NULL, count_start, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, add_to_both);
    queue_app_end(&it);
    assert_int_equal(told.starts, 6);
}

static bk_err start_and_look_at_marker(void *data)
{
    struct queue_app *it = data;
    int64_t there = 0;

    /* The worker on the second queue keeps the connection waiting; that on the first gets busy
     * between two looks, so that its marker is taken when it has no room. */
    BK_TRY(bk_jobs_add_json(it->queue, "wait", BK_LIT("{}"), NULL, NULL));
    while (told.starts == 0)
        BK_TRY(bk_sleep_ms(2));
    BK_TRY(bk_jobs_add_json(it->queue, "wait", BK_LIT("{}"), NULL, NULL));
    for (int ms = 0; ms < QUEUE_APP_PATIENCE_MS && there == 0; ms += 10) {
        BK_TRY(bk_sleep_ms(10));
        BK_TRY(bk_redis_i64(it->redis, "EXISTS bull:q:marker", BK_NO_ARGS, &there));
    }
    assert_int_equal(there, 1);
    return BK_OK;
}

static void test_a_marker_is_left_for_others_by_who_has_no_room(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){0}, 50);

    (void)state;
    flush();
    second_queue = bk_queue_new(it.app, &(bk_queue_opts){.name = "second", .redis = it.redis});
    bk_worker *second = bk_worker_new(it.app, second_queue, NULL);
    bk_worker_on(it.worker, NULL, wait_long, NULL);
    bk_worker_on(second, NULL, count_start, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, start_and_look_at_marker);
    queue_app_end(&it);
}

/* --- Redis ---------------------------------------------------------------------------------------- */

static void test_a_redis_that_evicts_is_refused(void **state)
{
    struct queue_app it = queue_app_make(&server, &(bk_worker_opts){.refuse_eviction = true}, 0);

    (void)state;
    flush();
    redis_cli(&server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    assert_int_equal(bk_app_listen(it.app, &(bk_listen_opts){.port = 0}), BK_OK);
    assert_int_equal(bk_app_run(it.app), BK_EINVAL);
    bk_error_clear();
    bk_app_free(it.app);
    redis_cli(&server, "CONFIG", "SET", "maxmemory-policy", "noeviction");
}

static bk_err kill_redis_under_way(void *data)
{
    struct queue_app *it = data;
    bk_str id;

    BK_TRY(bk_jobs_add_json(it->queue, "x", BK_LIT("{}"), NULL, &id));
    while (told.starts == 0)
        BK_TRY(bk_sleep_ms(2));
    redis_signal(it->server, SIGKILL);
    BK_TRY(bk_sleep_ms(500));
    assert_int_equal(bk_jobs_add_json(it->queue, "x", BK_LIT("{}"), NULL, NULL), BK_EUNAVAILABLE);
    bk_error_clear();
    redis_again(it->server);
    return queue_app_await(it, id, BK_JOB_COMPLETED);
}

static void test_a_completion_is_told_to_a_redis_that_comes_back(void **state)
{
    struct redis own = redis_start("--appendonly", "yes", "--appendfsync", "always");
    struct queue_app it = queue_app_make(&own, &(bk_worker_opts){0}, 0);

    (void)state;
    told = (struct told){0};
    bk_worker_on(it.worker, NULL, sleep_a_little, NULL);
    queue_app_begin(&it);
    queue_app_run(&it, kill_redis_under_way);
    queue_app_end(&it);
    redis_stop(&own);
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
        cmocka_unit_test(test_a_handler_reads_its_job_and_tells_of_it),
        cmocka_unit_test(test_a_payload_that_is_not_valid_fails_the_job_and_stays),
        cmocka_unit_test(test_a_handler_has_its_time),
        cmocka_unit_test(test_a_job_is_cancelled_by_its_id),
        cmocka_unit_test(test_a_stop_gives_jobs_back_and_costs_no_attempt),
        cmocka_unit_test(test_a_stop_lets_jobs_finish),
        cmocka_unit_test(test_no_busy_handler_holds_up_a_renewal),
        cmocka_unit_test(test_what_computes_runs_on_a_thread),
        cmocka_unit_test(test_an_error_of_a_thread_is_the_jobs),
        cmocka_unit_test(test_a_lost_lock_cancels_the_handler_and_writes_nothing),
        cmocka_unit_test(test_a_handler_puts_its_job_off),
        cmocka_unit_test(test_a_handler_holds_its_queue),
        cmocka_unit_test(test_a_job_goes_on_where_it_stopped),
        cmocka_unit_test(test_each_group_has_its_limit),
        cmocka_unit_test(test_a_paused_worker_takes_nothing),
        cmocka_unit_test(test_all_queues_share_one_connection_to_wait_on),
        cmocka_unit_test(test_a_marker_is_left_for_others_by_who_has_no_room),
        cmocka_unit_test(test_a_redis_that_evicts_is_refused),
        cmocka_unit_test(test_a_completion_is_told_to_a_redis_that_comes_back),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
