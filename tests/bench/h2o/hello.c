/*
 * The smallest server on Debian's libh2o-evloop 2.2.5: what libbackend's substrate costs by itself.
 * /plaintext and /json (the JSON is printed by cJSON at each request). One event loop per thread,
 * SO_REUSEPORT.
 *
 *   cc -O2 -pthread -o hello hello.c $(pkg-config --cflags --libs libh2o-evloop) -lcjson -lm
 *   ./hello PORT THREADS
 */
#define H2O_USE_EPOLL 1
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <err.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static int port;

static int reply(h2o_req_t *req, const char *type, size_t type_len, h2o_iovec_t body)
{
    static h2o_generator_t generator = {NULL, NULL};
    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = body.len;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, type_len);
    h2o_start_response(req, &generator);
    h2o_send(req, &body, 1, 1);
    return 0;
}

static int plaintext(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    return reply(req, H2O_STRLIT("text/plain"), h2o_iovec_init(H2O_STRLIT("Hello, World!")));
}

static int json(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "message", "Hello, World!");
    char *s = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    h2o_iovec_t body = h2o_strdup(&req->pool, s, SIZE_MAX);
    cJSON_free(s);
    return reply(req, H2O_STRLIT("application/json"), body);
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    if (error)
        return;
    for (int i = 0; i < 16; i++) {
        h2o_socket_t *s = h2o_evloop_socket_accept(listener);
        if (!s)
            return;
        h2o_accept(listener->data, s);
    }
}

static void *loop(void *unused)
{
    (void)unused;
    h2o_globalconf_t config;
    h2o_context_t ctx;
    h2o_accept_ctx_t accept_ctx = {0};
    h2o_config_init(&config);
    h2o_hostconf_t *host =
        h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_create_handler(h2o_config_register_path(host, "/plaintext", 0), sizeof(h2o_handler_t))
        ->on_req = plaintext;
    h2o_create_handler(h2o_config_register_path(host, "/json", 0), sizeof(h2o_handler_t))->on_req =
        json;
    h2o_context_init(&ctx, h2o_evloop_create(), &config);
    accept_ctx.ctx = &ctx;
    accept_ctx.hosts = config.hosts;

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (void *)&a, sizeof a) || listen(fd, 4096))
        err(1, "listen on %d", port);
    h2o_socket_t *s = h2o_evloop_socket_create(ctx.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    s->data = &accept_ctx;
    h2o_socket_read_start(s, on_accept);
    for (;;)
        h2o_evloop_run(ctx.loop, INT32_MAX); /* -1 is EINTR */
    return NULL;
}

int main(int argc, char **argv)
{
    port = argc > 1 ? atoi(argv[1]) : 8080;
    int threads = argc > 2 ? atoi(argv[2]) : 2;
    signal(SIGPIPE, SIG_IGN);
    pthread_t t;
    for (int i = 1; i < threads; i++)
        pthread_create(&t, NULL, loop, NULL);
    loop(NULL);
}
