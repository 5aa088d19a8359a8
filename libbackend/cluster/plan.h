/*
 * plan.h: what the supervisor should do next, from what there is and what is wanted. Pure: it
 * looks, and says one step; the supervisor takes it and asks again.
 *
 * A stale worker is to be replaced: by a reload, because the number of workers changes (so that
 * each gets its new share of what the service may have), or because it has grown too large. It
 * serves until a fresh one of its role is ready. All replacing is this one rule.
 */
#ifndef BK_CLUSTER_PLAN_H
#define BK_CLUSTER_PLAN_H

#include <stdbool.h>

#include "app/app.h"

enum bk__worker_state {
    BK__DEAD, /* an empty place */
    BK__STARTING,
    BK__READY,
    BK__DRAINING, /* takes nothing new and is about to end, by itself or by force */
    BK__STATES
};

enum bk__worker_role {
    BK__WEB,
    BK__JOB,
    BK__OWN, /* the first of bk_app.roles */
    BK__ROLES = BK__OWN + BK__OWN_ROLES
};

struct bk__plan_worker {
    enum bk__worker_state state;
    enum bk__worker_role role;
    bool stale;
};

struct bk__plan {
    struct bk__plan_worker workers[BK__SLOTS]; /* by slot */
    unsigned wanted[BK__ROLES];
    bool may_start[BK__ROLES]; /* it does not have to wait after a failure */
    unsigned spare;            /* processes there may be beyond those wanted; at least 1 */
};

enum bk__plan_action {
    BK__REST,
    BK__START,
    BK__DRAIN
};

struct bk__plan_step {
    enum bk__plan_action action;
    enum bk__worker_role role; /* of the one to start */
    unsigned slot;             /* where to start it, or whom to drain */
};

struct bk__plan_step bk__plan_next(const struct bk__plan *plan);

/* Workers of all roles that are wanted. */
unsigned bk__plan_wanted(const struct bk__plan *plan);

/* Workers of @p role that are ready. */
unsigned bk__plan_ready(const struct bk__plan *plan, enum bk__worker_role role);

/* Whether there is nothing left to replace, to start or to wait for. */
bool bk__plan_settled(const struct bk__plan *plan);

#endif
