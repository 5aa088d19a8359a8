/*
 * span.h: spans that have ended, kept until an exporter takes them away.
 *
 * Each thread that runs an app has a ring of its own, if anybody exports: bk__spans_open(). Without
 * one nothing is kept. What does not fit is dropped and counted, the newest first: a slow collector
 * costs spans and no memory.
 */
#ifndef BK_CORE_SPAN_H
#define BK_CORE_SPAN_H

#include <backend/clock.h>
#include <backend/trace.h>

#include "core/trace.h"

#define BK__SPAN_NAME  64
#define BK__SPAN_ATTRS 8
#define BK__SPAN_TEXT  192

struct bk__span_attr {
    const char *key; /* static */
    int64_t i64;
    uint16_t text_at, text_len; /* in bk__span.text, when is_text */
    bool is_text;
};

struct bk__span {
    char trace_id[BK__TRACE_ID]; /* hexadecimal, as the next two */
    char span_id[BK__SPAN_ID];
    char parent_id[BK__SPAN_ID]; /* zeros: none */
    bk_span_kind kind;
    bk_err err;           /* BK_OK: nothing went wrong */
    bk_time begun;        /* time of day, as exact as the loop's clock */
    uint64_t duration_ns; /* exact */
    uint16_t name_len, text_len;
    uint8_t attr_count;
    char name[BK__SPAN_NAME];
    struct bk__span_attr attrs[BK__SPAN_ATTRS];
    char text[BK__SPAN_TEXT];
};

/* Fills in what is known when it begins. Attributes are added by the next two. */
void bk__span_init(struct bk__span *span, const struct bk__trace *trace, bk_str name,
                   bk_span_kind kind);
void bk__span_add_str(struct bk__span *span, const char *key, bk_str value);
void bk__span_add_i64(struct bk__span *span, const char *key, int64_t value);

/* Whether spans of @p trace are kept: do not make one for nothing. */
bool bk__spans_want(const struct bk__trace *trace);

/* Keeps a copy. */
void bk__spans_put(const struct bk__span *span);

/* Gives this thread a ring for @p capacity spans, which must not be 0, and takes it away again. */
void bk__spans_open(size_t capacity);
void bk__spans_close(void);

/* Has @p fn called whenever the ring becomes half full, where the span has ended that made it so:
 * it must not wait. Until the ring is closed. */
void bk__spans_on_half(void (*fn)(void *data), void *data);

/* How many there are to be taken; 0 where there is no ring. */
size_t bk__spans_waiting(void);

/* Moves up to @p max spans to @p out, the oldest first, and returns how many. */
size_t bk__spans_take(struct bk__span *out, size_t max);

/* Those that did not fit since the ring was opened. */
uint64_t bk__spans_dropped(void);

#endif
