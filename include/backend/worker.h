/**
 * @file backend/worker.h
 * @brief Running jobs of a queue, one fiber each.
 *
 * @code
 * static bk_err send_mail(bk_job *job, void *data)
 * {
 *     struct mail mail;
 *     BK_TRY(bk_job_bind(job, mail_desc, &mail));
 *     BK_TRY(smtp_send(data, &mail));
 *     return BK_OK;
 * }
 *
 * bk_worker *worker = bk_worker_new(app, mails, &(bk_worker_opts){.concurrency = 50});
 * bk_worker_on(worker, "send", send_mail, smtp);
 * @endcode
 *
 * A handler that returns BK_OK has completed the job. An error is a failed attempt: the job is run
 * again, after its backoff, until its attempts are used up; then it lies among the failed jobs with
 * the words of its last error. bk_job_fail_for_good() uses no further attempts.
 *
 * **At least once.** While a handler runs, its job is locked for this worker, and the lock is
 * renewed by a thread of its own, however busy the handler keeps the loop. When the worker dies,
 * the lock runs out, and another worker takes the job again: so what a handler does must bear being
 * done twice. A worker that has lost its lock (Redis was away for longer than it lasts) has its
 * handler cancelled, and cannot end the job any more: never two owners at the end.
 *
 * **When the app stops**, no more jobs are taken, running ones have until timeouts.drain_ms, then
 * their handlers are cancelled and the jobs given back without costing an attempt.
 *
 * A worker runs where bk_app_roles() has BK_ROLE_JOBS, and does nothing elsewhere; one with a role
 * of its own (bk_worker_opts.role) runs in the processes of that.
 */
#ifndef BACKEND_WORKER_H
#define BACKEND_WORKER_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/queue.h>

BK_BEGIN_DECLS

/** What takes jobs from a queue. */
typedef struct bk_worker bk_worker;

/** A job that is being run. Lives as long as its handler. */
typedef struct bk_job bk_job;

/** Runs a job, on a fiber of its own. @return BK_OK: completed; an error: this attempt failed. */
typedef bk_err (*bk_job_fn)(bk_job *job, void *data);

/** So many starts in so much time, all workers of the queue together. */
typedef struct bk_job_limit {
    uint32_t max;    /**< Starts. 0: no limit. */
    uint32_t per_ms; /**< In so many milliseconds. Default 1,000. */
} bk_job_limit;

/** Of bk_worker_opts.stalled_max: no job may be lost. */
#define BK_NEVER_STALLED (UINT32_MAX - 1)

/** Settings of a worker. Zero means default. */
typedef struct bk_worker_opts {
    const char *name;     /**< Shown in dashboards, and in each job that it ran. No blanks. Copied.
                               Default: none. */
    uint32_t concurrency; /**< Jobs at a time. Default 1. */
    uint32_t timeout_ms;  /**< Longest that a handler may take, then its waits return BK_ETIMEDOUT.
                               Default: no limit. */
    uint32_t lock_ms;     /**< How long a job is locked; its lock is renewed when a quarter of that
                               has passed. Default 30,000. */
    uint32_t stalled_ms;  /**< How often jobs of dead workers are looked for. Default 30,000. */
    uint32_t stalled_max; /**< How often a job may be lost that way; then it fails. Default 1;
                               BK_NEVER_STALLED; BK_UNLIMITED. */
    uint32_t started_max; /**< How often a job may be started at all. Default: no limit. */
    uint32_t drain_ms;    /**< An idle worker looks for jobs this often, though nobody called it.
                               Default 5,000. */
    bk_job_limit limit;   /**< Of the queue. */
    bk_job_limit group_limit;   /**< Of jobs that have the same text or number in the member
                                     `group_key` of their payload. One that comes too early waits. */
    const char *group_key;      /**< Copied. Default NULL. */
    bk_keep     keep_completed; /**< For jobs that say nothing. Default: the newest 1,000 of the
                                     last 7 days. */
    bk_keep  keep_failed;       /**< Likewise. Default: the newest 5,000 of the last 7 days. */
    uint32_t metrics_minutes;   /**< Keeps a count of ended jobs for each of so many minutes.
                                     Default 0: none. */
    bool cpu; /**< Its handlers compute for long: they run on the threads of bk_offload(), where
                   they may use their job and what says `@threads Any`, and must not wait. */
    const char *role;     /**< Its jobs run in processes of their own, which may block: at most 16
                               lower-case letters and digits. How many there are, the service says
                               (backend/cluster.h): `--ROLE-workers N`, ROLE_WORKERS. Where there are
                               none, its jobs run where others do. Copied. Default: none. */
    bool refuse_eviction; /**< The start fails where Redis may throw jobs away. Default: it is
                               logged as an error. */
} bk_worker_opts;

/** Declares a worker of @p app for the jobs of @p queue, before the app runs. Freed with the app.
 *  @param opts  Copied. May be NULL. */
BK_API BK_NODISCARD bk_worker *bk_worker_new(bk_app *app, bk_queue *queue,
                                             const bk_worker_opts *opts);

/** Runs @p fn for jobs called @p name, before the app runs. A job that has no handler fails for
 *  good.
 *  @param name  Copied. NULL: for all that have no handler of their own. */
BK_API void bk_worker_on(bk_worker *worker, const char *name, bk_job_fn fn, void *data);

/** Takes no more jobs; those that run go on. Only this worker: for the queue see
 *  bk_queue_pause(). */
BK_API void bk_worker_pause(bk_worker *worker);

/** Takes jobs again. */
BK_API void bk_worker_resume(bk_worker *worker);

/** Cancels the handler of a job that this worker runs; if it returns an error then, the attempt has
 *  failed with @p why. BK_ENOTFOUND when it runs no such job. */
BK_API BK_NODISCARD bk_err bk_worker_cancel(bk_worker *worker, bk_str id, const char *why);

/** Counters since the start. */
typedef struct bk_worker_stats {
    uint64_t running;   /**< Jobs now. */
    uint64_t completed; /**< Ended well. */
    uint64_t failed;    /**< Failed for good. */
    uint64_t retried;   /**< Attempts that failed and left others. */
    uint64_t lost;      /**< Jobs whose lock was lost. */
    uint64_t returned;  /**< Jobs given back. */
    uint64_t stalled;   /**< Jobs of dead workers that this one has found. */
    uint64_t calls;     /**< Scripts run to take and to end jobs. */
} bk_worker_stats;

/** Fills @p stats. */
BK_API void bk_worker_get_stats(const bk_worker *worker, bk_worker_stats *stats);

/* --- the job ---------------------------------------------------------------------------------- */

/* What it is. Borrowed from the job. */
BK_API bk_str   bk_job_id(const bk_job *job);        /**< Its id. @threads Any. */
BK_API bk_str   bk_job_name(const bk_job *job);      /**< Its name. @threads Any. */
BK_API bk_str   bk_job_data(const bk_job *job);      /**< Its payload, JSON. @threads Any. */
BK_API uint32_t bk_job_attempt(const bk_job *job);   /**< 1 for its first start. Counts starts after
                                                          a crash too. @threads Any. */
BK_API uint32_t  bk_job_attempts(const bk_job *job); /**< How many it may have. @threads Any. */
BK_API bk_time   bk_job_timestamp(const bk_job *job); /**< When it was added. @threads Any. */
BK_API bk_arena *bk_job_arena(bk_job *job); /**< Ends with the job. Only the handler's thread. */
BK_API bk_queue *bk_job_queue(const bk_job *job); /**< Where it came from. @threads Any. */

/** True when its handler should end: it was cancelled, its lock was lost, or the app stops and its
 *  time is over. For handlers that compute; waits say so by themselves. @threads Any. */
BK_API bool bk_job_is_canceled(const bk_job *job);

/** The payload into `*out`, as bk_bind_json() does it. One that is not valid fails the job for
 *  good: return the error. @threads Any, the handler's. */
BK_API BK_NODISCARD bk_err bk_job_bind(bk_job *job, bk_desc_fn desc, void *out);

/** What the job has come to, for those who ask and for its parent. The last call counts. */
BK_API void bk_job_return(bk_job *job, bk_desc_fn desc, const void *object);

/** As bk_job_return(), JSON. Copied. What is no JSON is BK_EINVAL. @threads Any, the handler's. */
BK_API BK_NODISCARD bk_err bk_job_return_json(bk_job *job, bk_str json);

/** Tells how far the job is: a number or an object, JSON.
 *  @return BK_OK; BK_EINVAL when it is no JSON; BK_ENOTFOUND when the job was removed; what Redis
 *          fails with. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_job_progress(bk_job *job, bk_str json);

/** Adds a line to the job's log. @return As bk_job_progress(). */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_job_log(bk_job *job, bk_str line);

/** Changes the payload: where a long job goes on after a crash. @return As bk_job_progress(). */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_job_update(bk_job *job, bk_str json);

/** Another attempt would fail as well: `return bk_job_fail_for_good(job, "no such user");`.
 *  @param ...  A printf format and its arguments. @return BK_EUNPROCESSABLE.
 *  @threads Any, the handler's. */
BK_API bk_err bk_job_fail_for_good(bk_job *job, const char *format, ...) BK_PRINTF(2, 3);

/** Runs the job again in @p ms, which costs no attempt: `return bk_job_again(job, 60000);`.
 *  @return BK_EAGAIN. @threads Any, the handler's. */
BK_API bk_err bk_job_again(bk_job *job, uint64_t ms);

/** Holds the whole queue for @p ms, such as when a service that all its jobs need says "too many",
 *  and runs the job again first of all: `return bk_job_hold_queue(job, 1000);`. Needs a limit, of
 *  the queue or of its workers. @return BK_ELIMITED. @threads Any, the handler's. */
BK_API bk_err bk_job_hold_queue(bk_job *job, uint64_t ms);

BK_END_DECLS

#endif
