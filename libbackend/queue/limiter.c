/*
 * limiter.c: so many starts of jobs that have the same value in a member of their payload.
 *
 * The count lies in Redis, so that all workers share it. The limit of a whole queue is
 * settle.lua's.
 */
#include <backend/arena.h>
#include <backend/json.h>
#include <backend/log.h>
#include <backend/str.h>

#include "queue/scripts.h"
#include "queue/worker.h"

/* The value as text; absent when there is none: such jobs are not limited. */
static bk_str group_of(bk_job *job)
{
    bk_json *payload;
    bk_buf buf = {.arena = job->arena};

    if (bk_json_parse(job->arena, bk_job_data(job), NULL, &payload) != BK_OK) {
        bk_error_clear();
        return (bk_str){NULL, 0};
    }
    const bk_json *value = bk_json_get(payload, bk_str_of(job->worker->group_key));
    if (value == NULL || bk_json_type_of(value) == BK_JSON_NULL)
        return (bk_str){NULL, 0};
    bk_json_print(&buf, value);
    return bk_buf_str(&buf);
}

bool bk__group_is_full(bk_job *job)
{
    const bk_worker *worker = job->worker;
    const bk_job_limit *limit = &worker->opts.group_limit;
    struct bk__argv argv;
    bk_reply reply = {0};

    if (limit->max == 0)
        return false;
    bk_str group = group_of(job);
    if (group.ptr == NULL)
        return false;
    bk__argv_init(&argv);
    bk__script_begin(&argv, &bk__script_group, worker->queue->base);
    bk__argv_push(&argv, group);
    bk__argv_push_i64(&argv, limit->max);
    bk__argv_push_i64(&argv, limit->per_ms);
    bk_err err = bk__script_run(worker->queue->redis, &bk__script_group, &argv, &reply);
    bk__argv_fini(&argv);
    if (err != BK_OK) { /* whoever cannot be counted waits */
        bk_error_clear();
        reply = (bk_reply){.type = BK_REPLY_I64, .i64 = limit->per_ms};
    }
    if (reply.type != BK_REPLY_I64 || reply.i64 == 0)
        return false;
    job->outcome = BK__DELAYED;
    job->delay_ms = reply.i64;
    return true;
}
