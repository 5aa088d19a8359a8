/*
 * file_open.h: opening a file whose name may come from outside.
 *
 * Both functions block and touch nothing of the app: they are for threads of the offload pool.
 */
#ifndef BK_HTTP_FILE_OPEN_H
#define BK_HTTP_FILE_OPEN_H

#include <backend/errors.h>

struct bk__file {
    int fd;
    uint64_t size;
    int64_t mtime_s;
    uint32_t mtime_ns;
};

/*
 * Opens a regular file for reading. With @p root, which may be NULL, @p path is relative to that
 * directory, and neither "..", nor a link, nor a leading slash leads out of it. A segment that
 * begins with a dot is refused; without a root, "." and ".." themselves are not.
 *
 * BK_ENOTFOUND for what is not there, no regular file, or not for us to see; BK_EUNAVAILABLE when
 * the system has no descriptor to spare; BK_EIO for the rest, and for a root that cannot be opened.
 * errno tells more. @p out is untouched then.
 */
bk_err bk__file_open(const char *root, const char *path, struct bk__file *out);

/* Reads @p len bytes at @p offset. Less is an error: the file has become shorter. */
bk_err bk__file_read(int fd, uint64_t offset, char *out, size_t len);

#endif
