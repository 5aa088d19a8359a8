/*
 * link.h: a connection to one Redis server that is kept: made, made again when it is lost, and
 * shared by all who send.
 *
 *   CONNECTING --preamble answered--> UP --lost, late reply--> CONNECTING (at once, once)
 *        |                                                         |
 *        '--failed--> DOWN --backoff 50 ms .. 2 s with jitter--> CONNECTING (nobody waits for it)
 *
 * The socket, its TLS, its deadlines are the loop's; hiredis parses replies.
 * Commands of a loop turn leave in one write. Replies come in the order of the commands, so a call
 * that nobody waits for any more keeps its place, and one that is late closes the connection.
 *
 * What must hold: each call is done exactly once, on the loop's stack, or abandoned; nothing is
 * ever sent twice; while the state is DOWN, sending fails at once. While it is CONNECTING for the
 * first time or right after a loss, calls wait in the queue, no longer than their deadline. The
 * backoff begins again at its start only when a command has been answered after the preamble, or a
 * message has come.
 */
#ifndef BK_REDIS_LINK_H
#define BK_REDIS_LINK_H

#include <backend/redis.h>

#include "core/list.h"

struct bk__redis_link;
struct bk__redis_target; /* url.h: what a URL says */

/* Someone's wait for a reply; lies where he likes until done or abandoned. */
struct bk__redis_call {
    /* @p err: BK_OK with `reply`, which may be of type ERROR; BK_EUNAVAILABLE with `why`. */
    void (*done)(struct bk__redis_call *call, bk_err err);
    bk_arena *arena; /* where the reply is put; NULL: it lives only while done() runs */
    bk_reply reply;
    const char *why; /* static, or borrowed while done() runs */
    size_t place;    /* the link's own: where it stands in the queue; 0: it does not */
};

/* What a link is for. Zero means default. */
struct bk__redis_link_opts {
    const char *name;            /* for logs and CLIENT SETNAME */
    const bk_redis_opts *limits; /* defaults filled in; borrowed as long as the link */
    struct bk__redis_target *to; /* counted */
    const char *host;            /* copied; NULL: the target's first, or its unix socket */
    uint16_t port;
    bool no_deadline;       /* commands may block on the server: for the link of a job fetcher */
    bool read_only_is_lost; /* a READONLY reply closes it: the server was demoted */

    /* All on the loop's stack; each may be NULL. */
    void (*preamble)(struct bk__redis_link *link, void *data); /* more commands, after AUTH, SELECT
                                                                  and CLIENT SETNAME */
    void (*up)(struct bk__redis_link *link, void *data);
    void (*down)(struct bk__redis_link *link, void *data);   /* it was up, and is lost */
    void (*failed)(struct bk__redis_link *link, void *data); /* an attempt has failed: Sentinel
                                                                is asked again, and may set a new
                                                                address before the next */
    /* A reply that answers no command: messages of a subscriber. Borrowed while it runs. */
    void (*pushed)(struct bk__redis_link *link, const bk_reply *reply, void *data);
    void *data;
};

/* Begins to connect. Of the loop of the calling thread. */
struct bk__redis_link *bk__redis_link_new(const struct bk__redis_link_opts *opts);

/* Fails what is pending, closes, frees. NULL is fine. */
void bk__redis_link_free(struct bk__redis_link *link);

/* Another address for the next attempt; `now` closes the present connection. */
void bk__redis_link_move(struct bk__redis_link *link, const char *host, uint16_t port, bool now);

bool bk__redis_link_is_up(const struct bk__redis_link *link);

/* False while commands fail at once. */
bool bk__redis_link_accepts(const struct bk__redis_link *link);

/* Waits until it is up, or the first attempt has failed, or the deadline: for the start of a
 * worker. */
BK_YIELDS bk_err bk__redis_link_wait(struct bk__redis_link *link);

/* Sends a command. BK_OK: @p call will be done (never before this returns). BK_EUNAVAILABLE, with
 * words: it was not sent and is not done. @p call NULL: nobody waits for the reply. Words are
 * copied. In the preamble and in pushed() as well. */
bk_err bk__redis_link_send(struct bk__redis_link *link, const bk_str *words, size_t count,
                           struct bk__redis_call *call);

/* Sends a command that is answered through pushed(), as SUBSCRIBE is. Nothing happens while there
 * is no socket. */
void bk__redis_link_tell(struct bk__redis_link *link, const bk_str *words, size_t count);

/* True when so many commands, of so many bytes as sent, are within the limits. */
bool bk__redis_link_has_room(const struct bk__redis_link *link, size_t calls, size_t bytes);

/* The call is not done any more: its reply is thrown away when it comes. Harmless when it is done.
 */
void bk__redis_link_abandon(struct bk__redis_link *link, struct bk__redis_call *call);

/* Closes the connection, for the reason given, and connects again. */
void bk__redis_link_break(struct bk__redis_link *link, const char *why);

/* Adds its counters. */
void bk__redis_link_add_stats(const struct bk__redis_link *link, bk_redis_stats *stats);

#endif
