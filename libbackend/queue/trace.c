/*
 * trace.c: a job goes on with the trace that it was added in.
 *
 * It travels where BullMQ's telemetry has it: opts.tm is the text of a JSON object with the fields
 * of W3C Trace Context.
 */
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/json.h>
#include <backend/str.h>
#include <backend/trace.h>

#include "core/span.h"
#include "queue/worker.h"

/* --- with a new job --------------------------------------------------------------------------- */

void bk__trace_write(bk_json_writer *w, bk_arena *arena)
{
    bk_str parent = bk_trace_header(arena), state = bk_trace_state();
    bk_buf text = {.arena = arena};
    bk_json_writer fields = {.buf = &text};

    if (!bk_str_present(parent))
        return;
    bk_json_begin_object(&fields);
    bk_json_write_key(&fields, BK_LIT("traceparent"));
    bk_json_write_str(&fields, parent);
    if (bk_str_present(state)) {
        bk_json_write_key(&fields, BK_LIT("tracestate"));
        bk_json_write_str(&fields, state);
    }
    bk_json_end_object(&fields);
    bk_json_write_key(w, BK_LIT("tm"));
    bk_json_write_str(w, bk_buf_str(&text));
}

/* --- while it runs ---------------------------------------------------------------------------- */

struct bk__job_trace {
    struct bk__trace trace;
    struct bk__span *span; /* NULL: nobody records it */
    uint64_t begun_ns;
};

static bk_str text_of(const bk_json *object, bk_str key)
{
    const bk_json *member = bk_json_get(object, key);

    return bk_json_type_of(member) == BK_JSON_STRING ? bk_json_str(member) : (bk_str){NULL, 0};
}

/* What is odd in it is as if there were none: it is another program's. */
static bool is_continued(bk_job *job, struct bk__trace *out)
{
    bk_json *fields = NULL;

    if (bk_json_parse(job->arena, job->stored.trace, NULL, &fields) != BK_OK) {
        bk_error_clear();
        return false;
    }
    bk_str parent = text_of(fields, BK_LIT("traceparent"));
    bk_str state = text_of(fields, BK_LIT("tracestate"));
    if (!bk_str_present(parent) || !bk__trace_continue(parent, out))
        return false;
    if (bk_str_present(state) && bk__trace_state_fits(state))
        out->state = state;
    return true;
}

/* By OpenTelemetry's conventions for messaging. */
static void describe(const bk_job *job, struct bk__span *span)
{
    bk__span_add_str(span, "messaging.system", BK_LIT("bullmq"));
    bk__span_add_str(span, "messaging.operation.type", BK_LIT("process"));
    bk__span_add_str(span, "messaging.destination.name", bk_str_of(job->worker->queue->name));
    bk__span_add_i64(span, "bullmq.job.attempts", job->started);
    bk__span_add_str(span, "bullmq.job.name", job->name);
    bk__span_add_str(span, "messaging.message.id", job->id);
}

struct bk__job_trace *bk__job_trace_begin(bk_job *job)
{
    struct bk__job_trace *self;

    if (!bk_str_present(job->stored.trace))
        return NULL;
    self = BK_NEW(job->arena, struct bk__job_trace);
    if (!is_continued(job, &self->trace))
        return NULL;
    job->fiber->task.trace = &self->trace;
    if (!bk__spans_want(&self->trace))
        return self;
    self->span = BK_NEW(job->arena, struct bk__span);
    self->begun_ns = bk_now_ns();
    bk__span_init(self->span, &self->trace,
                  bk_arena_printf(job->arena, "process %s", job->worker->queue->name),
                  BK_SPAN_CONSUMER);
    describe(job, self->span);
    return self;
}

void bk__job_trace_end(struct bk__job_trace *self, bk_err err)
{
    if (self == NULL || self->span == NULL)
        return;
    self->span->err = err;
    self->span->duration_ns = bk_now_ns() - self->begun_ns;
    bk__spans_put(self->span);
}
