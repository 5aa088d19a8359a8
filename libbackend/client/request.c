/*
 * request.c: what is sent, and what curl may do about it. See client.h.
 */
#include "client/client.h"

#include <errno.h>

#include "client/address.h"
#include "client/field.h"
#include "core/assert.h"

enum {
    URL_MAX = 16 * 1024,
    HEADERS_MAX = 200,
    METHOD_MAX = 32
};

struct bk_http_headers {
    struct bk__exchange *exchange;
    uint32_t count;
};

/* --- checks ----------------------------------------------------------------------------------- */

/* What curl makes by itself, or what would change where a message ends. */
static bool is_ours(bk_str name)
{
    static const bk_str ours[] = {
        {"connection", 10}, {"content-length", 14},    {"expect", 6},  {"te", 2},
        {"trailer", 7},     {"transfer-encoding", 17}, {"upgrade", 7},
    };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (bk_str_ieq(name, ours[i]))
            return true;
    return false;
}

static bk_err check_header(bk_str name, bk_str value)
{
    if (!bk__field_is_name(name))
        return bk_fail(BK_EINVAL, "\"%.*s\" is no name of a header", BK_PRI(name));
    if (is_ours(name))
        return bk_fail(BK_EINVAL, "header %.*s is set by the client itself", BK_PRI(name));
    if (!bk__field_is_value(value))
        return bk_fail(BK_EINVAL, "header %.*s: its value has control characters", BK_PRI(name));
    return BK_OK;
}

size_t bk__http_scheme_len(bk_str url)
{
    if (url.len >= 7 && bk_str_ieq(bk_str_at(url.ptr, 7), BK_LIT("http://")))
        return 7;
    if (url.len >= 8 && bk_str_ieq(bk_str_at(url.ptr, 8), BK_LIT("https://")))
        return 8;
    return 0;
}

size_t bk__http_find_any(bk_str url, size_t at, const char *ends)
{
    while (at < url.len && strchr(ends, url.ptr[at]) == NULL)
        at++;
    return at;
}

static bk_err check_url(bk_str url)
{
    if (url.len > URL_MAX)
        return bk_fail(BK_EINVAL, "the URL has %zu bytes, at most %d are sent", url.len, URL_MAX);
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= ' ' || url.ptr[i] >= 0x7f || url.ptr[i] == '\\')
            return bk_fail(BK_EINVAL, "the URL has a byte at %zu that must be percent-encoded", i);
    size_t host = bk__http_scheme_len(url);
    if (host == 0)
        return bk_fail(BK_EINVAL, "the URL begins with neither http:// nor https://");
    size_t end = bk__http_find_any(url, host, "/?#");
    if (end == host)
        return bk_fail(BK_EINVAL, "the URL names no host");
    if (memchr(url.ptr + host, '@', end - host) != NULL)
        return bk_fail(BK_EINVAL, "the URL has credentials: send them in a header");
    return BK_OK;
}

const char *bk__http_method(const bk_http_request *request)
{
    if (request->method != NULL)
        return request->method;
    return bk_str_present(request->body) ? "POST" : "GET";
}

bool bk__http_repeatable(const char *method)
{
    static const char *const those[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};

    for (size_t i = 0; i < sizeof those / sizeof *those; i++)
        if (strcmp(method, those[i]) == 0)
            return true;
    return false;
}

bk_err bk__http_request_check(const bk_http_request *request)
{
    const char *method = bk__http_method(request);
    bk_str method_text = bk_str_of(method);

    if (!bk__field_is_name(method_text) || method_text.len > METHOD_MAX ||
        strcmp(method, "CONNECT") == 0)
        return bk_fail(BK_EINVAL, "\"%s\" is no method that can be sent", method);
    if (request->retries != 0 && !bk__http_repeatable(method))
        return bk_fail(BK_EINVAL, "%s is not to be repeated, so it can have no retries", method);
    if (bk_str_present(request->body) &&
        (strcmp(method, "HEAD") == 0 || strcmp(method, "TRACE") == 0))
        return bk_fail(BK_EINVAL, "%s has no body", method);
    if (!bk__field_is_value(request->content_type))
        return bk_fail(BK_EINVAL, "content_type has control characters");
    BK_TRY(check_url(request->url));
    for (size_t i = 0; request->headers != NULL && request->headers[i].name.ptr != NULL; i++)
        BK_TRY(check_header(request->headers[i].name, request->headers[i].value));
    return BK_OK;
}

bk_str bk__http_request_words(bk_arena *arena, const bk_http_request *request)
{
    bk_str url = request->url;

    url.len = bk__http_find_any(url, 0, "?#");
    if (url.len > 200)
        url.len = 200;
    return bk_arena_printf(arena, "%s %.*s", bk__http_method(request), BK_PRI(url));
}

/* --- the head --------------------------------------------------------------------------------- */

/* As curl wants it: "Name: value", and "Name;" where the value is empty. */
static void add_header(struct bk__exchange *exchange, bk_str name, bk_str value)
{
    bk_arena *arena = bk_fiber_arena();
    struct curl_slist *item = BK_NEW(arena, struct curl_slist);
    bk_str line = bk_str_trim(value).len != 0
                      ? bk_arena_printf(arena, "%.*s: %.*s", BK_PRI(name), BK_PRI(value))
                      : bk_arena_printf(arena, "%.*s;", BK_PRI(name));

    item->data = (char *)(uintptr_t)line.ptr;
    *exchange->head_end = item;
    exchange->head_end = &item->next;
}

/* One that curl shall not send. */
static void omit_header(struct bk__exchange *exchange, const char *line)
{
    struct curl_slist *item = BK_NEW(bk_fiber_arena(), struct curl_slist);

    item->data = (char *)(uintptr_t)line;
    *exchange->head_end = item;
    exchange->head_end = &item->next;
}

bk_err bk_http_headers_add(bk_http_headers *headers, bk_str name, bk_str value)
{
    BK_TRY(check_header(name, value));
    if (headers->count == HEADERS_MAX)
        return bk_fail(BK_EINVAL, "a request has at most %d headers", HEADERS_MAX);
    headers->count++;
    add_header(headers->exchange, name, value);
    return BK_OK;
}

static bool has_header(const bk_http_header *headers, bk_str name)
{
    for (; headers != NULL && headers->name.ptr != NULL; headers++)
        if (bk_str_ieq(headers->name, name))
            return true;
    return false;
}

/* Whether the head has a line @p name by now, from the request or from `prepare`. */
static bool is_collected(const struct bk__exchange *exchange, bk_str name)
{
    for (const struct curl_slist *it = exchange->head; it != NULL; it = it->next) {
        bk_str line = bk_str_of(it->data);
        if (line.len > name.len && (line.ptr[name.len] == ':' || line.ptr[name.len] == ';') &&
            bk_str_ieq(bk_str_at(line.ptr, name.len), name))
            return true;
    }
    return false;
}

/* A caller's own traceparent stays, and our state does not belong to it. */
static void add_trace(struct bk__exchange *exchange)
{
    bk_str parent = bk_trace_header(bk_fiber_arena()), state = bk_trace_state();

    if (!bk_str_present(parent) || is_collected(exchange, BK_LIT("traceparent")))
        return;
    add_header(exchange, BK_LIT("traceparent"), parent);
    if (bk_str_present(state) && !is_collected(exchange, BK_LIT("tracestate")))
        add_header(exchange, BK_LIT("tracestate"), state);
}

bk_err bk__exchange_head(struct bk__exchange *exchange)
{
    const bk_http_client_opts *opts = &exchange->client->opts;
    const bk_http_request *request = exchange->request;
    struct bk_http_headers headers = {.exchange = exchange};
    uint64_t left_ms = bk_deadline_left_ms();

    exchange->head_end = &exchange->head;
    for (size_t i = 0; request->headers != NULL && request->headers[i].name.ptr != NULL; i++)
        BK_TRY(bk_http_headers_add(&headers, request->headers[i].name, request->headers[i].value));
    if (request->content_type.len != 0)
        add_header(exchange, BK_LIT("Content-Type"), request->content_type);
    else if (!has_header(request->headers, BK_LIT("content-type")))
        omit_header(exchange, "Content-Type:"); /* a form, curl would say */
    omit_header(exchange, "Expect:");           /* costs a second of those who ignore it */
    if (!opts->no_deadline_header && left_ms != UINT64_MAX &&
        !has_header(request->headers, BK_LIT("x-request-timeout-ms")))
        add_header(exchange, BK_LIT("X-Request-Timeout-Ms"),
                   bk_arena_printf(bk_fiber_arena(), "%llu", (unsigned long long)left_ms));
    if (opts->prepare != NULL)
        BK_TRY(opts->prepare(&headers, opts->data));
    if (!opts->no_trace)
        add_trace(exchange);
    return BK_OK;
}

/* --- what curl is told, on the loop's stack --------------------------------------------------- */

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct bk__exchange *exchange = data;

    (void)purpose;
    if (exchange->client->opts.deny_private && !bk__address_is_public(&address->addr)) {
        exchange->fault = BK__EXCHANGE_PRIVATE;
        errno = EACCES;
        return CURL_SOCKET_BAD;
    }
    exchange->client->stats.connects++;
    return bk__multi_socket(address);
}

/* Curl sends a request again when a connection that it had kept turns out to be closed. For what
 * must not be done twice, that is not for it to decide. */
static int before_sending(void *data, char *to, char *from, int to_port, int from_port)
{
    struct bk__exchange *exchange = data;

    (void)to, (void)from, (void)to_port, (void)from_port;
    if (exchange->sends++ == 0 || exchange->repeatable)
        return CURL_PREREQFUNC_OK;
    exchange->fault = BK__EXCHANGE_LOST;
    return CURL_PREREQFUNC_ABORT;
}

static void set_method(struct bk__exchange *exchange, CURL *easy)
{
    const char *method = exchange->method;
    bk_str body = exchange->request->body;
    bool has_body = bk_str_present(body) || strcmp(method, "POST") == 0 ||
                    strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;

    if (has_body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.len != 0 ? body.ptr : "");
    }
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (strcmp(method, has_body ? "POST" : "GET") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_redirects(const struct bk__exchange *exchange, CURL *easy)
{
    uint32_t most = exchange->client->opts.redirects;
    bool reads = strcmp(exchange->method, "GET") == 0 || strcmp(exchange->method, "HEAD") == 0;

    if (most == 0 || !reads || bk_str_present(exchange->request->body))
        return;
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)most);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
}

static void set_connection(struct bk__exchange *exchange, CURL *easy)
{
    const bk_http_client_opts *opts = &exchange->client->opts;

    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)opts->connect_ms);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)(opts->idle_ms / 1000));
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_sending);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
    if (opts->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, opts->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (opts->http1_only) {
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    /* A first connection that turns out to be HTTP/2 will do for all. */
    if (bk__http_scheme_len(exchange->request->url) == 8)
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
}

CURLcode bk__exchange_set_up(struct bk__transfer *transfer)
{
    struct bk__exchange *exchange = bk__container_of(transfer, struct bk__exchange, transfer);
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_URL, exchange->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, exchange->client->opts.user_agent);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->head);
    set_method(exchange, easy);
    set_redirects(exchange, easy);
    set_connection(exchange, easy);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, bk__exchange_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bk__exchange_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    return CURLE_OK;
}
