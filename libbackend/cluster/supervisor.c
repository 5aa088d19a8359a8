/*
 * supervisor.c: the loop: what comes in, what is due, what is wanted. See supervisor.h.
 */
#include "cluster/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/log.h>

#include "cluster/child.h"
#include "cluster/control.h"
#include "cluster/cpus.h"
#include "cluster/notify.h"
#include "cluster/signals.h"
#include "core/assert.h"
#include "core/shared.h"
#include "http/listener.h"
#include "ops/workers.h"

#define BACKOFF_MAX_MS 15000
#define CALM_MS        30000 /* beyond the time for a start: failures are no longer in a row */
#define MEMORY_MS      5000

/* --- failures --------------------------------------------------------------------------------- */

void bk__supervisor_stop(struct bk__supervisor *s)
{
    s->phase = BK__STOPPING;
    memset(s->plan.wanted, 0, sizeof s->plan.wanted);
}

static void begin_stop(struct bk__supervisor *s, uint32_t wait_ms)
{
    bk_info("cluster.stopping", bk_kv_i64("waitMs", wait_ms));
    bk__notify("STOPPING=1");
    atomic_store(&s->board->draining, 1);
    s->phase = BK__WAITING;
    s->stop_ms = bk__monotonic_ms() + wait_ms;
    if (wait_ms == 0)
        bk__supervisor_stop(s);
}

/* Notes a failure: the next start has to wait, longer each time, unless this is a single mishap. */
void bk__supervisor_failure(struct bk__supervisor *s, enum bk__worker_role role, bool was_steady,
                            const char *reason)
{
    struct bk__failures *failures = &s->failures[role];
    uint64_t now = bk__monotonic_ms();
    bool is_calm = now - failures->last_ms > CALM_MS + s->opts.start_ms;

    failures->count = was_steady || is_calm ? 1 : failures->count + 1;
    failures->last_ms = now;
    s->restarts++;
    bk__workers_restarted(s->metrics, bk__role_name(s, role), reason);
    uint64_t wait = 0;
    if (failures->count > 1)
        wait = (uint64_t)s->opts.backoff_ms << (failures->count < 20 ? failures->count - 2 : 18);
    failures->until_ms = now + (wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS);
    if (failures->count < s->opts.crash_limit || bk__plan_ready(&s->plan, role) > 0 ||
        s->phase == BK__STOPPING)
        return;
    bk_log(BK_LOG_FATAL, "cluster.crash_loop", bk_kv_cstr("role", bk__role_name(s, role)),
           bk_kv_i64("failures", failures->count));
    s->status = 1;
    begin_stop(s, 0);
}

/* A worker did not become ready. In a reload, those that serve stay. */
void bk__supervisor_failed_start(struct bk__supervisor *s, enum bk__worker_role role)
{
    if (s->reload == BK__NO_RELOAD) {
        bk__supervisor_failure(s, role, false, "start");
        return;
    }
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        bk__planned(s, slot)->stale = false;
    bk__reload_end(s, true);
}

/* --- control ---------------------------------------------------------------------------------- */

/* A socket that was asked for must be there. Without the usual one, which another program of that
 * name may have, there are still signals. */
static bool open_control(struct bk__supervisor *s)
{
    char path[BK__CONTROL_PATH];
    const char *asked = s->opts.control;

    bk_err err = bk__control_path(s->app->name, asked, true, path);
    if (err == BK_OK)
        err = bk__control_open(path, s->is_heir, &s->control);
    if (err == BK_OK)
        return true;
    bk_log(asked != NULL ? BK_LOG_ERROR : BK_LOG_WARN, "cluster.no_control",
           bk_kv_str("cause", bk_error_chain()->message));
    return asked == NULL;
}

/* --- what is wanted ------------------------------------------------------------------------------ */

/* Brings what is to what is wanted. */
static void reconcile(struct bk__supervisor *s)
{
    uint64_t now = bk__monotonic_ms();
    struct bk__plan_step step;

    do {
        for (int role = 0; role < BK__ROLES; role++)
            s->plan.may_start[role] = now >= s->failures[role].until_ms;
        step = bk__plan_next(&s->plan);
        if (step.action == BK__START)
            bk__worker_start(s, step.slot, step.role);
        else if (step.action == BK__DRAIN)
            bk__worker_happens(s, step.slot, BK__UNWANTED);
    } while (step.action != BK__REST);
    if (!bk__plan_settled(&s->plan) || s->phase != BK__RUNNING)
        return;
    if (!s->was_ready) {
        s->was_ready = true;
        bk_info("cluster.ready", bk_kv_cstr("app", s->app->name),
                bk_kv_i64("web", s->plan.wanted[BK__WEB]),
                bk_kv_i64("job", s->plan.wanted[BK__JOB]),
                bk_kv_i64("afterMs", (int64_t)(now - s->begun_ms)));
        bk__notify("READY=1");
        bk__legacy_ready(&s->legacy);
        if (s->is_heir)
            (void)open_control(s); /* of which the one before lets go now */
    }
    if (s->reload != BK__NO_RELOAD)
        bk__reload_end(s, false);
}

/* --- what comes in ---------------------------------------------------------------------------- */

static void kill_all(struct bk__supervisor *s)
{
    bk__supervisor_stop(s);
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        bk__worker_happens(s, slot, BK__CONDEMNED);
}

/* Process 1 ends with the last of those that came after it. */
static void on_heir_ended(struct bk__supervisor *s, int status)
{
    pid_t next = bk__upgrade_next_heir(&s->upgrade);

    s->upgrade.pid = next;
    if (next == 0)
        s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void on_ended(struct bk__supervisor *s, pid_t pid, int status)
{
    if (pid == s->upgrade.pid) {
        if (s->handed_over)
            on_heir_ended(s, status);
        else
            bk__upgrade_give_up(s, "it ended");
        return;
    }
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        if (bk__planned(s, slot)->state != BK__DEAD && s->workers[slot].pid == pid) {
            s->workers[slot].status = status;
            bk__worker_happens(s, slot, BK__ENDED);
            return;
        }
    /* else it was an orphan, of which process 1 gets many */
}

static void reap(struct bk__supervisor *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_ended(s, pid, status);
}

/* The first asks for a good end, the next ones for a quick one. */
static void on_stop_signal(struct bk__supervisor *s, int number)
{
    if (s->upgrade.pid != 0 && !s->handed_over)
        bk__upgrade_give_up(s, "the service stops");
    if (s->phase == BK__RUNNING)
        begin_stop(s, s->opts.wait_ms);
    else if (s->phase == BK__WAITING)
        bk__supervisor_stop(s);
    else if (number == SIGINT)
        kill_all(s);
}

/* The file is one, but each process has opened it. */
static void reopen_logs(struct bk__supervisor *s)
{
    (void)bk_log_reopen();
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        if (bk__planned(s, slot)->state != BK__DEAD)
            kill(s->workers[slot].pid, SIGUSR1);
}

static void take_signals(struct bk__supervisor *s)
{
    int number;

    while ((number = bk__signals_next(s->signals)) != 0) {
        if (s->handed_over && number != SIGCHLD) {
            if (s->upgrade.pid != 0)
                kill(bk__upgrade_newest_heir(&s->upgrade), number);
            continue;
        }
        switch (number) {
        case SIGCHLD:
            reap(s);
            break;
        case SIGTERM:
        case SIGINT:
            on_stop_signal(s, number);
            break;
        case SIGQUIT:
            kill_all(s);
            break;
        case SIGHUP:
            bk__reload(s);
            break;
        case SIGUSR1:
            reopen_logs(s);
            break;
        case SIGUSR2:
            bk__upgrade(s);
            break;
        }
    }
}

static void hear(struct bk__supervisor *s, unsigned slot)
{
    char word;
    ssize_t got = read(s->workers[slot].channel, &word, 1);

    if (got == 1)
        bk__worker_happens(s, slot, BK__SAYS_READY);
    else if (got == 0)
        bk__worker_deaf(&s->workers[slot]); /* its end will be told by SIGCHLD */
}

/* --- time ------------------------------------------------------------------------------------- */

static uint64_t hangs_at(const struct bk__supervisor *s, unsigned slot)
{
    uint64_t beat = atomic_load_explicit(&s->board->slots[slot].beat_ms, memory_order_relaxed);
    uint32_t hang_ms = bk__role_hang_ms(s, s->plan.workers[slot].role);

    if (hang_ms == BK_UNLIMITED)
        return UINT64_MAX;
    return (beat > s->awake_ms ? beat : s->awake_ms) + hang_ms;
}

static uint64_t overdue_at(const struct bk__supervisor *s, unsigned slot)
{
    switch (s->plan.workers[slot].state) {
    case BK__DEAD:
        return UINT64_MAX;
    case BK__READY:
        return hangs_at(s, slot);
    default:
        return s->workers[slot].until_ms;
    }
}

static size_t resident_bytes(pid_t pid)
{
    char path[32];
    unsigned long pages = 0;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void look_at_memory(struct bk__supervisor *s)
{
    for (unsigned slot = 0; slot < BK__SLOTS; slot++) {
        const struct bk__plan_worker *worker = bk__planned(s, slot);
        if (worker->state == BK__READY && !worker->stale &&
            resident_bytes(s->workers[slot].pid) > s->opts.memory_bytes)
            bk__worker_happens(s, slot, BK__TOO_LARGE);
    }
    s->memory_ms = bk__monotonic_ms() + MEMORY_MS;
}

/* One that slept for longer than it wanted was stopped, and its workers with it: their loops have
 * to be given time anew. */
static void look_at_clock(struct bk__supervisor *s)
{
    uint64_t now = bk__monotonic_ms();

    if (s->wake_ms != UINT64_MAX && now > s->wake_ms + s->opts.hang_ms / 2)
        s->awake_ms = now;
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        if (now >= overdue_at(s, slot))
            bk__worker_happens(s, slot, BK__OVERDUE);
    if (s->upgrade.pid != 0 && !s->handed_over && now >= s->upgrade.until_ms)
        bk__upgrade_give_up(s, "it did not become ready in time");
    if (s->phase == BK__WAITING && now >= s->stop_ms)
        bk__supervisor_stop(s);
    if (s->opts.memory_bytes != 0 && now >= s->memory_ms)
        look_at_memory(s);
    if (s->watchdog_ms != 0 && now >= s->watched_ms) {
        bk__notify("WATCHDOG=1");
        s->watched_ms = now + s->watchdog_ms;
    }
}

static void sooner(uint64_t *at, uint64_t other)
{
    if (other < *at)
        *at = other;
}

static uint64_t next_time(const struct bk__supervisor *s)
{
    uint64_t at = UINT64_MAX, now = bk__monotonic_ms();

    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        sooner(&at, overdue_at(s, slot));
    for (int role = 0; role < BK__ROLES; role++)
        if (s->failures[role].until_ms > now)
            sooner(&at, s->failures[role].until_ms);
    if (s->upgrade.pid != 0 && !s->handed_over)
        sooner(&at, s->upgrade.until_ms);
    if (s->phase == BK__WAITING)
        sooner(&at, s->stop_ms);
    if (s->opts.memory_bytes != 0)
        sooner(&at, s->memory_ms);
    if (s->watchdog_ms != 0)
        sooner(&at, s->watched_ms);
    return at;
}

static int until(uint64_t at)
{
    uint64_t now = bk__monotonic_ms();

    if (at == UINT64_MAX)
        return -1;
    if (at <= now)
        return 0;
    return at - now < 3600000 ? (int)(at - now) + 1 : 3600000;
}

/* --- the loop --------------------------------------------------------------------------------- */

enum {
    SIGNALS,
    UPGRADE,
    WORKERS,
    CONTROL = WORKERS + BK__SLOTS,
    FDS = CONTROL + BK__CONTROL_FDS
};

static void watch(struct pollfd *fd, int number)
{
    *fd = (struct pollfd){.fd = number, .events = POLLIN};
}

static void turn(struct bk__supervisor *s)
{
    struct pollfd fds[FDS];

    watch(&fds[SIGNALS], s->signals);
    watch(&fds[UPGRADE], s->upgrade.heard);
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        watch(&fds[WORKERS + slot],
              bk__planned(s, slot)->state != BK__DEAD ? s->workers[slot].channel : -1);
    bk__control_watch(s->control, &fds[CONTROL]);
    s->wake_ms = next_time(s);
    if (poll(fds, FDS, until(s->wake_ms)) < 0)
        bk_assert(errno == EINTR);
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        if (fds[WORKERS + slot].fd >= 0 && fds[WORKERS + slot].revents != 0)
            hear(s, slot);
    if (fds[UPGRADE].fd >= 0 && fds[UPGRADE].revents != 0)
        bk__upgrade_news(s);
    take_signals(s);
    bk__control_turn(s->control, s, &fds[CONTROL]);
    look_at_clock(s);
}

static bool has_processes(const struct bk__supervisor *s)
{
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        if (s->plan.workers[slot].state != BK__DEAD)
            return true;
    return false;
}

/* Process 1 stays for those that came after it. */
static bool is_over(const struct bk__supervisor *s)
{
    return s->phase == BK__STOPPING && !has_processes(s) && (s->upgrade.pid == 0 || getpid() != 1);
}

static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

void bk__cluster_fill(bk_cluster_opts *opts, uint32_t own)
{
    unsigned cpus = bk__cpus();

    fill(&opts->web_workers, cpus < BK__WORKERS_MAX ? cpus : BK__WORKERS_MAX);
    fill(&opts->start_ms, 30000);
    fill(&opts->hang_ms, 10000);
    fill(&opts->backoff_ms, 100);
    fill(&opts->crash_limit, 10);
    uint32_t workers = opts->web_workers + opts->job_workers + own;
    if (workers > BK__WORKERS_MAX)
        bk__setup_error("bk_cluster_opts", 0, "%u workers are too many, there may be %u", workers,
                        BK__WORKERS_MAX);
}

static void tell_metrics(struct bk__supervisor *s)
{
    static const char *const names[BK__STATES] = {NULL, "starting", "ready", "draining"};
    unsigned count[BK__ROLES][BK__STATES] = {{0}};

    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        count[bk__planned(s, slot)->role][bk__planned(s, slot)->state]++;
    for (enum bk__worker_role role = 0; role < bk__role_count(s); role++)
        for (unsigned state = BK__STARTING; state < BK__STATES; state++)
            if (count[role][state] != s->told[role][state])
                bk__workers_report(s->metrics, bk__role_name(s, role), names[state],
                                   s->told[role][state] = count[role][state]);
}

int bk__supervise(bk_app *app, const bk_cluster_opts *opts)
{
    struct bk__supervisor *s = calloc(1, sizeof *s);

    bk_assert(s != NULL);
    s->app = app;
    s->opts = *opts;
    s->drain_ms = app->server.timeouts.drain_ms;
    s->board = bk__shared_new(sizeof *s->board);
    bk__log_tail_use(&s->board->tails[BK__SLOTS]);
    s->plan.wanted[BK__WEB] = opts->web_workers;
    s->plan.wanted[BK__JOB] = opts->job_workers;
    for (unsigned i = 0; i < app->role_count; i++)
        s->plan.wanted[BK__OWN + i] = app->roles[i].workers;
    s->plan.spare = opts->reload_at_once ? bk__plan_wanted(&s->plan) : 1;
    s->begun_ms = s->awake_ms = bk__monotonic_ms();
    s->wake_ms = UINT64_MAX;
    s->watchdog_ms = bk__notify_watchdog_ms();
    s->signals = bk__signals_open();
    s->legacy = bk__legacy_take();
    bk__upgrade_init(&s->upgrade);
    s->is_heir = s->legacy.tell >= 0;
    if (!s->is_heir && !open_control(s)) {
        free(s);
        return 1;
    }
    s->metrics = bk__workers_declare(app);
    reconcile(s);
    while (!is_over(s)) {
        tell_metrics(s);
        turn(s);
        reconcile(s);
    }
    int status = s->status;
    bk__control_close(s->control, !s->handed_over);
    if (s->handed_over)
        bk__listeners_keep_files(&app->server);
    close(s->signals);
    bk__log_tail_use(NULL);
    bk__shared_free(s->board, sizeof *s->board);
    free(s);
    return status;
}
