/*
 * file_open.c: see file_open.h.
 *
 * That a path stays below its root is for the kernel to see (openat2, Linux 5.6), which does so
 * while it walks: a link that is changed meanwhile gains nothing. Where there is no such call, the
 * path is resolved and compared first, and who can write below the root could win the race.
 */
#include "http/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/fault.h"

/* Not to be held up by a FIFO, nor to be given a terminal. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Whether a segment begins with a dot. */
static bool is_hidden(const char *path, bool dots_are_fine)
{
    for (const char *segment = path; segment != NULL; segment = strchr(segment, '/')) {
        segment += strspn(segment, "/");
        size_t len = strcspn(segment, "/");
        bool dots = len <= 2 && strspn(segment, ".") >= len;
        if (segment[0] == '.' && !(dots && dots_are_fine))
            return true;
    }
    return false;
}

/* The kernel without openat2(). */
static int open_resolved(const char *root, const char *path)
{
    char *joined = NULL, *real = NULL, *real_root = realpath(root, NULL);
    int fd = -1;

    if (real_root != NULL && asprintf(&joined, "%s/%s", real_root, path) >= 0)
        real = realpath(joined, NULL);
    if (real != NULL) {
        size_t len = strlen(real_root);
        bool inside = strncmp(real, real_root, len) == 0 && (real[len] == '/' || len == 1);
        if (inside)
            fd = open(real, OPEN_FLAGS | O_NOFOLLOW);
        else
            errno = EXDEV;
    }
    int cause = errno;
    free(real);
    free(joined);
    free(real_root);
    errno = cause;
    return fd;
}

static int open_below(const char *root, const char *path, bool *root_is_bad)
{
    enum {
        TRIES = 8
    }; /* a rename meanwhile makes the kernel ask for another */
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    long fd = -1;

    *root_is_bad = dir < 0;
    if (dir < 0)
        return -1;
    errno = EAGAIN;
    for (int i = 0; i < TRIES && fd < 0 && errno == EAGAIN; i++)
        fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (BK__FAULT("file.openat2")) {
        if (fd >= 0)
            close((int)fd);
        fd = -1;
        errno = ENOSYS;
    }
    int cause = errno;
    close(dir);
    errno = cause;
    /* EPERM: a sandbox of before that time. */
    return fd < 0 && (cause == ENOSYS || cause == EPERM) ? open_resolved(root, path) : (int)fd;
}

static bk_err error_of(int cause)
{
    switch (cause) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return BK_EUNAVAILABLE;
    case EIO:
        return BK_EIO;
    default:
        return BK_ENOTFOUND;
    }
}

static bk_err fail(int fd, int cause, bk_err err)
{
    if (fd >= 0)
        close(fd);
    errno = cause;
    return err;
}

bk_err bk__file_open(const char *root, const char *path, struct bk__file *out)
{
    bool root_is_bad = false;
    struct stat st;

    if (is_hidden(path, root == NULL) || (root != NULL && path[0] == '/'))
        return fail(-1, ENOENT, BK_ENOTFOUND);
    int fd = root != NULL ? open_below(root, path, &root_is_bad) : open(path, OPEN_FLAGS);
    if (fd < 0)
        return fail(-1, errno, root_is_bad ? BK_EIO : error_of(errno));
    if (fstat(fd, &st) != 0)
        return fail(fd, errno, BK_EIO);
    if (!S_ISREG(st.st_mode))
        return fail(fd, ENOENT, BK_ENOTFOUND);
    *out = (struct bk__file){
        .fd = fd,
        .size = (uint64_t)st.st_size,
        .mtime_s = st.st_mtim.tv_sec,
        .mtime_ns = (uint32_t)st.st_mtim.tv_nsec,
    };
    return BK_OK;
}

bk_err bk__file_read(int fd, uint64_t offset, char *out, size_t len)
{
    while (len != 0) {
        ssize_t got = pread(fd, out, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? ESTALE : errno;
            return BK_EIO;
        }
        out += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return BK_OK;
}
