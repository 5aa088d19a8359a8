/*
 * listener.c: opening sockets, taking connections, TLS handshakes. See listener.h.
 *
 * Socket options are set on the listening socket, from which Linux hands them on: taking a
 * connection costs one system call.
 */
#include "http/listener.h"

#include <errno.h>
#include <h2o.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <backend/log.h>

#include "core/assert.h"
#include "fiber/timer.h"
#include "http/balance.h"
#include "http/http1.h"
#include "http/http2.h"
#include "http/inherit.h"
#include "http/server.h"

#define TAKEN_A_TURN 64 /* connections taken before others get their turn */
#define HANDSHAKE_MS 10000
#define PAUSE_MS     100 /* when the system has no descriptor to spare */
#define YIELD_MS     1   /* for workers that have fewer connections */
#define SAY_EVERY_MS 10000

/* --- opening ---------------------------------------------------------------------------------- */

static bk_err failed(int fd, const char *what, const char *where)
{
    bk_err err = bk_fail(BK_EIO, "cannot %s %s: %s", what, where, strerror(errno));

    if (fd >= 0)
        close(fd);
    return err;
}

static void set_options(const struct bk__server *server, int fd, bool reuse_port)
{
    int on = 1, idle = 60, interval = 15, probes = 4;
    /* The kernel's word is the last: ours, which sees slow readers make progress, comes before. */
    uint64_t stall_ms = 2 * (uint64_t)server->timeouts.write_ms;
    unsigned int stall = stall_ms < INT32_MAX ? (unsigned int)stall_ms : INT32_MAX;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    if (server->timeouts.write_ms != BK_UNLIMITED)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall, sizeof stall);
}

static bk_err open_tcp(const struct bk__server *server, const bk_listen_opts *opts, int *out)
{
    const char *host = opts->host != NULL ? opts->host : "127.0.0.1";
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char service[8], where[300];

    snprintf(service, sizeof service, "%u", opts->port);
    snprintf(where, sizeof where, "%s:%s", host, service);
    int code = getaddrinfo(host, service, &hints, &found);
    if (code != 0)
        return bk_fail(BK_EIO, "cannot resolve %s: %s", where, gai_strerror(code));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        set_options(server, fd, opts->reuse_port);
    bool bound = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    if (!bound)
        return failed(fd, "listen on", where);
    *out = fd;
    return BK_OK;
}

static bk_err open_unix(const char *path, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return bk_fail(BK_EIO, "the path of unix socket %s is too long", path);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed(fd, "open", path);
    /* A socket that nobody listens on is left from a run that was killed. */
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, 0660) != 0)
        return failed(fd, "listen on", path);
    *out = fd;
    return BK_OK;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

/* "tcp:HOST:PORT" or "unix:PATH", as it was asked for; NULL for one that was given. Yours. */
static char *name_of(const bk_listen_opts *opts)
{
    char *name = NULL;
    int len = 0;

    if (opts->fd != 0)
        return NULL;
    if (opts->unix_path != NULL)
        len = asprintf(&name, "unix:%s", opts->unix_path);
    else
        len =
            asprintf(&name, "tcp:%s:%u", opts->host != NULL ? opts->host : "127.0.0.1", opts->port);
    bk_assert(len > 0);
    return name;
}

/* The one that was given, that the executable before this one has left, or a new one. */
static bk_err open_socket(const struct bk__server *server, const bk_listen_opts *opts,
                          const char *name, int *fd)
{
    bk_err err = BK_OK;

    *fd = name != NULL ? bk__inherit_take(name) : opts->fd;
    if (*fd < 0 && opts->unix_path != NULL)
        err = open_unix(opts->unix_path, fd);
    else if (*fd < 0)
        err = open_tcp(server, opts, fd);
    if (err == BK_OK && listen(*fd, opts->backlog != 0 ? opts->backlog : 4096) != 0)
        err = failed(*fd, "listen on", opts->unix_path != NULL ? opts->unix_path : "the socket");
    return err;
}

bk_err bk__listener_open(struct bk__server *server, const bk_listen_opts *opts)
{
    struct bk__listener **last = &server->listeners;
    SSL_CTX *tls = NULL;
    char *name = name_of(opts);
    int fd = -1;
    bk_err err = BK_OK;

    if (opts->tls_cert != NULL)
        err = bk__tls_context(opts->tls_cert, opts->tls_key, &tls);
    if (err == BK_OK)
        err = open_socket(server, opts, name, &fd);
    if (err != BK_OK) {
        SSL_CTX_free(tls);
        free(name);
        return err;
    }
    struct bk__listener *listener = calloc(1, sizeof *listener);
    bk_assert(listener != NULL);
    listener->server = server;
    listener->fd = fd;
    listener->port = port_of(fd);
    listener->tls = tls;
    if (tls != NULL) {
        listener->tls_cert = strdup(opts->tls_cert);
        listener->tls_key = opts->tls_key != NULL ? strdup(opts->tls_key) : NULL;
    }
    listener->name = name;
    listener->host = strdup(opts->host != NULL ? opts->host : "127.0.0.1");
    if (opts->unix_path != NULL && opts->fd == 0)
        listener->unix_path = strdup(opts->unix_path);
    while (*last != NULL)
        last = &(*last)->next;
    *last = listener;
    return BK_OK;
}

void bk__listener_url(const struct bk__listener *listener, char *text, size_t size)
{
    if (listener->name != NULL && listener->unix_path != NULL)
        snprintf(text, size, "%s", listener->name);
    else
        snprintf(text, size, "%s://%s:%u", listener->tls != NULL ? "https" : "http", listener->host,
                 listener->port);
}

/* --- TLS handshakes --------------------------------------------------------------------------- */

/* A connection between accept and its protocol. */
struct handshake {
    struct bk__server *server;
    h2o_socket_t *sock;
    struct bk__timer timer;
    struct bk__link link; /* in bk__server.handshakes */
    struct bk__peer peer;
};

static void end_handshake(struct handshake *handshake)
{
    bk__timer_stop(handshake->server->loop, &handshake->timer);
    bk__list_remove(&handshake->link);
    free(handshake);
}

static void drop_handshake(struct handshake *handshake)
{
    bk__server_connection_closed(handshake->server, &handshake->peer);
    h2o_socket_close(handshake->sock);
    end_handshake(handshake);
}

static void on_handshake_timer(struct bk__timer *timer)
{
    drop_handshake(bk__container_of(timer, struct handshake, timer));
}

static void on_handshake(h2o_socket_t *sock, const char *err)
{
    struct handshake *handshake = sock->data;
    struct bk__server *server = handshake->server;

    bk__loop_enter(server->loop);
    if (err != NULL) {
        drop_handshake(handshake);
        return;
    }
    h2o_iovec_t chosen = h2o_socket_ssl_get_selected_protocol(sock);
    if (chosen.len == 2 && memcmp(chosen.base, "h2", 2) == 0)
        bk__http2_accept(server, sock, &handshake->peer);
    else
        bk__http1_accept(server, sock, &handshake->peer);
    end_handshake(handshake);
}

static void begin_handshake(struct bk__listener *listener, h2o_socket_t *sock,
                            const struct bk__peer *peer)
{
    struct bk__server *server = listener->server;
    struct handshake *handshake = calloc(1, sizeof *handshake);

    bk_assert(handshake != NULL);
    handshake->server = server;
    handshake->sock = sock;
    handshake->timer.fn = on_handshake_timer;
    handshake->peer = *peer;
    sock->data = handshake;
    bk__list_push(&server->handshakes, &handshake->link);
    bk__timer_set(server->loop, &handshake->timer, server->loop->clock.now_ms + HANDSHAKE_MS);
    h2o_socket_ssl_handshake(sock, listener->tls, NULL, on_handshake);
}

/* --- taking ----------------------------------------------------------------------------------- */

static void turn_away(int fd)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
        "Content-Length: 0\r\n\r\n";

    (void)!send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static void pause_for(struct bk__listener *listener, uint32_t ms)
{
    struct bk_loop *loop = listener->server->loop;

    h2o_socket_read_stop(listener->sock);
    bk__timer_set(loop, &listener->pause, loop->clock.now_ms + ms);
}

/* A connection that cannot be taken stays in line and would wake the loop again at once, for ever.
 */
static void pause_taking(struct bk__listener *listener, int cause)
{
    uint64_t now = listener->server->loop->clock.now_ms;

    if (listener->said_at == 0 || now - listener->said_at > SAY_EVERY_MS) {
        bk_warn("app.cannot_accept", bk_kv_cstr("cause", strerror(cause)));
        listener->said_at = now;
    }
    pause_for(listener, PAUSE_MS);
}

/* True when the next connection is left to a worker that has fewer. Where it does not come for it,
 * this one takes what is in line, and more each time that nothing moves there. */
static bool let_others_go_first(struct bk__listener *listener)
{
    const struct bk__server *server = listener->server;

    if (server->balance == NULL)
        return false;
    if (listener->owed > 0) {
        listener->owed--;
        return false;
    }
    if (!bk__balance_yields(server->balance, server->slot, server->connection_count))
        return false;
    uint64_t others = bk__balance_others(server->balance, server->slot);
    listener->next_owed = others != listener->others ? 1 : 2 * listener->next_owed;
    if (listener->next_owed > TAKEN_A_TURN)
        listener->next_owed = TAKEN_A_TURN;
    listener->others = others;
    listener->owed = listener->next_owed;
    pause_for(listener, YIELD_MS);
    return true;
}

static void on_connections(h2o_socket_t *sock, const char *err);

static void on_pause_over(struct bk__timer *timer)
{
    struct bk__listener *listener = bk__container_of(timer, struct bk__listener, pause);

    h2o_socket_read_start(listener->sock, on_connections);
}

/* False when nobody is waiting any more, or has to wait. */
static bool take_one(struct bk__listener *listener)
{
    struct bk__server *server = listener->server;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    int fd = accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        int cause = errno;
        if (cause == EMFILE || cause == ENFILE || cause == ENOBUFS || cause == ENOMEM)
            pause_taking(listener, cause);
        return cause == ECONNABORTED || cause == EINTR;
    }
    struct bk__peer peer = bk__peer_of((struct sockaddr *)&address, len);
    if (server->connection_count >= server->limits.connections ||
        !bk__peers_enter(&server->peers, &peer, server->limits.connections_per_client)) {
        turn_away(fd);
        return true;
    }
    server->connection_count++;
    if (server->balance != NULL)
        bk__balance_note(server->balance, server->slot, server->connection_count);
    h2o_socket_t *sock =
        h2o_evloop_socket_create(server->loop->evloop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    if (listener->tls != NULL)
        begin_handshake(listener, sock, &peer);
    else
        bk__http1_accept(server, sock, &peer);
    return true;
}

static void on_connections(h2o_socket_t *sock, const char *err)
{
    struct bk__listener *listener = sock->data;

    bk__loop_enter(listener->server->loop);
    if (err != NULL)
        return;
    for (int i = 0; i < TAKEN_A_TURN; i++)
        if (let_others_go_first(listener) || !take_one(listener))
            return;
}

void bk__listener_start(struct bk__listener *listener)
{
    int fd = dup(listener->fd); /* h2o closes what it is given */

    bk_assert(fd >= 0);
    listener->sock =
        h2o_evloop_socket_create(listener->server->loop->evloop, fd, H2O_SOCKET_FLAG_DONT_READ);
    listener->sock->data = listener;
    listener->pause.fn = on_pause_over;
    h2o_socket_read_start(listener->sock, on_connections);
}

void bk__listener_stop(struct bk__listener *listener)
{
    if (listener->sock == NULL)
        return;
    bk__timer_stop(listener->server->loop, &listener->pause);
    h2o_socket_close(listener->sock);
    listener->sock = NULL;
}

void bk__listeners_renew_tls(struct bk__server *server)
{
    SSL_CTX *tls;

    for (struct bk__listener *it = server->listeners; it != NULL; it = it->next) {
        if (it->tls == NULL)
            continue;
        if (bk__tls_context(it->tls_cert, it->tls_key, &tls) != BK_OK) {
            bk_error("app.certificate_not_renewed", bk_kv_cstr("file", it->tls_cert),
                     bk_kv_str("cause", bk_error_chain()->message));
            continue;
        }
        SSL_CTX_free(it->tls);
        it->tls = tls;
    }
}

void bk__listeners_keep_files(struct bk__server *server)
{
    for (struct bk__listener *it = server->listeners; it != NULL; it = it->next) {
        free(it->unix_path);
        it->unix_path = NULL;
    }
}

void bk__listeners_let_go(struct bk__server *server)
{
    for (struct bk__listener *it = server->listeners; it != NULL; it = it->next) {
        close(it->fd);
        it->fd = -1;
    }
}

void bk__listeners_close(struct bk__server *server)
{
    struct bk__listener *listener = server->listeners;

    while (listener != NULL) {
        struct bk__listener *next = listener->next;
        bk__listener_stop(listener);
        if (listener->fd >= 0)
            close(listener->fd);
        if (listener->unix_path != NULL)
            unlink(listener->unix_path);
        free(listener->unix_path);
        free(listener->tls_cert);
        free(listener->tls_key);
        free(listener->host);
        free(listener->name);
        SSL_CTX_free(listener->tls);
        free(listener);
        listener = next;
    }
    server->listeners = NULL;
}

void bk__handshakes_drop(struct bk__server *server)
{
    while (!bk__list_empty(&server->handshakes))
        drop_handshake(bk__container_of(server->handshakes.anchor.next, struct handshake, link));
}
