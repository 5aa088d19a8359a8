/*
 * doctor.c: see doctor.h. Each check looks at one thing and says it in one line: "ok", "warn" for
 * what costs speed or comes to an end under load, "FAIL" for what does not work.
 */
#include "cli/doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "app/app.h"
#include "app/command.h"
#include "cli/control.h"
#include "cli/serve.h"
#include "cluster/control.h"
#include "cluster/cpus.h"
#include "http/listener.h"

#define BACKLOG 4096 /* of our listening sockets */

enum verdict {
    FINE,
    WARNING,
    FAILURE
};

struct doctor {
    bk_app *app;
    bool failed;
};

BK_PRINTF(4, 5)
static void say(struct doctor *doctor, enum verdict verdict, const char *what, const char *format,
                ...)
{
    static const char *const words[] = {"ok  ", "warn", "FAIL"};
    va_list args;

    doctor->failed |= verdict == FAILURE;
    printf("%s  %-12s ", words[verdict], what);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static bool read_number(const char *path, int64_t *out)
{
    FILE *file = fopen(path, "re");
    bool found = file != NULL && fscanf(file, "%" SCNd64, out) == 1;

    if (file != NULL)
        fclose(file);
    return found;
}

/* --- the machine ------------------------------------------------------------------------------ */

static void check_processors(struct doctor *doctor)
{
    const char *workers = getenv("WEB_WORKERS");
    unsigned cpus = bk__cpus();

    if (workers != NULL && strtoul(workers, NULL, 10) > cpus)
        say(doctor, WARNING, "processors", "%u may be used, and WEB_WORKERS is %s", cpus, workers);
    else
        say(doctor, FINE, "processors", "%u may be used", cpus);
}

static void check_files(struct doctor *doctor)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    uint64_t wanted = (uint64_t)doctor->app->server.limits.connections + 64;
    if (files.rlim_max != RLIM_INFINITY && files.rlim_max < wanted)
        say(doctor, WARNING, "files",
            "%" PRIu64 " may be open, so a worker takes fewer connections than the %u it is set to "
            "(ulimit -Hn, LimitNOFILE=)",
            (uint64_t)files.rlim_max, doctor->app->server.limits.connections);
    else
        say(doctor, FINE, "files", "%" PRIu64 " may be open", (uint64_t)files.rlim_max);
}

static void check_backlog(struct doctor *doctor)
{
    int64_t most;

    if (!read_number("/proc/sys/net/core/somaxconn", &most))
        return;
    say(doctor, most < BACKLOG ? WARNING : FINE, "backlog",
        "%" PRId64 " connections may stand in line (net.core.somaxconn)%s", most,
        most < BACKLOG ? ", 4096 are asked for" : "");
}

/* Each fiber's stack is an area of memory with a guard: two mappings. */
static void check_mappings(struct doctor *doctor)
{
    int64_t most;

    if (!read_number("/proc/sys/vm/max_map_count", &most))
        return;
    say(doctor, most < 65530 ? WARNING : FINE, "mappings",
        "%" PRId64 " a process (vm.max_map_count)%s", most,
        most < 65530 ? ", too few for many fibers" : "");
}

static void check_memory(struct doctor *doctor)
{
    int64_t most;

    if (read_number("/sys/fs/cgroup/memory.max", &most))
        say(doctor, FINE, "memory", "the control group may have %" PRId64 " MB", most / 1000000);
    else
        say(doctor, FINE, "memory", "the control group has no limit");
}

static void check_clock(struct doctor *doctor)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    /* Tokens and certificates would be taken for expired, or not yet valid. */
    bool is_set = now.tv_sec > 1700000000;
    say(doctor, is_set ? FINE : FAILURE, "clock", is_set ? "is set" : "is not set");
}

/* --- the service ------------------------------------------------------------------------------ */

static void check_control(struct doctor *doctor)
{
    char path[BK__CONTROL_PATH];
    const char *asked = getenv("CONTROL_SOCKET");

    if (asked == NULL)
        asked = doctor->app->cluster.control;
    if (bk__control_path(doctor->app->name, asked, true, path) == BK_OK)
        say(doctor, FINE, "control", "%s", path);
    else
        say(doctor, FAILURE, "control", "%.*s", BK_PRI(bk_error_chain()->message));
}

static void check_listeners(struct doctor *doctor)
{
    char url[300];

    if (bk__cli_service_runs(doctor->app)) {
        say(doctor, FINE, "listen", "the service runs and has its sockets (status shows it)");
        return;
    }
    if (!bk__serve_listen(doctor->app)) {
        say(doctor, FAILURE, "listen", "%.*s", BK_PRI(bk_error_chain()->message));
        return;
    }
    for (const struct bk__listener *it = doctor->app->server.listeners; it != NULL; it = it->next) {
        bk__listener_url(it, url, sizeof url);
        say(doctor, FINE, "listen", "%s", url);
    }
}

static bk_err nothing(void *data)
{
    (void)data;
    return BK_OK;
}

/* What they connect to is theirs to say, in the log. */
static void check_parts(struct doctor *doctor)
{
    if (bk_app_call(doctor->app, "doctor", nothing, NULL) == BK_OK)
        say(doctor, FINE, "parts", "all start");
    else
        say(doctor, FAILURE, "parts", "one does not start; the log says which");
}

int bk__cli_doctor(bk_app *app, int argc, char **argv, void *data)
{
    static void (*const checks[])(struct doctor * doctor) = {
        check_processors, check_files,   check_backlog,   check_mappings, check_memory,
        check_clock,      check_control, check_listeners, check_parts,
    };
    struct doctor doctor = {.app = app};

    (void)argv, (void)data;
    if (argc > 1) {
        fputs("usage: PROGRAM doctor\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        checks[i](&doctor);
    return doctor.failed ? 1 : 0;
}
