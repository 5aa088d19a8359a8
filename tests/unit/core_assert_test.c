#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/assert.h"
#include "core/task.h"

static char text[16384]; /* what a child wrote to standard error */

/* Runs @p fn in a child; returns how that ended. */
static int end_of(void (*fn)(void))
{
    int ends[2], status;
    size_t len = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        fn();
        _exit(0);
    }
    close(ends[1]);
    ssize_t got;
    while ((got = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_two_is_three(void)
{
    int two = 2;
    bk_assert(two == 3);
}

static void test_a_false_assertion_says_where_and_aborts(void **state)
{
    (void)state;
    int status = end_of(assert_two_is_three);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "core_assert_test.c:"));
    assert_non_null(strstr(text, "assert_two_is_three"));
    assert_non_null(strstr(text, "two == 3"));
    assert_non_null(strstr(text, "[0x")); /* a backtrace */
}

static void fail_on_a_task(void)
{
    struct bk__task task = {
        .name = "GET",
        .route = BK_LIT("/users/{id}"),
        .request_id = BK_LIT("r-17"),
    };
    bk__task_current = &task;
    bk_assert(task.name == NULL);
}

static void test_the_running_work_is_named(void **state)
{
    (void)state;
    int status = end_of(fail_on_a_task);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(text, "fiber GET"));
    assert_non_null(strstr(text, "/users/{id}"));
    assert_non_null(strstr(text, "r-17"));
}

static void reach(void)
{
    bk_unreachable("the moon");
}

static void test_what_cannot_be_reached_aborts(void **state)
{
    (void)state;
    int status = end_of(reach);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(text, "unreachable: the moon"));
}

static void set_up_badly(void)
{
    bk__setup_error("shop.c", 12, "route %s is there twice", "/x");
}

static void test_a_setup_error_names_the_callers_place_and_exits_with_1(void **state)
{
    (void)state;
    int status = end_of(set_up_badly);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_string_equal(text, "shop.c:12: route /x is there twice\n");
}

static void set_up_at_length(void)
{
    bk__setup_error("shop.c", 12, "%5000d", 1);
}

static void test_long_words_are_cut_and_the_line_still_ends(void **state)
{
    (void)state;
    int status = end_of(set_up_at_length);
    assert_true(WIFEXITED(status));
    assert_true(strlen(text) < 1100);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_a_true_assertion_evaluates_once_and_does_nothing(void **state)
{
    (void)state;
    int count = 0;
    bk_assert(++count == 1);
    assert_int_equal(count, 1);
    bk_debug_assert(count == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_false_assertion_says_where_and_aborts),
        cmocka_unit_test(test_the_running_work_is_named),
        cmocka_unit_test(test_what_cannot_be_reached_aborts),
        cmocka_unit_test(test_a_setup_error_names_the_callers_place_and_exits_with_1),
        cmocka_unit_test(test_long_words_are_cut_and_the_line_still_ends),
        cmocka_unit_test(test_a_true_assertion_evaluates_once_and_does_nothing),
    };
    return cmocka_run_group_tests_name("core/assert", tests, NULL, NULL);
}
