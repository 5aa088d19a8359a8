/*
 * Sessions in a real Redis of the test's own, which is killed and stopped. What sessions do
 * wherever they are kept: tests/unit/session_session_test.c. Shared with Node: tests/compat/.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/redis.h"
#include "harness/session_site.h"

static struct redis server;

static int set_up(void **state)
{
    (void)state;
    server = redis_start("--loglevel", "warning");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    redis_stop(&server);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    redis_cli(&server, "FLUSHALL");
    return 0;
}

static struct site worker(const bk_sessions_opts *opts)
{
    return site_open_with(opts, NULL, NULL, server.url);
}

static long long redis_number(const char *command, const char *key)
{
    return strtoll(redis_cli(&server, command, key), NULL, 10);
}

/* The key of the session in the browser's cookie. */
static const char *key_of(const struct site *it, char out[64])
{
    const char *id = strstr(it->cookie, "s%3A");

    assert_non_null(id);
    snprintf(out, 64, "sess:%.32s", id + 4);
    return out;
}

/* --- what is kept ----------------------------------------------------------------------------- */

static void test_a_session_outlives_its_worker(void **state)
{
    (void)state;
    char cookie[512];
    struct site it = worker(NULL);
    ask(&it, "POST", "/login?user=42", 204);
    ask(&it, "POST", "/count", 204);
    memcpy(cookie, it.cookie, sizeof cookie);
    site_close(&it);

    it = worker(NULL);
    memcpy(it.cookie, cookie, sizeof cookie);
    assert_user(&it, "42");
    assert_count(&it, 1);
    site_close(&it);
}

static void test_the_value_is_what_express_session_writes(void **state)
{
    (void)state;
    char key[64];
    struct site it = worker(&(bk_sessions_opts){.express_compatible = true});
    ask(&it, "POST", "/count", 204);
    assert_string_equal(redis_cli(&server, "GET", key_of(&it, key)),
                        "{\"cookie\":{\"originalMaxAge\":null,\"expires\":null,\"secure\":true,"
                        "\"httpOnly\":true,\"path\":\"/\",\"sameSite\":\"lax\"},\"n\":1}");
    site_close(&it);
}

static void test_a_session_expires_in_redis(void **state)
{
    (void)state;
    char key[64];
    struct site it = worker(&(bk_sessions_opts){.idle_ms = HOUR_MS});
    ask(&it, "POST", "/count", 204);
    assert_in_range(redis_number("PTTL", key_of(&it, key)), HOUR_MS - 5000, HOUR_MS);
    redis_cli(&server, "PEXPIRE", key, "1");
    usleep(5000);
    assert_count(&it, -1);
    site_close(&it);
}

static void test_looking_at_it_prolongs_it_but_not_each_time(void **state)
{
    (void)state;
    char key[64];
    struct site it = worker(&(bk_sessions_opts){.idle_ms = HOUR_MS});
    ask(&it, "POST", "/count", 204);
    redis_cli(&server, "PEXPIRE", key_of(&it, key), "3570000"); /* as after 30 s */
    assert_count(&it, 1);
    assert_in_range(redis_number("PTTL", key), 3560000, 3570000);
    redis_cli(&server, "PEXPIRE", key, "3500000");
    assert_count(&it, 1);
    assert_in_range(redis_number("PTTL", key), HOUR_MS - 5000, HOUR_MS);
    site_close(&it);
}

static void test_the_absolute_limit_bounds_the_expiry(void **state)
{
    (void)state;
    char key[64];
    struct site it = worker(&(bk_sessions_opts){.absolute_ms = HOUR_MS});
    ask(&it, "POST", "/count", 204);
    assert_in_range(redis_number("PTTL", key_of(&it, key)), HOUR_MS - 5000, HOUR_MS);
    site_close(&it);
}

static void test_the_prefix_is_that_of_the_options(void **state)
{
    (void)state;
    struct site it = worker(&(bk_sessions_opts){.prefix = "shop:"});
    ask(&it, "POST", "/login?user=42", 204);
    assert_string_equal(redis_cli(&server, "EXISTS", "users:shop:42"), "1");
    assert_string_equal(redis_cli(&server, "DBSIZE"), "2");
    assert_int_equal(strncmp(redis_cli(&server, "KEYS", "shop:*"), "shop:", 5), 0);
    site_close(&it);
}

static void test_what_is_no_session_is_a_failure_and_no_logout(void **state)
{
    (void)state;
    char key[64];
    struct site it = worker(NULL);
    ask(&it, "POST", "/count", 204);
    redis_cli(&server, "SET", key_of(&it, key), "no JSON");
    ask(&it, "GET", "/show", 500);
    redis_cli(&server, "DEL", key);
    redis_cli(&server, "LPUSH", key, "x");
    ask(&it, "GET", "/show", 500);
    site_close(&it);
}

/* --- a user's sessions ------------------------------------------------------------------------ */

static void test_a_login_is_listed_and_its_old_id_is_not(void **state)
{
    (void)state;
    char before[64], after[64];
    struct site it = worker(NULL);
    ask(&it, "POST", "/login?user=42", 204);
    key_of(&it, before);
    ask(&it, "POST", "/login?user=42", 204);
    assert_string_equal(redis_cli(&server, "EXISTS", before), "0");
    assert_string_equal(redis_cli(&server, "EXISTS", key_of(&it, after)), "1");
    assert_string_equal(redis_cli(&server, "ZCARD", "users:sess:42"), "1");
    assert_true(redis_number("PTTL", "users:sess:42") > redis_number("PTTL", after));
    ask(&it, "POST", "/login?user=43", 204); /* another user at the same browser */
    assert_string_equal(redis_cli(&server, "EXISTS", "users:sess:42"), "0");
    assert_string_equal(redis_cli(&server, "ZCARD", "users:sess:43"), "1");
    ask(&it, "POST", "/logout", 204);
    assert_string_equal(redis_cli(&server, "DBSIZE"), "0");
    site_close(&it);
}

static void test_sessions_are_listed_ended_and_revoked(void **state)
{
    (void)state;
    struct site it = worker(NULL);
    char cookies[4][512];
    log_in_times(&it, 4, cookies);
    ask(&it, "GET", "/devices?user=42", 200);
    assert_string_equal(it.body, "[1,2,3,4]");
    ask(&it, "GET", "/devices?user=42&end=1", 200);
    assert_false(is_logged_in(&it, cookies[0]));
    memcpy(it.cookie, cookies[2], sizeof it.cookie);
    ask(&it, "POST", "/revoke?user=42&keep=1", 204);
    assert_false(is_logged_in(&it, cookies[1]));
    assert_true(is_logged_in(&it, cookies[2]));
    assert_false(is_logged_in(&it, cookies[3]));
    site_close(&it);
}

static void test_sessions_that_others_ended_leave_the_list(void **state)
{
    (void)state;
    char key[64];
    struct site it = worker(NULL);
    char cookies[2][512];
    log_in_times(&it, 2, cookies);
    redis_cli(&server, "DEL", key_of(&it, key));
    ask(&it, "GET", "/devices?user=42", 200);
    assert_string_equal(it.body, "[1]");
    assert_string_equal(redis_cli(&server, "ZCARD", "users:sess:42"), "1");
    site_close(&it);
}

static void test_one_login_too_many_ends_the_oldest_that_lives(void **state)
{
    (void)state;
    char key[64];
    struct site it = worker(&(bk_sessions_opts){.per_user = 2});
    char cookies[3][512];
    log_in_times(&it, 2, cookies);
    redis_cli(&server, "DEL", key_of(&it, key)); /* leaves room for one */
    it.cookie[0] = '\0';
    ask(&it, "POST", "/login?user=42", 204);
    assert_true(is_logged_in(&it, cookies[0]));
    it.cookie[0] = '\0';
    ask(&it, "POST", "/login?user=42", 204);
    assert_false(is_logged_in(&it, cookies[0]));
    assert_string_equal(redis_cli(&server, "ZCARD", "users:sess:42"), "2");
    site_close(&it);
}

static void test_a_request_that_runs_does_not_bring_a_revoked_session_back(void **state)
{
    (void)state;
    static const char *const targets[] = {"/revoked?user=42", "/revoked?user=42&rotate=1"};
    for (size_t i = 0; i < 2; i++) {
        struct site it = worker(NULL);
        ask(&it, "POST", "/login?user=42", 204);
        ask(&it, "POST", targets[i], 204);
        assert_line_has(&it, "Max-Age=0");
        assert_int_equal(strncmp(redis_cli(&server, "KEYS", "sess:*"), "sess:", 5) == 0, false);
        site_close(&it);
    }
}

/* --- without Redis ---------------------------------------------------------------------------- */

/* Until it serves again: the next try to connect may be up to 2 s away. */
static void until_it_serves(struct site *it, const char *method, const char *target, int status)
{
    for (int i = 0; i < 50; i++) {
        if (ask_at(it, method, target, "example.com", "192.0.2.1") == status)
            return;
        assert_int_equal(it->status, 503);
        advance(it, 100);
    }
    fail_msg("it does not heal: %s", it->body);
}

static void assert_not_served(struct site *it, const char *method, const char *target)
{
    ask(it, method, target, 503);
    assert_int_equal(strncmp(it->retry_after, "1", 1), 0);
    assert_no_cookie(it); /* which would take the one away that is good */
}

static void test_who_cannot_be_asked_for_is_not_logged_out(void **state)
{
    (void)state;
    struct site it = worker(NULL);
    ask(&it, "POST", "/login?user=42", 204);
    redis_signal(&server, SIGSTOP);
    assert_not_served(&it, "GET", "/show");
    assert_not_served(&it, "POST", "/count");
    assert_not_served(&it, "POST", "/logout");
    ask(&it, "GET", "/plain", 200); /* which does not ask for it */
    redis_signal(&server, SIGCONT);
    until_it_serves(&it, "GET", "/show", 200);
    assert_user(&it, "42");
    site_close(&it);
}

static void test_a_login_that_cannot_be_kept_is_none(void **state)
{
    (void)state;
    struct site it = worker(NULL);
    redis_signal(&server, SIGKILL);
    ask(&it, "GET", "/show", 200); /* a browser without a cookie: there is nothing to ask for */
    assert_not_served(&it, "POST", "/login?user=42");
    assert_user(&it, NULL);
    redis_again(&server);
    until_it_serves(&it, "POST", "/login?user=42", 204);
    assert_user(&it, "42");
    site_close(&it);
}

static void test_a_redis_that_takes_nothing_more_still_knows_who_is_logged_in(void **state)
{
    (void)state;
    struct site it = worker(NULL);
    ask(&it, "POST", "/login?user=42", 204);
    redis_cli(&server, "CONFIG", "SET", "maxmemory", "1");
    assert_user(&it, "42");
    assert_not_served(&it, "POST", "/count");
    redis_cli(&server, "CONFIG", "SET", "maxmemory", "0");
    ask(&it, "POST", "/count", 204);
    assert_count(&it, 1);
    site_close(&it);
}

#define test(name) cmocka_unit_test_setup(name, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_a_session_outlives_its_worker),
        test(test_the_value_is_what_express_session_writes),
        test(test_a_session_expires_in_redis),
        test(test_looking_at_it_prolongs_it_but_not_each_time),
        test(test_the_absolute_limit_bounds_the_expiry),
        test(test_the_prefix_is_that_of_the_options),
        test(test_what_is_no_session_is_a_failure_and_no_logout),
        test(test_a_login_is_listed_and_its_old_id_is_not),
        test(test_sessions_are_listed_ended_and_revoked),
        test(test_sessions_that_others_ended_leave_the_list),
        test(test_one_login_too_many_ends_the_oldest_that_lives),
        test(test_a_request_that_runs_does_not_bring_a_revoked_session_back),
        test(test_who_cannot_be_asked_for_is_not_logged_out),
        test(test_a_login_that_cannot_be_kept_is_none),
        test(test_a_redis_that_takes_nothing_more_still_knows_who_is_logged_in),
    };
    return cmocka_run_group_tests_name("session_redis", tests, set_up, tear_down);
}
