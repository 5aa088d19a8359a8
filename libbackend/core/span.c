/*
 * span.c: what is said of a span, and the ring of those that have ended.
 */
#include "core/span.h"

#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "core/arena.h"
#include "core/assert.h"
#include "core/task.h"

/* A span of bk_span_begin(), in its task's arena. One that has ended is used again: a fiber that
 * never ends must not grow by each. */
struct bk_span {
    struct bk__trace trace;         /* the task's while it is the present one */
    const struct bk__trace *around; /* the task's before and afterwards */
    struct bk__task *task;
    uint64_t begun_ns;
    struct bk__span *room; /* for what is kept; NULL until somebody wants it */
    struct bk__span *kept; /* room, or NULL: nobody wants it */
    struct bk_span *next;  /* in task.spare_spans */
};

static _Thread_local struct {
    struct bk__span *ring; /* NULL: nobody exports */
    size_t capacity, first, count;
    uint64_t dropped;
    void (*on_half)(void *data); /* may be NULL */
    void *on_half_data;
} spans;

/* --- the ring --------------------------------------------------------------------------------- */

void bk__spans_open(size_t capacity)
{
    bk_assert(spans.ring == NULL && capacity != 0);
    spans.ring = calloc(capacity, sizeof *spans.ring);
    bk_assert(spans.ring != NULL);
    spans.capacity = capacity;
    spans.first = spans.count = 0;
    spans.dropped = 0;
}

void bk__spans_close(void)
{
    free(spans.ring);
    spans.ring = NULL;
    spans.count = 0;
    spans.on_half = NULL;
}

void bk__spans_on_half(void (*fn)(void *data), void *data)
{
    spans.on_half = fn;
    spans.on_half_data = data;
}

size_t bk__spans_waiting(void)
{
    return spans.count;
}

bool bk__spans_want(const struct bk__trace *trace)
{
    return spans.ring != NULL && bk__trace_is_sampled(trace);
}

void bk__spans_put(const struct bk__span *span)
{
    if (spans.ring == NULL)
        return; /* it was closed meanwhile */
    if (spans.count == spans.capacity) {
        spans.dropped++;
        return;
    }
    spans.ring[(spans.first + spans.count++) % spans.capacity] = *span;
    if (spans.count == (spans.capacity + 1) / 2 && spans.on_half != NULL)
        spans.on_half(spans.on_half_data);
}

size_t bk__spans_take(struct bk__span *out, size_t max)
{
    size_t taken = 0;

    while (taken < max && spans.count > 0) {
        out[taken++] = spans.ring[spans.first];
        spans.first = (spans.first + 1) % spans.capacity;
        spans.count--;
    }
    return taken;
}

uint64_t bk__spans_dropped(void)
{
    return spans.dropped;
}

/* --- what is said of one ---------------------------------------------------------------------- */

void bk__span_init(struct bk__span *span, const struct bk__trace *trace, bk_str name,
                   bk_span_kind kind)
{
    size_t len = name.len < BK__SPAN_NAME ? name.len : BK__SPAN_NAME;

    *span = (struct bk__span){.kind = kind, .begun = bk_time_now(), .name_len = (uint16_t)len};
    memcpy(span->trace_id, trace->log.id, BK__TRACE_ID);
    memcpy(span->span_id, trace->log.span, BK__SPAN_ID);
    memcpy(span->parent_id, trace->parent, BK__SPAN_ID);
    if (len != 0)
        memcpy(span->name, name.ptr, len);
}

static struct bk__span_attr *add(struct bk__span *span, const char *key)
{
    if (span->attr_count == BK__SPAN_ATTRS)
        return NULL;
    struct bk__span_attr *attr = &span->attrs[span->attr_count++];
    *attr = (struct bk__span_attr){.key = key};
    return attr;
}

void bk__span_add_i64(struct bk__span *span, const char *key, int64_t value)
{
    struct bk__span_attr *attr = add(span, key);

    if (attr != NULL)
        attr->i64 = value;
}

void bk__span_add_str(struct bk__span *span, const char *key, bk_str value)
{
    if (value.len > BK__SPAN_TEXT - (size_t)span->text_len)
        return;
    struct bk__span_attr *attr = add(span, key);
    if (attr == NULL)
        return;
    attr->is_text = true;
    attr->text_at = span->text_len;
    attr->text_len = (uint16_t)value.len;
    if (value.len != 0)
        memcpy(span->text + span->text_len, value.ptr, value.len);
    span->text_len = (uint16_t)(span->text_len + value.len);
}

/* --- spans of the application ----------------------------------------------------------------- */

static bk_span *take_spare(struct bk__task *task)
{
    bk_span *span = task->spare_spans;

    if (span == NULL) {
        span = bk__arena_get(&task->arena, sizeof *span);
        span->room = NULL;
    } else {
        task->spare_spans = span->next;
    }
    return span;
}

bk_span *bk_span_begin(const char *name, bk_span_kind kind)
{
    struct bk__task *task = bk__task_current;

    if (task == NULL || task->trace == NULL)
        return NULL;
    bk_span *span = take_spare(task);
    span->around = task->trace;
    span->task = task;
    span->begun_ns = bk_now_ns();
    span->kept = NULL;
    bk__trace_child(span->around, &span->trace);
    task->trace = &span->trace;
    if (bk__spans_want(&span->trace)) {
        if (span->room == NULL)
            span->room = bk__arena_get(&task->arena, sizeof *span->room);
        span->kept = span->room;
        bk__span_init(span->kept, &span->trace, bk_str_of(name), kind);
    }
    return span;
}

void bk_span_str(bk_span *span, const char *key, bk_str value)
{
    if (span != NULL && span->kept != NULL)
        bk__span_add_str(span->kept, key, value);
}

void bk_span_i64(bk_span *span, const char *key, int64_t value)
{
    if (span != NULL && span->kept != NULL)
        bk__span_add_i64(span->kept, key, value);
}

void bk_span_end(bk_span *span, bk_err err)
{
    if (span == NULL)
        return;
    bk_assert(span->task == bk__task_current && span->task->trace == &span->trace);
    span->task->trace = span->around;
    if (span->kept != NULL) {
        span->kept->err = err;
        span->kept->duration_ns = bk_now_ns() - span->begun_ns;
        bk__spans_put(span->kept);
    }
    span->next = span->task->spare_spans;
    span->task->spare_spans = span;
}
