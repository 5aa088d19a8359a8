/*
 * problem.c: every error as one application/problem+json (RFC 9457).
 *
 * For a 4xx the client is told what was wrong: the message of the first link of the chain, and each
 * field error. For a 5xx it is told a request id, under which the log has the whole chain.
 */
#include <backend/log.h>
#include <backend/str.h>
#include <backend/trace.h>

#include "core/assert.h"
#include "http/exchange.h"
#include "http/problem.h"
#include "http/server.h"

/* Validation failures may be answered by 422 instead of 400. */
int bk__problem_status(const bk_req *req, bk_err err)
{
    int status = bk_err_status(err);
    size_t fields;

    (void)bk_error_fields(&fields);
    if (err == BK_EINVAL && fields != 0 && req->server->invalid_status != 0)
        return req->server->invalid_status;
    if (err == BK_ECANCELED && req->server->draining)
        return 503;
    return status;
}

/* The link that was recorded first says what happened; later ones say what was being done. */
bk_str bk__problem_message(bk_err err)
{
    const bk_error_link *link = bk_error_chain();

    while (link != NULL && link->cause != NULL)
        link = link->cause;
    if (link == NULL || link->code != err)
        return (bk_str){NULL, 0};
    return link->message;
}

void bk__problem_log(const bk_req *req, bk_err err)
{
    bk_buf buf = {.arena = bk_fiber_arena()};

    if (req->lost && (err == BK_ECANCELED || err == BK_ECLOSED))
        return; /* that a client goes away is no failure */
    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
        bk_buf_printf(&buf, "%s%.*s (%s:%d)", buf.len != 0 ? ": " : "", (int)link->message.len,
                      link->message.ptr != NULL ? link->message.ptr : "", link->file, link->line);
    bk_error("request.failed", bk_kv_cstr("err", bk_err_slug(err)),
             bk_kv_i64("status", bk_err_status(err)), bk_kv_str("detail", bk_buf_str(&buf)));
}

static void write_fields(bk_json_writer *w, const bk_field_error *fields, size_t count)
{
    bk_json_write_key(w, BK_LIT("errors"));
    bk_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        bk_json_begin_object(w);
        bk_json_write_key(w, BK_LIT("pointer"));
        bk_json_write_str(w, fields[i].pointer);
        bk_json_write_key(w, BK_LIT("code"));
        bk_json_write_str(w, fields[i].code);
        bk_json_write_key(w, BK_LIT("detail"));
        bk_json_write_str(w, fields[i].detail);
        bk_json_end_object(w);
    }
    bk_json_end_array(w);
}

/* A URI reference: ids of our own are UUIDs, those of a proxy are what they are. */
static bk_str instance(bk_req *req)
{
    bk_str id = bk_req_id(req);

    if (req->id_given)
        return id;
    return bk_arena_printf(bk_req_arena(req), "urn:uuid:%.*s", BK_PRI(id));
}

bk_json_writer *bk__problem_begin(bk_req *req, bk_err err, int status)
{
    bk_res *res = &req->res;

    if (status >= 500 && req->refusal == BK_OK)
        bk__problem_log(req, err);
    bk__res_clear(res);
    res->no_etag = true;
    if (status == 503 || status == 429) {
        bool said = bk_str_present(bk_res_get_header(res, "Retry-After"));
        bk_err fits = said ? BK_OK : bk_res_header(res, "Retry-After", BK_LIT("1"));
        bk_debug_assert(fits == BK_OK);
        (void)fits;
    }
    return bk_res_json_writer(res, status);
}

void bk__problem_write_chain(bk_json_writer *w)
{
    bk_json_write_key(w, BK_LIT("chain"));
    bk_json_begin_array(w);
    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause) {
        bk_json_begin_object(w);
        bk_json_write_key(w, BK_LIT("message"));
        bk_json_write_str(w, link->message);
        bk_json_write_key(w, BK_LIT("code"));
        bk_json_write_str(w, bk_str_of(bk_err_slug(link->code)));
        bk_json_write_key(w, BK_LIT("file"));
        bk_json_write_str(w, bk_str_of(link->file));
        bk_json_write_key(w, BK_LIT("line"));
        bk_json_write_i64(w, link->line);
        bk_json_end_object(w);
    }
    bk_json_end_array(w);
}

void bk__problem_write(bk_req *req, bk_err err, bool details)
{
    size_t count;
    const bk_field_error *fields = bk_error_fields(&count);
    int status = bk__problem_status(req, err);
    bk_str message = bk__problem_message(err), trace_id = bk_trace_id();

    bk_json_writer *w = bk__problem_begin(req, err, status);
    req->res.type = "application/problem+json";
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("type"));
    bk_json_write_str(w, BK_LIT("about:blank"));
    bk_json_write_key(w, BK_LIT("title"));
    bk_json_write_str(w, bk_str_of(bk__status_text(status)));
    bk_json_write_key(w, BK_LIT("status"));
    bk_json_write_i64(w, status);
    if (status < 500 && message.len != 0) {
        bk_json_write_key(w, BK_LIT("detail"));
        bk_json_write_str(w, message);
    }
    bk_json_write_key(w, BK_LIT("instance"));
    bk_json_write_str(w, instance(req));
    if (bk_str_present(trace_id)) {
        bk_json_write_key(w, BK_LIT("trace_id"));
        bk_json_write_str(w, trace_id);
    }
    if (status < 500 && count != 0)
        write_fields(w, fields, count);
    if (details)
        bk__problem_write_chain(w);
    bk_json_end_object(w);
}

void bk__problem_render(bk_req *req, bk_err err)
{
    bk__problem_write(req, err, false);
}
