/*
 * status.c: see status.h. Times since and numbers as they are; tables are the command line's.
 */
#include "cluster/status.h"

#include <stdio.h>
#include <unistd.h>

#include <backend/backend.h>

#include "cluster/child.h"
#include "cluster/supervisor.h"
#include "http/listener.h"

static void put_i64(bk_json_writer *w, const char *key, int64_t value)
{
    bk_json_write_key(w, bk_str_of(key));
    bk_json_write_i64(w, value);
}

static void put_str(bk_json_writer *w, const char *key, const char *value)
{
    bk_json_write_key(w, bk_str_of(key));
    bk_json_write_str(w, bk_str_of(value));
}

static void put_bool(bk_json_writer *w, const char *key, bool value)
{
    bk_json_write_key(w, bk_str_of(key));
    bk_json_write_bool(w, value);
}

/* Processor time and resident memory, of /proc. The name of the program, in parentheses, may hold
 * anything. */
static void put_usage(bk_json_writer *w, pid_t pid)
{
    char path[32], text[512];
    unsigned long user = 0, kernel = 0;
    long pages = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[len] = '\0';
    const char *rest = strrchr(text, ')');
    if (rest == NULL || sscanf(rest,
                               ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d "
                               "%*d %*d %*d %*d %*u %*u %ld",
                               &user, &kernel, &pages) != 3)
        user = kernel = 0, pages = 0;
    put_i64(w, "cpuMs", (int64_t)((user + kernel) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK)));
    put_i64(w, "residentBytes", pages * sysconf(_SC_PAGESIZE));
}

static void put_worker(bk_json_writer *w, const struct bk__supervisor *s, unsigned slot,
                       uint64_t now)
{
    static const char *const states[] = {"dead", "starting", "ready", "draining"};
    const struct bk__plan_worker *planned = &s->plan.workers[slot];
    const struct bk__worker *worker = &s->workers[slot];
    uint64_t beat = atomic_load_explicit(&s->board->slots[slot].beat_ms, memory_order_relaxed);
    uint64_t held = atomic_load_explicit(&s->board->balance.held[slot], memory_order_relaxed);

    bk_json_begin_object(w);
    put_i64(w, "pid", worker->pid);
    put_i64(w, "slot", slot);
    put_str(w, "role", bk__role_name(s, planned->role));
    put_str(w, "state", states[planned->state]);
    put_bool(w, "stale", planned->stale);
    put_i64(w, "generation", worker->generation);
    put_i64(w, "sinceMs", (int64_t)(now - worker->since_ms));
    put_i64(w, "beatMs", (int64_t)(now > beat ? now - beat : 0));
    put_i64(w, "connections", held > 0 ? (int64_t)held - 1 : 0);
    put_usage(w, worker->pid);
    bk_json_end_object(w);
}

static void put_listeners(bk_json_writer *w, const struct bk__server *server)
{
    char url[300];

    bk_json_write_key(w, BK_LIT("listeners"));
    bk_json_begin_array(w);
    for (const struct bk__listener *it = server->listeners; it != NULL; it = it->next) {
        bk__listener_url(it, url, sizeof url);
        bk_json_write_str(w, bk_str_of(url));
    }
    bk_json_end_array(w);
}

void bk__status_write(const struct bk__supervisor *s, bk_buf *buf)
{
    static const char *const phases[] = {"running", "waiting", "stopping"};
    uint64_t now = bk__monotonic_ms();
    bk_json_writer writer = {.buf = buf}, *w = &writer;

    bk_json_begin_object(w);
    put_bool(w, "ok", true);
    put_str(w, "app", s->app->name);
    put_str(w, "version", bk_version());
    put_i64(w, "pid", getpid());
    put_str(w, "phase", phases[s->phase]);
    put_i64(w, "upMs", (int64_t)(now - s->begun_ms));
    put_i64(w, "generation", s->generation);
    put_bool(w, "reloading", s->reload != BK__NO_RELOAD);
    put_bool(w, "reloadFailed", s->reload_failed);
    put_bool(w, "upgrading", s->upgrade.pid != 0);
    put_i64(w, "restarts", s->restarts);
    put_i64(w, "web", s->plan.wanted[BK__WEB]);
    put_i64(w, "job", s->plan.wanted[BK__JOB]);
    bk_json_write_key(w, BK_LIT("roles"));
    bk_json_begin_object(w);
    for (enum bk__worker_role role = BK__OWN; role < bk__role_count(s); role++)
        put_i64(w, bk__role_name(s, role), s->plan.wanted[role]);
    bk_json_end_object(w);
    put_listeners(w, &s->app->server);
    bk_json_write_key(w, BK_LIT("workers"));
    bk_json_begin_array(w);
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        if (s->plan.workers[slot].state != BK__DEAD)
            put_worker(w, s, slot, now);
    bk_json_end_array(w);
    bk_json_end_object(w);
}
