/**
 * @file backend/errors.h
 * @brief Error codes, and the chain of details that travels with one.
 *
 * A fallible function returns a bk_err: BK_OK or a negative code. What went wrong in words is
 * kept on the current fiber as a chain, newest first: each link has a code, a message, and the
 * file and line that recorded it. bk_fail() starts a chain, bk_context() adds a link, nothing
 * overwrites. A handler passes errors up with BK_TRY(), and one place in the library turns what
 * reaches it into an `application/problem+json` answer (RFC 9457): for a 4xx the message of the
 * first link is shown to the client, for a 5xx only a request id, and the chain goes to the log.
 *
 * @code
 * if (stock < wanted)
 *     return bk_fail(BK_ECONFLICT, "only %d left", stock);
 * BK_TRY(bk_req_param_i64(req, "id", &id));
 * @endcode
 */
#ifndef BACKEND_ERRORS_H
#define BACKEND_ERRORS_H

#include <backend/base.h>

/**
 * Every code: name, number, HTTP status, slug, words. The one list from which the enum, the
 * statuses and the texts are made.
 */
#define BK_ERRORS(X)                                                                               \
    X(BK_OK, 0, 200, "ok", "ok")                                                                   \
    X(BK_EINVAL, -1, 400, "invalid", "The request is not valid")                                   \
    X(BK_EUNAUTHORIZED, -2, 401, "unauthorized", "Authentication is needed")                       \
    X(BK_EFORBIDDEN, -3, 403, "forbidden", "This is not allowed")                                  \
    X(BK_ENOTFOUND, -4, 404, "not-found", "There is no such resource")                             \
    X(BK_EMETHOD, -5, 405, "method", "The resource does not support this method")                  \
    X(BK_ENOTACCEPTABLE, -6, 406, "not-acceptable", "No acceptable representation")                \
    X(BK_ECONFLICT, -7, 409, "conflict", "The request conflicts with the present state")           \
    X(BK_EGONE, -8, 410, "gone", "The resource is gone")                                           \
    X(BK_EPRECONDITION, -9, 412, "precondition", "A precondition does not hold")                   \
    X(BK_ETOOBIG, -10, 413, "too-big", "The content is too large")                                 \
    X(BK_EURITOOLONG, -11, 414, "uri-too-long", "The request target is too long")                  \
    X(BK_EMEDIATYPE, -12, 415, "media-type", "The content type is not supported")                  \
    X(BK_ERANGE, -13, 416, "range", "The range cannot be satisfied")                               \
    X(BK_EEXPECTATION, -14, 417, "expectation", "The expectation cannot be met")                   \
    X(BK_EMISDIRECTED, -15, 421, "misdirected", "This server does not answer for that host")       \
    X(BK_EUNPROCESSABLE, -16, 422, "unprocessable", "The content is not valid")                    \
    X(BK_ELIMITED, -17, 429, "limited", "Too many requests")                                       \
    X(BK_EHEADERS, -18, 431, "headers", "The request header fields are too large")                 \
    X(BK_ESLOW, -19, 408, "slow", "The request did not arrive in time")                            \
    X(BK_EINTERNAL, -20, 500, "internal", "Something went wrong on our side")                      \
    X(BK_ENOTIMPL, -21, 501, "not-implemented", "The server does not support this")                \
    X(BK_EUPSTREAM, -22, 502, "upstream", "A service behind this one failed")                      \
    X(BK_EUNAVAILABLE, -23, 503, "unavailable", "The service cannot take this now")                \
    X(BK_ETIMEDOUT, -24, 504, "timeout", "The work did not finish in time")                        \
    X(BK_EVERSION, -25, 505, "http-version", "The HTTP version is not supported")                  \
    X(BK_ECANCELED, -26, 503, "canceled", "The work was canceled")                                 \
    X(BK_ECLOSED, -27, 500, "closed", "The other side is closed")                                  \
    X(BK_EAGAIN, -28, 503, "again", "It would have to wait")                                       \
    X(BK_EIO, -29, 500, "io", "Input or output failed")                                            \
    X(BK_EUPGRADE, -30, 426, "upgrade", "Another protocol is needed here")

BK_BEGIN_DECLS

/** What a fallible function returns. The numbers are stable; new codes are added at the end. */
typedef enum bk_err {
#define BK__ERROR(name, number, status, slug, text) name = number,
    BK_ERRORS(BK__ERROR)
#undef BK__ERROR
} bk_err;

/** One thing wrong with one field of the input. */
typedef struct bk_field_error {
    bk_str pointer; /**< Where: an RFC 6901 JSON pointer ("/items/0/qty"), or a parameter's name. */
    bk_str code;    /**< What rule: "required", "type", "minimum", "maxLength", "pattern" ... */
    bk_str detail;  /**< In words, for a person. */
} bk_field_error;

/** One link of the chain that explains an error. */
typedef struct bk_error_link {
    bk_err                      code;    /**< What the function returned. */
    bk_str                      message; /**< May be empty. */
    const char                 *file;    /**< Where it was recorded. */
    int                         line;    /**< Likewise. */
    const struct bk_error_link *cause;   /**< The older link; NULL for the first one recorded. */
} bk_error_link;

/** The HTTP status of @p err: 200 for BK_OK, 4xx or 5xx otherwise. @threads Any. */
BK_API int bk_err_status(bk_err err);

/** The short stable name of @p err, such as "not-found". Static. @threads Any. */
BK_API const char *bk_err_slug(bk_err err);

/** @p err in words, for a person. Static. @threads Any. */
BK_API const char *bk_err_text(bk_err err);

/**
 * Starts a chain: forgets what the current fiber had recorded and records @p code with a
 * message.
 *
 * @param code  Not BK_OK.
 * @param ...   A printf format and its arguments. For codes whose status is 4xx the client sees
 *              this text; for others only the log does.
 * @return @p code, so that a handler can write `return bk_fail(...)`.
 */
#define bk_fail(code, ...) bk_fail_at(__FILE__, __LINE__, code, __VA_ARGS__)

/** What bk_fail() calls. */
BK_API bk_err bk_fail_at(const char *file, int line, bk_err code, const char *format, ...)
    BK_PRINTF(4, 5);

/**
 * Adds what the caller was doing to the chain of @p err. Never shown to a client.
 *
 * @param err  What a call returned; BK_OK is passed through and nothing is recorded.
 * @param ...  A printf format and its arguments.
 * @return @p err.
 */
#define bk_context(err, ...) bk_context_at(__FILE__, __LINE__, err, __VA_ARGS__)

/** What bk_context() calls. */
BK_API bk_err bk_context_at(const char *file, int line, bk_err err, const char *format, ...)
    BK_PRINTF(4, 5);

/**
 * Records an error of one input field, and @p code if the fiber has no chain with that code yet.
 * May be called many times: the answer lists all (at most 100).
 *
 * @param code     Usually BK_EINVAL or BK_ECONFLICT.
 * @param pointer  JSON pointer or parameter name; copied.
 * @param rule     Machine-readable reason, such as "unique"; copied.
 * @param detail   For a person; copied.
 * @return @p code.
 */
BK_API bk_err bk_fail_field(bk_err code, bk_str pointer, bk_str rule, bk_str detail);

/** The newest link of the current fiber's chain, NULL if nothing is recorded. Borrowed until the
 *  fiber records something else. */
BK_API const bk_error_link *bk_error_chain(void);

/** The field errors recorded on this fiber, in order. Borrowed like bk_error_chain().
 *  @param count  Receives how many there are. */
BK_API const bk_field_error *bk_error_fields(size_t *count);

/** Forgets the chain: the error has been dealt with. */
BK_API void bk_error_clear(void);

/** Returns from the calling function with the error of @p expression, if it has one. The only
 *  macro of libbackend that returns. */
#define BK_TRY(expression)                                                                         \
    do {                                                                                           \
        bk_err bk__try = (expression);                                                             \
        if (bk__try != BK_OK)                                                                      \
            return bk__try;                                                                        \
    } while (0)

BK_END_DECLS

#endif
