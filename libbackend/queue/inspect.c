/*
 * inspect.c: looking into a queue. See <backend/queue_admin.h>.
 */
#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/queue_admin.h>
#include <backend/str.h>

#include "core/assert.h"
#include "queue/admin.h"
#include "queue/scripts.h"

enum {
    PAGE_MAX = 1000
};

const char *bk_job_state_name(bk_job_state state)
{
    static const char *const names[] = {
        [BK_JOB_UNKNOWN] = "unknown",         [BK_JOB_WAITING] = "waiting",
        [BK_JOB_PRIORITIZED] = "prioritized", [BK_JOB_ACTIVE] = "active",
        [BK_JOB_DELAYED] = "delayed",         [BK_JOB_WAITING_CHILDREN] = "waiting-children",
        [BK_JOB_COMPLETED] = "completed",     [BK_JOB_FAILED] = "failed",
    };

    return names[state];
}

static bk_err odd_answer(const bk_queue *queue)
{
    return bk_fail(BK_EINTERNAL, "queue %s: an answer of another shape", queue->name);
}

bk_err bk_queue_counts(bk_queue *queue, bk_job_counts *counts)
{
    bk_reply reply;

    BK_TRY(bk__admin_run(queue, &bk__script_counts, BK_NO_ARGS, &reply));
    if (reply.type != BK_REPLY_ARRAY || reply.count != 8)
        return odd_answer(queue);
    *counts = (bk_job_counts){
        .waiting = reply.items[0].i64,
        .prioritized = reply.items[1].i64,
        .active = reply.items[2].i64,
        .delayed = reply.items[3].i64,
        .waiting_children = reply.items[4].i64,
        .completed = reply.items[5].i64,
        .failed = reply.items[6].i64,
        .paused = reply.items[7].i64 != 0,
    };
    return BK_OK;
}

/* --- a job ------------------------------------------------------------------------------------ */

static double number_of(bk_str text)
{
    double number = 0;

    if (text.ptr != NULL && bk_str_to_f64(text, &number) != BK_OK)
        bk_error_clear();
    return number;
}

static bk_time time_of(bk_str ms)
{
    double number = number_of(ms);

    return number > 0 && number < 9e15 ? (bk_time)number * 1000 : 0;
}

static uint32_t count_of(bk_str text)
{
    double number = number_of(text);

    return number > 0 && number < UINT32_MAX ? (uint32_t)number : 0;
}

/* The hash's fields that info has, in the order in which fill() takes them. */
enum {
    FIELDS = 20
};

static const char *const ask_fields =
    "HMGET $1 name data opts progress returnvalue failedReason stacktrace parentKey rjk deid pb "
    "timestamp processedOn finishedOn delay priority atm attemptsMade ats stc";

/* False: there is no such job. */
static bool fill(bk_str id, const bk_reply *hash, bk_job_info *info)
{
    bk_str text[FIELDS];

    if (hash->type != BK_REPLY_ARRAY || hash->count != FIELDS)
        return false;
    for (size_t i = 0; i < FIELDS; i++)
        text[i] = hash->items[i].type == BK_REPLY_STR ? hash->items[i].str : (bk_str){NULL, 0};
    if (text[0].ptr == NULL && text[11].ptr == NULL)
        return false;
    *info = (bk_job_info){
        .id = id,
        .name = text[0],
        .data = text[1],
        .opts = text[2],
        .progress = text[3],
        .return_value = text[4],
        .failed_reason = text[5],
        .stack_traces = text[6],
        .parent_key = text[7],
        .scheduler = text[8],
        .dedup_id = text[9],
        .processed_by = text[10],
        .timestamp = time_of(text[11]),
        .processed_on = time_of(text[12]),
        .finished_on = time_of(text[13]),
        .delay_ms = number_of(text[14]) > 0 ? (uint64_t)number_of(text[14]) : 0,
        .priority = count_of(text[15]),
        .attempts_made = count_of(text[17].ptr != NULL ? text[17] : text[16]),
        .attempts_begun = count_of(text[18]),
        .stalled = count_of(text[19]),
    };
    return true;
}

bk_err bk_queue_job_state(bk_queue *queue, bk_str id, bk_job_state *state)
{
    bk_reply reply;

    *state = BK_JOB_UNKNOWN;
    BK_TRY(bk__admin_run(queue, &bk__script_state, BK_ARGS(bk_text(id)), &reply));
    if (reply.type != BK_REPLY_STR)
        return odd_answer(queue);
    if (bk_str_eq(reply.str, BK_LIT("wait")) || bk_str_eq(reply.str, BK_LIT("paused")))
        *state = BK_JOB_WAITING;
    for (int i = BK_JOB_PRIORITIZED; i <= BK_JOB_FAILED; i++)
        if (bk_str_eq(reply.str, bk_str_of(bk_job_state_name((bk_job_state)i))))
            *state = (bk_job_state)i;
    return BK_OK;
}

bk_err bk_queue_job(bk_queue *queue, bk_str id, bk_job_info *info)
{
    bk_arena *arena = bk_fiber_arena();
    bk_str key = bk__queue_key(arena, queue, id);
    bk_reply hash;

    BK_TRY(bk_redis_run(queue->redis, ask_fields, BK_ARGS(bk_text(key)), &hash));
    if (!fill(bk_arena_dup(arena, id), &hash, info))
        return bk_fail(BK_ENOTFOUND, "there is no job %.*s", BK_PRI(id));
    return bk_queue_job_state(queue, id, &info->state);
}

/* --- pages ------------------------------------------------------------------------------------ */

/* The ids of a page, in the order in which they are shown. */
BK_YIELDS static bk_err page_of_ids(bk_queue *queue, bk_job_state state, int64_t from,
                                    int64_t count, bk_reply *ids)
{
    bool is_list = state == BK_JOB_WAITING || state == BK_JOB_ACTIVE;
    bool newest = state == BK_JOB_COMPLETED || state == BK_JOB_FAILED;
    const char *name = state == BK_JOB_WAITING ? "wait" : bk_job_state_name(state);
    bk_str key = bk__queue_key(bk_fiber_arena(), queue, bk_str_of(name));
    int64_t first = from, last = from + count - 1;

    if (is_list) { /* from the right end */
        first = -from - count;
        last = -from - 1;
    }
    BK_TRY(bk_redis_run(queue->redis,
                        is_list  ? "LRANGE $1 $2 $3"
                        : newest ? "ZREVRANGE $1 $2 $3"
                                 : "ZRANGE $1 $2 $3",
                        BK_ARGS(bk_text(key), bk_i64(first), bk_i64(last)), ids));
    return ids->type == BK_REPLY_ARRAY ? BK_OK : odd_answer(queue);
}

bk_err bk_queue_jobs(bk_queue *queue, bk_job_state state, uint32_t from, uint32_t count,
                     const bk_job_info **jobs, size_t *found)
{
    bk_arena *arena = bk_fiber_arena();
    bk_redis_batch *batch = bk_redis_batch_open(queue->redis);
    bool is_list = state == BK_JOB_WAITING || state == BK_JOB_ACTIVE;
    bk_reply ids;

    *found = 0;
    *jobs = NULL;
    if (state == BK_JOB_UNKNOWN)
        return bk_fail(BK_EINVAL, "jobs of no state cannot be listed");
    if (count == 0)
        return BK_OK;
    BK_TRY(page_of_ids(queue, state, from, count < PAGE_MAX ? count : PAGE_MAX, &ids));
    if (ids.count == 0)
        return BK_OK;
    bk_reply *hashes = bk_arena_zalloc(arena, ids.count * sizeof *hashes);
    bk_job_info *out = bk_arena_alloc(arena, ids.count * sizeof *out);
    for (size_t i = 0; i < ids.count; i++) {
        bk_str key = bk__queue_key(arena, queue, ids.items[i].str);
        bk_redis_batch_add(batch, ask_fields, BK_ARGS(bk_text(key)), &hashes[i]);
    }
    BK_TRY(bk_redis_batch_run(batch));
    for (size_t n = 0; n < ids.count; n++) {
        size_t i = is_list ? ids.count - 1 - n : n;
        if (!fill(ids.items[i].str, &hashes[i], &out[*found]))
            continue;
        out[*found].state = state;
        (*found)++;
    }
    *jobs = out;
    return BK_OK;
}

bk_err bk_queue_job_logs(bk_queue *queue, bk_str id, uint32_t from, uint32_t count, bk_array *lines)
{
    bk_arena *arena = bk_fiber_arena();
    bk_str key = bk_arena_printf(arena, "%.*s%.*s:logs", BK_PRI(queue->base), BK_PRI(id));
    bk_reply reply;

    *lines = (bk_array){NULL, 0};
    if (count == 0)
        return BK_OK;
    BK_TRY(bk_redis_run(queue->redis, "LRANGE $1 $2 $3",
                        BK_ARGS(bk_text(key), bk_i64(from), bk_i64((int64_t)from + count - 1)),
                        &reply));
    if (reply.type != BK_REPLY_ARRAY)
        return odd_answer(queue);
    bk_str *out = bk_arena_alloc(arena, reply.count * sizeof *out);
    for (size_t i = 0; i < reply.count; i++)
        out[i] = reply.items[i].str;
    *lines = (bk_array){out, reply.count};
    return BK_OK;
}

bk_err bk_queue_get_metrics(bk_queue *queue, bk_job_state state, bk_queue_metrics *metrics)
{
    bk_arena *arena = bk_fiber_arena();
    bk_redis_batch *batch = bk_redis_batch_open(queue->redis);
    bk_str key =
        bk_arena_printf(arena, "%.*smetrics:%s", BK_PRI(queue->base), bk_job_state_name(state));
    bk_str data = bk_arena_printf(arena, "%.*s:data", BK_PRI(key));
    bk_reply head, points;

    *metrics = (bk_queue_metrics){0};
    if (state != BK_JOB_COMPLETED && state != BK_JOB_FAILED)
        return bk_fail(BK_EINVAL, "metrics are of completed or failed jobs");
    bk_redis_batch_add(batch, "HMGET $1 count prevTS", BK_ARGS(bk_text(key)), &head);
    bk_redis_batch_add(batch, "LRANGE $1 0 -1", BK_ARGS(bk_text(data)), &points);
    BK_TRY(bk_redis_batch_run(batch));
    if (head.type != BK_REPLY_ARRAY || head.count != 2 || points.type != BK_REPLY_ARRAY)
        return odd_answer(queue);
    int64_t *minutes = bk_arena_alloc(arena, points.count * sizeof *minutes);
    for (size_t i = 0; i < points.count; i++)
        minutes[i] = (int64_t)number_of(points.items[i].str);
    *metrics = (bk_queue_metrics){
        .count = (int64_t)number_of(head.items[0].str),
        .since = time_of(head.items[1].str),
        .minutes = minutes,
        .points = points.count,
    };
    return BK_OK;
}
