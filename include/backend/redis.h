/**
 * @file backend/redis.h
 * @brief Redis: one connection that all fibers of a worker share, typed replies, scripts.
 *
 * Declare it once, before the app runs; use it in any handler. A call looks blocking: the fiber
 * waits, the loop goes on, and the commands of all fibers that ran in a turn of the loop leave in
 * one write.
 *
 * @code
 * bk_redis *redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL"))});
 *
 * int64_t visits;
 * BK_TRY(bk_redis_i64(redis, "INCR $1", BK_ARGS(bk_text(key)), &visits));
 * BK_TRY(bk_redis_run(redis, "SET $1 $2 PX $3 NX",
 *                     BK_ARGS(bk_text(key), bk_text(value), bk_i64(60000)), NULL));
 * @endcode
 *
 * **Commands** are words between spaces; `$1`, `$2` ... stand for values, which are never parsed:
 * text and bytes go as they are, numbers in decimal, booleans as 1 and 0, times in milliseconds
 * since 1970, and an array (bk_array_of()) as one word for each item. bk_null() is refused.
 *
 * **What a shared connection cannot do** is refused with BK_EINVAL: commands that block, that
 * subscribe, or that change the connection for its other users (WATCH, MULTI by hand, SELECT,
 * CLIENT REPLY). For transactions there is bk_redis_batch_run_atomic(), for read-compute-write
 * there are scripts, for messages backend/pubsub.h.
 *
 * **Outages.** A command that the server does not answer within command_ms fails, and the
 * connection is closed with it, since replies are told apart by their order only. While there is no
 * connection, commands fail at once with BK_EUNAVAILABLE: an outage costs one deadline, not one per
 * request. The library connects again by itself, later each time, up to every 2 s. A command whose
 * answer was lost may or may not have run; none is ever sent twice by itself.
 *
 * **Errors.** BK_EUNAVAILABLE: no connection, a lost or late answer, or a server that cannot serve
 * now (LOADING, OOM, READONLY, MASTERDOWN, CLUSTERDOWN, TRYAGAIN, BUSY). BK_EINTERNAL: any other
 * error of the server, which is a mistake of the program (WRONGTYPE, wrong arguments); the chain
 * has its words, and bk_redis_error_code() its first. BK_ETIMEDOUT and BK_ECANCELED are the
 * fiber's own.
 *
 * **Sentinel and Cluster** are chosen by the URL and look the same from here.
 */
#ifndef BACKEND_REDIS_H
#define BACKEND_REDIS_H

#include <backend/args.h>
#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** A server, or several that act as one, as this worker sees it. */
typedef struct bk_redis bk_redis;

/** Settings. Zero means default; BK_UNLIMITED switches a limit off. */
typedef struct bk_redis_opts {
    /** Where it is. Copied. Default "redis://127.0.0.1:6379". User, password and database are
     *  optional, and percent-encoded where they hold what a URL may not:
     *  - `redis://user:password@host:port/db`, `rediss://...` for TLS
     *  - `unix:///path?db=N` (and `user:password@` before the path)
     *  - `redis+sentinel://user:password@host:port,host:port/service/db` (`rediss+sentinel://`);
     *    `sentinel_user` and `sentinel_password` as parameters
     *  - `redis+cluster://user:password@host:port,host:port` (`rediss+cluster://`)
     *  - `memory://`: none; bk_redis_new() returns NULL then
     *  Parameters of all: `connect_ms`, `command_ms`, `name`; of TLS: `ca` (PEM file), `cert`,
     *  `key`, `server_name`, `verify=none`. */
    bk_str      url;
    const char *name;       /**< For logs and CLIENT SETNAME; borrowed. Default "redis". */
    uint32_t    command_ms; /**< Longest that a command may take. Default 1,000. */
    uint32_t    connect_ms; /**< Longest that connecting may take, names, TLS and AUTH included.
                                 Default 2,000. */
    uint32_t pending;       /**< Commands on their way; the next fails at once with
                                 BK_EUNAVAILABLE. Default 100,000. */
    uint32_t pending_bytes; /**< Bytes of commands not yet taken by the kernel, likewise.
                                 Default 64 MiB. */
    uint32_t reply_bytes;   /**< Largest reply; a larger one closes the connection. Default
                                 64 MiB. */
} bk_redis_opts;

/** Counters since the start. */
typedef struct bk_redis_stats {
    bool     up;       /**< Commands can be sent now (Cluster: to some node). */
    uint64_t commands; /**< Answered, well or with an error. */
    uint64_t errors;   /**< Of those, with an error of the server. */
    uint64_t failed;   /**< Not answered: lost, late, or refused while there was no connection. */
    uint64_t connects; /**< Connections made. */
    uint64_t disconnects; /**< Connections lost. */
    uint64_t writes;      /**< Writes to sockets. */
    uint64_t pending;     /**< Commands on their way now. */
    uint64_t redirects;   /**< MOVED and ASK followed. */
} bk_redis_stats;

/**
 * Declares a connection of @p app, before the app runs: it opens when a worker starts, closes when
 * it stops, and is freed with the app. A wrong URL stops the program with words; a server that is
 * not there does not: the start waits for it for connect_ms and goes on without.
 *
 * @param opts  Copied. May be NULL.
 * @return NULL for `memory://`: what takes a bk_redis (cache, sessions, limits, topics) takes NULL
 *         for a store of its own in memory.
 */
BK_API BK_NODISCARD bk_redis *bk_redis_new(bk_app *app, const bk_redis_opts *opts);

/** Fills @p stats. */
BK_API void bk_redis_get_stats(const bk_redis *redis, bk_redis_stats *stats);

/* --- commands --------------------------------------------------------------------------------- */

/** What a reply is. */
typedef enum bk_reply_type {
    BK_REPLY_NIL,    /**< Nothing: no such key. */
    BK_REPLY_STR,    /**< Bytes, in `str`. */
    BK_REPLY_STATUS, /**< A word such as OK, in `str`. */
    BK_REPLY_I64,    /**< An integer. */
    BK_REPLY_ARRAY,  /**< `items`. */
    BK_REPLY_ERROR   /**< An error within an array or a batch; its words in `str`. */
} bk_reply_type;

/** A reply. What it points to is request-owned. */
typedef struct bk_reply {
    bk_reply_type          type;  /**< What it is. */
    bk_str                 str;   /**< Of STR, STATUS and ERROR. Followed by a NUL. */
    int64_t                i64;   /**< Of I64. */
    const struct bk_reply *items; /**< Of ARRAY. */
    size_t                 count; /**< Of ARRAY. */
} bk_reply;

/**
 * Runs a command.
 *
 * @param command  The command as words, with `$1`, `$2` ... for values. Borrowed for the call.
 * @param args     BK_ARGS(...) or BK_NO_ARGS; what they point to is borrowed for the call.
 * @param reply    Receives the reply, never an error. May be NULL.
 * @return BK_OK; see "Errors" above; BK_EINVAL for a command that is not possible here.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_redis_run(bk_redis *redis, const char *command,
                                                  bk_args args, bk_reply *reply);

/** Runs a command that answers with bytes or a status. BK_ENOTFOUND when the answer is nil (`*out`
 *  is absent then), BK_EINTERNAL when it is something else. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_redis_str(bk_redis *redis, const char *command,
                                                  bk_args args, bk_str *out);

/** Runs a command that answers with an integer, or with bytes that are one in decimal.
 *  BK_ENOTFOUND when the answer is nil (`*out` is 0 then), BK_EINTERNAL when it is something else.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_redis_i64(bk_redis *redis, const char *command,
                                                  bk_args args, int64_t *out);

/** The first word of the server's error that is this fiber's newest error, such as "WRONGTYPE"; ""
 *  when it is not the server's. Borrowed until the fiber's errors are cleared. */
BK_API const char *bk_redis_error_code(void);

/* --- several at once -------------------------------------------------------------------------- */

/** Commands that one fiber waits for together. */
typedef struct bk_redis_batch bk_redis_batch;

/** An empty batch. Request-owned; one that is not run does nothing. */
BK_API BK_NODISCARD bk_redis_batch *bk_redis_batch_open(bk_redis *redis);

/** Adds a command. @p command and @p args are copied.
 *  @param reply  Receives the reply when the batch runs; it may be of type ERROR. May be NULL. */
BK_API void bk_redis_batch_add(bk_redis_batch *batch, const char *command, bk_args args,
                               bk_reply *reply);

/** Sends all, waits for all, and empties the batch: a pipeline. Others' commands may run between
 *  them.
 *  @return BK_OK when each was answered well; else the first error, when each has had its reply or
 *          has failed. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_redis_batch_run(bk_redis_batch *batch);

/** As bk_redis_batch_run(), between MULTI and EXEC: nothing runs between them, and when one is
 *  refused before EXEC, none runs. In a Cluster all keys must be of one slot (BK_EINVAL). */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_redis_batch_run_atomic(bk_redis_batch *batch);

/* --- scripts ---------------------------------------------------------------------------------- */

/**
 * Runs a Lua script, by its digest (EVALSHA) where the server knows it, else by its text, which
 * loads it.
 *
 * @param script  The text, best a literal: its digest is remembered. Borrowed for the call.
 * @param keys    What the script sees as KEYS. In a Cluster all of one slot.
 * @param args    What it sees as ARGV.
 * @param reply   Receives what the script returned. May be NULL.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_redis_eval(bk_redis *redis, const char *script,
                                                   bk_args keys, bk_args args, bk_reply *reply);

BK_END_DECLS

#endif
