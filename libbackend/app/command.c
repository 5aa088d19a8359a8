/*
 * command.c: keeping and finding subcommands, and running their work on a fiber. See command.h.
 */
#include "app/command.h"

#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/step.h"
#include "core/assert.h"
#include "core/list.h"
#include "core/task.h"

struct added {
    struct bk__link link; /* in bk_app.commands */
    struct bk__command command;
};

static const struct bk__command *find_own(const char *name)
{
    for (const struct bk__command *it = bk__own_commands; it->name != NULL; it++)
        if (strcmp(it->name, name) == 0)
            return it;
    return NULL;
}

const struct bk__command *bk__command_find(const bk_app *app, const char *name)
{
    bk__list_each(it, &app->commands) {
        const struct added *added = bk__container_of(it, struct added, link);
        if (strcmp(added->command.name, name) == 0)
            return &added->command;
    }
    return find_own(name);
}

void bk_app_command(bk_app *app, const char *name, const char *help, bk_command_fn fn, void *data)
{
    if (name[0] == '\0' || name[0] == '-')
        bk__setup_error("bk_app_command", 0, "\"%s\" is no name for a command", name);
    if (bk__command_find(app, name) != NULL)
        bk__setup_error("bk_app_command", 0, "there is a command \"%s\" already", name);
    struct added *added = calloc(1, sizeof *added);
    bk_assert(added != NULL);
    added->command = (struct bk__command){name, help, fn, data};
    bk__list_push(&app->commands, &added->link);
}

static void print(const struct bk__command *command, FILE *out)
{
    fprintf(out, "  %-12s %s\n", command->name, command->help);
}

void bk__commands_print(const bk_app *app, FILE *out)
{
    for (const struct bk__command *it = bk__own_commands; it->name != NULL; it++)
        print(it, out);
    bk__list_each(it, &app->commands)
        print(&bk__container_of(it, struct added, link)->command, out);
}

void bk__commands_free(bk_app *app)
{
    struct bk__link *link;

    while ((link = bk__list_pop(&app->commands)) != NULL)
        free(bk__container_of(link, struct added, link));
}

int bk__command_failed(const char *what)
{
    const bk_error_link *why = bk_error_chain();

    fprintf(stderr, "%s: %s\n", what, why != NULL ? why->message.ptr : "failed");
    return 1;
}

struct call {
    bk_err (*fn)(void *data);
    void *data;
    bk_err result;
    struct bk__task *caller; /* who is to hear of the errors */
};

static bk_err run(void *data)
{
    struct call *call = data;

    call->result = call->fn(call->data);
    if (call->result != BK_OK)
        bk__task_adopt(call->caller, bk__task_self());
    return BK_OK; /* the caller says it */
}

bk_err bk_app_call(bk_app *app, const char *name, bk_err (*fn)(void *data), void *data)
{
    struct call call = {.fn = fn, .data = data, .caller = bk__task_self()};

    BK_TRY(bk__app_start(app, &(struct bk__app_start_opts){.no_worker = true}));
    (void)!bk__step_run(app->loop, name, run, &call);
    bk__app_finish(app);
    return call.result;
}
