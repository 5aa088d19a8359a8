/*
 * Schedules with a real Redis: what lies there, which runs are made, and by whom.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/queue_case.h"
#include "queue/queue.h"

#define SECOND ((bk_time)1000000)
#define NOON   (INT64_C(1796040000) * SECOND) /* 2026-11-30T12:00:00Z */

static struct redis server;

static const bk_schedule each_minute = {
    .id = {"minute", 6},
    .every_ms = 60000,
    .job = {.name = "tick", .json = {"{\"a\":1}", 7}},
};

/* What a worker's handler has seen. */
struct seen {
    int runs;
    char ids[64][64];
    bk_err (*also)(bk_job *job, void *data);
    void *data;
};

static bk_err note_run(bk_job *job, void *data)
{
    struct seen *seen = data;
    bk_str id = bk_job_id(job);

    if (seen->runs < 64)
        snprintf(seen->ids[seen->runs], sizeof seen->ids[0], "%.*s", BK_PRI(id));
    seen->runs++;
    return seen->also != NULL ? seen->also(job, seen->data) : BK_OK;
}

static struct queue_case worker_case(const char *queue, struct seen *seen, bk_time now)
{
    struct queue_case it = queue_case_new(&server, queue, &(bk_worker_opts){.concurrency = 4});

    bk_worker_on(it.worker, NULL, note_run, seen);
    queue_case_start(&it, now);
    return it;
}

/* A worker is there at that time of day, until its handlers have been called so often in all. Time
 * stands still meanwhile: what waits for Redis would take a leap of the clock for an outage. */
static void work_at(const char *queue, struct seen *seen, bk_time now, int runs)
{
    struct queue_case it = worker_case(queue, seen, now);

    queue_case_until(&it, &seen->runs, runs);
    queue_case_linger(&it);
    assert_int_equal(seen->runs, runs);
    queue_case_end(&it);
}

/* A put of a schedule, on a fiber. */
struct put {
    bk_queue *queue;
    const bk_schedule *schedule;
    bk_time next;
    bk_err err;
    char words[256];
};

static bk_err put_on_fiber(void *data)
{
    struct put *put = data;

    put->err = bk_schedule_put(put->queue, put->schedule, &put->next);
    if (put->err != BK_OK)
        snprintf(put->words, sizeof put->words, "%.*s", BK_PRI(bk_error_chain()->message));
    bk_error_clear();
    return BK_OK;
}

static struct put try_put(struct queue_case *it, const bk_schedule *schedule)
{
    struct put put = {.queue = it->queue, .schedule = schedule};

    queue_case_run(it, put_on_fiber, &put);
    return put;
}

static bk_time put(struct queue_case *it, const bk_schedule *schedule)
{
    struct put put = try_put(it, schedule);

    if (put.err != BK_OK)
        fail_msg("%s", put.words);
    return put.next;
}

/* By a process that does nothing else. */
static bk_time put_at(const char *queue, const bk_schedule *schedule, bk_time now)
{
    struct queue_case it = queue_case_new(&server, queue, NULL);

    queue_case_start(&it, now);
    bk_time next = put(&it, schedule);
    queue_case_end(&it);
    return next;
}

/* A command of redis-cli on a queue; @p format makes all of it. */
static const char *ask(const char *words)
{
    static char copy[512];
    const char *parts[16];
    int count = 0;

    snprintf(copy, sizeof copy, "%s", words);
    for (char *at = strtok(copy, " "); at != NULL; at = strtok(NULL, " "))
        parts[count++] = at;
    parts[count] = NULL;
    return redis_cli_words(&server, parts);
}

/* --- putting -------------------------------------------------------------------------------------- */

static void test_a_schedule_lies_in_redis_as_bullmq_has_it(void **state)
{
    struct queue_case it = queue_case_new(&server, "a", NULL);
    bk_schedule cron = {
        .id = BK_LIT("night"),
        .pattern = BK_LIT("0 15 3 * * *"),
        .zone = BK_LIT("Europe/Paris"),
        .limit = 5,
        .job = {.name = "paint", .opts = &(bk_job_opts){.attempts = 2, .priority = 4}},
    };

    (void)state;
    queue_case_start(&it, NOON);
    assert_true(put(&it, &each_minute) == NOON);
    assert_true(put(&it, &cron) == NOON + (14 * 3600 + 15 * 60) * SECOND);
    assert_string_equal(ask("ZSCORE bull:a:repeat minute"), "1796040000000");
    assert_string_equal(ask("ZSCORE bull:a:repeat night"), "1796091300000");
    assert_string_equal(ask("HGET bull:a:repeat:minute every"), "60000");
    assert_string_equal(ask("HGET bull:a:repeat:minute offset"), "0");
    assert_string_equal(ask("HGET bull:a:repeat:minute ic"), "1");
    assert_string_equal(ask("HGET bull:a:repeat:minute data"), "{\"a\":1}");
    assert_string_equal(ask("HGET bull:a:repeat:night tz"), "Europe/Paris");
    assert_string_equal(ask("HGET bull:a:repeat:night limit"), "5");
    assert_string_equal(ask("LRANGE bull:a:wait 0 -1"), "repeat:minute:1796040000000");
    assert_string_equal(ask("HGET bull:a:repeat:minute:1796040000000 rjk"), "minute");
    assert_string_equal(ask("ZSCORE bull:a:delayed repeat:night:1796091300000"),
                        "7356789964800000");
    assert_string_equal(ask("HGET bull:a:repeat:night:1796091300000 priority"), "4");
    assert_non_null(strstr(ask("HGET bull:a:repeat:night:1796091300000 opts"),
                           "\"repeat\":{\"pattern\":\"0 15 3 * * *\",\"tz\":\"Europe/Paris\","
                           "\"limit\":5,\"count\":1}"));
    assert_string_equal(ask("GET bull:a:id"), "2");
    assert_string_equal(ask("HGET bull:a:meta opts.maxLenEvents"), "10000");
    queue_case_end(&it);
}

static void test_a_schedule_put_again_keeps_its_next_run(void **state)
{
    bk_time later = NOON + 2 * 3600 * SECOND + 1;
    bk_schedule again = each_minute;
    bk_schedule cron = {.id = BK_LIT("hour"), .pattern = BK_LIT("@hourly"), .job = {.name = "x"}};

    (void)state;
    assert_true(put_at("b", &each_minute, NOON) == NOON);
    assert_true(put_at("b", &cron, NOON) == NOON + 3600 * SECOND);
    again.job.json = BK_LIT("{\"a\":2}");
    again.job.name = "tock";
    assert_true(put_at("b", &again, later) == NOON); /* it is overdue, not forgotten */
    assert_true(put_at("b", &cron, later) == NOON + 3600 * SECOND);
    assert_string_equal(ask("ZCARD bull:b:repeat"), "2");
    assert_string_equal(ask("LLEN bull:b:wait"), "2"); /* both are due */
    assert_string_equal(ask("ZCARD bull:b:delayed"), "0");
    assert_string_equal(ask("HGET bull:b:repeat:minute:1796040000000 name"), "tock");
    assert_string_equal(ask("HGET bull:b:repeat:minute:1796040000000 data"), "{\"a\":2}");
}

static void test_other_times_begin_anew(void **state)
{
    struct queue_case it = queue_case_new(&server, "c", NULL);
    bk_schedule cron = {.id = BK_LIT("s"), .pattern = BK_LIT("0 6 * * *"), .job = {.name = "x"}};

    (void)state;
    queue_case_start(&it, NOON);
    assert_true(put(&it, &cron) == NOON + 18 * 3600 * SECOND);
    cron.zone = BK_LIT("America/New_York");
    assert_true(put(&it, &cron) == NOON + 23 * 3600 * SECOND);
    assert_string_equal(ask("ZCARD bull:c:delayed"), "1");
    assert_string_equal(ask("EXISTS bull:c:repeat:s:1796104800000"), "0");
    cron.pattern = cron.zone = BK_LIT("");
    cron.every_ms = 3600000;
    cron.aligned = true;
    cron.offset_ms = 60000;
    assert_true(put(&it, &cron) == NOON + 60 * SECOND);
    assert_string_equal(ask("HEXISTS bull:c:repeat:s pattern"), "0");
    assert_string_equal(ask("HGET bull:c:repeat:s offset"), "60000");
    assert_true(put(&it, &cron) == NOON + 60 * SECOND);
    queue_case_end(&it);
}

static void test_what_cannot_be_is_refused_and_changes_nothing(void **state)
{
    struct queue_case it = queue_case_new(&server, "d", NULL);
    const bk_job_opts late = {.delay_ms = 1};
    const struct {
        bk_schedule schedule;
        const char *words;
        bk_err err;
    } bad[] = {
        {{.every_ms = 1}, "1 to 256 bytes", BK_EINVAL},
        {{.id = BK_LIT("x")}, "either every_ms or a pattern", BK_EINVAL},
        {{.id = BK_LIT("x"), .every_ms = 1, .pattern = BK_LIT("@daily")}, "either", BK_EINVAL},
        {{.id = BK_LIT("x"), .pattern = BK_LIT("61 * * * *")}, "minute (0-59)", BK_EINVAL},
        {{.id = BK_LIT("x"), .pattern = BK_LIT("@daily"), .zone = BK_LIT("No/Where")},
         "there is none of that name",
         BK_ENOTFOUND},
        {{.id = BK_LIT("x"), .pattern = BK_LIT("@daily"), .aligned = true}, "go with", BK_EINVAL},
        {{.id = BK_LIT("x"), .every_ms = 10, .zone = BK_LIT("UTC")}, "zone", BK_EINVAL},
        {{.id = BK_LIT("x"), .every_ms = 10, .offset_ms = 5}, "aligned", BK_EINVAL},
        {{.id = BK_LIT("x"), .every_ms = 10, .start = 20, .end = 10},
         "before it starts",
         BK_EINVAL},
        {{.id = BK_LIT("x"), .every_ms = 10, .end = NOON - 1}, "no run before its end", BK_EINVAL},
        {{.id = BK_LIT("x"), .every_ms = 10, .job = {.json = BK_LIT("{")}}, "no JSON", BK_EINVAL},
        {{.id = BK_LIT("x"), .every_ms = 10, .job = {.opts = &late}}, "delay", BK_EINVAL},
    };

    (void)state;
    queue_case_start(&it, NOON);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bk_schedule schedule = bad[i].schedule;
        schedule.job.name = "x";
        struct put put = try_put(&it, &schedule);
        if (put.err != bad[i].err || strstr(put.words, bad[i].words) == NULL)
            fail_msg("%zu: %s: %s", i, bk_err_slug(put.err), put.words);
    }
    assert_string_equal(ask("KEYS bull:d:*"), "");
    queue_case_end(&it);
}

/* --- looking and removing --------------------------------------------------------------------------- */

static bk_err look_and_remove(void *data)
{
    bk_queue *queue = data;
    const bk_schedule_info *all;
    bk_schedule_info one;
    bk_schedule cron = {
        .id = BK_LIT("cron"),
        .pattern = BK_LIT("@daily"),
        .zone = BK_LIT("Asia/Tokyo"),
        .limit = 7,
        .start = NOON,
        .end = NOON + 1000000 * SECOND,
        .missed = BK_MISSED_ALL,
        .job = {.name = "x"},
    };
    size_t found;

    assert_int_equal(bk_schedule_get(queue, BK_LIT("cron"), &one), BK_ENOTFOUND);
    assert_int_equal(bk_schedule_get(queue, BK_LIT(""), &one), BK_ENOTFOUND);
    assert_int_equal(bk_schedule_remove(queue, BK_LIT("cron")), BK_ENOTFOUND);
    bk_error_clear();
    BK_TRY(bk_schedule_put(queue, &cron, NULL));
    BK_TRY(bk_schedule_put(queue, &each_minute, NULL));
    BK_TRY(bk_schedule_list(queue, 0, 10, &all, &found));
    assert_int_equal(found, 2);
    assert_true(bk_str_eq(all[0].id, BK_LIT("minute")));
    assert_int_equal(all[0].every_ms, 60000);
    assert_true(bk_str_eq(all[0].data, BK_LIT("{\"a\":1}")));
    assert_true(bk_str_eq(all[0].name, BK_LIT("tick")));
    BK_TRY(bk_schedule_list(queue, 1, 10, &all, &found));
    assert_int_equal(found, 1);
    BK_TRY(bk_schedule_get(queue, BK_LIT("cron"), &one));
    assert_true(bk_str_eq(one.pattern, BK_LIT("@daily")) &&
                bk_str_eq(one.zone, BK_LIT("Asia/Tokyo")));
    assert_true(one.limit == 7 && one.start == NOON && one.end == NOON + 1000000 * SECOND);
    assert_true(one.missed == BK_MISSED_ALL && one.runs == 1);
    assert_true(one.next == NOON + 3 * 3600 * SECOND);
    BK_TRY(bk_schedule_remove(queue, BK_LIT("cron")));
    assert_int_equal(bk_schedule_get(queue, BK_LIT("cron"), &one), BK_ENOTFOUND);
    bk_error_clear();
    return BK_OK;
}

static void test_schedules_are_listed_and_removed_with_their_job(void **state)
{
    struct queue_case it = queue_case_new(&server, "e", NULL);

    (void)state;
    queue_case_start(&it, NOON);
    queue_case_run(&it, look_and_remove, it.queue);
    assert_string_equal(ask("ZCARD bull:e:delayed"), "0");
    assert_string_equal(ask("ZCARD bull:e:repeat"), "1");
    assert_string_equal(ask("EXISTS bull:e:repeat:cron"), "0");
    queue_case_end(&it);
}

/* --- running ------------------------------------------------------------------------------------ */

static bk_err next_is_there(bk_job *job, void *data)
{
    int *there = data;
    int64_t delayed;

    (void)job;
    BK_TRY(bk_redis_i64(bk_job_queue(job)->redis, "ZCARD bull:f:delayed", BK_NO_ARGS, &delayed));
    *there += delayed == 1;
    return BK_OK;
}

static void test_a_run_makes_the_next_before_its_handler(void **state)
{
    int there = 0;
    struct seen seen = {.also = next_is_there, .data = &there};

    (void)state;
    put_at("f", &each_minute, NOON);
    for (int i = 0; i < 4; i++)
        work_at("f", &seen, NOON + i * 60 * SECOND, i + 1);
    assert_int_equal(there, 4);
    assert_string_equal(seen.ids[0], "repeat:minute:1796040000000");
    assert_string_equal(seen.ids[3], "repeat:minute:1796040180000");
    assert_string_equal(ask("HGET bull:f:repeat:minute ic"), "5");
}

static void test_a_schedule_stops_at_its_limit(void **state)
{
    struct seen seen = {0};
    bk_schedule limited = each_minute;

    (void)state;
    limited.limit = 2;
    put_at("g", &limited, NOON);
    work_at("g", &seen, NOON, 1);
    work_at("g", &seen, NOON + 60 * SECOND, 2);
    work_at("g", &seen, NOON + 600 * SECOND, 2);
    assert_true(put_at("g", &limited, NOON + 70 * SECOND) == 0); /* put again, it stays stopped */
    limited.limit = 3;
    assert_true(put_at("g", &limited, NOON + 70 * SECOND) == NOON + 120 * SECOND);
    work_at("g", &seen, NOON + 120 * SECOND, 3);
    work_at("g", &seen, NOON + 600 * SECOND, 3);
}

static void test_a_schedule_stops_at_its_end(void **state)
{
    struct seen seen = {0};
    bk_schedule ending = each_minute;

    (void)state;
    ending.end = NOON + 70 * SECOND;
    put_at("p", &ending, NOON);
    work_at("p", &seen, NOON, 1);
    work_at("p", &seen, NOON + 60 * SECOND, 2);
    work_at("p", &seen, NOON + 600 * SECOND, 2);
    assert_string_equal(ask("ZCARD bull:p:delayed"), "0");
}

static bk_err fail_once(bk_job *job, void *data)
{
    (void)data;
    return bk_job_attempt(job) == 1 ? bk_fail(BK_EIO, "once") : BK_OK;
}

static void test_a_second_attempt_makes_no_other_run(void **state)
{
    struct seen seen = {.also = fail_once};
    bk_schedule twice = each_minute;
    bk_job_opts opts = {.attempts = 2, .backoff = {.kind = BK_BACKOFF_NONE}};

    (void)state;
    twice.job.opts = &opts;
    put_at("h", &twice, NOON);
    work_at("h", &seen, NOON, 2);
    assert_string_equal(seen.ids[0], seen.ids[1]);
    assert_string_equal(ask("ZCARD bull:h:delayed"), "1");
    assert_string_equal(ask("HGET bull:h:repeat:minute ic"), "2");
}

static void test_a_run_promoted_early_is_not_made_twice(void **state)
{
    struct seen seen = {0};
    bk_schedule cron = {.id = BK_LIT("c"), .pattern = BK_LIT("@hourly"), .job = {.name = "x"}};

    (void)state;
    put_at("i", &cron, NOON);
    ask("ZADD bull:i:delayed 1 repeat:c:1796043600000");
    work_at("i", &seen, NOON, 1);
    assert_string_equal(ask("ZSCORE bull:i:repeat c"), "1796047200000");
}

/* --- what was missed, what was lost --------------------------------------------------------------- */

static void miss_ten(const char *queue, bk_missed missed, struct seen *seen, int runs)
{
    bk_schedule schedule = each_minute;

    schedule.missed = missed;
    schedule.start = NOON + 60 * SECOND;
    put_at(queue, &schedule, NOON);
    work_at(queue, seen, NOON + (10 * 60 + 30) * SECOND, runs);
    work_at(queue, seen, NOON + 11 * 60 * SECOND, runs + 1);
}

static void test_missed_runs_are_made_once_or_all_or_not_at_all(void **state)
{
    struct seen once = {0}, all = {0}, none = {0};

    (void)state;
    miss_ten("j", BK_MISSED_ONCE, &once, 1);
    assert_string_equal(once.ids[0], "repeat:minute:1796040060000");
    assert_string_equal(once.ids[1], "repeat:minute:1796040660000");
    miss_ten("k", BK_MISSED_ALL, &all, 10);
    assert_string_equal(all.ids[9], "repeat:minute:1796040600000");
    assert_string_equal(all.ids[10], "repeat:minute:1796040660000");
    miss_ten("l", BK_MISSED_SKIP, &none, 0);
    assert_string_equal(none.ids[0], "repeat:minute:1796040660000");
}

static void test_a_start_mends_a_schedule_whose_job_is_lost(void **state)
{
    struct seen seen = {0};

    (void)state;
    put_at("m", &each_minute, NOON);
    work_at("m", &seen, NOON, 1);
    ask("ZREM bull:m:delayed repeat:minute:1796040060000");
    ask("DEL bull:m:repeat:minute:1796040060000");
    work_at("m", &seen, NOON + 200 * SECOND, 1);
    assert_string_equal(ask("ZSCORE bull:m:repeat minute"), "1796040240000");
    work_at("m", &seen, NOON + 240 * SECOND, 2);
    assert_string_equal(seen.ids[1], "repeat:minute:1796040240000");
}

static void test_a_worker_that_died_before_it_made_the_next_run_harms_nothing(void **state)
{
    struct seen seen = {0};

    (void)state;
    put_at("q", &each_minute, NOON);
    ask("LMOVE bull:q:wait bull:q:active RIGHT LEFT"); /* it has taken the job, and its lock is over
                                                        */
    ask("SADD bull:q:stalled repeat:minute:1796040000000");
    work_at("q", &seen, NOON + SECOND, 1);
    assert_string_equal(ask("ZSCORE bull:q:repeat minute"), "1796040060000");
    assert_string_equal(ask("HGET bull:q:repeat:minute ic"), "2");
    work_at("q", &seen, NOON + 60 * SECOND, 2);
}

static void test_a_schedule_of_another_program_that_cannot_go_on_is_told(void **state)
{
    struct seen seen = {0};
    bk_schedule cron = {.id = BK_LIT("c"), .pattern = BK_LIT("@hourly"), .job = {.name = "x"}};

    (void)state;
    put_at("n", &cron, NOON);
    ask("HSET bull:n:repeat:c pattern whenever");
    struct queue_case it = worker_case("n", &seen, NOON + 3600 * SECOND);
    queue_case_until(&it, &seen.runs, 1); /* this run at least */
    bk_str logs = bk_test_logs(it.test);
    assert_non_null(memmem(logs.ptr, logs.len, "queue.schedule_stuck", 20));
    queue_case_end(&it);
}

/* --- many workers ------------------------------------------------------------------------------- */

enum {
    WORKERS = 4,
    SLOTS = 25
};

static bk_err add_to_redis(bk_job *job, void *data)
{
    (void)data;
    return bk_redis_run(bk_job_queue(job)->redis, "HINCRBY runs $1 1",
                        BK_ARGS(bk_text(bk_job_id(job))), NULL);
}

static void work_in_a_process(void)
{
    struct seen seen = {.also = add_to_redis};
    struct queue_case it = worker_case("o", &seen, 0);

    put(&it, &(bk_schedule){
                 .id = BK_LIT("quick"), .every_ms = 40, .limit = SLOTS, .job = {.name = "x"}});
    for (int i = 0; i < 400 && atoi(ask("HLEN runs")) < SLOTS; i++)
        queue_case_linger(&it);
    queue_case_linger(&it);
    queue_case_end(&it);
}

static void test_each_time_fires_once_however_many_workers_there_are(void **state)
{
    pid_t children[WORKERS];
    int status;

    (void)state;
    for (int i = 0; i < WORKERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            work_in_a_process();
            _exit(0);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_string_equal(ask("HLEN runs"), "25");
    redis_cli(
        &server, "EVAL",
        "local n = 0 for _, v in ipairs(redis.call('HVALS', 'runs')) do n = n + v end return n",
        "0");
    assert_string_equal(server.answer, "25");
}

static int start(void **state)
{
    (void)state;
    server = redis_start("--loglevel", "warning");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redis_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_schedule_lies_in_redis_as_bullmq_has_it),
        cmocka_unit_test(test_a_schedule_put_again_keeps_its_next_run),
        cmocka_unit_test(test_other_times_begin_anew),
        cmocka_unit_test(test_what_cannot_be_is_refused_and_changes_nothing),
        cmocka_unit_test(test_schedules_are_listed_and_removed_with_their_job),
        cmocka_unit_test(test_a_run_makes_the_next_before_its_handler),
        cmocka_unit_test(test_a_schedule_stops_at_its_limit),
        cmocka_unit_test(test_a_schedule_stops_at_its_end),
        cmocka_unit_test(test_a_second_attempt_makes_no_other_run),
        cmocka_unit_test(test_a_run_promoted_early_is_not_made_twice),
        cmocka_unit_test(test_missed_runs_are_made_once_or_all_or_not_at_all),
        cmocka_unit_test(test_a_start_mends_a_schedule_whose_job_is_lost),
        cmocka_unit_test(test_a_worker_that_died_before_it_made_the_next_run_harms_nothing),
        cmocka_unit_test(test_a_schedule_of_another_program_that_cannot_go_on_is_told),
        cmocka_unit_test(test_each_time_fires_once_however_many_workers_there_are),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
