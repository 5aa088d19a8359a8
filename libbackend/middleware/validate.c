/*
 * validate.c: requests against what their route describes. See <backend/middleware/validate.h>.
 *
 * A route's options already say what it takes, for the API docs; here that is held to. The handler
 * finds what was bound on the request, so nothing is read twice.
 */
#include <backend/middleware/validate.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/loop.h>
#include <backend/request.h>
#include <backend/schema.h>

#include "core/assert.h"
#include "http/exchange.h"
#include "http/table.h"
#include "json/pairs.h"

struct validate {
    bk_bind_opts bind;
};

/* What was bound; NULL: not described. */
struct valid {
    void *params, *query, *headers, *body;
    bk_json *json;
};

/* What it is kept under on its request. */
static const char valid_key;

static const struct valid *valid_of(const bk_req *req)
{
    static const struct valid nothing;
    const struct valid *valid = bk_req_get(req, &valid_key);

    return valid != NULL ? valid : &nothing;
}

void *bk_valid_params(const bk_req *req)
{
    return valid_of(req)->params;
}

void *bk_valid_query(const bk_req *req)
{
    return valid_of(req)->query;
}

void *bk_valid_headers(const bk_req *req)
{
    return valid_of(req)->headers;
}

void *bk_valid_body(const bk_req *req)
{
    return valid_of(req)->body;
}

bk_json *bk_valid_json(const bk_req *req)
{
    return valid_of(req)->json;
}

static void *room_for(bk_req *req, bk_desc_fn desc)
{
    return bk_arena_alloc(bk_req_arena(req), desc()->bytes);
}

static bk_err bind_params(bk_req *req, bk_desc_fn desc, void *out)
{
    struct bk__name_value pairs[BK__PATH_PARAMS_MAX];
    const struct bk__route *route = req->route;

    for (size_t i = 0; i < route->name_count; i++)
        pairs[i] = (struct bk__name_value){route->names[i], req->match.params[i]};
    return bk__bind_pairs(bk_req_arena(req), pairs, route->name_count, desc, NULL, out);
}

static bk_err bind_headers(bk_req *req, bk_desc_fn desc, void *out)
{
    bk_pairs headers = bk_req_headers(req);
    struct bk__name_value *pairs =
        bk_arena_alloc(bk_req_arena(req), (headers.count + 1) * sizeof *pairs);

    for (size_t i = 0; i < headers.count; i++)
        pairs[i] = (struct bk__name_value){headers.items[i].name, headers.items[i].value};
    return bk__bind_pairs(bk_req_arena(req), pairs, headers.count, desc, NULL, out);
}

static bk_err bind_all(bk_req *req, const bk_bind_opts *how, struct valid *valid)
{
    const bk_route_opts *opts = &req->route->opts;

    if (opts->params != NULL) {
        valid->params = room_for(req, opts->params);
        BK_TRY(bind_params(req, opts->params, valid->params));
    }
    if (opts->query != NULL) {
        valid->query = room_for(req, opts->query);
        BK_TRY(bk_bind_form(bk_req_arena(req), bk_req_query(req), opts->query, how, valid->query));
    }
    if (opts->headers != NULL) {
        valid->headers = room_for(req, opts->headers);
        BK_TRY(bind_headers(req, opts->headers, valid->headers));
    }
    if (opts->body != NULL) {
        valid->body = room_for(req, opts->body);
        BK_TRY(bk_req_bind_opts(req, opts->body, how, valid->body));
    }
    if (opts->body_schema != NULL) {
        BK_TRY(bk_req_json(req, &valid->json));
        BK_TRY(bk_schema_check(opts->body_schema, valid->json));
    }
    return BK_OK;
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct validate *self = data;
    const bk_route_opts *opts = req->route != NULL ? &req->route->opts : NULL;

    if (opts == NULL || req->refusal != BK_OK ||
        (opts->params == NULL && opts->query == NULL && opts->headers == NULL &&
         opts->body == NULL && opts->body_schema == NULL))
        return bk_next_run(next, req, res);
    struct valid *valid = BK_NEW(bk_req_arena(req), struct valid);
    BK_TRY(bind_all(req, &self->bind, valid));
    bk_req_set(req, &valid_key, valid);
    return bk_next_run(next, req, res);
}

static const bk_part_type part = {.name = "validate", .free = free};

bk_middleware bk_mw_validate(bk_app *app, const bk_mw_validate_opts *opts)
{
    struct validate *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    if (opts != NULL)
        self->bind.unknown = opts->unknown;
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
