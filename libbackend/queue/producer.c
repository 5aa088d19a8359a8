/*
 * producer.c: adding jobs. See <backend/queue.h>.
 *
 * What all fibers add in a turn of the loop takes one flight: one script call, which adds them one
 * after the other. So the more is added at a time, the less each costs. Whoever waits lies on his
 * fiber's stack in the flight's list, and leaves it when he waits no longer; the flight goes on,
 * and what was his in the answer is nobody's.
 */
#include <stdio.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"
#include "fiber/fiber.h"
#include "queue/queue.h"
#include "queue/scripts.h"

enum {
    FLIGHT_JOBS = BK_JOBS_CHUNK,
    FLIGHT_BYTES = 512 * 1024, /* about, unless one add alone has more */
    SPARE_MAX = 8,
    HEAD = 4 + 3 /* words before those of the jobs */
};

struct add {
    struct bk__link link; /* in bk_queue.waiting, then in its flight; in none once it is answered */
    const struct bk__new_job *jobs;
    size_t count;
    size_t first; /* its first job's place in the flight */
    bk_str *ids;  /* may be NULL */
    bk_fiber *fiber;
    bool answered;
    bk_err err;
    int64_t code; /* of the first job that was refused; 0: none */
    char why[160];
};

struct flight {
    struct bk__script_call call;
    struct bk__link spare_link;
    bk_queue *queue;
    struct bk__list adds;
};

static struct add *add_of(struct bk__link *link)
{
    return bk__container_of(link, struct add, link);
}

/* --- the call --------------------------------------------------------------------------------- */

void bk__new_job_push(struct bk__argv *argv, const struct bk__new_job *job)
{
    bk__argv_push(argv, job->name);
    bk__argv_push(argv, job->data);
    bk__argv_push(argv, job->opts);
    bk__argv_push_i64(argv, (int64_t)job->pair_count / 2);
    for (size_t i = 0; i < job->pair_count; i++)
        bk__argv_push(argv, job->pairs[i]);
}

static void build(struct flight *flight)
{
    struct bk__argv *argv = &flight->call.argv;
    size_t count = 0;

    bk__script_begin(argv, &bk__script_add, flight->queue->base);
    bk__argv_push_i64(argv, bk__queue_now());
    bk__argv_push_i64(argv, 0);
    bk__argv_push_i64(argv, flight->queue->events);
    bk__list_each(it, &flight->adds) {
        struct add *add = add_of(it);
        add->first = count;
        for (size_t i = 0; i < add->count; i++)
            bk__new_job_push(argv, &add->jobs[i]);
        count += add->count;
    }
    bk__argv_set_i64(argv, HEAD - 2, (int64_t)count);
}

/* The server wants the text, and some may have left since. */
static void on_rebuild(struct bk__script_call *call)
{
    build(bk__container_of(call, struct flight, call));
}

static void answer(struct add *add, bk_err err)
{
    bk__list_remove(&add->link);
    add->err = err;
    add->answered = true;
    bk_fiber_wake(add->fiber);
}

static void take_ids(struct add *add, const bk_reply *reply)
{
    for (size_t i = 0; i < add->count; i++) {
        const bk_reply *one = &reply->items[add->first + i];
        if (one->type == BK_REPLY_I64 && add->code == 0)
            add->code = one->i64;
        if (add->ids != NULL && one->type == BK_REPLY_STR)
            add->ids[i] = bk_arena_dup(&add->fiber->task.arena, one->str);
    }
}

static void put_away(struct flight *flight)
{
    bk_queue *queue = flight->queue;
    size_t spare = 0;

    bk__list_each(it, &queue->spare)
        spare++;
    if (spare < SPARE_MAX) {
        bk__list_push_front(&queue->spare, &flight->spare_link);
        return;
    }
    bk__script_call_fini(&flight->call);
    free(flight);
}

static void land(struct flight *flight, bk_err err, const bk_reply *reply, const char *why)
{
    size_t expected = 0;

    bk__list_each(it, &flight->adds)
        expected = add_of(it)->first + add_of(it)->count;
    if (err == BK_OK && (reply->type != BK_REPLY_ARRAY || reply->count < expected)) {
        err = BK_EINTERNAL;
        why = "the script gave another answer than ids";
    }
    while (!bk__list_empty(&flight->adds)) {
        struct add *add = add_of(flight->adds.anchor.next);
        if (err == BK_OK)
            take_ids(add, reply);
        else
            snprintf(add->why, sizeof add->why, "%s", why);
        answer(add, err);
    }
    put_away(flight);
}

static void on_done(struct bk__script_call *call, bk_err err, const bk_reply *reply)
{
    land(bk__container_of(call, struct flight, call), err, reply, call->why);
}

static struct flight *new_flight(bk_queue *queue)
{
    struct bk__link *spare = bk__list_pop(&queue->spare);
    struct flight *flight;

    if (spare != NULL)
        return bk__container_of(spare, struct flight, spare_link);
    flight = calloc(1, sizeof *flight);
    bk_assert(flight != NULL);
    bk__script_call_init(&flight->call, queue->redis, &bk__script_add);
    flight->call.done = on_done;
    flight->call.rebuild = on_rebuild;
    flight->queue = queue;
    bk__list_init(&flight->adds);
    return flight;
}

static size_t bytes_of(const struct add *add)
{
    size_t bytes = 0;

    for (size_t i = 0; i < add->count; i++)
        bytes += add->jobs[i].data.len + add->jobs[i].name.len + add->jobs[i].opts.len;
    return bytes;
}

/* Moves as many as fit from those who wait to a flight; at least one. */
static void board(bk_queue *queue, struct flight *flight)
{
    size_t jobs = 0, bytes = 0;

    while (!bk__list_empty(&queue->waiting)) {
        struct add *add = add_of(queue->waiting.anchor.next);
        jobs += add->count;
        bytes += bytes_of(add);
        if (jobs != add->count && (jobs > FLIGHT_JOBS || bytes > FLIGHT_BYTES))
            return;
        bk__list_remove(&add->link);
        bk__list_push(&flight->adds, &add->link);
    }
}

static void on_flush(struct bk__put_off *flush)
{
    bk_queue *queue = bk__container_of(flush, bk_queue, flush);

    while (!bk__list_empty(&queue->waiting)) {
        struct flight *flight = new_flight(queue);
        board(queue, flight);
        build(flight);
        bk_err err = bk__script_call_send(&flight->call);
        if (err != BK_OK) {
            const bk_error_link *why = bk_error_chain();
            land(flight, err, NULL, why != NULL ? why->message.ptr : "it cannot be sent");
            bk_error_clear();
        }
    }
}

/* --- whoever waits ------------------------------------------------------------------------------ */

static bk_err refusal(int64_t code)
{
    if (code == -5)
        return bk_fail(BK_ENOTFOUND, "the parent of a job does not exist");
    if (code == -7)
        return bk_fail(BK_ECONFLICT, "a job of that id has another parent");
    return bk_fail(BK_EINTERNAL, "a job was refused with code %lld", (long long)code);
}

bk_err bk__jobs_put(bk_queue *queue, const struct bk__new_job *jobs, size_t count, bk_str *ids)
{
    struct add self = {.jobs = jobs, .count = count, .ids = ids, .fiber = bk_fiber_self()};
    bk_err err = BK_OK;

    bk_assert(count <= BK_JOBS_CHUNK && self.fiber != NULL);
    if (count == 0)
        return BK_OK;
    bk__list_push(&queue->waiting, &self.link);
    bk__loop_put_off(bk__loop_current, &queue->flush);
    while (!self.answered && err == BK_OK)
        err = bk__fiber_wait(BK__NEVER);
    if (!self.answered) {
        bk__list_remove(&self.link);
        return err;
    }
    if (self.err != BK_OK)
        return bk_fail(self.err, "queue %s: %s", queue->name, self.why);
    return self.code != 0 ? refusal(self.code) : BK_OK;
}

/* --- the public calls --------------------------------------------------------------------------- */

static bk_err add_one(bk_queue *queue, const bk_job_spec *spec, bk_str *id)
{
    struct bk__new_job job;
    bk_str out = {NULL, 0};

    BK_TRY(bk__new_job_make(queue, spec, bk_fiber_arena(), &job));
    BK_TRY(bk__jobs_put(queue, &job, 1, id != NULL ? &out : NULL));
    if (id != NULL)
        *id = out;
    return BK_OK;
}

bk_err bk_jobs_add(bk_queue *queue, const char *name, bk_desc_fn desc, const void *payload,
                   const bk_job_opts *opts, bk_str *id)
{
    bk_job_spec spec = {.name = name, .desc = desc, .payload = payload, .opts = opts};

    return add_one(queue, &spec, id);
}

bk_err bk_jobs_add_json(bk_queue *queue, const char *name, bk_str json, const bk_job_opts *opts,
                        bk_str *id)
{
    bk_job_spec spec = {.name = name, .json = json, .opts = opts};

    return add_one(queue, &spec, id);
}

bk_err bk_jobs_add_bulk(bk_queue *queue, const bk_job_spec *specs, size_t count, bk_str *ids)
{
    bk_arena *arena = bk_fiber_arena();
    struct bk__new_job *jobs;

    if (ids != NULL)
        for (size_t i = 0; i < count; i++)
            ids[i] = (bk_str){NULL, 0};
    if (count == 0)
        return BK_OK;
    jobs = bk_arena_alloc(arena, count * sizeof *jobs);
    for (size_t i = 0; i < count; i++)
        BK_TRY(bk_context(bk__new_job_make(queue, &specs[i], arena, &jobs[i]), "job %zu of %zu",
                          i + 1, count));
    for (size_t at = 0; at < count; at += BK_JOBS_CHUNK) {
        size_t some = count - at < BK_JOBS_CHUNK ? count - at : BK_JOBS_CHUNK;
        BK_TRY(bk__jobs_put(queue, jobs + at, some, ids != NULL ? ids + at : NULL));
    }
    return BK_OK;
}

/* --- life --------------------------------------------------------------------------------------- */

void bk__producer_init(bk_queue *queue)
{
    bk__list_init(&queue->waiting);
    bk__list_init(&queue->spare);
    queue->flush.fn = on_flush;
}

void bk__producer_fini(bk_queue *queue)
{
    struct bk__link *link;

    while ((link = bk__list_pop(&queue->spare)) != NULL) {
        struct flight *flight = bk__container_of(link, struct flight, spare_link);
        bk__script_call_fini(&flight->call);
        free(flight);
    }
}
