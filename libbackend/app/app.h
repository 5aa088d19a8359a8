/*
 * app.h: an app from inside, and the steps of its life that running and testing share.
 */
#ifndef BK_APP_APP_H
#define BK_APP_APP_H

#include <pthread.h>
#include <stdatomic.h>

#include <backend/app.h>
#include <backend/cluster.h>
#include <backend/config.h>
#include <backend/migrate.h>

#include "core/list.h"
#include "core/log_tail.h"
#include "core/metrics.h"
#include "fiber/loop.h"
#include "http/balance.h"
#include "http/server.h"

#define BK__SLOTS ((unsigned)BK__METRIC_WORKERS)

enum {
    BK__OWN_ROLES = 8,
    BK__ROLE_NAME = 16
};

/* A role beside web and job; see core/roles.h. */
struct bk__own_role {
    char name[BK__ROLE_NAME + 1];
    uint32_t workers, hang_ms; /* see bk_cluster_role */
};

/* What the supervisor and the workers tell each other through shared memory. Each value has one
 * writer. */
struct bk__board {
    _Atomic uint32_t draining; /* the service is about to stop */
    struct {
        _Atomic uint64_t beat_ms; /* when its loop last turned, on CLOCK_MONOTONIC */
    } slots[BK__SLOTS];
    struct bk__balance balance;
    struct bk__log_tail tails[BK__SLOTS + 1]; /* the last one is the supervisor's */
};

/* What this worker is among those of its service; a supervisor sets it before bk_app_run(). */
struct bk__berth {
    unsigned roles;      /* BK_ROLE_ */
    unsigned own;        /* of BK_ROLE_OWN: which */
    uint32_t apart;      /* a bit for each role of its own that has processes */
    unsigned slot;       /* its own place in shared memory, below BK__SLOTS; 0 when it is alone */
    unsigned sharers;    /* processes that share what the service may have of something */
    uint32_t generation; /* see bk_app_generation() */
    struct bk__board *board;   /* NULL: it is alone */
    void (*ready)(void *data); /* runs once requests are taken; NULL: nobody wants to know */
    void *ready_data;
};

struct bk_app {
    char *name;
    bk_app_opts opts; /* as given; names and secrets in it are copied to where they are used */
    struct bk__berth berth;
    char **argv;             /* of bk_app_main() */
    bk_cluster_opts cluster; /* as given by bk_app_cluster() */
    struct bk__own_role roles[BK__OWN_ROLES];
    unsigned role_count;
    bk_router *router;
    struct bk__list parts;    /* in the order of their declaration; see part.h */
    struct bk__list commands; /* bk_app_command(); see command.h */
    struct bk__metrics metrics;
    struct bk__server server;
    int bell;       /* the loop's bell: made here, so that bk_app_stop() can always ring it */
    pid_t bell_for; /* the process whose it is */
    atomic_bool stopping;
    pthread_mutex_t lock;            /* guards `loop` against other threads */
    struct bk_loop *loop;            /* NULL while it does not run */
    bool no_worker;                  /* it runs without on_worker_start and on_worker_stop */
    bk_pg *migrations_pg;            /* see bk_migrations_use() */
    const bk_migrations *migrations; /* NULL: none */
    bk_config *config;               /* see bk_config_use(); NULL: none */
};

/* Takes in what bk_cluster_opts.roles says. A role that no worker has stops the program with words.
 */
void bk__roles_fill(bk_app *app);

struct bk__app_start_opts {
    bool virtual_clock;
    bk_time start_at;
    bool no_worker; /* parts only: for commands that serve nobody */
};

/* Makes the loop on the calling thread, starts the parts and runs on_worker_start. On error
 * everything is undone. */
bk_err bk__app_start(bk_app *app, const struct bk__app_start_opts *opts);

/* Stops taking connections, lets running requests finish, cancels what does not, and undoes
 * bk__app_start(). */
void bk__app_finish(bk_app *app);

#endif
