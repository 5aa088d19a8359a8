/*
 * listen.c: LISTEN on a connection beside the pool's. See <backend/pg.h>.
 *
 * There is what listeners want, a set of channels, and what the server does. A short-lived fiber,
 * the keeper, brings the second to the first: it connects, says LISTEN and UNLISTEN, waits for the
 * answers, and ends once there is nothing left to do. Whatever changes what is wanted, or loses the
 * connection, calls look(), which begins a keeper unless there is one. Where the keeper fails, a
 * timer calls look() again, later each time.
 *
 * What must hold: a channel is `heard` only while the server has confirmed LISTEN on the present
 * connection. Between a loss and the next confirmation anything may have been missed, so that is
 * when a gap is told, and not before: who reads the tables then, misses nothing.
 */
#include <stdlib.h>
#include <string.h>

#include <backend/fiber.h>
#include <backend/log.h>

#include "core/assert.h"
#include "core/random.h"
#include "pg/pg.h"

#define CHANNEL_MAX   63 /* bytes of a name: NAMEDATALEN - 1; more is cut off without a word */
#define PAYLOAD_MAX   7999
#define QUEUE_EVENTS  10000
#define QUEUE_BYTES   (1024u * 1024)
#define AT_ONCE       16 /* channels in one round trip */
#define RETRY_MS      100
#define RETRY_MOST_MS 10000

/* Of a pool. Made for its first listener, freed when the pool stops. */
struct bk__pg_listening {
    struct bk__pg_pool *pool;
    struct bk_loop *loop;
    struct bk__list channels; /* struct channel */
    struct bk__pg_conn *conn; /* NULL: none */
    bool reserved;            /* the connection is counted for the pool's max */
    bool keeping;             /* there is a keeper */
    struct bk__timer timer;   /* the next look() after a failure */
    uint32_t failures;        /* since the last success */
    char why[256];            /* of the last */
};

struct channel {
    struct bk__link link; /* in bk__pg_listening.channels */
    struct bk__list listeners;
    bool asked; /* the keeper is waiting for the answer to LISTEN */
    bool heard;
    char name[CHANNEL_MAX + 1];
};

struct event {
    struct bk__link link; /* in bk_pg_listener.events */
    int32_t pid;
    bool gap;
    size_t len;
    char payload[];
};

struct bk_pg_listener {
    struct bk__link link;         /* in channel.listeners; unlinked once the pool has closed */
    struct bk__pg_listening *all; /* NULL: the pool has closed */
    struct channel *channel;
    struct bk__list events;
    size_t count, bytes;   /* of events */
    struct event *present; /* what the last call gave out */
    bk_fiber *waiting;     /* NULL: nobody */
    bool begun;            /* bk_pg_listen() has returned: what is missed from now on is a gap */
};

static void look(struct bk__pg_listening *all);

/* --- events ----------------------------------------------------------------------------------- */

static void drop_events(bk_pg_listener *listener)
{
    struct bk__link *link;

    while ((link = bk__list_pop(&listener->events)) != NULL)
        free(bk__container_of(link, struct event, link));
    listener->count = listener->bytes = 0;
}

static void wake(const bk_pg_listener *listener)
{
    if (listener->waiting != NULL)
        bk_fiber_wake(listener->waiting);
}

static void add_event(bk_pg_listener *listener, int32_t pid, bool gap, bk_str payload)
{
    struct event *event = malloc(sizeof *event + payload.len);

    bk_assert(event != NULL);
    *event = (struct event){.pid = pid, .gap = gap, .len = payload.len};
    if (payload.len != 0)
        memcpy(event->payload, payload.ptr, payload.len);
    bk__list_push(&listener->events, &event->link);
    listener->count++;
    listener->bytes += payload.len;
    wake(listener);
}

/* One gap after another says no more than one. */
static void add_gap(bk_pg_listener *listener)
{
    const struct bk__link *last = listener->events.anchor.prev;

    if (listener->count == 0 || !bk__container_of(last, const struct event, link)->gap)
        add_event(listener, 0, true, (bk_str){0});
}

static void hear(bk_pg_listener *listener, int32_t pid, bk_str payload)
{
    if (listener->count < QUEUE_EVENTS && listener->bytes + payload.len <= QUEUE_BYTES) {
        add_event(listener, pid, false, payload);
        return;
    }
    bk_warn("pg.listener_slow", bk_kv_cstr("channel", listener->channel->name),
            bk_kv_i64("dropped", (int64_t)listener->count + 1));
    drop_events(listener);
    add_gap(listener);
}

static struct channel *find_channel(const struct bk__pg_listening *all, bk_str name)
{
    bk__list_each(it, &all->channels) {
        struct channel *channel = bk__container_of(it, struct channel, link);
        if (bk_str_eq(bk_str_of(channel->name), name))
            return channel;
    }
    return NULL;
}

static void on_notified(struct bk__pg_conn *conn, int32_t pid, bk_str name, bk_str payload)
{
    const struct channel *channel = find_channel(conn->data, name);

    if (channel == NULL)
        return;
    bk__list_each(it, &channel->listeners)
        hear(bk__container_of(it, bk_pg_listener, link), pid, payload);
}

/* --- the connection --------------------------------------------------------------------------- */

static bool is_wanted(const struct bk__pg_listening *all)
{
    bk__list_each(it, &all->channels)
        if (!bk__list_empty(&bk__container_of(it, struct channel, link)->listeners))
            return true;
    return false;
}

static void on_broken(struct bk__pg_conn *conn)
{
    struct bk__pg_listening *all = conn->data;

    all->conn = NULL;
    bk__list_each(it, &all->channels) {
        struct channel *channel = bk__container_of(it, struct channel, link);
        channel->heard = channel->asked = false;
    }
    bk__pg_conn_close(conn);
    if (!all->pool->stopping)
        look(all);
}

static const struct bk__pg_conn_owner owner = {.broken = on_broken, .notified = on_notified};

struct attempt {
    bk_fiber *fiber;
    bool done;
    struct bk__pg_link *link;
    char why[256];
};

static void on_opened(struct bk__pg_link *link, const char *why, void *data)
{
    struct attempt *attempt = data;
    size_t len = why != NULL ? strnlen(why, sizeof attempt->why - 1) : 0;

    attempt->done = true;
    attempt->link = link;
    memcpy(attempt->why, why != NULL ? why : "", len);
    attempt->why[len] = '\0';
    bk_fiber_wake(attempt->fiber);
}

BK_YIELDS static bk_err connect_now(struct bk__pg_listening *all)
{
    struct attempt attempt = {.fiber = bk_fiber_self()};
    struct bk__pg_opening *opening = bk__pg_open(all->pool, on_opened, &attempt);
    bk_err err = BK_OK;

    while (!attempt.done && err == BK_OK)
        err = bk__fiber_wait(BK__NEVER);
    if (!attempt.done) {
        bk__pg_open_abandon(opening);
        return err;
    }
    if (attempt.link == NULL)
        return bk_fail(BK_EUNAVAILABLE, "%s", attempt.why);
    all->conn = bk__pg_conn_new(all->pool, attempt.link, &owner, all);
    return all->conn != NULL ? BK_OK : BK_EIO;
}

/* Nobody listens: nothing is on its way on the connection. */
static void disconnect(struct bk__pg_listening *all)
{
    struct bk__pg_conn *conn = all->conn;

    all->conn = NULL;
    if (conn != NULL)
        bk__pg_conn_close(conn);
    if (all->reserved)
        bk__pool_reserve(&all->pool->members, -1);
    all->reserved = false;
}

/* --- the keeper ------------------------------------------------------------------------------- */

static void free_channel(struct channel *channel)
{
    bk__list_remove(&channel->link);
    free(channel);
}

/* LISTEN or UNLISTEN with the name as an identifier. */
static const char *write_sql(bk_arena *arena, const char *verb, const char *name)
{
    bk_buf sql = {.arena = arena};

    bk_buf_add(&sql, bk_str_of(verb));
    bk_buf_add(&sql, BK_LIT(" \""));
    for (; *name != '\0'; name++) {
        if (*name == '"')
            bk_buf_add_char(&sql, '"');
        bk_buf_add_char(&sql, *name);
    }
    bk_buf_add_char(&sql, '"');
    bk_buf_add_char(&sql, '\0');
    return bk_buf_str(&sql).ptr;
}

/* What is to be said now, up to AT_ONCE statements. */
static size_t plan(struct bk__pg_listening *all, bk_arena *arena, struct bk__pg_work *works)
{
    struct bk__link *it = all->channels.anchor.next;
    size_t count = 0;

    while (it != &all->channels.anchor && count < AT_ONCE) {
        struct channel *channel = bk__container_of(it, struct channel, link);
        bool wanted = !bk__list_empty(&channel->listeners);
        it = it->next;
        if (wanted && !channel->heard) {
            channel->asked = true;
            works[count++].sql = write_sql(arena, "LISTEN", channel->name);
        } else if (!wanted && channel->heard) {
            channel->heard = false; /* who wants it again asks again */
            works[count++].sql = write_sql(arena, "UNLISTEN", channel->name);
        } else if (!wanted) {
            free_channel(channel);
        }
    }
    return count;
}

static void confirm(struct channel *channel)
{
    channel->asked = false;
    channel->heard = true;
    bk__list_each(it, &channel->listeners) {
        bk_pg_listener *listener = bk__container_of(it, bk_pg_listener, link);
        if (listener->begun)
            add_gap(listener);
        wake(listener);
    }
}

/* Says it and waits for the answer. The connection is lost where that fails. */
BK_YIELDS static bk_err say(struct bk__pg_listening *all, struct bk__pg_work *works, size_t count)
{
    struct bk__pg_conn *conn = all->conn;
    struct bk__pg_unit *unit = bk__pg_conn_send(conn, works, count, BK__PG_SEND_UNNAMED);

    bk_assert(unit != NULL); /* no values, nothing to refuse */
    bk_err err = bk__pg_unit_wait(unit);
    if (err == BK_OK) {
        err = bk__pg_unit_result(unit);
        bk__pg_unit_free(unit);
    }
    if (err != BK_OK) {
        if (all->conn == conn)
            bk__pg_conn_break(conn, "LISTEN did not succeed");
        return err;
    }
    bk__list_each(it, &all->channels) {
        struct channel *channel = bk__container_of(it, struct channel, link);
        if (channel->asked)
            confirm(channel);
    }
    return BK_OK;
}

/* The next step; *done when there is none. */
BK_YIELDS static bk_err step(struct bk__pg_listening *all, bool *done)
{
    struct bk_arena arena;

    if (!is_wanted(all)) {
        disconnect(all);
        while (!bk__list_empty(&all->channels))
            free_channel(bk__container_of(all->channels.anchor.next, struct channel, link));
        *done = true;
        return BK_OK;
    }
    if (all->conn == NULL)
        return connect_now(all);
    struct bk__pg_work works[AT_ONCE] = {0};
    bk__arena_init(&arena, NULL, 0);
    size_t count = plan(all, &arena, works);
    bk_err err = count != 0 ? say(all, works, count) : BK_OK;
    bk__arena_fini(&arena);
    *done = count == 0;
    return err;
}

static void try_later(struct bk__pg_listening *all)
{
    uint64_t pause = RETRY_MS;
    uint8_t dice;

    for (uint32_t i = 1; i < all->failures && pause < RETRY_MOST_MS; i++)
        pause *= 2;
    if (pause > RETRY_MOST_MS)
        pause = RETRY_MOST_MS;
    bk__random(&dice, sizeof dice);
    pause -= pause * dice / 1024; /* up to a quarter less, so that not all come back at once */
    bk__timer_set(all->loop, &all->timer, all->loop->clock.now_ms + pause);
}

static void note_failure(struct bk__pg_listening *all, bk_err err)
{
    const bk_error_link *why = bk_error_chain();
    bk_str words = why != NULL ? why->message : bk_str_of(bk_err_text(err));
    size_t len = words.len < sizeof all->why ? words.len : sizeof all->why - 1;

    memcpy(all->why, words.ptr, len);
    all->why[len] = '\0';
    if (all->failures++ == 0)
        bk_warn("pg.listen_failed", bk_kv_cstr("pool", all->pool->members.name),
                bk_kv_cstr("why", all->why));
}

static bk_err keep(void *data)
{
    struct bk__pg_listening *all = data;
    bool done = false;
    bk_err err = BK_OK;

    while (!done && err == BK_OK)
        err = step(all, &done);
    all->keeping = false;
    if (err == BK_OK) {
        all->failures = 0;
    } else {
        note_failure(all, err);
        try_later(all);
    }
    return BK_OK;
}

static void look(struct bk__pg_listening *all)
{
    bk_fiber *fiber;

    if (all->keeping || bk__heap_linked(&all->timer.node))
        return;
    fiber = bk__fiber_new(all->loop, "pg listen");
    if (fiber == NULL) {
        try_later(all);
        return;
    }
    all->keeping = true;
    bk__fiber_begin_later(fiber, keep, all);
}

static void on_timer(struct bk__timer *timer)
{
    look(bk__container_of(timer, struct bk__pg_listening, timer));
}

/* --- listeners -------------------------------------------------------------------------------- */

static bk_err check_channel(const char *name)
{
    size_t len = strlen(name);

    if (len >= 1 && len <= CHANNEL_MAX)
        return BK_OK;
    return bk_fail(BK_EINVAL, "the name of a channel has 1 to %d bytes, not %zu", CHANNEL_MAX, len);
}

static struct bk__pg_listening *listening_of(struct bk__pg_pool *pool)
{
    struct bk__pg_listening *all = pool->listening;

    if (all != NULL)
        return all;
    all = calloc(1, sizeof *all);
    bk_assert(all != NULL);
    all->pool = pool;
    all->loop = pool->members.loop;
    all->timer.fn = on_timer;
    bk__list_init(&all->channels);
    pool->listening = all;
    return all;
}

static struct channel *channel_of(struct bk__pg_listening *all, const char *name)
{
    struct channel *channel = find_channel(all, bk_str_of(name));

    if (channel != NULL)
        return channel;
    channel = calloc(1, sizeof *channel);
    bk_assert(channel != NULL);
    memcpy(channel->name, name, strlen(name) + 1);
    bk__list_init(&channel->listeners);
    bk__list_push(&all->channels, &channel->link);
    return channel;
}

static bk_pg_listener *add_listener(struct bk__pg_listening *all, const char *channel)
{
    bk_pg_listener *listener = calloc(1, sizeof *listener);

    bk_assert(listener != NULL);
    listener->all = all;
    listener->channel = channel_of(all, channel);
    bk__list_init(&listener->events);
    bk__list_push(&listener->channel->listeners, &listener->link);
    if (!all->reserved)
        bk__pool_reserve(&all->pool->members, 1);
    all->reserved = true;
    return listener;
}

/* Until the server has said that LISTEN is in effect. */
BK_YIELDS static bk_err await_begin(bk_pg_listener *listener)
{
    const struct bk__pg_listening *all = listener->all;
    uint32_t patience_ms = all->pool->opts.pool.acquire_ms;
    uint64_t until =
        patience_ms != BK_UNLIMITED ? all->loop->clock.now_ms + patience_ms : BK__NEVER;
    bk_err err = BK_OK;

    listener->waiting = bk_fiber_self();
    while (listener->all != NULL && !listener->channel->heard && err == BK_OK)
        err = bk__fiber_wait(until);
    listener->waiting = NULL;
    if (listener->all == NULL)
        return bk_fail(BK_ECLOSED, "the pool was closed");
    if (listener->channel->heard)
        return BK_OK;
    if (err == BK_ETIMEDOUT && bk_fiber_interrupted() == BK_OK)
        return bk_fail(BK_EUNAVAILABLE, "cannot listen to \"%s\" yet%s%s", listener->channel->name,
                       all->why[0] != '\0' ? ": " : "", all->why);
    return bk_fail(err, "the wait for LISTEN \"%s\" has ended", listener->channel->name);
}

bk_err bk_pg_listen(bk_pg *pg, const char *channel, bk_pg_listener **out)
{
    struct bk__pg_pool *pool = pg->pool;

    bk_assert(pg->conn == NULL); /* what a pool hears is not for one transaction */
    BK_TRY(check_channel(channel));
    if (pool->members.loop == NULL || pool->stopping)
        return bk_fail(BK_ECLOSED, "pool %s is closed", pool->members.name);
    if (pool->opts.pool.max < 2)
        return bk_fail(BK_EINTERNAL, "pool %s: listening takes a connection, and max is 1",
                       pool->members.name);
    bk_pg_listener *listener = add_listener(listening_of(pool), channel);
    if (!listener->channel->heard)
        look(listener->all);
    bk_err err = await_begin(listener);
    if (err != BK_OK) {
        bk_pg_listener_close(listener);
        return err;
    }
    listener->begun = true;
    *out = listener;
    return BK_OK;
}

bk_err bk_pg_listener_next(bk_pg_listener *listener, bk_pg_event *event)
{
    bk_err err = BK_OK;

    bk_assert(listener->waiting == NULL); /* one fiber at a time */
    free(listener->present);
    listener->present = NULL;
    listener->waiting = bk_fiber_self();
    while (listener->count == 0 && listener->all != NULL && err == BK_OK)
        err = bk__fiber_wait(BK__NEVER);
    listener->waiting = NULL;
    if (listener->count == 0)
        return listener->all == NULL ? bk_fail(BK_ECLOSED, "the pool was closed") : err;
    struct bk__link *link = bk__list_pop(&listener->events);
    listener->present = bk__container_of(link, struct event, link);
    listener->count--;
    listener->bytes -= listener->present->len;
    *event = (bk_pg_event){
        .payload = bk_str_at(listener->present->payload, listener->present->len),
        .pid = listener->present->pid,
        .gap = listener->present->gap,
    };
    return BK_OK;
}

void bk_pg_listener_close(bk_pg_listener *listener)
{
    if (listener == NULL)
        return;
    bk_assert(listener->waiting == NULL);
    bk__list_remove(&listener->link);
    if (listener->all != NULL && bk__list_empty(&listener->channel->listeners))
        look(listener->all);
    drop_events(listener);
    free(listener->present);
    free(listener);
}

bk_err bk_pg_notify(bk_pg *pg, const char *channel, bk_str payload)
{
    BK_TRY(check_channel(channel));
    if (payload.len > PAYLOAD_MAX)
        return bk_fail(BK_EINVAL, "a notification's payload has at most %d bytes, not %zu",
                       PAYLOAD_MAX, payload.len);
    return bk_pg_exec(pg, "SELECT pg_notify($1, $2)",
                      BK_ARGS(bk_text(bk_str_of(channel)), bk_text(payload)), NULL);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void close_listeners(struct channel *channel)
{
    struct bk__link *link;

    while ((link = bk__list_pop(&channel->listeners)) != NULL) {
        bk_pg_listener *listener = bk__container_of(link, bk_pg_listener, link);
        listener->all = NULL;
        listener->channel = NULL;
        wake(listener);
    }
}

void bk__pg_listening_stop(struct bk__pg_pool *pool)
{
    struct bk__pg_listening *all = pool->listening;

    if (all == NULL)
        return;
    bk_assert(!all->keeping); /* no fiber is left but the one that stops the pool */
    bk__timer_stop(all->loop, &all->timer);
    while (!bk__list_empty(&all->channels)) {
        struct channel *channel = bk__container_of(all->channels.anchor.next, struct channel, link);
        close_listeners(channel);
        free_channel(channel);
    }
    disconnect(all);
    pool->listening = NULL;
    free(all);
}
