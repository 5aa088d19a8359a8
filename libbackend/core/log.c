/*
 * log.c: levels, where lines go, and what every line says.
 *
 * A line leaves in one write, so that the lines of several processes do not mix. Logging is what
 * one does in the middle of trouble: it never fails, never waits for a reader that is slow, and
 * leaves errno alone.
 */
#include <backend/log.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <backend/clock.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/task.h"
#include "core/trace.h"

/* The process's level; a thread that runs an app may have its own. */
static _Atomic int default_level = BK_LOG_INFO;

/* Written once per process, to learn of forks. */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static _Thread_local struct {
    int level;           /* 0: the process's */
    bk_log_sink_fn sink; /* NULL: standard error */
    void *data;
    bool torn;         /* only part of the last line was taken by standard error */
    char origin[128];  /* ,"pid":7,"hostname":"web-1" */
    size_t origin_len; /* 0: not made yet in this process */
    char heading[192]; /* {"level":30,"time":1795458600000,"pid":... for the next two */
    size_t heading_len;
    int level_said;
    int64_t ms_said;
} state;

void bk_log_set_level(bk_log_level level)
{
    if (bk__clock_current != NULL)
        state.level = (int)level;
    else
        atomic_store_explicit(&default_level, (int)level, memory_order_relaxed);
}

bk_log_level bk_log_get_level(void)
{
    if (bk__clock_current != NULL && state.level != 0)
        return (bk_log_level)state.level;
    return (bk_log_level)atomic_load_explicit(&default_level, memory_order_relaxed);
}

void bk_log_set_sink(bk_log_sink_fn sink, void *data)
{
    state.sink = sink;
    state.data = data;
}

/* Runs in the child of a fork. */
static void forget_origin(void)
{
    state.origin_len = 0;
}

static void watch_forks(void)
{
    int err = pthread_atfork(NULL, NULL, forget_origin);
    bk_assert(err == 0);
}

static bk_str origin(void)
{
    if (bk__unlikely(state.origin_len == 0)) {
        char host[65] = "";
        pthread_once(&once, watch_forks);
        (void)gethostname(host, sizeof(host) - 1);
        for (char *c = host; *c != '\0'; c++) {
            if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
                *c = '?';
        }
        int len = snprintf(state.origin, sizeof(state.origin), ",\"pid\":%ld,\"hostname\":\"%s\"",
                           (long)getpid(), host);
        state.origin_len = (size_t)len;
    }
    return bk_str_at(state.origin, state.origin_len);
}

/* Returns how much was written. */
static size_t write_some(bk_str text)
{
    size_t done = 0;
    while (done < text.len) {
        ssize_t written = write(STDERR_FILENO, text.ptr + done, text.len - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        done += (size_t)written;
    }
    return done;
}

/* A reader that does not keep up loses lines; it must not stop the loop. */
static void write_stderr(bk_str line)
{
    if (state.torn && write_some(BK_LIT("\n")) == 0)
        return;
    size_t written = write_some(line);
    state.torn = written > 0 && written < line.len;
}

static void add_field(struct bk__log_line *line, const bk_kv *kv)
{
    switch (kv->type) {
    case BK_KV_STR:
        bk__log_line_str(line, kv->name, kv->str);
        break;
    case BK_KV_I64:
        bk__log_line_i64(line, kv->name, kv->i64);
        break;
    case BK_KV_F64:
        bk__log_line_f64(line, kv->name, kv->f64);
        break;
    case BK_KV_BOOL:
        bk__log_line_bool(line, kv->name, kv->i64 != 0);
        break;
    }
}

/* Up to the hostname; the same for all lines of a millisecond. */
static bk_str heading(bk_log_level level)
{
    int64_t ms = bk_time_now() / 1000;
    if (bk__unlikely(state.level_said != (int)level || state.ms_said != ms ||
                     state.origin_len == 0)) {
        bk_str from = origin();
        int len = snprintf(state.heading, sizeof(state.heading), "{\"level\":%d,\"time\":%lld%.*s",
                           (int)level, (long long)ms, BK_PRI(from));
        state.heading_len = (size_t)len;
        state.level_said = (int)level;
        state.ms_said = ms;
    }
    return bk_str_at(state.heading, state.heading_len);
}

static bk_str trace_fields(const struct bk__trace *trace)
{
    return bk_str_at((const char *)&trace->log, sizeof trace->log);
}

bool bk__log_begin(struct bk__log_line *line, bk_log_level level, const char *event)
{
    if (level < bk_log_get_level() || level >= BK_LOG_OFF)
        return false;
    struct bk__task *task = bk__task_current;
    bk__log_line_init(line, heading(level));
    bk__log_line_str(line, "msg", bk_str_of(event));
    bk_str id = task != NULL ? bk__task_request_id(task) : (bk_str){NULL, 0};
    if (bk_str_present(id))
        bk__log_line_str(line, "reqId", id);
    if (task != NULL && task->trace != NULL)
        bk__log_line_raw(line, trace_fields(task->trace));
    return true;
}

void bk__log_end(struct bk__log_line *line, bk_log_level level)
{
    int saved_errno = errno;
    bk_str text = bk__log_line_end(line);
    if (state.sink != NULL)
        state.sink(level, text, state.data);
    else
        write_stderr(text);
    bk__log_line_fini(line);
    errno = saved_errno;
}

void bk_log_write(bk_log_level level, const char *event, const bk_kv *fields)
{
    struct bk__log_line line;
    const struct bk__task *task = bk__task_current;
    bk_assert(fields != NULL);
    if (!bk__log_begin(&line, level, event))
        return;
    if (task != NULL && bk_str_present(task->route))
        bk__log_line_str(&line, "route", task->route);
    for (const bk_kv *kv = fields; kv->name != NULL; kv++)
        add_field(&line, kv);
    bk__log_end(&line, level);
}
