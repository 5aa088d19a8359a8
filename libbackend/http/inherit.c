/*
 * inherit.c: see inherit.h. The variable's value is "FD=NAME" in a line each.
 */
#include "http/inherit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <backend/str.h>

#include "core/assert.h"
#include "http/listener.h"
#include "http/server.h"

#define VARIABLE "BK_INHERIT"

void bk__inherit_leave(const struct bk__server *server)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    bk_assert(out != NULL);
    for (const struct bk__listener *it = server->listeners; it != NULL; it = it->next) {
        fcntl(it->fd, F_SETFD, 0);
        if (it->name != NULL)
            fprintf(out, "%d=%s\n", it->fd, it->name);
    }
    bk_assert(fclose(out) == 0 && setenv(VARIABLE, text, 1) == 0);
    free(text);
}

static bool is_listening(int fd)
{
    int yes = 0;
    socklen_t len = sizeof yes;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes != 0;
}

/* Takes the first line whose name is @p name, or any where that is NULL, out of the variable. */
static int take(const char *name)
{
    const char *all = getenv(VARIABLE), *line = all;
    int fd = -1, name_at;

    for (; line != NULL && *line != '\0' && fd < 0; line = strchrnul(line, '\n') + 1) {
        const char *end = strchrnul(line, '\n');
        if (*end == '\0' || sscanf(line, "%d=%n", &fd, &name_at) != 1)
            return -1; /* not ours */
        size_t len = (size_t)(end - line - name_at);
        if (name != NULL && (strlen(name) != len || memcmp(line + name_at, name, len) != 0)) {
            fd = -1;
            continue;
        }
        char *copy = strdup(all);
        bk_assert(copy != NULL);
        char *hole = copy + (line - all);
        memmove(hole, hole + (end + 1 - line), strlen(end + 1) + 1);
        setenv(VARIABLE, copy, 1);
        free(copy);
        break;
    }
    return fd;
}

int bk__inherit_take(const char *name)
{
    int fd = take(name);

    if (fd < 0 || !is_listening(fd))
        return -1;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

void bk__inherit_drop(void)
{
    int fd;

    while ((fd = take(NULL)) >= 0)
        close(fd);
    unsetenv(VARIABLE);
}
