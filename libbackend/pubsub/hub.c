/*
 * hub.c: topics, and how a message reaches them. See <backend/pubsub.h>.
 *
 * With Redis a message is heard only when Redis publishes it back, also by the worker that sent it:
 * so every worker hears a topic in one order. What is published is the id, a blank, and the bytes;
 * the id is that of the stream's entry, and empty where nothing is kept.
 */
#include "pubsub/hub.h"

#include <stdio.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/encode.h"

/* --- messages --------------------------------------------------------------------------------- */

struct bk__message *bk__message_new(bk_str id, bk_str bytes)
{
    struct bk__message *message = malloc(sizeof *message + bytes.len);

    bk_assert(message != NULL && id.len < sizeof message->id);
    message->refs = 1;
    message->len = (uint32_t)bytes.len;
    memcpy(message->id, id.ptr != NULL ? id.ptr : "", id.len);
    message->id[id.len] = '\0';
    if (bytes.len != 0)
        memcpy(message->bytes, bytes.ptr, bytes.len);
    return message;
}

void bk__message_unref(struct bk__message *message)
{
    if (message != NULL && --message->refs == 0)
        free(message);
}

bool bk__stream_id(bk_str text, uint64_t out[2])
{
    int part = 0, digits = 0;

    out[0] = out[1] = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '-' && part == 0 && digits != 0) {
            part = 1;
            digits = 0;
        } else if (c >= '0' && c <= '9' && digits < 18) {
            out[part] = out[part] * 10 + (uint64_t)(c - '0');
            digits++;
        } else {
            return false;
        }
    }
    return part == 1 && digits != 0;
}

/* --- topics ----------------------------------------------------------------------------------- */

bk_err bk__topic_check(bk_str name)
{
    if (name.len >= 1 && name.len <= BK__TOPIC_MAX)
        return BK_OK;
    return bk_fail(BK_EINVAL, "a topic is 1 to %d bytes", BK__TOPIC_MAX);
}

static void tell_all(struct bk__topic *topic, struct bk__message *message)
{
    bk__list_each(it, &topic->subscriptions)
        bk__subscription_add(bk__subscription_of(it), message);
}

static void on_heard(struct bk__redis_topic *feed, bk_str payload)
{
    struct bk__topic *topic = bk__container_of(feed, struct bk__topic, feed);
    const char *blank = memchr(payload.ptr, ' ', payload.len);

    /* Somebody else's message on our channel has no id, and no place among ours. */
    if (blank == NULL || blank - payload.ptr >= BK_PUBSUB_ID)
        return;
    bk_str id = bk_str_at(payload.ptr, (size_t)(blank - payload.ptr));
    bk_str bytes = bk_str_at(blank + 1, payload.len - id.len - 1);
    struct bk__message *message = bk__message_new(id, bytes);
    tell_all(topic, message);
    bk__message_unref(message);
}

static void on_listening(struct bk__redis_topic *feed, bool again)
{
    if (again)
        tell_all(bk__container_of(feed, struct bk__topic, feed), NULL);
}

static struct bk__list *bucket_of(bk_pubsub *hub, bk_str name)
{
    return &hub->topics[bk__hash64(name.ptr, name.len) & (BK__TOPIC_BUCKETS - 1)];
}

static struct bk__topic *new_topic(bk_pubsub *hub, bk_str name)
{
    struct bk__topic *topic = calloc(1, sizeof *topic);

    bk_assert(topic != NULL);
    topic->hub = hub;
    bk__list_init(&topic->subscriptions);
    topic->channel = malloc(hub->prefix.len + name.len);
    bk_assert(topic->channel != NULL);
    memcpy(topic->channel, hub->prefix.ptr, hub->prefix.len);
    memcpy(topic->channel + hub->prefix.len, name.ptr, name.len);
    topic->name = bk_str_at(topic->channel + hub->prefix.len, name.len);
    bk__list_push(bucket_of(hub, name), &topic->link);
    if (hub->redis != NULL) {
        topic->feed = (struct bk__redis_topic){
            .channel = {topic->channel, hub->prefix.len + name.len},
            .heard = on_heard,
            .listening = on_listening,
        };
        bk__redis_topic_add(hub->redis, &topic->feed);
    } else if (hub->replay != 0) {
        topic->trimmed = hub->forgot;
        topic->history = calloc(hub->replay, sizeof *topic->history);
        bk_assert(topic->history != NULL);
    }
    return topic;
}

static struct bk__topic *find_topic(bk_pubsub *hub, bk_str name)
{
    bk__list_each(it, bucket_of(hub, name)) {
        struct bk__topic *topic = bk__container_of(it, struct bk__topic, link);
        if (bk_str_eq(topic->name, name))
            return topic;
    }
    return NULL;
}

struct bk__topic *bk__topic_get(bk_pubsub *hub, bk_str name)
{
    struct bk__topic *topic = find_topic(hub, name);

    if (topic == NULL)
        topic = new_topic(hub, name);
    if (topic->holds++ == 0 && topic->count != 0) {
        bk__list_remove(&topic->idle_link);
        hub->idle_count--;
    }
    return topic;
}

static void free_topic(struct bk__topic *topic)
{
    if (topic->hub->redis != NULL)
        bk__redis_topic_remove(topic->hub->redis, &topic->feed);
    for (uint32_t i = 0; i < topic->count; i++)
        bk__message_unref(topic->history[(topic->first + i) % topic->hub->replay]);
    bk__list_remove(&topic->link);
    free(topic->history);
    free(topic->channel);
    free(topic);
}

void bk__topic_put(struct bk__topic *topic)
{
    bk_pubsub *hub = topic->hub;

    if (--topic->holds != 0)
        return;
    if (topic->count == 0) {
        free_topic(topic);
        return;
    }
    bk__list_push(&hub->idle, &topic->idle_link);
    if (hub->idle_count++ < BK__TOPICS_IDLE)
        return;
    hub->idle_count--;
    hub->forgot = true;
    free_topic(bk__container_of(bk__list_pop(&hub->idle), struct bk__topic, idle_link));
}

/* --- publishing ------------------------------------------------------------------------------- */

static void keep(struct bk__topic *topic, struct bk__message *message)
{
    uint32_t room = topic->hub->replay;

    bk_assert(room != 0); /* only those that are to be heard again are kept */
    if (topic->count == room) {
        bk__message_unref(topic->history[topic->first]);
        topic->first = (topic->first + 1) % room;
        topic->count--;
        topic->trimmed = true;
    }
    topic->history[(topic->first + topic->count++) % room] = message;
    message->refs++;
}

static void publish_here(bk_pubsub *hub, bk_str name, bk_str bytes, char *id)
{
    struct bk__topic *topic = find_topic(hub, name);

    if (hub->replay != 0)
        snprintf(id, BK_PUBSUB_ID, "%llu-%llu", (unsigned long long)hub->born,
                 (unsigned long long)++hub->last_id);
    if (topic == NULL && hub->replay == 0)
        return; /* nobody hears it */
    topic = bk__topic_get(hub, name);
    struct bk__message *message = bk__message_new(bk_str_of(id), bytes);
    if (hub->replay != 0)
        keep(topic, message);
    tell_all(topic, message);
    bk__message_unref(message);
    bk__topic_put(topic);
}

BK_YIELDS static bk_err publish_far(bk_pubsub *hub, bk_str name, bk_str bytes, char *id)
{
    static const char script[] =
        "local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'm', ARGV[1])\n"
        "redis.call('PUBLISH', KEYS[1], id .. ' ' .. ARGV[1])\n"
        "return id\n";
    bk_arena *arena = bk_fiber_arena();
    bk_str channel = bk_arena_printf(arena, "%.*s%.*s", BK_PRI(hub->prefix), BK_PRI(name));
    bk_reply reply;

    if (hub->replay == 0) {
        char *payload = malloc(bytes.len + 1);
        bk_assert(payload != NULL);
        payload[0] = ' ';
        if (bytes.len != 0)
            memcpy(payload + 1, bytes.ptr, bytes.len);
        bk_err err = bk_redis_run(
            hub->redis, "PUBLISH $1 $2",
            BK_ARGS(bk_text(channel), bk_text(bk_str_at(payload, bytes.len + 1))), NULL);
        free(payload);
        return err;
    }
    BK_TRY(bk_redis_eval(hub->redis, script, BK_ARGS(bk_text(channel)),
                         BK_ARGS(bk_text(bytes), bk_i64(hub->replay)), &reply));
    if (reply.type != BK_REPLY_STR || reply.str.len >= BK_PUBSUB_ID)
        return bk_fail(BK_EINTERNAL, "the stream gave no id");
    memcpy(id, reply.str.ptr, reply.str.len + 1);
    return BK_OK;
}

bk_err bk_publish(bk_pubsub *hub, bk_str topic, bk_str bytes, char id[BK_PUBSUB_ID])
{
    char made[BK_PUBSUB_ID] = "";

    BK_TRY(bk__topic_check(topic));
    if (bytes.len > BK__MESSAGE_MAX)
        return bk_fail(BK_ETOOBIG, "a message is at most %d bytes", BK__MESSAGE_MAX);
    if (bytes.ptr == NULL)
        bytes = BK_LIT("");
    if (hub->redis != NULL)
        BK_TRY(publish_far(hub, topic, bytes, made));
    else
        publish_here(hub, topic, bytes, made);
    if (id != NULL)
        memcpy(id, made, sizeof made);
    return BK_OK;
}

/* --- life ------------------------------------------------------------------------------------- */

static bk_err start(void *data)
{
    bk_pubsub *hub = data;

    /* Ids of another life, or of another worker, are not taken for ours. */
    hub->born = (uint64_t)bk_time_now();
    hub->draining = hub->forgot = false;
    return BK_OK;
}

static void drain(void *data)
{
    bk_pubsub *hub = data;

    hub->draining = true;
    for (size_t i = 0; i < BK__TOPIC_BUCKETS; i++)
        bk__list_each(it, &hub->topics[i]) {
            struct bk__topic *topic = bk__container_of(it, struct bk__topic, link);
            bk__list_each(at, &topic->subscriptions)
                bk__subscription_end(bk__subscription_of(at));
        }
}

static void stop(void *data)
{
    bk_pubsub *hub = data;

    bk__list_init(&hub->idle);
    hub->idle_count = 0;
    for (size_t i = 0; i < BK__TOPIC_BUCKETS; i++)
        while (!bk__list_empty(&hub->topics[i])) /* only histories are left: no fiber is */
            free_topic(bk__container_of(hub->topics[i].anchor.next, struct bk__topic, link));
}

static void free_hub(void *data)
{
    bk_pubsub *hub = data;

    free((char *)(uintptr_t)hub->prefix.ptr);
    free(hub);
}

static const bk_part_type part = {
    .name = "pubsub", .start = start, .drain = drain, .stop = stop, .free = free_hub};

bk_pubsub *bk_pubsub_new(bk_app *app, const bk_pubsub_opts *opts)
{
    bk_pubsub_opts all = opts != NULL ? *opts : (bk_pubsub_opts){0};
    bk_str prefix = bk_str_present(all.prefix) ? all.prefix : BK_LIT("topic:");
    bk_pubsub *hub = calloc(1, sizeof *hub);
    char *copy = malloc(prefix.len + 1);

    bk_assert(hub != NULL && copy != NULL);
    memcpy(copy, prefix.ptr, prefix.len);
    hub->redis = all.redis;
    hub->prefix = bk_str_at(copy, prefix.len);
    hub->replay = all.replay;
    for (size_t i = 0; i < BK__TOPIC_BUCKETS; i++)
        bk__list_init(&hub->topics[i]);
    bk__list_init(&hub->idle);
    bk_app_part(app, &part, hub);
    return hub;
}
