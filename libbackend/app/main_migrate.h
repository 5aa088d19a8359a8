/*
 * main_migrate.h: the subcommand `migrate` of bk_app_main().
 */
#ifndef BK_APP_MAIN_MIGRATE_H
#define BK_APP_MAIN_MIGRATE_H

#include <stdio.h>

#include <backend/app.h>

/* @p argv begins with "migrate". Returns the exit status of the program. */
int bk__main_migrate(bk_app *app, int argc, char **argv);

#endif
