/*
 * control.c: changing a queue and its jobs from outside. See <backend/queue_admin.h>.
 */
#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/queue_admin.h>
#include <backend/str.h>

#include "core/assert.h"
#include "queue/admin.h"
#include "queue/scripts.h"

enum {
    STEP = 1000, /* jobs that one script call moves or removes */
    PRIORITY_MAX = (1 << 21) - 1
};

bk_err bk__admin_run(const bk_queue *queue, const struct bk__script *script, bk_args args,
                     bk_reply *reply)
{
    struct bk__argv argv;

    bk__argv_init(&argv);
    bk__script_begin(&argv, script, queue->base);
    for (size_t i = 0; i < args.count; i++)
        if (args.items[i].kind == BK_ARG_TEXT)
            bk__argv_push(&argv, args.items[i].text);
        else
            bk__argv_push_i64(&argv, args.items[i].i64);
    bk_err err = bk__script_run(queue->redis, script, &argv, reply);
    bk__argv_fini(&argv);
    return err;
}

/* A script that answers with a number. */
BK_YIELDS static bk_err run_i64(const bk_queue *queue, const struct bk__script *script,
                                bk_args args, int64_t *out)
{
    bk_reply reply;

    BK_TRY(bk__admin_run(queue, script, args, &reply));
    if (reply.type != BK_REPLY_I64)
        return bk_fail(BK_EINTERNAL, "queue %s: an answer that is no number", queue->name);
    *out = reply.i64;
    return BK_OK;
}

static bk_err no_such_job(bk_str id)
{
    return bk_fail(BK_ENOTFOUND, "there is no job %.*s", BK_PRI(id));
}

/* --- one job ---------------------------------------------------------------------------------- */

bk_err bk_queue_retry(bk_queue *queue, bk_str id)
{
    int64_t code = 0;

    BK_TRY(run_i64(queue, &bk__script_retry,
                   BK_ARGS(bk_i64(bk__queue_now()), bk_text(id), bk_i64(0)), &code));
    if (code == -1)
        return no_such_job(id);
    return code == 0 ? BK_OK : bk_fail(BK_ECONFLICT, "job %.*s has not ended", BK_PRI(id));
}

bk_err bk_queue_promote(bk_queue *queue, bk_str id)
{
    int64_t code = 0;

    BK_TRY(run_i64(queue, &bk__script_promote, BK_ARGS(bk_text(id)), &code));
    if (code == -1)
        return no_such_job(id);
    return code == 0 ? BK_OK : bk_fail(BK_ECONFLICT, "job %.*s is not delayed", BK_PRI(id));
}

bk_err bk_queue_remove(bk_queue *queue, bk_str id)
{
    int64_t code = 0;

    BK_TRY(
        run_i64(queue, &bk__script_remove, BK_ARGS(bk_i64(bk__queue_now()), bk_text(id)), &code));
    if (code == 0)
        return bk_fail(BK_ECONFLICT, "job %.*s, or a child of it, is being run", BK_PRI(id));
    if (code == -8)
        return bk_fail(BK_ECONFLICT, "job %.*s is the next one of a scheduler", BK_PRI(id));
    return BK_OK;
}

bk_err bk_queue_set_delay(bk_queue *queue, bk_str id, uint64_t delay_ms)
{
    int64_t code = 0;

    if (delay_ms > INT64_C(1) << 42)
        return bk_fail(BK_EINVAL, "a delay of more than 139 years");
    BK_TRY(run_i64(queue, &bk__script_reschedule,
                   BK_ARGS(bk_i64(bk__queue_now()), bk_text(id), bk_i64((int64_t)delay_ms)),
                   &code));
    if (code == -1)
        return no_such_job(id);
    return code == 0 ? BK_OK : bk_fail(BK_ECONFLICT, "job %.*s is not delayed", BK_PRI(id));
}

bk_err bk_queue_set_priority(bk_queue *queue, bk_str id, uint32_t priority)
{
    int64_t code = 0;

    if (priority > PRIORITY_MAX)
        return bk_fail(BK_EINVAL, "a job's priority is at most %d, not %u", PRIORITY_MAX, priority);
    BK_TRY(run_i64(queue, &bk__script_prioritize, BK_ARGS(bk_text(id), bk_i64(priority), bk_i64(0)),
                   &code));
    return code == -1 ? no_such_job(id) : BK_OK;
}

/* --- the queue -------------------------------------------------------------------------------- */

bk_err bk_queue_pause(bk_queue *queue)
{
    return bk__admin_run(queue, &bk__script_pause, BK_NO_ARGS, NULL);
}

bk_err bk_queue_resume(bk_queue *queue)
{
    return bk__admin_run(queue, &bk__script_resume, BK_NO_ARGS, NULL);
}

bk_err bk_queue_set_concurrency(bk_queue *queue, uint32_t jobs)
{
    bk_str meta = bk__queue_key(bk_fiber_arena(), queue, BK_LIT("meta"));

    if (jobs == 0)
        return bk_redis_run(queue->redis, "HDEL $1 concurrency", BK_ARGS(bk_text(meta)), NULL);
    return bk_redis_run(queue->redis, "HSET $1 concurrency $2",
                        BK_ARGS(bk_text(meta), bk_i64(jobs)), NULL);
}

bk_err bk_queue_set_limit(bk_queue *queue, uint32_t max, uint32_t per_ms)
{
    bk_str meta = bk__queue_key(bk_fiber_arena(), queue, BK_LIT("meta"));

    if (max == 0)
        return bk_redis_run(queue->redis, "HDEL $1 max duration", BK_ARGS(bk_text(meta)), NULL);
    if (per_ms == 0)
        return bk_fail(BK_EINVAL, "a limit of %u jobs in no time", max);
    return bk_redis_run(queue->redis, "HSET $1 max $2 duration $3",
                        BK_ARGS(bk_text(meta), bk_i64(max), bk_i64(per_ms)), NULL);
}

BK_YIELDS static bk_err move_all(bk_queue *queue, const char *set, uint64_t *moved)
{
    int64_t some = STEP;
    uint64_t all = 0;

    while (some == STEP) {
        BK_TRY(run_i64(queue, &bk__script_move_all, BK_ARGS(bk_text(bk_str_of(set)), bk_i64(STEP)),
                       &some));
        all += (uint64_t)some;
    }
    if (moved != NULL)
        *moved = all;
    return BK_OK;
}

bk_err bk_queue_retry_all(bk_queue *queue, bk_job_state state, uint64_t *moved)
{
    if (state != BK_JOB_FAILED && state != BK_JOB_COMPLETED)
        return bk_fail(BK_EINVAL, "only jobs that have ended can run once more");
    return move_all(queue, bk_job_state_name(state), moved);
}

bk_err bk_queue_promote_all(bk_queue *queue, uint64_t *moved)
{
    return move_all(queue, "delayed", moved);
}

bk_err bk_queue_drain(bk_queue *queue, bool delayed)
{
    int64_t more = 1;

    while (more == 1)
        BK_TRY(run_i64(queue, &bk__script_drain, BK_ARGS(bk_i64(bk__queue_now()), bk_i64(delayed)),
                       &more));
    return BK_OK;
}

bk_err bk_queue_clean(bk_queue *queue, bk_job_state state, uint64_t grace_ms, uint64_t limit,
                      uint64_t *removed)
{
    const char *set = state == BK_JOB_WAITING ? "wait" : bk_job_state_name(state);
    int64_t now = bk__queue_now(), before = now - (int64_t)grace_ms, skip = 0;
    uint64_t all = 0;

    if (state == BK_JOB_UNKNOWN)
        return bk_fail(BK_EINVAL, "jobs of no state cannot be cleaned");
    for (;;) {
        uint64_t left = limit == 0 || limit - all > STEP ? STEP : limit - all;
        bk_reply reply;
        if (left == 0)
            break;
        BK_TRY(bk__admin_run(queue, &bk__script_clean,
                             BK_ARGS(bk_i64(now), bk_text(bk_str_of(set)), bk_i64(before),
                                     bk_i64((int64_t)left), bk_i64(skip)),
                             &reply));
        if (reply.type != BK_REPLY_ARRAY || reply.count != 2)
            return bk_fail(BK_EINTERNAL, "queue %s: an odd answer", queue->name);
        all += (uint64_t)reply.items[0].i64;
        skip += reply.items[1].i64 - reply.items[0].i64; /* those that stay are passed over */
        if (reply.items[1].i64 == 0 ||
            (reply.items[0].i64 == 0 && (state == BK_JOB_COMPLETED || state == BK_JOB_FAILED)))
            break;
    }
    if (removed != NULL)
        *removed = all;
    return BK_OK;
}

bk_err bk_queue_obliterate(bk_queue *queue, bool force)
{
    int64_t code = 1;

    BK_TRY(bk_queue_pause(queue));
    while (code == 1)
        BK_TRY(run_i64(queue, &bk__script_obliterate, BK_ARGS(bk_i64(force)), &code));
    if (code == -2)
        return bk_fail(BK_ECONFLICT, "queue %s: jobs are being run", queue->name);
    if (code == -1)
        return bk_fail(BK_ECONFLICT, "queue %s: somebody has resumed it", queue->name);
    return BK_OK;
}
