/**
 * @file backend/response.h
 * @brief What goes back.
 *
 * A handler fills the response and returns; it is sent after the outermost middleware returned, in
 * one write. Calling a body function again replaces what was there. Bodies in the request's arena
 * are sent without a copy.
 *
 * GET and HEAD answers of status 200 with a body get a weak ETag, and 304 when the client's
 * If-None-Match has it, unless the app or the handler says otherwise.
 *
 * Header names and values with CR, LF or NUL are a bug of the caller and refused with BK_EINVAL:
 * they never reach the wire.
 */
#ifndef BACKEND_RESPONSE_H
#define BACKEND_RESPONSE_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/json.h>

BK_BEGIN_DECLS

/** Sets the status without a body, 200 to 599. A body function sets it as well. */
BK_API void bk_res_status(bk_res *res, int status);

/** The status set so far; 200 to begin with. */
BK_API int bk_res_get_status(const bk_res *res);

/** Sets a header, replacing what is there. Name and value are copied. Content-Length, Connection,
 *  Transfer-Encoding, Date are the library's own and refused with BK_EINVAL. */
BK_API BK_NODISCARD bk_err bk_res_header(bk_res *res, const char *name, bk_str value);

/** Adds a header, keeping others of that name. */
BK_API BK_NODISCARD bk_err bk_res_add_header(bk_res *res, const char *name, bk_str value);

/** A header set so far; absent if none. */
BK_API bk_str bk_res_get_header(const bk_res *res, const char *name);

/** SameSite of a cookie. */
typedef enum bk_same_site {
    BK_SAME_SITE_LAX,
    BK_SAME_SITE_STRICT,
    BK_SAME_SITE_NONE
} bk_same_site;

/** Attributes of a cookie. Zero means default; the defaults are the safe ones. */
typedef struct bk_cookie_opts {
    const char  *path;          /**< Default "/". */
    const char  *domain;        /**< Default none: this host only. */
    int64_t      max_age_s;     /**< Default 0: until the browser closes. Negative: delete it. */
    bk_same_site same_site;     /**< Default Lax. */
    bool         insecure;      /**< Leave out Secure. */
    bool         script_access; /**< Leave out HttpOnly. */
    bool         sign;          /**< Append a signature by the app's secret (bk_app_opts). */
} bk_cookie_opts;

/** Sets a cookie (RFC 6265). BK_EINVAL when name or value hold what a cookie cannot.
 *  @param opts  May be NULL. */
BK_API BK_NODISCARD bk_err bk_res_cookie(bk_res *res, const char *name, bk_str value,
                                         const bk_cookie_opts *opts);

/* Whole bodies. Each sets the status and Content-Type, and returns BK_OK unless said. */

/** `text/plain; charset=utf-8`. @param text  Borrowed until sent: a literal, or in the arena. */
BK_API bk_err bk_res_text(bk_res *res, int status, bk_str text);

/** `text/html; charset=utf-8`. Borrowed like bk_res_text(). */
BK_API bk_err bk_res_html(bk_res *res, int status, bk_str html);

/** Bytes of any type. Borrowed like bk_res_text(). @param type  Copied. */
BK_API bk_err bk_res_bytes(bk_res *res, int status, const char *type, bk_str bytes);

/** A JSON value. */
BK_API bk_err bk_res_json(bk_res *res, int status, const bk_json *value);

/** A described struct as JSON. */
BK_API bk_err bk_res_object(bk_res *res, int status, bk_desc_fn desc, const void *object);

/** @p count described structs, one after another in memory, as a JSON array. */
BK_API bk_err bk_res_array(bk_res *res, int status, bk_desc_fn desc, const void *objects,
                           size_t count);

/** JSON made piece by piece: write to what this returns, then return BK_OK. Request-owned. */
BK_API BK_NODISCARD bk_json_writer *bk_res_json_writer(bk_res *res, int status);

/** No content: 204. */
BK_API bk_err bk_res_empty(bk_res *res);

/** 201 with `Location`. Set the body before or after. BK_EINVAL when @p location is no header
 *  value. */
BK_API BK_NODISCARD bk_err bk_res_created(bk_res *res, bk_str location);

/** A redirect. @param status  301, 302, 303, 307 or 308. BK_EINVAL when @p location is no header
 *  value. */
BK_API BK_NODISCARD bk_err bk_res_redirect(bk_res *res, int status, bk_str location);

/** Settings of bk_res_file(). Zero means default. */
typedef struct bk_file_opts {
    const char *type;     /**< Default: by the file name's ending. */
    const char *download; /**< Ask the browser to save under this name. Default: show. */
    const char *root;     /**< The path is below this directory; what would leave it is 404. */
} bk_file_opts;

/**
 * A file, with ETag, Last-Modified, conditional requests and byte ranges (RFC 9110, 13 and 14).
 *
 * @param path  Relative to `opts->root` where that is set; else any path, which must not come from
 *              the client.
 * @param opts  May be NULL.
 * @return BK_OK; BK_ENOTFOUND for what is no readable regular file, has a segment that begins with
 * a dot, or would leave the root; BK_ERANGE.
 * @yields While the file is opened and read (on the offload pool).
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_res_file(bk_res *res, const char *path,
                                                 const bk_file_opts *opts);

/** Sets the ETag instead of the one made from the body. @param tag  Quoted: `"v1"` or `W/"v1"`. */
BK_API BK_NODISCARD bk_err bk_res_etag(bk_res *res, bk_str tag);

/** No ETag is made for this answer. */
BK_API void bk_res_no_etag(bk_res *res);

/* Streamed bodies. */

/**
 * Begins a body whose end is not known: status and headers go out with the first write. After this
 * only bk_res_write() and returning make sense.
 *
 * @param length  Bytes that will follow, when known; BK_LENGTH_UNKNOWN otherwise.
 */
BK_API BK_NODISCARD bk_err bk_res_stream(bk_res *res, int status, const char *type,
                                         uint64_t length);

/** Length of a stream that is not known. */
#define BK_LENGTH_UNKNOWN UINT64_MAX

/**
 * Sends a piece and waits until the client has taken enough of it.
 *
 * @param bytes  Borrowed for the call.
 * @return BK_OK; BK_ECLOSED when the client has gone, or has taken nothing for the write timeout;
 *         BK_ETIMEDOUT when the deadline passed; BK_ECANCELED.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_res_write(bk_res *res, bk_str bytes);

/** True once the status has been sent: it is too late for another. */
BK_API bool bk_res_started(const bk_res *res);

BK_END_DECLS

#endif
