/*
 * log_out.c: see log_out.h.
 *
 * Standard error is shared with whoever started us, so O_NONBLOCK must not be set on it. A pipe or
 * a terminal is opened once more instead, through /proc: that description is our own. A socket
 * takes a flag with each send. Where opening fails, the kernel is asked before each write whether
 * it would wait; only a second process that fills the pipe at the same moment can make that wrong.
 *
 * Up to PIPE_BUF bytes enter a pipe whole or not at all, so lines leave in such pieces, cut between
 * lines: those of several processes do not mix.
 *
 * What must hold: the buffer's head is a line's beginning, or the rest of one of which the reader
 * has the beginning. A signal handler may flush at any instruction, so positions are moved after
 * the bytes that they speak of.
 */
#include "core/log_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <backend/str.h>

#include "core/assert.h"

#define FAREWELL_MS 200
#define PATH_MAX_   ((size_t)1024)

/* How a descriptor is written to. */
enum way {
    WAY_WHOLE, /* a file, which takes all at once */
    WAY_OWN,   /* a pipe or a terminal, by a description of our own that does not wait */
    WAY_ASK,   /* the same, but shared: by poll() */
    WAY_SEND   /* a socket */
};

/* Standard error as this thread last saw it. */
struct stderr_view {
    bool seen;
    dev_t dev;
    ino_t ino;
    enum way way;
    bool is_terminal;
    int own; /* WAY_OWN: its descriptor; else -1 */
};

static _Thread_local struct {
    char *buffer; /* NULL: lines leave at once */
    size_t begin, end;
    bool torn; /* without a buffer: only part of the last line went out */
    uint64_t untold;
    struct stderr_view view;
} out;

/* Of the process: where lines go. The descriptor keeps its number when the file is opened anew. */
static atomic_int file_fd = -1;
static char file_path[PATH_MAX_]; /* set before file_fd */
static atomic_ullong all_dropped;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* --- writing without waiting ------------------------------------------------------------------ */

static enum way way_of(mode_t mode)
{
    if (S_ISSOCK(mode))
        return WAY_SEND;
    return S_ISFIFO(mode) || S_ISCHR(mode) ? WAY_ASK : WAY_WHOLE;
}

static void look_at_stderr(struct stderr_view *view, bool keeps_own)
{
    struct stat now;

    if (fstat(STDERR_FILENO, &now) != 0)
        now = (struct stat){.st_mode = S_IFREG};
    if (view->seen && view->dev == now.st_dev && view->ino == now.st_ino)
        return;
    if (view->seen && view->own >= 0)
        close(view->own);
    *view = (struct stderr_view){.seen = true,
                                 .dev = now.st_dev,
                                 .ino = now.st_ino,
                                 .way = way_of(now.st_mode),
                                 .is_terminal = isatty(STDERR_FILENO) == 1,
                                 .own = -1};
    if (view->way != WAY_ASK || !keeps_own)
        return;
    view->own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (view->own >= 0)
        view->way = WAY_OWN;
}

/* As write(), but gives up rather than to wait. */
static ssize_t write_now(enum way way, int fd, const char *bytes, size_t len)
{
    struct pollfd ask = {.fd = fd, .events = POLLOUT};

    if (way == WAY_SEND)
        return send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (way == WAY_ASK && (poll(&ask, 1, 0) <= 0 || (ask.revents & POLLOUT) == 0))
        return -1;
    return write(fd, bytes, len);
}

/* What may leave together: whole lines, or a piece of one that is longer than that. */
static size_t piece_of(enum way way, const char *bytes, size_t len)
{
    if (way == WAY_WHOLE || len <= PIPE_BUF)
        return len;
    const char *newline = memrchr(bytes, '\n', PIPE_BUF);
    return newline != NULL ? (size_t)(newline + 1 - bytes) : PIPE_BUF;
}

/* Returns how much was written. */
static size_t write_some(enum way way, int fd, bk_str text)
{
    size_t done = 0;

    while (done < text.len) {
        size_t piece = piece_of(way, text.ptr + done, text.len - done);
        ssize_t written = write_now(way, fd, text.ptr + done, piece);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        done += (size_t)written;
    }
    return done;
}

/* To the file, or to standard error as this thread sees it. */
static size_t send_off(bk_str text)
{
    int fd = atomic_load_explicit(&file_fd, memory_order_acquire);

    if (fd >= 0)
        return write_some(WAY_WHOLE, fd, text);
    look_at_stderr(&out.view, out.buffer != NULL);
    return write_some(out.view.way, out.view.own >= 0 ? out.view.own : STDERR_FILENO, text);
}

/* --- a thread's buffer ------------------------------------------------------------------------ */

/* Runs in the child of a fork: what was kept is the parent's to write. */
static void forget_buffer(void)
{
    out.begin = out.end = 0;
    out.untold = 0;
}

static void watch_process(void)
{
    int err = pthread_atfork(NULL, NULL, forget_buffer);
    bk_assert(err == 0);
    err = atexit(bk__log_out_farewell);
    bk_assert(err == 0);
}

void bk__log_out_open(void)
{
    bk_assert(out.buffer == NULL);
    pthread_once(&once, watch_process);
    out.begin = out.end = 0;
    out.view.seen = false; /* it was without a description of our own */
    out.buffer = malloc(BK__LOG_BUFFER);
    bk_assert(out.buffer != NULL);
}

void bk__log_out_close(void)
{
    bk__log_out_farewell();
    free(out.buffer);
    out.buffer = NULL;
    if (out.view.seen && out.view.own >= 0)
        close(out.view.own);
    out.view.seen = false;
}

bool bk__log_out_flush(void)
{
    if (out.buffer == NULL || out.begin == out.end)
        return true;
    int saved = errno;
    out.begin += send_off(bk_str_at(out.buffer + out.begin, out.end - out.begin));
    if (out.begin == out.end)
        out.begin = out.end = 0;
    errno = saved;
    return out.end == 0;
}

void bk__log_out_farewell(void)
{
    for (int waited = 0; !bk__log_out_flush() && waited < FAREWELL_MS; waited += 10)
        poll(NULL, 0, 10);
}

static void drop(void)
{
    out.untold++;
    atomic_fetch_add_explicit(&all_dropped, 1, memory_order_relaxed);
}

uint64_t bk__log_out_untold(void)
{
    return out.untold;
}

uint64_t bk__log_out_take_dropped(void)
{
    uint64_t count = out.untold;

    out.untold = 0;
    return count;
}

uint64_t bk__log_out_dropped(void)
{
    return atomic_load_explicit(&all_dropped, memory_order_relaxed);
}

bool bk__log_out_has_room(size_t len)
{
    if (out.buffer == NULL || BK__LOG_BUFFER - out.end >= len)
        return true;
    if (!bk__log_out_flush() && out.begin >= len) {
        memmove(out.buffer, out.buffer + out.begin, out.end - out.begin);
        out.end -= out.begin;
        out.begin = 0;
    }
    return BK__LOG_BUFFER - out.end >= len;
}

/* Without a buffer: at once or never. */
static bool put_directly(bk_str line)
{
    if (out.torn && send_off(BK_LIT("\n")) == 0) {
        drop();
        return false;
    }
    size_t written = send_off(line);
    out.torn = written > 0 && written < line.len;
    if (written < line.len)
        drop();
    return written == line.len;
}

bool bk__log_out_put(bk_str line)
{
    if (out.buffer == NULL)
        return put_directly(line);
    if (!bk__log_out_has_room(line.len)) {
        drop();
        return false;
    }
    memcpy(out.buffer + out.end, line.ptr, line.len);
    out.end += line.len;
    return true;
}

/* --- files ------------------------------------------------------------------------------------ */

static int open_file(const char *path)
{
    /* O_NONBLOCK for a path that is a pipe; a file does not care. */
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0640);
}

bk_err bk__log_out_file(const char *path)
{
    int old = atomic_load(&file_fd), fd = -1;

    if (path != NULL) {
        if (strlen(path) >= sizeof file_path)
            return bk_fail(BK_EINVAL, "the path of the log file is too long");
        fd = open_file(path);
        if (fd < 0)
            return bk_fail(BK_EIO, "the log file %s cannot be opened: %s", path, strerror(errno));
        strcpy(file_path, path);
    }
    bk__log_out_flush();
    atomic_store_explicit(&file_fd, fd, memory_order_release);
    if (old >= 0)
        close(old);
    return BK_OK;
}

bool bk__log_out_reopen(void)
{
    int fd = atomic_load(&file_fd), saved = errno;

    if (fd < 0)
        return true;
    int fresh = open_file(file_path);
    bool is_open = fresh >= 0 && dup3(fresh, fd, O_CLOEXEC) >= 0;
    if (fresh >= 0)
        close(fresh);
    errno = saved;
    return is_open;
}

bool bk__log_out_is_terminal(void)
{
    if (atomic_load_explicit(&file_fd, memory_order_relaxed) >= 0)
        return false;
    if (!out.view.seen)
        look_at_stderr(&out.view, out.buffer != NULL);
    return out.view.is_terminal;
}
