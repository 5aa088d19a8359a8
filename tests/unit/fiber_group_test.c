#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/str.h>
#include <backend/sync.h>

#include "../harness/aborts.h"
#include "../harness/fiber_run.h"

/* What a child is told to do, and what came of it. */
struct child {
    uint64_t sleep_ms;
    uint64_t clean_up_ms; /* shielded, when the sleep was cut short */
    bk_err fail;          /* after the sleep, with a message */
    bk_err slept;
    uint64_t ended_at;
    bool ended;
};

static bk_err live(void *data)
{
    struct child *child = data;

    child->slept = bk_sleep_ms(child->sleep_ms);
    if (child->slept != BK_OK && child->clean_up_ms != 0) {
        bk__shield_up();
        assert_int_equal(bk_sleep_ms(child->clean_up_ms), BK_OK);
        bk__shield_down();
    }
    child->ended = true;
    child->ended_at = bk_now_ms();
    if (child->fail != BK_OK)
        return bk_fail(child->fail, "no luck after %d ms", (int)child->sleep_ms);
    return child->slept;
}

static void spawn(bk_group *group, struct child *child)
{
    bk_group_spawn(group, "child", live, child);
}

/* What a group of one child comes to. */
static bk_err run_one_child(bk_fiber_fn fn, void *data)
{
    bk_group *group = bk_group_open();
    bk_group_spawn(group, "child", fn, data);
    return bk_group_wait(group);
}

static bk_err test_waiting_is_over_when_all_children_ended(void *unused)
{
    bk_group *group = bk_group_open();
    struct child children[3] = {{.sleep_ms = 30}, {.sleep_ms = 10}, {.sleep_ms = 20}};
    uint64_t start = bk_now_ms();

    (void)unused;
    assert_int_equal(bk_group_wait(group), BK_OK); /* nobody is there yet */
    for (int i = 0; i < 3; i++)
        spawn(group, &children[i]);
    assert_int_equal(bk_group_wait(group), BK_OK);
    assert_int_equal(bk_now_ms() - start, 30);
    for (int i = 0; i < 3; i++) {
        assert_true(children[i].ended);
        assert_int_equal(children[i].ended_at - start, children[i].sleep_ms);
    }
    return BK_OK;
}

static bk_err test_the_first_failure_cancels_the_others_and_its_chain_is_handed_on(void *unused)
{
    bk_group *group = bk_group_open();
    struct child children[3] = {{.sleep_ms = 1000, .clean_up_ms = 7, .fail = BK_EIO},
                                {.sleep_ms = 10, .fail = BK_ECONFLICT},
                                {.sleep_ms = 1000}};
    uint64_t start = bk_now_ms();

    (void)unused;
    (void)bk_fail(BK_ENOTFOUND, "of the opener, from before");
    for (int i = 0; i < 3; i++)
        spawn(group, &children[i]);
    assert_int_equal(bk_group_wait(group), BK_ECONFLICT);
    assert_int_equal(bk_now_ms() - start, 17);
    assert_int_equal(children[0].slept, BK_ECANCELED);
    assert_int_equal(children[2].slept, BK_ECANCELED);
    const bk_error_link *chain = bk_error_chain();
    assert_non_null(chain);
    assert_int_equal(chain->code, BK_ECONFLICT);
    assert_true(bk_str_eq(chain->message, BK_LIT("no luck after 10 ms")));
    assert_null(chain->cause);
    return BK_OK;
}

static bk_err refuse_fields(void *unused)
{
    (void)unused;
    bk_fail_field(BK_EINVAL, BK_LIT("/name"), BK_LIT("required"), BK_LIT("is missing"));
    return bk_fail_field(BK_EINVAL, BK_LIT("/age"), BK_LIT("minimum"), BK_LIT("is too low"));
}

static bk_err test_field_errors_are_handed_on(void *unused)
{
    size_t count;

    (void)unused;
    assert_int_equal(run_one_child(refuse_fields, NULL), BK_EINVAL);
    const bk_field_error *fields = bk_error_fields(&count);
    assert_int_equal(count, 2);
    assert_true(bk_str_eq(fields[1].pointer, BK_LIT("/age")));
    return BK_OK;
}

static bk_err fail_barely(void *unused)
{
    (void)unused;
    return BK_EGONE;
}

static bk_err test_a_failure_without_words_leaves_no_older_words(void *unused)
{
    (void)unused;
    (void)bk_fail(BK_ENOTFOUND, "of the opener, from before");
    assert_int_equal(run_one_child(fail_barely, NULL), BK_EGONE);
    assert_null(bk_error_chain()); /* an older chain would tell of another error */
    return BK_OK;
}

/* The opener is stopped while it waits */

struct stopped {
    struct child children[2];
    bk_fiber *opener;
    uint64_t start;
    bk_err err;
    uint64_t waited_ms;
};

static bk_err open_and_wait(void *data)
{
    struct stopped *stopped = data;
    bk_group *group = bk_group_open();

    stopped->opener = bk_fiber_self();
    stopped->start = bk_now_ms();
    for (int i = 0; i < 2; i++)
        spawn(group, &stopped->children[i]);
    stopped->err = bk_group_wait(group);
    stopped->waited_ms = bk_now_ms() - stopped->start;
    assert_true(stopped->children[0].ended && stopped->children[1].ended);
    return BK_OK;
}

static void cancel_at_20_ms(struct stopped *stopped)
{
    assert_int_equal(bk_spawn("opener", open_and_wait, stopped), BK_OK);
    assert_int_equal(bk_sleep_ms(20), BK_OK);
    bk_fiber_cancel(stopped->opener);
    assert_int_equal(bk_sleep_ms(100), BK_OK);
}

static bk_err test_a_canceled_opener_cancels_its_children_and_still_waits(void *unused)
{
    struct stopped stopped = {
        .children = {{.sleep_ms = 1000, .clean_up_ms = 5}, {.sleep_ms = 1000}}};

    (void)unused;
    cancel_at_20_ms(&stopped);
    assert_int_equal(stopped.err, BK_ECANCELED);
    assert_int_equal(stopped.waited_ms, 25);
    assert_int_equal(stopped.children[1].slept, BK_ECANCELED);
    return BK_OK;
}

static bk_err test_an_opener_out_of_time_cancels_its_children_and_still_waits(void *unused)
{
    struct stopped stopped = {
        .children = {{.sleep_ms = 1000, .clean_up_ms = 5}, {.sleep_ms = 1000}}};

    (void)unused;
    bk_deadline before = bk_deadline_push(20);
    assert_int_equal(open_and_wait(&stopped), BK_OK);
    assert_int_equal(stopped.err, BK_ETIMEDOUT);
    assert_int_equal(stopped.waited_ms, 25);
    bk_deadline_pop(before);
    return BK_OK;
}

static bk_err test_a_child_has_the_deadline_that_its_opener_had(void *unused)
{
    bk_group *group = bk_group_open();
    struct child child = {.sleep_ms = 1000};

    (void)unused;
    spawn(group, &child);
    bk_deadline before = bk_deadline_push(20); /* not the child's */
    assert_int_equal(bk_group_wait(group), BK_ETIMEDOUT);
    bk_deadline_pop(before);
    assert_int_equal(child.slept, BK_ECANCELED);
    return BK_OK;
}

static bk_err test_a_failure_before_the_cancel_stands(void *unused)
{
    struct stopped stopped = {
        .children = {{.sleep_ms = 1000, .clean_up_ms = 50}, {.sleep_ms = 10, .fail = BK_EIO}}};

    (void)unused;
    cancel_at_20_ms(&stopped);
    assert_int_equal(stopped.err, BK_EIO);
    assert_int_equal(stopped.waited_ms, 60);
    return BK_OK;
}

/* The opener ends without waiting */

struct forgotten {
    struct child *children; /* in the opener's arena */
    bk_fiber *opener;
    bool *ended; /* a copy that outlives it */
    uint64_t opener_ended_at;
};

static void note_end(void *data)
{
    struct forgotten *forgotten = data;
    for (int i = 0; i < 3; i++)
        forgotten->ended[i] = forgotten->children[i].ended;
    forgotten->opener_ended_at = bk_now_ms();
}

static bk_err open_and_forget(void *data)
{
    struct forgotten *forgotten = data;

    forgotten->opener = bk_fiber_self();
    forgotten->children = bk_arena_zalloc(bk_fiber_arena(), 3 * sizeof(struct child));
    bk_arena_defer(bk_fiber_arena(), note_end, forgotten); /* older than the group: runs after it */
    bk_group *group = bk_group_open();
    for (int i = 0; i < 3; i++) {
        forgotten->children[i] = (struct child){.sleep_ms = 1000, .clean_up_ms = 10};
        if (i == 1)
            forgotten->children[i].fail = BK_EIO;
        spawn(group, &forgotten->children[i]);
    }
    return bk_sleep_ms(5);
}

static bk_err forget_children(void *data)
{
    const bool *cancel = data;
    bool ended[3] = {false};
    struct forgotten forgotten = {.ended = ended};
    uint64_t start = bk_now_ms();

    assert_int_equal(bk_spawn("opener", open_and_forget, &forgotten), BK_OK);
    assert_int_equal(bk_sleep_ms(8), BK_OK);
    if (*cancel)
        bk_fiber_cancel(forgotten.opener);
    assert_int_equal(bk_sleep_ms(100), BK_OK);
    assert_true(ended[0] && ended[1] && ended[2]);
    assert_int_equal(forgotten.opener_ended_at - start, 15);
    return BK_OK;
}

static void test_the_end_of_the_opener_cancels_and_waits(void **state)
{
    (void)state;
    run_fibers(forget_children, &(bool){false});
    run_fibers(forget_children, &(bool){true}); /* in vain: it is ending */
}

/* Children */

static void sleep_in_defer(void *data)
{
    bool *slept = data;
    *slept = bk_sleep_ms(10) == BK_OK;
}

static bk_err fail_with_defer(void *data)
{
    bk_arena_defer(bk_fiber_arena(), sleep_in_defer, data);
    return BK_EIO;
}

static bk_err test_the_defers_of_a_child_are_waited_for_and_may_wait(void *unused)
{
    bool slept = false;

    (void)unused;
    assert_int_equal(run_one_child(fail_with_defer, &slept), BK_EIO);
    assert_true(slept);
    return BK_OK;
}

struct seen {
    bk_str request_id;
    uint64_t left_ms;
};

static bk_err look_around(void *data)
{
    struct seen *seen = data;
    seen->request_id = bk__task_self()->request_id;
    seen->left_ms = bk_deadline_left_ms();
    return BK_OK;
}

static bk_err test_children_have_the_request_id_and_the_deadline_of_the_opener(void *unused)
{
    struct seen seen = {.left_ms = 0};

    (void)unused;
    bk__task_self()->request_id = BK_LIT("0193");
    bk_deadline before = bk_deadline_push(77);
    assert_int_equal(run_one_child(look_around, &seen), BK_OK);
    bk_deadline_pop(before);
    assert_true(bk_str_eq(seen.request_id, BK_LIT("0193")));
    assert_int_equal(seen.left_ms, 77);
    return BK_OK;
}

static bk_err wait_for_mutex(void *mutex)
{
    BK_TRY(bk_mutex_lock(mutex));
    bk_mutex_unlock(mutex);
    return BK_OK;
}

static bk_err test_a_canceled_group_takes_no_children(void *unused)
{
    bk_group *group = bk_group_open();
    bk_mutex *mutex = bk_mutex_new();
    struct child child = {.sleep_ms = 1000}, late = {.sleep_ms = 1000};

    (void)unused;
    assert_int_equal(bk_mutex_lock(mutex), BK_OK);
    bk_group_spawn(group, "locker", wait_for_mutex, mutex);
    spawn(group, &child);
    settle();
    bk_group_cancel(group);
    bk_group_cancel(group);
    bk_group_spawn(group, "too late", live, &late);
    assert_int_equal(bk_group_wait(group), BK_ECANCELED);
    assert_int_equal(child.slept, BK_ECANCELED);
    bk_group_cancel(group);
    bk_group_spawn(group, "too late", live, &late);
    assert_int_equal(bk_group_wait(group), BK_ECANCELED); /* not BK_OK: it did not run */
    assert_int_equal(late.slept, BK_OK);
    bk_mutex_unlock(mutex);
    bk_mutex_free(mutex);
    return BK_OK;
}

static bk_err spawn_beyond_the_limit(void *unused)
{
    bk_group *group = bk_group_open();
    struct child children[3] = {{0}};

    (void)unused;
    spawn(group, &children[0]);
    spawn(group, &children[1]);
    bk_group_spawn(group, "child", live, &children[2]);
    assert_int_equal(bk_group_wait(group), BK_EUNAVAILABLE);
    assert_non_null(strstr(bk_error_chain()->message.ptr, "no room for a fiber"));
    assert_int_equal(children[0].slept, BK_ECANCELED);
    return BK_OK;
}

static void test_a_full_loop_takes_no_children(void **state)
{
    (void)state;
    run_fibers_with(&(struct bk__loop_opts){.fibers = 3, .virtual_clock = true},
                    spawn_beyond_the_limit, NULL);
}

static bk_err test_after_a_wait_the_group_is_as_new_and_takes_no_more_memory(void *unused)
{
    bk_group *group = bk_group_open();
    size_t used = 0;

    (void)unused;
    for (int round = 0; round < 100; round++) {
        struct child children[2] = {{.sleep_ms = 1}, {.sleep_ms = 2}};
        if (round == 1)
            used = bk_arena_used(bk_fiber_arena());
        spawn(group, &children[0]);
        spawn(group, &children[1]);
        assert_int_equal(bk_group_wait(group), BK_OK);
    }
    assert_int_equal(bk_arena_used(bk_fiber_arena()), used);
    struct child child = {.fail = BK_EIO};
    spawn(group, &child);
    assert_int_equal(bk_group_wait(group), BK_EIO);
    child.fail = BK_OK;
    spawn(group, &child);
    assert_int_equal(bk_group_wait(group), BK_OK);
    return BK_OK;
}

struct sibling {
    bk_group *group;
    struct child child;
};

static bk_err spawn_sibling(void *data)
{
    struct sibling *sibling = data;
    spawn(sibling->group, &sibling->child);
    return BK_OK;
}

static bk_err test_a_child_may_start_another(void *unused)
{
    struct sibling sibling = {.group = bk_group_open(), .child = {.sleep_ms = 10}};

    (void)unused;
    bk_group_spawn(sibling.group, "first", spawn_sibling, &sibling);
    assert_int_equal(bk_group_wait(sibling.group), BK_OK);
    assert_true(sibling.child.ended);
    return BK_OK;
}

static bk_err test_the_end_of_a_child_disturbs_no_other_wait_of_the_opener(void *unused)
{
    bk_group *group = bk_group_open();
    struct child child = {.sleep_ms = 5};

    (void)unused;
    spawn(group, &child);
    bk_deadline before = bk_deadline_push(20);
    assert_int_equal(bk_fiber_park(), BK_ETIMEDOUT);
    bk_deadline_pop(before);
    assert_true(child.ended);
    assert_int_equal(bk_group_wait(group), BK_OK);
    return BK_OK;
}

static bk_err count_up(void *data)
{
    int *count = data;
    BK_TRY(bk_sleep_ms(1 + (uint64_t)*count % 3));
    ++*count;
    return BK_OK;
}

static bk_err test_a_crowd_of_children(void *unused)
{
    bk_group *group = bk_group_open();
    int count = 0;

    (void)unused;
    for (int i = 0; i < FIBER_RUN_CROWD; i++)
        bk_group_spawn(group, "one of many", count_up, &count);
    assert_int_equal(bk_group_wait(group), BK_OK);
    assert_int_equal(count, FIBER_RUN_CROWD);
    return BK_OK;
}

/* A random tree: each fiber has a few children, sleeps, fails, is cancelled or forgets to wait. No
 * child may be seen running when its parent's wait is over. */

struct tree {
    uint64_t seed;
    int running;
    int begun;
    bk_fiber *some; /* one that runs, to be cancelled */
};

struct node {
    struct tree *tree;
    int depth;
    int *of_parent; /* children running */
};

static void leave_tree(void *data)
{
    struct node *node = data;
    --*node->of_parent;
    node->tree->running--;
    if (node->tree->some == bk_fiber_self())
        node->tree->some = NULL;
}

static bk_err grow(void *data);

/* The count and the nodes lie in the parent's arena, where the group ends before them. */
static bk_err grow_children(struct node *node, int *children)
{
    struct tree *tree = node->tree;
    bk_arena *arena = bk_fiber_arena();
    bk_group *group = bk_group_open();

    for (uint32_t i = random_below(&tree->seed, 4); i > 0; i--) {
        struct node *child = BK_NEW(arena, struct node);
        *child = (struct node){tree, node->depth + 1, children};
        bk_group_spawn(group, "node", grow, child);
        if (random_below(&tree->seed, 8) == 0)
            bk_group_cancel(group);
        if (random_below(&tree->seed, 3) == 0)
            BK_TRY(bk_sleep_ms(random_below(&tree->seed, 20)));
    }
    if (random_below(&tree->seed, 6) == 0)
        return BK_OK; /* forgets to wait */
    bk_err err = bk_group_wait(group);
    assert_int_equal(*children, 0);
    return err;
}

static bk_err grow(void *data)
{
    struct node *node = data;
    struct tree *tree = node->tree;
    int *children = BK_NEW(bk_fiber_arena(), int);
    bk_err err = BK_OK;

    ++*node->of_parent;
    tree->running++;
    tree->begun++;
    bk_arena_defer(bk_fiber_arena(), leave_tree, node);
    if (random_below(&tree->seed, 5) == 0)
        tree->some = bk_fiber_self();
    if (node->depth < 5)
        err = grow_children(node, children);
    BK_TRY(bk_sleep_ms(random_below(&tree->seed, 30)));
    if (random_below(&tree->seed, 16) == 0)
        return bk_fail(BK_EIO, "at depth %d", node->depth);
    return err;
}

/* The root may fail, and nobody need hear of it. */
static bk_err plant(void *root)
{
    return grow(root) == BK_OK ? BK_OK : BK_ECANCELED;
}

static bk_err prune(void *data)
{
    struct tree *tree = data;

    while (tree->running > 0) {
        assert_int_equal(bk_sleep_ms(1 + random_below(&tree->seed, 40)), BK_OK);
        if (tree->some != NULL)
            bk_fiber_cancel(tree->some);
    }
    return BK_OK;
}

static void test_no_child_of_a_random_tree_outlives_its_parent(void **state)
{
    int begun = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct bk_loop *loop = fiber_run_open(NULL);
        struct tree tree = {.seed = seed};
        int roots = 0;
        struct node root = {&tree, 0, &roots};
        assert_int_equal(bk_spawn("root", plant, &root), BK_OK);
        assert_int_equal(bk_spawn("pruner", prune, &tree), BK_OK);
        fiber_run_all(loop);
        assert_int_equal(tree.running, 0);
        assert_int_equal(roots, 0);
        begun += tree.begun;
        fiber_run_close(loop);
    }
    assert_true(begun > 1000);
}

static bk_err wait_for_another(void *group)
{
    return bk_group_wait(group);
}

static bk_err wait_by_a_child(void *unused)
{
    bk_group *group = bk_group_open();

    (void)unused;
    bk_group_spawn(group, "child", wait_for_another, group);
    return bk_group_wait(group);
}

static void run_wait_by_a_child(void)
{
    run_fibers(wait_by_a_child, NULL);
}

static void open_outside_of_fibers(void)
{
    (void)!bk_group_open();
}

static void test_misuse_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(run_wait_by_a_child));
    assert_true(aborts(open_outside_of_fibers));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fiber_unit_test(test_waiting_is_over_when_all_children_ended),
        fiber_unit_test(test_the_first_failure_cancels_the_others_and_its_chain_is_handed_on),
        fiber_unit_test(test_field_errors_are_handed_on),
        fiber_unit_test(test_a_failure_without_words_leaves_no_older_words),
        fiber_unit_test(test_a_canceled_opener_cancels_its_children_and_still_waits),
        fiber_unit_test(test_an_opener_out_of_time_cancels_its_children_and_still_waits),
        fiber_unit_test(test_a_child_has_the_deadline_that_its_opener_had),
        fiber_unit_test(test_a_failure_before_the_cancel_stands),
        cmocka_unit_test(test_the_end_of_the_opener_cancels_and_waits),
        fiber_unit_test(test_the_defers_of_a_child_are_waited_for_and_may_wait),
        fiber_unit_test(test_children_have_the_request_id_and_the_deadline_of_the_opener),
        fiber_unit_test(test_a_canceled_group_takes_no_children),
        cmocka_unit_test(test_a_full_loop_takes_no_children),
        fiber_unit_test(test_after_a_wait_the_group_is_as_new_and_takes_no_more_memory),
        fiber_unit_test(test_a_child_may_start_another),
        fiber_unit_test(test_the_end_of_a_child_disturbs_no_other_wait_of_the_opener),
        fiber_unit_test(test_a_crowd_of_children),
        cmocka_unit_test(test_no_child_of_a_random_tree_outlives_its_parent),
        cmocka_unit_test(test_misuse_stops_the_program),
    };
    return cmocka_run_group_tests_name("fiber/group", tests, NULL, NULL);
}
