/*
 * batch.c: commands that one fiber waits for together. See <backend/redis.h>.
 *
 * All are sent before the fiber first waits, so they leave in one write; and since nothing else
 * runs in between, those of a transaction stand side by side on the connection.
 */
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"
#include "fiber/fiber.h"
#include "redis/cluster.h"
#include "redis/redis.h"
#include "redis/slots.h"
#include "redis/words.h"

enum {
    ATTEMPTS_MAX = 5, /* of a transaction that a Cluster refuses */
    PAUSE_MS = 50     /* before another, where it is busy */
};

struct item {
    struct bk__link link; /* in the batch */
    bk_str *words;
    size_t count;
    bk_reply *reply; /* may be NULL */
    struct bk__redis_wait wait;
    bk_err err; /* of sending */
};

struct bk_redis_batch {
    bk_redis *redis;
    bk_arena *arena;
    struct bk__list items;
    bk_err err; /* of the first command that cannot be sent at all */
    const char *why;
};

bk_redis_batch *bk_redis_batch_open(bk_redis *redis)
{
    bk_redis_batch *batch = bk_arena_zalloc(bk_fiber_arena(), sizeof *batch);

    batch->redis = redis;
    batch->arena = bk_fiber_arena();
    bk__list_init(&batch->items);
    return batch;
}

static struct item *add_item(bk_redis_batch *batch, const bk_str *words, size_t count)
{
    struct item *item = bk_arena_zalloc(batch->arena, sizeof *item);

    item->words = bk_arena_alloc(batch->arena, count * sizeof *item->words);
    item->count = count;
    for (size_t i = 0; i < count; i++)
        item->words[i] = bk_arena_dup(batch->arena, words[i]);
    return item;
}

void bk_redis_batch_add(bk_redis_batch *batch, const char *command, bk_args args, bk_reply *reply)
{
    struct bk__redis_words words;
    bk_err err = bk__redis_words_make(&words, command, args);

    if (err == BK_OK) {
        struct item *item = add_item(batch, words.items, words.count);
        item->reply = reply;
        bk__list_push(&batch->items, &item->link);
    } else if (batch->err == BK_OK) {
        batch->err = err;
        batch->why = bk_arena_cstr(batch->arena, bk_error_chain()->message);
    }
    bk__redis_words_fini(&words);
}

static struct item *item_of(struct bk__link *link)
{
    return bk__container_of(link, struct item, link);
}

/* Waits for what was sent. The first failure counts; an interruption ends the other waits at once.
 */
static bk_err wait_for_all(bk_redis_batch *batch)
{
    bk_err first = BK_OK;

    bk__list_each(it, &batch->items) {
        struct item *item = item_of(it);
        bk_err err = item->err;
        if (err == BK_OK)
            err = bk__redis_wait_end(&item->wait);
        if (err == BK_OK)
            err = bk__redis_settle(batch->redis, item->words, item->count, &item->wait.call.reply);
        if (err == BK_OK && item->reply != NULL)
            *item->reply = item->wait.call.reply;
        if (err == BK_OK && item->wait.call.reply.type == BK_REPLY_ERROR && first == BK_OK)
            err = bk__redis_fail(batch->redis->opts.name, item->wait.call.reply.str);
        if (first == BK_OK)
            first = err;
    }
    return first;
}

static void send_all(bk_redis_batch *batch)
{
    bk__list_each(it, &batch->items) {
        struct item *item = item_of(it);
        struct bk__redis_link *link = bk__redis_link_for(batch->redis, item->words, item->count);
        item->err = link == NULL
                        ? BK_EUNAVAILABLE
                        : bk__redis_wait_begin(&item->wait, link, item->words, item->count);
    }
}

/* What was added wrongly is told here: the calls that add have no result. */
static bk_err check(bk_redis_batch *batch)
{
    if (batch->err == BK_OK)
        return BK_OK;
    bk_err err = bk_fail(batch->err, "%s", batch->why);
    bk__list_init(&batch->items);
    batch->err = BK_OK;
    return err;
}

bk_err bk_redis_batch_run(bk_redis_batch *batch)
{
    BK_TRY(check(batch));
    send_all(batch);
    bk_err err = wait_for_all(batch);
    bk__list_init(&batch->items);
    return err;
}

/* Hands the replies that EXEC has brought to the commands. */
static bk_err share_out(bk_redis_batch *batch, const bk_reply *replies)
{
    size_t i = 0;
    bk_err first = BK_OK;

    bk__list_each(it, &batch->items) {
        struct item *item = item_of(it);
        const bk_reply *reply = &replies->items[i++];
        if (item->reply != NULL)
            *item->reply = *reply;
        if (reply->type == BK_REPLY_ERROR && first == BK_OK)
            first = bk__redis_fail(batch->redis->opts.name, reply->str);
    }
    return first;
}

static bk_err run_atomic(bk_redis_batch *batch, struct item *multi, struct item *exec)
{
    size_t count = 0;

    bk__list_each(it, &batch->items) {
        item_of(it)->wait.call.reply = (bk_reply){.type = BK_REPLY_NIL};
        count++;
    }
    bk_err err = multi->err;
    if (err == BK_OK)
        err = bk__redis_wait_end(&multi->wait);
    bk__list_each(it, &batch->items) {
        struct item *item = item_of(it);
        bk_err queued = item->err != BK_OK ? item->err : bk__redis_wait_end(&item->wait);
        if (queued == BK_OK && item->wait.call.reply.type == BK_REPLY_ERROR && err == BK_OK)
            err = bk__redis_fail(batch->redis->opts.name, item->wait.call.reply.str);
        else if (err == BK_OK)
            err = queued;
    }
    bk_err ended = exec->err != BK_OK ? exec->err : bk__redis_wait_end(&exec->wait);
    if (err != BK_OK || ended != BK_OK)
        return err != BK_OK ? err : ended;
    const bk_reply *replies = &exec->wait.call.reply;
    if (replies->type == BK_REPLY_ERROR)
        return bk__redis_fail(batch->redis->opts.name, replies->str);
    if (replies->type != BK_REPLY_ARRAY || replies->count != count)
        return bk_fail(BK_EINTERNAL, "Redis: EXEC answered for other commands than were sent");
    return share_out(batch, replies);
}

static void send_on(struct item *item, struct bk__redis_link *link)
{
    item->err = bk__redis_wait_begin(&item->wait, link, item->words, item->count);
}

static size_t count_of(const bk_redis_batch *batch)
{
    size_t count = 0;

    bk__list_each(it, &batch->items)
        count++;
    return count;
}

/* At most so many bytes on the wire: a word has a head and an end. */
static size_t bytes_of(const bk_redis_batch *batch)
{
    enum {
        FRAME = 32
    };
    size_t bytes = 4 * FRAME; /* MULTI and EXEC */

    bk__list_each(it, &batch->items) {
        const struct item *item = item_of(it);
        bytes += FRAME;
        for (size_t i = 0; i < item->count; i++)
            bytes += FRAME + item->words[i].len;
    }
    return bytes;
}

/* A node of a Cluster runs transactions on keys of one slot only. */
static bk_err check_slots(const bk_redis_batch *batch)
{
    uint16_t slot = BK__REDIS_SLOTS;

    bk__list_each(it, &batch->items) {
        const struct item *item = item_of(it);
        bk_str key;
        if (!bk__redis_key_of(item->words, item->count, &key))
            continue;
        if (slot != BK__REDIS_SLOTS && slot != bk__redis_slot_of(key))
            return bk_fail(BK_EINVAL, "Redis: the keys of a transaction are of several slots");
        slot = bk__redis_slot_of(key);
    }
    return BK_OK;
}

/* The first command with a key says which node it is. */
static const struct item *leader_of(const bk_redis_batch *batch)
{
    bk_str key;

    bk__list_each(it, &batch->items)
        if (bk__redis_key_of(item_of(it)->words, item_of(it)->count, &key))
            return item_of(it);
    return item_of(batch->items.anchor.next);
}

static bk_err attempt_atomic(bk_redis_batch *batch)
{
    static const bk_str words[] = {{"MULTI", 5}, {"EXEC", 4}};
    const struct item *first = leader_of(batch);
    struct bk__redis_link *link = bk__redis_link_for(batch->redis, first->words, first->count);
    if (link == NULL)
        return BK_EUNAVAILABLE;
    if (!bk__redis_link_has_room(link, count_of(batch) + 2, bytes_of(batch)))
        return bk_fail(BK_EUNAVAILABLE, "%s: too many commands are on their way",
                       batch->redis->opts.name);
    struct item *multi = add_item(batch, &words[0], 1), *exec = add_item(batch, &words[1], 1);
    send_on(multi, link);
    if (multi->err != BK_OK) /* there is no connection; what follows must not go without it */
        return multi->err;
    bk__list_each(it, &batch->items)
        send_on(item_of(it), link);
    send_on(exec, link);
    return run_atomic(batch, multi, exec);
}

/* True when a Cluster has refused the batch for a reason that may be gone the next time. */
BK_YIELDS static bool is_worth_another(const bk_redis_batch *batch, int attempts)
{
    bool pause;

    if (batch->redis->cluster == NULL || attempts == ATTEMPTS_MAX)
        return false;
    bk__list_each(it, &batch->items) {
        const bk_reply *reply = &item_of(it)->wait.call.reply;
        if (reply->type == BK_REPLY_ERROR)
            return bk__redis_cluster_learn(batch->redis->cluster, reply->str, &pause) &&
                   (!pause || bk_sleep_ms(PAUSE_MS) == BK_OK);
    }
    return false;
}

bk_err bk_redis_batch_run_atomic(bk_redis_batch *batch)
{
    int attempts = 1;

    BK_TRY(check(batch));
    if (bk__list_empty(&batch->items))
        return BK_OK;
    bk_err err = batch->redis->cluster != NULL ? check_slots(batch) : BK_OK;
    if (err == BK_OK)
        err = attempt_atomic(batch);
    while (err == BK_EUNAVAILABLE && is_worth_another(batch, attempts++)) {
        bk_error_clear();
        err = attempt_atomic(batch);
    }
    bk__list_init(&batch->items);
    return err;
}
