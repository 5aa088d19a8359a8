/*
 * span.c: what a trace is told of a request, by OpenTelemetry's conventions for HTTP clients. See
 * client.h.
 *
 * Of the URL the query is left out, which may hold secrets.
 */
#include "client/client.h"

/* Of "https://user-given.example:8443/path", without its path. */
struct server {
    bk_str address;
    int64_t port;
};

/* @p url was checked: it has a scheme and a host. */
static struct server server_of(bk_str url)
{
    size_t begin = bk__http_scheme_len(url), end = bk__http_find_any(url, begin, "/?#");
    bk_str address = bk_str_at(url.ptr + begin, end - begin);
    struct server server = {.port = begin == strlen("https://") ? 443 : 80};
    const char *colon = memrchr(address.ptr, ':', address.len);
    const char *bracket = memrchr(address.ptr, ']', address.len);

    if (colon != NULL && (bracket == NULL || colon > bracket)) {
        size_t at = (size_t)(colon - address.ptr);
        (void)!bk_str_to_i64(bk_str_at(colon + 1, address.len - at - 1), &server.port);
        address.len = at;
    }
    if (address.len > 1 && address.ptr[0] == '[')
        address = bk_str_at(address.ptr + 1, address.len - 2);
    server.address = address;
    return server;
}

bk_span *bk__http_span_begin(const bk_http_client *client, const bk_http_request *request)
{
    const char *method = bk__http_method(request);

    if (client->opts.no_trace)
        return NULL;
    bk_span *span = bk_span_begin(method, BK_SPAN_CLIENT);
    if (span == NULL)
        return NULL;
    struct server server = server_of(request->url);
    bk_span_str(span, "http.request.method", bk_str_of(method));
    bk_span_str(span, "server.address", server.address);
    bk_span_i64(span, "server.port", server.port);
    return span;
}

/* The last attributes give way where there is no room. */
void bk__http_span_end(bk_span *span, const bk_http_request *request, const bk_http_answer *answer,
                       bk_err err)
{
    char text[16];
    bk_str type = bk_str_of(bk_err_slug(err));

    if (span == NULL)
        return;
    if (err == BK_OK) {
        bk_span_i64(span, "http.response.status_code", answer->status);
        type = bk_str_at(text, (size_t)snprintf(text, sizeof text, "%d", answer->status));
        err = answer->status >= 400 ? BK_EUPSTREAM : BK_OK;
    }
    if (answer->attempts > 1)
        bk_span_i64(span, "http.request.resend_count", answer->attempts - 1);
    if (err != BK_OK)
        bk_span_str(span, "error.type", type);
    bk_str url = request->url;
    url.len = bk__http_find_any(url, 0, "?#");
    bk_span_str(span, "url.full", url);
    bk_span_end(span, err);
}
