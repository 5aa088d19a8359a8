/*
 * api_key.c: keys of programs. See <backend/middleware/api_key.h>.
 *
 * The id in a key is what it is looked up by, so that no query's time tells of the secret; the
 * secret is compared by its hash.
 */
#include <backend/middleware/api_key.h>

#include <stdlib.h>

#include <backend/loop.h>
#include <backend/str.h>
#include <backend/token.h>

#include "core/assert.h"
#include "http/exchange.h"
#include "middleware/challenge.h"

struct api_key {
    bk_mw_api_key_opts opts;
};

static bk_err refuse(bk_res *res, const char *why)
{
    return bk__challenge(res, "ApiKey", why);
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct api_key *self = data;
    bk_str text = bk__req_header(req, BK_LIT("x-api-key")), hash = bk_str_of(NULL), id;
    bk_principal who = {0};

    if (bk_str_present(text)) {
        id = bk_api_key_id(text, self->opts.prefix);
        if (!bk_str_present(id))
            return refuse(res, "the API key is not valid");
    } else {
        text = bk__credentials(req, "Bearer");
        id = bk_api_key_id(text, self->opts.prefix);
        if (!bk_str_present(id)) /* none, or a token of another kind */
            return self->opts.optional ? bk_next_run(next, req, res)
                                       : refuse(res, "this needs an API key");
    }
    bk_err err = self->opts.find(req, id, &hash, &who, self->opts.data);
    if (err == BK_ENOTFOUND)
        bk_error_clear();
    else if (err != BK_OK)
        return err;
    if (err != BK_OK || !bk_token_matches(text, hash))
        return refuse(res, "the API key is not valid");
    bk_req_set_principal(req, &who);
    return bk_next_run(next, req, res);
}

static const bk_part_type part = {.name = "api key", .free = free};

bk_middleware bk_mw_api_key(bk_app *app, const bk_mw_api_key_opts *opts)
{
    struct api_key *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    bk_assert(opts != NULL && opts->prefix != NULL && opts->find != NULL);
    self->opts = *opts;
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
