/*
 * command.c: a fiber sends a command and waits for its reply. See <backend/redis.h> and redis.h.
 */
#include <stdio.h>
#include <string.h>

#include <backend/str.h>

#include "core/task.h"
#include "fiber/fiber.h"
#include "redis/redis.h"
#include "redis/words.h"

/* --- errors ----------------------------------------------------------------------------------- */

/* What the server says when it cannot serve now, though the command may be right. */
static bool is_unavailable(bk_str code)
{
    static const bk_str codes[] = {
        {"LOADING", 7},      {"OOM", 3},      {"READONLY", 8}, {"MASTERDOWN", 10},
        {"CLUSTERDOWN", 11}, {"TRYAGAIN", 8}, {"BUSY", 4},     {"NOREPLICAS", 10},
        {"MISCONF", 7},      {"NOAUTH", 6},   {"MOVED", 5},    {"ASK", 3},
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (bk_str_eq(code, codes[i]))
            return true;
    return false;
}

bk_err bk__redis_fail(const char *name, bk_str words)
{
    struct bk__error_origin origin = {0};
    bk_str rest = words, code;

    (void)bk_str_split(&rest, ' ', &code);
    bk_err err = bk_fail(is_unavailable(code) ? BK_EUNAVAILABLE : BK_EINTERNAL, "%s: %.*s", name,
                         BK_PRI(words));
    snprintf(origin.code, sizeof origin.code, "%.*s", BK_PRI(code));
    bk__task_set_origin(bk__task_self(), &origin);
    return err;
}

const char *bk_redis_error_code(void)
{
    const struct bk__task *task = bk__task_self();

    return task->origin != NULL ? task->origin->code : "";
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void on_done(struct bk__redis_call *call, bk_err err)
{
    struct bk__redis_wait *wait = bk__container_of(call, struct bk__redis_wait, call);

    wait->done = true;
    wait->err = err;
    if (err != BK_OK)
        snprintf(wait->why, sizeof wait->why, "%s", call->why);
    bk_fiber_wake(wait->fiber);
}

bk_err bk__redis_wait_begin(struct bk__redis_wait *wait, struct bk__redis_link *link,
                            const bk_str *words, size_t count)
{
    bk_fiber *self = bk_fiber_self();

    wait->call = (struct bk__redis_call){.done = on_done, .arena = &self->task.arena};
    wait->link = link;
    wait->fiber = self;
    wait->done = false;
    return bk__redis_link_send(link, words, count, &wait->call);
}

bk_err bk__redis_wait_end(struct bk__redis_wait *wait)
{
    bk_err err = BK_OK;

    while (!wait->done && err == BK_OK)
        err = bk__fiber_wait(BK__NEVER);
    if (!wait->done) {
        bk__redis_link_abandon(wait->link, &wait->call);
        return err;
    }
    if (wait->err != BK_OK)
        return bk_fail(wait->err, "Redis: %s", wait->why);
    return BK_OK;
}

static bk_err run_once(bk_redis *redis, const bk_str *words, size_t count, bk_reply *reply)
{
    struct bk__redis_link *link = bk__redis_link_for(redis, words, count);
    struct bk__redis_wait wait;

    if (link == NULL)
        return BK_EUNAVAILABLE;
    BK_TRY(bk__redis_wait_begin(&wait, link, words, count));
    BK_TRY(bk__redis_wait_end(&wait));
    *reply = wait.call.reply;
    return bk__redis_settle(redis, words, count, reply);
}

bk_err bk__redis_run_words(bk_redis *redis, const bk_str *words, size_t count, bk_reply *reply)
{
    bk_reply own;

    BK_TRY(run_once(redis, words, count, &own));
    if (own.type == BK_REPLY_ERROR)
        return bk__redis_fail(redis->opts.name, own.str);
    if (reply != NULL)
        *reply = own;
    return BK_OK;
}

/* --- the public calls --------------------------------------------------------------------------- */

bk_err bk_redis_run(bk_redis *redis, const char *command, bk_args args, bk_reply *reply)
{
    struct bk__redis_words words;
    bk_err err = bk__redis_words_make(&words, command, args);

    if (err == BK_OK)
        err = bk__redis_run_words(redis, words.items, words.count, reply);
    bk__redis_words_fini(&words);
    return err;
}

static bk_err wrong_type(const char *command, const char *wanted)
{
    return bk_fail(BK_EINTERNAL, "Redis: %s did not answer with %s", command, wanted);
}

bk_err bk_redis_str(bk_redis *redis, const char *command, bk_args args, bk_str *out)
{
    bk_reply reply;

    *out = (bk_str){NULL, 0};
    BK_TRY(bk_redis_run(redis, command, args, &reply));
    if (reply.type == BK_REPLY_NIL)
        return bk_fail(BK_ENOTFOUND, "Redis: %s found nothing", command);
    if (reply.type != BK_REPLY_STR && reply.type != BK_REPLY_STATUS)
        return wrong_type(command, "bytes");
    *out = reply.str;
    return BK_OK;
}

bk_err bk_redis_i64(bk_redis *redis, const char *command, bk_args args, int64_t *out)
{
    bk_reply reply;

    *out = 0;
    BK_TRY(bk_redis_run(redis, command, args, &reply));
    if (reply.type == BK_REPLY_NIL)
        return bk_fail(BK_ENOTFOUND, "Redis: %s found nothing", command);
    if (reply.type == BK_REPLY_STR && bk_str_to_i64(reply.str, &reply.i64) == BK_OK)
        reply.type = BK_REPLY_I64;
    if (reply.type != BK_REPLY_I64)
        return wrong_type(command, "an integer");
    *out = reply.i64;
    return BK_OK;
}
