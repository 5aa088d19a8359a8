/*
 * bench_jobs.c: what node/bullmq-bench.js measures, with libbackend: jobs added a second (one at a
 * time, 64 in flight, in bulk), jobs processed a second by one worker process of concurrency 50,
 * and the time from add to start on an idle queue.
 *
 *   REDIS_URL=... bench-jobs [--quick]
 *   REDIS_URL=... bench-jobs --memory N     what a worker takes while N jobs wait in their handlers
 *
 * It calls itself with --worker for the process that works.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/backend.h>

enum {
    LANES = 64,
    BULK = 1000,
    CONCURRENCY = 50,
    WARM_UP = 500
};

struct mail {
    int64_t user_id;
    bk_str template, to;
    double t; /* when it was added, in ms of the monotonic clock; 0: nobody asks */
};

BK_DESCRIBE(mail_desc, struct mail, BK_I64(user_id), BK_STR(template), BK_STR(to), BK_F64(t))

struct plain_mail {
    int64_t user_id;
    bk_str template, to;
};

BK_DESCRIBE(plain_mail_desc, struct plain_mail, BK_I64(user_id), BK_STR(template), BK_STR(to))

static const struct plain_mail mail = {42, {"welcome", 7}, {"user42@example.test", 19}};

static struct bench {
    bk_app *app;
    bk_redis *redis;
    bk_queue *queue;
    bk_worker *worker;
    const char *self;
    long one, many, bulk, paced, held;
    long left; /* of the lanes */
    double *waits;
    long wait_count;
} bench;

/* --- clocks ----------------------------------------------------------------------------------- */

static double now_ms(void)
{
    return (double)bk_now_ns() / 1e6;
}

static double cpu_ms(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return 1e3 * (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static long rss_kib(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss;
}

BK_YIELDS static double redis_cpu_ms(void)
{
    bk_str info, line;
    double sum = 0;

    if (bk_redis_str(bench.redis, "INFO cpu", BK_NO_ARGS, &info) != BK_OK)
        return 0;
    while (bk_str_split(&info, '\n', &line))
        if (bk_str_starts(line, BK_LIT("used_cpu_sys:")) ||
            bk_str_starts(line, BK_LIT("used_cpu_user:")))
            sum += 1000 * strtod(strchr(line.ptr, ':') + 1, NULL);
    return sum;
}

struct measure {
    double at, cpu, redis_cpu;
};

BK_YIELDS static struct measure begin(void)
{
    double redis_cpu = redis_cpu_ms();

    return (struct measure){now_ms(), cpu_ms(), redis_cpu};
}

BK_YIELDS static void end(const char *test, long jobs, const struct measure *from, double at,
                          double cpu)
{
    double seconds = ((at != 0 ? at : now_ms()) - from->at) / 1000;
    double own = cpu != 0 ? cpu : cpu_ms() - from->cpu;

    printf("%-36s %8ld jobs %9.0f/s   own CPU %6.2f us/job   Redis CPU %6.2f us/job\n", test, jobs,
           (double)jobs / seconds, own / (double)jobs * 1000,
           (redis_cpu_ms() - from->redis_cpu) / (double)jobs * 1000);
    fflush(stdout);
}

/* --- adding ----------------------------------------------------------------------------------- */

static bk_err add_one(void *data)
{
    (void)data;
    return bk_jobs_add(bench.queue, "work", plain_mail_desc, &mail, NULL, NULL);
}

/* In a fiber of its own, for its arena goes with it, as a request's does. */
static bk_err add_some(void *data)
{
    long count = *(long *)data;

    for (long i = 0; i < count; i++)
        BK_TRY(add_one(NULL));
    return BK_OK;
}

static bk_err lane(void *data)
{
    (void)data;
    while (bench.left-- > 0)
        BK_TRY(add_one(NULL));
    return BK_OK;
}

static bk_err add_bulk(void *data)
{
    static bk_job_spec specs[BULK];

    (void)data;
    for (size_t i = 0; i < BULK; i++)
        specs[i] = (bk_job_spec){.name = "work", .desc = plain_mail_desc, .payload = &mail};
    return bk_jobs_add_bulk(bench.queue, specs, BULK, NULL);
}

BK_YIELDS static bk_err alone(bk_fiber_fn fn, void *data)
{
    bk_group *group = bk_group_open();

    bk_group_spawn(group, "alone", fn, data);
    return bk_group_wait(group);
}

BK_YIELDS static bk_err measure_adding(void)
{
    long warm = WARM_UP;
    struct measure from;

    BK_TRY(bk_queue_obliterate(bench.queue, true));
    BK_TRY(alone(add_some, &warm));
    BK_TRY(bk_queue_obliterate(bench.queue, true));
    from = begin();
    BK_TRY(alone(add_some, &bench.one));
    end("add, one at a time", bench.one, &from, 0, 0);
    BK_TRY(bk_queue_obliterate(bench.queue, true));

    bk_group *lanes = bk_group_open();
    bench.left = bench.many;
    from = begin();
    for (int i = 0; i < LANES; i++)
        bk_group_spawn(lanes, "lane", lane, NULL);
    BK_TRY(bk_group_wait(lanes));
    end("add, 64 in flight", bench.many, &from, 0, 0);
    BK_TRY(bk_queue_obliterate(bench.queue, true));

    from = begin();
    for (long i = 0; i < bench.bulk; i += BULK)
        BK_TRY(alone(add_bulk, NULL));
    end("add in bulk of 1,000", bench.bulk, &from, 0, 0);
    return bk_queue_resume(bench.queue);
}

/* --- the process that works --------------------------------------------------------------------- */

static bk_err work(bk_job *job, void *data)
{
    struct mail in;

    (void)data;
    BK_TRY(bk_job_bind(job, mail_desc, &in));
    if (in.t != 0 && bench.wait_count < bench.paced)
        bench.waits[bench.wait_count++] = now_ms() - in.t;
    return BK_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double percentile(double part)
{
    long at = (long)((double)bench.wait_count * part);

    return bench.wait_count == 0 ? 0 : bench.waits[at < bench.wait_count ? at : at - 1];
}

/* Tells the parent when the first lot is done, and when the second is. */
static bk_err watch(void *data)
{
    bk_worker_stats stats;

    (void)data;
    for (int part = 0; part < 2; part++) {
        uint64_t until = (uint64_t)(part == 0 ? bench.bulk : bench.bulk + bench.paced);
        do {
            BK_TRY(bk_sleep_ms(1));
            bk_worker_get_stats(bench.worker, &stats);
        } while (stats.completed < until);
        qsort(bench.waits, (size_t)bench.wait_count, sizeof *bench.waits, by_size);
        printf("%f %f %ld %f %f %f %f\n", now_ms(), cpu_ms(), rss_kib(), percentile(0.5),
               percentile(0.95), percentile(0.99), percentile(1));
        fflush(stdout);
    }
    bk_app_stop(bench.app);
    return BK_OK;
}

struct report {
    double at, cpu, p50, p95, p99, most;
    long rss;
};

struct reader {
    FILE *from;
    struct report report;
};

static void read_report(void *data)
{
    struct reader *reader = data;
    char line[200] = "";
    struct report *it = &reader->report;

    if (fgets(line, sizeof line, reader->from) == NULL ||
        sscanf(line, "%lf %lf %ld %lf %lf %lf %lf", &it->at, &it->cpu, &it->rss, &it->p50, &it->p95,
               &it->p99, &it->most) != 7)
        fprintf(stderr, "bench-jobs: the worker says %s\n", line);
}

static FILE *start_worker(void)
{
    char command[512];

    snprintf(command, sizeof command, "'%s' --worker %ld %ld", bench.self, bench.bulk, bench.paced);
    return popen(command, "r"); // NOLINT: a benchmark calls itself
}

static bk_err add_paced(void *data)
{
    (void)data;
    for (long i = 0; i < bench.paced; i++) {
        struct mail timed = {42, {"welcome", 7}, {"user42@example.test", 19}, now_ms()};
        BK_TRY(bk_jobs_add(bench.queue, "work", mail_desc, &timed, NULL, NULL));
        BK_TRY(bk_sleep_ms(5));
    }
    return BK_OK;
}

BK_YIELDS static bk_err measure_working(void)
{
    struct measure from = begin();
    struct reader reader = {.from = start_worker()};

    BK_TRY(bk_offload(read_report, &reader));
    end("process, 1 worker, concurrency 50", bench.bulk, &from, reader.report.at,
        reader.report.cpu);
    BK_TRY(alone(add_paced, NULL));
    BK_TRY(bk_offload(read_report, &reader));
    printf("add -> start, idle worker, ms: n %ld p50 %.2f p95 %.2f p99 %.2f max %.2f   worker RSS "
           "%ld MiB\n",
           bench.paced, reader.report.p50, reader.report.p95, reader.report.p99, reader.report.most,
           reader.report.rss / 1024);
    pclose(reader.from);
    return bk_queue_obliterate(bench.queue, true);
}

/* --- memory ------------------------------------------------------------------------------------- */

static bk_err wait_for_end(bk_job *job, void *data)
{
    struct plain_mail in;

    (void)data;
    BK_TRY(bk_job_bind(job, plain_mail_desc, &in));
    return bk_sleep_ms(600000);
}

static bk_err measure_memory(void *data)
{
    bk_worker_stats stats;
    long idle = rss_kib();

    (void)data;
    BK_TRY(bk_queue_obliterate(bench.queue, true));
    for (long i = 0; i < bench.held; i += BULK)
        BK_TRY(alone(add_bulk, NULL));
    BK_TRY(bk_queue_resume(bench.queue));
    do {
        BK_TRY(bk_sleep_ms(10));
        bk_worker_get_stats(bench.worker, &stats);
    } while (stats.running < (uint64_t)bench.held);
    printf("%ld jobs in flight: %.1f KiB each, %ld MiB in all\n", bench.held,
           (double)(rss_kib() - idle) / (double)bench.held, rss_kib() / 1024);
    fflush(stdout);
    BK_TRY(bk_queue_obliterate(bench.queue, true));
    bk_app_stop(bench.app);
    return BK_OK;
}

/* --- life ------------------------------------------------------------------------------------- */

static bk_err run(bk_app *app, void *data, void **state)
{
    bk_err err;

    (void)data, (void)state;
    if (bench.held != 0)
        return bk_spawn("memory", measure_memory, NULL);
    if (bench.worker != NULL)
        return bk_spawn("watch", watch, NULL);
    err = measure_adding();
    if (err == BK_OK)
        err = measure_working();
    bk_app_stop(app);
    return err;
}

int main(int argc, char **argv)
{
    double scale = argc > 1 && strcmp(argv[1], "--quick") == 0 ? 0.2 : 1;
    bool works = argc == 4 && strcmp(argv[1], "--worker") == 0;

    bench.self = argv[0];
    if (argc == 3 && strcmp(argv[1], "--memory") == 0)
        bench.held = strtol(argv[2], NULL, 10);
    bench.one = (long)(5000 * scale);
    bench.many = (long)(20000 * scale);
    bench.bulk = works ? strtol(argv[2], NULL, 10) : (long)(40000 * scale);
    bench.paced = works ? strtol(argv[3], NULL, 10) : (long)(1000 * scale);
    bench.waits = calloc((size_t)bench.paced, sizeof *bench.waits);
    bench.app = bk_app_new(&(bk_app_opts){
        .name = "bench-jobs",
        .on_worker_start = run,
        .timeouts = {.drain_ms = bench.held != 0 ? 1 : 0},
    });
    bench.redis = bk_redis_new(bench.app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL"))});
    bench.queue =
        bk_queue_new(bench.app, &(bk_queue_opts){.name = "bench-jobs",
                                                 .redis = bench.redis,
                                                 .job = {.keep_completed = {.remove = true},
                                                         .keep_failed = {.remove = true}}});
    if (works || bench.held != 0) {
        uint32_t jobs = bench.held != 0 ? (uint32_t)bench.held : CONCURRENCY;
        bench.worker =
            bk_worker_new(bench.app, bench.queue, &(bk_worker_opts){.concurrency = jobs});
        bk_worker_on(bench.worker, "work", bench.held != 0 ? wait_for_end : work, NULL);
    }
    bk_log_set_level(bench.held != 0 ? BK_LOG_ERROR : BK_LOG_WARN);
    bk_err err = bk_app_listen(bench.app, &(bk_listen_opts){.port = 0});
    if (err == BK_OK)
        err = bk_app_run(bench.app);
    bk_app_free(bench.app);
    free(bench.waits);
    return err != BK_OK;
}
