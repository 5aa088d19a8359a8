/**
 * @file backend/request.h
 * @brief What the client sent.
 *
 * A request belongs to its fiber: everything read from it is request-owned and stays valid even
 * when the client has gone. Nothing here waits, and nothing is trusted: sizes, counts and syntax
 * were checked before the handler began.
 */
#ifndef BACKEND_REQUEST_H
#define BACKEND_REQUEST_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/json.h>
#include <backend/router.h>

BK_BEGIN_DECLS

/** One name and value, as headers, query, form and cookies have them. */
typedef struct bk_pair {
    bk_str name;  /**< Of a header in lower case, else as sent. */
    bk_str value; /**< May be empty. */
} bk_pair;

/** A list of pairs, in the order in which they came. */
typedef struct bk_pairs {
    const bk_pair *items; /**< NULL when there is none. */
    size_t         count; /**< How many there are. */
} bk_pairs;

/** One part of a multipart/form-data body. */
typedef struct bk_part {
    bk_str name;         /**< Of the form field. */
    bk_str filename;     /**< The base name only, control characters removed; absent if none. Never
                              use it as a path. */
    bk_str content_type; /**< "text/plain" when the client sent none. */
    bk_str data;         /**< Its bytes. */
} bk_part;

/** The parts of a body, in order. */
typedef struct bk_parts {
    const bk_part *items; /**< NULL when there is none. */
    size_t         count; /**< How many there are. */
} bk_parts;

/** Bounds of a multipart body. Zero means default. */
typedef struct bk_multipart_opts {
    size_t max_parts;      /**< Default 100. */
    size_t max_files;      /**< Parts with a filename. Default 20. */
    size_t max_part_bytes; /**< Default 10 MiB. */
    size_t max_head_bytes; /**< Headers of a part. Default 4 KiB. */
} bk_multipart_opts;

BK_API bk_arena *bk_req_arena(bk_req *req);     /**< Lives until the answer is sent. */
BK_API bk_app   *bk_req_app(const bk_req *req); /**< The app that it came to. */

/** What bk_app_opts.on_worker_start made; bk_app_opts.data when there is no such function. */
BK_API void *bk_req_state(const bk_req *req);

/** The request's id: from a trusted peer's X-Request-Id, else new (UUIDv7 text). In every log line,
 *  and in problem answers. */
BK_API bk_str bk_req_id(bk_req *req);

BK_API bk_method bk_req_method(const bk_req *req); /**< GET, POST and so on. */
BK_API bk_str    bk_req_path(const bk_req *req);   /**< As sent, without the query. */
BK_API bk_str    bk_req_query(const bk_req *req);  /**< As sent, without '?'; absent if none. */
BK_API bk_str    bk_req_host(const bk_req *req);   /**< As sent, with port; absent in HTTP/1.0. */
BK_API bk_str bk_req_scheme(const bk_req *req);  /**< "http" or "https", as trusted proxies say. */
BK_API int    bk_req_version(const bk_req *req); /**< 10, 11 or 20. */

/** The client's address as text: the peer's, or what trusted proxies say (bk_app_opts). "unix" for
 *  unix sockets. */
BK_API bk_str bk_req_client(bk_req *req);

/** The pattern of the matched route ("/products/{id}"); absent in app middleware of a 404. */
BK_API bk_str bk_req_route(const bk_req *req);

/** bk_route_opts.data of the matched route; may be NULL. */
BK_API void *bk_req_route_data(const bk_req *req);

/** True once the client has reset its connection or stream: what is sent goes nowhere. */
BK_API bool bk_req_gone(const bk_req *req);

/** The value of a header; absent if it was not sent. Where it came more than once, the values are
 *  joined with ", " (RFC 9110, 5.3). @param name  In any case. */
BK_API bk_str bk_req_header(const bk_req *req, const char *name);

/** All headers, names in lower case. */
BK_API bk_pairs bk_req_headers(const bk_req *req);

/** A path parameter, decoded. A name that the pattern does not have is a bug and stops the program.
 */
BK_API bk_str bk_req_param(const bk_req *req, const char *name);

/** A path parameter as an integer; BK_EINVAL (400, naming it) when it is none. */
BK_API BK_NODISCARD bk_err bk_req_param_i64(const bk_req *req, const char *name, int64_t *out);

/** The first value of a query parameter, decoded (WHATWG); absent if it was not sent. */
BK_API bk_str bk_req_query_str(bk_req *req, const char *name);

/** A query parameter as an integer from @p min to @p max; @p fallback when it was not sent;
 *  BK_EINVAL (400, naming it) when it is none. */
BK_API BK_NODISCARD bk_err bk_req_query_i64(bk_req *req, const char *name, int64_t fallback,
                                            int64_t min, int64_t max, int64_t *out);

/** All query parameters. At most 1000; what is beyond was refused with 400. */
BK_API BK_NODISCARD bk_err bk_req_query_all(bk_req *req, bk_pairs *out);

/** A cookie's value; absent if it was not sent. */
BK_API bk_str bk_req_cookie(bk_req *req, const char *name);

/** A signed cookie's value (see bk_res_cookie()); absent if it was not sent or its signature is not
 *  ours. */
BK_API bk_str bk_req_cookie_signed(bk_req *req, const char *name);

/** The body as it came. Empty when there is none. */
BK_API bk_str bk_req_body(const bk_req *req);

/** Without parameters, in lower case: "application/json". Absent if not sent. */
BK_API bk_str bk_req_content_type(bk_req *req);

/**
 * Binds the body to a described struct: JSON (`application/json`, `+json`) or a form
 * (`application/x-www-form-urlencoded`).
 *
 * @return BK_OK; BK_EINVAL with every field error; BK_EMEDIATYPE for other types or charsets.
 */
BK_API BK_NODISCARD bk_err bk_req_bind(bk_req *req, bk_desc_fn desc, void *out);

/** The same with options. @param opts  May be NULL. */
BK_API BK_NODISCARD bk_err bk_req_bind_opts(bk_req *req, bk_desc_fn desc, const bk_bind_opts *opts,
                                            void *out);

/** Binds the query to a described struct. */
BK_API BK_NODISCARD bk_err bk_req_bind_query(bk_req *req, bk_desc_fn desc, void *out);

/** Parses a JSON body whose shape is not known ahead. Errors as bk_req_bind(). */
BK_API BK_NODISCARD bk_err bk_req_json(bk_req *req, bk_json **out);

/** The fields of a urlencoded body. BK_EMEDIATYPE when it is none. At most 1000. */
BK_API BK_NODISCARD bk_err bk_req_form(bk_req *req, bk_pairs *out);

/** The parts of a multipart/form-data body. BK_EMEDIATYPE when it is none, BK_EINVAL when it is
 *  malformed, BK_ETOOBIG over a limit. @param opts  May be NULL. */
BK_API BK_NODISCARD bk_err bk_req_multipart(bk_req *req, const bk_multipart_opts *opts,
                                            bk_parts *out);

/** Keeps a value for later middleware and the handler. @param key  Compared by address: use the
 *  address of a static variable of your own. */
BK_API void bk_req_set(bk_req *req, const void *key, void *value);

/** What bk_req_set() kept under @p key; NULL if nothing. */
BK_API void *bk_req_get(const bk_req *req, const void *key);

BK_END_DECLS

#endif
