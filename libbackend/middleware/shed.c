/*
 * shed.c: refuse early what could only be answered late. See <backend/middleware/shed.h>.
 *
 * Requests that wait (for a database, for others) pile up: those are limited by how many are at
 * work at once (adaptive.h). Requests that compute never do, since each runs to its end before the
 * next begins; they pile up in sockets, where only the loop's lateness tells of them. They are
 * limited by a pace: so many in a second, found by going down while the loop lags and up while it
 * does not.
 *
 * All judging is done ten times a second, and only while there are requests; for each of them there
 * are some comparisons. All state is the worker's own.
 */
#include <backend/middleware/shed.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <backend/clock.h>
#include <backend/log.h>
#include <backend/loop.h>

#include "core/assert.h"
#include "core/stats.h"
#include "fiber/loop.h"
#include "http/exchange.h"
#include "http/table.h"
#include "middleware/adaptive.h"

enum {
    LATE_TICKS = 3,
    CALM_TICKS = 10 /* without a refusal, until it is over */
};

static const double LOW_SHARE = 0.8; /* of each limit, where low priority ends */
static const double PACE_CUT = 0.8, PACE_GROWTH = 1.05;
static const double PACE_DEPTH_MS = BK__ADAPTIVE_TICK_MS; /* so much of it at once */

static const char *const health_paths[] = {"/health", "/healthz", "/live",    "/livez", "/ready",
                                           "/readyz", "/up",      "/metrics", NULL};

struct shed {
    bk_mw_shed_opts opts; /* defaults filled in */
    struct bk_loop *loop;
    struct bk__timer timer;
    bool ticks; /* the timer is set */
    uint64_t tick_at, due_at;
    struct bk__adaptive adaptive;
    struct bk__list at_work; /* struct ticket */
    uint32_t count;          /* of it */
    uint32_t late;           /* ticks in a row that were late by lag_ms */
    double pace;             /* requests in a millisecond; 0: no limit */
    double tokens;           /* of the pace, up to now */
    uint64_t tokens_at;
    double load;            /* memory or queue, as a share of what is allowed */
    uint64_t let_in_before; /* at the last tick, as are the next */
    uint64_t shed_before;
    uint32_t calm;       /* ticks in a row without a refusal */
    bool is_shedding;    /* for the log */
    bk_shed_stats stats; /* what is counted; the rest is filled in when asked for */
};

/* A request at work, on its fiber's stack. */
struct ticket {
    struct bk__link link; /* in shed.at_work; not when it has become a stream */
    const bk_req *req;
};

static uint64_t shed_count(const struct shed *self)
{
    return self->stats.shed_at_limit + self->stats.shed_by_lag + self->stats.shed_by_load;
}

/* --- ten times a second ----------------------------------------------------------------------- */

/* Who streams keeps its client company, maybe for hours, and does not count. */
static void leave_out_streams(struct shed *self)
{
    struct bk__link *next;

    for (struct bk__link *it = self->at_work.anchor.next; it != &self->at_work.anchor; it = next) {
        const struct ticket *ticket = bk__container_of(it, struct ticket, link);
        const bk_req *req = ticket->req;
        next = it->next;
        if (req->res.started || req->res.endless || req->raw != NULL) {
            bk__list_remove(it);
            self->count--;
        }
    }
}

static uint64_t read_rss(void)
{
    char text[128];
    unsigned long long pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    if (sscanf(text, "%*u %llu", &pages) != 1)
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void judge_load(struct shed *self)
{
    double memory = 0, queue = 0;

    if (self->opts.rss_bytes != 0) {
        self->stats.rss_bytes = read_rss();
        memory = (double)self->stats.rss_bytes / (double)self->opts.rss_bytes;
    }
    if (self->opts.queue != NULL)
        queue = (double)self->opts.queue(self->opts.data) / (double)self->opts.queue_most;
    self->load = memory > queue ? memory : queue;
}

/* How late the loop is, and at what pace it is to be asked. */
static void judge_lag(struct shed *self, uint64_t now)
{
    double elapsed = (double)(now - self->tick_at);
    double rate = (double)(self->stats.let_in - self->let_in_before) / elapsed;
    double offered = rate + (double)(shed_count(self) - self->shed_before) / elapsed;

    self->stats.lag_ms = (uint32_t)(now - self->due_at);
    self->late = self->stats.lag_ms >= self->opts.lag_ms ? self->late + 1 : 0;
    if (self->late >= LATE_TICKS || (self->late != 0 && self->pace != 0)) {
        self->pace = rate * PACE_CUT;
        if (self->pace < 1.0 / 1000)
            self->pace = 1.0 / 1000;
    } else if (self->pace > 2 * offered) {
        self->pace = 0;
    } else {
        self->pace *= PACE_GROWTH;
    }
}

static void tell(struct shed *self)
{
    bool refused = shed_count(self) != self->shed_before;

    self->calm = refused ? 0 : self->calm + 1;
    if (refused && !self->is_shedding)
        bk_warn("shed.begun", bk_kv_i64("limit", (int64_t)self->adaptive.limit),
                bk_kv_i64("at_work", self->count), bk_kv_i64("lag_ms", self->stats.lag_ms));
    else if (self->is_shedding && self->calm >= CALM_TICKS)
        bk_info("shed.ended", bk_kv_i64("shed", (int64_t)shed_count(self)));
    self->is_shedding = refused || (self->is_shedding && self->calm < CALM_TICKS);
}

static void set_timer(struct shed *self, uint64_t now)
{
    self->tick_at = now;
    self->due_at = now + BK__ADAPTIVE_TICK_MS;
    self->let_in_before = self->stats.let_in;
    self->shed_before = shed_count(self);
    self->ticks = true;
    bk__timer_set(self->loop, &self->timer, self->due_at);
}

static void tick(struct bk__timer *timer)
{
    struct shed *self = bk__container_of(timer, struct shed, timer);
    uint64_t now = bk_now_ms();
    bool is_idle = self->count == 0 && self->stats.let_in == self->let_in_before;

    self->ticks = false;
    leave_out_streams(self);
    judge_load(self);
    judge_lag(self, now);
    if (!self->opts.fixed)
        bk__adaptive_tick(&self->adaptive, now, self->count);
    tell(self);
    if (!is_idle || self->is_shedding || self->pace != 0)
        set_timer(self, now);
}

/* --- for each request ------------------------------------------------------------------------- */

static bool is_exempt(const struct shed *self, bk_str path)
{
    for (const char *const *at = self->opts.exempt; *at != NULL; at++) {
        bk_str one = bk_str_of(*at);
        if (bk_str_starts(path, one) && (path.len == one.len || path.ptr[one.len] == '/'))
            return true;
    }
    return false;
}

/* Of what is limited, how much this priority may use. */
static double share_of(bk_priority priority)
{
    return priority == BK_PRIORITY_LOW ? LOW_SHARE : 1;
}

static bool is_over_limit(const struct shed *self, bk_priority priority)
{
    if (self->count < self->opts.least)
        return false;
    if (priority == BK_PRIORITY_CRITICAL)
        return self->count >= self->opts.most;
    return self->count >= self->adaptive.limit * share_of(priority);
}

static bool is_over_pace(struct shed *self, bk_priority priority, uint64_t now)
{
    double depth = self->pace * PACE_DEPTH_MS > 1 ? self->pace * PACE_DEPTH_MS : 1;

    if (self->pace == 0)
        return false;
    self->tokens += self->pace * (double)(now - self->tokens_at);
    self->tokens_at = now;
    if (self->tokens > depth)
        self->tokens = depth;
    if (priority == BK_PRIORITY_CRITICAL)
        return false;
    return self->tokens < 1 + (1 - share_of(priority)) * depth;
}

/* Where a request that cannot be let in is counted; NULL: it can. */
static uint64_t *reason_against(struct shed *self, bk_priority priority, uint64_t now)
{
    if (is_over_limit(self, priority))
        return &self->stats.shed_at_limit;
    if (self->load >= share_of(priority) && priority != BK_PRIORITY_CRITICAL)
        return &self->stats.shed_by_load;
    if (is_over_pace(self, priority, now))
        return &self->stats.shed_by_lag;
    return NULL;
}

/* As a refusal it is not logged each time: there are most of them when there is the least time. */
static bk_err refuse(bk_req *req, bk_res *res)
{
    bk__res_push_header(res, BK_LIT("Retry-After"), BK_LIT("1"));
    req->refusal = BK_EUNAVAILABLE;
    return bk_fail(BK_EUNAVAILABLE, "the service is overloaded");
}

/* Failures are often quick, and say nothing of how long the work takes; but for those that took too
 * long. */
static bool is_sample(const struct ticket *ticket, bk_err err, const bk_res *res)
{
    return bk__link_in_list(&ticket->link) && !res->started &&
           (err == BK_ETIMEDOUT || (err == BK_OK && res->status < 400));
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    struct shed *self = data;
    bk_priority priority = req->route != NULL ? req->route->opts.priority : BK_PRIORITY_NORMAL;
    uint64_t began = bk_now_ms();
    struct ticket ticket = {.req = req};

    if (!self->ticks)
        set_timer(self, began);
    uint64_t *reason = reason_against(self, priority, began);
    if (reason != NULL && !is_exempt(self, bk_req_path(req))) {
        ++*reason;
        return refuse(req, res);
    }
    self->tokens -= self->tokens >= 1;
    self->stats.let_in++;
    bk__list_push(&self->at_work, &ticket.link);
    bk__adaptive_at_work(&self->adaptive, ++self->count);
    bk_err err = bk_next_run(next, req, res);
    if (is_sample(&ticket, err, res))
        bk__adaptive_sample(&self->adaptive, req->route, began, bk_now_ms() - began);
    if (bk__link_in_list(&ticket.link)) {
        bk__list_remove(&ticket.link);
        self->count--;
    }
    return err;
}

static void read_stats(const void *shed, void *out)
{
    const struct shed *self = shed;
    bk_shed_stats *stats = out;

    *stats = self->stats;
    stats->limit = (uint32_t)self->adaptive.limit;
    stats->at_work = self->count;
    stats->pace = (uint32_t)(self->pace * 1000);
}

void bk_shed_get_stats(bk_middleware shed, bk_shed_stats *stats)
{
    bk_assert(shed.fn == run);
    read_stats(shed.data, stats);
}

#define REFUSED      "http_server_shed_requests_total"
#define REFUSED_HELP "Requests refused for load, by what there was too much of."

static const struct bk__stat metrics[] = {
    BK__STAT_BY(bk_shed_stats, shed_at_limit, REFUSED, REFUSED_HELP, "reason", "limit"),
    BK__STAT_BY(bk_shed_stats, shed_by_lag, REFUSED, REFUSED_HELP, "reason", "lag"),
    BK__STAT_BY(bk_shed_stats, shed_by_load, REFUSED, REFUSED_HELP, "reason", "load"),
    BK__STAT(bk_shed_stats, limit, "http_server_shed_limit", "Requests that may be at work."),
};

static const struct bk__stats_type metrics_type = {
    .label = "shed",
    .stats = metrics,
    .count = sizeof metrics / sizeof metrics[0],
    .read = read_stats,
};

/* --- its life --------------------------------------------------------------------------------- */

static bk_err start(void *data)
{
    struct shed *self = data;

    self->loop = bk__loop_current;
    return BK_OK;
}

static void stop(void *data)
{
    struct shed *self = data;

    bk__timer_stop(self->loop, &self->timer);
    self->ticks = false;
}

static const bk_part_type part = {.name = "shed", .start = start, .stop = stop, .free = free};

bk_middleware bk_mw_shed(bk_app *app, const bk_mw_shed_opts *opts)
{
    struct shed *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    if (opts != NULL)
        self->opts = *opts;
    if (self->opts.most == 0)
        self->opts.most = 10000;
    if (self->opts.least == 0)
        self->opts.least = self->opts.most < 20 ? self->opts.most : 20;
    if (self->opts.lag_ms == 0)
        self->opts.lag_ms = 250;
    if (self->opts.exempt == NULL)
        self->opts.exempt = health_paths;
    if (self->opts.least > self->opts.most)
        bk__setup_error(__FILE__, __LINE__, "shed: least is more than most");
    if ((self->opts.queue != NULL) != (self->opts.queue_most != 0))
        bk__setup_error(__FILE__, __LINE__, "shed: queue and queue_most go together");
    bk__adaptive_init(&self->adaptive, self->opts.least, self->opts.most);
    bk__list_init(&self->at_work);
    self->timer.fn = tick;
    bk_app_part(app, &part, self);
    (void)bk__stats_sample(app, &metrics_type, "shed", self);
    return bk_mw(run, self);
}
