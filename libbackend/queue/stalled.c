/*
 * stalled.c: looking for jobs whose worker has died. One of all workers of a queue does it, each
 * time another perhaps.
 */
#include <backend/log.h>
#include <backend/str.h>

#include "queue/scripts.h"
#include "queue/worker.h"

static void look(bk_worker *worker)
{
    struct bk__argv *argv = &worker->stalled_call.argv;
    uint32_t most = worker->opts.stalled_max == BK_NEVER_STALLED ? 0 : worker->opts.stalled_max;

    bk__timer_set(worker->loop, &worker->stalled_timer,
                  worker->loop->clock.now_ms + worker->opts.stalled_ms);
    if (worker->stalled_call.link != NULL)
        return;
    bk__script_begin(argv, &bk__script_stalled, worker->queue->base);
    bk__argv_push_i64(argv, bk__queue_now());
    bk__argv_push_i64(argv, worker->opts.stalled_ms);
    bk__argv_push_i64(argv, most);
    if (bk__script_call_send(&worker->stalled_call) != BK_OK)
        bk_error_clear(); /* next time */
}

static void on_timer(struct bk__timer *timer)
{
    look(bk__container_of(timer, bk_worker, stalled_timer));
}

static void on_done(struct bk__script_call *call, bk_err err, const bk_reply *reply)
{
    bk_worker *worker = bk__container_of(call, bk_worker, stalled_call);

    if (err != BK_OK) {
        bk_warn("queue.stalled_not_checked", bk_kv_cstr("queue", worker->queue->name),
                bk_kv_cstr("why", call->why));
        return;
    }
    if (reply->type != BK_REPLY_I64 || reply->i64 == 0)
        return;
    worker->stats.stalled += (uint64_t)reply->i64;
    bk_warn("queue.stalled", bk_kv_cstr("queue", worker->queue->name),
            bk_kv_i64("jobs", reply->i64));
    (void)bk__worker_called(worker);
}

void bk__stalled_start(bk_worker *worker)
{
    worker->stalled_timer.fn = on_timer;
    bk__script_call_init(&worker->stalled_call, worker->queue->redis, &bk__script_stalled);
    worker->stalled_call.done = on_done;
    look(worker);
}

void bk__stalled_stop(bk_worker *worker)
{
    bk__timer_stop(worker->loop, &worker->stalled_timer);
    bk__script_call_abandon(&worker->stalled_call);
}
