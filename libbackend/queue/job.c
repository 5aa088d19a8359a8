/*
 * job.c: a job and its options as they are written to Redis. See docs/protocol/queue.md.
 */
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/json.h>
#include <backend/str.h>

#include "core/assert.h"
#include "json/check.h"
#include "queue/queue.h"

enum {
    PRIORITY_MAX = (1 << 21) - 1,
    SIZE_DEFAULT = 1024 * 1024,
    TRACES_DEFAULT = 10,
    BACKOFF_MS = 1000,
    PAIRS_FIRST = 16
};

#define JITTER_DEFAULT 0.5

/* --- options ---------------------------------------------------------------------------------- */

static bool says_nothing(const bk_keep *keep)
{
    return !keep->remove && !keep->all && keep->count == 0 && keep->age_s == 0;
}

bk_job_opts bk__opts_merge(const bk_job_opts *under, const bk_job_opts *over)
{
    bk_job_opts out = *under;

    out.id = (bk_str){NULL, 0};
    out.dedup = (bk_dedup){0};
    if (over == NULL)
        return out;
    out.id = over->id;
    out.dedup = over->dedup;
    out.timestamp = over->timestamp;
    out.lifo |= over->lifo;
    if (over->attempts != 0)
        out.attempts = over->attempts;
    if (over->backoff.kind != BK_BACKOFF_DEFAULT)
        out.backoff = over->backoff;
    if (over->delay_ms != 0)
        out.delay_ms = over->delay_ms;
    if (over->priority != 0)
        out.priority = over->priority;
    if (!says_nothing(&over->keep_completed))
        out.keep_completed = over->keep_completed;
    if (!says_nothing(&over->keep_failed))
        out.keep_failed = over->keep_failed;
    if (over->keep_logs != 0)
        out.keep_logs = over->keep_logs;
    if (over->stack_traces != 0)
        out.stack_traces = over->stack_traces;
    if (over->size_limit != 0)
        out.size_limit = over->size_limit;
    return out;
}

bk_err bk__opts_check(const bk_job_opts *opts)
{
    if (opts->priority > PRIORITY_MAX)
        return bk_fail(BK_EINVAL, "a job's priority is at most %d, not %u", PRIORITY_MAX,
                       opts->priority);
    if (!(opts->backoff.jitter >= 0 && opts->backoff.jitter <= 1))
        return bk_fail(BK_EINVAL, "jitter is from 0 to 1, not %g", opts->backoff.jitter);
    if (opts->delay_ms > INT64_C(1) << 42)
        return bk_fail(BK_EINVAL, "a delay of more than 139 years");
    if (bk_str_present(opts->dedup.id) && opts->dedup.id.len == 0)
        return bk_fail(BK_EINVAL, "deduplication needs an id that is not empty");
    if (opts->dedup.id.len != 0 && !bk_str_utf8(opts->dedup.id))
        return bk_fail(BK_EINVAL, "a deduplication id is UTF-8");
    if (opts->id.len != 0)
        return bk__job_id_check(opts->id);
    return BK_OK;
}

static void write_i64(bk_json_writer *w, bk_str key, int64_t value)
{
    bk_json_write_key(w, key);
    bk_json_write_i64(w, value);
}

static void write_true(bk_json_writer *w, bk_str key, bool value)
{
    if (!value)
        return;
    bk_json_write_key(w, key);
    bk_json_write_bool(w, true);
}

static void write_backoff(bk_json_writer *w, const bk_job_opts *opts)
{
    bk_backoff backoff = opts->backoff;

    if (backoff.kind == BK_BACKOFF_NONE ||
        (backoff.kind == BK_BACKOFF_DEFAULT && opts->attempts < 2))
        return;
    if (backoff.kind == BK_BACKOFF_DEFAULT)
        backoff = (bk_backoff){BK_BACKOFF_EXPONENTIAL, BACKOFF_MS, JITTER_DEFAULT};
    bk_json_write_key(w, BK_LIT("backoff"));
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("type"));
    bk_json_write_str(w,
                      backoff.kind == BK_BACKOFF_FIXED ? BK_LIT("fixed") : BK_LIT("exponential"));
    write_i64(w, BK_LIT("delay"), backoff.ms != 0 ? backoff.ms : BACKOFF_MS);
    if (backoff.jitter > 0) {
        bk_json_write_key(w, BK_LIT("jitter"));
        bk_json_write_f64(w, backoff.jitter);
    }
    bk_json_end_object(w);
}

static void write_keep(bk_json_writer *w, bk_str key, const bk_keep *keep)
{
    if (says_nothing(keep))
        return;
    bk_json_write_key(w, key);
    if (keep->remove || keep->all) {
        bk_json_write_bool(w, keep->remove);
    } else if (keep->age_s == 0) {
        bk_json_write_i64(w, keep->count);
    } else {
        bk_json_begin_object(w);
        write_i64(w, BK_LIT("age"), keep->age_s);
        if (keep->count != 0)
            write_i64(w, BK_LIT("count"), keep->count);
        bk_json_end_object(w);
    }
}

static void write_dedup(bk_json_writer *w, const bk_dedup *dedup)
{
    if (dedup->id.len == 0)
        return;
    bk_json_write_key(w, BK_LIT("de"));
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("id"));
    bk_json_write_str(w, dedup->id);
    if (dedup->ttl_ms != 0)
        write_i64(w, BK_LIT("ttl"), (int64_t)dedup->ttl_ms);
    write_true(w, BK_LIT("extend"), dedup->extend);
    write_true(w, BK_LIT("replace"), dedup->replace);
    write_true(w, BK_LIT("keepLastIfActive"), dedup->keep_last_if_active);
    bk_json_end_object(w);
}

/* What the library bounds by itself is said, so that Node's workers do the same. */
static void write_stack_traces(bk_json_writer *w, const bk_job_opts *opts)
{
    if (opts->stack_traces != 0 && opts->stack_traces != BK_UNLIMITED)
        write_i64(w, BK_LIT("stackTraceLimit"), opts->stack_traces);
    else if (opts->stack_traces == 0 && opts->attempts > TRACES_DEFAULT)
        write_i64(w, BK_LIT("stackTraceLimit"), TRACES_DEFAULT);
}

bk_str bk__opts_write(bk_arena *arena, const bk_job_opts *opts)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};

    bk_json_begin_object(&w);
    write_dedup(&w, &opts->dedup);
    if (opts->keep_logs != 0)
        write_i64(&w, BK_LIT("kl"), opts->keep_logs);
    write_true(&w, BK_LIT("lifo"), opts->lifo);
    if (opts->id.len != 0) {
        bk_json_write_key(&w, BK_LIT("jobId"));
        bk_json_write_str(&w, opts->id);
    }
    if (opts->timestamp != 0)
        write_i64(&w, BK_LIT("timestamp"), opts->timestamp / 1000);
    if (opts->priority != 0)
        write_i64(&w, BK_LIT("priority"), opts->priority);
    if (opts->delay_ms != 0)
        write_i64(&w, BK_LIT("delay"), (int64_t)opts->delay_ms);
    if (opts->size_limit != 0 && opts->size_limit != BK_UNLIMITED)
        write_i64(&w, BK_LIT("sizeLimit"), opts->size_limit);
    write_stack_traces(&w, opts);
    write_keep(&w, BK_LIT("removeOnComplete"), &opts->keep_completed);
    write_keep(&w, BK_LIT("removeOnFail"), &opts->keep_failed);
    write_backoff(&w, opts);
    bk__trace_write(&w, arena);
    write_i64(&w, BK_LIT("attempts"), opts->attempts);
    bk_json_end_object(&w);
    return bk_buf_str(&buf);
}

/* --- a new job -------------------------------------------------------------------------------- */

void bk__new_job_set(struct bk__new_job *job, bk_str name, bk_str value)
{
    /* The room doubles when the pairs have filled it: at 16 texts, at 32 ... */
    if (job->pair_count >= PAIRS_FIRST ? (job->pair_count & (job->pair_count - 1)) == 0
                                       : job->pair_count == 0) {
        size_t room = job->pair_count != 0 ? 2 * job->pair_count : PAIRS_FIRST;
        bk_str *more = bk_arena_alloc(job->arena, room * sizeof *more);
        for (size_t i = 0; i < job->pair_count; i++)
            more[i] = job->pairs[i];
        job->pairs = more;
    }
    job->pairs[job->pair_count++] = name;
    job->pairs[job->pair_count++] = value;
}

void bk__new_job_set_i64(struct bk__new_job *job, bk_str name, int64_t value)
{
    bk__new_job_set(job, name, bk_arena_printf(job->arena, "%lld", (long long)value));
}

static void set_flag(struct bk__new_job *job, bk_str name, bool value)
{
    if (value)
        bk__new_job_set(job, name, BK_LIT("1"));
}

static void set_all(struct bk__new_job *job, const bk_job_opts *opts)
{
    if (opts->id.len != 0)
        bk__new_job_set(job, BK_LIT("id"), opts->id);
    if (opts->timestamp != 0)
        bk__new_job_set_i64(job, BK_LIT("timestamp"), opts->timestamp / 1000);
    if (opts->delay_ms != 0)
        bk__new_job_set_i64(job, BK_LIT("delay"), (int64_t)opts->delay_ms);
    if (opts->priority != 0)
        bk__new_job_set_i64(job, BK_LIT("priority"), opts->priority);
    set_flag(job, BK_LIT("lifo"), opts->lifo);
    if (opts->dedup.id.len == 0)
        return;
    bk__new_job_set(job, BK_LIT("deid"), opts->dedup.id);
    if (opts->dedup.ttl_ms != 0)
        bk__new_job_set_i64(job, BK_LIT("ttl"), (int64_t)opts->dedup.ttl_ms);
    set_flag(job, BK_LIT("extend"), opts->dedup.extend);
    set_flag(job, BK_LIT("replace"), opts->dedup.replace);
    set_flag(job, BK_LIT("keep_last"), opts->dedup.keep_last_if_active);
}

static bk_err write_payload(const bk_job_spec *spec, bk_arena *arena, bk_str *out)
{
    if (spec->desc != NULL) {
        bk_buf buf = {.arena = arena};
        bk_write_json(&buf, spec->desc, spec->payload);
        *out = bk_buf_str(&buf);
        return BK_OK;
    }
    *out = bk_str_present(spec->json) ? spec->json : BK_LIT("{}");
    if (bk__json_valid(*out))
        return BK_OK;
    return bk_fail(BK_EINVAL, "the payload of a job \"%s\" is no JSON", spec->name);
}

bk_err bk__new_job_make(const bk_queue *queue, const bk_job_spec *spec, bk_arena *arena,
                        struct bk__new_job *out)
{
    bk_job_opts opts = bk__opts_merge(&queue->job, spec->opts);
    uint32_t limit = opts.size_limit != 0 ? opts.size_limit : SIZE_DEFAULT;

    bk_assert(spec->name != NULL);
    *out = (struct bk__new_job){.arena = arena, .name = bk_str_of(spec->name)};
    if (!bk_str_utf8(out->name))
        return bk_fail(BK_EINVAL, "a job's name is UTF-8");
    BK_TRY(bk__opts_check(&opts));
    BK_TRY(write_payload(spec, arena, &out->data));
    if (limit != BK_UNLIMITED && out->data.len > limit)
        return bk_fail(BK_ETOOBIG, "the payload of a job \"%s\" has %zu bytes, it may have %u",
                       spec->name, out->data.len, limit);
    out->opts = bk__opts_write(arena, &opts);
    set_all(out, &opts);
    return BK_OK;
}
