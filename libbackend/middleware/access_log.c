/*
 * access_log.c: a line for each request. See <backend/middleware/access_log.h>.
 *
 * The line is made when the request has ended, straight from what is still in its arena. The
 * client's address is asked for before: it goes away with the connection.
 */
#include <backend/middleware/access_log.h>

#include <stdlib.h>

#include <backend/clock.h>
#include <backend/request.h>
#include <backend/str.h>

#include "core/arena.h"
#include "core/assert.h"
#include "core/log.h"
#include "core/number.h"
#include "http/exchange.h"
#include "middleware/setup.h"

static const char *const health_paths[] = {"/livez", "/readyz", "/startupz", "/healthz", "/health",
                                           "/live",  "/ready",  "/up",       "/metrics", NULL};

static const char *const secret_names[] = {
    "token", "access_token", "refresh_token", "id_token",  "api_key", "apikey", "key",
    "code",  "password",     "secret",        "signature", "sig",     NULL};

/* Headers that are credentials show as "***" even when they are asked for. */
static const char *const secret_headers[] = {"authorization", "proxy-authorization", "cookie",
                                             "x-api-key",     "x-csrf-token",        NULL};

enum {
    SKIP_MAX = 64
};

struct access_log {
    bk_mw_access_log_opts opts; /* defaults filled in */
    uint32_t unsampled;         /* since the last that was logged */
    size_t skip_count;
    bk_str skip[SKIP_MAX]; /* opts.skip, measured: each request is compared with all */
};

/* A request that is being served, in its arena. */
struct entry {
    struct bk__req_end end; /* first */
    struct access_log *log;
    bk_str client;
    uint64_t begun_ns;
};

static bool is_among(const char *const *list, bk_str text)
{
    for (; *list != NULL; list++)
        if (bk_str_eq(text, bk_str_of(*list)))
            return true;
    return false;
}

/* --- what is written -------------------------------------------------------------------------- */

/* Names are compared as they were sent: who encodes one to be clever logs a secret of his own. */
static void hide_secrets(const struct access_log *self, bk_buf *url, bk_str query)
{
    bk_str pair, name;

    while (bk_str_split(&query, '&', &pair)) {
        bk_str value = pair;
        (void)bk_str_split(&value, '=', &name);
        if (bk_str_present(value) && is_among(self->opts.secret_query, name)) {
            bk_buf_add(url, name);
            bk_buf_add(url, BK_LIT("=***"));
        } else {
            bk_buf_add(url, pair);
        }
        if (bk_str_present(query))
            bk_buf_add(url, BK_LIT("&"));
    }
}

static bk_str url_of(const struct access_log *self, bk_req *req)
{
    bk_buf url = {.arena = bk_req_arena(req)};

    if (!bk_str_present(req->query) || self->opts.no_query)
        return req->path;
    bk_buf_add(&url, req->path);
    bk_buf_add(&url, BK_LIT("?"));
    hide_secrets(self, &url, req->query);
    return bk_buf_str(&url);
}

static void add_headers(struct bk__log_line *line, const struct access_log *self, const bk_req *req)
{
    bk__log_line_open(line, BK__LOG_NAME("headers"));
    for (const char *const *name = self->opts.headers; *name != NULL; name++) {
        const struct bk__log_name field = {.text = *name};
        bk_str value = bk__req_header(req, bk_str_of(*name));
        bool is_secret = is_among(secret_headers, bk_str_of(*name));
        if (bk_str_present(value))
            bk__log_line_str(line, &field, is_secret ? BK_LIT("***") : value);
    }
    bk__log_line_close(line);
}

/* Milliseconds with three places. */
static void add_time(struct bk__log_line *line, uint64_t ns)
{
    char text[32];
    uint64_t us = (ns + 500) / 1000;
    size_t len = bk__i64_text((int64_t)(us / 1000), text);

    text[len++] = '.';
    text[len++] = (char)('0' + us / 100 % 10);
    text[len++] = (char)('0' + us / 10 % 10);
    text[len++] = (char)('0' + us % 10);
    bk__log_line_json(line, BK__LOG_NAME("responseTime"), bk_str_at(text, len));
}

static void add_request(struct bk__log_line *line, const struct entry *entry, bk_req *req)
{
    bk__log_line_open(line, BK__LOG_NAME("req"));
    bk__log_line_str(line, BK__LOG_NAME("id"), bk_req_id(req));
    bk__log_line_str(line, BK__LOG_NAME("method"), req->method_text);
    bk__log_line_str(line, BK__LOG_NAME("url"), url_of(entry->log, req));
    bk__log_line_str(line, BK__LOG_NAME("route"), bk_req_route(req));
    bk__log_line_str(line, BK__LOG_NAME("remoteAddress"), entry->client);
    if (entry->log->opts.headers != NULL)
        add_headers(line, entry->log, req);
    bk__log_line_close(line);
}

static void add_response(struct bk__log_line *line, const bk_res *res, int status)
{
    bk__log_line_open(line, BK__LOG_NAME("res"));
    if (status != 0)
        bk__log_line_i64(line, BK__LOG_NAME("statusCode"), status);
    else
        bk__log_line_json(line, BK__LOG_NAME("statusCode"), BK_LIT("null"));
    bk__log_line_i64(line, BK__LOG_NAME("bytes"), (int64_t)res->sent_bytes);
    bk__log_line_close(line);
}

/* --- when ------------------------------------------------------------------------------------- */

static bool is_skipped(const struct access_log *self, bk_str path)
{
    for (size_t i = 0; i < self->skip_count; i++)
        if (bk_str_eq(path, self->skip[i]))
            return true;
    return false;
}

static bool is_wanted(struct access_log *self, const bk_req *req, int status)
{
    if (req->lost || status >= 400)
        return true;
    if (is_skipped(self, req->path))
        return false;
    if (++self->unsampled < self->opts.sample_one_in)
        return false;
    self->unsampled = 0;
    return true;
}

static void on_end(struct bk__req_end *end, bk_req *req)
{
    struct entry *entry = (struct entry *)end;
    struct access_log *self = entry->log;
    int status = req->res.head.status;
    bk_log_level level = status >= 500                                   ? BK_LOG_ERROR
                         : status >= 400 && self->opts.warn_client_error ? BK_LOG_WARN
                                                                         : BK_LOG_INFO;
    struct bk__log_line line;

    if (!is_wanted(self, req, status) || !bk__log_begin(&line, level,
                                                        req->lost       ? "request.aborted"
                                                        : status >= 500 ? "request.errored"
                                                                        : "request.completed"))
        return;
    add_request(&line, entry, req);
    add_response(&line, &req->res, status);
    add_time(&line, bk_now_ns() - entry->begun_ns);
    if (req->lost)
        bk__log_line_bool(&line, BK__LOG_NAME("aborted"), true);
    bk__log_end(&line, level);
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    struct access_log *self = data;
    struct entry *entry = bk__arena_get(bk_req_arena(req), sizeof *entry);

    *entry = (struct entry){
        .end = {.fn = on_end}, .log = self, .client = bk_req_client(req), .begun_ns = bk_now_ns()};
    bk__req_on_end(req, &entry->end);
    return bk_next_run(next, req, res);
}

static const bk_part_type part = {.name = "access log", .free = free};

bk_middleware bk_mw_access_log(bk_app *app, const bk_mw_access_log_opts *opts)
{
    static const bk_mw_access_log_opts defaults = {0};
    struct access_log *self = bk__mw_new(app, &part, sizeof *self);

    self->opts = opts != NULL ? *opts : defaults;
    if (self->opts.skip == NULL)
        self->opts.skip = health_paths;
    if (self->opts.secret_query == NULL)
        self->opts.secret_query = secret_names;
    for (const char *const *path = self->opts.skip; *path != NULL; path++) {
        if (self->skip_count == SKIP_MAX)
            bk__setup_error(__FILE__, __LINE__, "bk_mw_access_log: more than %d paths to skip",
                            SKIP_MAX);
        self->skip[self->skip_count++] = bk_str_of(*path);
    }
    return bk_mw(run, self);
}
