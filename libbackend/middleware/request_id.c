/*
 * request_id.c: a request's id, told to the client. See <backend/middleware/request_id.h>.
 */
#include <backend/middleware/request_id.h>

#include <stdlib.h>

#include <backend/request.h>
#include <backend/str.h>

#include "http/exchange.h"
#include "middleware/setup.h"

struct request_id {
    bk_mw_request_id_opts opts;
    bk_str header, lower; /* the header's name, and as requests have it */
    char lower_text[BK__MW_NAME_MAX];
};

static void make_id(const struct request_id *self, bk_req *req)
{
    bk_str id = self->opts.make(req, self->opts.data);

    if (bk__req_id_fits(id))
        bk__req_set_id(req, id);
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct request_id *self = data;

    if (!bk_str_present(req->id) && !bk__req_take_id(req, self->lower, self->opts.from_anyone) &&
        self->opts.make != NULL)
        make_id(self, req);
    if (!self->opts.no_echo)
        bk__res_push_header(res, self->header, bk_req_id(req));
    return bk_next_run(next, req, res);
}

static const bk_part_type part = {.name = "request id", .free = free};

bk_middleware bk_mw_request_id(bk_app *app, const bk_mw_request_id_opts *opts)
{
    static const bk_mw_request_id_opts defaults = {0};
    struct request_id *self = bk__mw_new(app, &part, sizeof *self);

    self->opts = opts != NULL ? *opts : defaults;
    self->header = bk_str_of(self->opts.header != NULL ? self->opts.header : "X-Request-Id");
    self->lower = bk__mw_header_name("bk_mw_request_id", self->header, self->lower_text);
    return bk_mw(run, self);
}
