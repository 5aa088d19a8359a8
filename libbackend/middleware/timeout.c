/*
 * timeout.c: a deadline from outside. See <backend/middleware/timeout.h>.
 */
#include <backend/middleware/timeout.h>

#include <stdlib.h>

#include <backend/fiber.h>
#include <backend/request.h>
#include <backend/str.h>

#include "http/exchange.h"
#include "middleware/setup.h"

struct timeout {
    bk_mw_timeout_opts opts;
    bk_str header, lower;
    char lower_text[BK__MW_NAME_MAX];
};

/* A number too large to be read is as good as no limit. */
static bool read_ms(bk_str text, uint64_t *out)
{
    uint64_t ms = 0;

    if (text.len == 0 || text.len > 32)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < '0' || c > '9')
            return false;
        if (ms < UINT32_MAX)
            ms = ms * 10 + (uint64_t)(c - '0');
    }
    *out = ms;
    return true;
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct timeout *self = data;
    uint64_t ms = self->opts.timeout_ms != 0 ? self->opts.timeout_ms : UINT64_MAX;
    bk_str text = {NULL, 0};

    if (!self->opts.no_header)
        text = bk__req_believed_header(req, self->lower, false);
    if (bk_str_present(text)) {
        uint64_t asked;
        if (!read_ms(text, &asked))
            return bk_fail(BK_EINVAL, "%.*s must be a whole number of milliseconds",
                           BK_PRI(self->header));
        if (asked == 0)
            return bk_fail(BK_ETIMEDOUT, "%.*s: no time was left", BK_PRI(self->header));
        ms = asked < ms ? asked : ms;
    }
    if (ms == UINT64_MAX)
        return bk_next_run(next, req, res);
    bk_deadline before = bk_deadline_push(ms);
    bk_err err = bk_next_run(next, req, res);
    bk_deadline_pop(before);
    return err;
}

static const bk_part_type part = {.name = "timeout", .free = free};

bk_middleware bk_mw_timeout(bk_app *app, const bk_mw_timeout_opts *opts)
{
    static const bk_mw_timeout_opts defaults = {0};
    struct timeout *self = bk__mw_new(app, &part, sizeof *self);

    self->opts = opts != NULL ? *opts : defaults;
    self->header = bk_str_of(self->opts.header != NULL ? self->opts.header : BK_DEADLINE_HEADER);
    self->lower = bk__mw_header_name("bk_mw_timeout", self->header, self->lower_text);
    return bk_mw(run, self);
}
