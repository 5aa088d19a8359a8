/*
 * child.c: a worker from its fork to its end. See child.h.
 */
#include "cluster/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <backend/log.h>
#include <backend/loop.h>

#include "cluster/signals.h"
#include "core/assert.h"
#include "fiber/loop.h"
#include "fiber/timer.h"
#include "http/listener.h"

#define LAST_SECONDS 15 /* beyond drain_ms, for on_worker_stop and connections that close */

/* The one worker that this process is; a signal handler has no other way to know. */
static struct {
    bk_app *app;
    unsigned last_seconds;
    int channel;
    struct bk__timer beat;
    uint32_t beat_ms;
    struct bk__berth *berth;
} self;

uint64_t bk__monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- signals ---------------------------------------------------------------------------------- */

/* From the supervisor, or from the kernel when that has died. A worker that hangs has nobody left
 * who would kill it then: the alarm does. */
static void on_stop_signal(int number)
{
    (void)number;
    alarm(self.last_seconds);
    bk_app_stop(self.app);
}

static void on_reopen_signal(int number)
{
    (void)number;
    (void)bk_log_reopen();
}

/* What a terminal sends to a whole group of processes is for the supervisor alone. */
static void set_signals(void)
{
    static const int not_ours[] = {SIGINT, SIGQUIT, SIGHUP, SIGUSR2};
    struct sigaction stop = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};

    sigemptyset(&stop.sa_mask);
    sigaction(SIGTERM, &stop, NULL);
    struct sigaction reopen = {.sa_handler = on_reopen_signal, .sa_flags = SA_RESTART};
    sigemptyset(&reopen.sa_mask);
    sigaction(SIGUSR1, &reopen, NULL);
    signal(SIGCHLD, SIG_DFL);
    for (size_t i = 0; i < sizeof not_ours / sizeof not_ours[0]; i++)
        signal(not_ours[i], SIG_IGN);
    bk__signals_unblock();
}

/* The kernel's word comes only from now on: the supervisor may have died before. */
static void die_with(pid_t supervisor)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != supervisor)
        _exit(1);
}

/* --- what the supervisor sees ----------------------------------------------------------------- */

static void beat(void)
{
    atomic_store_explicit(&self.berth->board->slots[self.berth->slot].beat_ms, bk__monotonic_ms(),
                          memory_order_relaxed);
}

static void on_beat(struct bk__timer *timer)
{
    beat();
    bk__timer_set(bk__loop_current, timer, bk__loop_current->clock.now_ms + self.beat_ms);
}

static bk_err start_beating(void *data)
{
    (void)data;
    self.beat.fn = on_beat;
    on_beat(&self.beat);
    return BK_OK;
}

static void stop_beating(void *data)
{
    (void)data;
    bk__timer_stop(bk__loop_current, &self.beat);
}

static const bk_part_type heart = {.name = "heart", .start = start_beating, .stop = stop_beating};

static void say_ready(void *data)
{
    char word = 'R';

    (void)data;
    beat();
    if (write(self.channel, &word, 1) != 1) {
        /* the supervisor has died, and SIGTERM is on its way */
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void take_berth(bk_app *app, const struct bk__child_opts *opts)
{
    app->berth = opts->berth;
    app->berth.ready = say_ready;
    if (app->berth.board != NULL && (app->berth.roles & BK_ROLE_WEB) != 0) {
        app->server.balance = &app->berth.board->balance;
        app->server.slot = app->berth.slot;
    }
}

BK_NORETURN static void work(const struct bk__child_opts *opts, pid_t supervisor, int channel)
{
    bk_app *app = opts->app;

    self.app = app;
    self.last_seconds = opts->drain_ms / 1000 + LAST_SECONDS;
    self.channel = channel;
    self.beat_ms = opts->beat_ms;
    self.berth = &app->berth;
    take_berth(app, opts);
    bk__log_tail_use(&app->berth.board->tails[app->berth.slot]);
    opts->forget(opts->data);
    set_signals();
    die_with(supervisor);
    bk__listeners_keep_files(&app->server); /* the supervisor's to remove */
    if (app->berth.generation > 0)
        bk__listeners_renew_tls(&app->server);
    bk_app_part(app, &heart, NULL);
    bk_err err = bk_app_run(app);
    bk_app_free(app);
    exit(err == BK_OK ? 0 : 1);
}

pid_t bk__child_fork(const struct bk__child_opts *opts, int *channel)
{
    pid_t supervisor = getpid();
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return -1;
    fflush(NULL); /* or both would write it */
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        work(opts, supervisor, ends[1]);
    }
    int cause = errno;
    close(ends[1]);
    if (pid < 0)
        close(ends[0]);
    else
        *channel = ends[0];
    errno = cause;
    return pid;
}
