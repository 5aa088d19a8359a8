/*
 * sentinel.c: the master of a service that sentinels look after. See sentinel.h, and "Guidelines
 * for Redis clients with support for Redis Sentinel".
 *
 * One connection leads to one of the sentinels, the next when that fails or does not know. It asks
 * for the master's address once a second, rather than to subscribe to +switch-master: a question
 * that is answered also tells that the sentinel is alive, and a message that was missed would be
 * missed for ever. What it names must say itself that it is a master; else another sentinel is
 * asked.
 */
#include "redis/sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "fiber/loop.h"
#include "fiber/timer.h"
#include "fiber/waiter.h"
#include "redis/feed.h"
#include "redis/link.h"

#define ASK_EVERY_MS 1000
#define ASK_SOON_MS  50

struct bk__redis_sentinel {
    bk_redis *redis;
    struct bk_loop *loop;
    struct bk__redis_target *target; /* the sentinels, with their credentials */
    size_t at;                       /* which of its hosts is asked */
    size_t failures;                 /* of sentinels, one after the other */
    struct bk__redis_link *link;     /* to that one */
    struct bk__redis_call master_call, role_call;
    bool asking;  /* master_call is on its way */
    bool doubted; /* the next question goes to another sentinel */
    struct bk__timer ask_timer;
    struct bk__list waiters; /* for the first answer */
    char host[256];          /* of the master; empty: not known yet */
    uint16_t port;
};

static void wake_waiters(struct bk__redis_sentinel *sentinel)
{
    while (!bk__list_empty(&sentinel->waiters))
        bk__waiter_serve(bk__waiter_first(&sentinel->waiters), BK_OK);
}

static void ask_soon(struct bk__redis_sentinel *sentinel)
{
    bk__timer_at_least(sentinel->loop, &sentinel->ask_timer,
                       sentinel->loop->clock.now_ms + ASK_SOON_MS);
}

/* --- the master ------------------------------------------------------------------------------- */

static void on_role(struct bk__redis_call *call, bk_err err)
{
    struct bk__redis_sentinel *sentinel =
        bk__container_of(call, struct bk__redis_sentinel, role_call);
    const bk_reply *reply = &call->reply;

    if (err != BK_OK || reply->type != BK_REPLY_ARRAY || reply->count == 0 ||
        bk_str_eq(reply->items[0].str, BK_LIT("master")))
        return; /* an ACL may forbid to ask */
    sentinel->doubted = true;
    bk__redis_link_break(sentinel->redis->link, "the sentinel's master is none");
}

static void on_master_preamble(struct bk__redis_link *link, void *data)
{
    struct bk__redis_sentinel *sentinel = data;
    bk_str role = BK_LIT("ROLE");

    sentinel->role_call = (struct bk__redis_call){.done = on_role};
    (void)bk__redis_link_send(link, &role, 1, &sentinel->role_call);
}

static void on_master_lost(struct bk__redis_link *link, void *data)
{
    (void)link;
    ask_soon(data);
}

void bk__redis_sentinel_lead(struct bk__redis_sentinel *sentinel)
{
    struct bk__redis_host master = {sentinel->host, sentinel->port};

    bk__redis_feed_follow(sentinel->redis, &master, sentinel->host[0] != '\0');
}

static void set_master(struct bk__redis_sentinel *sentinel, bk_str host, uint16_t port)
{
    bk_redis *redis = sentinel->redis;

    if (bk_str_eq(host, bk_str_of(sentinel->host)) && port == sentinel->port)
        return;
    snprintf(sentinel->host, sizeof sentinel->host, "%.*s", BK_PRI(host));
    sentinel->port = port;
    bk_info("redis.master", bk_kv_str("name", bk_str_of(redis->opts.name)), bk_kv_str("host", host),
            bk_kv_i64("port", port));
    if (redis->link != NULL)
        bk__redis_link_move(redis->link, sentinel->host, port, true);
    else
        redis->link = bk__redis_link_new(&(struct bk__redis_link_opts){
            .name = redis->opts.name,
            .limits = &redis->opts,
            .to = redis->target,
            .host = sentinel->host,
            .port = port,
            .read_only_is_lost = true,
            .preamble = on_master_preamble,
            .down = on_master_lost,
            .failed = on_master_lost,
            .data = sentinel,
        });
    bk__redis_sentinel_lead(sentinel);
    wake_waiters(sentinel);
}

/* --- the sentinels ---------------------------------------------------------------------------- */

/* The answer is a host and a port as text, or nil. */
static bool read_address(const bk_reply *reply, bk_str *host, uint16_t *port)
{
    int64_t number;

    if (reply->type != BK_REPLY_ARRAY || reply->count != 2 || reply->items[0].str.len == 0 ||
        reply->items[0].str.len >= sizeof((struct bk__redis_sentinel *)NULL)->host)
        return false;
    if (bk_str_to_i64(reply->items[1].str, &number) != BK_OK) {
        bk_error_clear();
        return false;
    }
    *host = reply->items[0].str;
    *port = (uint16_t)number;
    return number > 0 && number <= UINT16_MAX;
}

static void on_master(struct bk__redis_call *call, bk_err err)
{
    struct bk__redis_sentinel *sentinel =
        bk__container_of(call, struct bk__redis_sentinel, master_call);
    bk_str host;
    uint16_t port;

    sentinel->asking = false;
    if (err != BK_OK)
        return; /* the connection is lost, which is told */
    if (read_address(&call->reply, &host, &port)) {
        sentinel->failures = 0;
        set_master(sentinel, host, port);
        return;
    }
    if (++sentinel->failures == sentinel->target->host_count) {
        bk_warn("redis.no_master", bk_kv_str("name", bk_str_of(sentinel->redis->opts.name)),
                bk_kv_str("service", bk_str_of(sentinel->target->service)));
        wake_waiters(sentinel);
    }
    sentinel->doubted = true;
    ask_soon(sentinel);
}

static void ask(struct bk__redis_sentinel *sentinel)
{
    bk_str words[] = {BK_LIT("SENTINEL"), BK_LIT("GET-MASTER-ADDR-BY-NAME"),
                      bk_str_of(sentinel->target->service)};

    if (sentinel->asking || !bk__redis_link_is_up(sentinel->link))
        return;
    sentinel->master_call = (struct bk__redis_call){.done = on_master};
    sentinel->asking =
        bk__redis_link_send(sentinel->link, words, 3, &sentinel->master_call) == BK_OK;
}

static void turn_to_next(struct bk__redis_sentinel *sentinel, bool now)
{
    const struct bk__redis_target *target = sentinel->target;

    sentinel->doubted = false;
    sentinel->at = (sentinel->at + 1) % target->host_count;
    bk__redis_link_move(sentinel->link, target->hosts[sentinel->at].name,
                        target->hosts[sentinel->at].port, now);
}

static void on_ask_time(struct bk__timer *timer)
{
    struct bk__redis_sentinel *sentinel =
        bk__container_of(timer, struct bk__redis_sentinel, ask_timer);

    bk__timer_set(sentinel->loop, timer, sentinel->loop->clock.now_ms + ASK_EVERY_MS);
    if (sentinel->doubted && sentinel->target->host_count > 1)
        turn_to_next(sentinel, true);
    else
        ask(sentinel);
}

static void on_up(struct bk__redis_link *link, void *data)
{
    (void)link;
    ask(data);
}

static void on_failed(struct bk__redis_link *link, void *data)
{
    struct bk__redis_sentinel *sentinel = data;

    (void)link;
    if (++sentinel->failures >= sentinel->target->host_count)
        wake_waiters(sentinel);
    turn_to_next(sentinel, false);
}

/* --- its life --------------------------------------------------------------------------------- */

static void drop_target(void *target)
{
    bk__redis_target_unref(target);
}

/* What the URL says, with the sentinels' credentials in place of the server's. */
static struct bk__redis_target *sentinels_of(struct bk__redis_target *target)
{
    struct bk__redis_target *copy = calloc(1, sizeof *copy);

    bk_assert(copy != NULL);
    memcpy(copy, target, sizeof *copy);
    atomic_init(&copy->owners, 1);
    copy->arena = bk_arena_new();
    bk_arena_defer(copy->arena, drop_target, bk__redis_target_ref(target)); /* has the text */
    copy->user = target->sentinel_user;
    copy->password = target->sentinel_password;
    copy->db = 0;
    return copy;
}

struct bk__redis_sentinel *bk__redis_sentinel_new(bk_redis *redis)
{
    struct bk__redis_sentinel *sentinel = calloc(1, sizeof *sentinel);

    bk_assert(sentinel != NULL);
    sentinel->redis = redis;
    sentinel->loop = bk__loop_current;
    sentinel->target = sentinels_of(redis->target);
    sentinel->ask_timer.fn = on_ask_time;
    bk__list_init(&sentinel->waiters);
    sentinel->link = bk__redis_link_new(&(struct bk__redis_link_opts){
        .name = redis->opts.name,
        .limits = &redis->opts,
        .to = sentinel->target,
        .up = on_up,
        .failed = on_failed,
        .data = sentinel,
    });
    bk__timer_set(sentinel->loop, &sentinel->ask_timer,
                  sentinel->loop->clock.now_ms + ASK_EVERY_MS);
    return sentinel;
}

void bk__redis_sentinel_free(struct bk__redis_sentinel *sentinel)
{
    if (sentinel == NULL)
        return;
    bk__timer_stop(sentinel->loop, &sentinel->ask_timer);
    bk__redis_link_free(sentinel->link);
    wake_waiters(sentinel);
    bk__redis_target_unref(sentinel->target);
    free(sentinel);
}

bk_err bk__redis_sentinel_wait(struct bk__redis_sentinel *sentinel)
{
    bk_redis *redis = sentinel->redis;
    bk_deadline before = bk_deadline_push(redis->opts.connect_ms);
    struct bk__waiter self;
    bk_err err = BK_OK;

    if (sentinel->host[0] == '\0')
        err = bk__waiter_wait(&self, &sentinel->waiters);
    if (err == BK_OK && redis->link != NULL)
        err = bk__redis_link_wait(redis->link);
    bk_deadline_pop(before);
    return err == BK_ETIMEDOUT ? bk_fiber_interrupted() : err;
}
