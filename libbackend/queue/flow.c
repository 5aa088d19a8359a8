/*
 * flow.c: trees of jobs. See <backend/flow.h>.
 *
 * A tree is laid out in a row, parents before their children, and added by one script. Each job
 * gets its id here, for its children name it.
 */
#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/flow.h>
#include <backend/json.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/random.h"
#include "queue/admin.h"
#include "queue/queue.h"
#include "queue/scripts.h"
#include "redis/redis.h"
#include "redis/slots.h"

/* A job of the row. */
struct node {
    const bk_flow *flow;
    const struct node *parent; /* NULL: the root */
    struct bk__new_job job;
    bk_str id;
};

/* --- laying out --------------------------------------------------------------------------------- */

static size_t lay_out(const bk_flow *flow, struct node row[BK_FLOW_MAX])
{
    size_t count = 1;

    row[0] = (struct node){.flow = flow};
    for (size_t at = 0; at < count; at++) {
        const bk_flow *it = row[at].flow;
        if (it->child_count > BK_FLOW_MAX - count)
            return 0;
        for (size_t i = 0; i < it->child_count; i++)
            row[count++] = (struct node){.flow = &it->children[i], .parent = &row[at]};
    }
    return count;
}

/* A script may touch what lies on the server that runs it. */
static bk_err check_place(const bk_queue *root, const bk_queue *queue)
{
    if (queue->redis != root->redis)
        return bk_fail(BK_EINVAL, "a flow: queue %s lies in another Redis than queue %s",
                       queue->name, root->name);
    if (queue->redis->cluster != NULL &&
        bk__redis_slot_of(queue->base) != bk__redis_slot_of(root->base))
        return bk_fail(BK_EINVAL,
                       "a flow: queues %s and %s lie in different slots of the Cluster; a prefix "
                       "such as {bull} keeps them together",
                       queue->name, root->name);
    return BK_OK;
}

/* --- a job of the row --------------------------------------------------------------------------- */

/* What the failure of a child is called in Redis. */
static bk_str policy_of(bk_child_failure failure)
{
    static const bk_str names[] = {
        [BK_CHILD_FAILS_PARENT] = {"fpof", 4},
        [BK_CHILD_RUNS_PARENT] = {"cpof", 4},
        [BK_CHILD_IS_IGNORED] = {"idof", 4},
        [BK_CHILD_IS_DROPPED] = {"rdof", 4},
    };

    return names[failure];
}

static bk_str queue_key(bk_arena *arena, const bk_queue *queue)
{
    return bk_arena_dup(arena, bk_str_at(queue->base.ptr, queue->base.len - 1));
}

/* {"id":..., KEY:"bull:books"}, with the policy where it is asked for. */
static void write_parent(bk_json_writer *w, const struct node *node, bk_str key, bool with_policy)
{
    const struct node *parent = node->parent;
    bk_str policy = policy_of(node->flow->on_failure);

    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("id"));
    bk_json_write_str(w, parent->id);
    bk_json_write_key(w, key);
    bk_json_write_str(w, queue_key(w->buf->arena, parent->flow->queue));
    if (with_policy && policy.len != 0) {
        bk_json_write_key(w, policy);
        bk_json_write_bool(w, true);
    }
    bk_json_end_object(w);
}

static bk_str parent_field(bk_arena *arena, const struct node *node)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};

    write_parent(&w, node, BK_LIT("queueKey"), true);
    return bk_buf_str(&buf);
}

/* The options, which are an object that is never empty, with the parent and the policy in front. */
static bk_str opts_of_child(bk_arena *arena, const struct node *node)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};
    bk_str policy = policy_of(node->flow->on_failure);
    bk_str opts = node->job.opts;

    bk_buf_add(&buf, BK_LIT("{\"parent\":"));
    write_parent(&w, node, BK_LIT("queue"), false);
    if (policy.len != 0)
        bk_buf_printf(&buf, ",\"%.*s\":true", BK_PRI(policy));
    bk_buf_add_char(&buf, ',');
    bk_buf_add(&buf, bk_str_at(opts.ptr + 1, opts.len - 1));
    return bk_buf_str(&buf);
}

static void link_to_parent(bk_arena *arena, struct node *node)
{
    const struct node *parent = node->parent;

    bk__new_job_set(&node->job, BK_LIT("parentKey"),
                    bk__queue_key(arena, parent->flow->queue, parent->id));
    bk__new_job_set(&node->job, BK_LIT("parent"), parent_field(arena, node));
    node->job.opts = opts_of_child(arena, node);
}

static bk_err make(bk_arena *arena, struct node *node)
{
    const bk_flow *flow = node->flow;
    const bk_job_opts *opts = flow->job.opts;

    if (opts != NULL && opts->dedup.id.len != 0)
        return bk_fail(BK_EINVAL, "a flow: job \"%s\" cannot be deduplicated", flow->job.name);
    BK_TRY(bk__new_job_make(flow->queue, &flow->job, arena, &node->job));
    if (opts != NULL && opts->id.len != 0) {
        node->id = opts->id; /* bk__new_job_make() has told it */
    } else {
        char uuid[BK__UUID_TEXT];
        bk__uuid7(uuid);
        node->id = bk_arena_dup(arena, bk_str_at(uuid, sizeof uuid));
        bk__new_job_set(&node->job, BK_LIT("id"), node->id);
    }
    if (flow->child_count != 0)
        bk__new_job_set(&node->job, BK_LIT("children"), BK_LIT("1"));
    if (node->parent != NULL)
        link_to_parent(arena, node);
    return BK_OK;
}

/* --- adding ------------------------------------------------------------------------------------- */

static void push(struct bk__argv *argv, const struct node *node)
{
    const bk_queue *queue = node->flow->queue;
    const struct bk__new_job *job = &node->job;

    bk__argv_push(argv, queue->base);
    bk__argv_push_i64(argv, queue->events);
    bk__argv_push(argv, job->name);
    bk__argv_push(argv, job->data);
    bk__argv_push(argv, job->opts);
    bk__argv_push_i64(argv, (int64_t)job->pair_count / 2);
    for (size_t i = 0; i < job->pair_count; i++)
        bk__argv_push(argv, job->pairs[i]);
}

BK_YIELDS static bk_err add(const struct node *row, size_t count)
{
    const bk_queue *queue = row[0].flow->queue;
    struct bk__argv argv;
    bk_reply reply;

    bk__argv_init(&argv);
    bk__script_begin(&argv, &bk__script_flow, queue->base);
    bk__argv_push_i64(&argv, bk__queue_now());
    bk__argv_push_i64(&argv, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        push(&argv, &row[i]);
    bk_err err = bk__script_run(queue->redis, &bk__script_flow, &argv, &reply);
    bk__argv_fini(&argv);
    BK_TRY(err);
    if (reply.i64 == -7)
        return bk_fail(BK_ECONFLICT, "a flow: a child has another parent");
    return BK_OK;
}

bk_err bk_flow_add(const bk_flow *flow, bk_str *id)
{
    bk_arena *arena = bk_fiber_arena();
    struct node *row = bk_arena_alloc(arena, BK_FLOW_MAX * sizeof *row);
    size_t count = lay_out(flow, row);

    if (count == 0)
        return bk_fail(BK_EINVAL, "a flow has at most %d jobs", BK_FLOW_MAX);
    for (size_t i = 0; i < count; i++) {
        BK_TRY(check_place(flow->queue, row[i].flow->queue));
        BK_TRY(bk_context(make(arena, &row[i]), "job %zu of a flow", i + 1));
    }
    BK_TRY(add(row, count));
    if (id != NULL)
        *id = row[0].id;
    return BK_OK;
}

/* --- children ----------------------------------------------------------------------------------- */

enum {
    COMPLETED, /* keys and values by turns */
    IGNORED,   /* keys and words by turns */
    FATAL,
    PENDING,
    LISTS
};

static bk_child child_of(const bk_reply *list, int kind, size_t at)
{
    switch (kind) {
    case COMPLETED:
        return (bk_child){.key = list->items[at].str,
                          .state = BK_CHILD_COMPLETED,
                          .value = list->items[at + 1].str};
    case IGNORED:
        return (bk_child){.key = list->items[at].str,
                          .state = BK_CHILD_FAILED,
                          .reason = list->items[at + 1].str};
    case FATAL:
        return (bk_child){.key = list->items[at].str, .state = BK_CHILD_FAILED};
    default:
        return (bk_child){.key = list->items[at].str, .state = BK_CHILD_PENDING};
    }
}

bk_err bk_flow_children(bk_queue *queue, bk_str id, const bk_child **children, size_t *count)
{
    bk_reply reply;
    size_t most = 0, found = 0;

    BK_TRY(bk__admin_run(queue, &bk__script_children, BK_ARGS(bk_text(id)), &reply));
    if (reply.type != BK_REPLY_ARRAY || reply.count != LISTS)
        return bk_fail(BK_EINTERNAL, "queue %s: an answer of another shape", queue->name);
    for (int kind = 0; kind < LISTS; kind++)
        most += reply.items[kind].count;
    bk_child *out = bk_arena_alloc(bk_fiber_arena(), (most + 1) * sizeof *out);
    for (int kind = 0; kind < LISTS; kind++) {
        const bk_reply *list = &reply.items[kind];
        size_t step = kind == COMPLETED || kind == IGNORED ? 2 : 1;
        for (size_t i = 0; i + step <= list->count; i += step)
            out[found++] = child_of(list, kind, i);
    }
    *children = out;
    *count = found;
    return BK_OK;
}
