/*
 * response.c: the answer: status, headers, bodies. See <backend/response.h>.
 *
 * Nothing is sent before the outermost middleware has returned, but for streams. The header names
 * are kept as they were written; they are compared without case.
 */
#include <string.h>

#include <backend/arena.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/cookie.h"
#include "http/etag.h"
#include "http/exchange.h"
#include "http/header.h"
#include "http/server.h"

#define FIRST_HEADERS (sizeof((bk_res *)0)->first_headers / sizeof((bk_res *)0)->first_headers[0])

void bk__res_init(bk_res *res, bk_req *req)
{
    memset(res, 0, offsetof(bk_res, first_headers));
    res->req = req;
    res->status = 200;
    res->headers = res->first_headers;
    res->header_cap = FIRST_HEADERS;
}

void bk__res_clear(bk_res *res)
{
    res->status = 200;
    res->kind = BK__BODY_NONE;
    res->body = (bk_str){NULL, 0};
    res->type = NULL;
    res->etag = (bk_str){NULL, 0};
    res->no_etag = false;
}

static bk_arena *arena_of(const bk_res *res)
{
    return &res->req->fiber->task.arena;
}

static void set_status(bk_res *res, int status)
{
    bk_assert(status >= 200 && status <= 599);
    bk_assert(!res->started); /* it is on its way already */
    res->status = status;
}

void bk_res_status(bk_res *res, int status)
{
    set_status(res, status);
}

int bk_res_get_status(const bk_res *res)
{
    return res->status;
}

/* --- headers ---------------------------------------------------------------------------------- */

static bool is_reserved(bk_str name)
{
    static const bk_str reserved[] = {
        {"content-length", 14}, {"connection", 10}, {"transfer-encoding", 17}, {"date", 4},
        {"keep-alive", 10},     {"upgrade", 7},
    };

    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (bk_str_ieq(name, reserved[i]))
            return true;
    return false;
}

static bk_err check_header(bk_str name, bk_str value)
{
    if (!bk__header_is_token(name))
        return bk_fail(BK_EINVAL, "a header name holds what it may not");
    if (!bk__header_is_value(value))
        return bk_fail(BK_EINVAL, "the value of %.*s holds what it may not", (int)name.len,
                       name.ptr);
    if (is_reserved(name))
        return bk_fail(BK_EINVAL, "%.*s is set by the library", BK_PRI(name));
    return BK_OK;
}

static bk_pair *find_header(const bk_res *res, bk_str name)
{
    for (uint32_t i = 0; i < res->header_count; i++)
        if (bk_str_ieq(res->headers[i].name, name))
            return &res->headers[i];
    return NULL;
}

static bool is_representation(bk_str name)
{
    static const bk_str names[] = {{"cache-control", 13},    {"expires", 7},
                                   {"last-modified", 13},    {"accept-ranges", 13},
                                   {"location", 8},          {"content-language", 16},
                                   {"content-encoding", 16}, {"content-disposition", 19}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (bk_str_ieq(name, names[i]))
            return true;
    return false;
}

void bk__res_drop_representation(bk_res *res, uint32_t first)
{
    uint32_t kept = first < res->header_count ? first : res->header_count;

    for (uint32_t i = kept; i < res->header_count; i++)
        if (!is_representation(res->headers[i].name))
            res->headers[kept++] = res->headers[i];
    res->header_count = kept;
}

static void grow_headers(bk_res *res, uint32_t cap)
{
    bk_pair *more = bk__arena_get(arena_of(res), cap * sizeof *more);

    memcpy(more, res->headers, res->header_count * sizeof *more);
    res->headers = more;
    res->header_cap = cap;
}

void bk__res_reserve_headers(bk_res *res, uint32_t count)
{
    if (res->header_cap - res->header_count < count)
        grow_headers(res, res->header_count + count + FIRST_HEADERS / 2);
}

void bk__res_push_header(bk_res *res, bk_str name, bk_str value)
{
    if (res->header_count == res->header_cap)
        grow_headers(res, 2 * res->header_cap);
    res->headers[res->header_count++] = (bk_pair){name, value};
}

bk_err bk_res_add_header(bk_res *res, const char *name, bk_str value)
{
    bk_arena *arena = arena_of(res);

    BK_TRY(check_header(bk_str_of(name), value));
    bk_str kept = bk_arena_dup(arena, value.ptr != NULL ? value : BK_LIT(""));
    if (bk_str_ieq(bk_str_of(name), BK_LIT("content-type")))
        res->type = kept.ptr;
    else
        bk__res_push_header(res, bk_arena_dup(arena, bk_str_of(name)), kept);
    return BK_OK;
}

bk_err bk_res_header(bk_res *res, const char *name, bk_str value)
{
    bk_pair *found = find_header(res, bk_str_of(name));

    if (found == NULL)
        return bk_res_add_header(res, name, value);
    BK_TRY(check_header(bk_str_of(name), value));
    found->value = bk_arena_dup(arena_of(res), value.ptr != NULL ? value : BK_LIT(""));
    /* Others of that name go. */
    uint32_t kept = (uint32_t)(found - res->headers) + 1;
    for (uint32_t i = kept; i < res->header_count; i++)
        if (!bk_str_ieq(res->headers[i].name, bk_str_of(name)))
            res->headers[kept++] = res->headers[i];
    res->header_count = kept;
    return BK_OK;
}

bk_str bk_res_get_header(const bk_res *res, const char *name)
{
    const bk_pair *found = find_header(res, bk_str_of(name));

    if (bk_str_ieq(bk_str_of(name), BK_LIT("content-type")))
        return bk_str_of(res->type);
    return found != NULL ? found->value : (bk_str){NULL, 0};
}

bk_err bk_res_cookie(bk_res *res, const char *name, bk_str value, const bk_cookie_opts *opts)
{
    bk_arena *arena = arena_of(res);
    bk_str secret = res->req->server->secret, text;

    if (opts != NULL && opts->sign) {
        if (!bk_str_present(secret))
            return bk_fail(BK_EINTERNAL, "cookie %s: signing needs bk_app_opts.secret", name);
        value = bk__cookie_sign(arena, secret, bk_str_of(name), value);
    }
    BK_TRY(bk__cookie_format(arena, bk_str_of(name), value, opts, &text));
    return bk_res_add_header(res, "Set-Cookie", text);
}

/* --- whole bodies ----------------------------------------------------------------------------- */

void bk__res_set_body(bk_res *res, int status, const char *type, bk_str body)
{
    set_status(res, status);
    res->kind = BK__BODY_TEXT;
    res->type = type;
    res->body = body;
}

static bk_err set_text(bk_res *res, int status, const char *type, bk_str text)
{
    bk__res_set_body(res, status, type, text);
    return BK_OK;
}

bk_err bk_res_text(bk_res *res, int status, bk_str text)
{
    return set_text(res, status, "text/plain; charset=utf-8", text);
}

bk_err bk_res_html(bk_res *res, int status, bk_str html)
{
    return set_text(res, status, "text/html; charset=utf-8", html);
}

bk_err bk_res_bytes(bk_res *res, int status, const char *type, bk_str bytes)
{
    BK_TRY(check_header(BK_LIT("Content-Type"), bk_str_of(type)));
    return set_text(res, status, bk_arena_cstr(arena_of(res), bk_str_of(type)), bytes);
}

bk_json_writer *bk_res_json_writer(bk_res *res, int status)
{
    set_status(res, status);
    res->kind = BK__BODY_JSON;
    res->type = "application/json";
    res->buf = (bk_buf){.arena = arena_of(res)};
    res->writer = (bk_json_writer){.buf = &res->buf};
    return &res->writer;
}

bk_err bk_res_json(bk_res *res, int status, const bk_json *value)
{
    bk_json_print(bk_res_json_writer(res, status)->buf, value);
    return BK_OK;
}

bk_err bk_res_object(bk_res *res, int status, bk_desc_fn desc, const void *object)
{
    bk_write_json(bk_res_json_writer(res, status)->buf, desc, object);
    return BK_OK;
}

bk_err bk_res_array(bk_res *res, int status, bk_desc_fn desc, const void *objects, size_t count)
{
    bk_buf *buf = bk_res_json_writer(res, status)->buf;
    const char *item = objects;

    bk_buf_add_char(buf, '[');
    for (size_t i = 0; i < count; i++, item += desc()->bytes) {
        if (i != 0)
            bk_buf_add_char(buf, ',');
        bk_write_json(buf, desc, item);
    }
    bk_buf_add_char(buf, ']');
    return BK_OK;
}

bk_err bk_res_empty(bk_res *res)
{
    set_status(res, 204);
    res->kind = BK__BODY_NONE;
    res->type = NULL;
    return BK_OK;
}

bk_err bk_res_created(bk_res *res, bk_str location)
{
    BK_TRY(bk_res_header(res, "Location", location));
    set_status(res, 201);
    return BK_OK;
}

bk_err bk_res_redirect(bk_res *res, int status, bk_str location)
{
    bk_assert(status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
    BK_TRY(bk_res_header(res, "Location", location));
    set_status(res, status);
    res->kind = BK__BODY_NONE;
    res->type = NULL;
    return BK_OK;
}

bk_err bk_res_etag(bk_res *res, bk_str tag)
{
    if (!bk__etag_valid(tag))
        return bk_fail(BK_EINVAL, "an ETag is \"...\" or W/\"...\"");
    res->etag = bk_arena_dup(arena_of(res), tag);
    return BK_OK;
}

void bk_res_no_etag(bk_res *res)
{
    res->no_etag = true;
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool is_bodiless(const bk_res *res)
{
    return res->req->method == BK_METHOD_HEAD || res->status == 204 || res->status == 304;
}

static bool may_have_etag(const bk_res *res)
{
    bk_method method = res->req->method;

    return res->status == 200 && (method == BK_METHOD_GET || method == BK_METHOD_HEAD);
}

bk_str bk__res_body(bk_res *res)
{
    bk_str body = res->kind == BK__BODY_TEXT   ? res->body
                  : res->kind == BK__BODY_JSON ? bk_buf_str(&res->buf)
                                               : (bk_str){NULL, 0};

    if (may_have_etag(res) && !bk_str_present(res->etag) && !res->no_etag &&
        !res->req->server->no_etag && body.len != 0) {
        char *tag = bk__arena_get(arena_of(res), BK__ETAG_MAX);
        res->etag = (bk_str){tag, bk__etag_weak(body, tag)};
    }
    return body;
}

/* Turns the answer into 304 where the client has it already. */
static void apply_etag(bk_res *res, bk_str *body)
{
    if (!may_have_etag(res) || !bk_str_present(res->etag))
        return;
    bk_str known = bk__req_header(res->req, BK_LIT("if-none-match"));
    if (bk_str_present(known) && bk__etag_none_match_hits(known, res->etag)) {
        res->status = 304;
        res->type = NULL;
        *body = (bk_str){NULL, 0};
    }
}

void bk__res_fill_head(bk_res *res, uint64_t length)
{
    if (res->type != NULL)
        bk__res_push_header(res, BK_LIT("Content-Type"), bk_str_of(res->type));
    if (bk_str_present(res->etag))
        bk__res_push_header(res, BK_LIT("ETag"), res->etag);
    res->head = (struct bk__head){
        .status = res->status,
        .headers = res->headers,
        .count = res->header_count,
        .length = length,
        .bodiless = is_bodiless(res),
        .close = res->req->closes,
    };
}

void bk__res_prepare(bk_res *res, bk_str *body)
{
    *body = bk__res_body(res);
    apply_etag(res, body);
    bk__res_fill_head(res, body->len);
}

/* Ends what was begun with bk_res_stream(). */
static void finish_stream(bk_res *res, bk_err err)
{
    bk_req *req = res->req;
    bk_str rest = {"", 0};
    bool short_of =
        res->stream_length != BK_LENGTH_UNKNOWN && res->stream_sent != res->stream_length;

    if (res->head.bodiless || res->broken)
        return;
    if (err == BK_OK && short_of)
        bk_error("stream.too_short", bk_kv_i64("promised", (int64_t)res->stream_length),
                 bk_kv_i64("sent", (int64_t)res->stream_sent));
    if (err == BK_OK && !short_of && res->filter != NULL)
        err = res->filter->piece(res->filter, rest, true, &rest);
    if (req->transport == NULL)
        return;
    if (err != BK_OK || short_of) {
        res->broken = true;
        req->transport->abort(req);
    } else {
        res->sent_bytes += rest.len;
        req->transport->write(req, rest, true);
    }
}

void bk__res_finish(bk_res *res, bk_err err)
{
    bk_req *req = res->req;
    bk_str body;

    if (req->transport != NULL && res->started && !res->head.bodiless) {
        finish_stream(res, err);
    } else if (req->transport != NULL) {
        if (res->kind == BK__BODY_STREAM) {
            if (!res->started) /* nothing was written: the body is empty */
                bk__res_fill_head(res, is_bodiless(res) ? res->stream_length : 0);
            body = (bk_str){NULL, 0};
        } else {
            bk__res_prepare(res, &body);
        }
        if (!res->head.bodiless)
            res->sent_bytes = body.len;
        req->transport->respond(req, &res->head, body);
    }
    bk_err waited = bk__req_await(req, false);
    bk_debug_assert(waited == BK_OK); /* the fiber is shielded */
    (void)waited;
}

bk_err bk_res_stream(bk_res *res, int status, const char *type, uint64_t length)
{
    BK_TRY(check_header(BK_LIT("Content-Type"), bk_str_of(type)));
    set_status(res, status);
    res->kind = BK__BODY_STREAM;
    res->type = bk_arena_cstr(arena_of(res), bk_str_of(type));
    res->stream_length = length;
    return BK_OK;
}

static void start_stream(bk_res *res)
{
    bk_req *req = res->req;

    if (res->filter != NULL && !res->filter->begin(res->filter, res))
        res->filter = NULL;
    bk__res_fill_head(res, res->filter != NULL ? BK_LENGTH_UNKNOWN : res->stream_length);
    res->started = true;
    if (!res->head.bodiless)
        req->transport->start(req, &res->head);
}

bool bk_res_started(const bk_res *res)
{
    return res->started;
}

/* The client took too long, or the work was cancelled: the rest will not come, and the client must
 * see that. */
static bk_err break_off(bk_res *res, bk_err err)
{
    bk_req *req = res->req;

    res->broken = true;
    bk__shield_up();
    if (req->transport != NULL)
        req->transport->abort(req);
    bk_err waited = bk__req_await(req, false);
    bk__shield_down();
    (void)waited;
    return err;
}

bk_err bk_res_write(bk_res *res, bk_str bytes)
{
    bk_req *req = res->req;

    bk_assert(res->kind == BK__BODY_STREAM);
    if (req->transport == NULL || res->broken)
        return bk_fail(BK_ECLOSED, "the client is gone");
    if (res->stream_length != BK_LENGTH_UNKNOWN)
        bk_assert(bytes.len <= res->stream_length - res->stream_sent);
    if (!res->started)
        start_stream(res);
    res->stream_sent += bytes.len;
    if (res->head.bodiless || bytes.len == 0)
        return bk_fiber_interrupted();
    if (res->filter != NULL) {
        BK_TRY(res->filter->piece(res->filter, bytes, false, &bytes));
        if (req->transport == NULL)
            return bk_fail(BK_ECLOSED, "the client is gone");
    }
    req->drained = false;
    res->sent_bytes += bytes.len;
    req->transport->write(req, bytes, false);
    bk_err err = bk__req_await(req, true);
    if (req->lost || req->released)
        return bk_fail(BK_ECLOSED, "the client is gone");
    return req->drained ? BK_OK : break_off(res, err);
}

/* --- streams without an end ------------------------------------------------------------------- */

bk_err bk__res_await_idle(bk_res *res)
{
    bk_req *req = res->req;
    bk_err err = BK_OK;

    if (res->started && !req->drained)
        err = bk__req_await(req, true);
    if (req->transport == NULL)
        return bk_fail(BK_ECLOSED, "the client is gone");
    return req->drained || !res->started ? bk_fiber_interrupted() : err;
}

bk_err bk__res_push(bk_res *res, bk_str piece)
{
    bk_req *req = res->req;

    BK_TRY(bk__res_await_idle(res));
    if (!res->started) {
        res->filter = NULL; /* pieces are to arrive as they are sent */
        bk__res_fill_head(res, res->stream_length);
        res->started = true;
        req->transport->start(req, &res->head);
    }
    req->drained = false;
    res->sent_bytes += piece.len;
    req->transport->write(req, piece, false);
    bk_err err = bk__req_await(req, true);
    if (req->transport == NULL)
        return bk_fail(BK_ECLOSED, "the client is gone");
    return req->drained ? BK_OK : err;
}

void bk__res_push_idle(bk_res *res, bk_str piece)
{
    bk_req *req = res->req;

    if (!res->endless || !res->started || req->transport == NULL || !req->drained)
        return;
    req->drained = false;
    res->sent_bytes += piece.len;
    req->transport->write(req, piece, false);
}

bk_err bk__res_leave_endless(bk_res *res, bk_err err)
{
    bk_req *req = res->req;

    res->endless = false;
    if (res->started && req->transport != NULL && !req->drained) {
        bk__shield_up();
        bk_err waited = bk__req_await(req, true);
        bk__shield_down();
        (void)waited;
    }
    return err == BK_ECLOSED || err == BK_ECANCELED ? BK_OK : err;
}
