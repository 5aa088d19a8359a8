/*
 * lane.h: commands on their way to a server, and who waits for their replies, in order.
 */
#ifndef BK_REDIS_LANE_H
#define BK_REDIS_LANE_H

#include "redis/link.h"

struct bk__redis_slot {
    struct bk__redis_call *call; /* NULL: nobody waits (any more) */
    uint64_t until_ms;           /* when its reply is late; BK__NEVER */
};

/* A zeroed one is empty. */
struct bk__redis_lane {
    struct bk__redis_slot *slots; /* a ring; its size is a power of two */
    size_t head, count, cap;
    char *bytes; /* formatted commands; those before `sent` are with the kernel */
    size_t len, sent, room;
};

void bk__redis_lane_fini(struct bk__redis_lane *lane);

/* Adds a command. */
void bk__redis_lane_add(struct bk__redis_lane *lane, const bk_str *words, size_t count,
                        struct bk__redis_call *call, uint64_t until_ms);

/* Adds a command that has no reply of its own. */
void bk__redis_lane_write(struct bk__redis_lane *lane, const bk_str *words, size_t count);

/* The oldest; there must be one. */
struct bk__redis_slot *bk__redis_lane_first(const struct bk__redis_lane *lane);
struct bk__redis_slot bk__redis_lane_take(struct bk__redis_lane *lane);

/* So many bytes have been sent. */
void bk__redis_lane_sent(struct bk__redis_lane *lane, size_t len);

#endif
