/*
 * sentinel.h: the master of a service that sentinels look after.
 *
 * It makes the connection of a bk_redis when it first hears who the master is, moves it, and the
 * feed, when that becomes another, and asks again at once when the connection is lost.
 */
#ifndef BK_REDIS_SENTINEL_H
#define BK_REDIS_SENTINEL_H

#include "redis/redis.h"

struct bk__redis_sentinel;

struct bk__redis_sentinel *bk__redis_sentinel_new(bk_redis *redis);
void bk__redis_sentinel_free(struct bk__redis_sentinel *sentinel); /* NULL is fine */

/* Waits until the master is connected to, or connect_ms. */
BK_YIELDS bk_err bk__redis_sentinel_wait(struct bk__redis_sentinel *sentinel);

/* Tells the feed whom to hear. */
void bk__redis_sentinel_lead(struct bk__redis_sentinel *sentinel);

#endif
