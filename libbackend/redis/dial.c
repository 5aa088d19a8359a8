/*
 * dial.c: attempts to connect, each on a thread of its own. See dial.h.
 */
#include "redis/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <backend/clock.h>

#include "core/assert.h"
#include "core/list.h"
#include "fiber/attempt.h"

struct bk__redis_dialing {
    struct bk__attempt attempt;
    uint64_t until_ns;
    struct bk__redis_target *target; /* counted */
    char *host;                      /* NULL: the target's unix socket */
    uint16_t port;
    char why[512];                 /* the thread's; read when it has ended */
    struct bk__redis_socket *sock; /* likewise */
    bk__redis_dialed_fn fn;
    void *data;
};

static struct bk__redis_dialing *of(struct bk__attempt *attempt)
{
    return bk__container_of(attempt, struct bk__redis_dialing, attempt);
}

/* --- the thread's side ------------------------------------------------------------------------ */

BK_PRINTF(2, 3) static void explain(struct bk__redis_dialing *dialing, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(dialing->why, sizeof dialing->why, format, args);
    va_end(args);
}

/* Waits for the socket. False when the time is over or nobody waits any more. */
static bool await(struct bk__redis_dialing *dialing, int fd, short events)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events},
                            {.fd = dialing->attempt.bell, .events = POLLIN}};

    for (;;) {
        uint64_t now = bk_now_ns();
        int ms = now < dialing->until_ns ? (int)((dialing->until_ns - now) / 1000000 + 1) : 0;
        int ready = ms > 0 ? poll(fds, 2, ms) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            explain(dialing, "no answer in time");
        return ready > 0 && fds[1].revents == 0;
    }
}

/* A dead server is noticed, also one that takes what we send and never answers. */
static void tune(int fd, int family)
{
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 10}, {IPPROTO_TCP, TCP_KEEPINTVL, 5},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},   {IPPROTO_TCP, TCP_USER_TIMEOUT, 15000},
    };

    for (size_t i = 0; family != AF_UNIX && i < sizeof options / sizeof options[0]; i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static int connect_to(struct bk__redis_dialing *dialing, const struct sockaddr *address,
                      socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failure = 0;
    socklen_t failure_len = sizeof failure;

    if (fd < 0) {
        explain(dialing, "socket: %s", strerror(errno));
        return -1;
    }
    tune(fd, address->sa_family);
    if (connect(fd, address, len) == 0)
        return fd;
    failure = errno;
    if (failure == EINPROGRESS) {
        if (!await(dialing, fd, POLLOUT)) {
            close(fd);
            return -1;
        }
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &failure_len);
        if (failure == 0)
            return fd;
    }
    explain(dialing, "%s", strerror(failure));
    close(fd);
    return -1;
}

static int connect_unix(struct bk__redis_dialing *dialing)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = dialing->target->unix_path;

    if (strlen(path) >= sizeof address.sun_path) {
        explain(dialing, "%s: too long for a socket's path", path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    return connect_to(dialing, (const struct sockaddr *)&address, sizeof address);
}

/* Each of the name's addresses in turn. */
static int connect_name(struct bk__redis_dialing *dialing)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found;
    char port[8];
    int fd = -1;

    snprintf(port, sizeof port, "%u", dialing->port);
    int failure = getaddrinfo(dialing->host, port, &hints, &found);
    if (failure != 0) {
        explain(dialing, "%s", gai_strerror(failure));
        return -1;
    }
    for (const struct addrinfo *it = found; it != NULL && fd < 0; it = it->ai_next)
        fd = connect_to(dialing, it->ai_addr, it->ai_addrlen);
    freeaddrinfo(found);
    return fd;
}

static bool is_address(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static bool explain_tls(struct bk__redis_dialing *dialing, const char *what)
{
    char reason[200] = "failed";
    unsigned long code = ERR_get_error();

    if (code != 0)
        ERR_error_string_n(code, reason, sizeof reason);
    explain(dialing, "TLS: %s: %s", what, reason);
    return false;
}

static bool load_files(struct bk__redis_dialing *dialing, SSL_CTX *context)
{
    const struct bk__redis_target *target = dialing->target;

    if (target->ca != NULL ? SSL_CTX_load_verify_locations(context, target->ca, NULL) != 1
                           : SSL_CTX_set_default_verify_paths(context) != 1)
        return explain_tls(dialing, target->ca != NULL ? target->ca : "the system's certificates");
    if (target->cert == NULL)
        return true;
    if (SSL_CTX_use_certificate_chain_file(context, target->cert) != 1)
        return explain_tls(dialing, target->cert);
    const char *key = target->key != NULL ? target->key : target->cert;
    return SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 ||
           explain_tls(dialing, key);
}

/* The certificate must be the server's: for its name, or its address. */
static bool expect_name(SSL *ssl, const char *name)
{
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

static bool shake(struct bk__redis_dialing *dialing, SSL *ssl, int fd)
{
    for (;;) {
        int done = SSL_connect(ssl), what = SSL_get_error(ssl, done);
        if (done == 1)
            return true;
        if (what != SSL_ERROR_WANT_READ && what != SSL_ERROR_WANT_WRITE) {
            long verified = SSL_get_verify_result(ssl);
            if (verified == X509_V_OK)
                return explain_tls(dialing, "handshake");
            explain(dialing, "TLS: %s", X509_verify_cert_error_string(verified));
            return false;
        }
        if (!await(dialing, fd, what == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT))
            return false;
    }
}

static SSL *start_tls(struct bk__redis_dialing *dialing, int fd)
{
    const struct bk__redis_target *target = dialing->target;
    const char *name = target->server_name != NULL ? target->server_name : dialing->host;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = NULL;

    bk_assert(context != NULL);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context, target->no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (load_files(dialing, context)) {
        ssl = SSL_new(context);
        bk_assert(ssl != NULL);
        bool ready = SSL_set_fd(ssl, fd) == 1 && (target->no_verify || expect_name(ssl, name));
        if (!ready)
            explain_tls(dialing, "its name");
        if (!ready || !shake(dialing, ssl, fd)) {
            SSL_free(ssl);
            ssl = NULL;
        }
    }
    SSL_CTX_free(context);
    ERR_clear_error();
    return ssl;
}

static struct bk__redis_socket *connect_whole(struct bk__redis_dialing *dialing)
{
    int fd = dialing->host != NULL ? connect_name(dialing) : connect_unix(dialing);
    SSL *ssl = NULL;

    if (fd < 0)
        return NULL;
    if (dialing->target->tls && (ssl = start_tls(dialing, fd)) == NULL) {
        close(fd);
        return NULL;
    }
    struct bk__redis_socket *sock = malloc(sizeof *sock);
    bk_assert(sock != NULL);
    *sock = (struct bk__redis_socket){.fd = fd, .ssl = ssl};
    return sock;
}

static void run(struct bk__attempt *attempt)
{
    struct bk__redis_dialing *dialing = of(attempt);

    dialing->sock = connect_whole(dialing);
}

/* --- the loop's side -------------------------------------------------------------------------- */

static void on_done(struct bk__attempt *attempt)
{
    struct bk__redis_dialing *dialing = of(attempt);
    struct bk__redis_socket *sock = dialing->sock;

    dialing->sock = NULL;
    dialing->fn(sock, sock == NULL ? dialing->why : NULL, dialing->data);
}

static void on_late(struct bk__attempt *attempt, int failure)
{
    struct bk__redis_dialing *dialing = of(attempt);

    dialing->fn(NULL, failure != 0 ? "cannot start a thread" : "no connection in time",
                dialing->data);
}

static void on_free(struct bk__attempt *attempt)
{
    struct bk__redis_dialing *dialing = of(attempt);

    bk__redis_socket_close(dialing->sock);
    bk__redis_target_unref(dialing->target);
    free(dialing->host);
    free(dialing);
}

static const struct bk__attempt_type type = {
    .name = "bk-redis-dial",
    .fault = "redis.thread",
    .run = run,
    .done = on_done,
    .late = on_late,
    .free = on_free,
};

struct bk__redis_dialing *bk__redis_dial(struct bk__redis_target *target, const char *host,
                                         uint16_t port, uint32_t timeout_ms, bk__redis_dialed_fn fn,
                                         void *data)
{
    struct bk__redis_dialing *dialing = calloc(1, sizeof *dialing);

    bk_assert(dialing != NULL);
    dialing->until_ns = bk_now_ns() + timeout_ms * UINT64_C(1000000);
    dialing->target = bk__redis_target_ref(target);
    dialing->host = host != NULL ? strdup(host) : NULL;
    dialing->port = port;
    dialing->fn = fn;
    dialing->data = data;
    /* The thread sees to the time itself, unless it hangs in the resolver. */
    bk__attempt_start(&dialing->attempt, &type, timeout_ms + timeout_ms / 16 + 10);
    return dialing;
}

void bk__redis_dial_abandon(struct bk__redis_dialing *dialing)
{
    bk__attempt_abandon(&dialing->attempt);
}
