/*
 * table.h: the routes of an app, flattened: what routing and running a request need, and nothing
 * else.
 *
 * It is built from the app's router when the app starts, and does not change after. Mistakes in the
 * routes are found here, and stop the program.
 */
#ifndef BK_HTTP_TABLE_H
#define BK_HTTP_TABLE_H

#include <backend/router.h>

#include "http/tree.h"

#define BK__METHODS 7

/* The onion around a handler: middleware from the outside in. */
struct bk__chain {
    bk_middleware *items;
    size_t count;
};

struct bk__route {
    bk_method method;
    bk_handler handler;
    bk_route_opts opts;                /* timeouts and limits: 0 means the app's */
    const char *pattern;               /* whole */
    bk_str names[BK__PATH_PARAMS_MAX]; /* of the parameters */
    size_t name_count;
    struct bk__chain chain;
    const char *file;
    int line;
};

/* What stands behind one path. */
struct bk__place {
    struct bk__route *routes[BK__METHODS]; /* by bk_method; NULL: none */
    uint32_t allow; /* bits of bk_method, with HEAD and OPTIONS that come for free */
};

struct bk__table {
    struct bk__tree *tree; /* of struct bk__place */
    struct bk__route *routes;
    size_t route_count;
    struct bk__place *places;
    size_t place_count;
    struct bk__chain always; /* the app's own middleware, for requests without a route */
    bk_arena *arena;
    uint32_t largest_body; /* of any route that has a limit of its own */
};

struct bk__table *bk__table_new(const bk_router *router);
void bk__table_free(struct bk__table *table); /* NULL is fine */

/* "GET, HEAD, OPTIONS" */
bk_str bk__table_allow_text(bk_arena *arena, uint32_t allow);

#endif
