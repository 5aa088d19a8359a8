/**
 * @file backend/openapi.h
 * @brief The routes of an app as an OpenAPI 3.1 document.
 *
 * @code
 * bk_get(api, "/products/{id}", show, &(bk_route_opts){
 *     .summary = "One product", .params = product_id_desc, .answer = product_desc,
 *     .openapi = &(bk_openapi_doc){.operation_id = "showProduct", .tag = "products"}});
 * bk_openapi_serve(app, bk_app_router(app), &(bk_openapi_opts){.title = "Shop"});
 * @endcode
 *
 * GET `/openapi.json` answers with the document, with an ETag. It is made once, when the app
 * starts.
 *
 * **What is told of a route** comes from its bk_route_opts: parameters from the pattern and from
 * params, query and headers; the body from body or body_schema; the 2xx answer from answer (201 for
 * POST, 204 where nothing is described for DELETE, else 200); every error as one shared
 * `application/problem+json`. Described structs stand under components once, by their names.
 */
#ifndef BACKEND_OPENAPI_H
#define BACKEND_OPENAPI_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/router.h>

BK_BEGIN_DECLS

/** What a route answers with one status. */
typedef struct bk_openapi_answer {
    int         status; /**< 200 to 599; 0 ends a list. */
    bk_desc_fn  desc;   /**< What it holds, as JSON. NULL: nothing, or a problem from 400 on. */
    const char *description; /**< Default: the status' words. */
} bk_openapi_answer;

/** What the API docs tell of a route beyond its bk_route_opts, which point to it: borrowed as long
 *  as the app. Zero means default. */
typedef struct bk_openapi_doc {
    const char              *operation_id; /**< Unique. Default: none. */
    const char              *description;  /**< In Markdown. May be NULL. */
    const char              *tag;          /**< The group that it is shown in. May be NULL. */
    const char              *security;     /**< A scheme of bk_openapi_opts. May be NULL. */
    const bk_openapi_answer *answers;      /**< Instead of the default answer; ends with a status
                                                of 0. May be NULL. */
    bool deprecated;                       /**< Not to be used any more. */
    bool hidden;                           /**< Not in the docs. */
} bk_openapi_doc;

/** Settings. Zero means default. All is borrowed as long as the app. */
typedef struct bk_openapi_opts {
    const char *title;       /**< Default "API". */
    const char *version;     /**< Of the API. Default "1.0.0". */
    const char *description; /**< In Markdown. May be NULL. */
    const char *server;      /**< URL that paths are relative to. Default "/". */
    const char *path;        /**< Default "/openapi.json". */
    bool        bearer;      /**< There is a security scheme "bearer": a token in Authorization. */
    const char *api_key;     /**< There is a security scheme "apiKey": this header. May be NULL. */
} bk_openapi_opts;

/** Registers that route on @p router, the app's own, for all of its routes, also those registered
 *  later. A security scheme that is not declared stops the program when the app starts.
 *  @param opts  Copied; may be NULL. */
BK_API void bk_openapi_serve(bk_app *app, bk_router *router, const bk_openapi_opts *opts);

/** Writes the document for @p router. @param opts  May be NULL. */
BK_API void bk_openapi_write(bk_buf *buf, const bk_router *router, const bk_openapi_opts *opts);

BK_END_DECLS

#endif
