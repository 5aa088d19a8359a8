/*
 * link.c: a connection to one Redis server that is kept. See link.h.
 *
 * Two lanes lead to the server: the preamble's, which is sent as soon as there is a socket, and the
 * callers', which is sent when each reply of the preamble has come. Replies are the preamble's
 * first. A loss takes both lanes' calls off before it tells anyone, so that what they do then (send
 * again, give up) meets a link in a clean state.
 */
#include "redis/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/number.h"
#include "core/random.h"
#include "fiber/loop.h"
#include "fiber/timer.h"
#include "fiber/waiter.h"
#include "fiber/watch.h"
#include "redis/dial.h"
#include "redis/lane.h"
#include "redis/reply.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS   2000
#define READ_BYTES       65536

enum state {
    CONNECTING, /* callers' commands wait */
    UP,
    DOWN /* callers' commands fail at once; attempts go on */
};

struct bk__redis_link {
    struct bk_loop *loop;
    struct bk__redis_link_opts opts;
    char *host; /* opts.host */
    enum state state;
    struct bk__redis_dialing *dialing;
    struct bk__redis_socket *sock;
    struct bk__io io;
    bool shaking; /* there is a socket, and the preamble has not been answered */
    bool opening; /* what is sent now belongs to the preamble */
    bool proven;  /* a caller's command was answered on this socket */
    bool blocked; /* the kernel takes no more */
    bool freed;   /* within a callback: to be freed when that returns */
    int busy;     /* callbacks that are running */
    struct bk__redis_reader *reader;
    struct bk__redis_lane preamble, lane;
    char *refusal; /* what the server said to the preamble; NULL: nothing bad */
    struct bk__put_off flush;
    struct bk__timer late, retry;
    uint32_t backoff_ms; /* the next one */
    struct bk__list waiters;
    uint64_t commands, errors, failed, connects, disconnects, writes;
};

static void begin(struct bk__redis_link *link);
static void fail_attempt(struct bk__redis_link *link, const char *why);

/* --- calls ------------------------------------------------------------------------------------ */

/* Ends all that wait, with words. */
static void fail_lane(struct bk__redis_link *link, struct bk__redis_lane *lane, const char *why)
{
    struct bk__redis_lane old = *lane;

    /* Numbers go on, so that an old place is never taken for a new one. */
    *lane = (struct bk__redis_lane){.head = old.head + old.count};
    while (old.count != 0) {
        struct bk__redis_slot slot = bk__redis_lane_take(&old);
        link->failed++;
        if (slot.call == NULL)
            continue;
        slot.call->why = why;
        slot.call->done(slot.call, BK_EUNAVAILABLE);
    }
    bk__redis_lane_fini(&old);
}

static void wake_waiters(struct bk__redis_link *link)
{
    while (!bk__list_empty(&link->waiters))
        bk__waiter_serve(bk__waiter_first(&link->waiters), BK_OK);
}

static void watch_time(struct bk__redis_link *link)
{
    if (link->lane.count != 0 && bk__redis_lane_first(&link->lane)->until_ms != BK__NEVER)
        bk__timer_at_least(link->loop, &link->late, bk__redis_lane_first(&link->lane)->until_ms);
}

/* The callbacks of opts may free the link. Each is between these two. */
static void enter(struct bk__redis_link *link)
{
    link->busy++;
}

static bool leave(struct bk__redis_link *link)
{
    if (--link->busy == 0 && link->freed) {
        free(link->host);
        free(link);
        return false;
    }
    return !link->freed;
}

/* --- losing it -------------------------------------------------------------------------------- */

static void close_socket(struct bk__redis_link *link)
{
    bk__io_remove(&link->io);
    bk__redis_socket_close(link->sock);
    bk__redis_reader_free(link->reader);
    link->sock = NULL;
    link->reader = NULL;
    link->shaking = link->blocked = false;
    free(link->refusal);
    link->refusal = NULL;
    bk__loop_forget(&link->flush);
}

static void retry_later(struct bk__redis_link *link)
{
    uint32_t jitter;

    bk__random(&jitter, sizeof jitter);
    uint64_t ms = link->backoff_ms - jitter % (link->backoff_ms / 4 + 1);
    link->backoff_ms =
        2 * link->backoff_ms < BACKOFF_MAX_MS ? 2 * link->backoff_ms : BACKOFF_MAX_MS;
    bk__timer_set(link->loop, &link->retry, link->loop->clock.now_ms + ms);
}

/* The socket is lost after it was up. The next attempt is made at once, and callers wait for it,
 * unless this one was of no use to anybody. */
static void lose(struct bk__redis_link *link, const char *why)
{
    bool was_proven = link->proven;

    enter(link);
    bk_warn("redis.lost", bk_kv_str("name", bk_str_of(link->opts.name)),
            bk_kv_str("why", bk_str_of(why)));
    close_socket(link);
    link->disconnects++;
    link->proven = false;
    link->state = was_proven ? CONNECTING : DOWN;
    fail_lane(link, &link->preamble, why);
    fail_lane(link, &link->lane, why);
    if (!link->freed && link->opts.down != NULL)
        link->opts.down(link, link->opts.data);
    if (!leave(link))
        return;
    if (was_proven)
        begin(link);
    else
        retry_later(link);
}

void bk__redis_link_break(struct bk__redis_link *link, const char *why)
{
    if (link->state == UP)
        lose(link, why);
    else if (link->sock != NULL)
        fail_attempt(link, why);
}

/* For logs. */
static const char *server_name(const struct bk__redis_link *link)
{
    return link->host != NULL ? link->host : link->opts.to->unix_path;
}

/* An attempt came to nothing. */
static void fail_attempt(struct bk__redis_link *link, const char *why)
{
    char words[300]; /* `why` may be the refusal, which goes with the socket */

    snprintf(words, sizeof words, "%s", why);
    enter(link);
    if (link->state != DOWN)
        bk_warn("redis.unreachable", bk_kv_str("name", bk_str_of(link->opts.name)),
                bk_kv_str("host", bk_str_of(server_name(link))), bk_kv_i64("port", link->opts.port),
                bk_kv_str("why", bk_str_of(words)));
    close_socket(link);
    link->state = DOWN;
    fail_lane(link, &link->preamble, words);
    fail_lane(link, &link->lane, words);
    wake_waiters(link);
    if (!link->freed && link->opts.failed != NULL)
        link->opts.failed(link, link->opts.data);
    if (leave(link))
        retry_later(link);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* False when the socket is lost. */
static bool write_lane(struct bk__redis_link *link, struct bk__redis_lane *lane)
{
    while (lane->sent < lane->len && !link->blocked) {
        ssize_t sent =
            bk__redis_socket_write(link->sock, lane->bytes + lane->sent, lane->len - lane->sent);
        link->writes++;
        if (sent > 0) {
            bk__redis_lane_sent(lane, (size_t)sent);
        } else if (errno == EAGAIN) {
            link->blocked = true;
        } else {
            bk__redis_link_break(link, strerror(errno));
            return false;
        }
    }
    return true;
}

static void write_all(struct bk__redis_link *link)
{
    if (link->sock != NULL && write_lane(link, &link->preamble) && link->state == UP)
        (void)write_lane(link, &link->lane);
}

static void on_flush(struct bk__put_off *flush)
{
    write_all(bk__container_of(flush, struct bk__redis_link, flush));
}

bool bk__redis_link_has_room(const struct bk__redis_link *link, size_t calls, size_t bytes)
{
    const bk_redis_opts *limits = link->opts.limits;

    return link->lane.count + calls <= limits->pending &&
           link->lane.len - link->lane.sent + bytes <= limits->pending_bytes;
}

bk_err bk__redis_link_send(struct bk__redis_link *link, const bk_str *words, size_t count,
                           struct bk__redis_call *call)
{
    const bk_redis_opts *limits = link->opts.limits;
    uint64_t until = BK__NEVER;

    if (link->opening) {
        bk__redis_lane_add(&link->preamble, words, count, call, BK__NEVER);
        bk__loop_put_off(link->loop, &link->flush);
        return BK_OK;
    }
    if (link->state == DOWN || link->freed) {
        link->failed++;
        return bk_fail(BK_EUNAVAILABLE, "%s: there is no connection to Redis", link->opts.name);
    }
    if (link->lane.count >= limits->pending ||
        link->lane.len - link->lane.sent >= limits->pending_bytes) {
        link->failed++;
        return bk_fail(BK_EUNAVAILABLE, "%s: too many commands are on their way", link->opts.name);
    }
    if (!link->opts.no_deadline && limits->command_ms != BK_UNLIMITED)
        until = link->loop->clock.now_ms + limits->command_ms;
    bk__redis_lane_add(&link->lane, words, count, call, until);
    watch_time(link);
    if (link->state == UP)
        bk__loop_put_off(link->loop, &link->flush);
    return BK_OK;
}

void bk__redis_link_tell(struct bk__redis_link *link, const bk_str *words, size_t count)
{
    if (link->sock == NULL)
        return;
    bk__redis_lane_write(link->shaking ? &link->preamble : &link->lane, words, count);
    bk__loop_put_off(link->loop, &link->flush);
}

void bk__redis_link_abandon(struct bk__redis_link *link, struct bk__redis_call *call)
{
    struct bk__redis_lane *lanes[] = {&link->lane, &link->preamble};

    for (size_t i = 0; call->place != 0 && i < 2; i++) {
        struct bk__redis_lane *lane = lanes[i];
        size_t offset = call->place - 1 - lane->head;
        if (offset >= lane->count)
            continue;
        struct bk__redis_slot *slot = &lane->slots[(lane->head + offset) & (lane->cap - 1)];
        if (slot->call == call) {
            slot->call = NULL;
            call->place = 0;
        }
    }
}

static void on_late(struct bk__timer *timer)
{
    struct bk__redis_link *link = bk__container_of(timer, struct bk__redis_link, late);

    if (link->lane.count == 0)
        return;
    if (bk__redis_lane_first(&link->lane)->until_ms > link->loop->clock.now_ms) {
        watch_time(link);
    } else if (link->state == UP) {
        lose(link, "Redis did not answer in time");
    } else {
        link->state = DOWN; /* the attempt goes on, and nobody waits for it any more */
        fail_lane(link, &link->lane, "Redis did not answer in time");
    }
}

/* --- the preamble ------------------------------------------------------------------------------- */

static bool begins_with(bk_str text, const char *word)
{
    return bk_str_starts(text, bk_str_of(word));
}

/* What must be right before the link is of use. Others, such as a CLIENT SETNAME that an ACL
 * forbids, are not. */
static bool is_fatal(bk_str error)
{
    static const char *const codes[] = {"NOAUTH",           "WRONGPASS",      "LOADING",
                                        "MASTERDOWN",       "ERR DB ",        "ERR AUTH",
                                        "ERR invalid pass", "ERR Client sent"};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (begins_with(error, codes[i]))
            return true;
    return false;
}

static void send_preamble(struct bk__redis_link *link)
{
    const struct bk__redis_target *to = link->opts.to;
    char db[BK__I64_TEXT];

    enter(link);
    link->opening = true;
    if (to->password != NULL) {
        bk_str words[] = {BK_LIT("AUTH"), bk_str_of(to->user), bk_str_of(to->password)};
        if (to->user == NULL)
            words[1] = words[2];
        (void)bk__redis_link_send(link, words, to->user != NULL ? 3 : 2, NULL);
    }
    if (to->db != 0) {
        bk_str words[] = {BK_LIT("SELECT"), {db, bk__i64_text(to->db, db)}};
        (void)bk__redis_link_send(link, words, 2, NULL);
    }
    bk_str name[] = {BK_LIT("CLIENT"), BK_LIT("SETNAME"), bk_str_of(link->opts.name)};
    (void)bk__redis_link_send(link, name, 3, NULL);
    bk_str ping = BK_LIT("PING");
    (void)bk__redis_link_send(link, &ping, 1, NULL);
    if (link->opts.preamble != NULL)
        link->opts.preamble(link, link->opts.data);
    link->opening = false;
    (void)leave(link);
}

static void finish_preamble(struct bk__redis_link *link)
{
    if (link->refusal != NULL) {
        fail_attempt(link, link->refusal);
        return;
    }
    enter(link);
    link->shaking = false;
    link->state = UP;
    link->connects++;
    bk__timer_stop(link->loop, &link->retry);
    bk_info("redis.connected", bk_kv_str("name", bk_str_of(link->opts.name)),
            bk_kv_str("host", bk_str_of(server_name(link))), bk_kv_i64("port", link->opts.port));
    wake_waiters(link);
    bk__loop_put_off(link->loop, &link->flush);
    if (link->opts.up != NULL)
        link->opts.up(link, link->opts.data);
    (void)leave(link);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* On a subscriber's connection: told by its first word, which no command's reply has there. */
static bool is_pushed(const struct bk__redis_link *link, const bk_reply *reply)
{
    static const char *const kinds[] = {"message",    "subscribe",    "unsubscribe", "pmessage",
                                        "psubscribe", "punsubscribe", "pong"};

    if (link->opts.pushed == NULL || reply->type != BK_REPLY_ARRAY || reply->count < 2)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (bk_str_eq(reply->items[0].str, bk_str_of(kinds[i])))
            return true;
    return false;
}

static void finish_call(struct bk__redis_call *call, const bk_reply *reply)
{
    if (call->arena != NULL)
        bk__redis_reply_copy(call->arena, reply, &call->reply);
    else
        call->reply = *reply;
    call->done(call, BK_OK);
}

static void take_preamble_reply(struct bk__redis_link *link, const bk_reply *reply)
{
    struct bk__redis_slot slot = bk__redis_lane_take(&link->preamble);

    if (slot.call != NULL) {
        link->opening = true;
        finish_call(slot.call, reply);
        link->opening = false;
    } else if (reply->type == BK_REPLY_ERROR && link->refusal == NULL && is_fatal(reply->str)) {
        link->refusal = strndup(reply->str.ptr, reply->str.len);
    }
    if (link->shaking && link->preamble.count == 0)
        finish_preamble(link);
}

/* The server is of use: after a loss, the next attempt is made at once. */
static void prove(struct bk__redis_link *link)
{
    link->proven = true;
    link->backoff_ms = BACKOFF_FIRST_MS;
}

static void take_pushed(struct bk__redis_link *link, const bk_reply *reply)
{
    if (link->state == UP)
        prove(link);
    link->opts.pushed(link, reply, link->opts.data);
}

static void take_reply(struct bk__redis_link *link, const bk_reply *reply)
{
    bool demoted = reply->type == BK_REPLY_ERROR && link->opts.read_only_is_lost &&
                   begins_with(reply->str, "READONLY");
    struct bk__redis_slot slot = bk__redis_lane_take(&link->lane);

    link->commands++;
    link->errors += reply->type == BK_REPLY_ERROR;
    prove(link);
    if (slot.call != NULL)
        finish_call(slot.call, reply);
    if (demoted)
        bk__redis_link_break(link, "the server has become read only");
}

/* A reply that belongs to no command: to a SUBSCRIBE that was refused, or this is no Redis. */
static void refuse_reply(struct bk__redis_link *link, const bk_reply *reply)
{
    char why[160];

    snprintf(why, sizeof why, "a reply that nobody waits for: %.*s",
             reply->type == BK_REPLY_ERROR ? (int)reply->str.len : 0, reply->str.ptr);
    bk__redis_link_break(link, why);
}

/* Hands over what has come. The socket may be another, or gone, afterwards. */
static void take_replies(struct bk__redis_link *link)
{
    const struct bk__redis_socket *sock = link->sock;
    bk_reply reply;
    bk_err err = BK_OK;

    enter(link);
    while (!link->freed && link->sock == sock &&
           (err = bk__redis_reader_next(link->reader, &reply)) == BK_OK) {
        if (is_pushed(link, &reply))
            take_pushed(link, &reply);
        else if (link->preamble.count != 0)
            take_preamble_reply(link, &reply);
        else if (link->lane.count != 0 && link->state == UP)
            take_reply(link, &reply);
        else {
            refuse_reply(link, &reply);
            break;
        }
    }
    if (!link->freed && link->sock == sock && sock != NULL && err == BK_EIO)
        bk__redis_link_break(link, bk__redis_reader_why(link->reader));
    (void)leave(link);
}

/* Reads until there is no more. Whole buffers are handed over as they come, so that a large reply
 * does not wait in memory twice. */
static void read_all(struct bk__redis_link *link, bool to_the_end)
{
    const struct bk__redis_socket *sock = link->sock;
    char *bytes = malloc(READ_BYTES);

    bk_assert(bytes != NULL);
    enter(link);
    while (!link->freed && link->sock == sock && sock != NULL) {
        ssize_t got = bk__redis_socket_read(link->sock, bytes, READ_BYTES);
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            bk__redis_link_break(link, got == 0 ? "the server has closed the connection"
                                                : strerror(errno));
            break;
        }
        if (bk__redis_reader_feed(link->reader, bytes, (size_t)got) != BK_OK) {
            bk__redis_link_break(link, "no memory for its replies");
            break;
        }
        take_replies(link);
        if (got < READ_BYTES && !to_the_end && !link->freed && link->sock == sock &&
            link->sock->ssl == NULL)
            break;
    }
    free(bytes);
    if (leave(link))
        watch_time(link);
}

static void on_ready(struct bk__io *io, unsigned ready)
{
    struct bk__redis_link *link = bk__container_of(io, struct bk__redis_link, io);

    enter(link);
    if ((ready & BK_WRITABLE) != 0 || link->sock->ssl != NULL) {
        link->blocked = false;
        write_all(link);
    }
    if (!link->freed && link->sock != NULL && (ready & (BK_READABLE | BK__HUNG_UP)) != 0)
        read_all(link, (ready & BK__HUNG_UP) != 0); /* nothing will tell of the end again */
    (void)leave(link);
}

/* --- connecting --------------------------------------------------------------------------------- */

static void on_dialed(struct bk__redis_socket *sock, const char *why, void *data)
{
    struct bk__redis_link *link = data;

    link->dialing = NULL;
    if (sock == NULL) {
        fail_attempt(link, why);
        return;
    }
    link->sock = sock;
    if (bk__io_add(&link->io, sock->fd, on_ready) != BK_OK) {
        bk_error_clear();
        fail_attempt(link, "the loop takes no more descriptors");
        return;
    }
    link->reader = bk__redis_reader_new(link->opts.limits->reply_bytes);
    link->shaking = true;
    /* The preamble has as long as the connecting had. */
    bk__timer_set(link->loop, &link->retry,
                  link->loop->clock.now_ms + link->opts.limits->connect_ms);
    send_preamble(link);
}

static void begin(struct bk__redis_link *link)
{
    link->dialing = bk__redis_dial(link->opts.to, link->host, link->opts.port,
                                   link->opts.limits->connect_ms, on_dialed, link);
}

/* It is time for another attempt, or the preamble's is over. */
static void on_retry(struct bk__timer *timer)
{
    struct bk__redis_link *link = bk__container_of(timer, struct bk__redis_link, retry);

    if (link->shaking)
        fail_attempt(link, "the server accepts connections and does not answer");
    else
        begin(link);
}

static void set_address(struct bk__redis_link *link, const char *host, uint16_t port)
{
    free(link->host);
    link->host = host != NULL ? strdup(host) : NULL;
    link->opts.port = port;
}

struct bk__redis_link *bk__redis_link_new(const struct bk__redis_link_opts *opts)
{
    struct bk__redis_link *link = calloc(1, sizeof *link);
    const struct bk__redis_target *to = opts->to;

    bk_assert(link != NULL && bk__loop_current != NULL);
    link->loop = bk__loop_current;
    link->opts = *opts;
    bk__redis_target_ref(opts->to);
    if (opts->host == NULL && to->host_count != 0)
        set_address(link, to->hosts[0].name, to->hosts[0].port);
    else
        set_address(link, opts->host, opts->port);
    link->backoff_ms = BACKOFF_FIRST_MS;
    link->late.fn = on_late;
    link->retry.fn = on_retry;
    link->flush.fn = on_flush;
    bk__list_init(&link->waiters);
    begin(link);
    return link;
}

void bk__redis_link_free(struct bk__redis_link *link)
{
    if (link == NULL || link->freed)
        return;
    enter(link);
    link->freed = true;
    link->state = DOWN;
    if (link->dialing != NULL)
        bk__redis_dial_abandon(link->dialing);
    close_socket(link);
    bk__timer_stop(link->loop, &link->late);
    bk__timer_stop(link->loop, &link->retry);
    fail_lane(link, &link->preamble, "the connection was closed");
    fail_lane(link, &link->lane, "the connection was closed");
    bk__redis_lane_fini(&link->preamble);
    bk__redis_lane_fini(&link->lane);
    wake_waiters(link);
    bk__redis_target_unref(link->opts.to);
    (void)leave(link);
}

void bk__redis_link_move(struct bk__redis_link *link, const char *host, uint16_t port, bool now)
{
    set_address(link, host, port);
    if (!now)
        return;
    if (link->dialing != NULL) {
        bk__redis_dial_abandon(link->dialing);
        begin(link);
    } else if (link->sock != NULL) {
        bk__redis_link_break(link, "the address has changed");
    } else {
        bk__timer_set(link->loop, &link->retry, link->loop->clock.now_ms);
    }
}

/* --- looking at it ------------------------------------------------------------------------------ */

bool bk__redis_link_is_up(const struct bk__redis_link *link)
{
    return link->state == UP;
}

bool bk__redis_link_accepts(const struct bk__redis_link *link)
{
    return link->state != DOWN;
}

bk_err bk__redis_link_wait(struct bk__redis_link *link)
{
    struct bk__waiter self;

    if (link->state != CONNECTING)
        return BK_OK;
    return bk__waiter_wait(&self, &link->waiters);
}

void bk__redis_link_add_stats(const struct bk__redis_link *link, bk_redis_stats *stats)
{
    stats->up |= link->state == UP;
    stats->commands += link->commands;
    stats->errors += link->errors;
    stats->failed += link->failed;
    stats->connects += link->connects;
    stats->disconnects += link->disconnects;
    stats->writes += link->writes;
    stats->pending += link->lane.count;
}
