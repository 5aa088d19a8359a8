/*
 * ear.h: a connection that only listens: to channels, and to changes of keys.
 *
 * Its preamble asks for its own id, turns tracking on with the invalidations redirected to itself,
 * and subscribes to them; from then on the server takes SUBSCRIBE, UNSUBSCRIBE and PING on it only,
 * all of which are answered by messages. So prefixes that come later need a new connection.
 */
#ifndef BK_REDIS_EAR_H
#define BK_REDIS_EAR_H

#include "fiber/timer.h"
#include "redis/feed.h"
#include "redis/redis.h"

enum {
    BK__REDIS_PREFIXES_MAX = 16
};

struct bk__redis_ear {
    struct bk__link member; /* of the feed's list */
    struct bk__redis_feed *feed;
    const bk_redis_opts *limits;
    struct bk_loop *loop;
    struct bk__redis_link *link;
    char *host; /* NULL: the target's first */
    uint16_t port;
    struct bk__redis_call id_call, tracking_call;
    struct bk__timer beat;
    uint64_t sent_ms;  /* when the PING left that is out; 0: none is */
    uint64_t heard_ms; /* when the last PING left that was answered; 0: none was */
    bool listed;       /* the prefixes of this connection have been named */
    bool tracking;     /* all prefixes that there are */
    bool ready;        /* takes SUBSCRIBE */
};

/* Begins to connect, for the feed of @p redis. @p host: copied. */
struct bk__redis_ear *bk__redis_ear_open(bk_redis *redis, struct bk__redis_feed *feed,
                                         const struct bk__redis_host *host);

/* Closes and frees it; the feed is not told. */
void bk__redis_ear_close(struct bk__redis_ear *ear);

bool bk__redis_ear_is_at(const struct bk__redis_ear *ear, const struct bk__redis_host *host);

/* SUBSCRIBE or UNSUBSCRIBE; the ear must be ready. */
void bk__redis_ear_say(struct bk__redis_ear *ear, bk_str verb, bk_str channel);

/* There are more prefixes than it has named: it is not sound from now on, and connects again. Not
 * while it tells something. */
void bk__redis_ear_relist(struct bk__redis_ear *ear);

/* All changes of keys up to some 2 s ago have been told. */
bool bk__redis_ear_is_sound(const struct bk__redis_ear *ear);

/* --- what it tells the feed, on the loop's stack ------------------------------------------------ */

/* Fills in the prefixes that are watched; returns how many. */
size_t bk__redis_feed_prefixes(const struct bk__redis_feed *feed, bk_str *prefixes);

void bk__redis_feed_on_ready(struct bk__redis_feed *feed, struct bk__redis_ear *ear);
void bk__redis_feed_on_lost(struct bk__redis_feed *feed, struct bk__redis_ear *ear);
void bk__redis_feed_on_failed(struct bk__redis_feed *feed);

/* "message", "subscribe" ...; what it is about; a message's content, else NULL. */
void bk__redis_feed_on_told(struct bk__redis_feed *feed, bk_str kind, bk_str channel,
                            const bk_reply *content);

#endif
