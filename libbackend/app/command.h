/*
 * command.h: the subcommands of a program: the library's own and the app's.
 */
#ifndef BK_APP_COMMAND_H
#define BK_APP_COMMAND_H

#include <stdio.h>

#include <backend/app.h>

struct bk__command {
    const char *name;
    const char *help; /* one line */
    bk_command_fn fn;
    void *data;
};

/* The library's own; ends with one whose name is NULL. */
extern const struct bk__command bk__own_commands[];

/* NULL: there is none of this name. */
const struct bk__command *bk__command_find(const bk_app *app, const char *name);

/* One line for each. */
void bk__commands_print(const bk_app *app, FILE *out);

/* Frees those of the app. */
void bk__commands_free(bk_app *app);

/* Prints what the program can do. Returns @p status. */
int bk__help(const bk_app *app, FILE *out, int status);

/* Says what failed, with its causes, on standard error. Returns 1: the exit status. */
int bk__command_failed(const char *what);

#endif
