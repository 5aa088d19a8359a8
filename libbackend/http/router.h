/*
 * router.h: what a bk_router remembers until the table is built.
 */
#ifndef BK_HTTP_ROUTER_H
#define BK_HTTP_ROUTER_H

#include <backend/router.h>

struct bk__entry {
    bk_method method;
    const char *pattern; /* relative to the router's prefix; in its arena */
    bk_handler handler;
    bk_route_opts opts;
    const char *file;
    int line;
};

/* A router owns its groups and what was mounted on it. */
struct bk_router {
    bk_arena *arena;          /* of this router alone */
    const char *prefix;       /* "" for an app's own */
    struct bk_router *parent; /* NULL: the root */
    struct bk_router *children, *next;
    struct bk__entry *entries;
    size_t entry_count, entry_cap;
    bk_middleware *middleware;
    size_t middleware_count, middleware_cap;
};

#endif
