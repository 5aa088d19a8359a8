/*
 * mail_file.c: mails as files, for development and tests. See mailer.h.
 *
 * A file has a name that nobody looks at until all of it is on the disk.
 */
#include "client/mailer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <backend/arena.h>
#include <backend/fiber.h>

#include "core/fault.h"

struct writing {
    const char *path, *hidden_path;
    bk_str message;
    int failure; /* an errno */
};

static int write_all(int fd, bk_str bytes)
{
    while (bytes.len != 0) {
        ssize_t put =
            BK__FAULT("mail.write") ? (errno = ENOSPC, -1) : write(fd, bytes.ptr, bytes.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        bytes = bk_str_at(bytes.ptr + put, bytes.len - (size_t)put);
    }
    return fsync(fd) == 0 ? 0 : errno;
}

/* On a thread of the pool. */
static void write_file(void *data)
{
    struct writing *writing = data;
    int fd = open(writing->hidden_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        writing->failure = errno;
        return;
    }
    writing->failure = write_all(fd, writing->message);
    if (close(fd) != 0 && writing->failure == 0)
        writing->failure = errno;
    if (writing->failure == 0 && rename(writing->hidden_path, writing->path) != 0)
        writing->failure = errno;
    if (writing->failure != 0)
        unlink(writing->hidden_path);
}

bk_err bk__mail_file(const bk_mailer *mailer, const char *name, bk_str message)
{
    bk_arena *arena = bk_fiber_arena();
    const char *folder = mailer->target.folder;
    struct writing writing = {
        .path = bk_arena_printf(arena, "%s/%s.eml", folder, name).ptr,
        .hidden_path = bk_arena_printf(arena, "%s/.%s.tmp", folder, name).ptr,
        .message = message,
    };

    BK_TRY(bk_offload(write_file, &writing));
    if (writing.failure != 0)
        return bk_fail(BK_EIO, "cannot write %s: %s", writing.path, strerror(writing.failure));
    return BK_OK;
}
