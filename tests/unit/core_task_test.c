#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>

#include <backend/str.h>

#include "core/task.h"

static void test_a_thread_without_fibers_has_a_task_of_its_own(void **state)
{
    (void)state;
    assert_null(bk__task_current);
    struct bk__task *own = bk__task_self();
    assert_non_null(own);
    assert_ptr_equal(bk__task_self(), own);
}

static void test_the_running_task_takes_the_place_of_the_threads(void **state)
{
    (void)state;
    struct bk__task task = {0};
    bk__task_current = &task;
    assert_ptr_equal(bk__task_self(), &task);
    bk__task_current = NULL;
    assert_ptr_not_equal(bk__task_self(), &task);
}

static void *fail_on_a_thread(void *main_task)
{
    assert_ptr_not_equal(bk__task_self(), main_task);
    assert_null(bk_error_chain());
    bk_fail(BK_EIO, "%02000d", 1); /* leaves memory that the end of the thread must free */
    assert_int_equal(bk_error_chain()->message.len, 2000);
    return NULL;
}

static void test_threads_do_not_share_their_task_and_free_it_at_their_end(void **state)
{
    (void)state;
    pthread_t thread;
    bk_fail(BK_ECONFLICT, "of the main thread");
    assert_int_equal(pthread_create(&thread, NULL, fail_on_a_thread, bk__task_self()), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(bk_error_chain()->code, BK_ECONFLICT);
    bk_error_clear();
}

static void open_task(struct bk__task *task)
{
    *task = (struct bk__task){0};
    bk__arena_init(&task->arena, NULL, 0);
}

static void test_adopting_copies_chain_and_fields_in_order(void **state)
{
    (void)state;
    struct bk__task from, to;
    open_task(&from);
    open_task(&to);

    bk__task_current = &from;
    bk_fail_field(BK_EINVAL, BK_LIT("/a"), BK_LIT("type"), BK_LIT("not a number"));
    bk_fail_field(BK_EINVAL, BK_LIT("/b"), BK_LIT("required"), (bk_str){0});
    bk_context(BK_EINVAL, "reading the %s", "body");
    bk__task_current = &to;
    bk_fail(BK_EIO, "what was there before");
    bk__task_adopt(&to, &from);
    bk__task_clear(&from);
    bk__arena_reset(&from.arena);

    const bk_error_link *newest = bk_error_chain();
    assert_int_equal(newest->code, BK_EINVAL);
    assert_true(bk_str_eq(newest->message, BK_LIT("reading the body")));
    assert_string_equal(strrchr(newest->file, '/') + 1, "core_task_test.c");
    assert_int_equal(newest->cause->message.len, 0);
    assert_null(newest->cause->cause);

    size_t count;
    const bk_field_error *fields = bk_error_fields(&count);
    assert_int_equal(count, 2);
    assert_true(bk_str_eq(fields[0].pointer, BK_LIT("/a")));
    assert_true(bk_str_eq(fields[0].code, BK_LIT("type")));
    assert_true(bk_str_eq(fields[0].detail, BK_LIT("not a number")));
    assert_true(bk_str_eq(fields[1].pointer, BK_LIT("/b")));
    assert_false(bk_str_present(fields[1].detail));

    /* What was adopted can be added to. */
    bk_fail_field(BK_EINVAL, BK_LIT("/c"), BK_LIT("type"), BK_LIT("x"));
    bk_error_fields(&count);
    assert_int_equal(count, 3);
    bk__task_current = NULL;
    bk__arena_reset(&to.arena);
}

static void test_adopting_nothing_leaves_nothing(void **state)
{
    (void)state;
    struct bk__task from, to;
    open_task(&from);
    open_task(&to);
    bk__task_current = &to;
    bk_fail(BK_EIO, "what was there before");
    bk__task_adopt(&to, &from);
    assert_null(bk_error_chain());
    bk__task_current = NULL;
    bk__arena_reset(&from.arena);
    bk__arena_reset(&to.arena);
}

static void test_a_task_that_never_ends_does_not_grow_by_its_errors(void **state)
{
    (void)state;
    struct bk__task task;
    size_t count;
    open_task(&task);
    bk__task_current = &task;
    bk_fail(BK_EIO, "the first takes its memory");
    size_t used = bk_arena_used(&task.arena);
    for (int i = 0; i < 100000; i++) {
        bk_fail(BK_EIO, "error %d", i);
        bk_context(BK_EIO, "%0*d", i % 3000, i);
        bk_fail_field(BK_EIO, BK_LIT("/x"), BK_LIT("y"), BK_LIT("z"));
    }
    assert_int_equal(bk_arena_used(&task.arena), used);
    assert_int_equal(bk_error_chain()->cause->code, BK_EIO);
    assert_non_null(bk_error_fields(&count));
    bk__task_current = NULL;
    bk__arena_reset(&task.arena);
}

static void read_chain(void *data)
{
    *(const bk_error_link **)data = bk_error_chain();
}

static void test_when_the_arena_ends_the_errors_are_gone(void **state)
{
    (void)state;
    struct bk__task task;
    const bk_error_link *seen = (const bk_error_link *)&task;
    open_task(&task);
    bk__task_current = &task;
    bk_arena_defer(&task.arena, read_chain, &seen);
    bk_fail(BK_EIO, "%02000d", 1);
    bk__arena_reset(&task.arena);
    assert_null(seen);
    assert_null(bk_error_chain());

    bk_fail(BK_EIO, "and may come again");
    assert_non_null(bk_error_chain());
    bk__arena_reset(&task.arena);
    bk__task_current = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_without_fibers_has_a_task_of_its_own),
        cmocka_unit_test(test_the_running_task_takes_the_place_of_the_threads),
        cmocka_unit_test(test_threads_do_not_share_their_task_and_free_it_at_their_end),
        cmocka_unit_test(test_adopting_copies_chain_and_fields_in_order),
        cmocka_unit_test(test_adopting_nothing_leaves_nothing),
        cmocka_unit_test(test_a_task_that_never_ends_does_not_grow_by_its_errors),
        cmocka_unit_test(test_when_the_arena_ends_the_errors_are_gone),
    };
    return cmocka_run_group_tests_name("core/task", tests, NULL, NULL);
}
