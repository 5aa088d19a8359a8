/*
 * A client that reads in fits and starts, at every point of a stream.
 *
 * When a write was taken whole by a socket that then takes no more for now, libh2o may poll for a
 * write that is none, and abort when the client reads on. The socket's buffer is small and of a
 * fixed size here, so that streams end in that state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <backend/backend.h>

enum {
    PIECE = 4096,
    PIECES = 60
};

/* GET /pieces?count=N streams so many and then waits for nothing until the client leaves. */
static bk_err pieces(bk_req *req, bk_res *res)
{
    static char piece[PIECE];
    int64_t count;

    BK_TRY(bk_req_query_i64(req, "count", 1, 1, PIECES, &count));
    BK_TRY(bk_res_stream(res, 200, "application/octet-stream", PIECES * PIECE));
    for (; count > 0; count--) {
        BK_TRY(bk_yield()); /* or it would be libh2o that has us write */
        BK_TRY(bk_res_write(res, bk_str_at(piece, sizeof piece)));
    }
    return bk_sleep_ms(60000);
}

static int listen_with_small_buffers(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), bytes = 32 * 1024;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&any, len), 0);
    assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    *port = ntohs(any.sin_port);
    return fd;
}

static void *run_app(void *app)
{
    bk_err err = bk_app_run(app);
    return (void *)(intptr_t)err;
}

static int ask(uint16_t port, int count)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), bytes = 4096;
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 20};
    char text[100];

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    int len =
        snprintf(text, sizeof text, "GET /pieces?count=%d HTTP/1.1\r\nHost: x\r\n\r\n", count);
    assert_int_equal(write(fd, text, (size_t)len), len);
    return fd;
}

/* Reads what was streamed, slowly. */
static void read_whole(int fd, int count)
{
    static char bytes[2048];
    size_t left = (size_t)count * PIECE, head = 0;

    while (head < 4 || memcmp(bytes + head - 4, "\r\n\r\n", 4) != 0)
        assert_int_equal(read(fd, bytes + head++, 1), 1);
    while (left > 0) {
        ssize_t got = read(fd, bytes, left < sizeof bytes ? left : sizeof bytes);
        assert_true(got > 0);
        left -= (size_t)got;
        usleep(50);
    }
}

static void test_a_stream_may_rest_wherever_its_reader_is(void **state)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.timeouts = {.drain_ms = 100}});
    pthread_t thread;
    uint16_t port;
    void *result;

    (void)state;
    bk_get(bk_app_router(app), "/pieces", pieces);
    assert_int_equal(bk_app_listen(app, &(bk_listen_opts){.fd = listen_with_small_buffers(&port)}),
                     BK_OK);
    assert_int_equal(pthread_create(&thread, NULL, run_app, app), 0);
    for (int count = 1; count <= PIECES; count++) {
        int fd = ask(port, count);
        usleep(10000); /* the buffers fill */
        read_whole(fd, count);
        close(fd);
    }
    bk_app_stop(app);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((intptr_t)result, BK_OK);
    bk_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream_may_rest_wherever_its_reader_is),
    };
    return cmocka_run_group_tests_name("http1/slow_reader", tests, NULL, NULL);
}
