/*
 * outcome.c: what becomes of a job: completed, retried and when, failed for good.
 */
#include <math.h>
#include <stdlib.h>

#include <backend/json.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/random.h"
#include "queue/worker.h"

#define DELAY_MAX_MS 1e12 /* 31 years: a backoff that doubles gets anywhere */

/* --- stored options --------------------------------------------------------------------------- */

/* The parts whose type varies are kept as text. */
struct raw_opts {
    bk_str attempts, backoff, on_complete, on_fail, keep_logs, traces, lifo, trace;
};

BK_DESCRIBE(raw_desc, struct raw_opts, BK_JSON(attempts), BK_JSON(backoff),
            BK_JSON(on_complete, BK_KEY("removeOnComplete")),
            BK_JSON(on_fail, BK_KEY("removeOnFail")), BK_JSON(keep_logs, BK_KEY("kl")),
            BK_JSON(traces, BK_KEY("stackTraceLimit")), BK_JSON(lifo), BK_JSON(trace, BK_KEY("tm")))

struct raw_backoff {
    bk_str type, delay, jitter;
};

BK_DESCRIBE(raw_backoff_desc, struct raw_backoff, BK_JSON(type), BK_JSON(delay), BK_JSON(jitter))

struct raw_keep {
    bk_str age, count;
};

BK_DESCRIBE(raw_keep_desc, struct raw_keep, BK_JSON(age), BK_JSON(count))

static bool read_number(bk_str text, double *out)
{
    if (text.ptr == NULL)
        return false;
    if (bk_str_to_f64(text, out) == BK_OK)
        return true;
    bk_error_clear();
    return false;
}

static int64_t whole(bk_str text, int64_t fallback)
{
    double number;

    if (!read_number(text, &number) || !(fabs(number) < 1e15))
        return fallback;
    return (int64_t)number;
}

/* Of a JSON string; absent where it is something else. */
static bk_str string_of(bk_arena *arena, bk_str json)
{
    bk_json *value = NULL;

    if (json.len == 0 || json.ptr[0] != '"')
        return (bk_str){NULL, 0};
    if (bk_json_parse(arena, json, NULL, &value) == BK_OK)
        return bk_json_str(value);
    bk_error_clear();
    return (bk_str){NULL, 0};
}

static bool read_object(bk_arena *arena, bk_str text, bk_desc_fn desc, void *out)
{
    if (text.len == 0 || text.ptr[0] != '{')
        return false;
    if (bk_bind_json(arena, text, desc, NULL, out) == BK_OK)
        return true;
    bk_error_clear();
    return false;
}

static void read_retention(bk_arena *arena, bk_str text, struct bk__retention *out)
{
    struct raw_keep keep;
    double number;

    *out = (struct bk__retention){false, -1, -1};
    if (text.ptr == NULL || bk_str_eq(text, BK_LIT("null")))
        return;
    out->said = true;
    if (bk_str_eq(text, BK_LIT("true"))) {
        out->count = 0;
    } else if (read_number(text, &number)) {
        out->count = number < 0 ? -1 : whole(text, -1);
    } else if (read_object(arena, text, raw_keep_desc, &keep)) {
        out->count = whole(keep.count, -1);
        out->age_s = whole(keep.age, -1);
    }
}

static void read_backoff(bk_arena *arena, bk_str text, struct bk__stored_opts *out)
{
    struct raw_backoff backoff;

    if (read_number(text, &out->backoff_ms)) /* of a scheduler's template */
        return;
    if (!read_object(arena, text, raw_backoff_desc, &backoff))
        return;
    (void)read_number(backoff.delay, &out->backoff_ms);
    (void)read_number(backoff.jitter, &out->jitter);
    out->exponential = bk_str_eq(backoff.type, BK_LIT("\"exponential\""));
}

void bk__stored_opts_read(bk_arena *arena, bk_str json, struct bk__stored_opts *out)
{
    struct raw_opts raw = {0};

    *out = (struct bk__stored_opts){
        .stack_traces = -1, .completed = {false, -1, -1}, .failed = {false, -1, -1}};
    if (!read_object(arena, json, raw_desc, &raw))
        return;
    out->attempts = whole(raw.attempts, 0);
    out->keep_logs = whole(raw.keep_logs, 0);
    out->stack_traces = whole(raw.traces, -1);
    out->lifo = bk_str_eq(raw.lifo, BK_LIT("true"));
    out->trace = string_of(arena, raw.trace);
    read_backoff(arena, raw.backoff, out);
    read_retention(arena, raw.on_complete, &out->completed);
    read_retention(arena, raw.on_fail, &out->failed);
}

/* --- backoff ---------------------------------------------------------------------------------- */

int64_t bk__backoff_after(const struct bk__stored_opts *opts, int64_t nth, double chance)
{
    double ms = opts->backoff_ms;

    if (!(ms > 0))
        return 0;
    if (opts->exponential)
        ms = round(ldexp(ms, nth > 64 ? 64 : (int)nth - 1));
    if (!(ms < DELAY_MAX_MS))
        ms = DELAY_MAX_MS;
    if (opts->jitter > 0 && opts->jitter <= 1)
        ms = floor(ms * (1 - opts->jitter) + chance * ms * opts->jitter);
    return (int64_t)ms;
}

static double chance(void)
{
    uint32_t bits;

    bk__random(&bits, sizeof bits);
    return bits / 4294967296.0;
}

/* --- words ------------------------------------------------------------------------------------ */

/* The link that was recorded first has the cause. */
static bk_str words_of(bk_err err)
{
    bk_str words = bk_str_of(bk_err_text(err));

    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
        if (link->message.len != 0)
            words = link->message;
    return words;
}

/* As JavaScript shows an error: what, then where, the innermost first. */
static bk_str trace_of(const bk_job *job, bk_str reason)
{
    bk_buf buf = {.arena = job->arena};
    const bk_error_link *links[16];
    size_t count = 0;

    bk_buf_printf(&buf, "%s: %.*s", job->for_good ? "UnrecoverableError" : "Error", BK_PRI(reason));
    for (const bk_error_link *link = bk_error_chain(); link != NULL && count < 16;
         link = link->cause)
        links[count++] = link;
    while (count-- != 0) {
        bk_buf_printf(&buf, "\n    at %s:%d", links[count]->file, links[count]->line);
        if (links[count]->message.len != 0 && !bk_str_eq(links[count]->message, reason))
            bk_buf_printf(&buf, " (%.*s)", BK_PRI(links[count]->message));
    }
    return bk_buf_str(&buf);
}

/* The former ones, and this, cut to the newest `limit`. */
static bk_str traces_with(bk_job *job, bk_str trace)
{
    bk_arena *arena = job->arena;
    bk_json *all = NULL, *kept = bk_json_new_array(arena);
    int64_t limit = job->stored.stack_traces, skip = 0;
    bk_buf buf = {.arena = arena};

    if (job->stacktrace.len > 2 && bk_json_parse(arena, job->stacktrace, NULL, &all) != BK_OK) {
        bk_error_clear();
        all = NULL;
    }
    int64_t count =
        all != NULL && bk_json_type_of(all) == BK_JSON_ARRAY ? (int64_t)bk_json_len(all) : 0;
    if (limit >= 0 && count + 1 > limit)
        skip = count + 1 - limit;
    const bk_json *it = count != 0 ? bk_json_first(all) : NULL;
    for (; it != NULL; it = bk_json_next(it))
        if (skip > 0)
            skip--;
        else
            bk_json_append(kept, bk_json_new_str(arena, bk_json_str(it)));
    if (skip == 0)
        bk_json_append(kept, bk_json_new_str(arena, trace));
    bk_json_print(&buf, kept);
    return bk_buf_str(&buf);
}

/* --- judging ---------------------------------------------------------------------------------- */

static void fail_with(bk_job *job, bk_str reason)
{
    job->outcome = BK__FAILED;
    job->reason = reason;
    job->traces = traces_with(job, trace_of(job, reason));
}

void bk__job_fail(bk_job *job, bk_str reason)
{
    job->for_good = true;
    fail_with(job, reason);
}

void bk__job_give_back(bk_job *job)
{
    job->outcome = BK__RETURNED;
    job->delay_ms = 0;
}

static void judge_failure(bk_job *job, bk_err err)
{
    const bk_worker *worker = job->worker;
    uint32_t most = worker->opts.started_max;
    bk_str reason = job->cancelled_for != NULL ? bk_str_of(job->cancelled_for)
                    : job->failure.ptr != NULL ? job->failure
                                               : words_of(err);

    fail_with(job, bk_arena_dup(job->arena, reason));
    if (job->for_good || job->made + 1 >= job->stored.attempts ||
        (most != 0 && most != BK_UNLIMITED && job->started >= most))
        return;
    job->outcome = BK__RETRIED;
    job->delay_ms = bk__backoff_after(&job->stored, job->made + 1, chance());
}

void bk__job_judge(bk_job *job, bk_err err)
{
    bool told_to_stop = job->worker->stopping && job->fiber->cancelled;

    if (err == BK_OK)
        job->outcome = BK__COMPLETED;
    else if (job->hold_ms >= 0 && err == BK_ELIMITED)
        job->outcome = BK__RETURNED;
    else if (job->again_ms >= 0 && err == BK_EAGAIN) {
        job->outcome = BK__DELAYED;
        job->delay_ms = job->again_ms;
    } else if (told_to_stop && !job->for_good && job->cancelled_for == NULL)
        bk__job_give_back(job);
    else
        judge_failure(job, err);
}
