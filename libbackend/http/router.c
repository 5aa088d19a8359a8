/*
 * router.c: registering routes. See <backend/router.h>.
 *
 * Nothing is decided here: groups, routes and middleware are only remembered. The table (table.c)
 * flattens them when the app starts, so that the order of registration does not matter.
 */
#include "http/router.h"

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/table.h"

bk_router *bk_router_new(void)
{
    bk_arena *arena = bk_arena_new();
    bk_router *router = BK_NEW(arena, bk_router);

    router->arena = arena;
    router->prefix = "";
    return router;
}

void bk_router_free(bk_router *router)
{
    if (router == NULL)
        return;
    for (bk_router *child = router->children; child != NULL;) {
        bk_router *next = child->next;
        bk_router_free(child);
        child = next;
    }
    bk_arena_free(router->arena);
}

static void adopt(bk_router *parent, const char *prefix, bk_router *child)
{
    bk_router **last = &parent->children;

    bk_assert(child->parent == NULL && child != parent);
    child->parent = parent;
    child->prefix = bk_arena_cstr(child->arena, bk_str_of(prefix));
    while (*last != NULL)
        last = &(*last)->next;
    *last = child;
}

bk_router *bk_router_group(bk_router *parent, const char *prefix)
{
    bk_router *child = bk_router_new();

    adopt(parent, prefix, child);
    return child;
}

void bk_router_mount(bk_router *parent, const char *prefix, bk_router *child)
{
    adopt(parent, prefix, child);
}

/* An array in an arena with room for one more item. */
static void *room_for_one(bk_arena *arena, void *items, size_t count, size_t *cap,
                          size_t item_bytes)
{
    if (count < *cap)
        return items;
    size_t cap_now = *cap != 0 ? *cap * 2 : 8;
    void *more = bk_arena_alloc(arena, cap_now * item_bytes);
    if (count != 0)
        memcpy(more, items, count * item_bytes);
    *cap = cap_now;
    return more;
}

void bk_use(bk_router *router, bk_middleware middleware)
{
    bk_assert(middleware.fn != NULL);
    router->middleware = room_for_one(router->arena, router->middleware, router->middleware_count,
                                      &router->middleware_cap, sizeof *router->middleware);
    router->middleware[router->middleware_count++] = middleware;
}

/* A route's own middleware, which stood in the caller's memory. */
static const bk_middleware *copy_list(bk_arena *arena, const bk_middleware *list)
{
    size_t count = 0;

    if (list == NULL)
        return NULL;
    while (list[count++].fn != NULL) {
    }
    return memcpy(bk_arena_alloc(arena, count * sizeof *list), list, count * sizeof *list);
}

void bk_route_at(const char *file, int line, bk_router *router, bk_method method,
                 const char *pattern, bk_handler handler, const bk_route_opts *opts)
{
    if (pattern == NULL || handler == NULL || (unsigned)method >= BK__METHODS)
        bk__setup_error(file, line, "a route needs a method, a pattern and a handler");
    router->entries = room_for_one(router->arena, router->entries, router->entry_count,
                                   &router->entry_cap, sizeof *router->entries);
    struct bk__entry *entry = &router->entries[router->entry_count++];
    *entry = (struct bk__entry){
        .method = method,
        .pattern = bk_arena_cstr(router->arena, bk_str_of(pattern)),
        .handler = handler,
        .file = file,
        .line = line,
    };
    if (opts == NULL)
        return;
    entry->opts = *opts;
    entry->opts.use = copy_list(router->arena, opts->use);
}

const char *bk_method_name(bk_method method)
{
    static const char *const names[BK__METHODS] = {"GET",   "HEAD",   "POST",   "PUT",
                                                   "PATCH", "DELETE", "OPTIONS"};

    bk_assert((unsigned)method < BK__METHODS);
    return names[method];
}

static int by_pattern(const void *left, const void *right)
{
    const struct bk__route *a = *(const struct bk__route *const *)left;
    const struct bk__route *b = *(const struct bk__route *const *)right;
    int order = strcmp(a->pattern, b->pattern);

    return order != 0 ? order : (int)a->method - (int)b->method;
}

void bk_router_walk(const bk_router *router, bk_route_fn fn, void *data)
{
    struct bk__table *table = bk__table_new(router);
    const struct bk__route **sorted =
        bk_arena_alloc(table->arena, (table->route_count + 1) * sizeof *sorted);

    for (size_t i = 0; i < table->route_count; i++)
        sorted[i] = &table->routes[i];
    qsort(sorted, table->route_count, sizeof *sorted, by_pattern);
    for (size_t i = 0; i < table->route_count; i++) {
        const struct bk__route *route = sorted[i];
        bk_route_info info = {route->method,      route->pattern, &route->opts,
                              route->chain.count, route->file,    route->line};
        fn(&info, data);
    }
    bk__table_free(table);
}
