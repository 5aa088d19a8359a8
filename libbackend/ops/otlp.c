/*
 * otlp.c: when spans are sent, and the life of an exporter. See <backend/otlp.h>.
 *
 * A timer goes off at each interval, when the ring becomes half full, and when a batch may be sent
 * again. If there is something to send and nobody is at it, it starts a fiber for one batch.
 *
 *   nothing -> being sent -> nothing          (a batch)
 *                  ^   |
 *                  |   v
 *                put off
 *
 * While one is put off, no other is made: the ring fills up and drops. So what a collector that is
 * gone can cost is the ring and one batch.
 *
 * When the app stops it waits for a batch that is under way, so that none need be sent twice, and
 * what is left goes out when every other fiber has ended.
 */
#include <backend/otlp.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/list.h"
#include "core/stats.h"
#include "fiber/loop.h"
#include "ops/otlp.h"

#define TELL_MS 60000

const char *bk_version(void); /* of backend.h, which knows all others */

/* --- what is lost ----------------------------------------------------------------------------- */

static uint64_t dropped(const bk_otlp *self)
{
    return self->stats.dropped + (self->loop != NULL ? bk__spans_dropped() : 0);
}

/* The first is told at once. */
static void tell_drops(bk_otlp *self, bool now)
{
    uint64_t count = dropped(self), at = bk_now_ms();

    if (count == self->told || (!now && self->told != 0 && at - self->told_at_ms < TELL_MS))
        return;
    bk_warn("otlp.dropped", bk_kv_i64("spans", (int64_t)(count - self->told)),
            bk_kv_i64("total", (int64_t)count));
    self->told = count;
    self->told_at_ms = at;
}

/* --- when ------------------------------------------------------------------------------------- */

static bool has_work(const bk_otlp *self)
{
    return self->batch.arena != NULL || bk__spans_waiting() != 0;
}

/* For it not to wait for the interval. */
static bool has_much(const bk_otlp *self)
{
    size_t waiting = bk__spans_waiting();

    return waiting >= self->settings.batch || waiting > self->settings.spans / 2;
}

static bool is_put_off(const bk_otlp *self, uint64_t now)
{
    return self->batch.arena != NULL && self->batch.not_before_ms > now;
}

/* The app does not end meanwhile. */
static void hold_up(bk_otlp *self)
{
    self->loop->work_count++;
    bk__timer_set(self->loop, &self->patience, bk_now_ms() + self->settings.stop_ms);
}

static void let_end(bk_otlp *self)
{
    self->loop->work_count--;
    bk__timer_stop(self->loop, &self->patience);
}

static void patience_ends(struct bk__timer *timer)
{
    bk_otlp *self = bk__container_of(timer, bk_otlp, patience);

    self->is_impatient = true;
    if (self->fiber != NULL)
        bk_fiber_cancel(self->fiber);
}

static bk_err send_one(void *data)
{
    bk_otlp *self = data;

    self->fiber = bk_fiber_self();
    bk__otlp_send(self);
    self->fiber = NULL;
    self->is_sending = false;
    if (self->is_draining)
        let_end(self);
    if (self->batch.arena == NULL && has_much(self))
        bk__timer_set(self->loop, &self->timer, bk_now_ms());
    else if (is_put_off(self, bk_now_ms()))
        bk__timer_at_least(self->loop, &self->timer, self->batch.not_before_ms);
    return BK_OK;
}

static void tick(struct bk__timer *timer)
{
    bk_otlp *self = bk__container_of(timer, bk_otlp, timer);
    uint64_t now = bk_now_ms(), next = now + self->settings.interval_ms;

    tell_drops(self, false);
    if (is_put_off(self, now) && self->batch.not_before_ms < next)
        next = self->batch.not_before_ms;
    bk__timer_set(self->loop, &self->timer, next);
    if (self->is_sending || self->is_impatient || is_put_off(self, now) || !has_work(self))
        return;
    self->is_sending = bk_spawn("otlp", send_one, self) == BK_OK;
    bk_error_clear(); /* no room for a fiber: at the next interval */
    if (self->is_sending && self->is_draining)
        hold_up(self);
}

/* On whatever stack a span has ended. */
static void is_half_full(void *data)
{
    bk_otlp *self = data;

    if (!self->is_sending && self->batch.arena == NULL)
        bk__timer_set(self->loop, &self->timer, bk_now_ms());
}

/* --- its life --------------------------------------------------------------------------------- */

static bk_err start(void *data)
{
    bk_otlp *self = data;
    struct bk__otlp_resource *resource = &self->resource;

    if (self->settings.protocol != NULL)
        bk_warn("otlp.protocol", bk_kv_cstr("asked", self->settings.protocol),
                bk_kv_cstr("spoken", "http/json"));
    bk__uuid7(self->instance);
    if (gethostname(self->host, sizeof self->host - 1) != 0)
        self->host[0] = '\0';
    resource->service = self->settings.service;
    resource->more = self->settings.resource;
    resource->instance = bk_str_at(self->instance, sizeof self->instance);
    resource->host = bk_str_of(self->host);
    resource->version = bk_str_of(bk_version());
    resource->pid = getpid();
    self->stats = (bk_otlp_stats){0};
    self->told = self->told_at_ms = 0;
    self->fiber = NULL;
    self->is_sending = self->is_draining = self->is_impatient = self->is_failing = false;
    self->loop = bk__loop_current;
    bk__spans_open(self->settings.spans);
    bk__spans_on_half(is_half_full, self);
    bk__timer_set(self->loop, &self->timer, bk_now_ms() + self->settings.interval_ms);
    return BK_OK;
}

static void drain(void *data)
{
    bk_otlp *self = data;

    self->is_draining = true;
    if (self->is_sending)
        hold_up(self);
}

/* A pause of ours is not waited for, one that the collector has asked for is. */
BK_YIELDS static void send_rest(bk_otlp *self)
{
    if (!self->batch.was_asked)
        self->batch.not_before_ms = 0;
    while (has_work(self)) {
        uint64_t now = bk_now_ms();
        uint64_t pause = is_put_off(self, now) ? self->batch.not_before_ms - now : 0;
        if (pause >= bk_deadline_left_ms() || bk_sleep_ms(pause) != BK_OK)
            return;
        bk__otlp_send(self);
    }
}

static void stop(void *data)
{
    bk_otlp *self = data;
    bk_deadline before = bk_deadline_push(self->settings.stop_ms);

    bk__timer_stop(self->loop, &self->timer);
    bk__spans_on_half(NULL, NULL);
    send_rest(self);
    bk_deadline_pop(before);
    bk__otlp_give_up(self);
    self->stats.dropped += bk__spans_waiting();
    tell_drops(self, true);
    self->stats.dropped += bk__spans_dropped();
    bk__spans_close();
    self->loop = NULL;
}

static void free_otlp(void *data)
{
    bk_otlp *self = data;

    bk_arena_free(self->arena);
    free(self);
}

static const bk_part_type part = {
    .name = "otlp", .start = start, .drain = drain, .stop = stop, .free = free_otlp};

/* --- its metrics ------------------------------------------------------------------------------ */

static const struct bk__stat counted[] = {
    BK__STAT(bk_otlp_stats, exported, "trace_spans_exported_total", "Taken by the collector."),
    BK__STAT(bk_otlp_stats, dropped, "trace_spans_dropped_total",
             "Lost: there was no room, or the collector did not take them."),
    BK__STAT(bk_otlp_stats, waiting, "trace_spans_waiting", "Kept until they are sent."),
    BK__STAT(bk_otlp_stats, requests, "trace_exports_total", "Requests to the collector."),
};

static void read_stats(const void *object, void *out)
{
    bk_otlp_get_stats(object, out);
}

static const struct bk__stats_type stats_type = {
    .label = "exporter",
    .stats = counted,
    .count = sizeof counted / sizeof counted[0],
    .read = read_stats,
};

/* --- making one ------------------------------------------------------------------------------- */

static bk_http_client *client_for(bk_app *app, const struct bk__otlp_settings *settings)
{
    return bk_http_client_new(app, &(bk_http_client_opts){.name = "otlp",
                                                          .timeout_ms = settings->timeout_ms,
                                                          .body_bytes = 64 * 1024,
                                                          .connections = 1,
                                                          .ca_file = settings->ca_file,
                                                          .no_deadline_header = true,
                                                          .no_trace = true});
}

/* "headers: a value has no name before it" */
BK_NORETURN static void refuse(bk_arena *arena)
{
    bk_buf words = {.arena = arena};

    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
        bk_buf_printf(&words, "%s%.*s", words.len != 0 ? ": " : "", BK_PRI(link->message));
    bk__setup_error("bk_otlp_opts", 0, "%.*s", BK_PRI(bk_buf_str(&words)));
}

bk_otlp *bk_otlp_new(bk_app *app, const bk_otlp_opts *opts)
{
    static const bk_otlp_opts defaults = {0};
    struct bk__otlp_settings settings;
    bk_arena *arena = bk_arena_new();

    if (bk__otlp_settings(arena, opts != NULL ? opts : &defaults, &settings) != BK_OK)
        refuse(arena);
    if (!bk_str_present(settings.url)) {
        bk_arena_free(arena);
        return NULL;
    }
    bk_otlp *self = calloc(1, sizeof *self);
    bk_assert(self != NULL);
    self->arena = arena;
    self->settings = settings;
    self->timer.fn = tick;
    self->patience.fn = patience_ends;
    self->client = client_for(app, &settings); /* before the part, so that it stops after it */
    bk_app_part(app, &part, self);
    (void)bk__stats_sample(app, &stats_type, "otlp", self);
    return self;
}

void bk_otlp_get_stats(const bk_otlp *otlp, bk_otlp_stats *stats)
{
    *stats = (bk_otlp_stats){0};
    if (otlp == NULL)
        return;
    *stats = otlp->stats;
    stats->dropped = dropped(otlp);
    if (otlp->loop != NULL)
        stats->waiting = bk__spans_waiting() + otlp->batch.spans;
}
