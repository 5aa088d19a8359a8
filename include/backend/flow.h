/**
 * @file backend/flow.h
 * @brief Jobs that wait for other jobs: parents run when their children have ended.
 *
 * @code
 * bk_flow pages[] = {
 *     {.queue = renders, .job = {.name = "page", .json = BK_LIT("1")}},
 *     {.queue = renders, .job = {.name = "page", .json = BK_LIT("2")}},
 * };
 * bk_flow book = {.queue = books, .job = {.name = "bind"}, .children = pages, .child_count = 2};
 * BK_TRY(bk_flow_add(&book, NULL));
 * @endcode
 *
 * All jobs of a tree are added in one step, all or none, however many queues they are for. The
 * parent's handler asks bk_flow_children() what its children have come to.
 *
 * The layout is that of npm bullmq 6, so that parents and children may be run by workers in C and
 * in Node by turns. All queues must lie in one Redis; in a Cluster, in one slot: the same `{bull}`
 * prefix.
 */
#ifndef BACKEND_FLOW_H
#define BACKEND_FLOW_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/queue.h>

BK_BEGIN_DECLS

/** What it means for a parent that a child has failed for good. */
typedef enum bk_child_failure {
    BK_CHILD_BLOCKS,       /**< The parent waits until somebody retries or removes the child. */
    BK_CHILD_FAILS_PARENT, /**< The parent fails too, at once, without being run. */
    BK_CHILD_RUNS_PARENT,  /**< The parent runs at once, though others have not ended. */
    BK_CHILD_IS_IGNORED,   /**< As one that has ended; bk_flow_children() shows its failure. */
    BK_CHILD_IS_DROPPED    /**< As if it had not been there. */
} bk_child_failure;

/** The most jobs that a tree may have. */
#define BK_FLOW_MAX 1000

/** A job and those that it waits for. All is borrowed for the call. */
typedef struct bk_flow {
    bk_queue             *queue;       /**< Where it is run. Not NULL. */
    bk_job_spec           job;         /**< What; without deduplication. */
    bk_child_failure      on_failure;  /**< Of a child: what its failure means. */
    const struct bk_flow *children;    /**< Those that end before it runs. */
    size_t                child_count; /**< How many. */
} bk_flow;

/**
 * Adds a tree of jobs.
 *
 * A child whose id is taken already (bk_job_opts.id) becomes a child of this parent as it is,
 * unless it is that of another that is still there. A parent whose id is taken gets the children.
 *
 * @param id  Receives the id of the root; request-owned. May be NULL.
 * @return BK_OK: Redis has them all. BK_EINVAL for wrong options, more than BK_FLOW_MAX jobs, or
 *         queues that do not lie together; BK_ETOOBIG for a payload; BK_ECONFLICT when a child has
 *         another parent; else as bk_jobs_add(). Nothing is added then.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_flow_add(const bk_flow *flow, bk_str *id);

/** How a child stands. */
typedef enum bk_child_state {
    BK_CHILD_PENDING,   /**< It has not ended, or has failed and is BK_CHILD_BLOCKS. */
    BK_CHILD_COMPLETED, /**< `value` is what it has come to. */
    BK_CHILD_FAILED     /**< `reason` has the words, but for BK_CHILD_FAILS_PARENT. */
} bk_child_state;

/** A child, as its parent knows it. Texts are request-owned. */
typedef struct bk_child {
    bk_str         key;    /**< Its key in Redis: "bull:renders:17". */
    bk_child_state state;  /**< How it stands. */
    bk_str         value;  /**< Of COMPLETED: JSON. */
    bk_str         reason; /**< Of FAILED: words. */
} bk_child;

/**
 * The children of a job, in no order.
 *
 * @param id        The parent's; in a handler bk_job_id().
 * @param children  Receives them, request-owned.
 * @param count     Receives how many they are; 0 also for a job that does not exist.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_flow_children(bk_queue *queue, bk_str id,
                                                      const bk_child **children, size_t *count);

BK_END_DECLS

#endif
