/*
 * recover.c: errors in another form. See <backend/middleware/recover.h>.
 *
 * What has begun to be sent can only break off: that error goes on outwards.
 */
#include <backend/middleware/recover.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/str.h>

#include "http/exchange.h"
#include "http/problem.h"
#include "middleware/setup.h"

static void write_str(bk_json_writer *w, const char *key, bk_str value)
{
    bk_json_write_key(w, bk_str_of(key));
    bk_json_write_str(w, value);
}

/* As Fastify says it: "body/email is missing". */
static bk_str fastify_message(bk_req *req, bk_err err, int status, const bk_field_error *fields,
                              size_t count)
{
    bk_str message = bk__problem_message(err);

    if (status >= 500)
        return bk_str_of(bk__status_text(status));
    if (count != 0) {
        bk_str at = fields[0].pointer;
        const char *slash = at.len != 0 && at.ptr[0] != '/' ? "/" : "";
        return bk_arena_printf(bk_req_arena(req), "%s%s%.*s %.*s",
                               *slash != '\0' ? "params" : "body", slash, BK_PRI(at),
                               BK_PRI(fields[0].detail));
    }
    return message.len != 0 ? message : bk_str_of(bk_err_text(err));
}

static void fastify(bk_req *req, bk_err err, int status, bool details)
{
    size_t count;
    const bk_field_error *fields = bk_error_fields(&count);
    bk_str message = fastify_message(req, err, status, fields, count);

    bk_json_writer *w = bk__problem_begin(req, err, status);
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("statusCode"));
    bk_json_write_i64(w, status);
    if (status < 500 && count != 0)
        write_str(w, "code", BK_LIT("FST_ERR_VALIDATION"));
    write_str(w, "error", bk_str_of(bk__status_text(status)));
    write_str(w, "message", message);
    if (details)
        bk__problem_write_chain(w);
    bk_json_end_object(w);
}

/* What the application makes of it. The chain is logged before: it may not survive. */
static bk_err render(const bk_mw_recover_opts *opts, bk_req *req, bk_res *res, bk_err err,
                     int status)
{
    (void)bk__problem_begin(req, err, status);
    bk__res_clear(res);
    res->no_etag = true;
    bk_res_status(res, status);
    return opts->render(req, res, err, status, opts->data);
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const bk_mw_recover_opts *opts = data;
    bk_err err = bk_next_run(next, req, res);

    if (err == BK_OK || res->started || req->raw != NULL)
        return err;
    int status = bk__problem_status(req, err);
    if (opts->render != NULL && render(opts, req, res, err, status) != BK_OK)
        return err;
    if (opts->render == NULL && opts->format == BK_ERRORS_FASTIFY)
        fastify(req, err, status, opts->show_details);
    else if (opts->render == NULL)
        bk__problem_write(req, err, opts->show_details);
    bk_error_clear();
    return BK_OK;
}

static const bk_part_type part = {.name = "recover", .free = free};

bk_middleware bk_mw_recover(bk_app *app, const bk_mw_recover_opts *opts)
{
    bk_mw_recover_opts *self = bk__mw_new(app, &part, sizeof *self);

    if (opts != NULL)
        *self = *opts;
    return bk_mw(run, self);
}
