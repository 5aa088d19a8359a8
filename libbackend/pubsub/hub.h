/*
 * hub.h: topics and their subscribers, inside a worker.
 */
#ifndef BK_PUBSUB_HUB_H
#define BK_PUBSUB_HUB_H

#include <backend/pubsub.h>

#include "core/list.h"
#include "redis/feed.h"

enum {
    BK__TOPIC_BUCKETS = 256,
    BK__TOPIC_MAX = 256,
    BK__TOPICS_IDLE = 10000, /* topics in memory that nobody hears and that have a history */
    BK__MESSAGE_MAX = 1024 * 1024
};

struct bk_pubsub {
    bk_redis *redis; /* NULL: memory */
    bk_str prefix;   /* ours, from malloc */
    uint32_t replay;
    uint64_t born, last_id; /* ids of messages in memory are "born-last_id" */
    struct bk__list idle;   /* bk__topic.idle_link, the longest idle first */
    uint32_t idle_count;
    bool forgot;                               /* a topic was dropped with its history */
    bool draining;                             /* subscriptions have ended, and none begins */
    struct bk__list topics[BK__TOPIC_BUCKETS]; /* bk__topic.link */
};

/* One message, shared by all who have it queued. */
struct bk__message {
    uint32_t refs;
    uint32_t len;
    char id[BK_PUBSUB_ID];
    char bytes[];
};

/* A topic lives while it is held, or has a history. */
struct bk__topic {
    struct bk__link link;      /* in its bucket */
    struct bk__link idle_link; /* in hub->idle while nobody holds it */
    bk_pubsub *hub;
    struct bk__list subscriptions;
    struct bk__redis_topic feed;  /* added while there is Redis */
    uint32_t holds;               /* subscriptions, and who publishes just now */
    struct bk__message **history; /* of memory: a ring of hub->replay */
    uint32_t first, count;        /* of history */
    bool trimmed;                 /* the history has lost its beginning */
    char *channel;                /* prefix and name */
    bk_str name;                  /* in channel */
};

struct bk__message *bk__message_new(bk_str id, bk_str bytes);
void bk__message_unref(struct bk__message *message);

/* Finds or makes; put back with bk__topic_put(). */
struct bk__topic *bk__topic_get(bk_pubsub *hub, bk_str name);
void bk__topic_put(struct bk__topic *topic);

/* BK_EINVAL unless it is one. */
bk_err bk__topic_check(bk_str name);

/* To the queue of one subscription; takes a reference of its own. NULL: a gap. */
void bk__subscription_add(bk_subscription *subscription, struct bk__message *message);

/* No more will come. */
void bk__subscription_end(bk_subscription *subscription);

/* Stream ids "ms-seq". False when it is none. */
bool bk__stream_id(bk_str text, uint64_t out[2]);

/* The link of a subscription in bk__topic.subscriptions. */
bk_subscription *bk__subscription_of(struct bk__link *link);

#endif
