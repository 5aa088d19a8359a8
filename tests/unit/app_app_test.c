/* Tests of libbackend/app/app.c: apps on threads of a host program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/backend.h>
#include <backend/testing.h>

/* --- a host ----------------------------------------------------------------------------------- */

struct host {
    bk_app *app;
    pthread_t thread;
    bk_err result;
    atomic_int started, stopped, mails;
};

static void *run_app(void *data)
{
    struct host *host = data;

    host->result = bk_app_run(host->app);
    return NULL;
}

static bk_err state_of_worker(bk_req *req, bk_res *res)
{
    struct host *host = bk_req_state(req);

    assert_ptr_equal(bk_req_app(req), host->app);
    return bk_res_text(res, 200,
                       bk_arena_printf(bk_req_arena(req), "%d", atomic_load(&host->started)));
}

static bk_err sleeps(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_sleep_ms(200));
    return bk_res_text(res, 200, BK_LIT("slept"));
}

static bk_err on_start(bk_app *app, void *data, void **state)
{
    struct host *host = data;

    assert_ptr_equal(bk_app_data(app), data);
    BK_TRY(bk_sleep_ms(1)); /* it is on a fiber */
    atomic_fetch_add(&host->started, 1);
    *state = host;
    return BK_OK;
}

static void on_stop(bk_app *app, void *state)
{
    struct host *host = state;

    (void)app;
    assert_int_equal(bk_sleep_ms(1), BK_OK);
    atomic_fetch_add(&host->stopped, 1);
}

static void host_start(struct host *host, const bk_listen_opts *listen)
{
    host->app = bk_app_new(&(bk_app_opts){
        .name = "hosted", .on_worker_start = on_start, .on_worker_stop = on_stop, .data = host});
    bk_get(bk_app_router(host->app), "/", state_of_worker);
    bk_get(bk_app_router(host->app), "/sleep", sleeps);
    assert_int_equal(bk_app_listen(host->app, listen), BK_OK);
    assert_int_equal(pthread_create(&host->thread, NULL, run_app, host), 0);
}

static void host_stop(struct host *host)
{
    bk_app_stop(host->app);
    bk_app_stop(host->app); /* twice is as once */
    pthread_join(host->thread, NULL);
    assert_int_equal(host->result, BK_OK);
}

/* --- a client --------------------------------------------------------------------------------- */

static int dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void ask(int fd, const char *path)
{
    char text[256];
    int len = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
                       path);

    assert_int_equal(write(fd, text, (size_t)len), len);
}

/* The whole answer, up to the end of the connection. */
static const char *answer(int fd)
{
    static char text[4096];
    size_t len = 0;
    ssize_t got;

    while ((got = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(fd);
    return text;
}

static const char *get(uint16_t port, const char *path)
{
    int fd = dial(port);

    ask(fd, path);
    return answer(fd);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_an_app_runs_on_a_thread_and_stops_cleanly(void **state)
{
    struct host host = {0};

    (void)state;
    host_start(&host, NULL);
    assert_non_null(strstr(get(bk_app_port(host.app, 0), "/"), "\r\n\r\n1"));
    host_stop(&host);
    assert_int_equal(atomic_load(&host.started), 1);
    assert_int_equal(atomic_load(&host.stopped), 1);
    bk_app_free(host.app);
}

static void test_two_apps_live_side_by_side(void **state)
{
    struct host one = {0}, two = {0};

    (void)state;
    host_start(&one, NULL);
    host_start(&two, NULL);
    assert_int_not_equal(bk_app_port(one.app, 0), bk_app_port(two.app, 0));
    assert_int_equal(bk_app_port(one.app, 1), 0);
    assert_non_null(strstr(get(bk_app_port(one.app, 0), "/"), "200 OK"));
    host_stop(&one);
    assert_non_null(strstr(get(bk_app_port(two.app, 0), "/"), "200 OK"));
    host_stop(&two);
    bk_app_free(one.app);
    bk_app_free(two.app);
}

static void test_the_hosts_signal_handlers_stay(void **state)
{
    struct host host = {0};
    struct sigaction before[32], now;

    (void)state;
    for (int number = 1; number < 32; number++)
        sigaction(number, NULL, &before[number]);
    host_start(&host, NULL);
    assert_non_null(strstr(get(bk_app_port(host.app, 0), "/"), "200 OK"));
    for (int number = 1; number < 32; number++) {
        sigaction(number, NULL, &now);
        assert_ptr_equal(now.sa_handler, before[number].sa_handler);
    }
    host_stop(&host);
    bk_app_free(host.app);
}

static void take_mail(void *data)
{
    struct host *host = data;

    assert_null(bk_fiber_self());
    atomic_fetch_add(&host->mails, 1);
}

static void test_other_threads_reach_a_running_app_only(void **state)
{
    struct host host = {0};

    (void)state;
    host_start(&host, NULL);
    assert_non_null(strstr(get(bk_app_port(host.app, 0), "/"), "200 OK"));
    for (int i = 0; i < 10; i++)
        assert_int_equal(bk_loop_post(host.app, take_mail, &host), BK_OK);
    host_stop(&host);
    assert_int_equal(atomic_load(&host.mails), 10);
    assert_int_equal(bk_loop_post(host.app, take_mail, &host), BK_ECLOSED);
    bk_app_free(host.app);
}

static void test_a_request_that_runs_is_answered_when_the_app_stops(void **state)
{
    struct host host = {0};

    (void)state;
    host_start(&host, NULL);
    int fd = dial(bk_app_port(host.app, 0));
    ask(fd, "/sleep");
    usleep(50000);
    host_stop(&host);
    assert_non_null(strstr(answer(fd), "slept"));
    bk_app_free(host.app);
}

static void test_a_unix_socket_is_made_and_removed(void **state)
{
    struct host host = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;

    (void)state;
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/bk-app-test-%d.sock", (int)getpid());
    for (int round = 0; round < 2; round++) {
        host_start(&host, &(bk_listen_opts){.unix_path = address.sun_path});
        assert_int_equal(stat(address.sun_path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0660);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        ask(fd, "/");
        assert_non_null(strstr(answer(fd), "200 OK"));
        host_stop(&host);
        bk_app_free(host.app);
        assert_int_equal(stat(address.sun_path, &info), -1);
    }
}

static void test_what_cannot_be_listened_on_is_named(void **state)
{
    bk_app *app = bk_app_new(NULL);

    (void)state;
    assert_int_equal(bk_app_listen(app, &(bk_listen_opts){.host = "203.0.113.1"}), BK_EIO);
    assert_non_null(strstr(bk_error_chain()->message.ptr, "203.0.113.1"));
    assert_int_equal(bk_app_listen(app, &(bk_listen_opts){.tls_cert = "/nowhere.pem"}), BK_EIO);
    assert_non_null(strstr(bk_error_chain()->message.ptr, "/nowhere.pem"));
    assert_int_equal(bk_app_run(app), BK_EINVAL); /* there is nothing to listen on */
    bk_app_free(app);
    bk_app_free(NULL);
}

static bk_err fails_to_start(bk_app *app, void *data, void **state)
{
    (void)app, (void)data, (void)state;
    return bk_fail(BK_EUPSTREAM, "the database does not answer");
}

static void test_a_worker_that_cannot_start_stops_the_app(void **state)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.on_worker_start = fails_to_start});

    (void)state;
    bk_log_set_level(BK_LOG_OFF);
    assert_int_equal(bk_app_listen(app, NULL), BK_OK);
    assert_int_equal(bk_app_run(app), BK_EUPSTREAM);
    assert_int_equal(bk_app_run(app), BK_EUPSTREAM); /* and it can be tried again */
    bk_log_set_level(BK_LOG_INFO);
    bk_app_free(app);
}

static void do_nothing(void *data)
{
    (void)data;
}

/* Each offload ends by a ring of the loop's bell. */
static bk_err ring_often(void *data)
{
    (void)data;
    for (int i = 0; i < 2000; i++)
        BK_TRY(bk_offload(do_nothing, NULL));
    return BK_OK;
}

static void test_processes_forked_from_one_app_do_not_take_each_others_messages(void **state)
{
    bk_app *app = bk_app_new(NULL);
    pid_t children[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            alarm(20); /* a message that another took is never heard of */
            bk_test *test = bk_test_new(app, NULL);
            _exit(bk_test_run(test, ring_often, NULL) == BK_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    bk_app_free(app);
}

static void test_an_app_without_a_supervisor_does_everything(void **state)
{
    bk_app *app = bk_app_new(NULL);

    (void)state;
    assert_int_equal(bk_app_roles(app), BK_ROLE_WEB | BK_ROLE_JOBS);
    bk_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processes_forked_from_one_app_do_not_take_each_others_messages),
        cmocka_unit_test(test_an_app_without_a_supervisor_does_everything),
        cmocka_unit_test(test_an_app_runs_on_a_thread_and_stops_cleanly),
        cmocka_unit_test(test_two_apps_live_side_by_side),
        cmocka_unit_test(test_the_hosts_signal_handlers_stay),
        cmocka_unit_test(test_other_threads_reach_a_running_app_only),
        cmocka_unit_test(test_a_request_that_runs_is_answered_when_the_app_stops),
        cmocka_unit_test(test_a_unix_socket_is_made_and_removed),
        cmocka_unit_test(test_what_cannot_be_listened_on_is_named),
        cmocka_unit_test(test_a_worker_that_cannot_start_stops_the_app),
    };
    return cmocka_run_group_tests_name("app/app", tests, NULL, NULL);
}
