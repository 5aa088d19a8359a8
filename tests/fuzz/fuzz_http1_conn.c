/*
 * fuzz_http1_conn.c: a connection that is given any bytes, in any portions, leaves nothing behind.
 *
 * The first byte of the input says how large the portions are and how the client leaves. The app
 * has a handler for each way in which a request can be read and answered; its clock stands still
 * until the input is used up.
 */
#include <h2o.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "app/app.h"
#include "core/assert.h"
#include "http/http1.h"
#include "http/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bk_err echo(bk_req *req, bk_res *res)
{
    bk_pairs query;

    BK_TRY(bk_req_query_all(req, &query));
    return bk_res_bytes(res, 200, "text/plain", bk_req_body(req));
}

/* Reads the body as what it may be, and what else there is to be read. */
static bk_err read_all(bk_req *req, bk_res *res)
{
    bk_json *json;
    bk_pairs form;
    bk_parts parts;
    bk_err as_json = bk_req_json(req, &json), as_form = bk_req_form(req, &form);
    bk_err as_parts = bk_req_multipart(req, NULL, &parts);

    (void)bk_req_cookie(req, "a");
    (void)bk_req_client(req);
    if (as_json != BK_OK && as_form != BK_OK && as_parts != BK_OK)
        return as_parts;
    return bk_res_text(res, 200, bk_req_param(req, "id"));
}

static bk_err stream(bk_req *req, bk_res *res)
{
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, bk_req_path(req)));
    BK_TRY(bk_sleep_ms(10));
    return bk_req_body(req).len % 2 == 0 ? bk_res_write(res, bk_req_body(req)) : BK_ECONFLICT;
}

static bk_app *new_app(void)
{
    static const char *const proxies[] = {"unix", NULL};
    bk_app *app = bk_app_new(&(bk_app_opts){
        .limits = {.body_bytes = 300, .header_bytes = 500, .header_count = 10, .target_bytes = 100},
        .trusted_proxies = proxies,
    });
    bk_router *root = bk_app_router(app);

    bk_get(root, "/", echo);
    bk_post(root, "/", echo);
    bk_post(root, "/read/{id}", read_all);
    bk_get(root, "/stream", stream);
    bk_post(root, "/stream", stream);
    return app;
}

static void accept_connection(struct bk__server *server, int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct bk__peer peer = bk__peer_of((struct sockaddr *)&address, sizeof address);
    h2o_socket_t *sock =
        h2o_evloop_socket_create(server->loop->evloop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);

    bk_assert(bk__peers_enter(&server->peers, &peer, BK_UNLIMITED));
    server->connection_count++;
    bk__http1_accept(server, sock, &peer);
}

/* Sends @p text in portions, and throws away what the server answers. */
static void converse(bk_test *test, int fd, bk_str text, size_t step)
{
    char bytes[4096];
    ssize_t sent = 1;

    while (text.len != 0 && sent > 0) {
        sent = send(fd, text.ptr, text.len < step ? text.len : step, MSG_NOSIGNAL);
        if (sent > 0)
            text = bk_str_at(text.ptr + sent, text.len - (size_t)sent);
        bk_test_settle(test);
        while (recv(fd, bytes, sizeof bytes, 0) > 0)
            bk_test_settle(test);
    }
}

/* All timeouts together are shorter than this. */
#define LONG_MS 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bk_app *app;
    static bk_test *test;
    int fds[2];

    if (size == 0)
        return 0;
    if (test == NULL) {
        app = new_app();
        test = bk_test_new(app, &(bk_test_opts){.virtual_clock = true});
        bk_log_set_level(BK_LOG_OFF);
    }
    bk_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    accept_connection(&app->server, fds[0]);
    converse(test, fds[1], bk_str_at((const char *)data + 1, size - 1), data[0] / 4 + 1);
    if (data[0] % 4 == 1)
        shutdown(fds[1], SHUT_WR);
    if (data[0] % 4 == 2)
        bk_test_advance(test, LONG_MS);
    if (data[0] % 4 != 3)
        close(fds[1]);
    bk_test_settle(test);
    bk_test_advance(test, LONG_MS);
    if (data[0] % 4 == 3)
        close(fds[1]);
    bk_assert(app->server.connection_count == 0 && app->server.request_count == 0);
    bk_assert(app->server.bodies_bytes == 0 && app->loop->fiber_count == 0);
    return 0;
}
