/*
 * serve.h: the subcommand `serve` of bk_app_main().
 */
#ifndef BK_CLI_SERVE_H
#define BK_CLI_SERVE_H

#include <stdio.h>

#include <backend/app.h>

/* A bk_command_fn. */
int bk__serve(bk_app *app, int argc, char **argv, void *data);

/* Opens the sockets that the environment asks for. False, with a chain, when one cannot be. */
bool bk__serve_listen(bk_app *app);

/* Its options, one a line. */
void bk__serve_help(FILE *out);

#endif
