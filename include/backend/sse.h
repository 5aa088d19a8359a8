/**
 * @file backend/sse.h
 * @brief Server-sent events: a handler that sends in a loop, and a browser's EventSource.
 *
 * @code
 * static bk_err prices(bk_req *req, bk_res *res)
 * {
 *     bk_subscription *sub;
 *     bk_sse *sse;
 *     bk_pubsub_event e;
 *
 *     BK_TRY(bk_subscribe(hub, BK_LIT("prices"),
 *                         &(bk_subscribe_opts){.after = bk_sse_last_event_id(req)}, &sub));
 *     BK_TRY(bk_sse_open(req, res, NULL, &sse));
 *     for (;;) {
 *         BK_TRY(bk_subscription_next(sub, &e));
 *         BK_TRY(bk_sse_send(sse, &(bk_sse_event){.id = e.id, .data = e.bytes}));
 *     }
 * }
 * @endcode
 *
 * **Life.** A stream is its request's. The time limit of handlers ends with bk_sse_open(). The
 * stream ends when the handler returns; BK_ECLOSED and BK_ECANCELED are then ordinary ends, and
 * nothing is logged. When the client is gone, or the app drains, the fiber is cancelled, so that
 * its waits return. A client that reconnects says the last id it has heard.
 */
#ifndef BACKEND_SSE_H
#define BACKEND_SSE_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/request.h>
#include <backend/response.h>

BK_BEGIN_DECLS

/** An open stream of events. Request-owned. */
typedef struct bk_sse bk_sse;

/** Settings of a stream. Zero means default. */
typedef struct bk_sse_opts {
    uint32_t retry_ms;     /**< How long the client is to wait before it reconnects. Default: its
                                own way. */
    uint32_t heartbeat_ms; /**< A comment is sent so often while nothing else is, also while the
                                handler waits: what stands between keeps the connection, and a
                              client that is gone is noticed. Default 15 s. */
} bk_sse_opts;

/** An event. Absent fields are not sent. */
typedef struct bk_sse_event {
    bk_str id;    /**< Without CR, LF and NUL. */
    bk_str event; /**< Its type, without CR, LF and NUL. */
    bk_str data;  /**< Text of any number of lines; each line end arrives as LF. */
} bk_sse_event;

/**
 * Answers with 200 and a stream of events; the head is sent at once.
 *
 * @param opts  May be NULL.
 * @return BK_OK; BK_ECLOSED when the client is gone, or asked with HEAD; BK_ECANCELED when the app
 *         drains.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_sse_open(bk_req *req, bk_res *res, const bk_sse_opts *opts,
                                                 bk_sse **out);

/** Sends an event and waits until it is on its way.
 *  @return BK_OK; BK_EINVAL for a wrong id or type, and nothing is sent; BK_ECLOSED when the client
 *          is gone; BK_ECANCELED; BK_ETIMEDOUT. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_sse_send(bk_sse *sse, const bk_sse_event *event);

/** The id that a reconnecting client has heard last (Last-Event-ID). Absent: it sent none. */
BK_API bk_str bk_sse_last_event_id(const bk_req *req);

BK_END_DECLS

#endif
