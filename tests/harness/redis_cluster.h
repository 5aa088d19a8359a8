/*
 * redis_cluster.h: a Redis Cluster of the test's own: three masters, and a replica of the first.
 *
 * To be included after <cmocka.h>. What fails here fails the test.
 */
#ifndef TESTS_HARNESS_REDIS_CLUSTER_H
#define TESTS_HARNESS_REDIS_CLUSTER_H

#include <stdio.h>
#include <string.h>

#include "harness/redis.h"

enum {
    MASTERS = 3,
    NODES = 4 /* the last is the replica */
};

struct redis_cluster {
    struct redis nodes[NODES];
    char ids[NODES][48], ports[NODES][8], bus_ports[NODES][8];
    char url[128];
};

/* Keys of slots 3339, 7466 and 11593: one of each master. */
static const char *const redis_cluster_of_each[MASTERS] = {"wc", "wb", "wa"};

static inline void redis_cluster_await_words(struct redis *node, const char *const *words,
                                             const char *answer)
{
    for (int i = 0; strncmp(redis_cli_words(node, words), answer, strlen(answer)) != 0; i++) {
        if (i == 500)
            fail_msg("%s never says %s, but %s", words[0], answer, node->answer);
        usleep(20000);
    }
}

/* Waits until a command's answer begins with @p answer. */
#define redis_cluster_await(node, answer, ...)                                                     \
    redis_cluster_await_words(node, (const char *const[]){__VA_ARGS__, NULL}, answer)

static inline void redis_cluster_start_node(struct redis_cluster *it, int i)
{
    snprintf(it->bus_ports[i], sizeof it->bus_ports[i], "%d", redis_free_port());
    it->nodes[i] = redis_start("--cluster-enabled", "yes", "--cluster-port", it->bus_ports[i],
                               "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0",
                               "--cluster-replica-validity-factor", "0");
    snprintf(it->ports[i], sizeof it->ports[i], "%d", it->nodes[i].port);
    snprintf(it->ids[i], sizeof it->ids[i], "%s", redis_cli(&it->nodes[i], "CLUSTER", "MYID"));
}

static inline void redis_cluster_start(struct redis_cluster *it)
{
    static const char *const ranges[MASTERS][2] = {
        {"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}};
    static const char *const epochs[MASTERS] = {"1", "2", "3"};
    struct redis *nodes = it->nodes;

    for (int i = 0; i < NODES; i++)
        redis_cluster_start_node(it, i);
    for (int i = 0; i < MASTERS; i++) {
        redis_cli(&nodes[i], "CLUSTER", "SET-CONFIG-EPOCH", epochs[i]);
        assert_string_equal(
            redis_cli(&nodes[i], "CLUSTER", "ADDSLOTSRANGE", ranges[i][0], ranges[i][1]), "OK");
    }
    for (int i = 1; i < NODES; i++)
        redis_cli(&nodes[0], "CLUSTER", "MEET", "127.0.0.1", it->ports[i], it->bus_ports[i]);
    for (int i = 0; i < MASTERS; i++)
        redis_cluster_await(&nodes[i], "cluster_state:ok", "CLUSTER", "INFO");
    redis_cluster_await(&nodes[MASTERS], "OK", "CLUSTER", "REPLICATE", it->ids[0]);
    redis_cluster_await(&nodes[0], "1", "WAIT", "1", "100");
    snprintf(it->url, sizeof it->url, "redis+cluster://127.0.0.1:%d,127.0.0.1:%d", nodes[0].port,
             nodes[1].port);
}

static inline void redis_cluster_stop(struct redis_cluster *it)
{
    for (int i = 0; i < NODES; i++)
        redis_stop(&it->nodes[i]);
}

#endif
