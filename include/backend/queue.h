/**
 * @file backend/queue.h
 * @brief Job queues: work to be done later, by another process, at least once.
 *
 * A queue lies in Redis in the layout of npm bullmq 6, so that Node programs, their dashboards and
 * libbackend work on the very same queues. A handler adds jobs; a worker (backend/worker.h), here
 * or elsewhere, runs them.
 *
 * @code
 * struct mail { int64_t user; bk_str template; };
 * BK_DESCRIBE(mail_desc, struct mail, BK_I64(user, BK_REQUIRED), BK_STR(template, BK_REQUIRED))
 *
 * bk_queue *mails = bk_queue_new(app, &(bk_queue_opts){.name = "mails", .redis = redis});
 *
 * struct mail mail = {.user = 42, .template = BK_LIT("welcome")};
 * BK_TRY(bk_jobs_add(mails, "send", mail_desc, &mail, NULL, &id));
 * @endcode
 *
 * **The promise.** At least once, never two owners at the end: a job that was added is run until a
 * run of it succeeds, or its attempts are used up. After a crash it runs again, so what it does
 * must bear being done twice; but of two runs at most one can end the job. BK_OK from an add means
 * that Redis has the job. BK_EUNAVAILABLE means that it is unknown, as with any write whose answer
 * was lost: add again, with an id of your own (bk_job_opts.id) where twice would be harm, or inside
 * a transaction of PostgreSQL (backend/outbox.h).
 *
 * **Redis** must have `maxmemory-policy noeviction`, or it throws jobs away; a worker says so
 * loudly at its start.
 *
 * Adds of all fibers that happen in a turn of the loop are one script call, so many at a time cost
 * little.
 */
#ifndef BACKEND_QUEUE_H
#define BACKEND_QUEUE_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/redis.h>

BK_BEGIN_DECLS

/** A queue, as this worker sees it. */
typedef struct bk_queue bk_queue;

/** How long to wait before another attempt. */
typedef enum bk_backoff_kind {
    BK_BACKOFF_DEFAULT,    /**< The queue's; without one, exponential from 1 s with jitter 0.5. */
    BK_BACKOFF_NONE,       /**< Not at all. */
    BK_BACKOFF_FIXED,      /**< `ms` each time. */
    BK_BACKOFF_EXPONENTIAL /**< `ms`, twice as long after each attempt. */
} bk_backoff_kind;

/** See bk_backoff_kind. */
typedef struct bk_backoff {
    bk_backoff_kind kind;   /**< How it grows. */
    uint32_t        ms;     /**< The first. Default 1,000. */
    double          jitter; /**< 0 to 1: the part of it that chance decides. */
} bk_backoff;

/** What becomes of a job that has ended. All zero: what the worker says (backend/worker.h). */
typedef struct bk_keep {
    bool     remove; /**< It goes at once. */
    bool     all;    /**< It stays until somebody removes it. */
    uint32_t count;  /**< The newest so many stay. */
    uint32_t age_s;  /**< Those that ended less than so many seconds ago stay. */
} bk_keep;

/** One of several jobs at a time: those with the same id are one. Absent id: no deduplication. */
typedef struct bk_dedup {
    bk_str   id;      /**< What makes them the same. Borrowed for the call. */
    uint64_t ttl_ms;  /**< For how long. Default: until the job has ended. */
    bool     extend;  /**< Each duplicate makes the time begin again. */
    bool     replace; /**< A duplicate takes the place of a job that is still delayed. */
    bool     keep_last_if_active; /**< The last duplicate that comes while the job runs is added
                                       when it has ended. */
} bk_dedup;

/** Options of a job. Zero means the queue's default, and where that is zero, what is said here. */
typedef struct bk_job_opts {
    bk_str id; /**< An id of your own: adding it again while the job is there changes nothing and
                    is BK_OK. Not a whole number, no ':' (but for two of them). Borrowed for the
                    call. Default: the queue's next number. */
    uint32_t   attempts;       /**< Runs in all. Default 1. */
    bk_backoff backoff;        /**< Before another attempt. */
    uint64_t   delay_ms;       /**< Not before so much time has passed. */
    uint32_t   priority;       /**< 1 runs first, 2,097,151 last; those without run before all. */
    bool       lifo;           /**< It runs next, not last. */
    bk_keep    keep_completed; /**< When it has succeeded. */
    bk_keep    keep_failed;    /**< When it has failed for good. */
    uint32_t   keep_logs;      /**< Newest lines of its log. Default: all. */
    uint32_t   stack_traces;   /**< Newest failures that it remembers. Default 10; BK_UNLIMITED. */
    uint32_t   size_limit;     /**< Bytes that the payload may have. Default 1 MiB (BK_ETOOBIG);
                                    BK_UNLIMITED. */
    bk_dedup dedup;            /**< One of several. */
    bk_time  timestamp;        /**< When it was made. Default: now. */
} bk_job_opts;

/** Settings of a queue. */
typedef struct bk_queue_opts {
    const char *name;    /**< Not empty, no ':'. Copied. */
    bk_redis   *redis;   /**< Where it lies. Not NULL. */
    const char *prefix;  /**< Of its keys. Copied. Default "bull". In a Cluster: "{bull}", or
                             another hash tag, which may also be in the name. */
    bk_job_opts job;     /**< Defaults of its jobs; `id` and `dedup` do not count. */
    uint32_t    events;  /**< Newest events that Redis keeps, about, of a queue that has no such
                              setting yet. Default 10,000. */
    uint32_t metrics_ms; /**< How often it is asked for its depth, where metrics are served
                              (backend/metrics.h). Default 5,000; BK_UNLIMITED: never. */
} bk_queue_opts;

/** Declares a queue of @p app, before the app runs. Freed with the app. Wrong settings stop the
 *  program with words. @param opts  Copied. */
BK_API BK_NODISCARD bk_queue *bk_queue_new(bk_app *app, const bk_queue_opts *opts);

/** The queue's name. Borrowed from it. */
BK_API const char *bk_queue_name(const bk_queue *queue);

/**
 * Adds a job.
 *
 * @param name     What kind of job: a worker has a handler for each. Not NULL.
 * @param desc     Describes the payload.
 * @param payload  Is written as JSON.
 * @param opts     May be NULL.
 * @param id       Receives the job's id, or that of the job that it duplicates; request-owned. May
 *                 be NULL.
 * @return BK_OK: Redis has it. BK_EINVAL for wrong options and BK_ETOOBIG for a payload above
 *         size_limit, with words, and nothing is changed. BK_EUNAVAILABLE: Redis cannot be asked,
 *         or did not answer.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_jobs_add(bk_queue *queue, const char *name, bk_desc_fn desc,
                                                 const void *payload, const bk_job_opts *opts,
                                                 bk_str *id);

/** As bk_jobs_add(), with the payload as JSON: any value, BK_EINVAL when it is none. An absent one
 *  is `{}`. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_jobs_add_json(bk_queue *queue, const char *name,
                                                      bk_str json, const bk_job_opts *opts,
                                                      bk_str *id);

/** One of many. */
typedef struct bk_job_spec {
    const char        *name;    /**< See bk_jobs_add(). */
    bk_desc_fn         desc;    /**< Describes the payload; NULL: it is in `json`. */
    const void        *payload; /**< Of `desc`. */
    bk_str             json;    /**< Without `desc`. Absent: `{}`. */
    const bk_job_opts *opts;    /**< May be NULL. */
} bk_job_spec;

/** How many jobs of bk_jobs_add_bulk() are added in one step. */
#define BK_JOBS_CHUNK 500

/**
 * Adds many jobs, in their order. All are checked before the first is added; then BK_JOBS_CHUNK at
 * a time are added in one step, all or none.
 *
 * @param jobs   Borrowed for the call.
 * @param ids    Receives as many ids, those of chunks that were not added absent; request-owned.
 *               May be NULL.
 * @return As bk_jobs_add().
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_jobs_add_bulk(bk_queue *queue, const bk_job_spec *jobs,
                                                      size_t count, bk_str *ids);

BK_END_DECLS

#endif
