/**
 * @file backend/testing.h
 * @brief Requests to an app without a socket, captured logs, a clock that obeys.
 *
 * A bk_test runs the app on the calling thread, inside the calls below, through the same pipeline
 * as a socket does: limits, routing, middleware, errors. Nothing listens.
 *
 * @code
 * bk_test *test = bk_test_new(app, NULL);
 * bk_test_res *res = bk_test_get(test, "/products/7");
 * assert_int_equal(bk_test_status(res), 200);
 * bk_test_free(test);
 * @endcode
 *
 * With `virtual_clock`, bk_now_ms(), bk_time_now(), timers and deadlines stand still until
 * bk_test_advance(). Waits on real sockets keep real time.
 */
#ifndef BACKEND_TESTING_H
#define BACKEND_TESTING_H

#include <backend/app.h>
#include <backend/base.h>
#include <backend/request.h>

BK_BEGIN_DECLS

/** An app under test. */
typedef struct bk_test bk_test;

/** A request's answer, or that it is still awaited. Borrowed from its bk_test. */
typedef struct bk_test_res bk_test_res;

/** Settings. Zero means default. */
typedef struct bk_test_opts {
    bool    virtual_clock; /**< Time moves only by bk_test_advance(). */
    bk_time start_at;      /**< Where the virtual time of day begins. Default: now. */
    bool    show_logs;     /**< Also write captured log lines to standard error. */
} bk_test_opts;

/** A request. Zero means default. */
typedef struct bk_test_req {
    const char    *method;  /**< Default "GET". Any token, to test refusals. */
    const char    *target;  /**< Default "/". */
    const bk_pair *headers; /**< Ends with an absent name. May be NULL. `host: test` is added unless
                                 there is one. */
    bk_str      body;       /**< Content-Length is added when there is one. */
    const char *json;       /**< A body with `content-type: application/json`. */
    const char *client;     /**< The peer's address. Default "127.0.0.1". */
} bk_test_req;

/** Starts @p app for testing; its parts and on_worker_start run, and a failure of theirs stops the
 *  program. Yours: bk_test_free(). The app must not run elsewhere. @param opts  May be NULL. */
BK_API BK_NODISCARD bk_test *bk_test_new(bk_app *app, const bk_test_opts *opts);

/** Stops the app as bk_app_stop() does. The app stays yours. NULL is fine. */
BK_API void bk_test_free(bk_test *test);

/** Sends a request and returns without waiting for its answer. */
BK_API BK_NODISCARD bk_test_res *bk_test_begin(bk_test *test, const bk_test_req *req);

/** Runs the loop until the answer is there, or was broken off. With a virtual clock, a request that
 *  waits for time never gets there by itself: that is a bug of the test and stops the program after
 *  10 s. */
BK_API void bk_test_finish(bk_test *test, bk_test_res *res);

/** bk_test_begin() and bk_test_finish(). */
BK_API BK_NODISCARD bk_test_res *bk_test_send(bk_test *test, const bk_test_req *req);

/** GET @p target. */
BK_API BK_NODISCARD bk_test_res *bk_test_get(bk_test *test, const char *target);

/** POST @p json to @p target. */
BK_API BK_NODISCARD bk_test_res *bk_test_post_json(bk_test *test, const char *target,
                                                   const char *json);

/** The client resets its connection. */
BK_API void bk_test_reset(bk_test *test, bk_test_res *res);

/** The client takes nothing more until bk_test_resume(); the write timeout cuts it off. */
BK_API void bk_test_stall(bk_test *test, bk_test_res *res);

/** It takes what comes again. */
BK_API void bk_test_resume(bk_test *test, bk_test_res *res);

/** True when the whole answer is there: never for one that was broken off. */
BK_API bool bk_test_done(const bk_test_res *res);

/** The status; 0 while there is none. */
BK_API int bk_test_status(const bk_test_res *res);

/** A header of the answer; absent if none. Where it came more than once, the values are joined with
 *  ", ". @param name  In any case. */
BK_API bk_str bk_test_header(const bk_test_res *res, const char *name);

/** The body so far. Borrowed until the loop runs again. */
BK_API bk_str bk_test_body(const bk_test_res *res);

/** Runs the loop until nothing is ready to run. Time does not move with a virtual clock. */
BK_API void bk_test_settle(bk_test *test);

/** Moves the virtual clock by @p ms and runs what is due, timer by timer in order. */
BK_API void bk_test_advance(bk_test *test, uint64_t ms);

/** Runs @p fn as a fiber of the app and waits for it. @return What it returned. */
BK_API bk_err bk_test_run(bk_test *test, bk_err (*fn)(void *data), void *data);

/** Every log line since the start, one JSON object each. Borrowed until the loop runs again. */
BK_API bk_str bk_test_logs(const bk_test *test);

BK_END_DECLS

#endif
