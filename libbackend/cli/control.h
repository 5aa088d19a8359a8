/*
 * control.h: the subcommands that speak with a running supervisor, through its control socket.
 * All of them know `--control PATH` and `--json`, which prints its answer as it is.
 */
#ifndef BK_CLI_CONTROL_H
#define BK_CLI_CONTROL_H

#include <backend/app.h>

/* Each a bk_command_fn. */
int bk__cli_status(bk_app *app, int argc, char **argv, void *data);
int bk__cli_reload(bk_app *app, int argc, char **argv, void *data);
int bk__cli_upgrade(bk_app *app, int argc, char **argv, void *data);
int bk__cli_scale(bk_app *app, int argc, char **argv, void *data);
int bk__cli_logs(bk_app *app, int argc, char **argv, void *data);
int bk__cli_stop(bk_app *app, int argc, char **argv, void *data);

/* True when a supervisor of this service runs: its control socket takes a connection. */
bool bk__cli_service_runs(bk_app *app);

#endif
