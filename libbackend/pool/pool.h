/*
 * pool.h: the engine of every pool: how many are open, who gets which, who waits.
 *
 * A member is lent in one of two ways. Held: one fiber has it alone. Shared: many use it at a time,
 * as a connection that pipelines can be; who lends it says how long one more user would wait for
 * it, and the first that is quick enough is taken, so that work stays where it is warm.
 *
 *        opening -> idle <-> held
 *                   idle <-> shared -> draining -> idle       (takes no more users: somebody waits
 *                                                              to hold it, or its time is over)
 *        any of them -> gone                                  (closed, or lost)
 *
 * Waiting fibers stand in one line. Only its first may be served, so nobody is passed by.
 * Everything here runs on one loop; nothing but hold and share waits.
 */
#ifndef BK_POOL_POOL_H
#define BK_POOL_POOL_H

#include <backend/metrics.h>
#include <backend/pool.h>

#include "core/list.h"
#include "fiber/timer.h"

#define BK__POOL_BUSY UINT64_MAX /* a member that takes no further user */

struct bk__pool;

enum bk__member_state {
    BK__MEMBER_IDLE,
    BK__MEMBER_SHARED,
    BK__MEMBER_DRAINING,
    BK__MEMBER_HELD,
    BK__MEMBER_GONE
};

/* Lies in what is pooled. Only the pool writes it. */
struct bk__member {
    struct bk__link link; /* in bk__pool.members, oldest first */
    enum bk__member_state state;
    uint32_t users;      /* of a shared or draining one */
    uint64_t idle_since; /* loop time, ms */
    uint64_t retire_at;  /* loop time, ms; BK__NEVER */
    const char *file;    /* where it was borrowed; of a held one */
    int line;
};

struct bk__pool_ops {
    /* Begins to open one, then, at any later time or at once, calls bk__pool_opened() or
     * bk__pool_open_failed() once. */
    void (*open)(struct bk__pool *pool);

    /* Closes a member that nobody uses and that has left the pool already; frees it. Must not
     * wait. */
    void (*close)(struct bk__pool *pool, struct bk__member *member);

    /* How long, in ns, a new user would wait for @p member, which is idle or shared; BK__POOL_BUSY
     * when it cannot take one now. NULL where members are never shared. */
    uint64_t (*wait_ns)(const struct bk__member *member);

    /* Whether an idle member still works; asked before it is lent, but not when it was opened or
     * used just now. May be NULL. */
    bool (*works)(struct bk__member *member);
};

struct bk__pool {
    const char *name;
    const struct bk__pool_ops *ops;
    bk_pool_opts opts;         /* defaults filled in; min and max are this worker's share */
    uint32_t all_min, all_max; /* of all workers together, as they were given */
    uint64_t share_wait_ns; /* a member that would keep a new user waiting for longer is passed over
                               while another may be had or opened */
    struct bk_loop *loop;   /* NULL while it is closed */
    struct bk__list members; /* bk__member.link */
    struct bk__list line;    /* struct waiter, in pool.c */
    struct bk__list served;  /* those who were served and have not run since */
    struct bk__timer timer;  /* idle and lifetime limits, and the next attempt to open */
    uint32_t failures;       /* attempts that failed since the last that did not */
    uint64_t retry_at;       /* no attempt before; loop time, ms */
    char why[256];           /* the last failure to open, in words; "" for none */
    uint64_t busy_since;     /* since when no member was quick enough to share; 0: one was */
    uint32_t extra;          /* connections open outside the pool that count for max */
    uint32_t draining;       /* members in that state */
    uint32_t holders;        /* fibers in line that want to hold one */
    uint64_t said_at;        /* when a failure to open was last logged; loop time, ms */
    bool settling;           /* bk__pool_settle() is at work further down the stack */
    bk_pool_stats stats;     /* its gauges are kept up to date, too */
    bk_histogram *waits;     /* of those who stand in line; NULL: they are not measured */
};

/* Fills in defaults; stops the program with words, naming @p where, when they make no sense. */
void bk__pool_check_opts(bk_pool_opts *opts, const char *where);

/* @p opts were checked. The pool is closed. */
void bk__pool_init(struct bk__pool *pool, const char *name, const struct bk__pool_ops *ops,
                   const bk_pool_opts *opts);

/* On the thread of the loop that it will serve: begins to open its share of `min`, of
 * those that so many workers have together. Does not wait. */
void bk__pool_start(struct bk__pool *pool, uint32_t sharers);

/* Closes all members, and refuses who waits with BK_ECLOSED. No member may be in use. Attempts to
 * open that still run are the owner's to end: after this neither result may be reported. */
void bk__pool_stop(struct bk__pool *pool);

/* Lends a member to the calling fiber alone; the coldest, so that the warm ones stay shared. BK_OK,
 * BK_EUNAVAILABLE (with words), BK_ETIMEDOUT, BK_ECANCELED, BK_ECLOSED. */
BK_YIELDS bk_err bk__pool_hold(struct bk__pool *pool, struct bk__member **out, const char *file,
                               int line);

/* Lends a member beside its other users. Errors as bk__pool_hold(). */
BK_YIELDS bk_err bk__pool_share(struct bk__pool *pool, struct bk__member **out);

/* Ends a hold, or one use of a shared member. Any stack. */
void bk__pool_put(struct bk__pool *pool, struct bk__member *member);

/* A member broke: it leaves the pool now, whoever uses it, and is replaced. The owner closes it;
 * its users do not put it back. Fibers that it was lent to and that have not run since are first in
 * line again, and never see it. Any stack. */
void bk__pool_lost(struct bk__pool *pool, struct bk__member *member);

/* A shared member is quicker or slower than it was, or became able to take users again: looks
 * whether somebody in line can be served. */
void bk__pool_changed(struct bk__pool *pool);

/* What came of ops->open. @p member: zeroed by the owner, then the pool's until it leaves. On a
 * failure the next attempt comes later each time: 100 ms to 10 s, with jitter; @p why is kept for
 * the words of BK_EUNAVAILABLE and logged (the first of a row of failures, and then rarely). */
void bk__pool_opened(struct bk__pool *pool, struct bk__member *member);
void bk__pool_open_failed(struct bk__pool *pool, bk_str why);

/* Changes how many connections of `max` are used outside the pool. */
void bk__pool_reserve(struct bk__pool *pool, int32_t count);

#endif
