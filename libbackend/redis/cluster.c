/*
 * cluster.c: the nodes of a Redis Cluster. See cluster.h, and the Redis Cluster specification.
 *
 * Who serves what is asked of any node (CLUSTER SLOTS): at the start, now and then, and soon after
 * a sign that it has changed (MOVED, a lost connection), with a pause between, as a failover makes
 * many such signs at once. In the meantime MOVED itself is learnt from. A connection to a node is
 * made when it is first needed; a node that has neither slots nor use any more goes.
 *
 * What must hold: ASKING and its command stand side by side on their connection. A command that was
 * refused has not run, so it may be sent again; one that was not answered is not.
 */
#include "redis/cluster.h"

#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "fiber/loop.h"
#include "fiber/timer.h"
#include "fiber/waiter.h"
#include "redis/feed.h"
#include "redis/link.h"
#include "redis/slots.h"

#define LOOK_EVERY_MS  5000
#define LOOK_SOON_MS   100 /* after the last look */
#define IDLE_MS        10000
#define REDIRECTS_MAX  5
#define PAUSE_FIRST_MS 20 /* before a command is tried again that cannot run just now */
#define PAUSE_MAX_MS   200

enum {
    MASTERS_MAX = 1000 /* the most that the specification wants */
};

struct node {
    struct bk__link member;
    struct bk__redis_cluster *cluster;
    struct bk__redis_link *link; /* NULL until it is needed */
    uint64_t used_ms;
    size_t slots; /* that it serves */
    uint16_t port;
    char host[];
};

struct bk__redis_cluster {
    bk_redis *redis;
    struct bk_loop *loop;
    struct bk__list nodes;
    struct node *slots[BK__REDIS_SLOTS]; /* NULL: nobody, as far as is known */
    bool known;                          /* who serves what has been told at least once */
    struct bk__redis_call look_call;
    struct node *looking_at; /* look_call is on its way there; NULL: nowhere */
    uint64_t looked_ms;
    struct bk__timer look_timer;
    struct bk__list waiters; /* for `known` */
    uint64_t redirects;
    bk_redis_stats gone; /* of nodes that are no more */
};

static struct node *node_of(struct bk__link *link)
{
    return bk__container_of(link, struct node, member);
}

static void wake_waiters(struct bk__redis_cluster *cluster)
{
    while (!bk__list_empty(&cluster->waiters))
        bk__waiter_serve(bk__waiter_first(&cluster->waiters), BK_OK);
}

static void look_soon(struct bk__redis_cluster *cluster)
{
    uint64_t at = cluster->looked_ms + LOOK_SOON_MS, now = cluster->loop->clock.now_ms;

    bk__timer_at_least(cluster->loop, &cluster->look_timer, at > now ? at : now);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static struct node *find_or_add(struct bk__redis_cluster *cluster, bk_str host, uint16_t port)
{
    bk__list_each(it, &cluster->nodes)
        if (node_of(it)->port == port && bk_str_eq(bk_str_of(node_of(it)->host), host))
            return node_of(it);
    struct node *node = calloc(1, sizeof *node + host.len + 1);
    bk_assert(node != NULL);
    memcpy(node->host, host.ptr, host.len);
    node->cluster = cluster;
    node->port = port;
    node->used_ms = bk_now_ms();
    bk__list_push(&cluster->nodes, &node->member);
    return node;
}

static void free_node(struct node *node)
{
    struct bk__redis_cluster *cluster = node->cluster;

    bk__list_remove(&node->member);
    if (cluster->looking_at == node)
        cluster->looking_at = NULL;
    if (node->link != NULL) {
        bk__redis_link_add_stats(node->link, &cluster->gone);
        cluster->gone.pending = 0;
        cluster->gone.up = false;
        bk__redis_link_free(node->link);
    }
    free(node);
}

static void on_up(struct bk__redis_link *link, void *data)
{
    struct node *node = data;

    (void)link;
    look_soon(node->cluster);
}

static bool any_accepts(const struct bk__redis_cluster *cluster)
{
    bk__list_each(it, &cluster->nodes)
        if (node_of(it)->link != NULL && bk__redis_link_accepts(node_of(it)->link))
            return true;
    return false;
}

static void on_lost(struct bk__redis_link *link, void *data)
{
    struct node *node = data;

    (void)link;
    look_soon(node->cluster);
    if (!any_accepts(node->cluster))
        wake_waiters(node->cluster);
}

static struct bk__redis_link *link_of(struct node *node)
{
    const bk_redis *redis = node->cluster->redis;

    node->used_ms = bk_now_ms();
    if (node->link == NULL)
        node->link = bk__redis_link_new(&(struct bk__redis_link_opts){
            .name = redis->opts.name,
            .limits = &redis->opts,
            .to = redis->target,
            .host = node->host,
            .port = node->port,
            .up = on_up,
            .down = on_lost,
            .failed = on_lost,
            .data = node,
        });
    return node->link;
}

/* Any that can be asked: one that is up, else one that may be soon. */
static struct node *any_node(const struct bk__redis_cluster *cluster)
{
    struct node *other = NULL;

    bk__list_each(it, &cluster->nodes) {
        struct node *node = node_of(it);
        if (node->link != NULL && bk__redis_link_is_up(node->link))
            return node;
        if (other == NULL && (node->link == NULL || bk__redis_link_accepts(node->link)))
            other = node;
    }
    return other;
}

/* The nodes that the URL names: where all begins, also when nobody else can be reached any more. */
static void add_seeds(struct bk__redis_cluster *cluster)
{
    const struct bk__redis_target *target = cluster->redis->target;

    for (size_t i = 0; i < target->host_count; i++)
        (void)link_of(
            find_or_add(cluster, bk_str_of(target->hosts[i].name), target->hosts[i].port));
}

/* --- who serves what -------------------------------------------------------------------------- */

static void assign(struct bk__redis_cluster *cluster, size_t slot, struct node *node)
{
    if (cluster->slots[slot] != NULL)
        cluster->slots[slot]->slots--;
    cluster->slots[slot] = node;
    if (node != NULL)
        node->slots++;
}

void bk__redis_cluster_lead(struct bk__redis_cluster *cluster)
{
    struct bk__redis_host *masters;
    size_t count = 0;

    if (cluster->redis->feed == NULL || !cluster->known)
        return;
    masters = calloc(MASTERS_MAX, sizeof *masters);
    bk_assert(masters != NULL);
    bk__list_each(it, &cluster->nodes)
        if (node_of(it)->slots != 0 && count < MASTERS_MAX)
            masters[count++] = (struct bk__redis_host){node_of(it)->host, node_of(it)->port};
    bk__redis_feed_follow(cluster->redis, masters, count);
    free(masters);
}

static void drop_idle(struct bk__redis_cluster *cluster)
{
    struct bk__link *next;

    for (struct bk__link *it = cluster->nodes.anchor.next; it != &cluster->nodes.anchor;
         it = next) {
        next = it->next;
        if (node_of(it)->slots == 0 && bk_now_ms() - node_of(it)->used_ms > IDLE_MS)
            free_node(node_of(it));
    }
}

/* One entry: from, to, the master (host, port, ...), replicas. False: this is none. */
static bool take_range(struct bk__redis_cluster *cluster, const bk_reply *entry,
                       bk_str host_of_teller)
{
    if (entry->type != BK_REPLY_ARRAY || entry->count < 3 ||
        entry->items[2].type != BK_REPLY_ARRAY || entry->items[2].count < 2)
        return false;
    int64_t from = entry->items[0].i64, to = entry->items[1].i64;
    const bk_reply *master = entry->items[2].items;
    bk_str host = master[0].str.len != 0 ? master[0].str : host_of_teller;
    if (from < 0 || to < from || to >= BK__REDIS_SLOTS || master[1].i64 <= 0 ||
        master[1].i64 > UINT16_MAX || host.len > 255)
        return false;
    struct node *node = find_or_add(cluster, host, (uint16_t)master[1].i64);
    for (int64_t slot = from; slot <= to; slot++)
        assign(cluster, (size_t)slot, node);
    return true;
}

static void on_look(struct bk__redis_call *call, bk_err err)
{
    struct bk__redis_cluster *cluster = bk__container_of(call, struct bk__redis_cluster, look_call);
    const struct node *teller = cluster->looking_at;
    const bk_reply *reply = &call->reply;

    cluster->looking_at = NULL;
    if (err != BK_OK || teller == NULL)
        return; /* its connection is lost: the next look goes to another */
    if (reply->type != BK_REPLY_ARRAY || reply->count == 0) {
        bk_warn("redis.no_cluster", bk_kv_str("name", bk_str_of(cluster->redis->opts.name)),
                bk_kv_str("why",
                          reply->type == BK_REPLY_ERROR ? reply->str : BK_LIT("nobody has slots")));
        wake_waiters(cluster);
        return;
    }
    for (size_t slot = 0; slot < BK__REDIS_SLOTS; slot++)
        assign(cluster, slot, NULL);
    for (size_t i = 0; i < reply->count; i++)
        if (!take_range(cluster, &reply->items[i], bk_str_of(teller->host)))
            bk_warn("redis.odd_slots", bk_kv_str("name", bk_str_of(cluster->redis->opts.name)));
    cluster->known = true;
    bk__redis_cluster_lead(cluster);
    drop_idle(cluster);
    wake_waiters(cluster);
}

static void look(struct bk__redis_cluster *cluster)
{
    static const bk_str words[] = {{"CLUSTER", 7}, {"SLOTS", 5}};
    struct node *node;

    if (cluster->looking_at != NULL)
        return;
    node = any_node(cluster);
    if (node == NULL) {
        add_seeds(cluster);
        return;
    }
    struct bk__redis_link *link = link_of(node);
    cluster->looked_ms = cluster->loop->clock.now_ms;
    cluster->look_call = (struct bk__redis_call){.done = on_look};
    if (bk__redis_link_send(link, words, 2, &cluster->look_call) == BK_OK)
        cluster->looking_at = node;
    else
        bk_error_clear();
}

static void on_look_time(struct bk__timer *timer)
{
    struct bk__redis_cluster *cluster =
        bk__container_of(timer, struct bk__redis_cluster, look_timer);

    bk__timer_set(cluster->loop, timer, cluster->loop->clock.now_ms + LOOK_EVERY_MS);
    look(cluster);
}

/* --- where a command goes --------------------------------------------------------------------- */

struct bk__redis_link *bk__redis_cluster_link_for(struct bk__redis_cluster *cluster,
                                                  const bk_str *words, size_t count)
{
    struct node *node;
    bk_str key;

    if (!cluster->known || !bk__redis_key_of(words, count, &key))
        node = any_node(cluster);
    else
        node = cluster->slots[bk__redis_slot_of(key)];
    if (node != NULL)
        return link_of(node);
    look_soon(cluster);
    (void)bk_fail(BK_EUNAVAILABLE, "%s: no node of the cluster serves this key",
                  cluster->redis->opts.name);
    return NULL;
}

enum refusal {
    NONE,
    MOVED, /* it belongs to another node from now on */
    ASK,   /* ... this time */
    LATER  /* it cannot run just now */
};

/* What an error means, and whom it names. */
static enum refusal read_refusal(struct bk__redis_cluster *cluster, bk_str error,
                                 struct node **node)
{
    bk_str rest = error, code, slot_text;
    int64_t slot, port;

    (void)bk_str_split(&rest, ' ', &code);
    if (bk_str_eq(code, BK_LIT("TRYAGAIN")) || bk_str_eq(code, BK_LIT("CLUSTERDOWN")))
        return LATER;
    bool moved = bk_str_eq(code, BK_LIT("MOVED"));
    if (!moved && !bk_str_eq(code, BK_LIT("ASK")))
        return NONE;
    const char *colon = rest.len != 0 ? memrchr(rest.ptr, ':', rest.len) : NULL;
    if (!bk_str_split(&rest, ' ', &slot_text) || colon == NULL || colon < rest.ptr ||
        bk_str_to_i64(slot_text, &slot) != BK_OK || slot < 0 || slot >= BK__REDIS_SLOTS ||
        bk_str_to_i64(bk_str_at(colon + 1, (size_t)(rest.ptr + rest.len - colon - 1)), &port) !=
            BK_OK ||
        port <= 0 || port > UINT16_MAX) {
        bk_error_clear();
        return NONE;
    }
    bk_str host = bk_str_at(rest.ptr, (size_t)(colon - rest.ptr));
    if (host.len == 0 && cluster->slots[slot] != NULL) /* the one that says it */
        host = bk_str_of(cluster->slots[slot]->host);
    if (host.len == 0)
        return LATER;
    *node = find_or_add(cluster, host, (uint16_t)port);
    if (!moved)
        return ASK;
    assign(cluster, (size_t)slot, *node);
    return MOVED;
}

bool bk__redis_cluster_learn(struct bk__redis_cluster *cluster, bk_str error, bool *pause)
{
    struct node *node;
    enum refusal refusal = read_refusal(cluster, error, &node);

    if (refusal != NONE)
        look_soon(cluster);
    *pause = refusal == LATER || refusal == ASK; /* ASK: until the slot has moved */
    return refusal != NONE;
}

/* Sends it again, behind ASKING or not. */
static bk_err send_to(struct bk__redis_link *link, bool asking, const bk_str *words, size_t count,
                      bk_reply *reply)
{
    static const bk_str asking_word = {"ASKING", 6};
    struct bk__redis_wait wait;

    if (asking) {
        if (!bk__redis_link_has_room(link, 2, 0)) /* ASKING alone would be the next one's */
            return bk_fail(BK_EUNAVAILABLE, "Redis: too many commands are on their way");
        BK_TRY(bk__redis_link_send(link, &asking_word, 1, NULL));
    }
    BK_TRY(bk__redis_wait_begin(&wait, link, words, count));
    BK_TRY(bk__redis_wait_end(&wait));
    *reply = wait.call.reply;
    return BK_OK;
}

/* The error stays the reply when the attempts, or the time that a command may take, are used up. */
bk_err bk__redis_cluster_settle(struct bk__redis_cluster *cluster, const bk_str *words,
                                size_t count, bk_reply *reply)
{
    uint64_t until_ms = bk_now_ms() + cluster->redis->opts.command_ms, pause_ms = PAUSE_FIRST_MS;
    int redirects = 0;

    while (reply->type == BK_REPLY_ERROR) {
        struct node *node = NULL;
        enum refusal refusal = read_refusal(cluster, reply->str, &node);
        if (refusal == NONE)
            return BK_OK;
        if (refusal != ASK)
            look_soon(cluster);
        if (refusal == LATER) {
            if (bk_now_ms() + pause_ms > until_ms)
                return BK_OK;
            BK_TRY(bk_sleep_ms(pause_ms));
            pause_ms = 2 * pause_ms < PAUSE_MAX_MS ? 2 * pause_ms : PAUSE_MAX_MS;
        } else if (redirects++ == REDIRECTS_MAX) {
            return BK_OK;
        } else {
            cluster->redirects++;
        }
        struct bk__redis_link *link =
            node != NULL ? link_of(node) : bk__redis_cluster_link_for(cluster, words, count);
        if (link == NULL)
            return BK_EUNAVAILABLE;
        BK_TRY(send_to(link, refusal == ASK, words, count, reply));
    }
    return BK_OK;
}

/* --- its life --------------------------------------------------------------------------------- */

struct bk__redis_cluster *bk__redis_cluster_new(bk_redis *redis)
{
    struct bk__redis_cluster *cluster = calloc(1, sizeof *cluster);

    bk_assert(cluster != NULL);
    cluster->redis = redis;
    cluster->loop = bk__loop_current;
    cluster->look_timer.fn = on_look_time;
    bk__list_init(&cluster->nodes);
    bk__list_init(&cluster->waiters);
    add_seeds(cluster);
    bk__timer_set(cluster->loop, &cluster->look_timer, cluster->loop->clock.now_ms + LOOK_EVERY_MS);
    return cluster;
}

void bk__redis_cluster_free(struct bk__redis_cluster *cluster)
{
    if (cluster == NULL)
        return;
    while (!bk__list_empty(&cluster->nodes))
        free_node(node_of(cluster->nodes.anchor.next));
    bk__timer_stop(cluster->loop, &cluster->look_timer);
    wake_waiters(cluster);
    free(cluster);
}

bk_err bk__redis_cluster_wait(struct bk__redis_cluster *cluster)
{
    bk_deadline before = bk_deadline_push(cluster->redis->opts.connect_ms);
    struct bk__waiter self;
    bk_err err = BK_OK;

    if (!cluster->known)
        err = bk__waiter_wait(&self, &cluster->waiters);
    bk_deadline_pop(before);
    return err == BK_ETIMEDOUT ? bk_fiber_interrupted() : err;
}

void bk__redis_cluster_add_stats(const struct bk__redis_cluster *cluster, bk_redis_stats *stats)
{
    const bk_redis_stats *gone = &cluster->gone;

    stats->commands += gone->commands;
    stats->errors += gone->errors;
    stats->failed += gone->failed;
    stats->connects += gone->connects;
    stats->disconnects += gone->disconnects;
    stats->writes += gone->writes;
    stats->redirects += cluster->redirects;
    bk__list_each(it, &cluster->nodes)
        if (node_of(it)->link != NULL)
            bk__redis_link_add_stats(node_of(it)->link, stats);
}
