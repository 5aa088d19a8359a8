/*
 * trace.h: W3C Trace Context: the identity of a trace and of its present span.
 *
 * It is kept as text, in the form in which each log line has it, for it is written far more often
 * than anything else is done with it.
 */
#ifndef BK_CORE_TRACE_H
#define BK_CORE_TRACE_H

#include <backend/base.h>

#define BK__TRACE_ID     32
#define BK__SPAN_ID      16
#define BK__TRACE_HEADER 55 /* a traceparent of version 00 */

struct bk__trace {
    struct {
        char before_id[13]; /* ,"trace_id":" */
        char id[BK__TRACE_ID];
        char before_span[13]; /* ","span_id":" */
        char span[BK__SPAN_ID];
        char before_flags[17]; /* ","trace_flags":" */
        char flags[2];         /* 00, or 01 when it is sampled */
        char end[1];           /* " */
    } log;                     /* no padding, no NUL */
    char parent[BK__SPAN_ID];  /* of the span; zeros: it is the first */
    bk_str state;              /* tracestate, as it came; absent: none */
};

/* A new trace. */
void bk__trace_new(struct bk__trace *out);

/* Goes on with the one that @p header (a traceparent) names, by a new span. False, with nothing
 * changed, when it names none. The state is absent. */
bool bk__trace_continue(bk_str header, struct bk__trace *out);

/* A span within @p parent. */
void bk__trace_child(const struct bk__trace *parent, struct bk__trace *out);

/* Whether @p value is a tracestate: it is passed on whole or not at all. */
bool bk__trace_state_fits(bk_str value);

/* The traceparent for those whom this span calls. */
void bk__trace_header(const struct bk__trace *trace, char out[BK__TRACE_HEADER]);

static inline bool bk__trace_is_sampled(const struct bk__trace *trace)
{
    return trace->log.flags[1] == '1';
}

static inline void bk__trace_set_sampled(struct bk__trace *trace, bool sampled)
{
    trace->log.flags[1] = sampled ? '1' : '0';
}

/* One of @p n traces, and for every service that knows @p n the same ones. 1: all. */
bool bk__trace_is_one_of(const struct bk__trace *trace, uint32_t n);

#endif
