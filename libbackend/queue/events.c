/*
 * events.c: what happens in queues, told to fibers. See <backend/queue_admin.h>.
 *
 * All streams that are heard in a process are read by one XREAD, blocked on a connection of its
 * own; a stream that is heard anew interrupts it (CLIENT UNBLOCK). Each stream has a cursor, from
 * which reading goes on after a loss, so nothing falls between.
 *
 * A hearer has a bounded queue. One that comes with an old id, or is slower than the events, reads
 * from Redis by itself, page by page, until it has caught up: what it misses is only what Redis has
 * trimmed, and of that it is told.
 */
#include "queue/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/queue_admin.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/number.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"
#include "fiber/select.h"
#include "queue/queue.h"
#include "redis/redis.h"

enum {
    ID_BYTES = 48,
    BLOCK_MS = 5000,
    ANSWER_MS = BLOCK_MS + 2000,
    STREAMS_MAX = 64,
    PAGE = 200,
    READ_COUNT = 1000,
    QUEUE_DEFAULT = 1000,
    RETRY_MS = 200
};

/* One event: its id, then its fields and values by turns. */
struct event {
    struct bk__link link; /* in bk_queue_events.queued */
    size_t count;
    bk_str words[];
};

/* A queue's stream while somebody hears it. */
struct stream {
    struct bk__link link; /* in bk__event_reader.streams */
    bk_queue *queue;
    bk_str key;
    char cursor[ID_BYTES]; /* id of the last event read */
    struct bk__list hearers;
};

struct bk__event_reader {
    struct bk__hub *hub;
    struct bk_loop *loop;
    char *name;
    bk_redis *redis; /* its own connection */
    struct bk__list streams;
    size_t stream_count;
    struct bk__redis_call id_call, read_call;
    struct bk__redis_link *link; /* of the calls; NULL: resting */
    int64_t client_id;           /* 0: not known yet */
    bool again;                  /* to be interrupted once it is known whom */
    bool ended;
    struct bk__put_off look;
    struct bk__timer retry;
};

struct bk_queue_events {
    struct bk__link link;  /* in its stream's hearers */
    struct stream *stream; /* NULL: closed */
    bk_fiber *waiting;
    struct bk__list queued;
    uint32_t count, most;
    struct event *present; /* what the last call gave out */
    char seen[ID_BYTES];   /* id of the last event queued */
    bool catching;         /* reads pages by itself, and takes nothing that is live */
    bool missed;           /* ... of which there was some since the last page was asked for */
    bool checked;          /* whether Redis still has what was seen last */
    bool gap, ended;
    bk_source source;
};

/* --- ids and entries -------------------------------------------------------------------------- */

/* Milliseconds and a number: "1795414840010-3". */
static bool read_id(bk_str text, uint64_t out[2])
{
    bk_str ms, rest = text;
    int64_t a, b;

    if (!bk_str_split(&rest, '-', &ms) || rest.ptr == NULL || bk_str_to_i64(ms, &a) != BK_OK ||
        bk_str_to_i64(rest, &b) != BK_OK || a < 0 || b < 0) {
        bk_error_clear();
        return false;
    }
    out[0] = (uint64_t)a;
    out[1] = (uint64_t)b;
    return true;
}

static bool is_newer(bk_str id, const char *than)
{
    uint64_t a[2], b[2];

    if (!read_id(id, a) || !read_id(bk_str_of(than), b))
        return false;
    return a[0] > b[0] || (a[0] == b[0] && a[1] > b[1]);
}

static void set_id(char *to, bk_str id)
{
    snprintf(to, ID_BYTES, "%.*s", BK_PRI(id));
}

/* An entry of XREAD or XRANGE: its id, and its fields. NULL when it is none. */
static const bk_reply *fields_of(const bk_reply *entry)
{
    if (entry->type != BK_REPLY_ARRAY || entry->count != 2 || entry->items[0].str.len == 0 ||
        entry->items[0].str.len >= ID_BYTES || entry->items[1].type != BK_REPLY_ARRAY)
        return NULL;
    return &entry->items[1];
}

static struct event *new_event(bk_str id, const bk_reply *fields)
{
    size_t bytes = id.len, count = fields->count + 1;

    for (size_t i = 0; i < fields->count; i++)
        bytes += fields->items[i].str.len;
    struct event *event = malloc(sizeof *event + count * sizeof event->words[0] + bytes);
    bk_assert(event != NULL);
    char *at = (char *)&event->words[count];
    event->link = (struct bk__link){NULL, NULL};
    event->count = count;
    for (size_t i = 0; i < count; i++) {
        bk_str from = i == 0 ? id : fields->items[i - 1].str;
        if (from.len != 0)
            memcpy(at, from.ptr, from.len);
        event->words[i] = bk_str_at(at, from.len);
        at += from.len;
    }
    return event;
}

/* --- hearers ---------------------------------------------------------------------------------- */

static bool is_ready(const struct bk_source *source)
{
    const bk_queue_events *events = bk__container_of(source, bk_queue_events, source);

    return events->count != 0 || events->catching || events->ended;
}

static void wake(bk_queue_events *events)
{
    if (events->waiting != NULL)
        bk_fiber_wake(events->waiting);
    bk__source_signal(&events->source);
}

static void queue_event(bk_queue_events *events, bk_str id, const bk_reply *fields)
{
    bk__list_push(&events->queued, &new_event(id, fields)->link);
    events->count++;
    set_id(events->seen, id);
}

static void hear(bk_queue_events *events, bk_str id, const bk_reply *fields)
{
    if (!is_newer(id, events->seen))
        return;
    if (events->catching) {
        events->missed = true;
        return;
    }
    if (events->count == events->most) {
        events->catching = events->missed = true;
        events->checked = false;
        return;
    }
    queue_event(events, id, fields);
    wake(events);
}

/* --- the reader ------------------------------------------------------------------------------- */

static struct stream *stream_of(struct bk__link *link)
{
    return bk__container_of(link, struct stream, link);
}

static void look_soon(struct bk__event_reader *reader)
{
    bk__loop_put_off(reader->loop, &reader->look);
}

static void retry_later(struct bk__event_reader *reader)
{
    bk__timer_set(reader->loop, &reader->retry, reader->loop->clock.now_ms + RETRY_MS);
}

static void interrupt(struct bk__event_reader *reader)
{
    char id[BK__I64_TEXT];
    bk_str words[] = {
        BK_LIT("CLIENT"), BK_LIT("UNBLOCK"), {id, bk__i64_text(reader->client_id, id)}};

    if (reader->client_id == 0) {
        reader->again = true;
        return;
    }
    reader->again = false;
    bk__hub_tell(reader->hub, words, 3); /* if not, it wakes up by itself before long */
}

static void on_id(struct bk__redis_call *call, bk_err err)
{
    struct bk__event_reader *reader = bk__container_of(call, struct bk__event_reader, id_call);

    if (err != BK_OK || call->reply.type != BK_REPLY_I64)
        return;
    reader->client_id = call->reply.i64;
    if (reader->again)
        interrupt(reader);
}

static void take_entries(struct stream *stream, const bk_reply *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        const bk_reply *fields = fields_of(&entries->items[i]);
        if (fields == NULL)
            continue;
        bk_str id = entries->items[i].items[0].str;
        set_id(stream->cursor, id);
        bk__list_each(it, &stream->hearers)
            hear(bk__container_of(it, bk_queue_events, link), id, fields);
    }
}

static void take_stream(struct bk__event_reader *reader, const bk_reply *one)
{
    if (one->type != BK_REPLY_ARRAY || one->count != 2 || one->items[1].type != BK_REPLY_ARRAY)
        return;
    bk__list_each(it, &reader->streams)
        if (bk_str_eq(stream_of(it)->key, one->items[0].str)) {
            take_entries(stream_of(it), &one->items[1]);
            return;
        }
}

static void on_read(struct bk__redis_call *call, bk_err err)
{
    struct bk__event_reader *reader = bk__container_of(call, struct bk__event_reader, read_call);
    const bk_reply *reply = &call->reply;

    reader->link = NULL;
    reader->client_id = 0;
    reader->again = false;
    if (err != BK_OK || reply->type == BK_REPLY_ERROR) {
        if (err == BK_OK && !bk__hub_learn(reader->redis, reply->str))
            bk_warn("queue.events_not_read", bk_kv_cstr("name", reader->name),
                    bk_kv_str("why", reply->str));
        retry_later(reader);
        return;
    }
    for (size_t i = 0; reply->type == BK_REPLY_ARRAY && i < reply->count; i++)
        take_stream(reader, &reply->items[i]);
    look_soon(reader);
}

/* XREAD COUNT n BLOCK ms STREAMS key ... id ... */
static void read_streams(struct bk__event_reader *reader)
{
    static const bk_str ask_id[] = {{"CLIENT", 6}, {"ID", 2}};
    bk_str words[6 + 2 * STREAMS_MAX] = {BK_LIT("XREAD"), BK_LIT("COUNT")};
    char block[BK__I64_TEXT], count[BK__I64_TEXT];
    size_t n = reader->stream_count, at = 6;

    words[2] = (bk_str){count, bk__i64_text(READ_COUNT, count)};
    words[3] = BK_LIT("BLOCK");
    words[4] = (bk_str){block, bk__i64_text(BLOCK_MS, block)};
    words[5] = BK_LIT("STREAMS");
    bk__list_each(it, &reader->streams) {
        words[at] = stream_of(it)->key;
        words[at + n] = bk_str_of(stream_of(it)->cursor);
        at++;
    }
    struct bk__redis_link *link = bk__redis_link_for(reader->redis, words, at + n);
    reader->id_call = (struct bk__redis_call){.done = on_id};
    reader->read_call = (struct bk__redis_call){.done = on_read};
    if (link == NULL || bk__redis_link_send(link, ask_id, 2, &reader->id_call) != BK_OK) {
        bk_error_clear();
        retry_later(reader);
        return;
    }
    reader->link = link;
    if (bk__redis_link_send(link, words, at + n, &reader->read_call) != BK_OK) {
        bk_error_clear();
        reader->link = NULL;
        retry_later(reader);
    }
}

static void on_look(struct bk__put_off *look)
{
    struct bk__event_reader *reader = bk__container_of(look, struct bk__event_reader, look);

    if (reader->link == NULL && reader->stream_count != 0)
        read_streams(reader);
}

static void on_retry(struct bk__timer *timer)
{
    look_soon(bk__container_of(timer, struct bk__event_reader, retry));
}

static struct bk__event_reader *reader_of(bk_queue *queue)
{
    struct bk__hub *hub = queue->hub;
    struct bk__event_reader *reader = hub->reader;

    if (reader != NULL)
        return reader;
    reader = calloc(1, sizeof *reader);
    bk_assert(reader != NULL);
    reader->hub = hub;
    reader->loop = bk__loop_current;
    reader->name = bk__queue_client_name(queue, ":qe");
    reader->look.fn = on_look;
    reader->retry.fn = on_retry;
    bk__list_init(&reader->streams);
    reader->redis = bk__redis_clone(hub->redis, reader->name, ANSWER_MS);
    bk__redis_open(reader->redis);
    hub->reader = reader;
    return reader;
}

void bk__event_reader_end(struct bk__event_reader *reader)
{
    if (reader == NULL)
        return;
    reader->ended = true;
    bk__list_each(it, &reader->streams)
        bk__list_each(at, &stream_of(it)->hearers) {
            bk_queue_events *events = bk__container_of(at, bk_queue_events, link);
            events->ended = true;
            wake(events);
        }
}

void bk__event_reader_free(struct bk__event_reader *reader)
{
    if (reader == NULL)
        return;
    bk_assert(bk__list_empty(&reader->streams)); /* their fibers have ended */
    if (reader->link != NULL) {
        bk__redis_link_abandon(reader->link, &reader->id_call);
        bk__redis_link_abandon(reader->link, &reader->read_call);
    }
    bk__redis_close(reader->redis);
    bk__redis_clone_free(reader->redis);
    bk__loop_forget(&reader->look);
    bk__timer_stop(reader->loop, &reader->retry);
    free(reader->name);
    free(reader);
}

/* --- streams ---------------------------------------------------------------------------------- */

/* The id of the newest event that there is. */
BK_YIELDS static bk_err newest_id(bk_queue *queue, bk_str key, char out[ID_BYTES])
{
    bk_reply reply;

    BK_TRY(bk_redis_run(queue->redis, "XREVRANGE $1 + - COUNT 1", BK_ARGS(bk_text(key)), &reply));
    snprintf(out, ID_BYTES, "0-0");
    if (reply.type == BK_REPLY_ARRAY && reply.count == 1 && fields_of(&reply.items[0]) != NULL)
        set_id(out, reply.items[0].items[0].str);
    return BK_OK;
}

static struct stream *find_stream(struct bk__event_reader *reader, const bk_queue *queue)
{
    bk__list_each(it, &reader->streams)
        if (bk_str_eq(stream_of(it)->queue->base, queue->base))
            return stream_of(it);
    return NULL;
}

static struct stream *add_stream(struct bk__event_reader *reader, bk_queue *queue, const char *from)
{
    struct stream *stream = calloc(1, sizeof *stream);
    size_t len = queue->base.len + strlen("events");
    char *key = malloc(len + 1);

    bk_assert(stream != NULL && key != NULL);
    snprintf(key, len + 1, "%.*sevents", BK_PRI(queue->base));
    stream->key = bk_str_at(key, len);
    stream->queue = queue;
    memcpy(stream->cursor, from, ID_BYTES);
    bk__list_init(&stream->hearers);
    bk__list_push(&reader->streams, &stream->link);
    reader->stream_count++;
    if (reader->link != NULL)
        interrupt(reader);
    look_soon(reader);
    return stream;
}

static void drop_stream(struct bk__event_reader *reader, struct stream *stream)
{
    bk__list_remove(&stream->link);
    reader->stream_count--;
    free((char *)(uintptr_t)stream->key.ptr);
    free(stream);
}

/* --- the public calls --------------------------------------------------------------------------- */

void bk_queue_events_close(bk_queue_events *events)
{
    struct stream *stream = events->stream;
    struct bk__link *link;

    bk_assert(events->waiting == NULL);
    if (stream == NULL)
        return;
    events->stream = NULL;
    bk__source_fini(&events->source);
    bk__list_remove(&events->link);
    while ((link = bk__list_pop(&events->queued)) != NULL)
        free(bk__container_of(link, struct event, link));
    events->count = 0;
    free(events->present);
    events->present = NULL;
    if (bk__list_empty(&stream->hearers))
        drop_stream(stream->queue->hub->reader, stream);
}

static void close_deferred(void *data)
{
    bk_queue_events_close(data);
}

bk_err bk_queue_events_open(bk_queue *queue, const bk_queue_events_opts *opts,
                            bk_queue_events **out)
{
    bk_arena *arena = bk_fiber_arena();
    bk_str key = bk__queue_key(arena, queue, BK_LIT("events"));
    bk_str after = opts != NULL ? opts->after : (bk_str){NULL, 0};
    char newest[ID_BYTES];
    uint64_t id[2];

    if (after.len != 0 && (after.len >= ID_BYTES || !read_id(after, id)))
        return bk_fail(BK_EINVAL, "that is no id of an event: %.*s", BK_PRI(after));
    BK_TRY(newest_id(queue, key, newest));
    struct bk__event_reader *reader = reader_of(queue);
    if (reader->ended)
        return bk_fail(BK_EUNAVAILABLE, "the app is stopping");
    struct stream *stream = find_stream(reader, queue);
    if (stream == NULL && reader->stream_count == STREAMS_MAX)
        return bk_fail(BK_EUNAVAILABLE, "events of %d queues are being heard", STREAMS_MAX);
    if (stream == NULL)
        stream = add_stream(reader, queue, newest);

    bk_queue_events *events = BK_NEW(arena, bk_queue_events);
    events->stream = stream;
    events->most = opts != NULL && opts->queue != 0 ? opts->queue : QUEUE_DEFAULT;
    set_id(events->seen, after.len != 0 ? after : bk_str_of(newest));
    events->catching = after.len != 0;
    bk__list_init(&events->queued);
    bk__source_init(&events->source, is_ready);
    bk__list_push(&stream->hearers, &events->link);
    bk_arena_defer(arena, close_deferred, events);
    *out = events;
    return BK_OK;
}

/* Are there events missing before the next one? Only where Redis has trimmed the last one seen. */
BK_YIELDS static bk_err check_gap(bk_queue_events *events)
{
    bk_str key = events->stream->key, seen = bk_str_of(events->seen);
    bk_reply reply;

    if (bk_str_eq(seen, BK_LIT("0-0")))
        return BK_OK;
    BK_TRY(bk_redis_run(events->stream->queue->redis, "XRANGE $1 $2 $2 COUNT 1",
                        BK_ARGS(bk_text(key), bk_text(seen)), &reply));
    events->gap |= reply.count == 0;
    return BK_OK;
}

/* Reads a page; the last one ends the catching up. */
BK_YIELDS static bk_err catch_up(bk_queue_events *events)
{
    bk_str key = events->stream->key;
    char from[ID_BYTES + 1];
    bk_reply reply;

    if (!events->checked)
        BK_TRY(check_gap(events));
    events->checked = true;
    events->missed = false;
    snprintf(from, sizeof from, "(%s", events->seen);
    BK_TRY(bk_redis_run(events->stream->queue->redis, "XRANGE $1 $2 + COUNT $3",
                        BK_ARGS(bk_text(key), bk_text(bk_str_of(from)), bk_i64(PAGE)), &reply));
    for (size_t i = 0; reply.type == BK_REPLY_ARRAY && i < reply.count; i++) {
        const bk_reply *fields = fields_of(&reply.items[i]);
        if (fields != NULL)
            queue_event(events, reply.items[i].items[0].str, fields);
    }
    events->catching = reply.count != 0 || events->missed;
    return BK_OK;
}

static void fill(const struct event *event, bk_queue_event *out)
{
    const struct {
        bk_str name;
        bk_str *to;
    } fields[] = {
        {BK_LIT("event"), &out->kind},
        {BK_LIT("jobId"), &out->job_id},
        {BK_LIT("prev"), &out->prev},
        {BK_LIT("name"), &out->name},
        {BK_LIT("returnvalue"), &out->return_value},
        {BK_LIT("failedReason"), &out->failed_reason},
        {BK_LIT("data"), &out->data},
        {BK_LIT("delay"), &out->delay},
    };

    out->id = event->words[0];
    for (size_t i = 1; i + 1 < event->count; i += 2)
        for (size_t k = 0; k < sizeof fields / sizeof fields[0]; k++)
            if (bk_str_eq(event->words[i], fields[k].name))
                *fields[k].to = event->words[i + 1];
}

bk_err bk_queue_events_next(bk_queue_events *events, bk_queue_event *out)
{
    bk_err err = BK_OK;

    bk_assert(events->waiting == NULL);
    *out = (bk_queue_event){0};
    if (events->stream == NULL)
        return bk_fail(BK_ECLOSED, "nobody hears these events any more");
    free(events->present);
    events->present = NULL;
    while (events->count == 0 && err == BK_OK && !events->ended)
        if (events->catching) {
            err = catch_up(events);
        } else {
            events->waiting = bk_fiber_self();
            err = bk__fiber_wait(BK__NEVER);
            events->waiting = NULL;
        }
    if (events->count == 0 && err == BK_OK)
        return bk_fail(BK_ECLOSED, "the app is stopping");
    if (events->count == 0)
        return err;
    events->present = bk__container_of(bk__list_pop(&events->queued), struct event, link);
    events->count--;
    fill(events->present, out);
    out->gap = events->gap;
    events->gap = false;
    return BK_OK;
}

bk_source *bk_queue_events_source(bk_queue_events *events)
{
    return &events->source;
}
