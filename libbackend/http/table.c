/*
 * table.c: flattening a router and its groups into the table that serves. See table.h.
 */
#include "http/table.h"

#include <string.h>

#include <backend/arena.h>
#include <backend/describe.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/router.h"

#define NESTING_MAX 32

static void count(const bk_router *router, size_t *routes)
{
    *routes += router->entry_count;
    for (const bk_router *child = router->children; child != NULL; child = child->next)
        count(child, routes);
}

/* Prefixes of the groups, then the pattern: "/" between them once, none at the end. */
static const char *whole_pattern(bk_arena *arena, const bk_router *router, const char *pattern)
{
    const char *parts[NESTING_MAX];
    size_t depth = 0;
    bk_buf buf = {.arena = arena};

    for (const bk_router *at = router; at != NULL; at = at->parent) {
        bk_assert(depth < NESTING_MAX);
        parts[depth++] = at->prefix;
    }
    while (depth-- > 0) {
        bk_str part = bk_str_of(parts[depth]);
        while (part.len != 0 && part.ptr[part.len - 1] == '/')
            part.len--;
        if (part.len != 0 && part.ptr[0] != '/')
            bk_buf_add_char(&buf, '/');
        bk_buf_add(&buf, part);
    }
    if (pattern[0] != '/')
        bk_buf_add_char(&buf, '/');
    bk_buf_add(&buf, bk_str_of(pattern));
    if (buf.len > 1 && buf.ptr[buf.len - 1] == '/')
        buf.len--;
    return bk_arena_cstr(arena, bk_buf_str(&buf));
}

static size_t count_own(const bk_middleware *list)
{
    size_t n = 0;

    while (list != NULL && list[n].fn != NULL)
        n++;
    return n;
}

/* Middleware of the routers from the outside in, then @p own. */
static struct bk__chain build_chain(bk_arena *arena, const bk_router *router,
                                    const bk_middleware *own)
{
    const bk_router *path[NESTING_MAX];
    size_t depth = 0, own_count = count_own(own), total = own_count;
    struct bk__chain chain = {0};

    for (const bk_router *at = router; at != NULL; at = at->parent) {
        bk_assert(depth < NESTING_MAX);
        path[depth++] = at;
        total += at->middleware_count;
    }
    chain.items = bk_arena_alloc(arena, (total + 1) * sizeof *chain.items);
    while (depth-- > 0) {
        for (size_t i = 0; i < path[depth]->middleware_count; i++)
            chain.items[chain.count++] = path[depth]->middleware[i];
    }
    if (own_count != 0)
        memcpy(&chain.items[chain.count], own, own_count * sizeof *own);
    chain.count += own_count;
    return chain;
}

/* A description in a route's options is checked now rather than by the first request. */
static void check_desc(const struct bk__route *route, bk_desc_fn desc, const char *what)
{
    if (desc == NULL || bk_desc_check(desc) == BK_OK)
        return;
    bk__setup_error(route->file, route->line, "route %s %s: its %s is described wrongly: %s",
                    bk_method_name(route->method), route->pattern, what,
                    bk_error_chain()->message.ptr);
}

static struct bk__place *place_of(struct bk__table *table, const struct bk__route *route)
{
    const char *why = NULL;
    void *clash = NULL;
    void **slot = bk__tree_slot(table->tree, bk_str_of(route->pattern), &why, &clash);

    if (slot == NULL && clash != NULL) {
        const struct bk__place *other = clash;
        for (size_t i = 0; i < BK__METHODS; i++)
            if (other->routes[i] != NULL)
                bk__setup_error(
                    route->file, route->line, "route %s %s: %s; the other is %s at %s:%d",
                    bk_method_name(route->method), route->pattern, why, other->routes[i]->pattern,
                    other->routes[i]->file, other->routes[i]->line);
    }
    if (slot == NULL)
        bk__setup_error(route->file, route->line, "route %s %s: %s", bk_method_name(route->method),
                        route->pattern, why);
    if (*slot == NULL)
        *slot = &table->places[table->place_count++];
    return *slot;
}

static void add_route(struct bk__table *table, const bk_router *router,
                      const struct bk__entry *entry)
{
    struct bk__route *route = &table->routes[table->route_count++];

    *route = (struct bk__route){
        .method = entry->method,
        .handler = entry->handler,
        .opts = entry->opts,
        .pattern = whole_pattern(table->arena, router, entry->pattern),
        .chain = build_chain(table->arena, router, entry->opts.use),
        .file = entry->file,
        .line = entry->line,
    };
    if (route->opts.name == NULL)
        route->opts.name = route->pattern;
    struct bk__place *place = place_of(table, route);
    route->name_count = bk__tree_params(bk_str_of(route->pattern), route->names);
    const struct bk__route *other = place->routes[route->method];
    if (other != NULL)
        bk__setup_error(route->file, route->line, "route %s %s is there already, at %s:%d",
                        bk_method_name(route->method), route->pattern, other->file, other->line);
    place->routes[route->method] = route;
    place->allow |= 1u << route->method | 1u << BK_METHOD_OPTIONS;
    if (route->method == BK_METHOD_GET)
        place->allow |= 1u << BK_METHOD_HEAD;
    if (route->opts.body_limit_bytes != BK_UNLIMITED &&
        route->opts.body_limit_bytes > table->largest_body)
        table->largest_body = route->opts.body_limit_bytes;
    check_desc(route, route->opts.body, "body");
    check_desc(route, route->opts.query, "query");
    check_desc(route, route->opts.answer, "answer");
    check_desc(route, route->opts.params, "params");
    check_desc(route, route->opts.headers, "headers");
}

static void add_router(struct bk__table *table, const bk_router *router)
{
    for (size_t i = 0; i < router->entry_count; i++)
        add_route(table, router, &router->entries[i]);
    for (const bk_router *child = router->children; child != NULL; child = child->next)
        add_router(table, child);
}

struct bk__table *bk__table_new(const bk_router *router)
{
    bk_arena *arena = bk_arena_new();
    struct bk__table *table = BK_NEW(arena, struct bk__table);
    size_t routes = 0;

    count(router, &routes);
    table->arena = arena;
    table->tree = bk__tree_new();
    table->routes = bk_arena_zalloc(arena, (routes + 1) * sizeof *table->routes);
    table->places = bk_arena_zalloc(arena, (routes + 1) * sizeof *table->places);
    table->always = build_chain(arena, router, NULL);
    add_router(table, router);
    return table;
}

void bk__table_free(struct bk__table *table)
{
    if (table == NULL)
        return;
    bk__tree_free(table->tree);
    bk_arena_free(table->arena);
}

bk_str bk__table_allow_text(bk_arena *arena, uint32_t allow)
{
    bk_buf buf = {.arena = arena};

    for (int method = 0; method < BK__METHODS; method++) {
        if ((allow & 1u << method) == 0)
            continue;
        if (buf.len != 0)
            bk_buf_add(&buf, BK_LIT(", "));
        bk_buf_add(&buf, bk_str_of(bk_method_name((bk_method)method)));
    }
    return bk_buf_str(&buf);
}
