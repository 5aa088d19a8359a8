/*
 * doctor.h: the subcommand `doctor`: what of this machine would hold the service back.
 */
#ifndef BK_CLI_DOCTOR_H
#define BK_CLI_DOCTOR_H

#include <backend/app.h>

/* A bk_command_fn. Exit status 1 where something will not work. */
int bk__cli_doctor(bk_app *app, int argc, char **argv, void *data);

#endif
