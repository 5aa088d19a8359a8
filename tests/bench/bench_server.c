/*
 * bench_server.c: what is measured beside the peers, and what tests talk to.
 *
 *   bench-server --port N --workers W [--tls-port N --tls-cert FILE --tls-key FILE]
 *                [--no-l1] [--l1-kib N] [--stack none|observed|default] [--log FILE]
 *
 * DATABASE_URL names the database, REDIS_URL the cache, JWT_SECRET (at least 32 bytes) signs
 * tokens.
 *
 * The workers are forked from one process that has declared the app; they share the port by
 * SO_REUSEPORT. The handlers use the public API only and do nothing for the benchmark's sake.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/backend.h>

#include "bench_auth.h"
#include "bench_db.h"
#include "bench_realtime.h"
#include "bench_stack.h"

#define WORKERS_MAX 64

struct settings {
    uint16_t port, tls_port;
    int workers;
    const char *database; /* DATABASE_URL; NULL: none */
    const char *redis;    /* REDIS_URL; NULL: none */
    const char *secret;   /* JWT_SECRET; NULL: none */
    bool no_l1;
    int l1_kib; /* 0: the default */
    const char *tls_cert, *tls_key;
    const char *stack, *log; /* see bench_stack.h */
};

/* --- handlers --------------------------------------------------------------------------------- */

static bk_err plaintext(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("Hello, World!"));
}

static bk_err json(bk_req *req, bk_res *res)
{
    (void)req;
    bk_json_writer *w = bk_res_json_writer(res, 200);
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("message"));
    bk_json_write_str(w, BK_LIT("Hello, World!"));
    bk_json_end_object(w);
    return BK_OK;
}

/* GET /slow?ms=N waits on its fiber. */
static bk_err slow(bk_req *req, bk_res *res)
{
    int64_t ms;
    BK_TRY(bk_req_query_i64(req, "ms", 100, 0, 600000, &ms));
    BK_TRY(bk_sleep_ms((uint64_t)ms));
    return bk_res_text(res, 200, BK_LIT("done\n"));
}

/* GET /big?bytes=N streams so many. */
static bk_err big(bk_req *req, bk_res *res)
{
    static char piece[16384];
    int64_t left;
    BK_TRY(bk_req_query_i64(req, "bytes", 1 << 20, 0, INT64_C(1) << 40, &left));
    BK_TRY(bk_res_stream(res, 200, "application/octet-stream", BK_LENGTH_UNKNOWN));
    while (left > 0) {
        size_t len = left < (int64_t)sizeof piece ? (size_t)left : sizeof piece;
        BK_TRY(bk_res_write(res, bk_str_at(piece, len)));
        left -= (int64_t)len;
    }
    return BK_OK;
}

struct echo {
    bk_str name;
    double price;
    bk_str note;
    bool ok, has_ok;
};

BK_DESCRIBE(echo_desc, struct echo, BK_STR(name, BK_REQUIRED, BK_LEN(1, 200)),
            BK_F64(price, BK_REQUIRED, BK_MIN(0)), BK_STR(note), BK_BOOL(ok, BK_HAS(has_ok)))

static bk_err echo(bk_req *req, bk_res *res)
{
    struct echo in;
    BK_TRY(bk_req_bind(req, echo_desc, &in));
    return bk_res_object(res, 201, echo_desc, &in);
}

struct mail {
    int64_t user_id;
    bk_str template, to;
};

BK_DESCRIBE(mail_desc, struct mail, BK_I64(user_id, BK_REQUIRED), BK_STR(template, BK_REQUIRED),
            BK_STR(to, BK_REQUIRED))

struct added {
    bk_str id;
};

BK_DESCRIBE(added_desc, struct added, BK_STR(id))

/* POST /api/jobs */
static bk_err add_job(bk_req *req, bk_res *res)
{
    bk_queue *queue = bk_req_route_data(req);
    struct mail mail;
    struct added added;

    if (queue == NULL)
        return bk_fail(BK_EUNAVAILABLE, "no Redis is configured");
    BK_TRY(bk_req_bind(req, mail_desc, &mail));
    BK_TRY(bk_jobs_add(queue, "work", mail_desc, &mail, NULL, &added.id));
    return bk_res_object(res, 202, added_desc, &added);
}

static void add_routes(bk_router *router)
{
    bk_get(router, "/plaintext", plaintext);
    bk_get(router, "/json", json);
    bk_get(router, "/slow", slow, &(bk_route_opts){.timeout_ms = BK_UNLIMITED});
    bk_get(router, "/big", big, &(bk_route_opts){.timeout_ms = BK_UNLIMITED});
    bk_post(router, "/echo", echo, &(bk_route_opts){.body = echo_desc, .answer = echo_desc});
}

/* --- workers ---------------------------------------------------------------------------------- */

BK_NORETURN static void die(const char *what)
{
    const bk_error_link *why = bk_error_chain();

    fprintf(stderr, "bench-server: %s: %s\n", what,
            why != NULL ? why->message.ptr : strerror(errno));
    exit(1);
}

/* A worker's share of a service's 5 to 50 connections. */
static bk_pg *make_pool(bk_app *app, const struct settings *settings)
{
    uint32_t workers = (uint32_t)settings->workers;

    if (settings->database == NULL)
        return NULL;
    return bk_pg_new(app, &(bk_pg_opts){
                              .url = bk_str_of(settings->database),
                              .pool = {.min = (5 + workers - 1) / workers,
                                       .max = 50 / workers > 0 ? 50 / workers : 1},
                          });
}

static bk_redis *make_redis(bk_app *app, const struct settings *settings)
{
    if (settings->redis == NULL)
        return NULL;
    return bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(settings->redis)});
}

static void add_jobs_route(bk_app *app, bk_redis *redis)
{
    bk_queue *queue = NULL;

    if (redis != NULL)
        queue = bk_queue_new(app, &(bk_queue_opts){.name = "bench",
                                                   .redis = redis,
                                                   .job = {.keep_completed = {.remove = true}}});
    bk_post(bk_app_router(app), "/api/jobs", add_job,
            &(bk_route_opts){.data = queue, .body = mail_desc, .answer = added_desc});
}

static bk_cache *make_cache(bk_app *app, const struct settings *settings, bk_redis *redis)
{
    if (redis == NULL)
        return NULL;
    return bk_cache_new(app, &(bk_cache_opts){
                                 .redis = redis,
                                 .prefix = "bench:",
                                 .no_l1 = settings->no_l1,
                                 .l1_bytes = (size_t)settings->l1_kib * 1024,
                             });
}

/* What the workers share is made before they are. */
static bk_app *make_app(const struct settings *settings)
{
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "bench"});

    if (!bench_stack_use(app, settings->stack, settings->log))
        die(settings->stack);
    bk_redis *redis = make_redis(app, settings);
    bk_router *signed_in = bench_auth_group(app, settings->secret);
    add_routes(bk_app_router(app));
    add_jobs_route(app, redis);
    bench_realtime_routes(app);
    bench_auth_routes(bk_app_router(app), signed_in);
    bench_db_routes(app, make_pool(app, settings), make_cache(app, settings, redis), signed_in);
    return app;
}

/* Listens on a free port where none is given: the first worker's is the others' too. */
static void listen_on(bk_app *app, struct settings *settings)
{
    bk_listen_opts plain = {.port = settings->port, .reuse_port = true};
    bk_listen_opts tls = {.port = settings->tls_port,
                          .reuse_port = true,
                          .tls_cert = settings->tls_cert,
                          .tls_key = settings->tls_key};

    if (bk_app_listen(app, &plain) != BK_OK)
        die("listen");
    settings->port = bk_app_port(app, 0);
    if (settings->tls_cert == NULL)
        return;
    if (bk_app_listen(app, &tls) != BK_OK)
        die("listen");
    settings->tls_port = bk_app_port(app, 1);
}

static bk_app *running; /* of this worker: for the signal */

static void on_signal(int signal)
{
    (void)signal;
    bk_app_stop(running);
}

/* A worker: tells its ports through @p told once it listens, and runs until it is told to stop or
 * its parent has gone. */
static int work(bk_app *app, struct settings *settings, int told)
{
    struct sigaction stop = {.sa_handler = on_signal};
    sigset_t none;

    listen_on(app, settings);
    running = app;
    sigaction(SIGTERM, &stop, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    uint16_t ports[2] = {settings->port, settings->tls_port};
    if (write(told, ports, sizeof ports) != sizeof ports)
        die("write");
    close(told);
    bk_err err = bk_app_run(app);
    bk_app_free(app);
    return err != BK_OK;
}

/* Forks one and waits until it listens. */
static pid_t start_worker(bk_app *app, struct settings *settings)
{
    uint16_t ports[2];
    int told[2];
    pid_t worker;

    if (pipe(told) != 0 || (worker = fork()) < 0)
        die("fork");
    if (worker == 0) {
        close(told[0]);
        exit(work(app, settings, told[1]));
    }
    close(told[1]);
    if (read(told[0], ports, sizeof ports) != sizeof ports)
        exit(1); /* it has said why */
    close(told[0]);
    settings->port = ports[0];
    settings->tls_port = ports[1];
    return worker;
}

/* --- settings --------------------------------------------------------------------------------- */

static int number(const char *text, int max)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || *end != '\0' || value < 0 || value > max) {
        fprintf(stderr, "bench-server: %s is no number from 0 to %d\n", text, max);
        exit(2);
    }
    return (int)value;
}

static struct settings read_settings(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},     {"workers", required_argument, NULL, 'w'},
        {"tls-port", required_argument, NULL, 't'}, {"tls-cert", required_argument, NULL, 'c'},
        {"tls-key", required_argument, NULL, 'k'},  {"no-l1", no_argument, NULL, 'n'},
        {"l1-kib", required_argument, NULL, 'l'},   {"stack", required_argument, NULL, 's'},
        {"log", required_argument, NULL, 'g'},      {NULL, 0, NULL, 0},
    };
    struct settings settings = {.port = 8080,
                                .stack = "none",
                                .log = "/dev/null",
                                .workers = 1,
                                .database = getenv("DATABASE_URL"),
                                .redis = getenv("REDIS_URL"),
                                .secret = getenv("JWT_SECRET")};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            settings.port = (uint16_t)number(optarg, 65535);
            break;
        case 'w':
            settings.workers = number(optarg, WORKERS_MAX);
            break;
        case 't':
            settings.tls_port = (uint16_t)number(optarg, 65535);
            break;
        case 'c':
            settings.tls_cert = optarg;
            break;
        case 'k':
            settings.tls_key = optarg;
            break;
        case 'n':
            settings.no_l1 = true;
            break;
        case 's':
            settings.stack = optarg;
            break;
        case 'g':
            settings.log = optarg;
            break;
        case 'l':
            settings.l1_kib = number(optarg, 1 << 30);
            break;
        default:
            exit(2);
        }
    }
    return settings;
}

int main(int argc, char **argv)
{
    struct settings settings = read_settings(argc, argv);
    pid_t workers[WORKERS_MAX];
    struct rlimit files;
    sigset_t stop;
    int signal, status = 0;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    bk_app *app = make_app(&settings);
    for (int i = 0; i < settings.workers; i++)
        workers[i] = start_worker(app, &settings);
    printf("listening on http://127.0.0.1:%u\n", settings.port);
    if (settings.tls_cert != NULL)
        printf("listening on https://127.0.0.1:%u\n", settings.tls_port);
    fflush(stdout);
    sigwait(&stop, &signal);
    for (int i = 0; i < settings.workers; i++)
        kill(workers[i], SIGTERM);
    for (int i = 0; i < settings.workers; i++) {
        int ended;
        waitpid(workers[i], &ended, 0);
        status |= ended != 0;
    }
    bk_app_free(app);
    return status;
}
