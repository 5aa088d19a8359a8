/*
 * worker.c: taking jobs and ending them. See worker.h and <backend/worker.h>.
 *
 * What must hold: each job in `running` has a fiber, or is judged; a judged job stays in `judged`
 * or `settling` until Redis has answered, however long that takes, unless the app stops and Redis
 * is not there; what a call took is run or given back.
 */
#include "queue/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/random.h"
#include "core/roles.h"
#include "queue/scheduler.h"
#include "queue/scripts.h"

enum {
    SETTLE_MAX = 100, /* jobs that one call ends */
    TAKE_MAX = 64,    /* jobs that one call takes */
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 2000,
    LIMITED_MAX_MS = 30000, /* then delayed jobs want to be looked at */
    WEEK_S = 7 * 24 * 3600
};

static bk_job *judged_job(struct bk__link *link)
{
    return bk__container_of(link, bk_job, judged);
}

/* --- whether it takes jobs -------------------------------------------------------------------- */

static uint64_t now_ms(const bk_worker *worker)
{
    return worker->loop->clock.now_ms;
}

static bool has_room(const bk_worker *worker)
{
    return !worker->stopping && !worker->paused && worker->running_count < worker->opts.concurrency;
}

bool bk__worker_is_idle(const bk_worker *worker)
{
    return has_room(worker) && !worker->busy && !worker->hungry && worker->limited_until == 0 &&
           worker->backoff_ms == 0;
}

static void pump_soon(bk_worker *worker)
{
    bk__loop_put_off(worker->loop, &worker->pump);
}

bool bk__worker_called(bk_worker *worker)
{
    if (!has_room(worker))
        return false;
    worker->hungry = true;
    pump_soon(worker);
    return true;
}

bool bk__worker_heard_due(bk_worker *worker, int64_t due_ms)
{
    if (!has_room(worker))
        return false;
    if (worker->due_ms == 0 || due_ms < worker->due_ms)
        worker->due_ms = due_ms;
    pump_soon(worker);
    return true;
}

/* --- the pump --------------------------------------------------------------------------------- */

static size_t gather(bk_worker *worker)
{
    size_t count = 0;

    while (count < SETTLE_MAX && !bk__list_empty(&worker->judged)) {
        bk__list_push(&worker->settling, bk__list_pop(&worker->judged));
        count++;
    }
    return count;
}

/* How many to take, when so many end in the same call. */
static size_t wanted(const bk_worker *worker, size_t ending)
{
    size_t staying = worker->running_count - ending;

    if (worker->stopping || worker->paused || worker->limited_until != 0 ||
        (!worker->hungry && ending == 0) || staying >= worker->opts.concurrency)
        return 0;
    size_t room = worker->opts.concurrency - staying;
    return room < TAKE_MAX ? room : TAKE_MAX;
}

/* When to look without being called. */
static void set_alarm(bk_worker *worker)
{
    uint64_t at = now_ms(worker) + worker->opts.drain_ms;

    if (worker->backoff_ms != 0)
        at = now_ms(worker) + worker->backoff_ms;
    else if (worker->limited_until != 0)
        at = worker->limited_until;
    else if (worker->due_ms != 0) {
        int64_t left = worker->due_ms - bk__queue_now();
        uint64_t due = now_ms(worker) + (left > 0 ? (uint64_t)left : 0);
        at = due < at ? due : at;
    }
    bk__timer_set(worker->loop, &worker->wake, at);
}

static void on_alarm(struct bk__timer *timer)
{
    bk_worker *worker = bk__container_of(timer, bk_worker, wake);

    worker->backoff_ms = 0;
    worker->limited_until = 0;
    worker->due_ms = 0;
    worker->hungry = true;
    pump_soon(worker);
}

/* Redis is not there, or has not answered. What was to be told is told later. */
static void fall_back(bk_worker *worker, const char *why)
{
    bk_warn("queue.call_failed", bk_kv_cstr("queue", worker->queue->name), bk_kv_cstr("why", why));
    while (!bk__list_empty(&worker->settling)) {
        struct bk__link *last = worker->settling.anchor.prev;
        bk__list_remove(last);
        if (worker->stopping &&
            (judged_job(last)->fiber == NULL || judged_job(last)->fiber->cancelled)) {
            bk__worker_forget(judged_job(last)); /* others find it when its lock has run out */
            continue;
        }
        bk__list_push_front(&worker->judged, last);
    }
    worker->hungry = true;
    worker->backoff_ms = BACKOFF_FIRST_MS << (worker->failures < 5 ? worker->failures : 5);
    if (worker->backoff_ms > BACKOFF_MAX_MS)
        worker->backoff_ms = BACKOFF_MAX_MS;
    worker->failures++;
    set_alarm(worker);
}

static void pump(bk_worker *worker)
{
    if (worker->busy || worker->backoff_ms != 0)
        return;
    size_t ending = gather(worker);
    size_t want = wanted(worker, ending);
    if (ending == 0 && want == 0) {
        if (bk__worker_is_idle(worker)) {
            set_alarm(worker);
            bk__blocker_watch(worker->hub->blocker);
        }
        return;
    }
    bk__settle_build(worker, want);
    worker->asked = want;
    worker->busy = true;
    worker->stats.calls++;
    worker->hungry = false;
    if (bk__script_call_send(&worker->call) != BK_OK) {
        const bk_error_link *why = bk_error_chain();
        worker->busy = false;
        fall_back(worker, why != NULL ? why->message.ptr : "it cannot be sent");
        bk_error_clear();
    }
}

static void on_pump(struct bk__put_off *work)
{
    pump(bk__container_of(work, bk_worker, pump));
}

/* --- the answer ------------------------------------------------------------------------------- */

static void leave(bk_job *job)
{
    bk_worker *worker = job->worker;

    bk__lock_drop(worker->hub->locks, &job->lock);
    bk__list_remove(&job->running);
    worker->running_count--;
    worker->loop->work_count--;
}

/* Given back without a fiber, and Redis was not there until the end. */
static void leave_orphan(bk_worker *worker)
{
    bk_job *job = bk__container_of(worker->running.anchor.next, bk_job, running);

    bk_assert(job->fiber == NULL);
    bk__list_remove(&job->judged);
    leave(job);
    bk_arena_free(job->arena);
}

void bk__worker_forget(bk_job *job)
{
    bk_worker *worker = job->worker;

    leave(job);
    job->settled = true;
    if (job->fiber != NULL)
        bk_fiber_wake(job->fiber);
    else
        bk_arena_free(job->arena);
    worker->hungry = true;
    pump_soon(worker);
}

static void count_outcome(bk_worker *worker, enum bk__outcome outcome)
{
    switch (outcome) {
    case BK__COMPLETED:
        worker->stats.completed++;
        break;
    case BK__FAILED:
        worker->stats.failed++;
        break;
    case BK__RETRIED:
        worker->stats.retried++;
        break;
    case BK__DELAYED:
    case BK__RETURNED:
        worker->stats.returned++;
        break;
    }
}

/* A completed job that cannot complete: it has children that have not ended, or have failed. */
static void judge_again(bk_job *job, int64_t code)
{
    const char *why = code == -4 ? "it has pending children" : "it has failed children";

    bk__job_fail(job,
                 bk_arena_printf(job->arena, "job %.*s cannot complete: %s", BK_PRI(job->id), why));
    bk__list_push(&job->worker->judged, &job->judged);
}

static void take_code(bk_job *job, int64_t code)
{
    bk_worker *worker = job->worker;

    bk__list_remove(&job->judged);
    if (code == -4 || code == -9) {
        judge_again(job, code);
        return;
    }
    if (code == 0) {
        count_outcome(worker, job->outcome);
    } else {
        worker->stats.lost++;
        bk_warn("queue.lost", bk_kv_cstr("queue", worker->queue->name), bk_kv_str("job", job->id),
                bk_kv_i64("code", code));
    }
    bk__worker_forget(job);
}

static bool is_answer(const bk_reply *reply)
{
    return reply->type == BK_REPLY_ARRAY && reply->count == 4 &&
           reply->items[0].type == BK_REPLY_ARRAY && reply->items[3].type == BK_REPLY_ARRAY;
}

static void start_jobs(bk_worker *worker, const bk_reply *jobs)
{
    for (size_t i = 0; i + 1 < jobs->count; i += 2) {
        bk_job *job = bk__job_begin(worker, jobs->items[i].str, &jobs->items[i + 1]);
        bk__list_push(&worker->running, &job->running);
        worker->running_count++;
        worker->loop->work_count++;
        bk__lock_hold(worker->hub->locks, &job->lock);
        if (job->fiber == NULL)
            bk__list_push(&worker->judged, &job->judged);
    }
}

/* How the taking ended; see settle.lua. */
static void take_state(bk_worker *worker, int64_t state, int64_t ms)
{
    enum {
        MORE,
        NO_MORE,
        PAUSED,
        ENOUGH,
        LIMITED
    };

    worker->due_ms = 0;
    if (state == MORE) {
        worker->hungry = true;
    } else if (state == NO_MORE) {
        worker->due_ms = ms;
    } else if (state == LIMITED) {
        uint64_t left = ms < LIMITED_MAX_MS ? (uint64_t)ms : LIMITED_MAX_MS;
        worker->limited_until = now_ms(worker) + (left != 0 ? left : 1);
        set_alarm(worker);
    }
}

static void on_done(struct bk__script_call *call, bk_err err, const bk_reply *reply)
{
    bk_worker *worker = bk__container_of(call, bk_worker, call);
    bool called = worker->hungry; /* meanwhile */

    worker->busy = false;
    if (err != BK_OK || !is_answer(reply)) {
        fall_back(worker, err != BK_OK ? call->why : "an answer of another shape");
        return;
    }
    worker->failures = 0;
    const bk_reply *codes = &reply->items[0];
    for (size_t i = 0; !bk__list_empty(&worker->settling); i++)
        take_code(judged_job(worker->settling.anchor.next),
                  i < codes->count ? codes->items[i].i64 : -1);
    worker->hungry = called || worker->asked == 0;
    if (worker->asked != 0)
        take_state(worker, reply->items[1].i64, reply->items[2].i64);
    start_jobs(worker, &reply->items[3]);
    pump_soon(worker);
}

void bk__worker_settle(bk_job *job)
{
    bk_worker *worker = job->worker;

    bk__shield_up();
    bk__list_push(&worker->judged, &job->judged);
    pump_soon(worker);
    while (!job->settled)
        (void)!bk__fiber_wait(BK__NEVER);
    bk__shield_down();
}

/* --- losing jobs, stopping them --------------------------------------------------------------- */

static bk_job *find(bk_worker *worker, bk_str id)
{
    bk__list_each(it, &worker->running) {
        bk_job *job = bk__container_of(it, bk_job, running);
        if (bk_str_eq(job->id, id))
            return job;
    }
    return NULL;
}

static void on_lock_lost(bk_str base, bk_str id, bk_str token, void *data)
{
    struct bk__hub *hub = data;

    bk__list_each(it, &hub->workers) {
        bk_worker *worker = bk__container_of(it, bk_worker, hub_link);
        bk_job *job = bk_str_eq(worker->queue->base, base) ? find(worker, id) : NULL;
        if (job == NULL || job->lost || !bk_str_eq(job->lock.token, token))
            continue;
        bk_warn("queue.lock_lost", bk_kv_cstr("queue", worker->queue->name), bk_kv_str("job", id));
        job->lost = true;
        bk__job_stop(job);
    }
}

bk_err bk_worker_cancel(bk_worker *worker, bk_str id, const char *why)
{
    bk_job *job = worker->loop != NULL ? find(worker, id) : NULL;

    if (job == NULL || job->fiber == NULL || bk__link_in_list(&job->judged))
        return bk_fail(BK_ENOTFOUND, "job %.*s is not being run here", BK_PRI(id));
    job->cancelled_for = (char *)(uintptr_t)bk_arena_cstr(
        job->arena, bk_str_of(why != NULL ? why : "it was cancelled"));
    bk__job_stop(job);
    return BK_OK;
}

void bk_worker_pause(bk_worker *worker)
{
    worker->paused = true;
}

void bk_worker_resume(bk_worker *worker)
{
    worker->paused = false;
    worker->hungry = true;
    if (worker->loop != NULL)
        pump_soon(worker);
}

void bk_worker_get_stats(const bk_worker *worker, bk_worker_stats *stats)
{
    *stats = worker->stats;
    stats->running = worker->running_count;
}

/* --- life ------------------------------------------------------------------------------------- */

static void open_hub(bk_worker *worker)
{
    struct bk__hub *hub = worker->hub;
    char tail[80] = "";

    if (hub->blocker == NULL) {
        if (worker->name[0] != '\0')
            snprintf(tail, sizeof tail, ":w:%s", worker->name);
        char *name = bk__queue_client_name(worker->queue, tail);
        hub->blocker = bk__blocker_new(hub, name);
        free(name);
        hub->locks = bk__locks_new(hub->app, hub->redis, on_lock_lost, hub);
    }
    bk__list_push(&hub->workers, &worker->hub_link);
}

static bk_err start(void *data)
{
    bk_worker *worker = data;
    char uuid[BK__UUID_TEXT];

    if (!bk__role_is_here(worker->queue->app, worker->role))
        return BK_OK;
    BK_TRY(bk__worker_check_redis(worker));
    bk__uuid7(uuid);
    snprintf(worker->token_base, sizeof worker->token_base, "%.*s", BK__UUID_TEXT, uuid);
    worker->loop = bk__loop_current;
    worker->stopping = worker->busy = false;
    worker->limited_until = worker->backoff_ms = worker->failures = 0;
    worker->due_ms = 0;
    bk__script_call_init(&worker->call, worker->queue->redis, &bk__script_settle);
    worker->call.done = on_done;
    open_hub(worker);
    bk__stalled_start(worker);
    if (bk__schedules_repair(worker->queue) != BK_OK) {
        bk_warn("queue.schedules_not_checked", bk_kv_cstr("queue", worker->queue->name));
        bk_error_clear(); /* the next start will */
    }
    worker->hungry = true;
    pump_soon(worker);
    bk_info("queue.working", bk_kv_cstr("queue", worker->queue->name),
            bk_kv_i64("concurrency", worker->opts.concurrency));
    return BK_OK;
}

/* No more jobs. Handlers that compute are told, too. */
static void drain(void *data)
{
    bk_worker *worker = data;

    if (worker->loop == NULL)
        return;
    worker->stopping = true;
    bk__stalled_stop(worker);
    bk__timer_stop(worker->loop, &worker->wake);
    if (worker->backoff_ms != 0)
        set_alarm(worker);
}

static void stop(void *data)
{
    bk_worker *worker = data;

    if (worker->loop == NULL)
        return;
    worker->stopping = true;
    bk__stalled_stop(worker);
    bk__script_call_fini(&worker->stalled_call);
    bk__timer_stop(worker->loop, &worker->wake);
    bk__loop_forget(&worker->pump);
    bk__script_call_abandon(&worker->call);
    bk__script_call_fini(&worker->call);
    while (!bk__list_empty(&worker->running)) /* given back, and Redis was not there */
        leave_orphan(worker);
    bk__list_remove(&worker->hub_link);
    worker->loop = NULL;
}

static void free_worker(void *data)
{
    bk_worker *worker = data;

    for (size_t i = 0; i < worker->handler_count; i++)
        free(worker->handlers[i].name);
    free(worker->handlers);
    free((char *)(uintptr_t)worker->marker.ptr);
    free(worker->group_key);
    free(worker->name);
    free(worker);
}

static const bk_part_type part = {
    .name = "worker", .start = start, .drain = drain, .stop = stop, .free = free_worker};

static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void fill_keep(bk_keep *keep, uint32_t count)
{
    if (!keep->remove && !keep->all && keep->count == 0 && keep->age_s == 0)
        *keep = (bk_keep){.count = count, .age_s = WEEK_S};
}

static void check_opts(const bk_worker_opts *opts)
{
    if (opts->name != NULL && (strpbrk(opts->name, " \n\t") != NULL || strlen(opts->name) > 64))
        bk__setup_error("bk_worker_opts", 0, "name: at most 64 bytes without blanks");
    if (opts->concurrency > 100000)
        bk__setup_error("bk_worker_opts", 0, "concurrency is %u, it may be 100,000",
                        opts->concurrency);
    if (opts->group_limit.max != 0 && opts->group_key == NULL)
        bk__setup_error("bk_worker_opts", 0, "group_limit needs group_key");
}

bk_worker *bk_worker_new(bk_app *app, bk_queue *queue, const bk_worker_opts *opts)
{
    bk_worker_opts all = opts != NULL ? *opts : (bk_worker_opts){0};
    bk_worker *worker = calloc(1, sizeof *worker);

    bk_assert(worker != NULL && queue->app == app);
    check_opts(&all);
    fill(&all.concurrency, 1);
    fill(&all.lock_ms, 30000);
    fill(&all.stalled_ms, 30000);
    fill(&all.stalled_max, 1);
    fill(&all.drain_ms, 5000);
    fill(&all.limit.per_ms, 1000);
    fill(&all.group_limit.per_ms, 1000);
    fill_keep(&all.keep_completed, 1000);
    fill_keep(&all.keep_failed, 5000);
    worker->queue = queue;
    worker->hub = queue->hub;
    worker->role = all.role != NULL ? bk__role_declare(app, all.role) : BK__NO_ROLE;
    worker->name = strdup(all.name != NULL ? all.name : "");
    worker->group_key = all.group_key != NULL ? strdup(all.group_key) : NULL;
    size_t len = queue->base.len + strlen("marker");
    char *marker = malloc(len + 1);
    bk_assert(worker->name != NULL && marker != NULL);
    snprintf(marker, len + 1, "%.*smarker", BK_PRI(queue->base));
    worker->marker = bk_str_at(marker, len);
    all.name = worker->name;
    all.group_key = worker->group_key;
    all.role = NULL;
    worker->opts = all;
    bk__list_init(&worker->running);
    bk__list_init(&worker->judged);
    bk__list_init(&worker->settling);
    worker->pump.fn = on_pump;
    worker->wake.fn = on_alarm;
    bk_app_part(app, &part, worker);
    bk__worker_measure(worker);
    return worker;
}

void bk_worker_on(bk_worker *worker, const char *name, bk_job_fn fn, void *data)
{
    bk_assert(worker->loop == NULL && fn != NULL);
    for (size_t i = 0; i < worker->handler_count; i++)
        if (name == NULL
                ? worker->handlers[i].name == NULL
                : worker->handlers[i].name != NULL && strcmp(worker->handlers[i].name, name) == 0)
            bk__setup_error("bk_worker_on", 0, "jobs \"%s\" of queue %s have a handler already",
                            name != NULL ? name : "(all others)", worker->queue->name);
    size_t bytes = (worker->handler_count + 1) * sizeof *worker->handlers;
    worker->handlers = realloc(worker->handlers, bytes);
    bk_assert(worker->handlers != NULL);
    worker->handlers[worker->handler_count++] =
        (struct bk__job_handler){name != NULL ? strdup(name) : NULL, fn, data};
}
