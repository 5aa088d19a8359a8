/*
 * notify.c: sd_notify(3) and sd_listen_fds(3) without libsystemd. See notify.h.
 */
#include "cluster/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void send_text(const char *path, const char *text, size_t len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t path_len = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || path_len >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, path_len);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* in the abstract name space */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len);
    (void)!sendto(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, size);
    close(fd);
}

void bk__notify(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    char text[512];
    va_list args;

    if (path == NULL)
        return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len > 0 && len < (int)sizeof text)
        send_text(path, text, (size_t)len);
}

void bk__notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    bk__notify("RELOADING=1\nMONOTONIC_USEC=%lld",
               (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

/* Whether the variable @p name, where it is set, names this process. */
static bool is_for_us(const char *name)
{
    const char *pid = getenv(name);

    return pid == NULL || strtol(pid, NULL, 10) == (long)getpid();
}

uint64_t bk__notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");

    if (usec == NULL || !is_for_us("WATCHDOG_PID"))
        return 0;
    return strtoull(usec, NULL, 10) / 2000;
}

int bk__notify_sockets(void)
{
    const char *count = getenv("LISTEN_FDS");
    int found = 0;

    if (count != NULL && getenv("LISTEN_PID") != NULL && is_for_us("LISTEN_PID"))
        found = (int)strtol(count, NULL, 10);
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
    for (int fd = BK__NOTIFY_FIRST; fd < BK__NOTIFY_FIRST + found; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
            return fd - BK__NOTIFY_FIRST;
    return found > 0 ? found : 0;
}
