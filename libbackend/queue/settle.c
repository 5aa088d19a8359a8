/*
 * settle.c: the words of the call that ends jobs and takes others. scripts/settle.lua reads them.
 */
#include <stdio.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/describe.h>
#include <backend/str.h>

#include "core/assert.h"
#include "queue/scripts.h"
#include "queue/worker.h"

struct parent_link {
    bk_str id, queue_key;
    bool fpof, cpof, idof, rdof;
};

BK_DESCRIBE(parent_desc, struct parent_link, BK_STR(id), BK_STR(queue_key, BK_KEY("queueKey")),
            BK_BOOL(fpof), BK_BOOL(cpof), BK_BOOL(idof), BK_BOOL(rdof))

static size_t push_parent(struct bk__argv *argv, bk_job *job)
{
    struct parent_link link = {0};
    bk_str at, policy = BK_LIT("");

    if (job->parent_key.len == 0)
        return 0;
    if (bk_bind_json(&argv->text, job->parent, parent_desc, NULL, &link) != BK_OK)
        bk_error_clear();
    if (link.fpof)
        policy = BK_LIT("fpof");
    else if (link.cpof)
        policy = BK_LIT("cpof");
    else if (link.idof)
        policy = BK_LIT("idof");
    else if (link.rdof)
        policy = BK_LIT("rdof");
    if (link.id.len == 0 || link.queue_key.len == 0) {
        const char *colon = memrchr(job->parent_key.ptr, ':', job->parent_key.len);
        if (colon == NULL)
            return 0;
        at = bk_str_at(job->parent_key.ptr, (size_t)(colon + 1 - job->parent_key.ptr));
        link.id = bk_str_at(colon + 1, job->parent_key.len - at.len);
    } else {
        at = bk_arena_printf(&argv->text, "%.*s:", BK_PRI(link.queue_key));
    }
    bk__argv_pair(argv, BK_LIT("parentKey"), job->parent_key);
    bk__argv_pair(argv, BK_LIT("parentAt"), at);
    bk__argv_pair(argv, BK_LIT("parentId"), link.id);
    bk__argv_pair(argv, BK_LIT("policy"), policy);
    return 4;
}

/* What its kin must know of its end. */
static size_t push_kin(struct bk__argv *argv, bk_job *job)
{
    size_t pairs = push_parent(argv, job);

    if (job->dedup_id.len == 0)
        return pairs;
    bk__argv_pair(argv, BK_LIT("deid"), job->dedup_id);
    return pairs + 1;
}

static size_t push_place(struct bk__argv *argv, const bk_job *job)
{
    bk__argv_pair_i64(argv, BK_LIT("delay"), job->delay_ms);
    bk__argv_pair_i64(argv, BK_LIT("priority"), job->priority);
    return 2;
}

static size_t push_pairs(struct bk__argv *argv, bk_job *job)
{
    size_t pairs = 0;

    switch (job->outcome) {
    case BK__COMPLETED:
        return push_kin(argv, job);
    case BK__FAILED:
        bk__argv_pair(argv, BK_LIT("stacktrace"), job->traces);
        bk__argv_pair_i64(argv, BK_LIT("attempts"), job->stored.attempts);
        return 2 + push_kin(argv, job);
    case BK__RETRIED:
        bk__argv_pair(argv, BK_LIT("stacktrace"), job->traces);
        pairs = 1 + push_place(argv, job);
        if (job->stored.lifo) {
            bk__argv_pair(argv, BK_LIT("lifo"), BK_LIT("1"));
            pairs++;
        }
        return pairs;
    case BK__DELAYED:
        return push_place(argv, job);
    case BK__RETURNED:
        pairs = push_place(argv, job);
        if (job->hold_ms > 0) {
            bk__argv_pair_i64(argv, BK_LIT("hold"), job->hold_ms);
            pairs++;
        }
        return pairs;
    }
    bk_unreachable("a job that is not judged");
}

static void retention_of(const bk_job *job, int64_t *count, int64_t *age_s)
{
    bool completed = job->outcome == BK__COMPLETED;
    const struct bk__retention *said = completed ? &job->stored.completed : &job->stored.failed;
    const bk_keep *keep =
        completed ? &job->worker->opts.keep_completed : &job->worker->opts.keep_failed;

    *count = said->count;
    *age_s = said->age_s;
    if (said->said)
        return;
    *count = keep->remove ? 0 : -1;
    *age_s = -1;
    if (keep->remove || keep->all)
        return;
    if (keep->count != 0)
        *count = keep->count;
    if (keep->age_s != 0)
        *age_s = keep->age_s;
}

static void push_outcome(struct bk__argv *argv, bk_job *job)
{
    char kind[1] = {(char)job->outcome};
    bool ends = job->outcome == BK__COMPLETED || job->outcome == BK__FAILED;
    bool counts = ends || job->outcome == BK__RETRIED;
    int64_t count = -1, age_s = -1;

    if (ends)
        retention_of(job, &count, &age_s);
    bk__argv_push(argv, bk_arena_dup(&argv->text, bk_str_at(kind, 1)));
    bk__argv_push(argv, job->id);
    bk__argv_push(argv, job->lock.token);
    if (job->outcome == BK__COMPLETED)
        bk__argv_push(argv, job->value.ptr != NULL ? job->value : BK_LIT("null"));
    else
        bk__argv_push(argv, job->reason);
    bk__argv_push_i64(argv, job->made + counts);
    bk__argv_push_i64(argv, count);
    bk__argv_push_i64(argv, age_s);
    size_t at = argv->count;
    bk__argv_push(argv, BK_LIT("0"));
    size_t pairs = push_pairs(argv, job);
    if (pairs != 0)
        bk__argv_set_i64(argv, at, (int64_t)pairs);
}

static void push_limit(struct bk__argv *argv, const bk_job_limit *limit)
{
    if (limit->max == 0) {
        bk__argv_push(argv, BK_LIT(""));
        bk__argv_push(argv, BK_LIT(""));
        return;
    }
    bk__argv_push_i64(argv, limit->max);
    bk__argv_push_i64(argv, limit->per_ms);
}

void bk__settle_build(bk_worker *worker, size_t want)
{
    struct bk__argv *argv = &worker->call.argv;
    size_t count = 0;

    snprintf(worker->token, sizeof worker->token, "%s:%llu", worker->token_base,
             (unsigned long long)++worker->fetches);
    bk__script_begin(argv, &bk__script_settle, worker->queue->base);
    bk__argv_push_i64(argv, bk__queue_now());
    bk__argv_push(argv, bk_str_of(worker->token));
    bk__argv_push_i64(argv, worker->opts.lock_ms);
    bk__argv_push_i64(argv, (int64_t)want);
    bk__argv_push(argv, bk_str_of(worker->name));
    push_limit(argv, &worker->opts.limit);
    bk__argv_push_i64(argv, worker->opts.metrics_minutes);
    size_t at = argv->count;
    bk__argv_push(argv, BK_LIT("0"));
    bk__list_each(it, &worker->settling) {
        push_outcome(argv, bk__container_of(it, bk_job, judged));
        count++;
    }
    bk__argv_set_i64(argv, at, (int64_t)count);
}
