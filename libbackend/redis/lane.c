/*
 * lane.c: commands on their way. See lane.h.
 *
 * A call that is abandoned leaves its slot behind, since replies are told apart by their order. A
 * call knows its slot by its number, which counts on for ever; the ring may move.
 */
#include "redis/lane.h"

#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "core/number.h"

enum {
    SLOTS_FIRST = 16,
    BYTES_FIRST = 4096,
    BYTES_KEPT = 256 * 1024 /* of an empty buffer; a larger one is given back */
};

void bk__redis_lane_fini(struct bk__redis_lane *lane)
{
    free(lane->slots);
    free(lane->bytes);
    *lane = (struct bk__redis_lane){0};
}

static void grow_slots(struct bk__redis_lane *lane)
{
    size_t cap = lane->cap != 0 ? 2 * lane->cap : SLOTS_FIRST;
    struct bk__redis_slot *slots = malloc(cap * sizeof *slots);

    bk_assert(slots != NULL);
    for (size_t i = 0; i < lane->count; i++)
        slots[(lane->head + i) & (cap - 1)] = lane->slots[(lane->head + i) & (lane->cap - 1)];
    free(lane->slots);
    lane->slots = slots;
    lane->cap = cap;
}

static void reserve(struct bk__redis_lane *lane, size_t more)
{
    size_t room = lane->room != 0 ? lane->room : BYTES_FIRST;

    if (lane->room - lane->len >= more && lane->room != 0)
        return;
    if (lane->sent != 0) {
        memmove(lane->bytes, lane->bytes + lane->sent, lane->len - lane->sent);
        lane->len -= lane->sent;
        lane->sent = 0;
    }
    while (room - lane->len < more)
        room *= 2;
    lane->bytes = realloc(lane->bytes, room);
    bk_assert(lane->bytes != NULL);
    lane->room = room;
}

static void put_head(struct bk__redis_lane *lane, char kind, size_t number)
{
    char *at = lane->bytes + lane->len;

    *at = kind;
    size_t len = 1 + bk__i64_text((int64_t)number, at + 1);
    at[len] = '\r';
    at[len + 1] = '\n';
    lane->len += len + 2;
}

void bk__redis_lane_write(struct bk__redis_lane *lane, const bk_str *words, size_t count)
{
    enum {
        HEAD = BK__I64_TEXT + 3 /* "$", a number, CR LF */
    };
    size_t need = HEAD;

    for (size_t i = 0; i < count; i++)
        need += HEAD + words[i].len + 2;
    reserve(lane, need);
    put_head(lane, '*', count);
    for (size_t i = 0; i < count; i++) {
        put_head(lane, '$', words[i].len);
        if (words[i].len != 0)
            memcpy(lane->bytes + lane->len, words[i].ptr, words[i].len);
        lane->len += words[i].len;
        lane->bytes[lane->len++] = '\r';
        lane->bytes[lane->len++] = '\n';
    }
}

void bk__redis_lane_add(struct bk__redis_lane *lane, const bk_str *words, size_t count,
                        struct bk__redis_call *call, uint64_t until_ms)
{
    bk__redis_lane_write(lane, words, count);
    if (lane->count == lane->cap)
        grow_slots(lane);
    size_t at = (lane->head + lane->count++) & (lane->cap - 1);
    lane->slots[at] = (struct bk__redis_slot){call, until_ms};
    if (call != NULL)
        call->place = lane->head + lane->count; /* one more than its number: never 0 */
}

struct bk__redis_slot *bk__redis_lane_first(const struct bk__redis_lane *lane)
{
    bk_debug_assert(lane->count != 0);
    return &lane->slots[lane->head & (lane->cap - 1)];
}

struct bk__redis_slot bk__redis_lane_take(struct bk__redis_lane *lane)
{
    struct bk__redis_slot slot = *bk__redis_lane_first(lane);

    lane->head++;
    lane->count--;
    if (slot.call != NULL)
        slot.call->place = 0;
    return slot;
}

void bk__redis_lane_sent(struct bk__redis_lane *lane, size_t len)
{
    lane->sent += len;
    if (lane->sent < lane->len)
        return;
    lane->sent = lane->len = 0;
    if (lane->room > BYTES_KEPT) {
        free(lane->bytes);
        lane->bytes = NULL;
        lane->room = 0;
    }
}
