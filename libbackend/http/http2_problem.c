/*
 * http2_problem.c: h2o's own errors as problem+json.
 *
 * h2o answers by itself, in plain text, when a header field holds what it may not: no handler is
 * asked, and the answer goes along the path that stands for "none". A filter there puts our words
 * in the place of its own.
 */
#include <string.h>

#include "http/exchange.h"
#include "http/http2_conn.h"

struct words {
    h2o_ostream_t super;
    h2o_iovec_t text;
};

static void send_words(h2o_ostream_t *stream, h2o_req_t *req, h2o_iovec_t *parts, size_t count,
                       h2o_send_state_t state)
{
    struct words *words = (struct words *)stream;

    (void)parts;
    h2o_ostream_send_next(stream, req, &words->text, count != 0, state); /* nothing, for HEAD */
}

static h2o_iovec_t make_words(h2o_req_t *req)
{
    static const char form[] = "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d}";
    const char *title = bk__status_text(req->res.status);
    size_t room = sizeof form + strlen(title) + 8;
    char *text = h2o_mem_alloc_pool(&req->pool, room);

    return h2o_iovec_init(text, (size_t)snprintf(text, room, form, title, req->res.status));
}

static void on_setup(h2o_filter_t *filter, h2o_req_t *req, h2o_ostream_t **slot)
{
    struct words *words = (struct words *)h2o_add_ostream(req, sizeof *words, slot);

    (void)filter;
    words->super.do_send = send_words;
    words->text = make_words(req);
    req->res.content_length = words->text.len;
    h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE,
                   H2O_STRLIT("application/problem+json"), 1);
    h2o_setup_next_ostream(req, &words->super.next);
}

void bk__h2_problem_register(h2o_pathconf_t *path)
{
    h2o_create_filter(path, sizeof(h2o_filter_t))->on_setup_ostream = on_setup;
}
