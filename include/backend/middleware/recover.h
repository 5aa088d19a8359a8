/**
 * @file backend/middleware/recover.h
 * @brief What errors look like as answers: in a form that clients of an older service know, or with
 * the details that help while it is being written.
 *
 * @code
 * bk_use(root, bk_mw_recover(app, &(bk_mw_recover_opts){.format = BK_ERRORS_FASTIFY}));
 * @endcode
 *
 * Nobody needs it for errors to become answers: each is `application/problem+json` by itself (RFC
 * 9457), and a 5xx goes to the log with its whole chain, files and lines, under the request's id.
 * Put it outside of what may fail; what is refused before any middleware runs (malformed requests)
 * stays problem+json.
 */
#ifndef BACKEND_MIDDLEWARE_RECOVER_H
#define BACKEND_MIDDLEWARE_RECOVER_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/middleware.h>

BK_BEGIN_DECLS

/** Bodies of errors. */
typedef enum bk_error_format {
    BK_ERRORS_PROBLEM = 0, /**< problem+json. */
    BK_ERRORS_FASTIFY = 1 /**< `{"statusCode":404,"error":"Not Found","message":"..."}`; failures of
                               validation have "code":"FST_ERR_VALIDATION". Of a 5xx, the message is
                               the status' own. */
} bk_error_format;

/**
 * Makes the answer of an error.
 *
 * @param status  What it would be; the answer may have another.
 * @return BK_OK when it did; else the error is answered as if there was no such function.
 */
typedef bk_err (*bk_error_render_fn)(bk_req *req, bk_res *res, bk_err err, int status, void *data);

/** Settings. Zero means default. */
typedef struct bk_mw_recover_opts {
    bk_error_format format;       /**< Default BK_ERRORS_PROBLEM. */
    bool            show_details; /**< Show clients the chain of each error with files and lines,
                                       of a 5xx as well. For development only. */
    bk_error_render_fn render;    /**< Instead of a format. bk_error_chain() is the error's. */
    void              *data;      /**< For @c render. */
} bk_mw_recover_opts;

/** The middleware. @param opts  Copied; may be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_recover(bk_app *app, const bk_mw_recover_opts *opts);

BK_END_DECLS

#endif
