/*
 * check.c: is Redis fit for queues?
 */
#include <backend/log.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "queue/worker.h"

#define NEWEST_KNOWN 6 /* major version of BullMQ whose layout this is */

/* The value of a line "name:value" of INFO; absent when there is none. */
static bk_str info_value(bk_str info, bk_str name)
{
    bk_str line;

    while (bk_str_split(&info, '\n', &line))
        if (bk_str_starts(line, name) && line.len > name.len && line.ptr[name.len] == ':') {
            bk_str value = bk_str_at(line.ptr + name.len + 1, line.len - name.len - 1);
            return bk_str_starts(bk_str_at(value.ptr + value.len - 1, 1), BK_LIT("\r"))
                       ? bk_str_at(value.ptr, value.len - 1)
                       : value;
        }
    return (bk_str){NULL, 0};
}

BK_YIELDS static bk_err check_eviction(const bk_worker *worker)
{
    bk_str info;
    bk_err err = bk_redis_str(worker->queue->redis, "INFO memory", BK_NO_ARGS, &info);

    if (err != BK_OK) {
        bk_warn("queue.not_checked", bk_kv_cstr("queue", worker->queue->name),
                bk_kv_str("why", bk_error_chain()->message));
        bk_error_clear();
        return BK_OK;
    }
    bk_str policy = info_value(info, BK_LIT("maxmemory_policy"));
    if (policy.len == 0 || bk_str_eq(policy, BK_LIT("noeviction")))
        return BK_OK;
    if (worker->opts.refuse_eviction)
        return bk_fail(BK_EINVAL,
                       "queue %s: Redis has maxmemory-policy %.*s and would throw jobs away; it "
                       "must be noeviction",
                       worker->queue->name, BK_PRI(policy));
    bk_error("queue.redis_evicts", bk_kv_cstr("queue", worker->queue->name),
             bk_kv_str("maxmemory-policy", policy),
             bk_kv_cstr("detail", "jobs will be lost: it must be noeviction"));
    return BK_OK;
}

/* "bullmq:7.1.0": a Node program of another age has been here. */
BK_YIELDS static void check_version(const bk_worker *worker)
{
    bk_str key = bk__queue_key(bk_fiber_arena(), worker->queue, BK_LIT("meta"));
    bk_str version, major, rest;
    int64_t number;

    if (bk_redis_str(worker->queue->redis, "HGET $1 version", BK_ARGS(bk_text(key)), &version) !=
        BK_OK) {
        bk_error_clear();
        return;
    }
    if (!bk_str_starts(version, BK_LIT("bullmq:")))
        return;
    rest = bk_str_at(version.ptr + 7, version.len - 7);
    (void)bk_str_split(&rest, '.', &major);
    if (bk_str_to_i64(major, &number) != BK_OK)
        bk_error_clear();
    else if (number > NEWEST_KNOWN)
        bk_warn("queue.newer_version", bk_kv_cstr("queue", worker->queue->name),
                bk_kv_str("version", version), bk_kv_i64("known", NEWEST_KNOWN));
}

bk_err bk__worker_check_redis(const bk_worker *worker)
{
    BK_TRY(check_eviction(worker));
    check_version(worker);
    return BK_OK;
}
