/*
 * control.c: the socket, its clients, their commands. See control.h.
 *
 * The supervisor must not wait for anybody, so a client that does not read what it asked for, or
 * sends a line without end, is dropped.
 */
#include "cluster/control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <backend/arena.h>
#include <backend/json.h>
#include <backend/log.h>
#include <backend/str.h>

#include "cluster/logs.h"
#include "cluster/status.h"
#include "cluster/supervisor.h"
#include "core/assert.h"

#define LINE_BYTES 1024

struct client {
    int fd; /* -1: none */
    enum bk__control_wait waits;
    size_t len;
    char line[LINE_BYTES];
};

struct bk__control {
    int fd;
    char path[BK__CONTROL_PATH];
    struct client clients[BK__CONTROL_CLIENTS];
};

/* --- opening and closing ---------------------------------------------------------------------- */

static int connect_to(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Under another name first: so the file never names a socket that nobody listens on, and one that
 * is left from a run that was killed is replaced in one step. */
static int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (snprintf(address.sun_path, sizeof address.sun_path, "%s.%d", path, (int)getpid()) >=
        (int)sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    unlink(address.sun_path);
    mode_t mask = umask(0177);
    bool is_open = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                   listen(fd, BK__CONTROL_CLIENTS) == 0 && rename(address.sun_path, path) == 0;
    int cause = errno;
    umask(mask);
    if (is_open)
        return fd;
    unlink(address.sun_path);
    close(fd);
    errno = cause;
    return -1;
}

bk_err bk__control_open(const char *path, bool replace, struct bk__control **out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strlen(path) + 1);
    int other = replace ? -1 : connect_to(&address);
    if (other >= 0) {
        close(other);
        return bk_fail(BK_ECONFLICT, "somebody listens on the control socket %s already", path);
    }
    int fd = listen_on(path);
    if (fd < 0)
        return bk_fail(BK_EIO, "cannot open the control socket %s: %s", path, strerror(errno));
    struct bk__control *control = calloc(1, sizeof *control);
    bk_assert(control != NULL);
    control->fd = fd;
    memcpy(control->path, path, strlen(path) + 1);
    for (size_t i = 0; i < BK__CONTROL_CLIENTS; i++)
        control->clients[i].fd = -1;
    *out = control;
    return BK_OK;
}

static void drop(struct client *client)
{
    close(client->fd);
    *client = (struct client){.fd = -1};
}

void bk__control_close(struct bk__control *control, bool remove)
{
    if (control == NULL)
        return;
    for (size_t i = 0; i < BK__CONTROL_CLIENTS; i++)
        if (control->clients[i].fd >= 0)
            drop(&control->clients[i]);
    close(control->fd);
    if (remove)
        unlink(control->path);
    free(control);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct client *client, bk_buf *buf)
{
    bk_buf_add_char(buf, '\n');
    bk_str text = bk_buf_str(buf);
    if (send(client->fd, text.ptr, text.len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)text.len)
        drop(client);
}

/* {"ok":true}, or why not. */
static void answer_done(struct client *client, const char *error)
{
    bk_arena *arena = bk_arena_new();
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};

    bk_json_begin_object(&w);
    bk_json_write_key(&w, BK_LIT("ok"));
    bk_json_write_bool(&w, error == NULL);
    if (error != NULL) {
        bk_json_write_key(&w, BK_LIT("error"));
        bk_json_write_str(&w, bk_str_of(error));
    }
    bk_json_end_object(&w);
    answer(client, &buf);
    bk_arena_free(arena);
}

void bk__control_done(struct bk__control *control, enum bk__control_wait what, const char *error)
{
    for (size_t i = 0; control != NULL && i < BK__CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];
        if (client->fd < 0 || client->waits != what)
            continue;
        client->waits = BK__CONTROL_NOTHING;
        answer_done(client, error);
    }
}

/* --- commands --------------------------------------------------------------------------------- */

static const char *do_status(struct bk__supervisor *s, struct client *client,
                             const bk_json *request)
{
    bk_arena *arena = bk_arena_new();
    bk_buf buf = {.arena = arena};

    (void)request;
    bk__status_write(s, &buf);
    answer(client, &buf);
    bk_arena_free(arena);
    return NULL;
}

static const char *do_logs(struct bk__supervisor *s, struct client *client, const bk_json *request)
{
    const bk_json *value = bk_json_get(request, BK_LIT("lines"));
    int64_t count = 100;

    if (value != NULL && (bk_json_i64(value, &count) != BK_OK || count < 1))
        return "\"lines\" is how many are wanted";
    bk_arena *arena = bk_arena_new();
    bk_buf buf = {.arena = arena};
    bk__logs_write(s->board, (size_t)count, &buf);
    answer(client, &buf);
    bk_arena_free(arena);
    return NULL;
}

static const char *do_reload(struct bk__supervisor *s, struct client *client,
                             const bk_json *request)
{
    (void)request;
    client->waits = BK__CONTROL_RELOAD;
    bk__reload(s);
    return NULL;
}

static const char *do_upgrade(struct bk__supervisor *s, struct client *client,
                              const bk_json *request)
{
    (void)request;
    client->waits = BK__CONTROL_UPGRADE;
    bk__upgrade(s);
    return NULL;
}

/* The command, and how many of some roles. */
static bool read_wanted(const struct bk__supervisor *s, const bk_json *request,
                        unsigned wanted[BK__ROLES])
{
    int64_t total = 0;
    size_t members = 0, known = 1;

    for (const bk_json *it = bk_json_first(request); it != NULL; it = bk_json_next(it))
        members++;
    for (enum bk__worker_role role = 0; role < bk__role_count(s); role++) {
        const bk_json *value = bk_json_get(request, bk_str_of(bk__role_name(s, role)));
        int64_t number = wanted[role];
        if (value != NULL && (bk_json_i64(value, &number) != BK_OK || number < 0 ||
                              number > (int64_t)BK__WORKERS_MAX))
            return false;
        known += value != NULL;
        total += number;
        wanted[role] = (unsigned)number;
    }
    return known == members && known > 1 && total > 0 && total <= (int64_t)BK__WORKERS_MAX;
}

static const char *do_scale(struct bk__supervisor *s, struct client *client, const bk_json *request)
{
    unsigned wanted[BK__ROLES];

    memcpy(wanted, s->plan.wanted, sizeof wanted);
    if (!read_wanted(s, request, wanted))
        return "how many \"web\" or \"job\" workers, or of another role? From 1 to 31 together";
    memcpy(s->plan.wanted, wanted, sizeof wanted);
    if (s->opts.reload_at_once)
        s->plan.spare = bk__plan_wanted(&s->plan);
    bk_info("cluster.scaling", bk_kv_i64("web", wanted[BK__WEB]), bk_kv_i64("job", wanted[BK__JOB]),
            bk_kv_i64("all", bk__plan_wanted(&s->plan)));
    return do_reload(s, client, request); /* so that each has its new share */
}

static const char *do_stop(struct bk__supervisor *s, struct client *client, const bk_json *request)
{
    (void)request;
    answer_done(client, NULL);
    kill(getpid(), SIGTERM); /* the one way to stop */
    (void)s;
    return NULL;
}

static const struct command {
    const char *name;
    /* Answers, or lets the client wait. Returns what is wrong; NULL: nothing. */
    const char *(*run)(struct bk__supervisor *s, struct client *client, const bk_json *request);
    bool changes; /* it makes no sense while the service stops */
} commands[] = {
    {"status", do_status, false},  {"logs", do_logs, false},  {"reload", do_reload, true},
    {"upgrade", do_upgrade, true}, {"scale", do_scale, true}, {"stop", do_stop, false},
};

static const char *obey(struct bk__supervisor *s, struct client *client, const bk_json *request)
{
    bk_str name = bk_json_str(bk_json_get(request, BK_LIT("command")));

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!bk_str_eq(name, bk_str_of(commands[i].name)))
            continue;
        if (commands[i].changes && s->phase != BK__RUNNING)
            return "the service is about to stop";
        return commands[i].run(s, client, request);
    }
    return "there is no such command";
}

static void take_line(struct bk__supervisor *s, struct client *client, size_t len)
{
    bk_arena *arena = bk_arena_new();
    bk_json *request = NULL;
    const char *error;

    if (bk_json_parse(arena, bk_str_at(client->line, len), NULL, &request) == BK_OK)
        error = obey(s, client, request);
    else
        error = "a command is a line of JSON";
    if (error != NULL) {
        client->waits = BK__CONTROL_NOTHING;
        answer_done(client, error);
    }
    bk_arena_free(arena);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void receive(struct bk__control *control, struct bk__supervisor *s, struct client *client)
{
    ssize_t got = recv(client->fd, client->line + client->len, LINE_BYTES - client->len, 0);
    char *end;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        drop(client);
        return;
    }
    client->len += (size_t)got;
    while ((end = memchr(client->line, '\n', client->len)) != NULL) {
        size_t len = (size_t)(end - client->line);
        take_line(s, client, len);
        if (s->control != control || client->fd < 0)
            return; /* closed meanwhile */
        client->len -= len + 1;
        memmove(client->line, end + 1, client->len);
    }
    if (client->len == LINE_BYTES)
        drop(client);
}

static void welcome(struct bk__control *control)
{
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    for (size_t i = 0; i < BK__CONTROL_CLIENTS; i++)
        if (control->clients[i].fd < 0) {
            control->clients[i] = (struct client){.fd = fd};
            return;
        }
    close(fd);
}

void bk__control_watch(const struct bk__control *control, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = control != NULL ? control->fd : -1, .events = POLLIN};
    for (size_t i = 0; i < BK__CONTROL_CLIENTS; i++)
        fds[1 + i] =
            (struct pollfd){.fd = control != NULL ? control->clients[i].fd : -1, .events = POLLIN};
}

void bk__control_turn(struct bk__control *control, struct bk__supervisor *s,
                      const struct pollfd *fds)
{
    for (size_t i = 0; i < BK__CONTROL_CLIENTS && s->control == control && control != NULL; i++)
        if (fds[1 + i].fd >= 0 && fds[1 + i].revents != 0 &&
            control->clients[i].fd == fds[1 + i].fd)
            receive(control, s, &control->clients[i]);
    if (control != NULL && s->control == control && fds[0].revents != 0)
        welcome(control);
}
