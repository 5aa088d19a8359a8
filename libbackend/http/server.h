/*
 * server.h: what the requests of one app share: routes, limits, counters, open connections.
 */
#ifndef BK_HTTP_SERVER_H
#define BK_HTTP_SERVER_H

#include <backend/app.h>

#include "core/list.h"
#include "fiber/loop.h"
#include "http/peer.h"

struct bk__balance;
struct bk__h2_context; /* h2o's context, only where HTTP/2 is served */
struct bk__listener;
struct bk__meter;
struct bk__router;
struct bk__trust;

struct bk__server {
    bk_app *app;
    struct bk_loop *loop;    /* NULL while the app is not running */
    struct bk__table *table; /* the routes, built when the app starts */
    bk_limits limits;        /* defaults filled in; BK_UNLIMITED stays */
    bk_timeouts timeouts;
    struct bk__trust *trust;
    bk_str secret;  /* absent: signing is refused */
    void *state;    /* of on_worker_start; bk_app_opts.data when there is none */
    bool forwarded; /* proxies set Forwarded rather than X-Forwarded-* */
    bool no_etag, half_close_is_gone, keep_work_of_gone;
    int invalid_status;
    bool draining;            /* answers close their connections */
    bool retiring;            /* it serves still, but is not to get more: /readyz says so */
    struct bk__list requests; /* bk_req.link: begun and not ended */
    size_t request_count;
    size_t bodies_bytes;         /* held now */
    struct bk__list connections; /* HTTP/1: struct conn in http1.c */
    struct bk__list handshakes;  /* TLS: struct handshake in listener.c */
    size_t connection_count;     /* all kinds */
    struct bk__peers peers;      /* who has them */
    struct bk__balance *balance; /* with the workers that share the listeners; NULL: none do */
    unsigned slot;               /* in it */
    struct bk__listener *listeners;
    struct bk__h2_context *h2;
    struct bk__meter *meter; /* NULL: requests are not measured */
    uint64_t date_at;        /* the second for which `date` was made */
    char date[29];
};

/* That of @p app. */
struct bk__server *bk__server_of(bk_app *app);

/* A connection that was counted when it was taken is closed. */
void bk__server_connection_closed(struct bk__server *server, const struct bk__peer *peer);

/* Cancels the requests whose streams would never end: the server drains. */
void bk__server_end_streams(struct bk__server *server);

/* The Date header's value now: 29 bytes, renewed once a second. */
const char *bk__server_date(struct bk__server *server);

/* Milliseconds from now, or never for BK_UNLIMITED: a deadline in loop time. */
uint64_t bk__server_after(const struct bk__server *server, uint32_t ms);

#endif
