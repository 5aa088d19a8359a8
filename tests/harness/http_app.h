/*
 * http_app.h: an app under test, and what tests say about its answers.
 *
 * Closing it looks whether every request was let go of: no fiber, no request, no body may be left.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_HTTP_APP_H
#define TESTS_HARNESS_HTTP_APP_H

#include <backend/backend.h>
#include <backend/testing.h>

#include "app/app.h"

struct http_app {
    bk_app *app;
    bk_test *test;
};

/* An app with the routes that @p routes registers. The options may be NULL. */
static inline struct http_app http_app_open(void (*routes)(bk_router *root),
                                            const bk_app_opts *opts, const bk_test_opts *test_opts)
{
    if (bk__loop_current != NULL)
        fail_msg("a test that failed has left its app open");
    struct http_app it = {.app = bk_app_new(opts)};
    routes(bk_app_router(it.app));
    it.test = bk_test_new(it.app, test_opts);
    return it;
}

/* Nothing is left of any request. */
#define assert_at_rest(it) check_at_rest(it, __FILE__, __LINE__)

static inline void check_at_rest(const struct http_app *it, const char *file, int line)
{
    const struct bk__server *server = &it->app->server;

    bk_test_settle(it->test);
    _assert_int_equal(server->request_count, 0, file, line);
    _assert_int_equal(server->bodies_bytes, 0, file, line);
    _assert_int_equal(it->app->loop->fiber_count, 0, file, line);
}

static inline void http_app_close(struct http_app *it)
{
    assert_at_rest(it);
    bk_test_free(it->test);
    bk_app_free(it->app);
}

/* Sends @p method @p target with header fields that are given as pairs of C strings, ending in
 * NULL, and a body, which may be NULL. */
static inline bk_test_res *http_send(const struct http_app *it, const char *method,
                                     const char *target, const char *const *fields,
                                     const char *body)
{
    enum {
        MOST = 32
    };
    bk_pair pairs[MOST + 1] = {{{NULL, 0}, {NULL, 0}}};

    for (size_t i = 0; fields != NULL && i < MOST && fields[2 * i] != NULL; i++)
        pairs[i] = (bk_pair){bk_str_of(fields[2 * i]), bk_str_of(fields[2 * i + 1])};
    return bk_test_send(it->test, &(bk_test_req){
                                      .method = method,
                                      .target = target,
                                      .headers = pairs,
                                      .body = bk_str_of(body),
                                  });
}

#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* GET with at least one header field. */
#define http_get(it, target, ...) http_send(it, "GET", target, FIELDS(__VA_ARGS__), NULL)

#define assert_status(res, want) assert_int_equal(bk_test_status(res), want)

#define assert_field(res, name, want)                                                              \
    check_text(bk_test_header(res, name), want, __FILE__, __LINE__)

#define assert_holds(text, part) check_holds(text, part, __FILE__, __LINE__)

/* @p text contains the C string @p part. */
static inline void check_holds(bk_str text, const char *part, const char *file, int line)
{
    if (memmem(text.ptr, text.len, part, strlen(part)) != NULL)
        return;
    print_error("\"%s\" is not in \"%.*s\"\n", part, (int)text.len, text.ptr);
    _fail(file, line);
}

#define assert_lacks(text, part) check_lacks(text, part, __FILE__, __LINE__)

static inline void check_lacks(bk_str text, const char *part, const char *file, int line)
{
    if (memmem(text.ptr, text.len, part, strlen(part)) == NULL)
        return;
    print_error("\"%s\" is in \"%.*s\"\n", part, (int)text.len, text.ptr);
    _fail(file, line);
}

/* The answer is @p want, whole. */
#define assert_answer(res, status, want) check_answer(res, status, want, __FILE__, __LINE__)

static inline void check_answer(const bk_test_res *res, int status, const char *want,
                                const char *file, int line)
{
    _assert_int_equal(bk_test_status(res), status, file, line);
    check_text(bk_test_body(res), want, file, line);
    _assert_true(bk_test_done(res), "the answer is whole", file, line);
}

/* An error answer: its status, and a part of its body. */
#define assert_problem(res, status, part) check_problem(res, status, part, __FILE__, __LINE__)

static inline void check_problem(const bk_test_res *res, int status, const char *part,
                                 const char *file, int line)
{
    _assert_int_equal(bk_test_status(res), status, file, line);
    check_text(bk_test_header(res, "Content-Type"), "application/problem+json", file, line);
    check_holds(bk_test_body(res), part, file, line);
    _assert_true(bk_test_done(res), "the answer is whole", file, line);
}

#endif
