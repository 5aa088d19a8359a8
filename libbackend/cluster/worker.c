/*
 * worker.c: what happens to a worker, as a table of state and event. See supervisor.h.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/log.h>

#include "cluster/child.h"
#include "cluster/control.h"
#include "cluster/supervisor.h"
#include "ops/workers.h"

#define STEADY_MS 10000 /* ready for so long: it was not its start that failed */
#define BURY_MS   2000  /* for one that was killed by SIGABRT or has served nobody */
#define SPARE_MS  10000 /* beyond drain_ms: on_worker_stop, closing connections */

/* --- roles ------------------------------------------------------------------------------------ */

const char *bk__role_name(const struct bk__supervisor *s, enum bk__worker_role role)
{
    if (role == BK__WEB)
        return "web";
    return role == BK__JOB ? "job" : s->app->roles[role - BK__OWN].name;
}

uint32_t bk__role_hang_ms(const struct bk__supervisor *s, enum bk__worker_role role)
{
    return role < BK__OWN ? s->opts.hang_ms : s->app->roles[role - BK__OWN].hang_ms;
}

/* --- what they do about it ------------------------------------------------------------------------------- */

static void enter(struct bk__supervisor *s, unsigned slot, enum bk__worker_state state,
                  uint64_t for_ms)
{
    struct bk__worker *worker = &s->workers[slot];

    bk__planned(s, slot)->state = state;
    worker->since_ms = bk__monotonic_ms();
    worker->until_ms = worker->since_ms + for_ms;
}

static void say(struct bk__supervisor *s, unsigned slot, bk_log_level level, const char *event)
{
    const struct bk__worker *worker = &s->workers[slot];

    bk_log(level, event, bk_kv_cstr("role", bk__role_name(s, bk__planned(s, slot)->role)),
           bk_kv_i64("worker", worker->pid), bk_kv_i64("slot", slot),
           bk_kv_i64("generation", worker->generation),
           bk_kv_i64("afterMs", (int64_t)(bk__monotonic_ms() - worker->since_ms)));
}

static void say_end(struct bk__supervisor *s, unsigned slot, const char *event)
{
    const struct bk__worker *worker = &s->workers[slot];
    bool killed = WIFSIGNALED(worker->status);

    bk_error(event, bk_kv_cstr("role", bk__role_name(s, bk__planned(s, slot)->role)),
             bk_kv_i64("worker", worker->pid), bk_kv_i64("slot", slot),
             bk_kv_cstr(killed ? "signal" : "exit",
                        killed ? sigabbrev_np(WTERMSIG(worker->status)) : "status"),
             bk_kv_i64("status", killed ? WTERMSIG(worker->status) : WEXITSTATUS(worker->status)),
             bk_kv_i64("afterMs", (int64_t)(bk__monotonic_ms() - worker->since_ms)));
}

void bk__worker_deaf(struct bk__worker *worker)
{
    if (worker->channel >= 0)
        close(worker->channel);
    worker->channel = -1;
}

static void forget_worker(struct bk__supervisor *s, unsigned slot)
{
    bk__worker_deaf(&s->workers[slot]);
    bk__balance_leave(&s->board->balance, slot);
    bk__metrics_vacate(&s->app->metrics, slot);
    bk__planned(s, slot)->state = BK__DEAD;
    bk__planned(s, slot)->stale = false;
}

/* --- the table -------------------------------------------------------------------------------- */

static void becomes_ready(struct bk__supervisor *s, unsigned slot)
{
    say(s, slot, BK_LOG_INFO, "worker.ready");
    enter(s, slot, BK__READY, 0);
}

static void ends_at_start(struct bk__supervisor *s, unsigned slot)
{
    enum bk__worker_role role = bk__planned(s, slot)->role;

    say_end(s, slot, "worker.failed_to_start");
    forget_worker(s, slot);
    bk__supervisor_failed_start(s, role);
}

static void starts_too_slowly(struct bk__supervisor *s, unsigned slot)
{
    say(s, slot, BK_LOG_ERROR, "worker.not_ready_in_time");
    kill(s->workers[slot].pid, SIGKILL);
    enter(s, slot, BK__DRAINING, BURY_MS);
    bk__supervisor_failed_start(s, bk__planned(s, slot)->role);
}

static void ends_in_service(struct bk__supervisor *s, unsigned slot)
{
    enum bk__worker_role role = bk__planned(s, slot)->role;
    bool was_steady = bk__monotonic_ms() - s->workers[slot].since_ms >= STEADY_MS;

    say_end(s, slot, "worker.died");
    forget_worker(s, slot);
    bk__supervisor_failure(s, role, was_steady, "crash");
}

/* Its last words (app/crash.c) say where it is; the kernel's SIGABRT reaches any loop. */
static void hangs(struct bk__supervisor *s, unsigned slot)
{
    bool was_steady = bk__monotonic_ms() - s->workers[slot].since_ms >= STEADY_MS;

    say(s, slot, BK_LOG_ERROR, "worker.hangs");
    kill(s->workers[slot].pid, SIGABRT);
    enter(s, slot, BK__DRAINING, BURY_MS);
    bk__supervisor_failure(s, bk__planned(s, slot)->role, was_steady, "heartbeat");
}

static void drains(struct bk__supervisor *s, unsigned slot)
{
    bool served = bk__planned(s, slot)->state == BK__READY;

    say(s, slot, BK_LOG_INFO, "worker.draining");
    kill(s->workers[slot].pid, SIGTERM);
    enter(s, slot, BK__DRAINING, served ? (uint64_t)s->drain_ms + SPARE_MS : BURY_MS);
}

static void grows_too_large(struct bk__supervisor *s, unsigned slot)
{
    say(s, slot, BK_LOG_WARN, "worker.too_large");
    bk__planned(s, slot)->stale = true;
    s->restarts++;
    bk__workers_restarted(s->metrics, bk__role_name(s, bk__planned(s, slot)->role), "memory");
}

static void is_killed(struct bk__supervisor *s, unsigned slot)
{
    kill(s->workers[slot].pid, SIGKILL);
    enter(s, slot, BK__DRAINING, BURY_MS);
}

static void drains_too_slowly(struct bk__supervisor *s, unsigned slot)
{
    say(s, slot, BK_LOG_WARN, "worker.killed");
    is_killed(s, slot);
}

static void ends_as_told(struct bk__supervisor *s, unsigned slot)
{
    if (s->workers[slot].status == 0)
        say(s, slot, BK_LOG_INFO, "worker.ended");
    else
        say_end(s, slot, "worker.ended_badly");
    forget_worker(s, slot);
}

typedef void (*move_fn)(struct bk__supervisor *s, unsigned slot);

/* What is not here means nothing. */
static const move_fn moves[][BK__EVENTS] = {
    [BK__DEAD] = {NULL},
    [BK__STARTING] = {[BK__SAYS_READY] = becomes_ready,
                      [BK__ENDED] = ends_at_start,
                      [BK__OVERDUE] = starts_too_slowly,
                      [BK__UNWANTED] = drains,
                      [BK__CONDEMNED] = is_killed},
    [BK__READY] = {[BK__ENDED] = ends_in_service,
                   [BK__OVERDUE] = hangs,
                   [BK__TOO_LARGE] = grows_too_large,
                   [BK__UNWANTED] = drains,
                   [BK__CONDEMNED] = is_killed},
    [BK__DRAINING] = {[BK__ENDED] = ends_as_told,
                      [BK__OVERDUE] = drains_too_slowly,
                      [BK__CONDEMNED] = is_killed},
};

void bk__worker_happens(struct bk__supervisor *s, unsigned slot, enum bk__worker_event event)
{
    move_fn move = moves[bk__planned(s, slot)->state][event];

    if (move != NULL)
        move(s, slot);
}

/* --- starting --------------------------------------------------------------------------------- */

/* Runs in the child. */
static void close_what_is_ours(void *data)
{
    struct bk__supervisor *s = data;

    close(s->signals);
    bk__upgrade_end(&s->upgrade);
    bk__legacy_close(&s->legacy);
    bk__control_close(s->control, false);
    s->control = NULL;
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        if (bk__planned(s, slot)->state != BK__DEAD)
            bk__worker_deaf(&s->workers[slot]);
}

static unsigned roles_of(const struct bk__supervisor *s, enum bk__worker_role role)
{
    if (role >= BK__OWN)
        return BK_ROLE_OWN;
    if (role == BK__JOB)
        return BK_ROLE_JOBS;
    return s->plan.wanted[BK__JOB] > 0 ? BK_ROLE_WEB : BK_ROLE_WEB | BK_ROLE_JOBS;
}

/* Roles of their own that have processes. */
static uint32_t apart(const struct bk__supervisor *s)
{
    uint32_t bits = 0;

    for (enum bk__worker_role role = BK__OWN; role < bk__role_count(s); role++)
        bits |= s->plan.wanted[role] > 0 ? 1U << (role - BK__OWN) : 0;
    return bits;
}

void bk__worker_start(struct bk__supervisor *s, unsigned slot, enum bk__worker_role role)
{
    struct bk__worker *worker = &s->workers[slot];
    uint32_t hang_ms = bk__role_hang_ms(s, role);
    struct bk__child_opts opts = {
        .app = s->app,
        .role = role,
        .berth = {.roles = roles_of(s, role),
                  .own = role >= BK__OWN ? role - BK__OWN : 0,
                  .apart = apart(s),
                  .slot = slot,
                  .sharers = bk__plan_wanted(&s->plan) + s->plan.spare,
                  .generation = s->generation,
                  .board = s->board},
        .beat_ms = hang_ms == BK_UNLIMITED ? 1000 : hang_ms / 5 + 1,
        .drain_ms = s->drain_ms,
        .forget = close_what_is_ours,
        .data = s,
    };

    *worker = (struct bk__worker){.channel = -1, .generation = s->generation};
    worker->pid = bk__child_fork(&opts, &worker->channel);
    *bk__planned(s, slot) = (struct bk__plan_worker){.role = role};
    if (worker->pid < 0) {
        bk_error("cluster.cannot_fork", bk_kv_cstr("cause", strerror(errno)));
        bk__supervisor_failed_start(s, role);
        return;
    }
    enter(s, slot, BK__STARTING, s->opts.start_ms);
    say(s, slot, BK_LOG_INFO, "worker.started");
}
