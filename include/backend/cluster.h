/**
 * @file backend/cluster.h
 * @brief All cores, no downtime: the workers of a program and the supervisor above them.
 *
 * bk_app_main() runs an app as a supervisor and its workers. The supervisor declares the app and
 * opens its sockets once; each worker is forked from it, has one loop, and takes connections from
 * the same sockets, so that none in line is lost when a worker ends. Signals to the supervisor:
 *
 * - SIGTERM, SIGINT: readiness says no, wait_ms pass, nothing new is taken, what runs ends; exit 0.
 * - SIGQUIT: the workers are killed; exit 0.
 * - SIGHUP: all workers are replaced, each once its successor is ready. If one does not become
 *   ready, those that serve stay.
 * - SIGUSR2: the executable is started anew and takes the sockets over; if it does not become
 *   ready, this one stays.
 *
 * Forked is what was declared: settings, routes, sockets, memory that workers share. Loops, pools,
 * threads and connections begin in each worker.
 */
#ifndef BACKEND_CLUSTER_H
#define BACKEND_CLUSTER_H

#include <backend/app.h>
#include <backend/base.h>

BK_BEGIN_DECLS

/** Processes for jobs of a role of their own (bk_worker_opts.role): 8 roles at most. */
typedef struct bk_cluster_role {
    const char *name;    /**< As the worker has it. NULL: the end of the roles. */
    uint32_t    workers; /**< Default (NAME_WORKERS, in capitals) none: its jobs run where others
                              do. */
    uint32_t hang_ms;    /**< As in bk_cluster_opts: longest that a handler may compute. Default:
                              for ever. */
} bk_cluster_role;

/** Settings of a supervisor. Zero means the default. What the command line or the environment says
 *  comes before. */
typedef struct bk_cluster_opts {
    uint32_t web_workers; /**< Default (WEB_WORKERS): one for each processor that the control
                               group's quota and the affinity allow. At most 31 in all. */
    uint32_t job_workers; /**< Default (JOB_WORKERS) none: the web workers run jobs too. */
    const bk_cluster_role *roles; /**< The last has no name. Borrowed. Default: none has processes
                                       of its own. */
    bool single;          /**< No supervisor: serve in this one process, to debug it. Also by
                               WEB_WORKERS=0. */
    bool reload_at_once;  /**< A reload starts all successors at the same time. Default: one by
                               one. Each worker's share of pools is smaller then; see
                               bk_app_sharers(). */
    uint32_t start_ms;    /**< Until a worker must be ready; then it is killed. Default 30 s. */
    uint32_t hang_ms;     /**< A loop that does not turn for so long is reported with its backtrace
                               and its worker replaced. Default 10 s; BK_UNLIMITED: never. */
    uint32_t wait_ms;     /**< Between SIGTERM and taking no more (STOP_WAIT_MS), for balancers to
                               look away. Default none. */
    uint32_t backoff_ms;  /**< Before a worker that failed soon after its start is started again;
                               doubled with each such failure, up to 15 s. Default 100 ms. */
    uint32_t crash_limit; /**< So many such failures in a row end the program with status 1, where
                               no other worker of the role serves. Default 10. */
    size_t memory_bytes;  /**< Resident memory beyond which a worker is replaced. Default: none. */
    const char *control;  /**< Path of the control socket (CONTROL_SOCKET). Default: NAME.sock in
                               XDG_RUNTIME_DIR, else in /tmp/NAME-UID. Borrowed. */
    const char *user;     /**< Become this user once the sockets are open. Borrowed. */
    const char *group;    /**< Likewise. Default: the user's own. Borrowed. */
} bk_cluster_opts;

/** Sets what bk_app_main() runs the app with. Before it. @param opts  Copied. */
BK_API void bk_app_cluster(bk_app *app, const bk_cluster_opts *opts);

/** How often the workers of this service have been replaced: 0 at first, one more with each reload.
 */
BK_API uint32_t bk_app_generation(const bk_app *app);

/** Its own number, below 64, among all processes of the service that run at the same time: for
 *  memory that was shared before the fork. 0 when it is alone. */
BK_API unsigned bk_app_slot(const bk_app *app);

BK_END_DECLS

#endif
