/*
 * table.c: see table.h.
 */
#include "cli/table.h"

#include <backend/str.h>

static int64_t number(const bk_json *object, const char *key)
{
    int64_t value = 0;

    if (bk_json_i64(bk_json_get(object, bk_str_of(key)), &value) != BK_OK)
        value = 0;
    return value;
}

static bk_str text(const bk_json *object, const char *key)
{
    return bk_json_str(bk_json_get(object, bk_str_of(key)));
}

static bool flag(const bk_json *object, const char *key)
{
    return bk_json_bool(bk_json_get(object, bk_str_of(key)));
}

/* "3d4h", "2h5m", "12m3s", "9.4s": two places are enough. */
static const char *duration(int64_t ms, char out[24])
{
    int64_t seconds = ms / 1000;

    if (seconds < 60)
        snprintf(out, 24, "%.1fs", (double)ms / 1000);
    else if (seconds < 3600)
        snprintf(out, 24, "%lldm%llds", (long long)seconds / 60, (long long)seconds % 60);
    else if (seconds < 86400)
        snprintf(out, 24, "%lldh%lldm", (long long)seconds / 3600, (long long)seconds / 60 % 60);
    else
        snprintf(out, 24, "%lldd%lldh", (long long)seconds / 86400, (long long)seconds / 3600 % 24);
    return out;
}

static const bk_json *find_worker(const bk_json *status, int64_t pid)
{
    const bk_json *it = bk_json_first(bk_json_get(status, BK_LIT("workers")));

    while (it != NULL && number(it, "pid") != pid)
        it = bk_json_next(it);
    return it;
}

/* Percent of one processor since the earlier status; all its life's where there is none. */
static double busy(const bk_json *worker, const bk_json *before, int64_t apart_ms)
{
    const bk_json *earlier = before != NULL ? find_worker(before, number(worker, "pid")) : NULL;
    int64_t spent = number(worker, "cpuMs") - number(earlier, "cpuMs");

    if (earlier == NULL)
        apart_ms = number(worker, "sinceMs");
    return apart_ms > 0 ? 100.0 * (double)spent / (double)apart_ms : 0;
}

static void print_head(FILE *out, const bk_json *status)
{
    bk_str app = text(status, "app"), phase = text(status, "phase");
    char up[24];

    fprintf(out, "%.*s: %.*s%s%s, supervisor %lld, up %s, generation %lld, %lld restarts\n",
            (int)app.len, app.ptr, (int)phase.len, phase.ptr,
            flag(status, "reloading") ? ", reloading" : "",
            flag(status, "upgrading") ? ", upgrading" : "", (long long)number(status, "pid"),
            duration(number(status, "upMs"), up), (long long)number(status, "generation"),
            (long long)number(status, "restarts"));
    for (const bk_json *it = bk_json_first(bk_json_get(status, BK_LIT("listeners"))); it != NULL;
         it = bk_json_next(it))
        fprintf(out, "  %.*s\n", (int)bk_json_str(it).len, bk_json_str(it).ptr);
}

/* Of the column of roles. */
static int role_width(const bk_json *workers)
{
    size_t width = 5;

    for (const bk_json *it = bk_json_first(workers); it != NULL; it = bk_json_next(it)) {
        size_t len = text(it, "role").len;
        width = len > width ? len : width;
    }
    return (int)width;
}

void bk__table_print(FILE *out, const bk_json *status, const bk_json *before, int64_t apart_ms)
{
    int width = role_width(bk_json_get(status, BK_LIT("workers")));

    print_head(out, status);
    fprintf(out, "\n%-*s %8s  %-9s %4s %9s %6s %9s %12s\n", width, "role", "pid", "state", "gen",
            "for", "cpu", "memory", "connections");
    for (const bk_json *it = bk_json_first(bk_json_get(status, BK_LIT("workers"))); it != NULL;
         it = bk_json_next(it)) {
        bk_str role = text(it, "role"), state = text(it, "state");
        char since[24];
        fprintf(out, "%-*.*s %8lld  %-9.*s %4lld %9s %5.1f%% %6.1f MB %12lld\n", width,
                (int)role.len, role.ptr, (long long)number(it, "pid"), (int)state.len, state.ptr,
                (long long)number(it, "generation"), duration(number(it, "sinceMs"), since),
                busy(it, before, apart_ms), (double)number(it, "residentBytes") / 1e6,
                (long long)number(it, "connections"));
    }
}
