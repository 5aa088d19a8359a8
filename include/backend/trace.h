/**
 * @file backend/trace.h
 * @brief Traces: whose work this is, across services (W3C Trace Context).
 *
 * A trace belongs to the running fiber: bk_mw_trace() gives each request one, taken from its
 * `traceparent` or new, and the children of a group share that of the fiber which opened the group.
 * Log lines show it, and a bk_http_client hands it on, by themselves. Hand it on with any other
 * call to another service:
 *
 * @code
 * bk_str parent = bk_trace_header(bk_req_arena(req));
 * if (bk_str_present(parent))
 *     ... // send it as `traceparent`, and bk_trace_state() as `tracestate`
 * @endcode
 *
 * A span is a piece of that work with a name and a duration. The request's own is made by
 * bk_mw_trace(); others stand between bk_span_begin() and bk_span_end(). Spans are kept only while
 * somebody takes them away (backend/otlp.h) and the trace is sampled; otherwise they cost little
 * more than a new id.
 */
#ifndef BACKEND_TRACE_H
#define BACKEND_TRACE_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** The trace of the running fiber, 32 digits in lower-case hexadecimal; absent if it has none.
 * Lives as long as the present span. */
BK_API bk_str bk_trace_id(void);

/** The present span, 16 digits; absent outside a trace. Lives as long as the span. */
BK_API bk_str bk_trace_span_id(void);

/** Whether the trace is to be recorded, by us and by those whom we call. */
BK_API bool bk_trace_sampled(void);

/** The value of `traceparent` for a call to another service: the present span is its parent. Absent
 *  outside a trace. Lives as long as @p arena. */
BK_API bk_str bk_trace_header(bk_arena *arena);

/** The value of `tracestate` to go with it; absent if none came. Lives as long as the trace. */
BK_API bk_str bk_trace_state(void);

/** What a span is, seen from outside. */
typedef enum bk_span_kind {
    BK_SPAN_INTERNAL = 1, /**< Work of our own. */
    BK_SPAN_SERVER = 2,   /**< An answer to somebody else's call. */
    BK_SPAN_CLIENT = 3,   /**< A call to somebody else. */
    BK_SPAN_PRODUCER = 4, /**< A message that is left for others. */
    BK_SPAN_CONSUMER = 5  /**< Work on such a message. */
} bk_span_kind;

/** A span that has begun. */
typedef struct bk_span bk_span;

/**
 * Begins a span below the present one, and makes it the present one of the running fiber.
 *
 * @param name  Of few kinds: "resize image", not "resize image 4711". Copied, up to 64 bytes.
 * @return The span, which must end on this fiber, before the one that it stands in; NULL outside a
 *         trace, which the next functions take as well.
 */
BK_API BK_NODISCARD bk_span *bk_span_begin(const char *name, bk_span_kind kind);

/** Says something of it. Up to 8 attributes, 192 bytes of text together; what is more is left out.
 *  @param key  Such as "db.operation.name"; a literal. @param value  Copied. */
BK_API void bk_span_str(bk_span *span, const char *key, bk_str value);

/** The same with a number. */
BK_API void bk_span_i64(bk_span *span, const char *key, int64_t value);

/** Ends it; the one around it is the present one again. @param err  What came of it. */
BK_API void bk_span_end(bk_span *span, bk_err err);

BK_END_DECLS

#endif
