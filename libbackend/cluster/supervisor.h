/*
 * supervisor.h: the process above the workers. It opens nothing, serves nothing and runs nobody
 * else's code: it forks workers, watches them and replaces them.
 *
 * What happens to a worker is a table of state and event (supervisor.c); whom to start and whom to
 * let go is the plan's to say (plan.h). Everything runs in one loop over poll(2).
 */
#ifndef BK_CLUSTER_SUPERVISOR_H
#define BK_CLUSTER_SUPERVISOR_H

#include "cluster/plan.h"
#include "cluster/upgrade.h"

struct bk__control;
struct bk__workers_metrics;

/* So that a whole generation fits beside another. */
#define BK__WORKERS_MAX (BK__SLOTS / 2 - 1)

/* Beside what the plan knows of it. Times are milliseconds of CLOCK_MONOTONIC. */
struct bk__worker {
    pid_t pid;
    int channel; /* see child.h; -1: closed */
    int status;  /* of waitpid(2), once it has ended */
    uint32_t generation;
    uint64_t since_ms; /* that it is in its state */
    uint64_t until_ms; /* that it may be, starting or draining */
};

/* What went wrong lately with workers of a role. */
struct bk__failures {
    unsigned count; /* in a row */
    uint64_t last_ms;
    uint64_t until_ms; /* that none is started */
};

enum bk__phase {
    BK__RUNNING,
    BK__WAITING, /* readiness says no, and balancers are given time to hear of it */
    BK__STOPPING /* nobody is wanted any more */
};

enum bk__reload_state {
    BK__NO_RELOAD,
    BK__RELOADING,
    BK__RELOAD_AGAIN /* and asked for once more meanwhile */
};

struct bk__supervisor {
    bk_app *app;
    bk_cluster_opts opts; /* no field is left to a default */
    uint32_t drain_ms;    /* of the app's timeouts */
    struct bk__board *board;
    struct bk__plan plan;
    struct bk__worker workers[BK__SLOTS]; /* by slot, as in the plan */
    struct bk__failures failures[BK__ROLES];
    enum bk__phase phase;
    enum bk__reload_state reload;
    bool reload_failed; /* the last one that ended */
    bool was_ready;     /* all that was wanted, once */
    int status;         /* to exit with */
    uint32_t generation;
    uint32_t restarts;    /* of workers that crashed, hung or grew */
    uint64_t begun_ms;    /* it runs since */
    uint64_t awake_ms;    /* it has not been asleep for longer than it wanted since */
    uint64_t wake_ms;     /* when it wants to wake next */
    uint64_t stop_ms;     /* the end of BK__WAITING */
    uint64_t memory_ms;   /* next look at workers' memory */
    uint64_t watchdog_ms; /* systemd's interval; 0: none */
    uint64_t watched_ms;  /* when it is due next */
    int signals;
    struct bk__upgrade upgrade;
    struct bk__legacy legacy;
    bool is_heir;                /* of the executable before */
    bool handed_over;            /* to the new executable: sockets and control are its own now */
    struct bk__control *control; /* NULL: there is none */
    struct bk__workers_metrics *metrics;
    unsigned told[BK__ROLES][BK__STATES]; /* how many workers the metrics show */
};

/* --- worker.c --- */

enum bk__worker_event {
    BK__SAYS_READY,
    BK__ENDED,
    BK__OVERDUE, /* its time in its state is over; of a ready one: its loop does not turn */
    BK__TOO_LARGE,
    BK__UNWANTED,
    BK__CONDEMNED, /* not even given time */
    BK__EVENTS
};

/* What a role is called: "web", "job", or as the app has it. */
const char *bk__role_name(const struct bk__supervisor *s, enum bk__worker_role role);

/* How many roles there are; those from BK__OWN on are the app's. */
static inline enum bk__worker_role bk__role_count(const struct bk__supervisor *s)
{
    return (enum bk__worker_role)(BK__OWN + s->app->role_count);
}

/* After how long a loop of such a worker hangs. */
uint32_t bk__role_hang_ms(const struct bk__supervisor *s, enum bk__worker_role role);

static inline struct bk__plan_worker *bk__planned(struct bk__supervisor *s, unsigned slot)
{
    return &s->plan.workers[slot];
}

/* Does what the worker's state demands. */
void bk__worker_happens(struct bk__supervisor *s, unsigned slot, enum bk__worker_event event);

/* It says no more, or has died. */
void bk__worker_deaf(struct bk__worker *worker);

/* Forks one into a free slot. */
void bk__worker_start(struct bk__supervisor *s, unsigned slot, enum bk__worker_role role);

/* --- reload.c --- */

/* Reads the settings anew, and makes all workers stale. One reload at a time; asked for once more
 * meanwhile, one follows. */
void bk__reload(struct bk__supervisor *s);

void bk__reload_end(struct bk__supervisor *s, bool failed);

/* Starts the executable anew, unless that is under way. */
void bk__upgrade(struct bk__supervisor *s);

/* Something came on the pipe from the new one. */
void bk__upgrade_news(struct bk__supervisor *s);

/* It takes too long, or has to end with us. */
void bk__upgrade_give_up(struct bk__supervisor *s, const char *why);

/* --- supervisor.c --- */

/* A worker of @p role did not become ready. */
void bk__supervisor_failed_start(struct bk__supervisor *s, enum bk__worker_role role);

/* One died or hung; @p was_steady  It had served for a while. */
void bk__supervisor_failure(struct bk__supervisor *s, enum bk__worker_role role, bool was_steady,
                            const char *reason);

/* Lets all workers go. */
void bk__supervisor_stop(struct bk__supervisor *s);

/* Runs the workers of @p app until a signal ends it. @p opts  Filled in. Returns the exit status.
 */
int bk__supervise(bk_app *app, const bk_cluster_opts *opts);

/* Fills in defaults. @p own  Workers of the app's own roles. */
void bk__cluster_fill(bk_cluster_opts *opts, uint32_t own);

#endif
