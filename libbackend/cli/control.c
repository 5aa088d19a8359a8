/*
 * control.c: see control.h.
 */
#include "cli/control.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <backend/arena.h>
#include <backend/json.h>
#include <backend/str.h>

#include "app/app.h"
#include "app/command.h"
#include "cli/table.h"
#include "cluster/control.h"

#define WATCH_MS 1000

struct call {
    bk_app *app;
    const char *name; /* of the command */
    const char *control;
    const char *lines; /* of logs: how many */
    bool json, watch;
    char **words; /* what is no option */
    int word_count;
    bk_arena *arena;
};

/* Where the control socket is asked to be; NULL: nowhere. */
static const char *asked_control(const bk_app *app)
{
    const char *asked = getenv("CONTROL_SOCKET");

    return asked != NULL ? asked : app->cluster.control;
}

/* --- the command line ------------------------------------------------------------------------- */

static int usage(const struct call *call, const char *words, FILE *out, int status)
{
    const char *more = strcmp(call->name, "status") == 0 ? " [--watch]"
                       : strcmp(call->name, "logs") == 0 ? " [--lines N]"
                                                         : "";

    fprintf(out, "usage: PROGRAM %s%s [--control PATH] [--json]%s\n", call->name, words, more);
    return status;
}

static bool is_number(const char *text)
{
    return text[0] != '\0' && strlen(text) < 10 && strspn(text, "0123456789") == strlen(text);
}

/* Which command knows an option that not all know. */
static bool fits(const struct call *call, int option)
{
    if (option == 'w')
        return strcmp(call->name, "status") == 0;
    if (option == 'l')
        return strcmp(call->name, "logs") == 0 && is_number(optarg);
    return option != '?';
}

/* Returns 0 when there is a call to make; else the exit status + 1. @p words  How it takes them. */
static int read_call(struct call *call, const char *words, int argc, char **argv)
{
    static const struct option options[] = {
        {"control", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
        {"watch", no_argument, NULL, 'w'},         {"lines", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int option;

    call->name = argv[0];
    call->lines = "100";
    call->control = asked_control(call->app);
    optind = 0; /* glibc: begin anew, whatever was parsed before */
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            return 1 + usage(call, words, stdout, 0);
        if (!fits(call, option))
            return 1 + usage(call, words, stderr, 2);
        call->json |= option == 'j';
        call->watch |= option == 'w';
        if (option == 'c')
            call->control = optarg;
        if (option == 'l')
            call->lines = optarg;
    }
    call->words = argv + optind;
    call->word_count = argc - optind;
    if ((call->word_count > 0) != (words[0] != '\0'))
        return 1 + usage(call, words, stderr, 2);
    return 0;
}

/* --- the socket ------------------------------------------------------------------------------- */

static bk_err connect_to(const struct call *call, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[BK__CONTROL_PATH];

    BK_TRY(bk__control_path(call->app->name, call->control, false, path));
    memcpy(address.sun_path, path, sizeof path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        *out = fd;
        return BK_OK;
    }
    bk_err err = bk_fail(BK_EIO, "no service listens on %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return err;
}

bool bk__cli_service_runs(bk_app *app)
{
    const struct call call = {.app = app, .control = asked_control(app)};
    int fd = -1;

    if (connect_to(&call, &fd) != BK_OK) {
        bk_error_clear();
        return false;
    }
    close(fd);
    return true;
}

/* Sends one line and reads the one that answers. Both have their newline. */
static bk_err exchange(const struct call *call, int fd, bk_str request, bk_str *answer)
{
    bk_buf buf = {.arena = call->arena};
    char piece[2048];
    ssize_t got;

    if (send(fd, request.ptr, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
        return bk_fail(BK_EIO, "the service does not listen: %s", strerror(errno));
    while ((got = recv(fd, piece, sizeof piece, 0)) > 0) {
        bk_buf_add(&buf, bk_str_at(piece, (size_t)got));
        if (piece[got - 1] == '\n') {
            *answer = bk_buf_str(&buf);
            return BK_OK;
        }
    }
    return bk_fail(BK_ECLOSED, "the service ended before it answered");
}

static bk_err ask(const struct call *call, int fd, bk_str request, bk_str *text, bk_json **answer)
{
    BK_TRY(exchange(call, fd, request, text));
    BK_TRY(bk_json_parse(call->arena, *text, NULL, answer));
    if (bk_json_bool(bk_json_get(*answer, BK_LIT("ok"))))
        return BK_OK;
    bk_str why = bk_json_str(bk_json_get(*answer, BK_LIT("error")));
    return bk_fail(BK_ECONFLICT, "%.*s", (int)why.len, why.ptr);
}

/* Asks once and hands the connection back, for those who want to see its end. */
static int ask_once(struct call *call, bk_str request, bk_json **answer, int *out)
{
    bk_str text = {0};
    int fd = -1;

    if (connect_to(call, &fd) != BK_OK || ask(call, fd, request, &text, answer) != BK_OK) {
        if (fd >= 0)
            close(fd);
        (void)bk__command_failed(call->name);
        return 1;
    }
    if (call->json)
        fwrite(text.ptr, 1, text.len, stdout);
    *out = fd;
    return 0;
}

static bk_str request_of(const struct call *call)
{
    return bk_arena_printf(call->arena, "{\"command\":\"%s\"}\n", call->name);
}

/* --- commands --------------------------------------------------------------------------------- */

static int show_status(struct call *call)
{
    bk_json *status;
    int fd, failed = ask_once(call, request_of(call), &status, &fd);

    if (failed != 0)
        return failed;
    close(fd);
    if (!call->json)
        bk__table_print(stdout, status, NULL, 0);
    return 0;
}

/* Until the service ends or the user does. The arena of the status before is kept for one round. */
static int watch_status(struct call *call)
{
    bk_arena *before_arena = NULL;
    bk_json *before = NULL, *status;
    bool on_terminal = isatty(STDOUT_FILENO);

    for (;;) {
        int fd, failed = ask_once(call, request_of(call), &status, &fd);
        if (failed != 0)
            break;
        close(fd);
        if (on_terminal && !call->json)
            fputs("\033[H\033[J", stdout);
        if (!call->json)
            bk__table_print(stdout, status, before, WATCH_MS);
        fflush(stdout);
        bk_arena_free(before_arena);
        before_arena = call->arena;
        before = status;
        call->arena = bk_arena_new();
        nanosleep(&(struct timespec){.tv_sec = WATCH_MS / 1000}, NULL);
    }
    bk_arena_free(before_arena);
    return 1;
}

static int with_call(bk_app *app, const char *words, int argc, char **argv,
                     int (*run)(struct call *call))
{
    struct call call = {.app = app, .arena = bk_arena_new()};
    int status = read_call(&call, words, argc, argv) - 1;

    if (status < 0)
        status = run(&call);
    bk_arena_free(call.arena);
    return status;
}

static int run_status(struct call *call)
{
    return call->watch ? watch_status(call) : show_status(call);
}

static int run_plain(struct call *call)
{
    bk_json *answer;
    int fd, failed = ask_once(call, request_of(call), &answer, &fd);

    if (failed != 0)
        return failed;
    close(fd);
    if (!call->json)
        puts("done");
    return 0;
}

/* "web=4 job=1 reports=2" */
static bool put_words(const struct call *call, bk_buf *buf)
{
    for (int i = 0; i < call->word_count; i++) {
        char role[BK__ROLE_NAME + 1], rest;
        unsigned count;
        if (sscanf(call->words[i], "%16[a-z0-9]=%u%c", role, &count, &rest) != 2)
            return false;
        bk_buf_printf(buf, ",\"%s\":%u", role, count);
    }
    return true;
}

static int run_scale(struct call *call)
{
    bk_buf buf = {.arena = call->arena};
    bk_json *answer;
    int fd;

    bk_buf_add(&buf, BK_LIT("{\"command\":\"scale\""));
    if (!put_words(call, &buf))
        return usage(call, " web=N [job=N] [ROLE=N]", stderr, 2);
    bk_buf_add(&buf, BK_LIT("}\n"));
    int failed = ask_once(call, bk_buf_str(&buf), &answer, &fd);
    if (failed != 0)
        return failed;
    close(fd);
    if (!call->json)
        puts("done");
    return 0;
}

static int run_logs(struct call *call)
{
    bk_json *answer;
    bk_buf buf = {.arena = call->arena};
    bool json = call->json;
    int fd;

    call->json = false; /* they are JSON anyway: one to a line, or all in an array */
    bk_buf_printf(&buf, "{\"command\":\"logs\",\"lines\":%s}\n", call->lines);
    int failed = ask_once(call, bk_buf_str(&buf), &answer, &fd);
    if (failed != 0)
        return failed;
    close(fd);
    const bk_json *lines = bk_json_get(answer, BK_LIT("lines"));
    bk_buf text = {.arena = call->arena};
    if (json)
        bk_json_print(&text, lines);
    for (const bk_json *it = bk_json_first(lines); it != NULL && !json; it = bk_json_next(it)) {
        bk_json_print(&text, it);
        bk_buf_add_char(&text, '\n');
    }
    printf("%.*s%s", BK_PRI(bk_buf_str(&text)), json ? "\n" : "");
    return 0;
}

/* The supervisor closes the connection with its last breath. */
static int run_stop(struct call *call)
{
    bk_json *answer;
    char byte;
    int fd, failed = ask_once(call, request_of(call), &answer, &fd);

    if (failed != 0)
        return failed;
    while (recv(fd, &byte, 1, 0) > 0)
        continue;
    close(fd);
    if (!call->json)
        puts("stopped");
    return 0;
}

int bk__cli_status(bk_app *app, int argc, char **argv, void *data)
{
    (void)data;
    return with_call(app, "", argc, argv, run_status);
}

int bk__cli_reload(bk_app *app, int argc, char **argv, void *data)
{
    (void)data;
    return with_call(app, "", argc, argv, run_plain);
}

int bk__cli_upgrade(bk_app *app, int argc, char **argv, void *data)
{
    (void)data;
    return with_call(app, "", argc, argv, run_plain);
}

int bk__cli_scale(bk_app *app, int argc, char **argv, void *data)
{
    (void)data;
    return with_call(app, " web=N [job=N] [ROLE=N]", argc, argv, run_scale);
}

int bk__cli_logs(bk_app *app, int argc, char **argv, void *data)
{
    (void)data;
    return with_call(app, "", argc, argv, run_logs);
}

int bk__cli_stop(bk_app *app, int argc, char **argv, void *data)
{
    (void)data;
    return with_call(app, "", argc, argv, run_stop);
}
