/*
 * script.c: running scripts. See script.h.
 */
#include "queue/script.h"

#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "redis/cluster.h"
#include "redis/redis.h"

enum {
    ATTEMPTS_MAX = 5 /* where a Cluster says that it belongs elsewhere */
};

void bk__script_begin(struct bk__argv *argv, const struct bk__script *script, bk_str base)
{
    bk__argv_clear(argv);
    bk__argv_push(argv, BK_LIT("EVALSHA"));
    bk__argv_push(argv, bk_str_at(script->digest, 40));
    bk__argv_push(argv, BK_LIT("1"));
    bk__argv_push(argv, base);
}

static void send_text(struct bk__argv *argv, const struct bk__script *script)
{
    argv->items[0] = BK_LIT("EVAL");
    argv->items[1] = bk_str_of(script->text);
}

static bool is_unknown(bk_str error)
{
    return bk_str_starts(error, BK_LIT("NOSCRIPT"));
}

bk_err bk__script_run(bk_redis *redis, const struct bk__script *script, struct bk__argv *argv,
                      bk_reply *reply)
{
    bk_err err = bk__redis_run_words(redis, argv->items, argv->count, reply);

    if (err == BK_EINTERNAL && strcmp(bk_redis_error_code(), "NOSCRIPT") == 0) {
        bk_error_clear();
        send_text(argv, script);
        err = bk__redis_run_words(redis, argv->items, argv->count, reply);
    }
    return err;
}

/* --- without a fiber -------------------------------------------------------------------------- */

static bk_err send(struct bk__script_call *call)
{
    struct bk__redis_link *link =
        bk__redis_link_for(call->redis, call->argv.items, call->argv.count);

    if (link == NULL)
        return BK_EUNAVAILABLE;
    BK_TRY(bk__redis_link_send(link, call->argv.items, call->argv.count, &call->call));
    call->link = link;
    return BK_OK;
}

static void finish(struct bk__script_call *call, bk_err err, const bk_reply *reply)
{
    call->done(call, err, reply);
}

/* Sends it once more, where that may help. */
static bool try_again(struct bk__script_call *call, bk_str error)
{
    bool pause = false;

    if (++call->attempts >= ATTEMPTS_MAX)
        return false;
    if (is_unknown(error)) {
        if (call->rebuild != NULL)
            call->rebuild(call);
        send_text(&call->argv, call->script);
    } else if (call->redis->cluster == NULL ||
               !bk__redis_cluster_learn(call->redis->cluster, error, &pause) || pause) {
        return false;
    }
    bk_err err = send(call);
    if (err != BK_OK)
        bk_error_clear();
    return err == BK_OK;
}

static void on_done(struct bk__redis_call *link_call, bk_err err)
{
    struct bk__script_call *call = bk__container_of(link_call, struct bk__script_call, call);
    const bk_reply *reply = &link_call->reply;

    call->link = NULL;
    if (err != BK_OK) {
        call->why = link_call->why;
        finish(call, err, NULL);
    } else if (reply->type != BK_REPLY_ERROR) {
        finish(call, BK_OK, reply);
    } else if (!try_again(call, reply->str)) {
        err = bk__redis_fail(call->redis->opts.name, reply->str);
        call->why = bk_error_chain()->message.ptr;
        finish(call, err, NULL);
        bk_error_clear();
    }
}

void bk__script_call_init(struct bk__script_call *call, bk_redis *redis,
                          const struct bk__script *script)
{
    *call = (struct bk__script_call){.redis = redis, .script = script};
    bk__argv_init(&call->argv);
}

void bk__script_call_fini(struct bk__script_call *call)
{
    bk_assert(call->link == NULL);
    bk__argv_fini(&call->argv);
}

bk_err bk__script_call_send(struct bk__script_call *call)
{
    call->call = (struct bk__redis_call){.done = on_done};
    call->attempts = 0;
    return send(call);
}

void bk__script_call_abandon(struct bk__script_call *call)
{
    if (call->link != NULL)
        bk__redis_link_abandon(call->link, &call->call);
    call->link = NULL;
}
