/*
 * ear.c: a connection that only listens. See ear.h.
 *
 * A server that is gone without a word looks like one that has nothing to say. So a PING goes out
 * twice a second; its answer comes after all that was told before it, which makes the time at which
 * it left the time up to which everything has been heard.
 */
#include "redis/ear.h"

#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/number.h"
#include "fiber/loop.h"
#include "redis/link.h"

#define BEAT_MS  500
#define SOUND_MS 2000

static struct bk__redis_ear *ear_of_beat(struct bk__timer *timer)
{
    return bk__container_of(timer, struct bk__redis_ear, beat);
}

void bk__redis_ear_say(struct bk__redis_ear *ear, bk_str verb, bk_str channel)
{
    bk_str words[] = {verb, channel};

    bk__redis_link_tell(ear->link, words, 2);
}

/* --- the preamble ----------------------------------------------------------------------------- */

static void become_ready(struct bk__redis_ear *ear)
{
    ear->ready = true;
    /* Without tracking too: on a connection that has subscribed to nothing, a PING is answered like
     * a command. */
    bk__redis_ear_say(ear, BK_LIT("SUBSCRIBE"), BK_LIT("__redis__:invalidate"));
    bk__redis_feed_on_ready(ear->feed, ear);
}

static void on_tracking(struct bk__redis_call *call, bk_err err)
{
    struct bk__redis_ear *ear = bk__container_of(call, struct bk__redis_ear, tracking_call);

    if (err != BK_OK)
        return;
    ear->tracking = call->reply.type == BK_REPLY_STATUS;
    if (!ear->tracking) /* an old server, or an ACL: keys are never sound, messages come */
        bk_warn("redis.no_tracking", bk_kv_str("name", bk_str_of(ear->limits->name)),
                bk_kv_str("why", call->reply.str));
    become_ready(ear);
}

/* The connection's own id is known: what invalidations are redirected to. */
static void on_id(struct bk__redis_call *call, bk_err err)
{
    struct bk__redis_ear *ear = bk__container_of(call, struct bk__redis_ear, id_call);
    bk_str prefixes[BK__REDIS_PREFIXES_MAX];
    bk_str words[5 + 2 * BK__REDIS_PREFIXES_MAX] = {BK_LIT("CLIENT"), BK_LIT("TRACKING"),
                                                    BK_LIT("ON"), BK_LIT("REDIRECT")};
    char id[BK__I64_TEXT];
    size_t count = 4, prefix_count;

    if (err != BK_OK)
        return;
    prefix_count = bk__redis_feed_prefixes(ear->feed, prefixes);
    ear->listed = true;
    if (prefix_count == 0 || call->reply.type != BK_REPLY_I64) {
        become_ready(ear);
        return;
    }
    words[count++] = (bk_str){id, bk__i64_text(call->reply.i64, id)};
    words[count++] = BK_LIT("BCAST");
    for (size_t i = 0; i < prefix_count; i++) {
        words[count++] = BK_LIT("PREFIX");
        words[count++] = prefixes[i];
    }
    ear->tracking_call = (struct bk__redis_call){.done = on_tracking};
    (void)bk__redis_link_send(ear->link, words, count, &ear->tracking_call);
}

static void forget_connection(struct bk__redis_ear *ear)
{
    ear->listed = ear->tracking = ear->ready = false;
    ear->sent_ms = ear->heard_ms = 0;
}

static void on_preamble(struct bk__redis_link *link, void *data)
{
    static const bk_str words[] = {{"CLIENT", 6}, {"ID", 2}};
    struct bk__redis_ear *ear = data;

    forget_connection(ear);
    ear->id_call = (struct bk__redis_call){.done = on_id};
    (void)bk__redis_link_send(link, words, 2, &ear->id_call);
}

/* --- the beat --------------------------------------------------------------------------------- */

static void send_beat(struct bk__redis_ear *ear)
{
    bk_str ping = BK_LIT("PING");

    ear->sent_ms = bk_now_ms();
    bk__redis_link_tell(ear->link, &ping, 1);
}

static void on_beat(struct bk__timer *timer)
{
    struct bk__redis_ear *ear = ear_of_beat(timer);

    if (!bk__redis_link_is_up(ear->link))
        return;
    if (ear->sent_ms == 0) {
        send_beat(ear);
    } else if (bk_now_ms() - ear->sent_ms > ear->limits->command_ms) {
        bk__redis_link_break(ear->link, "Redis did not answer in time");
        return;
    }
    bk__timer_set(ear->loop, timer, ear->loop->clock.now_ms + BEAT_MS);
}

bool bk__redis_ear_is_sound(const struct bk__redis_ear *ear)
{
    return ear->tracking && ear->heard_ms != 0 && bk_now_ms() - ear->heard_ms < SOUND_MS;
}

/* --- what the link tells ---------------------------------------------------------------------- */

static void on_up(struct bk__redis_link *link, void *data)
{
    struct bk__redis_ear *ear = data;

    (void)link;
    send_beat(ear);
    bk__timer_set(ear->loop, &ear->beat, ear->loop->clock.now_ms + BEAT_MS);
}

static void on_down(struct bk__redis_link *link, void *data)
{
    struct bk__redis_ear *ear = data;

    (void)link;
    bk__timer_stop(ear->loop, &ear->beat);
    forget_connection(ear);
    bk__redis_feed_on_lost(ear->feed, ear);
}

static void on_failed(struct bk__redis_link *link, void *data)
{
    struct bk__redis_ear *ear = data;
    bool had_been_ready = ear->ready;

    (void)link;
    forget_connection(ear);
    if (had_been_ready)
        bk__redis_feed_on_lost(ear->feed, ear);
    bk__redis_feed_on_failed(ear->feed);
}

static void on_pushed(struct bk__redis_link *link, const bk_reply *reply, void *data)
{
    struct bk__redis_ear *ear = data;
    bk_str kind = reply->items[0].str;

    (void)link;
    if (bk_str_eq(kind, BK_LIT("pong"))) {
        ear->heard_ms = ear->sent_ms;
        ear->sent_ms = 0;
    } else {
        bk__redis_feed_on_told(ear->feed, kind, reply->items[1].str,
                               reply->count == 3 ? &reply->items[2] : NULL);
    }
}

/* --- its life --------------------------------------------------------------------------------- */

struct bk__redis_ear *bk__redis_ear_open(bk_redis *redis, struct bk__redis_feed *feed,
                                         const struct bk__redis_host *host)
{
    struct bk__redis_ear *ear = calloc(1, sizeof *ear);

    bk_assert(ear != NULL);
    ear->feed = feed;
    ear->limits = &redis->opts;
    ear->loop = bk__loop_current;
    ear->beat.fn = on_beat;
    ear->port = host->port;
    if (host->name != NULL) {
        ear->host = strdup(host->name);
        bk_assert(ear->host != NULL);
    }
    ear->link = bk__redis_link_new(&(struct bk__redis_link_opts){
        .name = redis->opts.name,
        .limits = &redis->opts,
        .to = redis->target,
        .host = ear->host,
        .port = ear->port,
        .preamble = on_preamble,
        .up = on_up,
        .down = on_down,
        .failed = on_failed,
        .pushed = on_pushed,
        .data = ear,
    });
    return ear;
}

void bk__redis_ear_close(struct bk__redis_ear *ear)
{
    bk__timer_stop(ear->loop, &ear->beat);
    bk__redis_link_free(ear->link);
    free(ear->host);
    free(ear);
}

bool bk__redis_ear_is_at(const struct bk__redis_ear *ear, const struct bk__redis_host *host)
{
    if (ear->host == NULL || host->name == NULL)
        return ear->host == host->name;
    return ear->port == host->port && strcmp(ear->host, host->name) == 0;
}

void bk__redis_ear_relist(struct bk__redis_ear *ear)
{
    if (!ear->listed)
        return;
    ear->tracking = false;
    bk__redis_link_break(ear->link, "another prefix is to be watched");
}
