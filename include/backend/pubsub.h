/**
 * @file backend/pubsub.h
 * @brief Topics: what one fiber publishes, every subscriber hears, across workers and hosts.
 *
 * A subscription is a bounded queue, so its reader is a loop:
 *
 * @code
 * bk_subscription *sub;
 * bk_pubsub_event event;
 * BK_TRY(bk_subscribe(hub, BK_LIT("prices"), NULL, &sub));
 * for (;;) {
 *     BK_TRY(bk_subscription_next(sub, &event));
 *     ...
 * }
 * @endcode
 *
 * With Redis all messages go through it, so that every subscriber hears a topic in one order.
 * Without, a hub is one worker wide.
 */
#ifndef BACKEND_PUBSUB_H
#define BACKEND_PUBSUB_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/redis.h>
#include <backend/sync.h>

BK_BEGIN_DECLS

/** Topics of a worker. */
typedef struct bk_pubsub bk_pubsub;

/** Who hears a topic. */
typedef struct bk_subscription bk_subscription;

/** Settings of a hub. Zero means default. */
typedef struct bk_pubsub_opts {
    bk_redis *redis;  /**< What carries the messages. Default NULL: this worker only. */
    bk_str    prefix; /**< Put before the topic in Redis; copied. Default "topic:". */
    uint32_t  replay; /**< Newest messages kept of each topic, about. Default 0: none. */
} bk_pubsub_opts;

/** Declares a hub of @p app, before the app runs. Freed with the app.
 *  @param opts  Copied. May be NULL. */
BK_API BK_NODISCARD bk_pubsub *bk_pubsub_new(bk_app *app, const bk_pubsub_opts *opts);

/** Room for an id, with its NUL. */
#define BK_PUBSUB_ID 48

/**
 * Publishes a message.
 *
 * @param topic  1 to 256 bytes.
 * @param bytes  At most 1 MiB (BK_ETOOBIG). Copied.
 * @param id     Receives the message's id; "" without replay. May be NULL.
 * @return BK_OK; BK_EINVAL; BK_ETOOBIG; what Redis fails with.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_publish(bk_pubsub *hub, bk_str topic, bk_str bytes,
                                                char id[BK_PUBSUB_ID]);

/** What becomes of a subscriber whose queue is full. */
typedef enum bk_slow {
    BK_SLOW_GAP,  /**< The oldest message is dropped; the next event says gap. */
    BK_SLOW_CLOSE /**< The subscription is closed. */
} bk_slow;

/** Settings of a subscription. Zero means default. */
typedef struct bk_subscribe_opts {
    uint32_t queue;       /**< Messages that may wait. Default 64. */
    uint32_t queue_bytes; /**< Bytes that may wait. Default 1 MiB. */
    bk_slow  slow;        /**< Default BK_SLOW_GAP. */
    bk_str   after;       /**< The last id heard: what came since is heard first, where the hub has
                               replay. Copied. Default absent: from now on. */
} bk_subscribe_opts;

/** Something heard. */
typedef struct bk_pubsub_event {
    bk_str topic; /**< Where it was published. */
    bk_str bytes; /**< Absent where only a gap is told. */
    bk_str id;    /**< Empty without replay. */
    bool   gap;   /**< Messages before this one may have been missed. */
} bk_pubsub_event;

/**
 * Subscribes the calling fiber, which alone may read it.
 *
 * @param opts  May be NULL.
 * @param out   Request-owned: closed when the fiber ends at the latest.
 * @return BK_OK; BK_EINVAL for a wrong topic or id; BK_EUNAVAILABLE when Redis does not listen,
 *          or the app stops.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_subscribe(bk_pubsub *hub, bk_str topic,
                                                  const bk_subscribe_opts *opts,
                                                  bk_subscription        **out);

/** Waits for the next event. When the app stops, what is queued is still heard, then BK_ECLOSED.
 *  @param event  Borrowed until the next call.
 *  @return BK_OK; BK_ECLOSED also when it was closed for being slow; BK_ETIMEDOUT; BK_ECANCELED. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_subscription_next(bk_subscription *subscription,
                                                          bk_pubsub_event *event);

/** @p subscription as a source for bk_select(). Ready: bk_subscription_next() would not wait. */
BK_API BK_NODISCARD bk_source *bk_subscription_source(bk_subscription *subscription);

/** Ends it before the fiber does. Twice is as once. Nobody may wait for it. */
BK_API void bk_subscription_close(bk_subscription *subscription);

BK_END_DECLS

#endif
