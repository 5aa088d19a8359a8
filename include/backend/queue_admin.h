/**
 * @file backend/queue_admin.h
 * @brief Looking into a queue and changing it: counts, jobs by state, retry, remove, pause, clean,
 *        events.
 *
 * Jobs that Node programs have added, or run, look the same. Functions fail as bk_redis_run() does;
 * beside that, what each says.
 */
#ifndef BACKEND_QUEUE_ADMIN_H
#define BACKEND_QUEUE_ADMIN_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/queue.h>
#include <backend/sync.h>

BK_BEGIN_DECLS

/** Where a job is. */
typedef enum bk_job_state {
    BK_JOB_UNKNOWN,          /**< Nowhere. */
    BK_JOB_WAITING,          /**< Ready, without a priority. */
    BK_JOB_PRIORITIZED,      /**< Ready, with one. */
    BK_JOB_ACTIVE,           /**< Being run. */
    BK_JOB_DELAYED,          /**< Not due yet. */
    BK_JOB_WAITING_CHILDREN, /**< Its children have not ended. */
    BK_JOB_COMPLETED,        /**< Ended well. */
    BK_JOB_FAILED            /**< Failed for good. */
} bk_job_state;

/** BullMQ's word for @p state, such as "waiting-children". Static. @threads Any. */
BK_API const char *bk_job_state_name(bk_job_state state);

/** How many jobs are where. */
typedef struct bk_job_counts {
    int64_t waiting;          /**< BK_JOB_WAITING */
    int64_t prioritized;      /**< BK_JOB_PRIORITIZED */
    int64_t active;           /**< BK_JOB_ACTIVE */
    int64_t delayed;          /**< BK_JOB_DELAYED */
    int64_t waiting_children; /**< BK_JOB_WAITING_CHILDREN */
    int64_t completed;        /**< BK_JOB_COMPLETED */
    int64_t failed;           /**< BK_JOB_FAILED */
    bool    paused;           /**< Nobody takes jobs. */
} bk_job_counts;

/** Fills @p counts, in one step. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_counts(bk_queue *queue, bk_job_counts *counts);

/** A job as it lies in Redis. Texts are request-owned, and absent where it has none. */
typedef struct bk_job_info {
    bk_str       id;             /**< Its id. */
    bk_str       name;           /**< Its name. */
    bk_str       data;           /**< Payload, JSON. */
    bk_str       opts;           /**< Options as BullMQ stores them, JSON. */
    bk_str       progress;       /**< JSON. */
    bk_str       return_value;   /**< Of a completed job, JSON. */
    bk_str       failed_reason;  /**< Words of the last failure. */
    bk_str       stack_traces;   /**< JSON array of texts, the oldest first. */
    bk_str       parent_key;     /**< Of a child. */
    bk_str       scheduler;      /**< Of a job that a scheduler has made. */
    bk_str       dedup_id;       /**< Of a job with deduplication. */
    bk_str       processed_by;   /**< The last worker that has a name. */
    bk_time      timestamp;      /**< When it was added. */
    bk_time      processed_on;   /**< Its last start; 0: none. */
    bk_time      finished_on;    /**< Its end; 0: none. */
    uint64_t     delay_ms;       /**< How long it waits, or waited. */
    uint32_t     priority;       /**< 0: none. */
    uint32_t     attempts_made;  /**< Attempts that have ended. */
    uint32_t     attempts_begun; /**< Starts. */
    uint32_t     stalled;        /**< How often its worker died. */
    bk_job_state state;          /**< BK_JOB_UNKNOWN in lists that were not asked for one. */
} bk_job_info;

/** A job. BK_ENOTFOUND when there is none of that id. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_job(bk_queue *queue, bk_str id, bk_job_info *info);

/** Where a job is; BK_JOB_UNKNOWN when it is nowhere. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_job_state(bk_queue *queue, bk_str id,
                                                        bk_job_state *state);

/**
 * A page of the jobs that are in @p state: who runs next comes first; of ended ones the newest.
 *
 * @param from   How many to pass over.
 * @param count  How many at most; 1,000 are.
 * @param jobs   Receives the jobs, request-owned. Those removed meanwhile are left out.
 * @param found  Receives how many they are.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_jobs(bk_queue *queue, bk_job_state state,
                                                   uint32_t from, uint32_t count,
                                                   const bk_job_info **jobs, size_t *found);

/** Lines of a job's log, the oldest first. @param lines  Receives bk_str items, request-owned. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_job_logs(bk_queue *queue, bk_str id, uint32_t from,
                                                       uint32_t count, bk_array *lines);

/* --- one job ---------------------------------------------------------------------------------- */

/** Runs a job that has ended once more; where its attempts are used up, it has one.
 *  @return BK_ENOTFOUND: no such job; BK_ECONFLICT: it has not ended. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_retry(bk_queue *queue, bk_str id);

/** Makes a delayed job ready. @return BK_ECONFLICT: it is not delayed. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_promote(bk_queue *queue, bk_str id);

/** Removes a job, wherever it is; one that does not exist is BK_OK.
 *  @return BK_ECONFLICT: it is being run, or is the next of a scheduler. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_remove(bk_queue *queue, bk_str id);

/** Delays a delayed job anew. @return BK_ENOTFOUND; BK_ECONFLICT: it is not delayed. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_set_delay(bk_queue *queue, bk_str id,
                                                        uint64_t delay_ms);

/** Gives a job another priority, 0 for none. @return BK_ENOTFOUND; BK_EINVAL: too large. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_set_priority(bk_queue *queue, bk_str id,
                                                           uint32_t priority);

/* --- the queue -------------------------------------------------------------------------------- */

/** No worker, wherever it is, takes a job from now on. Running ones go on. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_pause(bk_queue *queue);

/** They do again. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_resume(bk_queue *queue);

/** At most so many jobs run at a time, all workers together. 0: no limit. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_set_concurrency(bk_queue *queue, uint32_t jobs);

/** At most @p max jobs start in @p per_ms, whatever workers say. 0: no limit. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_set_limit(bk_queue *queue, uint32_t max,
                                                        uint32_t per_ms);

/** Runs all jobs once more that have ended in @p state, BK_JOB_FAILED or BK_JOB_COMPLETED; in steps
 *  of 1,000. @param moved  Receives how many. May be NULL. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_retry_all(bk_queue *queue, bk_job_state state,
                                                        uint64_t *moved);

/** Makes all delayed jobs ready; in steps of 1,000. @param moved  Receives how many. May be NULL.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_promote_all(bk_queue *queue, uint64_t *moved);

/** Removes all jobs that wait to be run; schedulers keep theirs.
 *  @param delayed  Also those that are not due yet. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_drain(bk_queue *queue, bool delayed);

/** Removes jobs that are in @p state for longer than @p grace_ms, the oldest first.
 *  @param limit    At most so many; 0: all.
 *  @param removed  Receives how many. May be NULL. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_clean(bk_queue *queue, bk_job_state state,
                                                    uint64_t grace_ms, uint64_t limit,
                                                    uint64_t *removed);

/** Removes the queue with all its jobs. It is paused first.
 *  @param force  Also while jobs are being run, which then end without a trace.
 *  @return BK_ECONFLICT: jobs are being run. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_obliterate(bk_queue *queue, bool force);

/** Ended jobs by the minute; kept by workers with metrics_minutes. */
typedef struct bk_queue_metrics {
    int64_t        count;   /**< All that have ended so. */
    bk_time        since;   /**< When the newest minute was closed. */
    const int64_t *minutes; /**< Jobs in each, the newest first; request-owned. */
    size_t         points;  /**< How many minutes. */
} bk_queue_metrics;

/** Fills @p metrics. @param state  BK_JOB_COMPLETED or BK_JOB_FAILED. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_get_metrics(bk_queue *queue, bk_job_state state,
                                                          bk_queue_metrics *metrics);

/* --- events ------------------------------------------------------------------------------------- */

/** Something that has happened in a queue. Texts are borrowed until the next call, and absent where
 *  the event has none. */
typedef struct bk_queue_event {
    bk_str id;           /**< Of the event: where to go on from. */
    bk_str kind;         /**< "added", "waiting", "active", "completed", "failed", "progress" ... */
    bk_str job_id;       /**< Of whom. */
    bk_str prev;         /**< Where it was. */
    bk_str name;         /**< Of "added": the job's name. */
    bk_str return_value; /**< Of "completed": JSON. */
    bk_str failed_reason; /**< Of "failed": text. */
    bk_str data;          /**< Of "progress": JSON. */
    bk_str delay;         /**< Of "delayed": when it is due, ms since 1970. */
    bool   gap;           /**< Events before this one may have been missed. */
} bk_queue_event;

/** Who hears a queue's events, from all its producers and workers, in order. */
typedef struct bk_queue_events bk_queue_events;

/** Settings. Zero means default. */
typedef struct bk_queue_events_opts {
    uint32_t queue; /**< Events that may wait here; the oldest are dropped beyond. Default 1,000. */
    bk_str   after; /**< The id of the last event heard. Copied. Default: from now on. */
} bk_queue_events_opts;

/**
 * Hears the events of @p queue from now on, or from opts->after on as far as Redis still has them.
 *
 * All hearers of a process share one connection.
 *
 * @param opts  May be NULL.
 * @param out   Request-owned: closed when the fiber ends at the latest, which alone may read it.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_events_open(bk_queue                   *queue,
                                                          const bk_queue_events_opts *opts,
                                                          bk_queue_events           **out);

/** Waits for the next event. @return BK_OK; BK_ECLOSED when the app stops; BK_ETIMEDOUT;
 *  BK_ECANCELED. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_queue_events_next(bk_queue_events *events,
                                                          bk_queue_event  *event);

/** @p events as a source for bk_select(). */
BK_API BK_NODISCARD bk_source *bk_queue_events_source(bk_queue_events *events);

/** Ends it before the fiber does. Nobody may wait for it. */
BK_API void bk_queue_events_close(bk_queue_events *events);

BK_END_DECLS

#endif
