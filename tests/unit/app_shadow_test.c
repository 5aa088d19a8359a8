/* Tests of libbackend/app/shadow.c: this program defines one of libh2o's unprefixed functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/app.h>
#include <backend/testing.h>

#include "app/shadow.h"

int cloexec_pipe(int fds[2]);

__attribute__((visibility("default"))) int cloexec_pipe(int fds[2])
{
    (void)fds;
    return -1;
}

static void test_a_shadowed_function_is_named(void **state)
{
    (void)state;
    assert_string_equal(bk__shadowed_symbol(), "cloexec_pipe");
}

static void test_an_app_does_not_start_beside_it(void **state)
{
    int fds[2], status;
    char words[512] = "";

    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        bk_test *test = bk_test_new(bk_app_new(NULL), NULL);
        _exit(test != NULL ? 0 : 99);
    }
    close(fds[1]);
    assert_true(read(fds[0], words, sizeof words - 1) > 0);
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_non_null(strstr(words, "cloexec_pipe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_shadowed_function_is_named),
        cmocka_unit_test(test_an_app_does_not_start_beside_it),
    };
    return cmocka_run_group_tests_name("app/shadow", tests, NULL, NULL);
}
