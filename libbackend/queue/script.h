/*
 * script.h: our Lua scripts, and how they are run: by a fiber that waits, or by a call that many
 * fibers share and whose end is told to a function.
 *
 * Each is one transition of a queue. Its only key is the base of the queue's keys,
 * "prefix:name:"; all others follow from it. Redis knows scripts by their digests, and is sent the
 * text where it does not.
 */
#ifndef BK_QUEUE_SCRIPT_H
#define BK_QUEUE_SCRIPT_H

#include <backend/redis.h>

#include "queue/argv.h"
#include "redis/link.h"

/* Made from scripts/ when the library is built. */
struct bk__script {
    const char *digest; /* SHA-1, hexadecimal */
    const char *text;
};

/* Begins the words of a run on the queue whose keys begin with @p base; ARGV is pushed next. */
void bk__script_begin(struct bk__argv *argv, const struct bk__script *script, bk_str base);

/* Runs it on a fiber. An error of the server is an error of the fiber. @p reply may be NULL. */
BK_YIELDS bk_err bk__script_run(bk_redis *redis, const struct bk__script *script,
                                struct bk__argv *argv, bk_reply *reply);

/* A run without a fiber, one at a time. Lies where its owner likes until it is done or abandoned.
 */
struct bk__script_call {
    struct bk__redis_call call;
    bk_redis *redis;
    const struct bk__script *script;
    struct bk__argv argv; /* its words; what they borrow must stay until done(), or rebuild() must
                             make them anew */
    void (*rebuild)(struct bk__script_call *call); /* the text is to be sent; may be NULL */
    /* On the loop's stack. @p reply: of BK_OK, borrowed while this runs. Else `why` says more. */
    void (*done)(struct bk__script_call *call, bk_err err, const bk_reply *reply);
    const char *why;
    struct bk__redis_link *link; /* that it is on its way on; NULL: it is not */
    int attempts;
    bool with_text;
};

void bk__script_call_init(struct bk__script_call *call, bk_redis *redis,
                          const struct bk__script *script);
void bk__script_call_fini(struct bk__script_call *call); /* not on its way */

/* Sends what argv has. BK_OK: done() will be called, never before this returns. */
bk_err bk__script_call_send(struct bk__script_call *call);

/* done() is not called any more. Harmless when it is not on its way. */
void bk__script_call_abandon(struct bk__script_call *call);

#endif
