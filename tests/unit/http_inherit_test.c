/* Tests of libbackend/http/inherit.c: sockets go from one executable to the next by their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <backend/backend.h>

#include "app/app.h"
#include "http/inherit.h"
#include "http/listener.h"

static bk_app *listening_app(size_t sockets)
{
    bk_app *app = bk_app_new(NULL);

    for (size_t i = 0; i < sockets; i++)
        assert_int_equal(bk_app_listen(app, NULL), BK_OK);
    return app;
}

static void test_a_socket_that_was_left_is_taken_by_its_name_and_once(void **state)
{
    (void)state;
    bk_app *app = listening_app(1);
    int fd = app->server.listeners->fd;

    bk__inherit_leave(&app->server);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    assert_int_equal(bk__inherit_take("tcp:127.0.0.1:1"), -1);
    assert_int_equal(bk__inherit_take("tcp:127.0.0.1:0"), fd);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(bk__inherit_take("tcp:127.0.0.1:0"), -1);
    bk_app_free(app);
}

static void test_listening_again_means_the_same_sockets_in_their_order(void **state)
{
    (void)state;
    bk_app *before = listening_app(2);

    bk__inherit_leave(&before->server);
    bk_app *after = listening_app(2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(bk_app_port(after, i), bk_app_port(before, i));
    bk__listeners_let_go(&after->server); /* they are the same descriptors */
    bk_app_free(after);
    before->server.listeners->fd = before->server.listeners->next->fd = -1;
    bk_app_free(before);
}

static void test_what_nobody_takes_is_closed(void **state)
{
    (void)state;
    bk_app *app = listening_app(1);
    struct bk__listener *listener = app->server.listeners;

    bk__inherit_leave(&app->server);
    bk__inherit_drop();
    assert_int_equal(fcntl(listener->fd, F_GETFD), -1);
    assert_null(getenv("BK_INHERIT"));
    listener->fd = -1;
    bk_app_free(app);
}

static void test_nonsense_in_the_environment_is_nothing(void **state)
{
    (void)state;
    static const char *const words[] = {"",
                                        "\n",
                                        "x",
                                        "7",
                                        "7=",
                                        "=\n",
                                        "1=tcp:127.0.0.1:0\n",
                                        "999=tcp:127.0.0.1:0\n",
                                        "-1=tcp:127.0.0.1:0\n"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        setenv("BK_INHERIT", words[i], 1);
        assert_int_equal(bk__inherit_take("tcp:127.0.0.1:0"), -1);
    }
    unsetenv("BK_INHERIT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_socket_that_was_left_is_taken_by_its_name_and_once),
        cmocka_unit_test(test_listening_again_means_the_same_sockets_in_their_order),
        cmocka_unit_test(test_what_nobody_takes_is_closed),
        cmocka_unit_test(test_nonsense_in_the_environment_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
