/*
 * child.h: a worker: how it is forked, and what it is to its supervisor from inside.
 *
 * The two are joined by a socket. The worker says one byte on it when it is ready; each learns of
 * the other's death by its end. That the loop turns it notes on the board, so that a service at
 * rest wakes nobody.
 */
#ifndef BK_CLUSTER_CHILD_H
#define BK_CLUSTER_CHILD_H

#include "cluster/plan.h"

/* What a worker is told when it is forked. */
struct bk__child_opts {
    bk_app *app;
    struct bk__berth berth; /* its hooks are set by the child */
    enum bk__worker_role role;
    uint32_t beat_ms;           /* how often to note that the loop turns */
    uint32_t drain_ms;          /* after which it ends itself, should the supervisor be gone */
    void (*forget)(void *data); /* in the child: closes what is the supervisor's */
    void *data;
};

/* Forks one. Returns its process, or -1 with errno set. @p channel receives our end of the socket,
 * which becomes readable when it is ready and when it ends. */
pid_t bk__child_fork(const struct bk__child_opts *opts, int *channel);

/* Milliseconds of CLOCK_MONOTONIC, as on the board. */
uint64_t bk__monotonic_ms(void);

#endif
