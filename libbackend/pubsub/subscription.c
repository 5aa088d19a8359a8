/*
 * subscription.c: one fiber's queue of what a topic was told. See <backend/pubsub.h>.
 *
 * The queue is a ring of references that grows as it is needed: an idle subscriber has none. A gap
 * that stands between messages is an empty place in it; one made by dropping the oldest belongs to
 * whatever comes next.
 *
 * Replay: the subscription hears the topic before the history is read, so nothing falls between.
 * What is in both is told apart by its id: a live message that is not newer than the history's last
 * was in it.
 */
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"
#include "fiber/fiber.h"
#include "fiber/select.h"
#include "pubsub/hub.h"

#define QUEUE_DEFAULT       64
#define QUEUE_BYTES_DEFAULT (1024u * 1024)

struct bk_subscription {
    struct bk__link link;    /* in its topic's subscriptions */
    struct bk__topic *topic; /* NULL: closed */
    bk_fiber *waiting;       /* NULL: nobody */
    struct bk__message **ring;
    uint32_t room, first, count; /* of ring; `room` is a power of two, or 0 */
    uint32_t most, most_bytes, bytes;
    bk_slow slow;
    bool gap;     /* the next event follows a gap */
    bool dropped; /* closed for being slow */
    bool ended;   /* the app stops: what is queued is the last */
    bk_source source;
    uint64_t seen[2];            /* id of the last replayed; zeros: everything is new */
    struct bk__message *present; /* what the last call gave out */
};

bk_subscription *bk__subscription_of(struct bk__link *link)
{
    return bk__container_of(link, bk_subscription, link);
}

/* --- the queue -------------------------------------------------------------------------------- */

static uint32_t weight(const struct bk__message *message)
{
    return message != NULL ? message->len : 0;
}

static struct bk__message *pop(bk_subscription *sub)
{
    struct bk__message *message = sub->ring[sub->first];

    sub->first = (sub->first + 1) & (sub->room - 1);
    sub->count--;
    sub->bytes -= weight(message);
    return message;
}

static void grow(bk_subscription *sub)
{
    uint32_t room = sub->room != 0 ? sub->room * 2 : 4;
    struct bk__message **ring = malloc(room * sizeof(struct bk__message *));

    bk_assert(ring != NULL);
    for (uint32_t i = 0; i < sub->count; i++)
        ring[i] = sub->ring[(sub->first + i) & (sub->room - 1)];
    free(sub->ring);
    sub->ring = ring;
    sub->room = room;
    sub->first = 0;
}

static void tell(bk_subscription *sub)
{
    if (sub->waiting != NULL)
        bk_fiber_wake(sub->waiting);
    bk__source_signal(&sub->source);
}

/* Takes the reference. */
static void push(bk_subscription *sub, struct bk__message *message)
{
    if (sub->count == sub->room)
        grow(sub);
    sub->ring[(sub->first + sub->count++) & (sub->room - 1)] = message;
    sub->bytes += weight(message);
    tell(sub);
}

static void empty(bk_subscription *sub)
{
    while (sub->count != 0)
        bk__message_unref(pop(sub));
    free(sub->ring);
    sub->ring = NULL;
    sub->room = sub->first = 0;
}

static bool is_full_for(const bk_subscription *sub, const struct bk__message *message)
{
    return sub->count >= sub->most || (uint64_t)sub->bytes + weight(message) > sub->most_bytes;
}

/* True when the history had it. The first that is newer ends the question: ids only grow. */
static bool was_replayed(bk_subscription *sub, const struct bk__message *message)
{
    uint64_t id[2];

    if ((sub->seen[0] == 0 && sub->seen[1] == 0) || !bk__stream_id(bk_str_of(message->id), id))
        return false;
    if (id[0] < sub->seen[0] || (id[0] == sub->seen[0] && id[1] <= sub->seen[1]))
        return true;
    sub->seen[0] = sub->seen[1] = 0;
    return false;
}

void bk__subscription_add(bk_subscription *sub, struct bk__message *message)
{
    bool last_is_gap =
        sub->count != 0 && sub->ring[(sub->first + sub->count - 1) & (sub->room - 1)] == NULL;

    if (sub->dropped)
        return;
    if (message == NULL) {
        if (!last_is_gap)
            push(sub, NULL);
        return;
    }
    if (was_replayed(sub, message))
        return;
    if (sub->slow == BK_SLOW_CLOSE && is_full_for(sub, message)) {
        sub->dropped = true;
        empty(sub);
        tell(sub);
        return;
    }
    while (sub->count != 0 && is_full_for(sub, message)) {
        bk__message_unref(pop(sub));
        sub->gap = true;
    }
    message->refs++;
    push(sub, message);
}

void bk__subscription_end(bk_subscription *sub)
{
    sub->ended = true;
    tell(sub);
}

static bool is_ready(const bk_source *source)
{
    const bk_subscription *sub = bk__container_of(source, bk_subscription, source);

    return sub->count != 0 || sub->dropped || sub->ended;
}

bk_source *bk_subscription_source(bk_subscription *sub)
{
    return &sub->source;
}

/* --- replay ----------------------------------------------------------------------------------- */

/* @p known: the last heard is still in the history, so nothing between is lost. Past the bounds of
 * the queue on purpose: the history has its own. */
static void replay_here(bk_subscription *sub, const uint64_t after[2])
{
    const struct bk__topic *topic = sub->topic;
    bool ours = after[0] == topic->hub->born;
    bool known = after[0] == 0 && after[1] == 0 && !topic->trimmed;
    uint64_t id[2];

    for (uint32_t i = 0; i < topic->count; i++) {
        struct bk__message *message = topic->history[(topic->first + i) % topic->hub->replay];
        bool is_id = bk__stream_id(bk_str_of(message->id), id);
        bk_assert(is_id);
        if (ours && id[1] < after[1])
            continue;
        if (ours && id[1] == after[1]) {
            known = true;
            continue;
        }
        message->refs++;
        push(sub, message);
    }
    sub->gap = !known;
}

static const bk_reply *entry_bytes(const bk_reply *entry)
{
    if (entry->type != BK_REPLY_ARRAY || entry->count != 2 || entry->items[0].str.len == 0 ||
        entry->items[0].str.len >= BK_PUBSUB_ID || entry->items[1].count < 2)
        return NULL;
    return &entry->items[1].items[1];
}

BK_YIELDS static bk_err replay_far(bk_subscription *sub, bk_str after)
{
    struct bk__message **live;
    uint32_t live_count;
    bool known = false, lost;
    bk_reply reply;

    BK_TRY(bk_redis_run(sub->topic->hub->redis, "XRANGE $1 $2 +",
                        BK_ARGS(bk_text(sub->topic->feed.channel), bk_text(after)), &reply));
    live_count = sub->count;
    lost = sub->gap; /* the queue was too short for what came meanwhile: after the history */
    live = bk_arena_alloc(bk_fiber_arena(), (live_count + 1) * sizeof(struct bk__message *));
    for (uint32_t i = 0; i < live_count; i++)
        live[i] = pop(sub);
    for (size_t i = 0; i < reply.count; i++) {
        const bk_reply *bytes = entry_bytes(&reply.items[i]);
        if (bytes == NULL)
            continue;
        bk_str id = reply.items[i].items[0].str;
        if (bk_str_eq(id, after)) {
            known = true;
            continue;
        }
        push(sub, bk__message_new(id, bytes->str));
        (void)bk__stream_id(id, sub->seen);
    }
    if (lost)
        push(sub, NULL);
    for (uint32_t i = 0; i < live_count; i++) {
        if (live[i] == NULL || !was_replayed(sub, live[i]))
            push(sub, live[i]);
        else
            bk__message_unref(live[i]);
    }
    sub->gap = !known;
    return BK_OK;
}

/* --- life ------------------------------------------------------------------------------------- */

void bk_subscription_close(bk_subscription *sub)
{
    struct bk__topic *topic = sub->topic;

    bk_assert(sub->waiting == NULL);
    if (topic == NULL)
        return;
    sub->topic = NULL;
    bk__source_fini(&sub->source);
    bk__list_remove(&sub->link);
    empty(sub);
    bk__message_unref(sub->present);
    sub->present = NULL;
    bk__topic_put(topic);
}

static void close_deferred(void *data)
{
    bk_subscription_close(data);
}

bk_err bk_subscribe(bk_pubsub *hub, bk_str name, const bk_subscribe_opts *opts,
                    bk_subscription **out)
{
    bk_subscribe_opts all = opts != NULL ? *opts : (bk_subscribe_opts){0};
    bk_arena *arena = bk_fiber_arena();
    uint64_t after[2];

    BK_TRY(bk__topic_check(name));
    bool replays = all.after.len != 0 && hub->replay != 0;
    if (replays && !bk__stream_id(all.after, after))
        return bk_fail(BK_EINVAL, "that is no id of a message");
    if (hub->draining)
        return bk_fail(BK_EUNAVAILABLE, "the app is stopping");
    bk_subscription *sub = BK_NEW(arena, bk_subscription);
    sub->most = all.queue != 0 ? all.queue : QUEUE_DEFAULT;
    sub->most_bytes = all.queue_bytes != 0 ? all.queue_bytes : QUEUE_BYTES_DEFAULT;
    sub->slow = all.slow;
    bk__source_init(&sub->source, is_ready);
    sub->topic = bk__topic_get(hub, name);
    bk__list_push(&sub->topic->subscriptions, &sub->link);
    bk_arena_defer(arena, close_deferred, sub);

    bk_err err = BK_OK;
    if (hub->redis != NULL)
        err = bk__redis_topic_wait(hub->redis, &sub->topic->feed);
    if (err == BK_OK && replays) {
        if (hub->redis != NULL)
            err = replay_far(sub, all.after);
        else
            replay_here(sub, after);
    }
    if (err != BK_OK) {
        bk_subscription_close(sub);
        return err;
    }
    *out = sub;
    return BK_OK;
}

bk_err bk_subscription_next(bk_subscription *sub, bk_pubsub_event *event)
{
    bk_err err = BK_OK;

    bk_assert(sub->waiting == NULL);
    if (sub->topic == NULL)
        return bk_fail(BK_ECLOSED, "the subscription is closed");
    bk__message_unref(sub->present);
    sub->present = NULL;
    sub->waiting = bk_fiber_self();
    while (!is_ready(&sub->source) && err == BK_OK)
        err = bk__fiber_wait(BK__NEVER);
    sub->waiting = NULL;
    if (sub->dropped)
        return bk_fail(BK_ECLOSED, "the subscriber was too slow");
    if (sub->count == 0 && sub->ended)
        return bk_fail(BK_ECLOSED, "the app is stopping");
    if (sub->count == 0)
        return err;
    struct bk__message *message = sub->present = pop(sub);
    *event = (bk_pubsub_event){
        .topic = sub->topic->name,
        .bytes = message != NULL ? bk_str_at(message->bytes, message->len) : (bk_str){NULL, 0},
        .id = bk_str_of(message != NULL ? message->id : ""),
        .gap = sub->gap || message == NULL,
    };
    sub->gap = false;
    return BK_OK;
}
