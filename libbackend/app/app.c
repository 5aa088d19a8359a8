/*
 * app.c: building, running and stopping an app. See <backend/app.h>.
 *
 * Nothing here is global: an app, its loop and its fibers belong to the thread that runs it. Two
 * things may be done from elsewhere, stopping (also from a signal handler) and posting, and only
 * those know of other threads.
 */
#include "app/app.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <backend/log.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "app/command.h"
#include "app/part.h"
#include "app/shadow.h"
#include "app/step.h"
#include "core/assert.h"
#include "fiber/fiber.h"
#include "http/http1.h"
#include "http/http2.h"
#include "http/listener.h"
#include "http/table.h"
#include "http/trust.h"

#define FAREWELL_MS         2500 /* for connections that have no request */
#define LAST_CONNECTIONS_MS 5000

/* Zero means the default. */
static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void fill_defaults(struct bk__server *server)
{
    bk_limits *limits = &server->limits;
    bk_timeouts *timeouts = &server->timeouts;

    fill(&limits->body_bytes, 10 * 1024 * 1024);
    fill(&limits->bodies_bytes, 64 * 1024 * 1024);
    fill(&limits->header_bytes, 32 * 1024);
    fill(&limits->header_count, 100);
    fill(&limits->target_bytes, 8 * 1024);
    fill(&limits->connections, 50000);
    fill(&limits->connections_per_client, 20000);
    fill(&limits->requests_per_connection, BK_UNLIMITED);
    fill(&limits->fibers, 20000);
    fill(&limits->offload_threads, 4);
    fill(&limits->offload_queue, 1000);
    fill(&timeouts->head_ms, 10000);
    fill(&timeouts->body_ms, 10000);
    fill(&timeouts->idle_ms, 75000);
    fill(&timeouts->handler_ms, 30000);
    fill(&timeouts->write_ms, 30000);
    fill(&timeouts->drain_ms, 25000);
}

static void check_opts(const bk_app_opts *opts)
{
    if (opts->secret.ptr != NULL && opts->secret.len < 32)
        bk__setup_error("bk_app_opts", 0, "secret has %zu bytes, it needs at least 32",
                        opts->secret.len);
    if (opts->invalid_status != 0 && opts->invalid_status != 400 && opts->invalid_status != 422)
        bk__setup_error("bk_app_opts", 0, "invalid_status is %d, it may be 400 or 422",
                        opts->invalid_status);
    if (opts->limits.fibers == BK_UNLIMITED || opts->limits.offload_threads == BK_UNLIMITED)
        bk__setup_error("bk_app_opts", 0, "fibers and offload_threads cannot be unlimited");
}

static void set_up_server(bk_app *app, const bk_app_opts *opts)
{
    struct bk__server *server = &app->server;
    const char *bad = NULL;

    server->app = app;
    server->limits = opts->limits;
    server->timeouts = opts->timeouts;
    fill_defaults(server);
    server->forwarded = opts->forwarded;
    server->no_etag = opts->no_etag;
    server->half_close_is_gone = opts->half_close_is_gone;
    server->keep_work_of_gone = opts->keep_work_of_gone;
    server->invalid_status = opts->invalid_status;
    bk__list_init(&server->requests);
    bk__list_init(&server->connections);
    bk__list_init(&server->handshakes);
    if (opts->trusted_proxies != NULL) {
        server->trust = bk__trust_new(opts->trusted_proxies, &bad);
        if (server->trust == NULL)
            bk__setup_error("bk_app_opts", 0, "trusted_proxies: \"%s\" is no network", bad);
    }
    if (opts->secret.ptr != NULL) {
        char *copy = malloc(opts->secret.len);
        bk_assert(copy != NULL);
        memcpy(copy, opts->secret.ptr, opts->secret.len);
        server->secret = bk_str_at(copy, opts->secret.len);
    }
}

bk_app *bk_app_new(const bk_app_opts *opts)
{
    static const bk_app_opts defaults = {0};
    bk_app *app = calloc(1, sizeof *app);

    bk_assert(app != NULL);
    if (opts == NULL)
        opts = &defaults;
    check_opts(opts);
    app->opts = *opts;
    app->berth = (struct bk__berth){.roles = BK_ROLE_WEB | BK_ROLE_JOBS, .sharers = 1};
    app->name = strdup(opts->name != NULL ? opts->name : "app");
    app->router = bk_router_new();
    app->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bk_assert(app->name != NULL && app->bell >= 0);
    app->bell_for = getpid();
    pthread_mutex_init(&app->lock, NULL);
    bk__list_init(&app->parts);
    bk__list_init(&app->commands);
    bk__metrics_init(&app->metrics);
    set_up_server(app, opts);
    return app;
}

void bk_app_free(bk_app *app)
{
    if (app == NULL)
        return;
    bk_assert(app->loop == NULL);
    bk__parts_free(app);
    bk__commands_free(app);
    bk__listeners_close(&app->server);
    bk__trust_free(app->server.trust);
    if (app->server.secret.ptr != NULL)
        explicit_bzero((char *)(uintptr_t)app->server.secret.ptr, app->server.secret.len);
    free((char *)(uintptr_t)app->server.secret.ptr);
    bk_router_free(app->router);
    bk__metrics_fini(&app->metrics);
    bk_config_free(app->config);
    pthread_mutex_destroy(&app->lock);
    close(app->bell);
    free(app->name);
    free(app);
}

struct bk__metrics *bk__metrics_of(bk_app *app)
{
    return &app->metrics;
}

struct bk__server *bk__server_of(bk_app *app)
{
    return &app->server;
}

bk_router *bk_app_router(bk_app *app)
{
    return app->router;
}

void *bk_app_data(const bk_app *app)
{
    return app->opts.data;
}

unsigned bk_app_roles(const bk_app *app)
{
    return app->loop != NULL && app->no_worker ? 0 : app->berth.roles;
}

void bk_app_cluster(bk_app *app, const bk_cluster_opts *opts)
{
    app->cluster = *opts;
}

unsigned bk_app_slot(const bk_app *app)
{
    return app->berth.slot;
}

uint32_t bk_app_generation(const bk_app *app)
{
    return app->berth.generation;
}

bool bk_app_draining(const bk_app *app)
{
    const struct bk__board *board = app->berth.board;

    return atomic_load(&app->stopping) || (board != NULL && atomic_load(&board->draining) != 0);
}

uint32_t bk_app_sharers(const bk_app *app)
{
    return app->berth.sharers;
}

bk_err bk_app_listen(bk_app *app, const bk_listen_opts *opts)
{
    static const bk_listen_opts defaults = {0};

    bk_assert(app->loop == NULL);
    return bk__listener_open(&app->server, opts != NULL ? opts : &defaults);
}

uint16_t bk_app_port(const bk_app *app, size_t index)
{
    const struct bk__listener *listener = app->server.listeners;

    while (listener != NULL && index-- > 0)
        listener = listener->next;
    return listener != NULL ? listener->port : 0;
}

/* --- other threads ---------------------------------------------------------------------------- */

static void publish_loop(bk_app *app, struct bk_loop *loop)
{
    pthread_mutex_lock(&app->lock);
    app->loop = loop;
    pthread_mutex_unlock(&app->lock);
}

bk_err bk_loop_post(bk_app *app, bk_post_fn fn, void *data)
{
    bk_err err = BK_ECLOSED;

    pthread_mutex_lock(&app->lock);
    if (app->loop != NULL)
        err = bk__loop_post(app->loop, fn, data);
    pthread_mutex_unlock(&app->lock);
    return err;
}

void bk_app_stop(bk_app *app)
{
    uint64_t one = 1;
    int saved = errno;

    atomic_store(&app->stopping, true);
    if (write(app->bell, &one, sizeof one) < 0) {
        /* the counter is full: the bell rings already */
    }
    errno = saved;
}

/* --- start and finish ------------------------------------------------------------------------- */

static bk_err start_worker(void *data)
{
    bk_app *app = data;

    return app->opts.on_worker_start(app, app->opts.data, &app->server.state);
}

static bk_err stop_worker(void *data)
{
    bk_app *app = data;

    app->opts.on_worker_stop(app, app->server.state);
    return BK_OK;
}

/* More connections than descriptors would make accept() fail over and over. */
static void fit_connections(struct bk__server *server)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return;
    uint64_t room = files.rlim_cur > 128 ? files.rlim_cur - 64 : files.rlim_cur / 2;
    if (room < server->limits.connections)
        server->limits.connections = (uint32_t)room;
}

static void refuse_shadows(void)
{
    const char *name = bk__shadowed_symbol();

    if (name != NULL)
        bk__setup_error(
            name, 0,
            "the program defines a function that libh2o uses under this name; rename it "
            "or make it static (docs/guide/embedding.md)");
}

static bool has_tls(const struct bk__server *server)
{
    for (const struct bk__listener *it = server->listeners; it != NULL; it = it->next)
        if (it->tls != NULL)
            return true;
    return false;
}

static bk_err open_worker(bk_app *app)
{
    BK_TRY(bk__parts_start(app));
    if (app->opts.on_worker_start == NULL || app->no_worker) {
        app->server.state = app->opts.data;
        return BK_OK;
    }
    return bk__step_run(app->loop, "on_worker_start", start_worker, app);
}

/* From here on real time counts: nobody moves the other any more. */
static void end_virtual_time(struct bk_loop *loop)
{
    loop->clock.is_virtual = false;
    bk__clock_renew(&loop->clock);
}

static void undo_start(bk_app *app)
{
    struct bk_loop *loop = app->loop;

    bk__step_end_fibers(loop);
    bk__parts_stop(app);
    bk__step_end_fibers(loop);
    bk__http2_close(&app->server);
    bk__peers_fini(&app->server.peers);
    bk__table_free(app->server.table);
    app->server.table = NULL;
    bk__metrics_leave(&app->metrics);
    app->server.state = NULL;
    app->server.loop = NULL;
    publish_loop(app, NULL);
    bk__loop_free(loop);
}

/* A client that goes away must not end the process, whatever the host does about SIGPIPE. */
static void block_sigpipe(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* A process forked since the app was made would take the rings of its parent and siblings. The
 * descriptor keeps its number, since a signal handler may be about to ring it; a stop that was told
 * before is seen in `stopping`. */
static void own_bell(bk_app *app)
{
    if (app->bell_for == getpid())
        return;
    int own = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bk_assert(own >= 0 && dup3(own, app->bell, O_CLOEXEC) == app->bell);
    close(own);
    app->bell_for = getpid();
    if (atomic_load(&app->stopping))
        bk_app_stop(app);
}

bk_err bk__app_start(bk_app *app, const struct bk__app_start_opts *opts)
{
    struct bk__server *server = &app->server;
    struct bk__loop_opts loop_opts = {
        .fibers = server->limits.fibers,
        .offload_threads = server->limits.offload_threads,
        .offload_queue = server->limits.offload_queue,
        .virtual_clock = opts->virtual_clock,
        .start_at = opts->start_at,
        .bell = app->bell,
    };

    bk_assert(app->loop == NULL);
    own_bell(app);
    block_sigpipe();
    refuse_shadows();
    fit_connections(server);
    app->no_worker = opts->no_worker;
    server->draining = server->retiring = false;
    bk__metrics_enter(&app->metrics, app->berth.slot);
    server->table = bk__table_new(app->router);
    server->loop = bk__loop_new(&loop_opts);
    publish_loop(app, server->loop);
    if (has_tls(server))
        bk__http2_open(server);
    bk_err err = open_worker(app);
    if (err != BK_OK) {
        end_virtual_time(app->loop);
        undo_start(app);
    }
    return err;
}

static void start_taking(bk_app *app)
{
    struct bk__server *server = &app->server;

    if ((app->berth.roles & BK_ROLE_WEB) == 0)
        return;
    if (server->balance != NULL)
        bk__balance_note(server->balance, server->slot, 0);
    for (struct bk__listener *it = server->listeners; it != NULL; it = it->next)
        bk__listener_start(it);
}

static void stop_taking(bk_app *app)
{
    struct bk__server *server = &app->server;

    for (struct bk__listener *it = server->listeners; it != NULL; it = it->next)
        bk__listener_stop(it);
    /* The supervisor has them too, unless it is gone: then its successor may want the port. */
    if (app->berth.board != NULL)
        bk__listeners_let_go(server);
    if (server->balance != NULL)
        bk__balance_leave(server->balance, server->slot);
}

/* Requests and jobs have drain_ms to end. Connections without one have a moment: their clients may
 * be about to send, and are told with the answer that it was the last; a handshake may be under
 * way. */
static void await_quiet(bk_app *app)
{
    const struct bk__server *server = &app->server;
    uint64_t begun = app->loop->clock.now_ms;
    uint32_t drain_ms = server->timeouts.drain_ms;

    for (;;) {
        size_t work = server->request_count + app->loop->work_count;
        if (work == 0 && server->connection_count == 0)
            return;
        uint64_t most = work != 0 || drain_ms < FAREWELL_MS ? drain_ms : FAREWELL_MS;
        uint64_t passed = app->loop->clock.now_ms - begun;
        if (passed >= most && most != BK_UNLIMITED)
            return;
        bk__loop_turn(app->loop, most - passed < 100 ? most - passed : 100);
    }
}

void bk__app_finish(bk_app *app)
{
    struct bk__server *server = &app->server;

    stop_taking(app);
    server->draining = true;
    end_virtual_time(app->loop);
    bk__http1_drain(server);
    bk__http2_drain(server);
    bk__parts_drain(app);
    bk__server_end_streams(server);
    await_quiet(app);
    if (server->request_count != 0 || app->loop->work_count != 0)
        bk_warn("app.drain_timeout", bk_kv_i64("requests", (int64_t)server->request_count),
                bk_kv_i64("jobs", (int64_t)app->loop->work_count));
    bk__handshakes_drop(server);
    bk__loop_cancel_all(app->loop);
    /* Those that are cancelled answer 503. */
    bk__step_until_zero(app->loop, &server->request_count, 1000);
    bk__http1_close_all(server);
    bk__http2_close_all(server);
    bk__step_end_fibers(app->loop);
    /* Nobody uses what the worker shares any more. */
    if (app->opts.on_worker_stop != NULL && !app->no_worker)
        (void)!bk__step_run(app->loop, "on_worker_stop", stop_worker, app);
    bk__step_until_zero(app->loop, &server->connection_count, LAST_CONNECTIONS_MS);
    undo_start(app);
}

bk_err bk_app_run(bk_app *app)
{
    if (app->server.listeners == NULL)
        return bk_fail(BK_EINVAL, "%s: nothing to listen on, call bk_app_listen() first",
                       app->name);
    bk_err err = bk__app_start(app, &(struct bk__app_start_opts){0});
    if (err != BK_OK)
        return err;
    start_taking(app);
    bk_info("app.ready", bk_kv_cstr("app", app->name));
    if (app->berth.ready != NULL)
        app->berth.ready(app->berth.ready_data);
    while (!atomic_load(&app->stopping))
        bk__loop_turn(app->loop, BK__NEVER);
    bk_info("app.stopping", bk_kv_cstr("app", app->name),
            bk_kv_i64("requests", (int64_t)app->server.request_count));
    bk__app_finish(app);
    atomic_store(&app->stopping, false);
    return BK_OK;
}
