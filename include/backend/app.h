/**
 * @file backend/app.h
 * @brief An application: its router, listeners, limits and life.
 *
 * The comfortable way is bk_app_main(), which reads the command line, handles signals and serves:
 *
 * @code
 * int main(int argc, char **argv)
 * {
 *     bk_app *app = bk_app_new(NULL);
 *     bk_get(bk_app_router(app), "/", hello);
 *     return bk_app_main(app, argc, argv);
 * }
 * @endcode
 *
 * A host program that has its own main runs an app on a thread of its own instead: bk_app_listen(),
 * bk_app_run() on that thread, bk_app_stop() from any. No signal handler is touched, nothing is
 * forked, nothing is global: several apps can live side by side, each on its own thread.
 */
#ifndef BACKEND_APP_H
#define BACKEND_APP_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/loop.h>
#include <backend/router.h>

BK_BEGIN_DECLS

/** Makes what the handlers of this worker share (pools, caches). Runs on a fiber before the first
 *  request. An error stops the app. @param state  Receives what bk_req_state() returns. */
typedef bk_err (*bk_worker_start_fn)(bk_app *app, void *data, void **state);

/** Takes it down again, after the last request and every other fiber of the app have ended. Runs on
 * a fiber. */
typedef void (*bk_worker_stop_fn)(bk_app *app, void *state);

/** Limits. Zero means the default; BK_UNLIMITED switches one off. */
typedef struct bk_limits {
    uint32_t body_bytes;   /**< A request's body. Default 10 MiB. 413. */
    uint32_t bodies_bytes; /**< Bodies being held, all requests together. Default 64 MiB. 503. */
    uint32_t header_bytes; /**< Names and values together. Default 32 KiB. 431. */
    uint32_t header_count; /**< Default 100. 431. */
    uint32_t target_bytes; /**< The request target. Default 8 KiB. 414. */
    uint32_t connections;  /**< Open at a time. Default 50,000. 503 and close beyond. */
    uint32_t connections_per_client;  /**< Of one IPv4 address or IPv6 /64. Default 20,000. 503 and
                                         close. */
    uint32_t requests_per_connection; /**< Then it is closed. Default: no limit. */
    uint32_t fibers;          /**< Requests and tasks at a time. Default 20,000. 503 beyond. */
    uint32_t offload_threads; /**< Default 4. */
    uint32_t offload_queue;   /**< Waiting for a thread. Default 1,000. */
} bk_limits;

/** Timeouts in milliseconds. Zero means the default; BK_UNLIMITED switches one off. */
typedef struct bk_timeouts {
    uint32_t head_ms;    /**< From its first byte to a whole request head. Default 10 s. 408. */
    uint32_t body_ms;    /**< Without progress in a body. Default 10 s. 408. */
    uint32_t idle_ms;    /**< Between requests of a connection. Default 75 s. */
    uint32_t handler_ms; /**< A handler, its middleware included. Default 30 s. 504. */
    uint32_t write_ms;   /**< Without progress in a response. Default 30 s; then it is cut. */
    uint32_t drain_ms;   /**< bk_app_stop(): for requests that run. Default 25 s. */
} bk_timeouts;

/** Settings of an app. Zero means default. */
typedef struct bk_app_opts {
    const char        *name;            /**< For logs. Default "app". */
    bk_worker_start_fn on_worker_start; /**< May be NULL. */
    bk_worker_stop_fn  on_worker_stop;  /**< May be NULL. */
    void              *data;            /**< For on_worker_start; bk_app_data(). Without
                                             on_worker_start also bk_req_state(). */
    bk_limits          limits;          /**< Each of its fields has a default. */
    bk_timeouts        timeouts;        /**< Likewise. */
    const char *const *trusted_proxies; /**< Networks whose forwarding headers and X-Request-Id
                                             are believed: "10.0.0.0/8", "::1", "unix". Ends with
                                           NULL. Default none. */
    bool forwarded;          /**< Trusted proxies set Forwarded (RFC 7239). Default: they set
                                  X-Forwarded-For, -Proto and -Host. The other kind is never
                                  believed: a proxy passes on what a client made up. */
    bk_str secret;           /**< Signs cookies; at least 32 bytes. Default: signing is
                                  refused. Copied. */
    bool no_etag;            /**< Make no ETags by itself. */
    bool half_close_is_gone; /**< Take a client that closed its sending side for gone, and
                                  cancel its request. Default: it may still be reading. */
    bool keep_work_of_gone;  /**< Let a request whose client has reset the connection run
                                  on. Default: its waits are cancelled. */
    int invalid_status;      /**< Status of validation failures: 400 (default) or 422. */
    const struct bk_listen_opts *listen; /**< Where bk_app_main() listens. Flags go before it, and
                                              environment variables that are no settings of
                                              bk_config_use(). Borrowed as long as the app. */
} bk_app_opts;

/** Where to listen. Zero means default. */
typedef struct bk_listen_opts {
    const char *host;       /**< A name or address. Default "127.0.0.1". */
    uint16_t    port;       /**< 0 takes a free one: bk_app_port(). */
    const char *unix_path;  /**< A unix socket instead; created with mode 0660, removed at stop. */
    int         fd;         /**< A listening socket to use instead; taken. 0: none. */
    int         backlog;    /**< Default 4096. */
    bool        reuse_port; /**< SO_REUSEPORT: several apps share the port. */
    const char *tls_cert;   /**< PEM file with the chain. With it: TLS, HTTP/2 by ALPN. */
    const char *tls_key;    /**< PEM file. Default: in tls_cert. */
} bk_listen_opts;

/** A new app. Yours: bk_app_free(). Wrong options stop the program with words.
 *  @param opts  May be NULL; copied, but for what its fields say. @threads Any. */
BK_API BK_NODISCARD bk_app *bk_app_new(const bk_app_opts *opts);

/** Frees an app that is not running. NULL is fine. */
BK_API void bk_app_free(bk_app *app);

/** The app's own router. Its middleware runs for every request. Register all before the app runs.
 */
BK_API bk_router *bk_app_router(bk_app *app);

/** bk_app_opts.data. */
BK_API void *bk_app_data(const bk_app *app);

/** Whether the app, or the service that this worker belongs to, is on its way out: readiness should
 *  say no. @threads Any. */
BK_API bool bk_app_draining(const bk_app *app);
/** Opens a socket; connections are taken once the app runs. Before bk_app_run(). Several are fine.
 *  @return BK_OK; BK_EIO with a chain that says which address, certificate or file, and why. */
BK_API BK_NODISCARD bk_err bk_app_listen(bk_app *app, const bk_listen_opts *opts);

/** The port of the @p index th listener; 0 if it has none. @threads Any. */
BK_API uint16_t bk_app_port(const bk_app *app, size_t index);

/**
 * Runs the app on the calling thread until bk_app_stop(). SIGPIPE is blocked on that thread.
 *
 * @return BK_OK after a clean stop; what on_worker_start or the start of a part (backend/loop.h)
 *         returned; BK_EINVAL for a wrong setup.
 */
BK_API BK_NODISCARD bk_err bk_app_run(bk_app *app);

/** Stops a running app: no new connections, running requests finish (up to timeouts.drain_ms, then
 *  they are cancelled), then bk_app_run() returns. Twice is as once. @threads Any; also from a
 * signal handler. */
BK_API void bk_app_stop(bk_app *app);

/** A subcommand of the program. @param argv  argv[0] is its name; argv[argc] is NULL.
 *  @return The exit status: 0 done, 1 failed, 2 for a wrong command line. */
typedef int (*bk_command_fn)(bk_app *app, int argc, char **argv, void *data);

/**
 * Adds a subcommand to those of bk_app_main(), before that is called: `PROGRAM name ...` runs @p fn
 * on no fiber, with nothing started. What needs a pool or waits goes through bk_app_call().
 *
 * @param name  Not one of bk_app_main()'s own, and new. Borrowed.
 * @param help  One line for `--help`. Borrowed.
 */
BK_API void bk_app_command(bk_app *app, const char *name, const char *help, bk_command_fn fn,
                           void *data);

/**
 * For subcommands: starts the app's parts (pools, Redis, caches; not on_worker_start), runs
 * `fn(data)` on a fiber, and stops them again. Nothing is listened on. The app must not be running.
 *
 * @param name  For logs. Borrowed.
 * @return What @p fn returned, with its chain; what the start of a part returned.
 */
BK_API BK_NODISCARD bk_err bk_app_call(bk_app *app, const char *name, bk_err (*fn)(void *data),
                                       void *data);

/**
 * The whole life of a program: reads the command line, listens, handles SIGINT and SIGTERM, reports
 * crashes with fiber, route and request id, and runs a supervisor with its workers
 * (backend/cluster.h) or, with `--single`, the app alone.
 *
 * Subcommands: `serve` (default) with `--host`, `--port`, `--unix`, `--tls-cert`, `--tls-key`,
 * which also come from the environment (HOST, PORT, TLS_CERT, TLS_KEY); `routes` lists the routes;
 * `migrate`; `status`, `reload`, `upgrade`, `scale`, `logs` and `stop` for the running service;
 * `doctor`; those of bk_app_command(); `--help`. Each listener's URL is printed on standard output.
 * The log's settings come from the environment as well (backend/log.h).
 *
 * @param app  Taken: it is freed in the end.
 * @return What main() should: 0 after a clean stop, 1 for a failure, 2 for a wrong command line.
 */
BK_API int bk_app_main(bk_app *app, int argc, char **argv);

BK_END_DECLS

#endif
