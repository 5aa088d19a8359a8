/**
 * @file backend/http_client.h
 * @brief Requests to other services: the call looks blocking, the fiber waits.
 *
 * @code
 * bk_http_client *rates = bk_http_client_new(app, NULL); // before the app runs
 *
 * struct rate rate; // in a handler or a job
 * BK_TRY(bk_http_get_object(rates, BK_LIT("https://rates.example/eur"), rate_desc, &rate));
 * @endcode
 *
 * A client belongs to one worker of an app and keeps its connections open between requests. It
 * speaks HTTP/1.1, and HTTP/2 where a TLS server offers it; certificates are verified.
 *
 * **What is bounded.** Each request ends by the client's timeout or the fiber's own deadline,
 * whichever is first; when the fiber is cancelled, the request is broken off. Bodies, headers,
 * redirects, connections and requests in flight have limits.
 *
 * **Traces.** Inside a trace (backend/trace.h) each request is a span of kind client, named by its
 * method, and goes out with `traceparent` and `tracestate`, unless it has a `traceparent` of its
 * own.
 *
 * **Errors.** An answer of any status is an answer: look at `status`, or use the calls that take
 * JSON, for which all but 2xx is BK_EUPSTREAM. What gave no answer:
 * - BK_EINVAL: the request itself is wrong; nothing was sent.
 * - BK_EUNAVAILABLE: no such host, no connection, or too many requests in flight. Not sent.
 * - BK_ETIMEDOUT, BK_ECANCELED: no answer in time; the fiber was cancelled. It may have been done.
 * - BK_EUPSTREAM: the certificate is not good, or the connection broke, or what came is no HTTP.
 * - BK_ETOOBIG: the answer is larger than its limit.
 * - BK_EFORBIDDEN: the host is private, and `deny_private` is set.
 *
 * The chain says which request, and why.
 */
#ifndef BACKEND_HTTP_CLIENT_H
#define BACKEND_HTTP_CLIENT_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/json.h>

BK_BEGIN_DECLS

/** Sends requests. Freed with its app. */
typedef struct bk_http_client bk_http_client;

/** A field of a head. */
typedef struct bk_http_header {
    bk_str name;  /**< A token, in any case; in lists, an absent one ends them. */
    bk_str value; /**< Without line breaks. */
} bk_http_header;

/** Takes a piece of an answer's body, on the calling fiber; may wait, while which no more is read.
 *  An error breaks the request off. @param piece  Borrowed for the call. */
typedef bk_err (*bk_http_body_fn)(bk_str piece, void *data);

/** A request. Zero means default. What it points to is borrowed for the call. */
typedef struct bk_http_request {
    const char           *method;  /**< Default "GET", with a body "POST". */
    bk_str                url;     /**< http: or https:, percent-encoded, without credentials. */
    const bk_http_header *headers; /**< Ends with an absent name. May be NULL. Not for what the
                                        client sets: Content-Length, Transfer-Encoding,
                                        Connection. */
    bk_str   body;                 /**< Absent: none. */
    bk_str   content_type;         /**< Of the body. Default: none is said. */
    uint32_t timeout_ms;           /**< Instead of the client's. */
    uint32_t body_bytes;           /**< Largest body of the answer, instead of the client's. */
    uint32_t retries;              /**< How often it may be sent again when there was no answer, or
                                        one of 502, 503, 504 or 429. Only for methods that may be
                                        repeated: GET, HEAD, OPTIONS, PUT, DELETE. Default 0. */
    bk_http_body_fn on_body;       /**< Takes the body of a 2xx answer instead of `body`; then no
                                        limit of bytes holds unless body_bytes is set. May be NULL. */
    void     *data;                /**< For on_body. */
    bk_arena *arena;               /**< Holds the answer. Default: the fiber's. */
} bk_http_request;

/** An answer. What it points to lives as long as the request's arena. */
typedef struct bk_http_answer {
    int                   status;       /**< 200 to 599. */
    const bk_http_header *headers;      /**< As they came. */
    size_t                header_count; /**< How many. */
    bk_str                body;         /**< Decoded (gzip and others). Never absent. */
    bk_str                url;          /**< Where it came from, after redirects. */
    uint32_t              attempts;     /**< How often it was sent. */
} bk_http_answer;

/** Header fields that are being collected for a request. */
typedef struct bk_http_headers bk_http_headers;

/** Adds to @p headers what each request of a client has, such as credentials. On the calling
 *  fiber, before each attempt. An error ends the call. */
typedef bk_err (*bk_http_prepare_fn)(bk_http_headers *headers, void *data);

/** Settings. Zero means default; BK_UNLIMITED switches a limit off where its doc says so. */
typedef struct bk_http_client_opts {
    const char *name;       /**< For logs and errors; borrowed. Default "http_client". */
    uint32_t    connect_ms; /**< To resolve the name, connect, and shake TLS. Default 3,000. */
    uint32_t    timeout_ms; /**< A request in all, with its retries. Default 10,000; may be
                                 unlimited. */
    uint32_t body_bytes;    /**< Largest body of an answer, decoded. Default 10 MiB. */
    uint32_t header_bytes;  /**< Largest head of an answer. Default 64 KiB. */
    uint32_t redirects;     /**< Followed, of GET and HEAD. Default 0: 3xx is an answer. */
    uint32_t connections;   /**< Open, in all. Default 256. Requests wait for one. */
    uint32_t connections_per_host; /**< Default 64. */
    uint32_t requests;             /**< In flight; the next fails at once. Default 10,000. */
    uint32_t idle_ms;    /**< Longest that an unused connection is used again after. Default 60 s;
                              in whole seconds. */
    const char *ca_file; /**< PEM file of the authorities to trust, instead of the system's. */
    const char *user_agent; /**< Default "libbackend". */
    bool        http1_only; /**< No HTTP/2. */
    bool deny_private; /**< Refuse to connect to addresses that are not public: loopback, private,
                            link-local and others. For URLs that come from users (SSRF). */
    bool no_deadline_header; /**< Do not tell the time that is left as X-Request-Timeout-Ms. */
    bool no_trace; /**< No spans, and do not tell the trace: for those whom it is no business of. */
    bk_http_prepare_fn prepare; /**< May be NULL. */
    void              *data;    /**< For prepare. */
} bk_http_client_opts;

/** Counters since the start of the worker. */
typedef struct bk_http_client_stats {
    uint64_t requests;  /**< Calls that have ended. */
    uint64_t failed;    /**< Of those, without an answer. */
    uint64_t retries;   /**< Sent again. */
    uint64_t connects;  /**< Sockets opened. */
    uint64_t in_flight; /**< Calls that wait now. */
} bk_http_client_stats;

/**
 * Declares a client of @p app, before the app runs: it opens when a worker starts and is freed with
 * the app. No environment variable (`http_proxy`, `NO_PROXY` ...) is heard. Wrong options stop the
 * program with words.
 *
 * @param opts  Copied, but for what its fields say. May be NULL.
 */
BK_API BK_NODISCARD bk_http_client *bk_http_client_new(bk_app                    *app,
                                                       const bk_http_client_opts *opts);

/** Fills @p stats. */
BK_API void bk_http_client_get_stats(const bk_http_client *client, bk_http_client_stats *stats);

/**
 * Sends a request and waits for its answer.
 *
 * @param answer  Filled on BK_OK, zeroed otherwise.
 * @return BK_OK for an answer of any status; see "Errors" above; what on_body returned.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_http_send(bk_http_client        *client,
                                                  const bk_http_request *request,
                                                  bk_http_answer        *answer);

/** The value of the first header @p name, in any case; absent when there is none. */
BK_API bk_str bk_http_answer_header(const bk_http_answer *answer, const char *name);

/** Adds a header in a bk_http_prepare_fn; copied. BK_EINVAL when it is not one. */
BK_API BK_NODISCARD bk_err bk_http_headers_add(bk_http_headers *headers, bk_str name, bk_str value);

/** GETs JSON of a shape that is not known ahead. What is no 2xx or no JSON is BK_EUPSTREAM.
 *  @param out  Request-owned. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_http_get_json(bk_http_client *client, bk_str url,
                                                      bk_json **out);

/** GETs a described struct. What is no 2xx or does not fit is BK_EUPSTREAM.
 *  @param out  What it points to is request-owned. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_http_get_object(bk_http_client *client, bk_str url,
                                                        bk_desc_fn desc, void *out);

/**
 * POSTs `*object` as JSON and reads the answer.
 *
 * @param answer_desc  Of `*out`; NULL: any 2xx will do and its body is not looked at.
 * @param out          May be NULL with @p answer_desc.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_http_post_object(bk_http_client *client, bk_str url,
                                                         bk_desc_fn desc, const void *object,
                                                         bk_desc_fn answer_desc, void *out);

BK_END_DECLS

#endif
