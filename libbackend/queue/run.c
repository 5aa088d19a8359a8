/*
 * run.c: a job from its taking to its judgement, and what its handler can do with it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/json.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "json/check.h"
#include "queue/scheduler.h"
#include "queue/scripts.h"
#include "queue/worker.h"

enum {
    SCHEDULED_MS = 5000
};

/* --- from the hash ---------------------------------------------------------------------------- */

static int64_t number_of(bk_str text)
{
    double number;

    if (bk_str_to_f64(text, &number) == BK_OK)
        return (int64_t)number;
    bk_error_clear();
    return 0;
}

/* One name and value. Which are texts is told by where they go. */
static void take_field(bk_job *job, bk_str name, bk_str value)
{
    const struct {
        bk_str name;
        bk_str *text;
        int64_t *number;
    } fields[] = {
        {BK_LIT("name"), &job->name, NULL},
        {BK_LIT("data"), &job->data, NULL},
        {BK_LIT("opts"), &job->opts, NULL},
        {BK_LIT("timestamp"), NULL, &job->timestamp_ms},
        {BK_LIT("priority"), NULL, &job->priority},
        {BK_LIT("ats"), NULL, &job->started},
        {BK_LIT("atm"), NULL, &job->made},
        {BK_LIT("parentKey"), &job->parent_key, NULL},
        {BK_LIT("parent"), &job->parent, NULL},
        {BK_LIT("rjk"), &job->scheduler, NULL},
        {BK_LIT("deid"), &job->dedup_id, NULL},
        {BK_LIT("defa"), &job->deferred, NULL},
        {BK_LIT("stacktrace"), &job->stacktrace, NULL},
    };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (!bk_str_eq(name, fields[i].name))
            continue;
        if (fields[i].number != NULL)
            *fields[i].number = number_of(value);
        else
            *fields[i].text = bk_arena_dup(job->arena, value);
        return;
    }
}

static bk_job *new_job(bk_worker *worker, bk_arena *arena, bk_str id, const bk_reply *hash)
{
    bk_job *job = BK_NEW(arena, bk_job);
    const bk_str former_name = BK_LIT("attemptsMade");

    job->worker = worker;
    job->arena = arena;
    job->again_ms = job->hold_ms = -1;
    job->id = bk_arena_dup(arena, id);
    for (size_t i = 0; i + 1 < hash->count; i += 2)
        take_field(job, hash->items[i].str, hash->items[i + 1].str);
    for (size_t i = 0; i + 1 < hash->count; i += 2) /* it wins, where there is one */
        if (bk_str_eq(hash->items[i].str, former_name))
            job->made = number_of(hash->items[i + 1].str);
    job->started++;
    job->lock = (struct bk__lock){
        .base = worker->queue->base,
        .id = job->id,
        .token = bk_arena_dup(arena, bk_str_of(worker->token)),
        .lock_ms = worker->opts.lock_ms,
    };
    return job;
}

/* --- running it ------------------------------------------------------------------------------- */

static const struct bk__job_handler *handler_of(const bk_worker *worker, bk_str name)
{
    const struct bk__job_handler *other = NULL;

    for (size_t i = 0; i < worker->handler_count; i++) {
        const struct bk__job_handler *handler = &worker->handlers[i];
        if (handler->name == NULL)
            other = handler;
        else if (bk_str_eq(bk_str_of(handler->name), name))
            return handler;
    }
    return other;
}

/* Computing, on a thread. What it records of an error belongs to that thread. */
struct computing {
    bk_job *job;
    const struct bk__job_handler *handler;
    bk_err err;
    struct bk__task *fiber_task;
};

static void compute(void *data)
{
    struct computing *it = data;

    bk_error_clear();
    it->err = it->handler->fn(it->job, it->handler->data);
    if (it->err != BK_OK)
        bk__task_adopt(it->fiber_task, bk__task_self()); /* the fiber waits meanwhile */
    bk_error_clear();
}

BK_YIELDS static bk_err handle(bk_job *job, const struct bk__job_handler *handler)
{
    struct computing it = {job, handler, BK_OK, &job->fiber->task};

    if (!job->worker->opts.cpu)
        return handler->fn(job, handler->data);
    BK_TRY(bk_offload(compute, &it));
    return it.err;
}

BK_YIELDS static bk_err run_handler(bk_job *job)
{
    const bk_worker *worker = job->worker;
    const struct bk__job_handler *handler = handler_of(worker, job->name);

    if (handler == NULL)
        return bk_job_fail_for_good(job, "no handler for jobs \"%.*s\"", BK_PRI(job->name));
    if (worker->opts.timeout_ms == 0 || worker->opts.timeout_ms == BK_UNLIMITED)
        return handle(job, handler);
    bk_deadline before = bk_deadline_push(worker->opts.timeout_ms);
    bk_err err = handle(job, handler);
    bk_deadline_pop(before);
    return err;
}

/* Whoever takes a run of a schedule makes the next one first. Where that cannot be told to Redis,
 * the job waits for a worker that can: else the schedule would end with it. */
BK_YIELDS static bool is_stuck_schedule(bk_job *job)
{
    if (job->scheduler.len == 0)
        return false;
    bk_err err = bk__schedule_next(job->worker->queue, job->scheduler, job->id, job->opts);
    if (err == BK_OK)
        return false;
    bk_warn("queue.schedule_waits", bk_kv_cstr("queue", job->worker->queue->name),
            bk_kv_str("job", job->id), bk_kv_cstr("why", bk_err_text(err)));
    bk_error_clear();
    job->outcome = BK__DELAYED;
    job->delay_ms = SCHEDULED_MS;
    return true;
}

/* True: the job is judged already, without its handler. */
BK_YIELDS static bool is_judged_before(bk_job *job)
{
    uint32_t most = job->worker->opts.started_max;

    if (job->deferred.ptr != NULL) {
        bk__job_fail(job, job->deferred);
        return true;
    }
    if (most != 0 && most != BK_UNLIMITED && job->started > most) {
        bk__job_fail(job, BK_LIT("job started more than allowable limit"));
        return true;
    }
    return is_stuck_schedule(job) || bk__group_is_full(job);
}

static bk_err run(void *data)
{
    bk_job *job = data;

    bk__stored_opts_read(job->arena, job->opts, &job->stored);
    if (!is_judged_before(job)) {
        struct bk__job_trace *trace = bk__job_trace_begin(job);
        bk_err err = run_handler(job);
        bk__job_trace_end(trace, err);
        if (job->lost) {
            job->worker->stats.lost++;
            bk__worker_forget(job);
            return BK_OK;
        }
        bk__job_judge(job, err);
        bk_error_clear();
    }
    bk__worker_settle(job);
    return BK_OK;
}

bk_job *bk__job_begin(bk_worker *worker, bk_str id, const bk_reply *hash)
{
    bk_fiber *fiber = worker->stopping ? NULL : bk__fiber_new(worker->loop, "job");
    bk_job *job;

    if (fiber == NULL) {
        job = new_job(worker, bk_arena_new(), id, hash);
        bk__job_give_back(job);
        return job;
    }
    job = new_job(worker, &fiber->task.arena, id, hash);
    job->fiber = fiber;
    bk__fiber_begin_later(fiber, run, job);
    return job;
}

void bk__job_stop(bk_job *job)
{
    atomic_store(&job->stop, true);
    if (job->fiber != NULL)
        bk_fiber_cancel(job->fiber);
}

/* --- what it is ------------------------------------------------------------------------------- */

bk_str bk_job_id(const bk_job *job)
{
    return job->id;
}

bk_str bk_job_name(const bk_job *job)
{
    return job->name;
}

bk_str bk_job_data(const bk_job *job)
{
    return job->data.ptr != NULL ? job->data : BK_LIT("{}");
}

uint32_t bk_job_attempt(const bk_job *job)
{
    return (uint32_t)job->started;
}

uint32_t bk_job_attempts(const bk_job *job)
{
    return job->stored.attempts > 1 ? (uint32_t)job->stored.attempts : 1;
}

bk_time bk_job_timestamp(const bk_job *job)
{
    return job->timestamp_ms * 1000;
}

bk_arena *bk_job_arena(bk_job *job)
{
    return job->arena;
}

bk_queue *bk_job_queue(const bk_job *job)
{
    return job->worker->queue;
}

bool bk_job_is_canceled(const bk_job *job)
{
    return atomic_load(&job->stop) || (job->worker->stopping && job->fiber->cancelled);
}

/* --- what its handler says ---------------------------------------------------------------------- */

static void note_invalid(bk_job *job, bk_err err)
{
    bk_buf buf = {.arena = job->arena};
    size_t count = 0;
    const bk_field_error *fields = bk_error_fields(&count);
    const bk_error_link *chain = bk_error_chain();

    bk_buf_add(&buf, BK_LIT("the payload is not valid: "));
    if (count == 0)
        bk_buf_add(&buf, chain != NULL ? chain->message : bk_str_of(bk_err_text(err)));
    for (size_t i = 0; i < count; i++)
        bk_buf_printf(&buf, "%s%.*s: %.*s", i != 0 ? "; " : "", BK_PRI(fields[i].pointer),
                      BK_PRI(fields[i].detail));
    job->failure = bk_buf_str(&buf);
    job->for_good = true;
}

bk_err bk_job_bind(bk_job *job, bk_desc_fn desc, void *out)
{
    bk_err err = bk_bind_json(job->arena, bk_job_data(job), desc, NULL, out);

    if (err != BK_OK)
        note_invalid(job, err);
    return err;
}

void bk_job_return(bk_job *job, bk_desc_fn desc, const void *object)
{
    bk_buf buf = {.arena = job->arena};

    bk_write_json(&buf, desc, object);
    job->value = bk_buf_str(&buf);
}

bk_err bk_job_return_json(bk_job *job, bk_str json)
{
    BK_TRY(bk_json_check(json, NULL)); /* every reader of events would stumble over it */
    job->value = bk_arena_dup(job->arena, json);
    return BK_OK;
}

bk_err bk_job_fail_for_good(bk_job *job, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    job->failure = bk__arena_vprintf(job->arena, format, args);
    va_end(args);
    job->for_good = true;
    return bk_fail(BK_EUNPROCESSABLE, "%.*s", BK_PRI(job->failure));
}

bk_err bk_job_again(bk_job *job, uint64_t ms)
{
    job->again_ms = ms < INT64_C(1) << 42 ? (int64_t)ms : INT64_C(1) << 42;
    return bk_fail(BK_EAGAIN, "the job is to run again");
}

bk_err bk_job_hold_queue(bk_job *job, uint64_t ms)
{
    job->hold_ms = ms < INT64_C(1) << 42 ? (int64_t)ms : INT64_C(1) << 42;
    return bk_fail(BK_ELIMITED, "the queue is to wait");
}

/* --- what it notes in Redis ----------------------------------------------------------------------- */

BK_YIELDS static bk_err note(bk_job *job, bk_str what, bk_str value, int64_t keep)
{
    struct bk__argv argv;
    bk_reply reply;

    bk__argv_init(&argv);
    bk__script_begin(&argv, &bk__script_note, job->worker->queue->base);
    bk__argv_push(&argv, what);
    bk__argv_push(&argv, job->id);
    bk__argv_push(&argv, value);
    bk__argv_push_i64(&argv, keep);
    bk_err err = bk__script_run(job->worker->queue->redis, &bk__script_note, &argv, &reply);
    bk__argv_fini(&argv);
    BK_TRY(err);
    if (reply.type == BK_REPLY_I64 && reply.i64 == -1)
        return bk_fail(BK_ENOTFOUND, "job %.*s has been removed", BK_PRI(job->id));
    return BK_OK;
}

bk_err bk_job_progress(bk_job *job, bk_str json)
{
    BK_TRY(bk_json_check(json, NULL));
    return note(job, BK_LIT("progress"), json, 0);
}

bk_err bk_job_log(bk_job *job, bk_str line)
{
    return note(job, BK_LIT("log"), line, job->stored.keep_logs);
}

bk_err bk_job_update(bk_job *job, bk_str json)
{
    BK_TRY(bk_json_check(json, NULL));
    BK_TRY(note(job, BK_LIT("data"), json, 0));
    job->data = bk_arena_dup(job->arena, json);
    return BK_OK;
}
