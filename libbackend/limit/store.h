/*
 * store.h: limits that all hosts share, in Redis.
 */
#ifndef BK_LIMIT_STORE_H
#define BK_LIMIT_STORE_H

#include "limit/algorithm.h"

/* bk__limit_step() in Redis, by its clock. @p key: whole, with its prefix. BK_EUNAVAILABLE or the
 * fiber's own interruption. */
BK_YIELDS bk_err bk__limit_store_take(bk_redis *redis, const struct bk__limit_rule *rule,
                                      bk_str key, uint32_t cost, bk_limit_result *out);

BK_YIELDS bk_err bk__limit_store_forget(bk_redis *redis, bk_str key);

#endif
