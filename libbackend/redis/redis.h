/*
 * redis.h: a bk_redis from inside, and how a fiber waits for a reply.
 */
#ifndef BK_REDIS_REDIS_H
#define BK_REDIS_REDIS_H

#include "core/list.h"
#include "redis/link.h"
#include "redis/url.h"

struct bk__redis_feed;
struct bk__redis_sentinel;
struct bk__redis_cluster;
struct bk__hub;

struct bk_redis {
    bk_redis_opts opts; /* defaults filled in; url is not kept */
    struct bk__redis_target *target;
    struct bk__redis_link *link; /* NULL while the app does not run, while no sentinel has said
                                    where it leads, and for a Cluster */
    struct bk__redis_sentinel *sentinel; /* NULL: none */
    struct bk__redis_cluster *cluster;   /* NULL: none */
    struct bk__redis_feed *feed;         /* feed.c */
    struct bk__list scripts;             /* script.c */
    struct bk__hub *hub;                 /* the queues' on it, see queue/hub.h; NULL: none */
};

/* A command that a fiber waits for. Lies on its stack. */
struct bk__redis_wait {
    struct bk__redis_call call;
    struct bk__redis_link *link;
    bk_fiber *fiber;
    bool done;
    bk_err err;
    char why[160]; /* of BK_EUNAVAILABLE */
};

/* Where a command goes: NULL, with BK_EUNAVAILABLE recorded, when nowhere. */
struct bk__redis_link *bk__redis_link_for(bk_redis *redis, const bk_str *words, size_t count);

/* Sends; the reply is put into the fiber's arena. Then bk__redis_wait_end(), in any case. */
bk_err bk__redis_wait_begin(struct bk__redis_wait *wait, struct bk__redis_link *link,
                            const bk_str *words, size_t count);

/* Waits for the reply, which may be of type ERROR. What began well ends by this. */
BK_YIELDS bk_err bk__redis_wait_end(struct bk__redis_wait *wait);

/* Runs a command, wherever it belongs. An error of the server is an error of the fiber. @p reply
 * may be NULL. */
BK_YIELDS bk_err bk__redis_run_words(bk_redis *redis, const bk_str *words, size_t count,
                                     bk_reply *reply);

/* Follows a reply that says that the command belongs elsewhere, or cannot run just now, while the
 * server is a Cluster: `*reply` becomes that of the last attempt. Replies are put into the fiber's
 * arena. */
BK_YIELDS bk_err bk__redis_settle(bk_redis *redis, const bk_str *words, size_t count,
                                  bk_reply *reply);

/* Records an error of the server as the fiber's, with its code. */
bk_err bk__redis_fail(const char *name, bk_str words);

/* Opens it on the calling thread's loop, and does not wait; closes it. */
void bk__redis_open(bk_redis *redis);
void bk__redis_close(bk_redis *redis);

/* Another connection to the same server, for a purpose that needs one of its own, perhaps on
 * another thread: to be opened there. @p name: borrowed. @p command_ms: 0 as the original. */
bk_redis *bk__redis_clone(const bk_redis *redis, const char *name, uint32_t command_ms);
void bk__redis_clone_free(bk_redis *clone); /* closed; NULL is fine */

/* The parts of script.c that the redis has. */
void bk__redis_scripts_free(bk_redis *redis);

#endif
