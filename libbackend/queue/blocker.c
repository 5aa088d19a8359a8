/*
 * blocker.c: the one connection on which all idle workers of a process wait. See hub.h.
 *
 *   resting --a worker is idle--> blocked in BZPOPMIN on the markers of all idle workers' queues
 *   blocked --another becomes idle--> CLIENT UNBLOCK, and blocked again, on its marker too
 *   blocked --a marker--> told to its worker; blocked again while some are idle
 *
 * To take a marker is to promise that somebody looks for work, since only who takes it learns of
 * it. So one whose worker has no room any more is put back.
 *
 * The answer to CLIENT ID, sent in front of each BZPOPMIN, says whom to unblock.
 */
#include <stdlib.h>

#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/number.h"
#include "fiber/loop.h"
#include "queue/hub.h"
#include "queue/worker.h"
#include "redis/redis.h"

enum {
    BLOCK_S = 5,
    ANSWER_MS = (BLOCK_S + 2) * 1000, /* what comes later comes never */
    KEYS_MAX = 64,
    RETRY_MS = 200
};

struct bk__blocker {
    struct bk__hub *hub;
    struct bk_loop *loop;
    char *name;
    bk_redis *redis; /* its own connection */
    struct bk__redis_call id_call, pop_call;
    struct bk__redis_link *link;  /* of the calls; NULL: resting */
    bk_worker *watched[KEYS_MAX]; /* whose markers are waited for */
    size_t watched_count;
    int64_t client_id; /* 0: not known yet */
    bool again;        /* it is to be unblocked once it is known whom */
    struct bk__put_off look;
    struct bk__timer retry;
};

static void block(struct bk__blocker *blocker);

/* --- what comes back -------------------------------------------------------------------------- */

static void unblock(struct bk__blocker *blocker)
{
    char id[BK__I64_TEXT];
    bk_str words[] = {
        BK_LIT("CLIENT"), BK_LIT("UNBLOCK"), {id, bk__i64_text(blocker->client_id, id)}};

    blocker->again = false;
    bk__hub_tell(blocker->hub, words, 3); /* if not, it wakes up by itself before long */
}

static void on_id(struct bk__redis_call *call, bk_err err)
{
    struct bk__blocker *blocker = bk__container_of(call, struct bk__blocker, id_call);

    if (err != BK_OK || call->reply.type != BK_REPLY_I64)
        return;
    blocker->client_id = call->reply.i64;
    if (blocker->again)
        unblock(blocker);
}

/* Somebody else may have room. */
static void put_marker_back(struct bk__blocker *blocker, bk_str key, bk_str score, bk_str member)
{
    bk_str words[] = {BK_LIT("ZADD"), key, score, member};

    bk__hub_tell(blocker->hub, words, 4);
}

/* @p reply: the key, the member, its score. */
static void tell(struct bk__blocker *blocker, const bk_reply *reply)
{
    bk_str key = reply->items[0].str, member = reply->items[1].str, score = reply->items[2].str;
    double due_ms = 0;

    if (bk_str_to_f64(score, &due_ms) != BK_OK)
        bk_error_clear();
    bk__list_each(it, &blocker->hub->workers) {
        bk_worker *worker = bk__container_of(it, bk_worker, hub_link);
        if (!bk_str_eq(key, worker->marker))
            continue;
        if (bk_str_eq(member, BK_LIT("1")) ? bk__worker_heard_due(worker, (int64_t)due_ms)
                                           : bk__worker_called(worker))
            return;
    }
    put_marker_back(blocker, key, score, member);
}

static void on_pop(struct bk__redis_call *call, bk_err err)
{
    struct bk__blocker *blocker = bk__container_of(call, struct bk__blocker, pop_call);
    const bk_reply *reply = &call->reply;

    blocker->link = NULL;
    blocker->client_id = 0;
    blocker->again = false;
    if (err != BK_OK || reply->type == BK_REPLY_ERROR) {
        if (err == BK_OK && !bk__hub_learn(blocker->redis, reply->str))
            bk_warn("queue.not_blocked", bk_kv_cstr("name", blocker->name),
                    bk_kv_str("why", reply->str));
        bk__timer_set(blocker->loop, &blocker->retry, blocker->loop->clock.now_ms + RETRY_MS);
        return;
    }
    if (reply->type == BK_REPLY_ARRAY && reply->count == 3)
        tell(blocker, reply);
    bk__loop_put_off(blocker->loop, &blocker->look);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static bool is_watched(const struct bk__blocker *blocker, const bk_worker *worker)
{
    for (size_t i = 0; i < blocker->watched_count; i++)
        if (bk_str_eq(blocker->watched[i]->marker, worker->marker))
            return true;
    return false;
}

static void block(struct bk__blocker *blocker)
{
    static const bk_str ask_id[] = {{"CLIENT", 6}, {"ID", 2}};
    bk_str words[2 + KEYS_MAX] = {BK_LIT("BZPOPMIN")};
    char seconds[BK__I64_TEXT];
    size_t count = 1;

    blocker->watched_count = 0;
    bk__list_each(it, &blocker->hub->workers) {
        bk_worker *worker = bk__container_of(it, bk_worker, hub_link);
        if (!bk__worker_is_idle(worker) || is_watched(blocker, worker) ||
            blocker->watched_count == KEYS_MAX)
            continue;
        blocker->watched[blocker->watched_count++] = worker;
        words[count++] = worker->marker;
    }
    if (count == 1)
        return;
    words[count++] = (bk_str){seconds, bk__i64_text(BLOCK_S, seconds)};
    struct bk__redis_link *link = bk__redis_link_for(blocker->redis, words, count);
    blocker->id_call = (struct bk__redis_call){.done = on_id};
    blocker->pop_call = (struct bk__redis_call){.done = on_pop};
    if (link == NULL || bk__redis_link_send(link, ask_id, 2, &blocker->id_call) != BK_OK) {
        bk_error_clear();
        bk__timer_set(blocker->loop, &blocker->retry, blocker->loop->clock.now_ms + RETRY_MS);
        return;
    }
    blocker->link = link;
    if (bk__redis_link_send(link, words, count, &blocker->pop_call) != BK_OK) {
        bk_error_clear();
        blocker->link = NULL;
        bk__timer_set(blocker->loop, &blocker->retry, blocker->loop->clock.now_ms + RETRY_MS);
    }
}

static void on_look(struct bk__put_off *look)
{
    struct bk__blocker *blocker = bk__container_of(look, struct bk__blocker, look);

    if (blocker->link == NULL) {
        block(blocker);
        return;
    }
    bk__list_each(it, &blocker->hub->workers) {
        const bk_worker *worker = bk__container_of(it, bk_worker, hub_link);
        if (!bk__worker_is_idle(worker) || is_watched(blocker, worker))
            continue;
        if (blocker->client_id != 0)
            unblock(blocker);
        else
            blocker->again = true;
        return;
    }
}

static void on_retry(struct bk__timer *timer)
{
    struct bk__blocker *blocker = bk__container_of(timer, struct bk__blocker, retry);

    bk__loop_put_off(blocker->loop, &blocker->look);
}

void bk__blocker_watch(struct bk__blocker *blocker)
{
    bk__loop_put_off(blocker->loop, &blocker->look);
}

/* --- life ------------------------------------------------------------------------------------- */

struct bk__blocker *bk__blocker_new(struct bk__hub *hub, const char *client_name)
{
    struct bk__blocker *blocker = calloc(1, sizeof *blocker);

    bk_assert(blocker != NULL);
    blocker->hub = hub;
    blocker->loop = bk__loop_current;
    blocker->name = strdup(client_name);
    bk_assert(blocker->name != NULL);
    blocker->look.fn = on_look;
    blocker->retry.fn = on_retry;
    blocker->redis = bk__redis_clone(hub->redis, blocker->name, ANSWER_MS);
    bk__redis_open(blocker->redis);
    return blocker;
}

void bk__blocker_free(struct bk__blocker *blocker)
{
    if (blocker == NULL)
        return;
    if (blocker->link != NULL) {
        bk__redis_link_abandon(blocker->link, &blocker->id_call);
        bk__redis_link_abandon(blocker->link, &blocker->pop_call);
    }
    bk__redis_close(blocker->redis);
    bk__redis_clone_free(blocker->redis);
    bk__loop_forget(&blocker->look);
    bk__timer_stop(blocker->loop, &blocker->retry);
    free(blocker->name);
    free(blocker);
}
