/*
 * scheduler.h: what workers do for schedules (<backend/schedule.h>).
 */
#ifndef BK_QUEUE_SCHEDULER_H
#define BK_QUEUE_SCHEDULER_H

#include "queue/queue.h"
#include "queue/timing.h"

/* A schedule as Redis has it. All is borrowed from its reply, and so request-owned. */
struct bk__schedule {
    bk_str id;
    int64_t run; /* its present one */
    struct bk__timing timing;
    bk_str name, data, opts; /* of its jobs; absent where it has none */
    int64_t runs;            /* jobs made so far */
    enum {
        BK__RUN_NOWHERE,
        BK__RUN_DELAYED,
        BK__RUN_READY,
        BK__RUN_ACTIVE,
        BK__RUN_ENDED
    } place;         /* of the job of the present run */
    bk_str run_opts; /* its options */
};

/* Schedules of @p queue, request-owned: the one of that id, or where it is absent, a page. */
BK_YIELDS bk_err bk__schedules_read(bk_queue *queue, bk_str id, int64_t from, int64_t count,
                                    struct bk__schedule **out, size_t *found);

/* A worker has taken a run of schedule @p id: makes the next one, before the handler runs. Does
 * nothing when it is there already. BK_OK also for a schedule that cannot go on, which is logged;
 * otherwise the job must not run now. */
BK_YIELDS bk_err bk__schedule_next(bk_queue *queue, bk_str id, bk_str job_id, bk_str job_opts);

/* A worker starts: gives schedules a job that have lost theirs, and those that do not want missed
 * runs another. */
BK_YIELDS bk_err bk__schedules_repair(bk_queue *queue);

/* --- run_opts.c: the options of the job of a run ------------------------------------------------ */

/* A run that is to be made. */
struct bk__run {
    int64_t at, now;
    int64_t count; /* from 1 */
};

struct bk__run_opts {
    bk_str json;
    int64_t priority;
    bool lifo;
};

/* From the template `schedule->opts`. */
void bk__run_opts_make(bk_arena *arena, const struct bk__schedule *schedule,
                       const struct bk__run *run, struct bk__run_opts *out);

/* Which run of its schedule a job is, by its options; 0 where they do not say. */
int64_t bk__run_count(bk_arena *arena, bk_str opts);

#endif
