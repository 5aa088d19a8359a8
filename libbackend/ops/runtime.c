/*
 * runtime.c: each worker's loop and process as metrics. See runtime.h.
 *
 * A timer that should go off ten times a second tells by how late it does how long anything that
 * comes to the loop has to wait. Each tenth time, all that is sampled is sampled.
 */
#include "ops/runtime.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <backend/clock.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/metrics.h>

#include "core/assert.h"
#include "core/metrics.h"
#include "fiber/loop.h"
#include "fiber/offload.h"
#include "http/server.h"

enum {
    TICK_MS = 100,
    TICKS_PER_SAMPLE = 10
};

struct runtime {
    struct bk__metrics *metrics;
    struct bk_loop *loop; /* NULL while the app does not run */
    struct bk__timer timer;
    uint64_t due_at;
    uint64_t late_ms, late_before_ms; /* the worst of this second, and of the last */
    unsigned ticks;
    double started_at; /* the process, in seconds since 1970 */
    bk_gauge *lag, *fibers, *fibers_max, *offload_queued, *offload_threads;
    bk_gauge *rss, *open_fds, *max_fds, *start_time;
    bk_counter *cpu_user, *cpu_system, *cpu, *log_dropped;
};

/* --- the process ------------------------------------------------------------------------------ */

/* The text of a small file of /proc; "" when there is none. */
static void read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, size - 1) : 0;

    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
}

static double rss_bytes(void)
{
    char text[128];
    unsigned long long pages = 0;

    read_text("/proc/self/statm", text, sizeof text);
    return sscanf(text, "%*u %llu", &pages) == 1 ? (double)pages * (double)sysconf(_SC_PAGESIZE)
                                                 : NAN;
}

/* Field 22 of stat counts from the boot, in ticks; the name before it may hold anything. */
static double process_started_at(void)
{
    char text[1024];
    unsigned long long ticks = 0;
    struct timespec wall, boot;

    read_text("/proc/self/stat", text, sizeof text);
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL || sscanf(at, "%llu", &ticks) != 1)
        return NAN;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    double up = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9;
    double now = (double)wall.tv_sec + (double)wall.tv_nsec / 1e9;
    return now - up + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static double count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double count = -3; /* ".", ".." and the directory itself */

    if (dir == NULL)
        return NAN;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void sample_process(const struct runtime *self)
{
    struct rusage usage;
    struct rlimit files;

    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        bk_counter_follow(self->cpu_user, seconds(usage.ru_utime));
        bk_counter_follow(self->cpu_system, seconds(usage.ru_stime));
        bk_counter_follow(self->cpu, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    }
    bk_counter_follow(self->log_dropped, (double)bk_log_dropped());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        bk_gauge_set(self->max_fds,
                     files.rlim_cur == RLIM_INFINITY ? INFINITY : (double)files.rlim_cur);
    bk_gauge_set(self->rss, rss_bytes());
    bk_gauge_set(self->open_fds, count_fds());
    bk_gauge_set(self->start_time, self->started_at);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void sample_loop(const struct runtime *self)
{
    const struct bk_loop *loop = self->loop;
    struct bk__offload_stats offload = bk__offload_stats(loop);
    uint64_t late = self->late_ms > self->late_before_ms ? self->late_ms : self->late_before_ms;

    bk_gauge_set(self->lag, (double)late / 1000);
    bk_gauge_set(self->fibers, (double)loop->fiber_count);
    bk_gauge_set(self->fibers_max, (double)loop->fiber_max);
    bk_gauge_set(self->offload_queued, offload.queued);
    bk_gauge_set(self->offload_threads, offload.threads);
}

static void sample(void *data)
{
    const struct runtime *self = data;

    sample_loop(self);
    sample_process(self);
}

static void set_timer(struct runtime *self, uint64_t now)
{
    self->due_at = now + TICK_MS;
    bk__timer_set(self->loop, &self->timer, self->due_at);
}

static void tick(struct bk__timer *timer)
{
    struct runtime *self = bk__container_of(timer, struct runtime, timer);
    uint64_t now = bk_now_ms(), late = now - self->due_at;

    if (late > self->late_ms)
        self->late_ms = late;
    set_timer(self, now);
    if (++self->ticks % TICKS_PER_SAMPLE != 0)
        return;
    bk__metrics_run_samplers(self->metrics);
    self->late_before_ms = self->late_ms;
    self->late_ms = 0;
}

/* --- its life --------------------------------------------------------------------------------- */

static bk_err start(void *data)
{
    struct runtime *self = data;

    self->loop = bk__loop_current;
    self->started_at = process_started_at();
    self->ticks = 0;
    self->late_ms = self->late_before_ms = 0;
    set_timer(self, bk_now_ms());
    return BK_OK;
}

static void stop(void *data)
{
    struct runtime *self = data;

    bk__timer_stop(self->loop, &self->timer);
    bk__metrics_run_samplers(self->metrics); /* what was counted last */
    self->loop = NULL;
}

static const bk_part_type part = {.name = "metrics", .start = start, .stop = stop, .free = free};

static bk_gauge *gauge(bk_app *app, const char *name, const char *help, bk_gauge_policy policy)
{
    return bk_gauge_new(app, &(bk_metric_opts){.name = name, .help = help, .policy = policy});
}

static bk_counter *counter(bk_app *app, const char *name, const char *help)
{
    return bk_counter_new(app, &(bk_metric_opts){.name = name, .help = help});
}

static void declare(bk_app *app, struct runtime *self)
{
    self->lag =
        gauge(app, "eventloop_lag_seconds",
              "How late the loop of any worker was, at worst, in the last seconds.", BK_GAUGE_MAX);
    self->fibers = gauge(app, "fibers", "Fibers that run or wait.", BK_GAUGE_BY_WORKER);
    self->fibers_max = gauge(app, "fibers_max", "Fibers that a worker may have.", BK_GAUGE_MIN);
    self->offload_queued =
        gauge(app, "offload_queued", "Work that waits for a thread.", BK_GAUGE_SUM);
    self->offload_threads =
        gauge(app, "offload_threads", "Threads for what would block.", BK_GAUGE_SUM);
    self->cpu_user = counter(app, "process_cpu_user_seconds_total", "Time on the CPU, user.");
    self->cpu_system = counter(app, "process_cpu_system_seconds_total", "Time on the CPU, system.");
    self->cpu = counter(app, "process_cpu_seconds_total", "Time on the CPU.");
    self->log_dropped =
        counter(app, "log_dropped_total", "Log lines that nobody took in time, and that are lost.");
    self->rss = gauge(app, "process_resident_memory_bytes",
                      "Memory in use, what workers share included.", BK_GAUGE_BY_WORKER);
    self->open_fds = gauge(app, "process_open_fds", "Open file descriptors.", BK_GAUGE_BY_WORKER);
    self->max_fds =
        gauge(app, "process_max_fds", "File descriptors that a worker may open.", BK_GAUGE_MIN);
    self->start_time = gauge(app, "process_start_time_seconds",
                             "When the worker started, since 1970.", BK_GAUGE_BY_WORKER);
}

void bk__runtime_declare(bk_app *app)
{
    struct bk__metrics *metrics = bk__metrics_of(app);

    if (metrics->is_sampled)
        return;
    metrics->is_sampled = true;
    struct runtime *self = calloc(1, sizeof *self);
    bk_assert(self != NULL);
    self->metrics = metrics;
    self->timer.fn = tick;
    declare(app, self);
    bk_metrics_sample(app, sample, self);
    bk_app_part(app, &part, self);
}
