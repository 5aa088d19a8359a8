/*
 * redis_app.h: a function of a test on a fiber of an app that has a Redis.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_REDIS_APP_H
#define TESTS_HARNESS_REDIS_APP_H

#include <backend/backend.h>
#include <backend/testing.h>

#include "harness/patient_run.h"

/* Runs @p fn, which gets the bk_redis. What it returns, if it is no BK_OK, fails the test; so does
 * what it leaves behind. */
static inline void redis_app_run_with(const bk_redis_opts *opts, bk_err (*fn)(void *data))
{
    bk_app *app = bk_app_new(NULL);
    bk_redis *redis = bk_redis_new(app, opts);
    bk_test *test = bk_test_new(app, NULL);
    bk_err err = patient_run(test, fn, redis);

    if (err != BK_OK) {
        bk_str logs = bk_test_logs(test);
        print_error("%s\n%.*s\n", bk_err_slug(err), BK_PRI(logs));
    }
    assert_int_equal(err, BK_OK);
    bk_test_settle(test);
    bk_test_free(test);
    bk_app_free(app);
}

static inline void redis_app_run(const char *url, bk_err (*fn)(void *data))
{
    redis_app_run_with(&(bk_redis_opts){.url = bk_str_of(url)}, fn);
}

#endif
