/*
 * Queues on a real Redis Cluster: two of one slot, and a third of another, whose master dies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "harness/patient_run.h"
#include "harness/redis_cluster.h"
#include "harness/stops.h"

#define PATIENCE_MS 20000

static struct redis_cluster cluster;

/* --- a press ------------------------------------------------------------------------------------ */

struct press {
    bk_app *app;
    bk_test *test;
    bk_redis *redis;
    bk_queue *books, *pages, *mails; /* mails lie on the first master, the others on the third */
    bk_worker *binder;
    int runs, failures_left;
};

static bk_err work(bk_job *job, void *data)
{
    struct press *press = data;

    (void)job;
    press->runs++;
    if (press->failures_left == 0)
        return BK_OK;
    press->failures_left--;
    return bk_fail(BK_EIO, "no ink");
}

static bk_worker *worker_at(struct press *press, bk_queue *queue)
{
    bk_worker *worker = bk_worker_new(press->app, queue,
                                      &(bk_worker_opts){.concurrency = 8,
                                                        .lock_ms = 1000,
                                                        .stalled_ms = 200,
                                                        .stalled_max = BK_UNLIMITED,
                                                        .drain_ms = 600000}); /* only when called */

    bk_worker_on(worker, NULL, work, press);
    return worker;
}

static bk_queue *queue_at(struct press *press, const char *prefix, const char *name)
{
    return bk_queue_new(press->app,
                        &(bk_queue_opts){.name = name, .redis = press->redis, .prefix = prefix});
}

static void press_run(bk_err (*fn)(void *data))
{
    struct press press = {.app = bk_app_new(NULL)};

    press.redis = bk_redis_new(press.app, &(bk_redis_opts){.url = bk_str_of(cluster.url)});
    press.books = queue_at(&press, "{wa}", "books");
    press.pages = queue_at(&press, "{wa}", "pages");
    press.mails = queue_at(&press, "{wc}", "mails");
    press.binder = worker_at(&press, press.books);
    (void)worker_at(&press, press.pages);
    (void)worker_at(&press, press.mails);
    press.test = bk_test_new(press.app, NULL);
    if (patient_run(press.test, fn, &press) != BK_OK)
        fail_msg("%.*s", BK_PRI(bk_test_logs(press.test)));
    bk_test_free(press.test);
    bk_app_free(press.app);
}

BK_YIELDS static bk_err await(bk_queue *queue, bk_str id)
{
    bk_job_state state = BK_JOB_UNKNOWN;

    for (int ms = 0; ms < PATIENCE_MS; ms += 5) {
        if (bk_queue_job_state(queue, id, &state) == BK_OK && state == BK_JOB_COMPLETED)
            return BK_OK;
        bk_error_clear();
        BK_TRY(bk_sleep_ms(5));
    }
    return bk_fail(BK_ETIMEDOUT, "job %.*s of %s is %s", BK_PRI(id), bk_queue_name(queue),
                   bk_job_state_name(state));
}

/* --- what is done ------------------------------------------------------------------------------- */

/* Rounds begin with workers that wait. One that begins to wait beside another interrupts that, by a
 * command that names no key: sent to another master, it would leave the job for five seconds. */
static bk_err add_by_turns(void *data)
{
    const struct press *press = data;
    bk_queue *queues[] = {press->books, press->pages, press->mails};
    bk_queue_events *events;
    bk_queue_event event = {0};
    bk_str id;

    BK_TRY(bk_queue_events_open(press->pages, NULL, &events));
    for (int i = 0; i < 30; i++) {
        BK_TRY(bk_jobs_add_json(queues[i % 3], "x", BK_LIT("{}"), NULL, &id));
        BK_TRY(await(queues[i % 3], id));
    }
    uint64_t begin = bk_now_ms();
    for (int i = 0; i < 30; i++) {
        BK_TRY(bk_jobs_add_json(press->books, "x", BK_LIT("{}"), NULL, &id));
        BK_TRY(await(press->books, id));
    }
    assert_in_range(bk_now_ms() - begin, 0, PATIENCE_MS);
    for (int completed = 0; completed < 10;) {
        BK_TRY(bk_queue_events_next(events, &event));
        completed += bk_str_eq(event.kind, BK_LIT("completed"));
    }
    bk_queue_events_close(events);
    assert_int_equal(press->runs, 60);
    return BK_OK;
}

static void test_queues_of_several_slots_are_worked_at_once(void **state)
{
    (void)state;
    press_run(add_by_turns);
}

static bk_err fail_and_delay(void *data)
{
    struct press *press = data;
    bk_job_opts opts = {.delay_ms = 50, .attempts = 3, .backoff = {BK_BACKOFF_FIXED, .ms = 20}};
    bk_job_spec specs[40] = {{0}};
    bk_str ids[40], id;

    press->failures_left = 2;
    BK_TRY(bk_jobs_add_json(press->books, "x", BK_LIT("{}"), &opts, &id));
    BK_TRY(await(press->books, id));
    assert_int_equal(press->runs, 3);
    for (int i = 0; i < 40; i++)
        specs[i] = (bk_job_spec){.name = "x"};
    BK_TRY(bk_jobs_add_bulk(press->mails, specs, 40, ids));
    for (int i = 0; i < 40; i++)
        BK_TRY(await(press->mails, ids[i]));
    return BK_OK;
}

static void test_delays_retries_and_bulks_are_as_elsewhere(void **state)
{
    (void)state;
    press_run(fail_and_delay);
}

/* As a worker that was killed leaves it: taken, and locked by nobody. */
static bk_err leave_behind(void *data)
{
    const struct press *press = data;
    bk_job_info info;
    bk_str id;

    bk_worker_pause(press->binder);
    BK_TRY(bk_jobs_add_json(press->books, "x", BK_LIT("{}"), NULL, &id));
    BK_TRY(bk_redis_run(press->redis, "LMOVE {wa}:books:wait {wa}:books:active RIGHT LEFT",
                        BK_NO_ARGS, NULL));
    bk_worker_resume(press->binder);
    BK_TRY(await(press->books, id));
    BK_TRY(bk_queue_job(press->books, id, &info));
    assert_int_equal(info.stalled, 1);
    return BK_OK;
}

static void test_a_job_that_was_left_behind_is_found(void **state)
{
    (void)state;
    press_run(leave_behind);
}

static bk_err add_tree(void *data)
{
    const struct press *press = data;
    bk_flow child = {.queue = press->pages, .job = {.name = "page"}};
    bk_flow book = {
        .queue = press->books, .job = {.name = "bind"}, .children = &child, .child_count = 1};
    const bk_child *children;
    size_t count;
    bk_str id;

    BK_TRY(bk_flow_add(&book, &id));
    BK_TRY(await(press->books, id));
    BK_TRY(bk_flow_children(press->books, id, &children, &count));
    assert_int_equal(count, 1);
    assert_int_equal(children[0].state, BK_CHILD_COMPLETED);
    child.queue = press->mails;
    assert_int_equal(bk_flow_add(&book, NULL), BK_EINVAL); /* they do not lie together */
    bk_error_clear();
    return BK_OK;
}

static void test_a_flow_keeps_to_one_slot(void **state)
{
    (void)state;
    press_run(add_tree);
}

static bk_err run_thrice(void *data)
{
    const struct press *press = data;
    const bk_schedule often = {.id = BK_LIT("often"), .every_ms = 50, .job = {.name = "tick"}};

    BK_TRY(bk_schedule_put(press->mails, &often, NULL));
    for (int ms = 0; ms < PATIENCE_MS && press->runs < 3; ms += 5)
        BK_TRY(bk_sleep_ms(5));
    assert_true(press->runs >= 3);
    return bk_schedule_remove(press->mails, BK_LIT("often"));
}

static void test_schedules_run(void **state)
{
    (void)state;
    press_run(run_thrice);
}

/* --- what may not be ---------------------------------------------------------------------------- */

static void declare_without_tag(void)
{
    bk_app *app = bk_app_new(NULL);
    bk_redis *redis =
        bk_redis_new(app, &(bk_redis_opts){.url = BK_LIT("redis+cluster://127.0.0.1:1")});

    (void)!bk_queue_new(app, &(bk_queue_opts){.name = "mails", .redis = redis});
}

static void test_a_queue_without_a_hash_tag_stops_the_program_with_words(void **state)
{
    char words[1000];

    (void)state;
    assert_true(stops(declare_without_tag, words, sizeof words));
    assert_non_null(strstr(words, "queue mails lies in a Redis Cluster"));
    assert_non_null(strstr(words, "give it the prefix \"{bull}\""));
}

/* --- a failover; the last, for one master is dead then ------------------------------------------ */

static bk_err lose_a_master(void *data)
{
    struct press *press = data;
    bk_job_counts counts = {.waiting = 1};
    int added = 0;
    bk_str id;

    for (int i = 0; i < 100; i++)
        BK_TRY(bk_jobs_add_json(press->mails, "x", BK_LIT("{}"), NULL, &id));
    redis_signal(&cluster.nodes[0], SIGKILL);
    for (int ms = 0; ms < PATIENCE_MS && added < 100; ms += 5) {
        if (bk_jobs_add_json(press->mails, "x", BK_LIT("{}"), NULL, &id) == BK_OK)
            added++;
        bk_error_clear();
        BK_TRY(bk_sleep_ms(5));
    }
    assert_int_equal(added, 100);
    BK_TRY(await(press->mails, id));
    for (int ms = 0; ms < PATIENCE_MS && counts.waiting + counts.active != 0; ms += 5) {
        BK_TRY(bk_queue_counts(press->mails, &counts));
        BK_TRY(bk_sleep_ms(5));
    }
    assert_int_equal(counts.waiting + counts.active, 0);
    BK_TRY(bk_jobs_add_json(press->books, "x", BK_LIT("{}"), NULL, &id));
    return await(press->books, id);
}

static void test_work_goes_on_when_a_master_has_died(void **state)
{
    (void)state;
    press_run(lose_a_master);
}

static int set_up(void **state)
{
    (void)state;
    redis_cluster_start(&cluster);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    redis_cluster_stop(&cluster);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queues_of_several_slots_are_worked_at_once),
        cmocka_unit_test(test_delays_retries_and_bulks_are_as_elsewhere),
        cmocka_unit_test(test_a_job_that_was_left_behind_is_found),
        cmocka_unit_test(test_a_flow_keeps_to_one_slot),
        cmocka_unit_test(test_schedules_run),
        cmocka_unit_test(test_a_queue_without_a_hash_tag_stops_the_program_with_words),
        cmocka_unit_test(test_work_goes_on_when_a_master_has_died),
    };

    return cmocka_run_group_tests_name("queue_cluster", tests, set_up, tear_down);
}
