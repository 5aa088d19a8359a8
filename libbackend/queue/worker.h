/*
 * worker.h: a worker and a job from inside.
 *
 * A job's fiber runs its handler, judges what came out of it, and parks until Redis knows. Judged
 * jobs gather in the worker, which has one script call on its way at a time: it ends all that have
 * gathered, and takes as many new ones as there is room for. So the busier a worker is, the more
 * jobs share a call.
 *
 *   taken -> running -> judged -> on its way -> settled
 *                |         ^----------'  Redis was away: again
 *                '-> lost: nothing is written any more
 */
#ifndef BK_QUEUE_WORKER_H
#define BK_QUEUE_WORKER_H

#include <stdatomic.h>

#include <backend/worker.h>

#include "core/number.h"
#include "fiber/fiber.h"
#include "queue/hub.h"
#include "queue/lock.h"
#include "queue/queue.h"

/* How many ended jobs stay. */
struct bk__retention {
    bool said;     /* by the job */
    int64_t count; /* -1: all; 0: none */
    int64_t age_s; /* -1: for ever */
};

/* A job's options, as far as its end needs them. */
struct bk__stored_opts {
    int64_t attempts;
    double backoff_ms; /* 0: at once */
    bool exponential;
    double jitter;
    bool lifo;
    int64_t keep_logs;    /* 0: all */
    int64_t stack_traces; /* -1: all */
    struct bk__retention completed, failed;
    bk_str trace; /* JSON of trace.c; absent: none */
};

struct bk__job_handler {
    char *name; /* NULL: of all others */
    bk_job_fn fn;
    void *data;
};

/* What becomes of a job, in the letters of settle.lua. */
enum bk__outcome {
    BK__COMPLETED = 'c',
    BK__FAILED = 'f',
    BK__RETRIED = 'r',
    BK__DELAYED = 'd',
    BK__RETURNED = 'b'
};

struct bk_job {
    bk_worker *worker;
    bk_fiber *fiber;
    bk_arena *arena;         /* the fiber's */
    struct bk__link running; /* in bk_worker.running, from its taking to its end */
    struct bk__link judged;  /* in bk_worker.judged or .settling */
    struct bk__lock lock;

    /* From its hash; absent and 0 where it has none. */
    bk_str id, name, data, opts, parent_key, parent, scheduler, dedup_id, deferred, stacktrace;
    int64_t timestamp_ms, started, made, priority;
    struct bk__stored_opts stored;

    /* What its handler says. */
    bk_str value;   /* JSON; absent: null */
    bk_str failure; /* words of bk_job_fail_for_good(), or of a payload that is not valid */
    bool for_good;
    int64_t again_ms; /* bk_job_again(); -1 */
    int64_t hold_ms;  /* bk_job_hold_queue(); -1 */

    /* What is to be written. */
    enum bk__outcome outcome;
    bk_str reason, traces;
    int64_t delay_ms;

    char *cancelled_for; /* bk_worker_cancel(); in the arena */
    atomic_bool stop;    /* its handler should end */
    bool lost;
    bool settled;
};

struct bk_worker {
    bk_queue *queue;
    struct bk__hub *hub;
    struct bk__link hub_link;
    struct bk_loop *loop;
    bk_worker_opts opts; /* defaults filled in */
    char *name, *group_key;
    int role;      /* see core/roles.h */
    bk_str marker; /* the queue's marker key */
    struct bk__job_handler *handlers;
    size_t handler_count;

    struct bk__list running; /* bk_job.running */
    size_t running_count;
    struct bk__list judged;   /* bk_job.judged: to be told to Redis */
    struct bk__list settling; /* being told; in the order of the call */
    struct bk__script_call call;
    bool busy;   /* the call is on its way */
    bool hungry; /* a fetch may find jobs */
    bool paused, stopping;
    uint64_t limited_until; /* no fetch before: the queue's rate limit; 0: none */
    int64_t due_ms;         /* when the first delayed job is due; 0: not known */
    uint32_t backoff_ms;    /* no call before so long after a failed one; 0: none failed */
    uint32_t failures;      /* of calls, in a row */
    size_t asked;           /* how many jobs the call on its way takes at most */
    struct bk__put_off pump;
    struct bk__timer wake; /* the next look without being called */

    char token[64]; /* of the fetch on its way */
    uint64_t fetches;
    char token_base[BK__I64_TEXT + 32];

    struct bk__timer stalled_timer;
    struct bk__script_call stalled_call;
    bk_worker_stats stats;
};

/* --- worker.c ------------------------------------------------------------------------------------- */

/* Called by its queue's marker: it looks for jobs. False: it has no room. */
bool bk__worker_called(bk_worker *worker);

/* A delayed job is due at that time. False: it has no room. */
bool bk__worker_heard_due(bk_worker *worker, int64_t due_ms);

/* It waits for a marker. */
bool bk__worker_is_idle(const bk_worker *worker);

/* A job of the worker has been judged: waits until Redis knows. */
BK_YIELDS void bk__worker_settle(bk_job *job);

/* A job has ended without anything being told. */
void bk__worker_forget(bk_job *job);

/* --- settle.c ------------------------------------------------------------------------------------- */

/* Makes the words of worker->call: it ends the jobs of `settling` and takes @p want others. */
void bk__settle_build(bk_worker *worker, size_t want);

/* --- stalled.c ------------------------------------------------------------------------------------ */

void bk__stalled_start(bk_worker *worker);
void bk__stalled_stop(bk_worker *worker);

/* --- run.c ---------------------------------------------------------------------------------------- */

/* A job from what a fetch gave: its id and its hash as names and values by turns. Its fiber begins
 * in the next turn. NULL: there may be no more fibers. */
bk_job *bk__job_begin(bk_worker *worker, bk_str id, const bk_reply *hash);

/* Asks its handler to end. */
void bk__job_stop(bk_job *job);

/* --- limiter.c ------------------------------------------------------------------------------------ */

/* Counts the start of a job for its group. True: the group has had enough; the job is judged to
 * wait. */
BK_YIELDS bool bk__group_is_full(bk_job *job);

/* --- check.c -------------------------------------------------------------------------------------- */

/* Is Redis fit for queues? What is not is logged. BK_EINVAL where the worker wants no such Redis.
 */
BK_YIELDS bk_err bk__worker_check_redis(const bk_worker *worker);

/* --- meter.c -------------------------------------------------------------------------------------- */

/* Has what @p worker counts shown as metrics. */
void bk__worker_measure(const bk_worker *worker);

/* --- trace.c --------------------------------------------------------------------------------------- */

/* The job's fiber goes on with the trace that its options name. NULL, which the other takes: none.
 */
struct bk__job_trace *bk__job_trace_begin(bk_job *job);
void bk__job_trace_end(struct bk__job_trace *self, bk_err err);

/* --- outcome.c ------------------------------------------------------------------------------------ */

/* Reads stored options; what is odd in them is as if it were not there. */
void bk__stored_opts_read(bk_arena *arena, bk_str json, struct bk__stored_opts *out);

/* What becomes of a job whose handler returned @p err, whose chain is the calling task's. */
void bk__job_judge(bk_job *job, bk_err err);

/* It failed without a handler's doing, for good. */
void bk__job_fail(bk_job *job, bk_str reason);

/* It goes back as if it had not been taken. */
void bk__job_give_back(bk_job *job);

/* How long to wait after the @p nth failure. @p chance: from 0 to 1. */
int64_t bk__backoff_after(const struct bk__stored_opts *opts, int64_t nth, double chance);

#endif
