/**
 * @file backend/schedule.h
 * @brief Jobs that come again: each so many milliseconds, or by a cron expression in a time zone.
 *
 * A schedule lies in its queue under an id of yours. Putting it again changes what is different and
 * adds nothing, so a program puts its schedules each time that it starts:
 *
 * @code
 * bk_schedule nightly = {
 *     .id = BK_LIT("nightly"),
 *     .pattern = BK_LIT("30 2 * * *"),
 *     .zone = BK_LIT("Europe/Paris"),
 *     .job = {.name = "clean-up"},
 * };
 * BK_TRY(bk_schedule_put(jobs, &nightly, NULL));
 * @endcode
 *
 * The job of the next run, one, waits in the queue as a delayed job. The worker that takes it makes
 * the one after it, before the handler runs: however many workers there are, in C or in Node, each
 * time fires once. A worker's start mends schedules whose next job has been lost.
 *
 * The layout is that of npm bullmq 6's job schedulers. Only `missed` is unknown to it: Node's
 * workers take it as BK_MISSED_ONCE, and a schedule that Node puts again has that.
 */
#ifndef BACKEND_SCHEDULE_H
#define BACKEND_SCHEDULE_H

#include <backend/base.h>
#include <backend/cron.h>
#include <backend/errors.h>
#include <backend/queue.h>

BK_BEGIN_DECLS

/** What becomes of times at which no worker was there. */
typedef enum bk_missed {
    BK_MISSED_ONCE, /**< One run for all of them, as soon as there is a worker. */
    BK_MISSED_SKIP, /**< None. */
    BK_MISSED_ALL   /**< A run for each, one after the other. */
} bk_missed;

/** A schedule: either `every_ms` or `pattern`. All is borrowed for the call. */
typedef struct bk_schedule {
    bk_str   id;           /**< What it is known by; UTF-8, 1 to 256 bytes. */
    uint64_t every_ms;     /**< A run each so many milliseconds. */
    bool     aligned;      /**< Those at multiples of `every_ms` since 1970. Default: counted from
                                when the schedule was put first, which is the first run. */
    uint64_t    offset_ms; /**< Of `aligned`: so much later; less than `every_ms`. */
    bk_str      pattern;   /**< A cron expression (backend/cron.h). */
    bk_str      zone;      /**< Of `pattern`. Default: UTC. */
    uint32_t    limit;     /**< Runs in all. Default: no limit. */
    bk_time     start;     /**< No run before it. Default: now. */
    bk_time     end;       /**< No run after it. Default: never. */
    bk_missed   missed;    /**< See bk_missed. */
    bk_job_spec job;       /**< The job of each run. Its options without id, delay, timestamp and
                                deduplication. */
} bk_schedule;

/**
 * Puts a schedule in place of the one of that id, if there is one.
 *
 * Where its times are as before, the next run stays when it is, be it overdue, and the runs so far
 * count for `limit`. Where they are not, it begins anew. A run that has been taken by a worker goes
 * on.
 *
 * @param next  Receives when the next run is due; 0: there is none any more. May be NULL.
 * @return BK_OK; BK_EINVAL with words; BK_ENOTFOUND for a time zone that there is not;
 *         BK_ECONFLICT when others keep changing it; else as bk_jobs_add().
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_schedule_put(bk_queue *queue, const bk_schedule *schedule,
                                                     bk_time *next);

/** Removes a schedule and its job, unless that is ready already. BK_ENOTFOUND when there is none.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_schedule_remove(bk_queue *queue, bk_str id);

/** A schedule as it lies in Redis. Texts are request-owned, and absent where it has none. */
typedef struct bk_schedule_info {
    bk_str    id;        /**< What it is known by. */
    uint64_t  every_ms;  /**< 0: it has a pattern. */
    uint64_t  offset_ms; /**< Of `every_ms`. */
    bk_str    pattern;   /**< Absent: it has `every_ms`. */
    bk_str    zone;      /**< Of `pattern`. */
    uint32_t  limit;     /**< 0: none. */
    bk_time   start;     /**< 0: none. */
    bk_time   end;       /**< 0: none. */
    bk_missed missed;    /**< See bk_missed. */
    bk_str    name;      /**< Of its jobs. */
    bk_str    data;      /**< Payload of its jobs, JSON. */
    bk_str    opts;      /**< Options of its jobs as BullMQ stores them, JSON. */
    bk_time   next;      /**< Its present run; in the past: overdue, or there is no further. */
    uint64_t  runs;      /**< Jobs made so far. */
} bk_schedule_info;

/** A schedule. BK_ENOTFOUND when there is none of that id. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_schedule_get(bk_queue *queue, bk_str id,
                                                     bk_schedule_info *info);

/**
 * A page of schedules, the next to run first.
 *
 * @param from       How many to pass over.
 * @param count      How many at most; 1,000 are.
 * @param schedules  Receives them, request-owned.
 * @param found      Receives how many they are.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_schedule_list(bk_queue *queue, uint32_t from,
                                                      uint32_t                 count,
                                                      const bk_schedule_info **schedules,
                                                      size_t                  *found);

BK_END_DECLS

#endif
