/*
 * assert.c: the last words of a program.
 *
 * The state is broken, so only the stack is used and text goes straight to descriptor 2. Whoever
 * reads it wants to know which work was running, hence the task's name and route.
 */
#include "core/assert.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <backend/str.h>

#include "core/log_out.h"
#include "core/task.h"

#define FRAMES_MAX 64

static void say(const char *format, ...) BK_PRINTF(1, 2);

static void say(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len < 0)
        return;
    size_t size = (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
    ssize_t written = write(STDERR_FILENO, line, size);
    (void)written; /* nobody is left to tell */
}

static bk_str or_dash(bk_str text)
{
    return bk_str_present(text) ? text : BK_LIT("-");
}

void bk__assert_fail(const char *file, int line, const char *function, const char *what)
{
    void *frames[FRAMES_MAX];
    const struct bk__task *task = bk__task_current;

    bk__log_out_farewell();
    say("%s:%d: %s: this must not happen: %s\n", file, line, function, what);
    if (task != NULL) {
        bk_str name = or_dash(bk_str_of(task->name));
        bk_str route = or_dash(task->route), id = or_dash(task->request_id);
        say("in fiber %.*s, route %.*s, request %.*s\n", (int)name.len, name.ptr, (int)route.len,
            route.ptr, (int)id.len, id.ptr);
    }
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    abort();
}

void bk__setup_error(const char *file, int line, const char *format, ...)
{
    char words[768];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    say("%s:%d: %s\n", file, line, words);
    exit(1);
}
