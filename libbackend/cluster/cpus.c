/*
 * cpus.c: affinity and control groups' quotas. See cpus.h.
 *
 * A quota may stand at any level from the process's own group up to the mount, and the least of
 * them holds. Inside a container the path of /proc/self/cgroup may be the host's, which is not
 * mounted there: then only the mount's own files are found, which are the container's.
 */
#include "cluster/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"

static bool read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    return len > 0;
}

static unsigned rounded_up(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cpus = (quota + period - 1) / period;
    return cpus < INT_MAX ? (unsigned)cpus : 0;
}

/* Version 2: "150000 100000", or "max 100000". */
static unsigned quota_of_v2(const char *folder)
{
    char path[1024], text[64];
    long long quota, period;

    if (snprintf(path, sizeof path, "%s/cpu.max", folder) >= (int)sizeof path ||
        !read_text(path, text, sizeof text) || sscanf(text, "%lld %lld", &quota, &period) != 2)
        return 0;
    return rounded_up(quota, period);
}

/* Version 1: a file for each of the two; no quota is -1. */
static unsigned quota_of_v1(const char *folder)
{
    char path[1024], quota[32], period[32];

    if (snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder) >= (int)sizeof path ||
        !read_text(path, quota, sizeof quota) ||
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder) >= (int)sizeof path ||
        !read_text(path, period, sizeof period))
        return 0;
    return rounded_up(atoll(quota), atoll(period));
}

/* The least of @p folder and those above it, down to @p top characters of the path. */
static unsigned least_up_to(char *folder, size_t top, unsigned (*quota_of)(const char *))
{
    unsigned least = 0;

    for (;;) {
        unsigned here = quota_of(folder);
        if (here != 0 && (least == 0 || here < least))
            least = here;
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= top || slash == NULL || (size_t)(slash - folder) < top)
            return least;
        *slash = '\0';
    }
}

/* A line is "hierarchy:controllers:path"; version 2's is "0::path". */
static unsigned quota_of_line(char *line, const char *mount)
{
    char folder[1000], *rest = line;

    (void)strsep(&rest, ":");
    const char *controllers = strsep(&rest, ":");
    if (controllers == NULL || rest == NULL)
        return 0;
    bool is_v2 = controllers[0] == '\0';
    if (!is_v2 && strcmp(controllers, "cpu") != 0 && strncmp(controllers, "cpu,", 4) != 0)
        return 0;
    int len = snprintf(folder, sizeof folder, "%s%s", mount, is_v2 ? "" : "/cpu");
    size_t top = (size_t)len;
    if (len >= (int)sizeof folder ||
        snprintf(folder + top, sizeof folder - top, "%s", strcmp(rest, "/") != 0 ? rest : "") >=
            (int)(sizeof folder - top))
        return 0;
    return least_up_to(folder, top, is_v2 ? quota_of_v2 : quota_of_v1);
}

unsigned bk__cpus_quota(const char *cgroups, const char *mount)
{
    char *copy = strdup(cgroups), *rest = copy, *line;
    unsigned least = 0;

    bk_assert(copy != NULL);
    while ((line = strsep(&rest, "\n")) != NULL) {
        unsigned quota = quota_of_line(line, mount);
        if (quota != 0 && (least == 0 || quota < least))
            least = quota;
    }
    free(copy);
    return least;
}

unsigned bk__cpus(void)
{
    char cgroups[2048] = "";
    cpu_set_t set;
    unsigned cpus = 1;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cpus = (unsigned)CPU_COUNT(&set);
    (void)read_text("/proc/self/cgroup", cgroups, sizeof cgroups);
    unsigned quota = bk__cpus_quota(cgroups, "/sys/fs/cgroup");
    return quota != 0 && quota < cpus ? quota : cpus;
}
