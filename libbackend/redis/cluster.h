/*
 * cluster.h: the nodes of a Redis Cluster, and which of them serves which keys.
 */
#ifndef BK_REDIS_CLUSTER_H
#define BK_REDIS_CLUSTER_H

#include "redis/redis.h"

struct bk__redis_cluster;

struct bk__redis_cluster *bk__redis_cluster_new(bk_redis *redis);
void bk__redis_cluster_free(struct bk__redis_cluster *cluster); /* NULL is fine */

/* Waits until it is known who serves what, or the first attempts have failed, or connect_ms. */
BK_YIELDS bk_err bk__redis_cluster_wait(struct bk__redis_cluster *cluster);

/* See bk__redis_link_for(), bk__redis_settle(). */
struct bk__redis_link *bk__redis_cluster_link_for(struct bk__redis_cluster *cluster,
                                                  const bk_str *words, size_t count);
BK_YIELDS bk_err bk__redis_cluster_settle(struct bk__redis_cluster *cluster, const bk_str *words,
                                          size_t count, bk_reply *reply);

/* Learns from the error that a transaction was refused with. True: it has not run, and is worth
 * another attempt, after a pause where @p pause is set. */
bool bk__redis_cluster_learn(struct bk__redis_cluster *cluster, bk_str error, bool *pause);

/* Tells the feed whom to hear. */
void bk__redis_cluster_lead(struct bk__redis_cluster *cluster);

void bk__redis_cluster_add_stats(const struct bk__redis_cluster *cluster, bk_redis_stats *stats);

#endif
