/*
 * metrics.h: a connection to Redis as metrics.
 */
#ifndef BK_REDIS_METRICS_H
#define BK_REDIS_METRICS_H

#include <backend/redis.h>

/* @p redis is being declared. */
void bk__redis_measure(bk_app *app, bk_redis *redis);

#endif
