/*
 * feed.c: who hears what a server tells unasked. See feed.h.
 *
 * A channel is subscribed to while somebody hears it. A server confirms in the order in which it
 * was asked, so a channel that nobody wants any more waits for the confirmation that it is owed
 * before it is unsubscribed from: there is never more than one on its way.
 *
 * Functions that are told may add and remove whom they like. So each round of telling moves all to
 * a list of its own first, and each back before it is told.
 */
#include "redis/feed.h"

#include <stdlib.h>
#include <string.h>

#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/encode.h"
#include "fiber/loop.h"
#include "fiber/waiter.h"
#include "redis/cluster.h"
#include "redis/ear.h"
#include "redis/redis.h"
#include "redis/sentinel.h"

enum {
    BUCKETS = 1024 /* of channels; a power of two */
};

struct channel {
    struct bk__link link;   /* in its bucket */
    struct bk__list topics; /* bk__redis_topic.link */
    size_t count;           /* of topics, those that are just being told included */
    enum {
        SILENT, /* the server has not been asked */
        ASKED,  /* SUBSCRIBE is on its way */
        HEARD
    } state;
    bool telling; /* to be freed later */
    size_t len;
    char name[];
};

struct bk__redis_feed {
    bk_redis *redis;
    struct bk_loop *loop;
    struct bk__list ears; /* bk__redis_ear.member; the first hears messages */
    struct bk__list channels[BUCKETS];
    struct bk__list watches;   /* bk__redis_watch.link */
    struct bk__list waiters;   /* for a topic to listen */
    struct bk__put_off relist; /* there are new prefixes */
};

static struct bk__redis_topic *topic_of(struct bk__link *link)
{
    return bk__container_of(link, struct bk__redis_topic, link);
}

static struct bk__redis_watch *watch_of(struct bk__link *link)
{
    return bk__container_of(link, struct bk__redis_watch, link);
}

static struct bk__redis_ear *ear_of(struct bk__link *link)
{
    return bk__container_of(link, struct bk__redis_ear, member);
}

static struct channel *channel_of(struct bk__link *link)
{
    return bk__container_of(link, struct channel, link);
}

static void move_all(struct bk__list *from, struct bk__list *to)
{
    struct bk__link *link;

    bk__list_init(to);
    while ((link = bk__list_pop(from)) != NULL)
        bk__list_push(to, link);
}

static void wake_waiters(struct bk__redis_feed *feed)
{
    while (!bk__list_empty(&feed->waiters))
        bk__waiter_serve(bk__waiter_first(&feed->waiters), BK_OK);
}

/* The ear for messages; NULL when there is none that is ready. */
static struct bk__redis_ear *messenger(const struct bk__redis_feed *feed)
{
    if (bk__list_empty(&feed->ears))
        return NULL;
    struct bk__redis_ear *ear = ear_of(feed->ears.anchor.next);
    return ear->ready ? ear : NULL;
}

/* --- channels --------------------------------------------------------------------------------- */

static struct bk__list *bucket_of(struct bk__redis_feed *feed, bk_str name)
{
    return &feed->channels[bk__hash64(name.ptr, name.len) & (BUCKETS - 1)];
}

static bk_str name_of(const struct channel *channel)
{
    return bk_str_at(channel->name, channel->len);
}

static struct channel *find_channel(struct bk__redis_feed *feed, bk_str name)
{
    bk__list_each(it, bucket_of(feed, name))
        if (bk_str_eq(name_of(channel_of(it)), name))
            return channel_of(it);
    return NULL;
}

static struct channel *new_channel(struct bk__redis_feed *feed, bk_str name)
{
    struct channel *channel = calloc(1, sizeof *channel + name.len);

    bk_assert(channel != NULL);
    bk__list_init(&channel->topics);
    channel->len = name.len;
    memcpy(channel->name, name.ptr, name.len);
    bk__list_push(bucket_of(feed, name), &channel->link);
    return channel;
}

static void subscribe(struct bk__redis_feed *feed, struct channel *channel)
{
    struct bk__redis_ear *ear = messenger(feed);

    if (ear == NULL)
        return;
    channel->state = ASKED;
    bk__redis_ear_say(ear, BK_LIT("SUBSCRIBE"), name_of(channel));
}

/* Ends a channel that nobody hears, once that is possible. */
static void drop_if_unheard(struct bk__redis_feed *feed, struct channel *channel)
{
    struct bk__redis_ear *ear = messenger(feed);

    if (channel->count != 0 || channel->telling || channel->state == ASKED)
        return;
    if (channel->state == HEARD && ear != NULL)
        bk__redis_ear_say(ear, BK_LIT("UNSUBSCRIBE"), name_of(channel));
    bk__list_remove(&channel->link);
    free(channel);
}

static void tell_message(struct bk__redis_feed *feed, struct channel *channel, bk_str payload)
{
    struct bk__list left;
    struct bk__link *link;

    channel->telling = true;
    move_all(&channel->topics, &left);
    while ((link = bk__list_pop(&left)) != NULL) {
        bk__list_push(&channel->topics, link);
        topic_of(link)->heard(topic_of(link), payload);
    }
    channel->telling = false;
    drop_if_unheard(feed, channel);
}

static void tell_listening(struct bk__redis_feed *feed, struct channel *channel)
{
    struct bk__list left;
    struct bk__link *link;

    channel->state = HEARD;
    channel->telling = true;
    move_all(&channel->topics, &left);
    while ((link = bk__list_pop(&left)) != NULL) {
        struct bk__redis_topic *topic = topic_of(link);
        bool again = topic->was_listening;
        bk__list_push(&channel->topics, link);
        if (topic->is_listening)
            continue; /* it came during this round, and found the channel heard */
        topic->is_listening = topic->was_listening = true;
        if (topic->listening != NULL)
            topic->listening(topic, again);
    }
    channel->telling = false;
    drop_if_unheard(feed, channel);
    wake_waiters(feed);
}

/* The connection for messages is another from now on, or none. */
static void silence(struct bk__redis_feed *feed)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct bk__link *next;
        for (struct bk__link *it = feed->channels[i].anchor.next; it != &feed->channels[i].anchor;
             it = next) {
            struct channel *channel = channel_of(it);
            next = it->next;
            channel->state = SILENT;
            bk__list_each(at, &channel->topics)
                topic_of(at)->is_listening = false;
            drop_if_unheard(feed, channel);
        }
    }
}

static void subscribe_all(struct bk__redis_feed *feed)
{
    for (size_t i = 0; i < BUCKETS; i++)
        bk__list_each(it, &feed->channels[i])
            subscribe(feed, channel_of(it));
}

/* --- watches ---------------------------------------------------------------------------------- */

static void tell_lost(struct bk__redis_feed *feed)
{
    struct bk__list left;
    struct bk__link *link;

    move_all(&feed->watches, &left);
    while ((link = bk__list_pop(&left)) != NULL) {
        bk__list_push(&feed->watches, link);
        watch_of(link)->lost(watch_of(link));
    }
}

static void tell_changed(struct bk__redis_feed *feed, bk_str key)
{
    bk__list_each(it, &feed->watches) {
        struct bk__redis_watch *watch = watch_of(it);
        if (bk_str_starts(key, watch->prefix)) {
            watch->changed(watch, key);
            return; /* no prefix begins with another */
        }
    }
}

static void take_invalidation(struct bk__redis_feed *feed, const bk_reply *keys)
{
    if (keys->type != BK_REPLY_ARRAY) {
        tell_lost(feed); /* FLUSHALL, FLUSHDB */
        return;
    }
    for (size_t i = 0; i < keys->count; i++)
        tell_changed(feed, keys->items[i].str);
}

static void on_relist(struct bk__put_off *work)
{
    struct bk__redis_feed *feed = bk__container_of(work, struct bk__redis_feed, relist);

    bk__list_each(it, &feed->ears)
        bk__redis_ear_relist(ear_of(it));
}

/* --- what the ears tell ----------------------------------------------------------------------- */

size_t bk__redis_feed_prefixes(const struct bk__redis_feed *feed, bk_str *prefixes)
{
    size_t count = 0;

    bk__list_each(it, &feed->watches) {
        bk_assert(count < BK__REDIS_PREFIXES_MAX);
        prefixes[count++] = watch_of(it)->prefix;
    }
    return count;
}

void bk__redis_feed_on_ready(struct bk__redis_feed *feed, struct bk__redis_ear *ear)
{
    if (ear == messenger(feed))
        subscribe_all(feed);
}

void bk__redis_feed_on_lost(struct bk__redis_feed *feed, struct bk__redis_ear *ear)
{
    if (&ear->member == feed->ears.anchor.next)
        silence(feed);
    tell_lost(feed);
}

void bk__redis_feed_on_failed(struct bk__redis_feed *feed)
{
    wake_waiters(feed); /* they see that it does not listen */
}

void bk__redis_feed_on_told(struct bk__redis_feed *feed, bk_str kind, bk_str channel,
                            const bk_reply *content)
{
    bool is_message = bk_str_eq(kind, BK_LIT("message")) && content != NULL;

    if (is_message && bk_str_eq(channel, BK_LIT("__redis__:invalidate"))) {
        take_invalidation(feed, content);
        return;
    }
    struct channel *known = find_channel(feed, channel);
    if (known == NULL)
        return;
    if (is_message && known->state == HEARD)
        tell_message(feed, known, content->str);
    else if (bk_str_eq(kind, BK_LIT("subscribe")) && known->state == ASKED)
        tell_listening(feed, known);
}

/* --- its life --------------------------------------------------------------------------------- */

static bool is_among(const struct bk__redis_ear *ear, const struct bk__redis_host *servers,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bk__redis_ear_is_at(ear, &servers[i]))
            return true;
    return false;
}

static bool has_ear_at(const struct bk__redis_feed *feed, const struct bk__redis_host *server)
{
    bk__list_each(it, &feed->ears)
        if (bk__redis_ear_is_at(ear_of(it), server))
            return true;
    return false;
}

/* Returns whether there were any. */
static bool close_ears(struct bk__redis_feed *feed, const struct bk__redis_host *except,
                       size_t count)
{
    bool any = false;
    struct bk__link *next;

    for (struct bk__link *it = feed->ears.anchor.next; it != &feed->ears.anchor; it = next) {
        next = it->next;
        if (is_among(ear_of(it), except, count))
            continue;
        any = true;
        bk__list_remove(it);
        bk__redis_ear_close(ear_of(it));
    }
    return any;
}

void bk__redis_feed_follow(bk_redis *redis, const struct bk__redis_host *servers, size_t count)
{
    struct bk__redis_feed *feed = redis->feed;

    if (feed == NULL)
        return;
    const struct bk__link *first = feed->ears.anchor.next;
    bool had_any = !bk__list_empty(&feed->ears);
    bool changed = close_ears(feed, servers, count);
    if (had_any && feed->ears.anchor.next != first) {
        silence(feed);
        if (messenger(feed) != NULL)
            subscribe_all(feed);
    }
    for (size_t i = 0; i < count; i++) {
        if (has_ear_at(feed, &servers[i]))
            continue;
        changed = had_any;
        bk__list_push(&feed->ears, &bk__redis_ear_open(redis, feed, &servers[i])->member);
    }
    if (changed)
        tell_lost(feed);
}

static struct bk__redis_feed *feed_of(bk_redis *redis)
{
    static const struct bk__redis_host first = {NULL, 0};
    struct bk__redis_feed *feed = redis->feed;

    if (feed != NULL)
        return feed;
    feed = calloc(1, sizeof *feed);
    bk_assert(feed != NULL);
    feed->redis = redis;
    feed->loop = bk__loop_current;
    feed->relist.fn = on_relist;
    bk__list_init(&feed->ears);
    bk__list_init(&feed->watches);
    bk__list_init(&feed->waiters);
    for (size_t i = 0; i < BUCKETS; i++)
        bk__list_init(&feed->channels[i]);
    redis->feed = feed;
    if (redis->cluster != NULL)
        bk__redis_cluster_lead(redis->cluster);
    else if (redis->sentinel != NULL)
        bk__redis_sentinel_lead(redis->sentinel);
    else
        bk__redis_feed_follow(redis, &first, 1);
    return feed;
}

void bk__redis_feed_stop(bk_redis *redis)
{
    struct bk__redis_feed *feed = redis->feed;

    if (feed == NULL)
        return;
    redis->feed = NULL;
    bk__loop_forget(&feed->relist);
    (void)close_ears(feed, NULL, 0);
    wake_waiters(feed);
    while (bk__list_pop(&feed->watches) != NULL)
        continue;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct bk__link *link;
        while ((link = bk__list_pop(&feed->channels[i])) != NULL) {
            struct channel *channel = channel_of(link);
            while ((link = bk__list_pop(&channel->topics)) != NULL)
                topic_of(link)->is_listening = false;
            free(channel);
        }
    }
    free(feed);
}

/* --- who hears -------------------------------------------------------------------------------- */

void bk__redis_topic_add(bk_redis *redis, struct bk__redis_topic *topic)
{
    struct bk__redis_feed *feed = feed_of(redis);
    struct channel *channel = find_channel(feed, topic->channel);

    if (channel == NULL)
        channel = new_channel(feed, topic->channel);
    topic->is_listening = topic->was_listening = channel->state == HEARD;
    bk__list_push(&channel->topics, &topic->link);
    channel->count++;
    if (channel->state == SILENT)
        subscribe(feed, channel);
}

void bk__redis_topic_remove(bk_redis *redis, struct bk__redis_topic *topic)
{
    if (!bk__link_in_list(&topic->link))
        return;
    bk__list_remove(&topic->link);
    struct channel *channel = find_channel(redis->feed, topic->channel);
    channel->count--;
    drop_if_unheard(redis->feed, channel);
}

bk_err bk__redis_topic_wait(bk_redis *redis, struct bk__redis_topic *topic)
{
    bk_deadline before = bk_deadline_push(redis->opts.connect_ms);
    bk_err err = BK_OK;

    while (err == BK_OK && !topic->is_listening && redis->feed != NULL &&
           !bk__list_empty(&redis->feed->ears) &&
           bk__redis_link_accepts(ear_of(redis->feed->ears.anchor.next)->link)) {
        struct bk__waiter self;
        err = bk__waiter_wait(&self, &redis->feed->waiters);
    }
    bk_deadline_pop(before);
    if (topic->is_listening)
        return BK_OK;
    if (bk_fiber_interrupted() != BK_OK)
        return err;
    bk_error_clear();
    return bk_fail(BK_EUNAVAILABLE, "%s: cannot subscribe now", redis->opts.name);
}

void bk__redis_watch_add(bk_redis *redis, struct bk__redis_watch *watch)
{
    struct bk__redis_feed *feed = feed_of(redis);

    bk__list_push(&feed->watches, &watch->link);
    bk__list_each(it, &feed->ears) {
        ear_of(it)->tracking = false; /* it does not track this one yet */
        if (ear_of(it)->listed)
            bk__loop_put_off(feed->loop, &feed->relist);
    }
}

void bk__redis_watch_remove(bk_redis *redis, struct bk__redis_watch *watch)
{
    (void)redis;
    bk__list_remove(&watch->link);
}

bool bk__redis_watch_sound(const bk_redis *redis, const struct bk__redis_watch *watch)
{
    if (redis->feed == NULL || !bk__link_in_list(&watch->link) ||
        bk__list_empty(&redis->feed->ears))
        return false;
    bk__list_each(it, &redis->feed->ears)
        if (!bk__redis_ear_is_sound(ear_of(it)))
            return false;
    return true;
}
