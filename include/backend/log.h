/**
 * @file backend/log.h
 * @brief Structured logs, one JSON object a line, in the shape of pino.
 *
 * The event is a fixed dotted name; data go into fields. Time, level, pid, hostname and, inside a
 * request, its id and route are added by themselves.
 *
 * @code
 * bk_info("stock.low", bk_kv_i64("product", id), bk_kv_i64("left", left));
 * // {"level":30,"time":1795458600000,"pid":7,"hostname":"web-1","msg":"stock.low",
 * //  "reqId":"0193...","product":42,"left":3}
 * @endcode
 *
 * Lines go to standard error, or to a file (bk_log_setup()). The lines that a loop makes in one
 * turn leave in one write, and a reader that is slow never holds it up: 256 KiB are kept for it,
 * what is more is dropped and told later, as `log.dropped` with the number of lines.
 *
 * bk_app_main() takes the settings from the environment: LOG_LEVEL, LOG_FORMAT (json, pretty),
 * LOG_FILE, LOG_REDACT (paths with commas between them); and opens the file anew at SIGUSR1.
 */
#ifndef BACKEND_LOG_H
#define BACKEND_LOG_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** pino's levels. */
typedef enum bk_log_level {
    BK_LOG_TRACE = 10,
    BK_LOG_DEBUG = 20,
    BK_LOG_INFO = 30,
    BK_LOG_WARN = 40,
    BK_LOG_ERROR = 50,
    BK_LOG_FATAL = 60,
    BK_LOG_OFF = 100 /**< Only as a threshold: nothing is written. */
} bk_log_level;

/** What a field holds. */
typedef enum bk_kv_type {
    BK_KV_STR,
    BK_KV_I64,
    BK_KV_F64,
    BK_KV_BOOL
} bk_kv_type;

/** A field of a log line. Made by the bk_kv_ functions; borrowed for the call. */
typedef struct bk_kv {
    const char *name; /**< Its key. */
    bk_kv_type  type; /**< Which of the next it has. */
    bk_str      str;  /**< A text. */
    int64_t     i64;  /**< An integer; of a bool, 0 or 1. */
    double      f64;  /**< A number. */
} bk_kv;

static inline bk_kv bk_kv_str(const char *name, bk_str value)
{
    bk_kv kv = {name, BK_KV_STR, value, 0, 0};
    return kv;
}

static inline bk_kv bk_kv_cstr(const char *name, const char *value)
{
    bk_kv kv = {name, BK_KV_STR, {value, value != NULL ? strlen(value) : 0}, 0, 0};
    return kv;
}

static inline bk_kv bk_kv_i64(const char *name, int64_t value)
{
    bk_kv kv = {name, BK_KV_I64, {NULL, 0}, value, 0};
    return kv;
}

static inline bk_kv bk_kv_f64(const char *name, double value)
{
    bk_kv kv = {name, BK_KV_F64, {NULL, 0}, 0, value};
    return kv;
}

static inline bk_kv bk_kv_bool(const char *name, bool value)
{
    bk_kv kv = {name, BK_KV_BOOL, {NULL, 0}, value, 0};
    return kv;
}

/** A field whose value must not be written: it shows as "***". */
static inline bk_kv bk_kv_secret(const char *name)
{
    return bk_kv_cstr(name, "***");
}

/** How lines look. */
typedef enum bk_log_format {
    BK_LOG_FORMAT_AUTO = 0, /**< For people on a terminal, else JSON. */
    BK_LOG_FORMAT_JSON = 1,
    BK_LOG_FORMAT_PRETTY = 2 /**< For people; in colors on a terminal unless NO_COLOR is set. */
} bk_log_format;

/** Settings of the process. Zero means default; texts are copied. */
typedef struct bk_log_opts {
    const char *levels;        /**< A level for all, and levels for events by their first names:
                                    "info,pg=debug,pg.pool=off"; the longest that fits counts. Names:
                                    trace, debug, info, warn, error, fatal, off. Default "info". */
    const char *const *redact; /**< Paths of fields whose values show as "***": "password",
                                    "req.headers.referer", "req.headers" (the whole object),
                                    "*.token" (of any object, but not of the line itself). Ends
                                    with NULL. Default: none. */
    bk_log_format format;      /**< Of standard error, and of the file. */
    const char   *file;        /**< Append to this file instead. Made with mode 0640. */
} bk_log_opts;

/**
 * Sets up the process's logs. Before apps run and before processes are forked; again replaces all
 * of it.
 *
 * @param opts  May be NULL: all defaults.
 * @return BK_OK; BK_EINVAL for a level or a path that is none, BK_EIO for a file that cannot be
 *         opened: nothing is changed then.
 */
BK_API BK_NODISCARD bk_err bk_log_setup(const bk_log_opts *opts);

/** Opens the log file anew, after it was moved away. Nothing when there is none. False when it
 *  cannot be opened: lines still go to the old one. @threads Any; also from a signal handler. */
BK_API bool bk_log_reopen(void);

/** Writes what this thread has kept, as far as its reader takes it. A loop does it at the end of
 *  each turn. False: some is left. */
BK_API bool bk_log_flush(void);

/** How many lines this process has dropped. @threads Any. */
BK_API uint64_t bk_log_dropped(void);

/** Where a line goes. @param line  Complete, with its newline. Borrowed for the call. */
typedef void (*bk_log_sink_fn)(bk_log_level level, bk_str line, void *data);

/** Sets what is written: lines below @p level are dropped before they are made. Default
 *  BK_LOG_INFO. Per thread that runs an app; elsewhere per process. */
BK_API void bk_log_set_level(bk_log_level level);

/** The lowest level that is written for any event. */
BK_API bk_log_level bk_log_get_level(void);

/** Sends this thread's lines to @p sink, as JSON and at once; NULL restores what was. */
BK_API void bk_log_set_sink(bk_log_sink_fn sink, void *data);

/** Writes one line; bk_info() and its sisters are the usual way.
 *  @param fields  Ends with one whose name is NULL. @threads Any. */
BK_API void bk_log_write(bk_log_level level, const char *event, const bk_kv *fields);

BK_END_DECLS

#ifdef __cplusplus
#include <initializer_list>
#define BK__LOG_FIELDS(...) (std::initializer_list<bk_kv>{__VA_ARGS__}.begin())
#define BK__LOG_END         (bk_kv{NULL, BK_KV_STR, {NULL, 0}, 0, 0})
#else
#define BK__LOG_FIELDS(...) ((const bk_kv[]){__VA_ARGS__})
#define BK__LOG_END         ((bk_kv){0})
#endif
#define BK__LOG_SPLIT(level, event, ...) bk_log_write(level, event, BK__LOG_FIELDS(__VA_ARGS__))

/** `bk_log(level, event, fields...)`: the fields are only made when the level is on. */
#define bk_log(level, ...)                                                                         \
    ((level) >= bk_log_get_level() ? BK__LOG_SPLIT(level, __VA_ARGS__, BK__LOG_END) : (void)0)

#define bk_debug(...) bk_log(BK_LOG_DEBUG, __VA_ARGS__) /**< For the hunt for a fault. */
#define bk_info(...)  bk_log(BK_LOG_INFO, __VA_ARGS__)  /**< What happened, as it should. */
#define bk_warn(...)  bk_log(BK_LOG_WARN, __VA_ARGS__)  /**< Odd, but served. */
#define bk_error(...) bk_log(BK_LOG_ERROR, __VA_ARGS__) /**< Somebody should look. */

#endif
