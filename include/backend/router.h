/**
 * @file backend/router.h
 * @brief Which handler answers which method and path.
 *
 * **Patterns.** `/products/{id}` takes one segment; `/files/{path*}` takes the rest, at least one
 * byte, and must be last. A static segment wins over a parameter, a parameter over a wildcard,
 * whatever the order of registration. `/a` equals `/a/`; case counts. Segments are split first and
 * percent-decoded after, once, so `%2F` never separates.
 *
 * **What comes for free.** HEAD where there is GET; OPTIONS (204 with `Allow`); 405 with `Allow`
 * where the path is known under another method; 404 otherwise. `/a/../b` and the like match
 * nothing.
 *
 * **Mistakes stop the program at start**, with the file and line of both places: the same route
 * twice, one place with two parameter names, a pattern that cannot be read.
 */
#ifndef BACKEND_ROUTER_H
#define BACKEND_ROUTER_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/middleware.h>
#include <backend/schema.h>

#ifdef __cplusplus
#include <initializer_list>
#endif

BK_BEGIN_DECLS

/** Answers a request. BK_OK sends `res`; an error becomes a problem answer. */
typedef bk_err (*bk_handler)(bk_req *req, bk_res *res);

/** Request methods. */
typedef enum bk_method {
    BK_METHOD_GET,
    BK_METHOD_HEAD,
    BK_METHOD_POST,
    BK_METHOD_PUT,
    BK_METHOD_PATCH,
    BK_METHOD_DELETE,
    BK_METHOD_OPTIONS
} bk_method;

/** "GET" for BK_METHOD_GET, and so on. Static. @threads Any. */
BK_API const char *bk_method_name(bk_method method);

/** Who goes first when not all can be served; see backend/middleware/shed.h. */
typedef enum bk_priority {
    BK_PRIORITY_NORMAL,   /**< The default. */
    BK_PRIORITY_LOW,      /**< Refused before others. */
    BK_PRIORITY_CRITICAL, /**< Refused after all others. */
} bk_priority;

struct bk_openapi_doc;

/** Settings of one route. Zero means default. The descriptions serve the API docs
 *  (backend/openapi.h), and bk_mw_validate() checks requests by them. */
typedef struct bk_route_opts {
    const char          *name;             /**< For logs and docs. Default: the pattern. */
    uint32_t             timeout_ms;       /**< The handler's deadline. Default: the app's. */
    uint32_t             body_limit_bytes; /**< Longest body. Default: the app's. */
    const bk_middleware *use;   /**< Around this route only; ends with {NULL, NULL}. May be NULL. */
    bk_desc_fn           body;  /**< What the body holds. May be NULL. */
    bk_desc_fn           query; /**< What the query holds. May be NULL. */
    bk_desc_fn           answer;   /**< What a 2xx answer holds. May be NULL. */
    const char          *summary;  /**< One line for the API docs. May be NULL. */
    void                *data;     /**< bk_req_route_data(). May be NULL. */
    bk_priority          priority; /**< When the service is overloaded. */
    bk_desc_fn           params;   /**< What the path's parameters hold. May be NULL. */
    bk_desc_fn           headers;  /**< What header fields hold; keys in lower case. May be NULL. */
    const bk_schema     *body_schema;     /**< A JSON body, instead of `body`. May be NULL. */
    const struct bk_openapi_doc *openapi; /**< More for the API docs: backend/openapi.h. May be
                                               NULL. */
} bk_route_opts;

/** What bk_router_walk() tells of a route. Borrowed for the call. */
typedef struct bk_route_info {
    bk_method            method;      /**< The one that it answers. */
    const char          *pattern;     /**< Whole, with the prefixes of its groups. */
    const bk_route_opts *opts;        /**< Its settings; the name is filled in. */
    size_t               middlewares; /**< How many wrap it. */
    const char          *file;        /**< Where it was registered. */
    int                  line;        /**< Likewise. */
} bk_route_info;

/** Called by bk_router_walk(). */
typedef void (*bk_route_fn)(const bk_route_info *route, void *data);

/** A router of its own, to be mounted. Taken by bk_router_mount(). */
BK_API BK_NODISCARD bk_router *bk_router_new(void);

/** Frees a router that was not mounted. NULL is fine. */
BK_API void bk_router_free(bk_router *router);

/** Routes below @p prefix ("/api"), with middleware of their own.
 *  @return Borrowed from @p parent. */
BK_API BK_NODISCARD bk_router *bk_router_group(bk_router *parent, const char *prefix);

/** Puts all routes of @p child, which is taken, below @p prefix of @p parent. */
BK_API void bk_router_mount(bk_router *parent, const char *prefix, bk_router *child);

/** Adds a middleware around all routes of @p router, also those registered before. Not for its
 * 404s, except on the app's own router, whose middleware runs for every request. A 405 and the
 * OPTIONS that comes for free run that of a route of their path: of the one that
 * Access-Control-Request-Method names, else of any. */
BK_API void bk_use(bk_router *router, bk_middleware middleware);

/** Registers a route; what the macros below call.
 *  @param opts  May be NULL; copied, and the list in `use` with it. */
BK_API void bk_route_at(const char *file, int line, bk_router *router, bk_method method,
                        const char *pattern, bk_handler handler, const bk_route_opts *opts);

/** Calls @p fn for each route, sorted by pattern and method. */
BK_API void bk_router_walk(const bk_router *router, bk_route_fn fn, void *data);

#ifdef __cplusplus
#define BK__FIRST_OPTS(...) (*std::initializer_list<const bk_route_opts *>{__VA_ARGS__}.begin())
#else
#define BK__FIRST_OPTS(...) ((const bk_route_opts *const[]){__VA_ARGS__})[0]
#endif
#define BK__ROUTE(method, router, pattern, ...)                                                    \
    BK__ROUTE_(method, router, pattern, __VA_ARGS__, NULL)
#define BK__ROUTE_(method, router, pattern, handler, ...)                                          \
    bk_route_at(__FILE__, __LINE__, router, method, pattern, handler, BK__FIRST_OPTS(__VA_ARGS__))

/** Registers a route for GET, and so for HEAD: `bk_get(router, "/products/{id}", handler)`, or with
 *  bk_route_opts: `bk_get(router, "/products/{id}", handler, &opts)`. */
#define bk_get(router, pattern, ...) BK__ROUTE(BK_METHOD_GET, router, pattern, __VA_ARGS__)
/** The same for POST. */
#define bk_post(router, pattern, ...) BK__ROUTE(BK_METHOD_POST, router, pattern, __VA_ARGS__)
/** The same for PUT. */
#define bk_put(router, pattern, ...) BK__ROUTE(BK_METHOD_PUT, router, pattern, __VA_ARGS__)
/** The same for PATCH. */
#define bk_patch(router, pattern, ...) BK__ROUTE(BK_METHOD_PATCH, router, pattern, __VA_ARGS__)
/** The same for DELETE. */
#define bk_delete(router, pattern, ...) BK__ROUTE(BK_METHOD_DELETE, router, pattern, __VA_ARGS__)
/** The same for HEAD, where it is not to be what GET makes of it. */
#define bk_head(router, pattern, ...) BK__ROUTE(BK_METHOD_HEAD, router, pattern, __VA_ARGS__)
/** The same for OPTIONS, which is answered with `Allow` otherwise. */
#define bk_options(router, pattern, ...) BK__ROUTE(BK_METHOD_OPTIONS, router, pattern, __VA_ARGS__)

BK_END_DECLS

#endif
