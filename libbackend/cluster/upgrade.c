/*
 * upgrade.c: see upgrade.h.
 */
#include "cluster/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/assert.h"
#include "http/inherit.h"
#include "http/listener.h"

#define TELL "BK_UPGRADE_FD"
#define INIT "BK_INIT_FD"

/* --- from the one before ---------------------------------------------------------------------- */

static int take_fd(const char *variable)
{
    const char *text = getenv(variable);
    int fd = text != NULL ? (int)strtol(text, NULL, 10) : -1;

    unsetenv(variable);
    if (fd < 3 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return -1;
    return fd;
}

struct bk__legacy bk__legacy_take(void)
{
    return (struct bk__legacy){.tell = take_fd(TELL), .init = take_fd(INIT)};
}

void bk__legacy_ready(struct bk__legacy *legacy)
{
    char word = 'R';

    if (legacy->tell < 0)
        return;
    if (write(legacy->tell, &word, 1) != 1) {
        /* it has died: then this one is needed all the more */
    }
    close(legacy->tell);
    legacy->tell = -1;
}

void bk__legacy_close(struct bk__legacy *legacy)
{
    if (legacy->tell >= 0)
        close(legacy->tell);
    if (legacy->init >= 0)
        close(legacy->init);
    *legacy = (struct bk__legacy){-1, -1};
}

void bk__legacy_hand_on(const struct bk__legacy *legacy, pid_t heir)
{
    if (legacy->init >= 0 && write(legacy->init, &heir, sizeof heir) != sizeof heir) {
        /* process 1 has died, and all others with it */
    }
}

/* --- to the one after ------------------------------------------------------------------------- */

void bk__upgrade_init(struct bk__upgrade *upgrade)
{
    *upgrade = (struct bk__upgrade){.heard = -1, .heirs = -1, .heirs_end = -1};
}

/* The arguments that the program began with: who reads flags, as bk_config does, takes them out of
 * argv. NULL where /proc does not tell. Never freed, for the process becomes another one. */
static char **first_arguments(void)
{
    FILE *file = fopen("/proc/self/cmdline", "re");
    char **argv = NULL, *word = NULL;
    size_t count = 0, size = 0;

    while (file != NULL && getdelim(&word, &size, '\0', file) > 0) {
        char **longer = realloc(argv, (count + 2) * sizeof *argv);
        if (longer == NULL)
            return NULL;
        argv = longer;
        argv[count++] = word;
        argv[count] = word = NULL;
        size = 0;
    }
    return argv;
}

/* As it was called, so that a link that points elsewhere now is followed; else the file that runs.
 */
static const char *executable(const char *called, char *buffer, size_t size)
{
    if (called != NULL && strchr(called, '/') != NULL)
        return called;
    ssize_t len = readlink("/proc/self/exe", buffer, size - 1);
    buffer[len > 0 ? len : 0] = '\0';
    static const char gone[] = " (deleted)";
    size_t end = strlen(buffer);
    if (end > sizeof gone - 1 && strcmp(buffer + end - (sizeof gone - 1), gone) == 0)
        buffer[end - (sizeof gone - 1)] = '\0';
    return buffer;
}

static void leave_fd(const char *variable, int fd)
{
    char text[16];

    if (fd < 0)
        return;
    snprintf(text, sizeof text, "%d", fd);
    fcntl(fd, F_SETFD, 0);
    setenv(variable, text, 1);
}

/* Those that systemd gave keep their numbers, and are told of as systemd does. */
static void leave_given(const struct bk__server *server)
{
    int count = 0;
    char text[16];

    for (const struct bk__listener *it = server->listeners; it != NULL; it = it->next)
        if (it->name == NULL && it->fd == 3 + count)
            count++;
    if (count == 0)
        return;
    snprintf(text, sizeof text, "%d", count);
    setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
}

BK_NORETURN static void become_next(const bk_app *app, int tell, int init)
{
    char buffer[1024];
    sigset_t none;

    leave_fd(TELL, tell);
    leave_fd(INIT, init);
    bk__inherit_leave(&app->server);
    leave_given(&app->server);
    unsetenv("WATCHDOG_PID"); /* or it would not think itself meant */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char **argv = first_arguments();
    if (argv == NULL)
        argv = app->argv;
    const char *path = executable(argv[0], buffer, sizeof buffer);
    execv(path, argv);
    fprintf(stderr, "cannot start %s: %s\n", path, strerror(errno));
    _exit(127);
}

static bool make_heirs_pipe(struct bk__upgrade *upgrade)
{
    int ends[2];

    if (getpid() != 1 || upgrade->heirs >= 0)
        return true;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    upgrade->heirs = ends[0];
    upgrade->heirs_end = ends[1];
    return true;
}

bool bk__upgrade_start(struct bk__upgrade *upgrade, const bk_app *app,
                       const struct bk__legacy *legacy)
{
    int ends[2];

    if (!make_heirs_pipe(upgrade) || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    int init = upgrade->heirs_end >= 0 ? upgrade->heirs_end : legacy->init;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become_next(app, ends[1], init);
    int cause = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = cause;
        return false;
    }
    upgrade->pid = pid;
    upgrade->heard = ends[0];
    return true;
}

int bk__upgrade_hear(const struct bk__upgrade *upgrade)
{
    char word;
    ssize_t got = read(upgrade->heard, &word, 1);

    if (got < 0)
        return 0;
    return got == 1 ? 1 : -1;
}

static void hear_of_heirs(struct bk__upgrade *upgrade)
{
    pid_t heir;

    while (upgrade->heirs >= 0 && upgrade->next_count < BK__HEIRS &&
           read(upgrade->heirs, &heir, sizeof heir) == sizeof heir)
        upgrade->next[upgrade->next_count++] = heir;
}

pid_t bk__upgrade_next_heir(struct bk__upgrade *upgrade)
{
    for (hear_of_heirs(upgrade); upgrade->next_count != 0; hear_of_heirs(upgrade)) {
        pid_t heir = upgrade->next[0];
        memmove(upgrade->next, upgrade->next + 1, --upgrade->next_count * sizeof heir);
        if (kill(heir, 0) == 0)
            return heir;
    }
    return 0;
}

pid_t bk__upgrade_newest_heir(struct bk__upgrade *upgrade)
{
    hear_of_heirs(upgrade);
    return upgrade->next_count != 0 ? upgrade->next[upgrade->next_count - 1] : upgrade->pid;
}

void bk__upgrade_end(struct bk__upgrade *upgrade)
{
    if (upgrade->heard >= 0)
        close(upgrade->heard);
    upgrade->heard = -1;
}
