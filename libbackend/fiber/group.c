/*
 * group.c: children that cannot outlive the fiber that opened their group. See <backend/fiber.h>.
 *
 * The group lies in its opener's arena, and a defer of that arena ends it: defers run on the
 * opener's own stack before it ends, so they can wait for the children, shielded from cancel and
 * deadline. A child counts as ended only when its own arena is empty too (on_done), for its defers
 * may use what was lent to it. Its chain of errors would be gone by then, so the child leaves a
 * copy when its function returns, in a task that the group keeps for that and that bk_group_wait()
 * hands to the opener.
 *
 * What must hold: while a child runs, its opener has not left its arena's defers.
 */
#include <backend/fiber.h>

#include "core/assert.h"
#include "core/list.h"
#include "core/task.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"

struct bk_group {
    bk_fiber *opener;
    struct bk__list children; /* struct child: begun and not ended */
    struct bk__list spare;    /* struct child: ended, to be used again */
    struct bk__task failure;  /* holds the chain of the first that failed */
    bk_err result;            /* why the group failed; BK_OK until then */
    bool cancelled;           /* takes no more children */
    bool awaited;             /* the opener is parked until the children have ended */
};

/* In the opener's arena. */
struct child {
    struct bk__link link;
    bk_group *group;
    bk_fiber *fiber;
    bk_fiber_fn fn;
    void *data;
};

static void cancel_all_but(bk_group *group, const bk_fiber *spared)
{
    group->cancelled = true;
    bk__list_each(it, &group->children) {
        struct child *child = bk__container_of(it, struct child, link);
        if (child->fiber != spared)
            bk_fiber_cancel(child->fiber);
    }
}

/* Until the children have ended, or BK_ECANCELED or BK_ETIMEDOUT before that. */
static bk_err join(bk_group *group)
{
    bk_err err = BK_OK;

    group->awaited = true;
    while (err == BK_OK && !bk__list_empty(&group->children))
        err = bk__fiber_wait(BK__NEVER);
    group->awaited = false;
    return bk__list_empty(&group->children) ? BK_OK : err;
}

static void cancel_and_join(bk_group *group)
{
    bk_group_cancel(group);
    bk__shield_up();
    bk_err err = join(group);
    bk__shield_down();
    bk_assert(err == BK_OK);
}

/* As it was when opened. */
static void renew(bk_group *group)
{
    bk__task_clear(&group->failure);
    group->result = BK_OK;
    group->cancelled = false;
}

/* The opener's arena ends. */
static void end(void *data)
{
    bk_group *group = data;
    cancel_and_join(group);
    bk__arena_fini(&group->failure.arena);
}

bk_group *bk_group_open(void)
{
    bk_arena *arena = bk_fiber_arena();
    bk_group *group = BK_NEW(arena, bk_group);

    group->opener = bk_fiber_self();
    bk__list_init(&group->children);
    bk__list_init(&group->spare);
    bk__arena_init(&group->failure.arena, NULL, 0);
    bk_arena_defer(arena, end, group);
    return group;
}

/* The first failure counts: it is kept with its chain, taken from @p from. */
static void fail_group(bk_group *group, bk_err err, const struct bk__task *from,
                       const bk_fiber *spared)
{
    if (group->result != BK_OK)
        return;
    group->result = err;
    bk__task_adopt(&group->failure, from);
    cancel_all_but(group, spared);
}

/* The outermost function of a child. One that fails is left to clean up in peace: it is not
 * cancelled. */
static bk_err run(void *data)
{
    struct child *child = data;
    bk_group *group = child->group;
    bk_err err = child->fn(child->data);

    if (err != BK_OK)
        fail_group(group, err, &child->fiber->task, child->fiber);
    return err;
}

static void on_done(bk_fiber *fiber, bk_err result, void *data)
{
    struct child *child = data;
    bk_group *group = child->group;

    (void)fiber, (void)result;
    bk__list_remove(&child->link);
    bk__list_push(&group->spare, &child->link);
    if (group->awaited && bk__list_empty(&group->children))
        bk_fiber_wake(group->opener);
}

void bk_group_spawn(bk_group *group, const char *name, bk_fiber_fn fn, void *data)
{
    bk_fiber *opener = group->opener;

    if (group->cancelled) {
        if (group->result == BK_OK)
            group->result = BK_ECANCELED;
        return;
    }
    bk_fiber *fiber = bk__fiber_new(opener->loop, name);
    if (fiber == NULL) {
        bk_err err = bk_fail(BK_EUNAVAILABLE, "%s: no room for a fiber, %zu are running", name,
                             opener->loop->fiber_count);
        fail_group(group, err, bk__task_self(), NULL);
        return;
    }
    struct bk__link *spare = bk__list_pop(&group->spare);
    struct child *child = spare != NULL ? bk__container_of(spare, struct child, link)
                                        : BK_NEW(&opener->task.arena, struct child);
    child->group = group;
    child->fiber = fiber;
    child->fn = fn;
    child->data = data;
    bk__list_push(&group->children, &child->link);
    fiber->task.request_id = bk__task_request_id(&opener->task);
    fiber->task.route = opener->task.route;
    fiber->task.trace = opener->task.trace;
    bk__fiber_set_deadline(fiber, opener->deadline);
    bk__fiber_on_done(fiber, on_done, child);
    bk__fiber_begin_later(fiber, run, child);
}

void bk_group_cancel(bk_group *group)
{
    cancel_all_but(group, NULL);
}

bk_err bk_group_wait(bk_group *group)
{
    bk_assert(group->opener == bk_fiber_self());
    bk_err stopped = join(group);
    bool by_child = group->result != BK_OK;
    if (stopped != BK_OK) {
        if (!by_child)
            group->result = stopped; /* before the children fail of being cancelled */
        cancel_and_join(group);
    }
    bk_err err = group->result;
    if (by_child)
        bk__task_adopt(&group->opener->task, &group->failure);
    renew(group);
    return err;
}
