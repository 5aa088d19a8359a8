/*
 * log.c: levels, what every line says, and how lines look.
 *
 * Logging is what one does in the middle of trouble: it never fails, never waits for a reader that
 * is slow, and leaves errno alone. Where lines go is log_out.c's.
 */
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <backend/clock.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/clock.h"
#include "core/log_out.h"
#include "core/log_pretty.h"
#include "core/log_rules.h"
#include "core/log_tail.h"
#include "core/task.h"
#include "core/trace.h"

/* What bk_log_setup() has made of its settings; not changed afterwards. */
struct settings {
    struct settings *before; /* whose rules another thread may be looking at */
    bk_log_opts opts;        /* as given, in texts */
    const char *paths[BK__LOG_RULES_MAX + 2];
    struct bk__log_levels levels;
    struct bk__log_redact redact;
    char texts[]; /* what the others borrow */
};

/* The process's level; a thread that runs an app may have its own. */
static _Atomic int default_level = BK_LOG_INFO;

/* The process's; NULL: defaults. */
static _Atomic(struct settings *) settings;

/* Written once per process, to learn of forks. */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static _Thread_local struct {
    int level;           /* 0: the process's */
    bk_log_sink_fn sink; /* NULL: log_out.c */
    void *data;
    char origin[128];  /* ,"pid":7,"hostname":"web-1" */
    size_t origin_len; /* 0: not made yet in this process */
    char heading[192]; /* {"level":30,"time":1795458600000,"pid":... for the next two */
    size_t heading_len;
    int level_said;
    int64_t ms_said;
} state;

static const struct settings *current(void)
{
    return atomic_load_explicit(&settings, memory_order_acquire);
}

/* --- levels ----------------------------------------------------------------------------------- */

void bk_log_set_level(bk_log_level level)
{
    if (bk__clock_current != NULL)
        state.level = (int)level;
    else
        atomic_store_explicit(&default_level, (int)level, memory_order_relaxed);
}

/* Of events that no rule is about. */
static int general_level(void)
{
    if (bk__clock_current != NULL && state.level != 0)
        return state.level;
    return atomic_load_explicit(&default_level, memory_order_relaxed);
}

bk_log_level bk_log_get_level(void)
{
    const struct settings *now = current();
    int level = general_level();

    if (now != NULL && now->levels.lowest < level)
        level = now->levels.lowest;
    return (bk_log_level)level;
}

static bool is_wanted(bk_log_level level, const char *event)
{
    const struct settings *now = current();
    int least = general_level();

    if (bk__unlikely(now != NULL && now->levels.count != 0))
        least = bk__log_levels_of(&now->levels, event, least);
    return (int)level >= least && level < BK_LOG_OFF;
}

/* --- what every line says --------------------------------------------------------------------- */

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

/* Up to the hostname; the same for all lines of a level and a millisecond. */
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

static void begin(struct bk__log_line *line, bk_log_level level, const char *event)
{
    const struct settings *now = current();
    struct bk__task *task = bk__task_current;
    bool redacts = now != NULL && now->redact.count != 0;
    bk__log_line_init(line, heading(level), redacts ? &now->redact : NULL);
    bk__log_line_str(line, BK__LOG_NAME("msg"), bk_str_of(event));
    bk_str id = task != NULL ? bk__task_request_id(task) : (bk_str){NULL, 0};
    if (bk_str_present(id))
        bk__log_line_str(line, BK__LOG_NAME("reqId"), id);
    if (task != NULL && task->trace != NULL)
        bk__log_line_raw(line, trace_fields(task->trace));
}

bool bk__log_begin(struct bk__log_line *line, bk_log_level level, const char *event)
{
    if (!is_wanted(level, event))
        return false;
    begin(line, level, event);
    return true;
}

/* --- the way out ------------------------------------------------------------------------------ */

static bool is_pretty(const struct settings *now)
{
    if (now != NULL && now->opts.format != BK_LOG_FORMAT_AUTO)
        return now->opts.format == BK_LOG_FORMAT_PRETTY;
    return bk__log_out_is_terminal();
}

static void put_pretty(bk_str text)
{
    char *pretty = malloc(BK__LOG_PRETTY_MAX(text.len));
    bool colors = bk__log_out_is_terminal() && getenv("NO_COLOR") == NULL;
    bk_assert(pretty != NULL);
    (void)bk__log_out_put(bk_str_at(pretty, bk__log_pretty(text, colors, pretty)));
    free(pretty);
}

static void put(bk_str text)
{
    if (bk__unlikely(is_pretty(current())))
        put_pretty(text);
    else
        (void)bk__log_out_put(text);
}

/* Tells of lines that were dropped, before the next one that is not. Not inlined: its line would
 * make the frame of every other too large. */
__attribute__((noinline)) static void tell_dropped(void)
{
    struct bk__log_line line;
    uint64_t count;
    if (!bk__log_out_has_room(2 * BK__LOG_LINE_MAX) || (count = bk__log_out_take_dropped()) == 0)
        return;
    begin(&line, BK_LOG_WARN, "log.dropped");
    bk__log_line_i64(&line, BK__LOG_NAME("lines"), (int64_t)count);
    put(bk__log_line_end(&line));
    bk__log_line_fini(&line);
}

void bk__log_end(struct bk__log_line *line, bk_log_level level)
{
    int saved_errno = errno;
    bk_str text = bk__log_line_end(line);
    bk__log_tail_add(text);
    if (state.sink != NULL) {
        state.sink(level, text, state.data);
    } else {
        if (bk__unlikely(bk__log_out_untold()))
            tell_dropped();
        put(text);
    }
    bk__log_line_fini(line);
    errno = saved_errno;
}

static void add_field(struct bk__log_line *line, const bk_kv *kv)
{
    const struct bk__log_name name = {.text = kv->name};

    switch (kv->type) {
    case BK_KV_STR:
        bk__log_line_str(line, &name, kv->str);
        break;
    case BK_KV_I64:
        bk__log_line_i64(line, &name, kv->i64);
        break;
    case BK_KV_F64:
        bk__log_line_f64(line, &name, kv->f64);
        break;
    case BK_KV_BOOL:
        bk__log_line_bool(line, &name, kv->i64 != 0);
        break;
    }
}

void bk_log_write(bk_log_level level, const char *event, const bk_kv *fields)
{
    struct bk__log_line line;
    const struct bk__task *task = bk__task_current;
    bk_assert(fields != NULL);
    if (!bk__log_begin(&line, level, event))
        return;
    if (task != NULL && bk_str_present(task->route))
        bk__log_line_str(&line, BK__LOG_NAME("route"), task->route);
    for (const bk_kv *kv = fields; kv->name != NULL; kv++)
        add_field(&line, kv);
    bk__log_end(&line, level);
}

void bk_log_set_sink(bk_log_sink_fn sink, void *data)
{
    state.sink = sink;
    state.data = data;
}

bool bk_log_flush(void)
{
    return bk__log_out_flush();
}

bool bk_log_reopen(void)
{
    return bk__log_out_reopen();
}

uint64_t bk_log_dropped(void)
{
    return bk__log_out_dropped();
}

/* --- setting up ------------------------------------------------------------------------------- */

/* Appends @p text to the texts at @p at, which has room. */
static const char *keep(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *kept = memcpy(*at, text, size);
    *at += size;
    return kept;
}

static size_t size_of(const bk_log_opts *opts)
{
    size_t size = opts->levels != NULL ? strlen(opts->levels) + 1 : 0;
    size += opts->file != NULL ? strlen(opts->file) + 1 : 0;
    for (const char *const *path = opts->redact; path != NULL && *path != NULL; path++)
        size += strlen(*path) + 1;
    return size;
}

static bk_err read_settings(const bk_log_opts *opts, struct settings *out)
{
    char *at = out->texts;
    size_t count = 0;

    if (opts->format > BK_LOG_FORMAT_PRETTY)
        return bk_fail(BK_EINVAL, "%d is no format of a log", (int)opts->format);
    for (; opts->redact != NULL && opts->redact[count] != NULL && count <= BK__LOG_RULES_MAX;
         count++)
        out->paths[count] = keep(&at, opts->redact[count]);
    out->opts = (bk_log_opts){.redact = out->paths, .format = opts->format};
    if (opts->levels != NULL)
        out->opts.levels = keep(&at, opts->levels);
    if (opts->file != NULL)
        out->opts.file = keep(&at, opts->file);
    BK_TRY(bk__log_redact_read(out->paths, &out->redact));
    return bk__log_levels_read(out->opts.levels, &out->levels);
}

bk_log_opts bk__log_opts(void)
{
    const struct settings *now = current();

    return now != NULL ? now->opts : (bk_log_opts){0};
}

bk_err bk_log_setup(const bk_log_opts *opts)
{
    static const bk_log_opts defaults = {0};
    if (opts == NULL)
        opts = &defaults;
    struct settings *fresh = calloc(1, sizeof *fresh + size_of(opts));
    bk_assert(fresh != NULL);
    bk_err err = read_settings(opts, fresh);
    if (err == BK_OK)
        err = bk__log_out_file(opts->file);
    if (err != BK_OK) {
        free(fresh);
        return err;
    }
    int level = fresh->levels.level != 0 ? fresh->levels.level : BK_LOG_INFO;
    atomic_store_explicit(&default_level, level, memory_order_relaxed);
    fresh->before = atomic_load(&settings);
    atomic_store_explicit(&settings, fresh, memory_order_release);
    return BK_OK;
}
