/*
 * health.c: live, ready, started. See <backend/health.h>.
 *
 * A round runs all checks, on a fiber that belongs to nobody: who asks while one is running waits
 * for its end. Between rounds the last result is served. A check that was told to stop and goes on
 * holds up its round, so askers wait no longer than the longest time limit, and take that for a
 * failure.
 */
#include <backend/health.h>

#include <stdlib.h>
#include <string.h>

#include <backend/app.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/str.h>
#include <backend/sync.h>

#include "core/assert.h"
#include "http/server.h"

enum {
    MOST = 32,
    GRACE_MS = 500 /* that askers wait beyond the longest check */
};

struct check {
    bk_health *health;
    char *name;
    bk_health_opts opts; /* defaults filled in */
    bk_health_fn fn;
    void *data;
    bool is_known, is_well; /* the last result */
    bool has_passed;        /* once, in this worker */
};

struct bk_health {
    struct bk__server *server;
    uint32_t cached_ms, longest_ms;
    struct check checks[MOST];
    size_t count;
    bool not_ready;     /* bk_health_set_ready() */
    bool is_running;    /* a round */
    bool is_known;      /* one has ended well, whatever the checks said */
    bk_err failure;     /* of the last that did not: there was no fiber for it */
    uint64_t known_at;  /* when */
    bk_cond *round_end; /* NULL while the app does not run */
};

/* --- a round ---------------------------------------------------------------------------------- */

static void tell(const struct check *check, bool well, bk_err err)
{
    const bk_error_link *link = bk_error_chain();
    bk_str why = link != NULL ? link->message : bk_str_of(bk_err_text(err));

    if (!well)
        bk_warn("health.failed", bk_kv_cstr("check", check->name),
                bk_kv_cstr("code", bk_err_slug(err)), bk_kv_str("why", why));
    else if (check->is_known)
        bk_info("health.recovered", bk_kv_cstr("check", check->name));
}

/* Fails for nobody else: the others are to be heard as well. */
static bk_err run_check(void *data)
{
    struct check *check = data;
    bk_deadline before = bk_deadline_push(check->opts.timeout_ms);
    bk_err err = check->fn(check->data);
    bool well = err == BK_OK;

    bk_deadline_pop(before);
    if (well != check->is_well || !check->is_known)
        tell(check, well, err);
    check->is_known = true;
    check->is_well = well;
    check->has_passed |= well;
    bk_error_clear();
    return BK_OK;
}

static bool is_done_with(const struct check *check)
{
    return check->opts.at_start && check->has_passed;
}

static bk_err run_round(void *data)
{
    bk_health *self = data;
    bk_group *group = bk_group_open();

    for (size_t i = 0; i < self->count; i++)
        if (!is_done_with(&self->checks[i]))
            bk_group_spawn(group, "health check", run_check, &self->checks[i]);
    bk_err err = bk_group_wait(group);
    self->is_running = false;
    self->failure = err;
    if (err == BK_OK) {
        self->is_known = true;
        self->known_at = bk_now_ms();
    }
    bk_cond_broadcast(self->round_end);
    return err;
}

/* Returns when there is a result that is fresh enough. */
BK_YIELDS static bk_err refresh(bk_health *self)
{
    bk_deadline before = bk_deadline_push(self->longest_ms + GRACE_MS);
    bk_err err = BK_OK;

    while (err == BK_OK && (!self->is_known || bk_now_ms() - self->known_at >= self->cached_ms)) {
        if (!self->is_running) {
            err = bk_spawn("health", run_round, self);
            self->is_running = err == BK_OK;
        }
        if (err == BK_OK)
            err = bk_cond_wait(self->round_end);
        if (err == BK_OK && !self->is_running)
            err = self->failure;
    }
    bk_deadline_pop(before);
    return err;
}

/* --- answers ---------------------------------------------------------------------------------- */

static bk_json_writer *begin(bk_res *res, int status, const char *word, bk_err *err)
{
    bk_json_writer *writer = bk_res_json_writer(res, status);

    bk_res_no_etag(res);
    *err = bk_res_header(res, "Cache-Control", BK_LIT("no-store"));
    bk_json_begin_object(writer);
    bk_json_write_key(writer, BK_LIT("status"));
    bk_json_write_str(writer, bk_str_of(word));
    return writer;
}

static bk_err say(bk_res *res, int status, const char *word)
{
    bk_err err;

    bk_json_end_object(begin(res, status, word, &err));
    return err;
}

static bool is_well(const struct check *check)
{
    return is_done_with(check) || (check->is_known && check->is_well);
}

static bk_err say_with_checks(bk_res *res, const bk_health *self, int status, const char *word)
{
    bk_err err;
    bk_json_writer *writer = begin(res, status, word, &err);

    bk_json_write_key(writer, BK_LIT("checks"));
    bk_json_begin_object(writer);
    for (size_t i = 0; i < self->count; i++) {
        bk_json_write_key(writer, bk_str_of(self->checks[i].name));
        bk_json_begin_object(writer);
        bk_json_write_key(writer, BK_LIT("status"));
        bk_json_write_str(writer, is_well(&self->checks[i]) ? BK_LIT("ok") : BK_LIT("error"));
        bk_json_end_object(writer);
    }
    bk_json_end_object(writer);
    bk_json_end_object(writer);
    return err;
}

static bool has_started(const bk_health *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->checks[i].opts.at_start && !self->checks[i].has_passed)
            return false;
    return true;
}

static bk_err live(bk_req *req, bk_res *res)
{
    (void)req;
    return say(res, 200, "ok");
}

static bk_err started(bk_req *req, bk_res *res)
{
    bk_health *self = bk_req_route_data(req);

    if (!has_started(self))
        (void)!refresh(self);
    return has_started(self) ? say(res, 200, "ok") : say(res, 503, "starting");
}

/* It serves those who come all the same. */
static bool is_leaving(const bk_health *self)
{
    return self->server->draining || self->server->retiring || bk_app_draining(self->server->app);
}

static bk_err ready(bk_req *req, bk_res *res)
{
    bk_health *self = bk_req_route_data(req);
    const char *word = "ok";

    if (is_leaving(self))
        return say(res, 503, "shutting_down");
    if (self->not_ready)
        return say(res, 503, "not_ready");
    if (refresh(self) != BK_OK)
        return say(res, 503, "error");
    if (!has_started(self))
        return say_with_checks(res, self, 503, "starting");
    for (size_t i = 0; i < self->count; i++) {
        if (is_well(&self->checks[i]))
            continue;
        if (!self->checks[i].opts.optional)
            return say_with_checks(res, self, 503, "error");
        word = "degraded";
    }
    return say_with_checks(res, self, 200, word);
}

/* --- declaring -------------------------------------------------------------------------------- */

static bk_err start(void *data)
{
    bk_health *self = data;

    self->round_end = bk_cond_new();
    self->not_ready = self->is_known = self->is_running = false;
    for (size_t i = 0; i < self->count; i++)
        self->checks[i].is_known = self->checks[i].is_well = self->checks[i].has_passed = false;
    return BK_OK;
}

static void stop(void *data)
{
    bk_health *self = data;

    bk_cond_free(self->round_end);
    self->round_end = NULL;
}

static void free_health(void *data)
{
    bk_health *self = data;

    for (size_t i = 0; i < self->count; i++)
        free(self->checks[i].name);
    free(self);
}

static const bk_part_type part = {
    .name = "health", .start = start, .stop = stop, .free = free_health};

bk_health *bk_health_new(bk_app *app, const bk_health_settings *settings)
{
    static const bk_health_settings defaults = {0};
    const bk_health_settings *all = settings != NULL ? settings : &defaults;
    bk_health *self = calloc(1, sizeof *self);
    bk_router *router = all->router != NULL ? all->router : bk_app_router(app);
    bk_route_opts opts = {.data = self, .priority = BK_PRIORITY_CRITICAL};

    bk_assert(self != NULL);
    self->server = bk__server_of(app);
    self->cached_ms = all->cached_ms != 0 ? all->cached_ms : 1000;
    if (all->prefix != NULL)
        router = bk_router_group(router, all->prefix);
    opts.summary = "The process lives";
    bk_get(router, "/livez", live, &opts);
    opts.summary = "Requests may be sent here";
    bk_get(router, "/readyz", ready, &opts);
    opts.summary = "The service has started";
    bk_get(router, "/startupz", started, &opts);
    bk_app_part(app, &part, self);
    return self;
}

void bk_health_add(bk_health *health, const bk_health_opts *opts, bk_health_fn fn, void *data)
{
    bk_assert(health->round_end == NULL); /* the app does not run */
    if (opts->name == NULL || *opts->name == '\0')
        bk__setup_error("bk_health_add", 0, "a check needs a name");
    if (health->count == MOST)
        bk__setup_error("bk_health_add", 0, "there may be at most %d checks", MOST);
    for (size_t i = 0; i < health->count; i++)
        if (strcmp(health->checks[i].name, opts->name) == 0)
            bk__setup_error("bk_health_add", 0, "there are two checks \"%s\"", opts->name);
    struct check *check = &health->checks[health->count++];
    *check = (struct check){
        .health = health, .name = strdup(opts->name), .opts = *opts, .fn = fn, .data = data};
    bk_assert(check->name != NULL);
    if (check->opts.timeout_ms == 0)
        check->opts.timeout_ms = 1000;
    if (check->opts.timeout_ms > health->longest_ms)
        health->longest_ms = check->opts.timeout_ms;
}

static bk_err ask_pg(void *data)
{
    return bk_pg_exec(data, "SELECT 1", BK_NO_ARGS, NULL);
}

static bk_err ask_redis(void *data)
{
    return bk_redis_run(data, "PING", BK_NO_ARGS, NULL);
}

static bk_health_opts named(const bk_health_opts *opts, const char *name)
{
    bk_health_opts all = opts != NULL ? *opts : (bk_health_opts){0};

    if (all.name == NULL)
        all.name = name;
    return all;
}

void bk_health_add_pg(bk_health *health, bk_pg *pg, const bk_health_opts *opts)
{
    bk_health_opts all = named(opts, "pg");

    bk_health_add(health, &all, ask_pg, pg);
}

void bk_health_add_redis(bk_health *health, bk_redis *redis, const bk_health_opts *opts)
{
    bk_health_opts all = named(opts, "redis");

    if (redis != NULL)
        bk_health_add(health, &all, ask_redis, redis);
}

void bk_health_set_ready(bk_health *health, bool ready)
{
    health->not_ready = !ready;
}
