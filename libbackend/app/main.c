/*
 * main.c: bk_app_main(): a program's subcommands. See <backend/app.h>.
 */
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/command.h"
#include "app/config.h"
#include "app/main_log.h"
#include "app/main_migrate.h"
#include "cli/control.h"
#include "cli/doctor.h"
#include "cli/serve.h"

int bk__help(const bk_app *app, FILE *out, int status)
{
    fprintf(out,
            "%s: a service built on libbackend\n"
            "\n"
            "usage: PROGRAM [COMMAND] [OPTION...]\n"
            "\n"
            "commands:\n",
            app->name);
    bk__commands_print(app, out);
    fputs("\n", out);
    bk__serve_help(out);
    fputs(
        "\n"
        "environment, for the log: LOG_LEVEL (info, or info,pg=debug), LOG_FORMAT (json, pretty),\n"
        "LOG_FILE (opened anew at SIGUSR1), LOG_REDACT (paths of fields, with commas)\n",
        out);
    bk__config_print_help(app->config, out);
    return status;
}

static void print_route(const bk_route_info *route, void *data)
{
    (void)data;
    printf("%-7s  %-40s  %s:%d\n", bk_method_name(route->method), route->pattern, route->file,
           route->line);
}

static int routes(bk_app *app, int argc, char **argv, void *data)
{
    (void)argc, (void)argv, (void)data;
    bk_router_walk(app->router, print_route, NULL);
    return 0;
}

static int migrate(bk_app *app, int argc, char **argv, void *data)
{
    (void)data;
    return bk__main_migrate(app, argc, argv);
}

const struct bk__command bk__own_commands[] = {
    {"serve", "serve HTTP until SIGINT or SIGTERM (what is done without a command)", bk__serve,
     NULL},
    {"routes", "list the routes", routes, NULL},
    {"migrate", "SQL migrations; \"migrate --help\" says more", migrate, NULL},
    {"status", "the workers of the running service (--json, --watch)", bk__cli_status, NULL},
    {"reload", "replace all workers, one by one", bk__cli_reload, NULL},
    {"upgrade", "start the executable anew and hand over to it", bk__cli_upgrade, NULL},
    {"scale", "change the number of workers: scale web=4 job=1", bk__cli_scale, NULL},
    {"logs", "the last log lines of all workers (--lines N)", bk__cli_logs, NULL},
    {"stop", "stop the service and wait for its end", bk__cli_stop, NULL},
    {"doctor", "what of this machine would hold the service back", bk__cli_doctor, NULL},
    {NULL, NULL, NULL, NULL},
};

int bk_app_main(bk_app *app, int argc, char **argv)
{
    bool named = argc > 1 && argv[1][0] != '-';
    const struct bk__command *command = bk__command_find(app, named ? argv[1] : "serve");
    int status;

    app->argv = argv;
    if (bk__main_log() != BK_OK) {
        status = bk__command_failed(app->name);
    } else if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        status = bk__help(app, stdout, 0);
    } else if (command != NULL) {
        status = command->fn(app, argc - named, argv + named, command->data);
    } else {
        fprintf(stderr, "unknown command: %s\n", argv[1]);
        status = bk__help(app, stderr, 2);
    }
    bk_app_free(app);
    return status;
}
