/*
 * feed.h: what a server tells unasked: published messages, and which keys have changed.
 *
 * Each worker has one connection for both (RESP2: it subscribes, and has the invalidations of
 * CLIENT TRACKING in broadcast mode redirected to itself), made when the first asks; in a Cluster
 * one to each master for the keys, and one of these for the messages. A PING goes out on it twice a
 * second: its answer says that all that was told before it has been heard. An answer that stays
 * away closes the connection.
 *
 * All functions here are told on the loop's stack, may add and remove topics and watches, and must
 * not wait. Sentinel and Cluster say which servers are to be heard.
 */
#ifndef BK_REDIS_FEED_H
#define BK_REDIS_FEED_H

#include <backend/redis.h>

#include "core/list.h"
#include "redis/url.h"

/* A channel that somebody hears. Lies where he likes while it is added. Several may hear one
 * channel: it is subscribed to once. */
struct bk__redis_topic {
    bk_str channel; /* borrowed while it is added */
    void (*heard)(struct bk__redis_topic *topic, bk_str payload);
    /* Subscribed, for the first time (@p again false) or after a loss: what was published meanwhile
     * is missed. */
    void (*listening)(struct bk__redis_topic *topic, bool again);
    struct bk__link link; /* the feed's */
    bool is_listening;    /* the server has confirmed it */
    bool was_listening;
};

void bk__redis_topic_add(bk_redis *redis, struct bk__redis_topic *topic);
void bk__redis_topic_remove(bk_redis *redis, struct bk__redis_topic *topic);

/* Waits until it is listening. BK_EUNAVAILABLE after connect_ms or at once while the server is
 * known to be gone. */
BK_YIELDS bk_err bk__redis_topic_wait(bk_redis *redis, struct bk__redis_topic *topic);

/* Keys that begin with a prefix, watched for changes by anyone, expiry and eviction included. */
struct bk__redis_watch {
    bk_str prefix; /* borrowed while it is added; none is a prefix of another watch's */
    void (*changed)(struct bk__redis_watch *watch, bk_str key);
    void (*lost)(struct bk__redis_watch *watch); /* anything may have changed: the connection was
                                                    lost, or the keyspace was flushed */
    struct bk__link link;                        /* the feed's */
};

void bk__redis_watch_add(bk_redis *redis, struct bk__redis_watch *watch);
void bk__redis_watch_remove(bk_redis *redis, struct bk__redis_watch *watch);

/* True while every change up to some 2 s ago is known: tracking is confirmed, and the last PING
 * that was answered was sent less than 2 s before now. */
bool bk__redis_watch_sound(const bk_redis *redis, const struct bk__redis_watch *watch);

/* The servers to be heard are these now: the first for messages, all for keys. Changed ones mean
 * a loss. Nothing happens while nobody hears. */
void bk__redis_feed_follow(bk_redis *redis, const struct bk__redis_host *servers, size_t count);

/* Closes it. What is still added is not told any more. */
void bk__redis_feed_stop(bk_redis *redis);

#endif
