/*
 * Tests of libbackend/session/ in memory, and of libbackend/middleware/session.c, through requests.
 * What is in Redis: tests/integration/session_redis_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/session_site.h"
#include "harness/stops.h"

struct cart {
    int64_t items;
    bk_str coupon;
};

BK_DESCRIBE(cart_desc, struct cart, BK_I64(items), BK_STR(coupon))

static bk_err types(bk_req *req, bk_res *res) /* POST /types */
{
    bk_session *session;
    struct cart cart = {.items = 3, .coupon = BK_LIT("X\"Y")}, got = {0};
    bk_json *list = bk_json_new_array(bk_req_arena(req));

    BK_TRY(bk_session_of(req, &session));
    assert_null(bk_session_get(session, "cart"));
    assert_int_equal(bk_session_bind(session, "cart", cart_desc, &got), BK_ENOTFOUND);
    bk_error_clear();
    bk_json_append(list, bk_json_new_i64(bk_req_arena(req), INT64_MAX));
    bk_session_set_object(session, "cart", cart_desc, &cart);
    bk_session_set_str(session, "name", BK_LIT("Zo\xc3\xab \"quoted\""));
    bk_session_set_bool(session, "yes", true);
    bk_session_set_bool(session, "no", false);
    bk_session_set(session, "list", list);
    bk_session_set_i64(session, "gone", 1);
    bk_session_unset(session, "gone");
    bk_session_unset(session, "never there");
    return bk_res_empty(res);
}

static bk_err types_again(bk_req *req, bk_res *res) /* GET /types */
{
    bk_session *session;
    struct cart got = {0};
    int64_t item;

    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_session_bind(session, "cart", cart_desc, &got));
    assert_int_equal(got.items, 3);
    assert_true(bk_str_eq(got.coupon, BK_LIT("X\"Y")));
    assert_true(bk_str_eq(bk_session_str(session, "name"), BK_LIT("Zo\xc3\xab \"quoted\"")));
    assert_true(bk_session_bool(session, "yes"));
    assert_false(bk_session_bool(session, "no"));
    assert_false(bk_session_bool(session, "name"));
    BK_TRY(bk_json_i64(bk_json_first(bk_session_get(session, "list")), &item));
    assert_true(item == INT64_MAX);
    assert_null(bk_session_get(session, "gone"));
    /* What is something else than was asked for. */
    assert_false(bk_str_present(bk_session_str(session, "yes")));
    assert_int_equal(bk_session_i64(session, "name", 4), 4);
    return bk_res_empty(res);
}

static void type_routes(bk_router *root)
{
    bk_post(root, "/types", types, NULL);
    bk_get(root, "/types", types_again, NULL);
}

/* --- tests: the cookie ------------------------------------------------------------------------ */

static void test_a_session_that_nobody_put_anything_in_leaves_no_trace(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    ask(&it, "GET", "/plain", 200);
    assert_no_cookie(&it);
    ask(&it, "GET", "/show", 200);
    assert_no_cookie(&it);
    assert_string_equal(it.body, "{\"new\":true,\"user\":null,\"n\":-1}");
    site_close(&it);
}

static void test_save_uninitialized_sends_a_cookie_at_once(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.save_uninitialized = true}, NULL);
    ask(&it, "GET", "/show", 200);
    assert_line_has(&it, "__Host-sid=");
    ask(&it, "GET", "/show", 200);
    assert_no_cookie(&it);
    assert_string_equal(it.body, "{\"new\":false,\"user\":null,\"n\":-1}");
    site_close(&it);
}

static void test_the_cookie_has_the_safe_attributes_by_default(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    ask(&it, "POST", "/count", 204);
    assert_int_equal(strncmp(it.line, "__Host-sid=s%3A", 15), 0);
    assert_non_null(strstr(it.line, "; Path=/; Secure; HttpOnly; SameSite=Lax"));
    assert_line_lacks(&it, "Max-Age");
    assert_line_lacks(&it, "Domain");
    site_close(&it);
}

static void test_express_compatible_names_the_cookie_as_express_does(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.express_compatible = true}, NULL);
    ask(&it, "POST", "/count", 204);
    assert_int_equal(strncmp(it.line, "connect.sid=s%3A", 16), 0);
    assert_count(&it, 1);
    site_close(&it);
}

static void test_options_change_the_cookie(void **state)
{
    (void)state;
    struct site it = site_open(NULL, &(bk_mw_session_opts){.cookie = "visit",
                                                           .domain = "example.com",
                                                           .same_site = BK_SAME_SITE_STRICT,
                                                           .insecure = true});
    ask(&it, "POST", "/count", 204);
    assert_int_equal(strncmp(it.line, "visit=s%3A", 10), 0);
    assert_non_null(strstr(it.line, "; Path=/; Domain=example.com; HttpOnly; SameSite=Strict"));
    site_close(&it);
}

static void test_secure_is_left_out_only_for_a_browser_on_this_machine(void **state)
{
    (void)state;
    static const struct {
        const char *cookie, *host, *client;
        bool secure;
    } cases[] = {
        {"sid", "localhost:3000", "127.0.0.1", false},
        {"sid", "127.0.0.1", "127.0.0.1", false},
        {"sid", "localhost", "::1", false},
        {"sid", "localhost", "192.0.2.1", true},
        {"sid", "example.com", "127.0.0.1", true},
        {"__Host-sid", "localhost", "127.0.0.1", true},
        {"__Secure-x", "localhost", "127.0.0.1", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct site it = site_open(NULL, &(bk_mw_session_opts){.cookie = cases[i].cookie});
        assert_int_equal(ask_at(&it, "POST", "/count", cases[i].host, cases[i].client), 204);
        assert_int_equal(strstr(it.line, "; Secure") != NULL, cases[i].secure);
        site_close(&it);
    }
}

static void test_what_was_put_in_is_there_with_the_next_request(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    ask(&it, "POST", "/count", 204);
    ask(&it, "POST", "/count", 204);
    assert_no_cookie(&it); /* it is known already */
    assert_count(&it, 2);
    assert_no_cookie(&it);
    site_close(&it);
}

static void test_values_of_all_types_come_back(void **state)
{
    (void)state;
    struct site it = site_open_with(NULL, NULL, type_routes, NULL);
    ask(&it, "POST", "/types", 204);
    ask(&it, "GET", "/types", 204);
    site_close(&it);
}

static void test_a_cookie_that_is_not_ours_is_as_none(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    static const char *const cookies[] = {
        "__Host-sid=",
        "__Host-sid=garbage",
        "__Host-sid=s%3Aabc.def",
        "__Host-sid=%",
        "__Host-sid=s%3Aabc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgFU", /* of another
                                                                                       secret */
        "__Host-sid",
        "other=x",
    };
    for (size_t i = 0; i < sizeof cookies / sizeof cookies[0]; i++) {
        snprintf(it.cookie, sizeof it.cookie, "%s", cookies[i]);
        ask(&it, "GET", "/show", 200);
        assert_non_null(strstr(it.body, "\"new\":true"));
        ask(&it, "POST", "/count", 204);
        assert_int_equal(strncmp(it.line, "__Host-sid=s%3A", 15), 0);
        assert_count(&it, 1);
    }
    site_close(&it);
}

static void test_a_changed_cookie_is_not_that_session(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    ask(&it, "POST", "/count", 204);
    it.cookie[sizeof "__Host-sid=s%3A" + 3] ^= 1; /* in the id */
    assert_count(&it, -1);
    it.cookie[sizeof "__Host-sid=s%3A" + 3] ^= 1;
    assert_count(&it, 1);
    site_close(&it);
}

static void test_an_id_that_is_signed_and_not_known_is_not_taken_over(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    char old[512];
    ask(&it, "POST", "/count", 204);
    memcpy(old, it.cookie, sizeof old);
    ask(&it, "POST", "/logout", 204);
    memcpy(it.cookie, old, sizeof old);
    ask(&it, "POST", "/count", 204);
    assert_string_not_equal(it.cookie, old);
    assert_count(&it, 1);
    site_close(&it);
}

/* --- tests: what is saved when ---------------------------------------------------------------- */

static void test_a_handler_that_fails_is_saved_too(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    ask(&it, "POST", "/fail", 401);
    assert_non_null(strstr(it.body, "wrong password"));
    assert_line_has(&it, "__Host-sid=");
    assert_count(&it, 1);
    site_close(&it);
}

static void test_a_session_that_is_too_large_is_refused_and_the_old_one_stays(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.data_bytes = 1000}, NULL);
    ask(&it, "POST", "/fill?bytes=100", 204);
    ask(&it, "POST", "/count", 204);
    ask(&it, "POST", "/fill?bytes=1000", 413);
    assert_count(&it, 1);
    site_close(&it);
}

static void test_a_stream_commits_before_it_begins(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    ask(&it, "GET", "/stream?commit=1", 200);
    assert_line_has(&it, "__Host-sid=");
    assert_count(&it, 6); /* what came after is saved as well */
    site_close(&it);
}

static void test_a_stream_that_did_not_commit_is_told_of_in_the_log(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    ask(&it, "GET", "/stream", 200);
    assert_no_cookie(&it);
    assert_holds(bk_test_logs(it.test), "session.cookie_too_late");
    site_close(&it);
}

/* --- tests: logging in and out ---------------------------------------------------------------- */

static void test_a_login_gives_a_new_id_and_the_old_one_is_no_more(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    char before[512];
    ask(&it, "POST", "/count", 204);
    memcpy(before, it.cookie, sizeof before);
    ask(&it, "POST", "/login?user=42", 204);
    assert_line_has(&it, "__Host-sid=");
    assert_string_not_equal(it.cookie, before);
    assert_user(&it, "42");
    assert_count(&it, 1); /* the data stay */
    memcpy(it.cookie, before, sizeof before);
    assert_user(&it, NULL);
    assert_count(&it, -1);
    site_close(&it);
}

static void test_rotating_keeps_data_and_user(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    char before[512];
    ask(&it, "POST", "/login?user=42", 204);
    ask(&it, "POST", "/count", 204);
    memcpy(before, it.cookie, sizeof before);
    ask(&it, "POST", "/rotate", 204);
    assert_string_not_equal(it.cookie, before);
    assert_user(&it, "42");
    assert_count(&it, 1);
    ask(&it, "GET", "/devices?user=42", 200);
    assert_string_equal(it.body, "[1]");
    site_close(&it);
}

static void test_a_user_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    char target[400] = "/login?user=";
    ask(&it, "POST", "/login?user=", 400);
    ask(&it, "POST", "/login?user=%ff", 400);
    memset(target + strlen(target), 'x', 257);
    ask(&it, "POST", target, 400);
    assert_user(&it, NULL);
    site_close(&it);
}

static void test_a_logout_ends_the_session_and_takes_the_cookie_away(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    char before[512];
    ask(&it, "POST", "/login?user=42", 204);
    memcpy(before, it.cookie, sizeof before);
    ask(&it, "POST", "/logout", 204);
    assert_line_has(&it, "__Host-sid=; Path=/; Max-Age=0");
    memcpy(it.cookie, before, sizeof before);
    assert_user(&it, NULL);
    assert_count(&it, -1);
    site_close(&it);
}

static void test_a_logout_of_nobody_is_nothing(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    ask(&it, "POST", "/logout", 204);
    assert_no_cookie(&it);
    site_close(&it);
}

/* --- tests: a user's sessions ----------------------------------------------------------------- */

static void test_the_sessions_of_a_user_are_listed_the_oldest_first(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    char cookies[3][512];
    log_in_times(&it, 3, cookies);
    it.cookie[0] = '\0';
    ask(&it, "POST", "/login?user=43", 204);
    ask(&it, "GET", "/devices?user=42", 200);
    assert_string_equal(it.body, "[1,2,3]");
    ask(&it, "GET", "/devices?user=4", 200);
    assert_string_equal(it.body, "[]");
    site_close(&it);
}

static void test_one_of_them_is_ended_by_its_name(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    char cookies[3][512];
    log_in_times(&it, 3, cookies);
    ask(&it, "GET", "/devices?user=42&end=1", 200);
    assert_false(is_logged_in(&it, cookies[0]));
    assert_true(is_logged_in(&it, cookies[1]));
    ask(&it, "GET", "/devices?user=42", 200);
    assert_string_equal(it.body, "[2,3]");
    site_close(&it);
}

static bk_err end_unknown(void *data)
{
    return bk_sessions_end(data, BK_LIT("42"), BK_LIT("no such name"));
}

static void test_a_name_that_is_not_known_ends_nothing(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    char cookies[1][512];
    log_in_times(&it, 1, cookies);
    assert_int_equal(bk_test_run(it.test, end_unknown, it.sessions), BK_ENOTFOUND);
    assert_true(is_logged_in(&it, cookies[0]));
    site_close(&it);
}

static void test_revoking_ends_all_but_the_one_kept(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    char cookies[3][512];
    log_in_times(&it, 3, cookies);
    memcpy(it.cookie, cookies[1], sizeof it.cookie);
    ask(&it, "POST", "/revoke?user=42&keep=1", 204);
    assert_false(is_logged_in(&it, cookies[0]));
    assert_true(is_logged_in(&it, cookies[1]));
    assert_false(is_logged_in(&it, cookies[2]));
    ask(&it, "POST", "/revoke?user=42", 204);
    assert_false(is_logged_in(&it, cookies[1]));
    site_close(&it);
}

static void test_a_request_that_runs_does_not_bring_a_revoked_session_back(void **state)
{
    (void)state;
    static const char *const targets[] = {"/revoked?user=42", "/revoked?user=42&rotate=1"};
    for (size_t i = 0; i < 2; i++) {
        struct site it = site_open(NULL, NULL);
        char cookies[1][512];
        log_in_times(&it, 1, cookies);
        ask(&it, "POST", targets[i], 204);
        assert_line_has(&it, "Max-Age=0");
        assert_false(is_logged_in(&it, cookies[0]));
        ask(&it, "GET", "/devices?user=42", 200);
        assert_string_equal(it.body, "[]");
        site_close(&it);
    }
}

static void test_one_login_too_many_ends_the_oldest(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.per_user = 2}, NULL);
    char cookies[3][512];
    log_in_times(&it, 3, cookies);
    assert_false(is_logged_in(&it, cookies[0]));
    assert_true(is_logged_in(&it, cookies[1]));
    assert_true(is_logged_in(&it, cookies[2]));
    site_close(&it);
}

/* --- tests: how long -------------------------------------------------------------------------- */

static void test_a_session_ends_when_it_is_idle(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.idle_ms = HOUR_MS}, NULL);
    ask(&it, "POST", "/count", 204);
    advance(&it, HOUR_MS - 1000);
    assert_count(&it, 1);
    advance(&it, HOUR_MS - 1000);
    assert_count(&it, 1); /* looking at it prolongs it */
    advance(&it, HOUR_MS + 1000);
    assert_count(&it, -1);
    site_close(&it);
}

static void test_by_default_it_lasts_for_a_day(void **state)
{
    (void)state;
    struct site it = site_open(NULL, NULL);
    ask(&it, "POST", "/count", 204);
    advance(&it, 24 * HOUR_MS - 1000);
    assert_count(&it, 1);
    advance(&it, 24 * HOUR_MS + 1000);
    assert_count(&it, -1);
    site_close(&it);
}

static void test_a_request_that_does_not_look_at_it_does_not_prolong_it(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.idle_ms = HOUR_MS}, NULL);
    ask(&it, "POST", "/count", 204);
    advance(&it, HOUR_MS / 2);
    ask(&it, "GET", "/plain", 200);
    advance(&it, HOUR_MS / 2 + 1000);
    assert_count(&it, -1);
    site_close(&it);
}

static void test_the_absolute_limit_holds_however_it_is_used(void **state)
{
    (void)state;
    struct site it =
        site_open(&(bk_sessions_opts){.idle_ms = HOUR_MS, .absolute_ms = 3 * HOUR_MS}, NULL);
    ask(&it, "POST", "/count", 204);
    for (int i = 0; i < 5; i++) {
        advance(&it, HOUR_MS / 2);
        assert_count(&it, 1);
    }
    advance(&it, HOUR_MS / 2 + 1000);
    assert_count(&it, -1);
    site_close(&it);
}

static void test_a_login_begins_the_absolute_time_anew(void **state)
{
    (void)state;
    struct site it =
        site_open(&(bk_sessions_opts){.idle_ms = HOUR_MS, .absolute_ms = HOUR_MS}, NULL);
    ask(&it, "POST", "/count", 204);
    advance(&it, HOUR_MS - 60000);
    ask(&it, "POST", "/login?user=42", 204);
    advance(&it, HOUR_MS - 60000);
    assert_user(&it, "42");
    ask(&it, "POST", "/rotate", 204); /* which does not */
    advance(&it, 120000);
    assert_user(&it, NULL);
    site_close(&it);
}

static void test_a_persistent_session_tells_the_browser_how_long(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.idle_ms = HOUR_MS, .persistent = true}, NULL);
    ask(&it, "POST", "/count", 204);
    assert_line_has(&it, "; Max-Age=3600;");
    assert_count(&it, 1);
    assert_no_cookie(&it);
    ask(&it, "POST", "/count", 204); /* changed: the time begins anew */
    assert_line_has(&it, "; Max-Age=3600;");
    site_close(&it);
}

static void test_rolling_sends_the_cookie_with_each_answer_that_looked(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.idle_ms = HOUR_MS, .persistent = true},
                               &(bk_mw_session_opts){.rolling = true});
    ask(&it, "GET", "/show", 200);
    assert_no_cookie(&it); /* there is no session yet */
    ask(&it, "POST", "/count", 204);
    assert_count(&it, 1);
    assert_line_has(&it, "; Max-Age=3600;");
    ask(&it, "GET", "/plain", 200);
    assert_no_cookie(&it);
    site_close(&it);
}

static void test_a_session_can_be_remembered_and_forgotten(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.idle_ms = HOUR_MS}, NULL);
    ask(&it, "POST", "/count", 204);
    assert_line_lacks(&it, "Max-Age");
    ask(&it, "POST", "/remember?ms=864000000", 204);
    assert_line_has(&it, "; Max-Age=864000;");
    advance(&it, 240 * (uint64_t)HOUR_MS - 1000);
    assert_count(&it, 1);
    advance(&it, 240 * (uint64_t)HOUR_MS - 1000);
    assert_count(&it, 1);
    ask(&it, "POST", "/remember?ms=0", 204);
    advance(&it, HOUR_MS + 1000);
    assert_count(&it, -1);
    site_close(&it);
}

/* --- tests: memory ---------------------------------------------------------------------------- */

static void test_what_was_not_used_for_longest_makes_room(void **state)
{
    (void)state;
    struct site it = site_open(&(bk_sessions_opts){.memory_count = 2}, NULL);
    char cookies[3][512];
    for (int i = 0; i < 3; i++) {
        it.cookie[0] = '\0';
        ask(&it, "POST", "/login?user=42", 204);
        memcpy(cookies[i], it.cookie, 512);
        if (i == 1) { /* the first is used again */
            advance(&it, 2 * HOUR_MS);
            assert_true(is_logged_in(&it, cookies[0]));
        }
    }
    assert_true(is_logged_in(&it, cookies[0]));
    assert_false(is_logged_in(&it, cookies[1]));
    assert_true(is_logged_in(&it, cookies[2]));
    site_close(&it);
}

/* --- tests: setting up ------------------------------------------------------------------------ */

static void make(const bk_sessions_opts *opts, const bk_mw_session_opts *mw_opts)
{
    bk_app *app = bk_app_new(NULL);
    bk_mw_session_opts mw = *mw_opts;

    mw.sessions = bk_sessions_new(app, opts);
    bk_use(bk_app_router(app), bk_mw_session(app, &mw));
}

static const bk_sessions_opts fine = {.secrets = secrets};
static const bk_mw_session_opts fine_mw;

static void without_secrets(void)
{
    make(&(bk_sessions_opts){0}, &fine_mw);
}

static void with_no_secret(void)
{
    make(&(bk_sessions_opts){.secrets = (const char *const[]){NULL}}, &fine_mw);
}

static void with_a_short_secret(void)
{
    make(&(bk_sessions_opts){.secrets = (const char *const[]){SECRET, "keyboard cat", NULL}},
         &fine_mw);
}

static void with_an_empty_secret(void)
{
    make(
        &(bk_sessions_opts){.secrets = (const char *const[]){"", NULL}, .express_compatible = true},
        &fine_mw);
}

static void with_an_empty_prefix(void)
{
    make(&(bk_sessions_opts){.secrets = secrets, .prefix = ""}, &fine_mw);
}

static void with_a_bad_name(void)
{
    make(&fine, &(bk_mw_session_opts){.cookie = "two words"});
}

static void with_a_domain_for_this_host(void)
{
    make(&fine, &(bk_mw_session_opts){.domain = "example.com"});
}

static void with_insecure_and_cross_site(void)
{
    make(&fine,
         &(bk_mw_session_opts){.cookie = "sid", .insecure = true, .same_site = BK_SAME_SITE_NONE});
}

static void without_sessions(void)
{
    (void)bk_mw_session(bk_app_new(NULL), &fine_mw).fn;
}

#define assert_stops(fn, part)                                                                     \
    do {                                                                                           \
        char words[4096];                                                                          \
        assert_true(stops(fn, words, sizeof words));                                               \
        assert_non_null(strstr(words, part));                                                      \
    } while (0)

static void test_settings_that_are_not_possible_stop_the_program(void **state)
{
    (void)state;
    assert_stops(without_secrets, "a secret");
    assert_stops(with_no_secret, "a secret");
    assert_stops(with_a_short_secret, "at least 32 bytes");
    assert_stops(with_an_empty_secret, "at least 32 bytes");
    assert_stops(with_an_empty_prefix, "prefix");
    assert_stops(with_a_bad_name, "two words");
    assert_stops(with_a_domain_for_this_host, "__Host-sid");
    assert_stops(with_insecure_and_cross_site, "sid");
    assert_stops(without_sessions, "no sessions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_that_nobody_put_anything_in_leaves_no_trace),
        cmocka_unit_test(test_save_uninitialized_sends_a_cookie_at_once),
        cmocka_unit_test(test_the_cookie_has_the_safe_attributes_by_default),
        cmocka_unit_test(test_express_compatible_names_the_cookie_as_express_does),
        cmocka_unit_test(test_options_change_the_cookie),
        cmocka_unit_test(test_secure_is_left_out_only_for_a_browser_on_this_machine),
        cmocka_unit_test(test_what_was_put_in_is_there_with_the_next_request),
        cmocka_unit_test(test_values_of_all_types_come_back),
        cmocka_unit_test(test_a_cookie_that_is_not_ours_is_as_none),
        cmocka_unit_test(test_a_changed_cookie_is_not_that_session),
        cmocka_unit_test(test_an_id_that_is_signed_and_not_known_is_not_taken_over),
        cmocka_unit_test(test_a_handler_that_fails_is_saved_too),
        cmocka_unit_test(test_a_session_that_is_too_large_is_refused_and_the_old_one_stays),
        cmocka_unit_test(test_a_stream_commits_before_it_begins),
        cmocka_unit_test(test_a_stream_that_did_not_commit_is_told_of_in_the_log),
        cmocka_unit_test(test_a_login_gives_a_new_id_and_the_old_one_is_no_more),
        cmocka_unit_test(test_rotating_keeps_data_and_user),
        cmocka_unit_test(test_a_user_that_cannot_be_is_refused),
        cmocka_unit_test(test_a_logout_ends_the_session_and_takes_the_cookie_away),
        cmocka_unit_test(test_a_logout_of_nobody_is_nothing),
        cmocka_unit_test(test_the_sessions_of_a_user_are_listed_the_oldest_first),
        cmocka_unit_test(test_one_of_them_is_ended_by_its_name),
        cmocka_unit_test(test_a_name_that_is_not_known_ends_nothing),
        cmocka_unit_test(test_revoking_ends_all_but_the_one_kept),
        cmocka_unit_test(test_a_request_that_runs_does_not_bring_a_revoked_session_back),
        cmocka_unit_test(test_one_login_too_many_ends_the_oldest),
        cmocka_unit_test(test_a_session_ends_when_it_is_idle),
        cmocka_unit_test(test_by_default_it_lasts_for_a_day),
        cmocka_unit_test(test_a_request_that_does_not_look_at_it_does_not_prolong_it),
        cmocka_unit_test(test_the_absolute_limit_holds_however_it_is_used),
        cmocka_unit_test(test_a_login_begins_the_absolute_time_anew),
        cmocka_unit_test(test_a_persistent_session_tells_the_browser_how_long),
        cmocka_unit_test(test_rolling_sends_the_cookie_with_each_answer_that_looked),
        cmocka_unit_test(test_a_session_can_be_remembered_and_forgotten),
        cmocka_unit_test(test_what_was_not_used_for_longest_makes_room),
        cmocka_unit_test(test_settings_that_are_not_possible_stop_the_program),
    };
    return cmocka_run_group_tests_name("session_session", tests, NULL, NULL);
}
