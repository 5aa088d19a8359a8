/*
 * channel.c: a bounded queue between fibers of one loop. See <backend/sync.h>.
 *
 * Items lie in a ring that is allocated with the channel. Where somebody waits, an item is handed
 * over rather than stored: from a sender straight to the first waiting receiver; and who takes an
 * item out of a full ring moves the first waiting sender's into the place. So items keep their
 * order, nobody barges, and without a ring (capacity 0) each send meets its receiver.
 *
 * Those who select on the channel hold no place in a line: they are woken whenever an item has come
 * to stay, be it in the ring or with a sender who waits, and at the close.
 *
 * What must hold: where a receiver waits, the ring is empty and no sender waits; where a sender
 * waits, the ring is full; in a closed channel nobody waits.
 */
#include <backend/sync.h>

#include <stdlib.h>

#include "core/assert.h"
#include "fiber/select.h"
#include "fiber/waiter.h"

struct bk_channel {
    size_t item_bytes;
    size_t capacity;
    size_t first; /* place of the oldest item */
    size_t count; /* items in the ring */
    bool closed;
    struct bk__list senders;   /* struct sender */
    struct bk__list receivers; /* struct receiver */
    bk_source source;
    char ring[]; /* capacity * item_bytes */
};

/* The items are the waiting callers' own, which stay where they are until the call returns. */
struct sender {
    struct bk__waiter waiter;
    const void *item;
};

struct receiver {
    struct bk__waiter waiter;
    void *item;
};

static bool is_ready(const bk_source *source)
{
    const bk_channel *channel = bk__container_of(source, bk_channel, source);

    return channel->closed || channel->count != 0 || !bk__list_empty(&channel->senders);
}

bk_channel *bk_channel_new(size_t item_bytes, size_t capacity)
{
    size_t size;

    bk_assert(item_bytes != 0);
    bk_assert(!__builtin_mul_overflow(item_bytes, capacity, &size));
    bk_assert(!__builtin_add_overflow(size, sizeof(bk_channel), &size));
    bk_channel *channel = malloc(size);
    bk_assert(channel != NULL);
    *channel = (bk_channel){.item_bytes = item_bytes, .capacity = capacity};
    bk__list_init(&channel->senders);
    bk__list_init(&channel->receivers);
    bk__source_init(&channel->source, is_ready);
    return channel;
}

void bk_channel_free(bk_channel *channel)
{
    if (channel == NULL)
        return;
    bk_assert(bk__list_empty(&channel->senders) && bk__list_empty(&channel->receivers));
    bk__source_fini(&channel->source);
    free(channel);
}

/* The place of the item that @p nth others are before. */
static char *place(bk_channel *channel, size_t nth)
{
    size_t left = channel->capacity - channel->first; /* places up to the end of the ring */
    size_t at = nth < left ? channel->first + nth : nth - left;
    return channel->ring + at * channel->item_bytes;
}

static void put(bk_channel *channel, const void *item)
{
    memcpy(place(channel, channel->count), item, channel->item_bytes);
    channel->count++;
}

static void take(bk_channel *channel, void *item)
{
    memcpy(item, place(channel, 0), channel->item_bytes);
    channel->count--;
    if (++channel->first == channel->capacity)
        channel->first = 0;
}

bk_err bk_channel_try_send(bk_channel *channel, const void *item)
{
    if (channel->closed)
        return BK_ECLOSED;
    struct bk__waiter *first = bk__waiter_first(&channel->receivers);
    if (first != NULL) {
        struct receiver *receiver = bk__container_of(first, struct receiver, waiter);
        memcpy(receiver->item, item, channel->item_bytes);
        bk__waiter_serve(first, BK_OK);
        return BK_OK;
    }
    if (channel->count == channel->capacity)
        return BK_EAGAIN;
    put(channel, item);
    bk__source_signal(&channel->source);
    return BK_OK;
}

bk_err bk_channel_try_recv(bk_channel *channel, void *item)
{
    struct bk__waiter *first = bk__waiter_first(&channel->senders);
    struct sender *sender = first != NULL ? bk__container_of(first, struct sender, waiter) : NULL;

    if (channel->count != 0) {
        take(channel, item);
        if (sender != NULL)
            put(channel, sender->item);
    } else if (sender != NULL) {
        memcpy(item, sender->item, channel->item_bytes);
    } else {
        return channel->closed ? BK_ECLOSED : BK_EAGAIN;
    }
    if (sender != NULL)
        bk__waiter_serve(first, BK_OK);
    return BK_OK;
}

bk_err bk_channel_send(bk_channel *channel, const void *item)
{
    bk_err err = bk_channel_try_send(channel, item);
    if (err != BK_EAGAIN)
        return err;
    struct sender self = {.item = item};
    if (channel->capacity == 0)
        bk__source_signal(&channel->source); /* they run once this sender is in line */
    return bk__waiter_wait(&self.waiter, &channel->senders);
}

bk_err bk_channel_recv(bk_channel *channel, void *item)
{
    bk_err err = bk_channel_try_recv(channel, item);
    if (err != BK_EAGAIN)
        return err;
    struct receiver self = {.item = item};
    return bk__waiter_wait(&self.waiter, &channel->receivers);
}

static void turn_away(struct bk__list *line)
{
    struct bk__waiter *waiter;
    while ((waiter = bk__waiter_first(line)) != NULL)
        bk__waiter_serve(waiter, BK_ECLOSED);
}

void bk_channel_close(bk_channel *channel)
{
    channel->closed = true;
    turn_away(&channel->senders);
    turn_away(&channel->receivers);
    bk__source_signal(&channel->source);
}

bk_source *bk_channel_source(bk_channel *channel)
{
    return &channel->source;
}

size_t bk_channel_len(const bk_channel *channel)
{
    return channel->count;
}
