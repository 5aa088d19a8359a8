/*
 * main.c: bk_app_main(): the whole life of a program. See <backend/app.h>.
 *
 * The one place in the library that takes the process over: signals, file limit, standard output.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <backend/log.h>

#include "app/app.h"
#include "app/crash.h"
#include "app/main_log.h"
#include "app/main_migrate.h"
#include "core/assert.h"
#include "http/listener.h"

/* The app that SIGINT and SIGTERM stop; NULL: none. A signal handler has no other way to know. */
static bk_app *volatile stopped_by_signal;

static void on_stop_signal(int number)
{
    bk_app *app = stopped_by_signal;

    (void)number;
    if (app != NULL)
        bk_app_stop(app);
}

static void on_reopen_signal(int number)
{
    (void)number;
    (void)bk_log_reopen();
}

static void catch_signals(bk_app *app)
{
    struct sigaction action = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};

    stopped_by_signal = app;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = on_reopen_signal;
    sigaction(SIGUSR1, &action, NULL);
}

static void raise_file_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int help(const bk_app *app, FILE *out, int status)
{
    fprintf(out,
            "%s: a service built on libbackend\n"
            "\n"
            "usage: PROGRAM [serve] [options]    serve HTTP until SIGINT or SIGTERM\n"
            "       PROGRAM routes               list the routes\n"
            "       PROGRAM migrate ...          SQL migrations; \"migrate --help\" says more\n"
            "       PROGRAM --help\n"
            "\n"
            "options of serve, with the environment variable that sets the same:\n"
            "  --host NAME       where to listen (HOST; default 127.0.0.1)\n"
            "  --port N          0 takes a free one (PORT; default 8080)\n"
            "  --unix PATH       a unix socket instead\n"
            "  --tls-cert FILE   PEM with the certificate chain: HTTPS, HTTP/2 by ALPN (TLS_CERT)\n"
            "  --tls-key FILE    PEM with the key (TLS_KEY; default: in the certificate's file)\n"
            "\n"
            "environment, for the log: LOG_LEVEL (info, or info,pg=debug), LOG_FORMAT (json, pretty),\n"
            "LOG_FILE (opened anew at SIGUSR1), LOG_REDACT (paths of fields, with commas)\n",
            app->name);
    return status;
}

static int fail(const char *what)
{
    const bk_error_link *why = bk_error_chain();

    fprintf(stderr, "%s: %s\n", what, why != NULL ? why->message.ptr : "failed");
    return 1;
}

static bool read_port(const char *text, uint16_t *out)
{
    char *end;

    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > 65535)
        return false;
    *out = (uint16_t)value;
    return true;
}

static void print_urls(const bk_app *app)
{
    for (const struct bk__listener *it = app->server.listeners; it != NULL; it = it->next) {
        if (it->unix_path != NULL)
            printf("listening on unix:%s\n", it->unix_path);
        else
            printf("listening on %s://%s:%u\n", it->tls != NULL ? "https" : "http", it->host,
                   it->port);
    }
    fflush(stdout);
}

/* The command line, over the environment. Returns -1 when there is nothing more to say than to
 * serve. */
static int read_options(bk_app *app, int argc, char **argv, bk_listen_opts *opts)
{
    static const struct option options[] = {
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"unix", required_argument, NULL, 'u'},
        {"tls-cert", required_argument, NULL, 'c'},
        {"tls-key", required_argument, NULL, 'k'},
        {"help", no_argument, NULL, '?' + 128},
        {NULL, 0, NULL, 0},
    };
    const char *port = getenv("PORT");
    int option;

    opts->host = getenv("HOST");
    opts->tls_cert = getenv("TLS_CERT");
    opts->tls_key = getenv("TLS_KEY");
    optind = 0; /* glibc: begin anew, whatever was parsed before */
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            opts->host = optarg;
            break;
        case 'p':
            port = optarg;
            break;
        case 'u':
            opts->unix_path = optarg;
            break;
        case 'c':
            opts->tls_cert = optarg;
            break;
        case 'k':
            opts->tls_key = optarg;
            break;
        case '?' + 128:
            return help(app, stdout, 0);
        default:
            return help(app, stderr, 2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "unexpected argument: %s\n", argv[optind]);
        return help(app, stderr, 2);
    }
    if (!read_port(port != NULL ? port : "8080", &opts->port)) {
        fprintf(stderr, "no port: %s (0 to 65535)\n", port);
        return 2;
    }
    return -1;
}

static int serve(bk_app *app, int argc, char **argv)
{
    bk_listen_opts opts = {0};
    int status = read_options(app, argc, argv, &opts);

    if (status >= 0)
        return status;
    raise_file_limit();
    bk__crash_install();
    if (app->server.listeners == NULL && bk_app_listen(app, &opts) != BK_OK)
        return fail(app->name);
    catch_signals(app);
    print_urls(app);
    bk_err err = bk_app_run(app);
    stopped_by_signal = NULL; /* one more signal finds nothing left to stop */
    return err == BK_OK ? 0 : fail(app->name);
}

static void print_route(const bk_route_info *route, void *data)
{
    (void)data;
    printf("%-7s  %-40s  %s:%d\n", bk_method_name(route->method), route->pattern, route->file,
           route->line);
}

int bk_app_main(bk_app *app, int argc, char **argv)
{
    const char *command = argc > 1 && argv[1][0] != '-' ? argv[1] : "serve";
    bool named = argc > 1 && argv[1][0] != '-';
    int status;

    if (bk__main_log() != BK_OK) {
        status = fail(app->name);
    } else if (strcmp(command, "serve") == 0) {
        status = serve(app, argc - named, argv + named);
    } else if (strcmp(command, "routes") == 0) {
        bk_router_walk(app->router, print_route, NULL);
        status = 0;
    } else if (strcmp(command, "migrate") == 0) {
        status = bk__main_migrate(app, argc - 1, argv + 1);
    } else {
        fprintf(stderr, "unknown command: %s\n", command);
        status = help(app, stderr, 2);
    }
    bk_app_free(app);
    return status;
}
