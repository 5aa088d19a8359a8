/*
 * client_app.h: a function of a test on a fiber of an app that has an HTTP client.
 *
 * Closing it looks whether descriptors were left open, unless CLIENT_APP_IS_NOT_ALONE is defined:
 * the test has other threads that open and close some.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_CLIENT_APP_H
#define TESTS_HARNESS_CLIENT_APP_H

#include <dirent.h>
#include <stdio.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "app/app.h"
#include "harness/patient_run.h"

struct client_app {
    bk_app *app;
    bk_http_client *client;
    bk_test *test;
    char base[64]; /* "http://127.0.0.1:PORT" of the server that the test talks to */
    size_t descriptors;
};

static inline size_t count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static inline struct client_app client_app_open(int port, const bk_http_client_opts *opts)
{
    struct client_app it = {.descriptors = count_descriptors()};

    if (bk__loop_current != NULL)
        fail_msg("a test that failed has left its app open");
    it.app = bk_app_new(NULL);
    it.client = bk_http_client_new(it.app, opts);
    it.test = bk_test_new(it.app, NULL);
    snprintf(it.base, sizeof it.base, "http://127.0.0.1:%d", port);
    return it;
}

static inline void client_app_close(struct client_app *it)
{
    bk_test_settle(it->test);
    assert_int_equal(it->app->loop->fiber_count, 0);
    bk_test_free(it->test);
    bk_app_free(it->app);
#ifndef CLIENT_APP_IS_NOT_ALONE
    assert_int_equal(count_descriptors(), it->descriptors);
#endif
}

/* Runs @p fn, which gets the client_app, on a fiber; it must succeed. */
static inline void client_app_run(int port, const bk_http_client_opts *opts,
                                  bk_err (*fn)(void *data))
{
    struct client_app it = client_app_open(port, opts);

    assert_int_equal(patient_run(it.test, fn, &it), BK_OK);
    client_app_close(&it);
}

/* The URL of @p path there. Request-owned. */
static inline bk_str client_url(const struct client_app *it, const char *path)
{
    return bk_arena_printf(bk_fiber_arena(), "%s%s", it->base, path);
}

/* The chain's links, newest first, as one text. Request-owned. */
static inline bk_str chain_text(void)
{
    bk_buf buf = {.arena = bk_fiber_arena()};

    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
        bk_buf_printf(&buf, "%.*s\n", BK_PRI(link->message));
    return bk_buf_str(&buf);
}

/* Sending a request of these fields fails with @p want, in words that hold @p words. */
#define assert_send_fails(it, want, words, ...)                                                    \
    check_send_fails(it, &(bk_http_request){__VA_ARGS__}, want, words, __FILE__, __LINE__)

BK_YIELDS static inline void check_send_fails(const struct client_app *it,
                                              const bk_http_request *request, bk_err want,
                                              const char *words, const char *file, int line)
{
    bk_http_answer answer;
    bk_err err = bk_http_send(it->client, request, &answer);
    bk_str text = chain_text();

    if (err != want || memmem(text.ptr, text.len, words, strlen(words)) == NULL) {
        print_error("%s, not %s with \"%s\":\n%.*s\n", bk_err_slug(err), bk_err_slug(want), words,
                    BK_PRI(text));
        _fail(file, line);
    }
    _assert_int_equal(answer.status, 0, file, line);
    bk_error_clear();
}

#endif
