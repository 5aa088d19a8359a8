/*
 * cancel.c: asking a server to cancel what a connection is running.
 *
 * The request goes to the connection's own peer, on a socket of its own. The server answers by
 * closing that socket, once it has sent its signal; so the end of the stream, and nothing before
 * it, says that a statement sent from now on will not be hit. As libpq 15 does it, the request is
 * not encrypted: who reads it could cancel statements of this one session.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/assert.h"
#include "fiber/loop.h"
#include "fiber/timer.h"
#include "fiber/watch.h"
#include "pg/link.h"

#define CANCEL_MS      5000
#define CANCEL_REQUEST 80877102 /* where other packets have the protocol's version */

struct request {
    uint32_t len, code, pid, key; /* in network order */
};

struct bk__pg_cancel {
    struct bk_loop *loop;
    struct bk__io io;
    struct bk__timer timer;
    int fd;
    struct request request;
    size_t sent; /* bytes of it */
    bk__pg_cancelled_fn fn;
    void *data;
};

void bk__pg_cancel_abandon(struct bk__pg_cancel *cancel)
{
    if (cancel == NULL)
        return;
    bk__timer_stop(cancel->loop, &cancel->timer);
    bk__io_remove(&cancel->io);
    close(cancel->fd);
    free(cancel);
}

static void finish(struct bk__pg_cancel *cancel, bool sent)
{
    bk__pg_cancelled_fn fn = cancel->fn;
    void *data = cancel->data;

    bk__pg_cancel_abandon(cancel);
    fn(sent, data);
}

static void on_timer(struct bk__timer *timer)
{
    finish(bk__container_of(timer, struct bk__pg_cancel, timer), false);
}

/* True when all of it is sent; false with errno otherwise. */
static bool send_request(struct bk__pg_cancel *cancel)
{
    while (cancel->sent < sizeof cancel->request) {
        const char *from = (const char *)&cancel->request + cancel->sent;
        ssize_t more = send(cancel->fd, from, sizeof cancel->request - cancel->sent, MSG_NOSIGNAL);
        if (more < 0)
            return false;
        cancel->sent += (size_t)more;
    }
    return true;
}

static void on_ready(struct bk__io *io, unsigned ready)
{
    struct bk__pg_cancel *cancel = bk__container_of(io, struct bk__pg_cancel, io);
    char nothing[16];

    (void)ready;
    ssize_t got = send_request(cancel) ? recv(cancel->fd, nothing, sizeof nothing, 0) : -1;
    if (got < 0 && errno == EAGAIN)
        return;
    finish(cancel, got == 0);
}

/* A non-blocking socket that is connected to the peer of @p link, or will be. -1: no. */
static int open_socket(const struct bk__pg_link *link)
{
    int fd = socket(link->peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&link->peer, link->peer_len) == 0 ||
        errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

struct bk__pg_cancel *bk__pg_cancel_begin(const struct bk__pg_link *link, bk__pg_cancelled_fn fn,
                                          void *data)
{
    struct bk_loop *loop = bk__loop_current;
    int fd = link->has_key ? open_socket(link) : -1;

    if (fd < 0)
        return NULL;
    struct bk__pg_cancel *cancel = malloc(sizeof *cancel);
    bk_assert(cancel != NULL);
    *cancel = (struct bk__pg_cancel){
        .loop = loop,
        .io.fd = -1,
        .timer.fn = on_timer,
        .fd = fd,
        .request = {htonl(sizeof(struct request)), htonl(CANCEL_REQUEST), htonl(link->pid),
                    htonl(link->key)},
        .fn = fn,
        .data = data,
    };
    if (bk__io_add(&cancel->io, fd, on_ready) != BK_OK) {
        bk__pg_cancel_abandon(cancel);
        return NULL;
    }
    bk__timer_set(loop, &cancel->timer, loop->clock.now_ms + CANCEL_MS);
    return cancel;
}
