/* The HTTP client against a server that does what it should not: tests/harness/http_trouble.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../unit/text.h"
#include "harness/client_app.h"
#include "harness/script.h"

static struct script server;

static int set_up(void **state)
{
    (void)state;
    server = script_start("http_trouble.py", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    script_stop(&server);
    return 0;
}

static void run_with(const bk_http_client_opts *opts, bk_err (*fn)(void *data))
{
    client_app_run(server.port, opts, fn);
}

static void run(bk_err (*fn)(void *data))
{
    run_with(NULL, fn);
}

BK_YIELDS static bk_http_answer get(const struct client_app *it, const char *path)
{
    bk_http_answer answer;

    bk_err err = bk_http_send(it->client, &(bk_http_request){.url = client_url(it, path)}, &answer);
    if (err != BK_OK)
        print_error("%.*s", BK_PRI(chain_text()));
    assert_int_equal(err, BK_OK);
    return answer;
}

static bool holds(bk_str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* --- what is sent and what comes -------------------------------------------------------------- */

static bk_err get_hello(void *data)
{
    struct client_app *it = data;
    bk_http_answer answer = get(it, "/hello");
    bk_http_client_stats stats;

    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.attempts, 1);
    assert_text(answer.body, "hello");
    assert_text(answer.url, client_url(it, "/hello").ptr);
    assert_text(bk_http_answer_header(&answer, "x-two"), "a");
    assert_true(bk_str_present(bk_http_answer_header(&answer, "X-EMPTY")));
    assert_false(bk_str_present(bk_http_answer_header(&answer, "x-none")));
    for (int i = 0; i < 10; i++)
        assert_int_equal(get(it, "/hello").status, 200);
    bk_http_client_get_stats(it->client, &stats);
    assert_int_equal(stats.requests, 11);
    assert_int_equal(stats.failed, 0);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.connects, 1); /* it was kept */
    return BK_OK;
}

static void test_an_answer_has_status_headers_and_body_and_keeps_the_connection(void **state)
{
    (void)state;
    run(get_hello);
}

static bk_err echo(void *data)
{
    struct client_app *it = data;
    const bk_http_header headers[] = {
        {BK_LIT("X-One"), BK_LIT("1")}, {BK_LIT("X-Empty"), BK_LIT("")}, {{NULL, 0}, {NULL, 0}}};
    bk_http_answer answer;

    BK_TRY(bk_http_send(it->client,
                        &(bk_http_request){.method = "PUT",
                                           .url = client_url(it, "/echo?q=%20"),
                                           .headers = headers,
                                           .body = BK_LIT("some \0 bytes"),
                                           .content_type = BK_LIT("text/x")},
                        &answer));
    assert_true(holds(answer.body, "PUT /echo?q=%20 HTTP/1.1\r\n"));
    assert_true(holds(answer.body, "\r\nX-One: 1"));
    assert_true(holds(answer.body, "\r\nX-Empty:"));
    assert_true(holds(answer.body, "\r\nContent-Type: text/x"));
    assert_true(holds(answer.body, "\r\nContent-Length: 12"));
    assert_true(holds(answer.body, "\r\nUser-Agent: libbackend"));
    assert_false(holds(answer.body, "Expect:"));
    BK_TRY(bk_http_send(
        it->client,
        &(bk_http_request){.url = client_url(it, "/body"), .body = BK_LIT("some \0 bytes")},
        &answer));
    assert_int_equal(answer.body.len, 12);
    assert_memory_equal(answer.body.ptr, "some \0 bytes", 12);
    return BK_OK;
}

static void test_method_headers_and_body_arrive_as_they_are(void **state)
{
    (void)state;
    run(echo);
}

static bk_err each_method(void *data)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    struct client_app *it = data;
    bk_http_answer answer;

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        BK_TRY(bk_http_send(
            it->client, &(bk_http_request){.method = methods[i], .url = client_url(it, "/echo")},
            &answer));
        assert_true(bk_str_starts(answer.body, bk_str_of(methods[i])));
        assert_false(holds(answer.body, "Content-Type"));
        /* These three have a body by their nature, be it an empty one. */
        assert_int_equal(holds(answer.body, "Content-Length: 0"), i >= 1 && i <= 3);
    }
    BK_TRY(bk_http_send(it->client,
                        &(bk_http_request){.method = "HEAD", .url = client_url(it, "/hello")},
                        &answer));
    assert_int_equal(answer.body.len, 0);
    assert_true(bk_str_present(answer.body));
    return BK_OK;
}

static void test_each_method_is_sent(void **state)
{
    (void)state;
    run(each_method);
}

static bk_err odd_but_right(void *data)
{
    struct client_app *it = data;

    assert_text(get(it, "/continue").body, "after all");
    assert_int_equal(get(it, "/continue").header_count, 1);
    bk_http_answer late = get(it, "/trailer");
    assert_text(late.body, "ok");
    assert_false(bk_str_present(bk_http_answer_header(&late, "x-late")));
    assert_text(get(it, "/gzip").body, "packed");
    assert_int_equal(get(it, "/status/404").status, 404);
    assert_int_equal(get(it, "/status/500").status, 500);
    assert_int_equal(get(it, "/status/302").status, 302);
    assert_int_equal(get(it, "/bytes/5000000").body.len, 5000000);
    return BK_OK;
}

static void test_odd_answers_that_are_right_are_taken(void **state)
{
    (void)state;
    run(odd_but_right);
}

/* --- answers that are wrong ------------------------------------------------------------------- */

static bk_err broken(void *data)
{
    static const struct {
        const char *path;
        bk_err err;
        const char *words;
    } cases[] = {
        {"/nothing", BK_EUPSTREAM, "Empty reply"},
        {"/reset", BK_EUPSTREAM, "http_client: GET http://127.0.0.1"},
        {"/cut", BK_EUPSTREAM, "transfer closed"},
        {"/cut-head", BK_EUPSTREAM, "partial"},
        {"/garbage", BK_EUPSTREAM, "HTTP/0.9"},
        {"/folded", BK_EUPSTREAM, "no header"},
        {"/big-head", BK_ETOOBIG, "head has more than 65536 bytes"},
        {"/big", BK_ETOOBIG, "10485760 bytes"},
        {"/endless", BK_ETOOBIG, "10485760 bytes"},
        {"/bomb", BK_ETOOBIG, "10485760 bytes"},
    };
    struct client_app *it = data;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_send_fails(it, cases[i].err, cases[i].words, .url = client_url(it, cases[i].path));
    assert_text(get(it, "/hello").body, "hello"); /* and goes on */
    return BK_OK;
}

static void test_answers_that_are_wrong_are_errors_with_words(void **state)
{
    (void)state;
    run(broken);
}

static bk_err limited(void *data)
{
    struct client_app *it = data;
    bk_http_answer answer;

    assert_send_fails(it, BK_ETOOBIG, "1000 bytes", .url = client_url(it, "/bytes/1001"));
    assert_int_equal(get(it, "/bytes/1000").body.len, 1000);
    BK_TRY(bk_http_send(
        it->client, &(bk_http_request){.url = client_url(it, "/bytes/5000"), .body_bytes = 5000},
        &answer));
    assert_int_equal(answer.body.len, 5000);
    return BK_OK;
}

static void test_the_limit_of_a_body_is_exact_and_can_be_set_for_one_request(void **state)
{
    (void)state;
    run_with(&(bk_http_client_opts){.body_bytes = 1000}, limited);
}

static bk_err nobody_there(void *data)
{
    struct client_app *it = data;

    assert_send_fails(it, BK_EUNAVAILABLE, "GET http://127.0.0.1:1/",
                      .url = BK_LIT("http://127.0.0.1:1/"));
    assert_send_fails(it, BK_EUNAVAILABLE, "nowhere.invalid",
                      .url = BK_LIT("http://nowhere.invalid/"));
    return BK_OK;
}

static void test_a_host_that_is_not_there_is_unavailable(void **state)
{
    (void)state;
    run(nobody_there);
}

static bk_err wrong_requests(void *data)
{
    struct client_app *it = data;
    const bk_http_header split[] = {{BK_LIT("X-A"), BK_LIT("a\r\nX-B: b")}, {{NULL, 0}, {NULL, 0}}};
    const bk_http_header name[] = {{BK_LIT("X A"), BK_LIT("a")}, {{NULL, 0}, {NULL, 0}}};
    const bk_http_header length[] = {{BK_LIT("content-length"), BK_LIT("3")},
                                     {{NULL, 0}, {NULL, 0}}};
    bk_str url = client_url(it, "/hello");
    const struct {
        bk_http_request request;
        const char *words;
    } cases[] = {
        {{.url = BK_LIT("")}, "neither http:// nor https://"},
        {{.url = BK_LIT("file:///etc/passwd")}, "neither http:// nor https://"},
        {{.url = BK_LIT("http://")}, "names no host"},
        {{.url = BK_LIT("http:///path")}, "names no host"},
        {{.url = BK_LIT("http://user:secret@host/")}, "credentials"},
        {{.url = BK_LIT("http://host/a b")}, "percent-encoded"},
        {{.url = BK_LIT("http://host/a\r\nX: y")}, "percent-encoded"},
        {{.url = BK_LIT("http://host\\@other/")}, "percent-encoded"},
        {{.url = BK_LIT("http://[::1/")}, "GET http://[::1/"},
        {{.url = url, .headers = split}, "control characters"},
        {{.url = url, .headers = name}, "no name of a header"},
        {{.url = url, .headers = length}, "set by the client"},
        {{.url = url, .method = "GET /x HTTP/1.1\r\n"}, "no method"},
        {{.url = url, .method = "CONNECT"}, "no method"},
        {{.url = url, .method = "HEAD", .body = BK_LIT("x")}, "has no body"},
        {{.url = url, .method = "POST", .retries = 1}, "not to be repeated"},
        {{.url = url, .content_type = BK_LIT("a\nb")}, "control characters"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_send_fails(it, &cases[i].request, BK_EINVAL, cases[i].words, __FILE__, __LINE__);
    return BK_OK;
}

static void test_a_wrong_request_is_refused_before_it_is_sent(void **state)
{
    (void)state;
    run(wrong_requests);
}

/* --- time ------------------------------------------------------------------------------------- */

static bk_err out_of_time(void *data)
{
    struct client_app *it = data;
    uint64_t begin = bk_now_ms();
    bk_http_answer answer;

    assert_send_fails(it, BK_ETIMEDOUT, "while waiting for the answer",
                      .url = client_url(it, "/slow"), .timeout_ms = 100);
    assert_send_fails(it, BK_ETIMEDOUT, "within the answer's body", .url = client_url(it, "/drip"),
                      .timeout_ms = 300);
    bk_deadline before = bk_deadline_push(100);
    assert_send_fails(it, BK_ETIMEDOUT, "out of time", .url = client_url(it, "/slow"));
    assert_int_equal(
        bk_http_send(it->client, &(bk_http_request){.url = client_url(it, "/hello")}, &answer),
        BK_ETIMEDOUT); /* there is none left to begin with */
    bk_deadline_pop(before);
    assert_in_range(bk_now_ms() - begin, 400, 9000);
    assert_text(get(it, "/hello").body, "hello");
    return BK_OK;
}

static void test_a_request_ends_with_its_timeout_or_the_fibers_deadline(void **state)
{
    (void)state;
    run(out_of_time);
}

/* The value of a header in an echoed head; -1: it is not there. */
static long echoed(bk_str head, const char *name)
{
    const char *at = memmem(head.ptr, head.len, name, strlen(name));

    return at != NULL ? strtol(at + strlen(name), NULL, 10) : -1;
}

static bk_err deadline_header(void *data)
{
    struct client_app *it = data;
    bk_http_answer answer;

    assert_in_range(echoed(get(it, "/echo").body, "X-Request-Timeout-Ms: "), 1, 10000);
    bk_deadline before = bk_deadline_push(5000);
    assert_in_range(echoed(get(it, "/echo").body, "X-Request-Timeout-Ms: "), 1, 5000);
    bk_deadline_pop(before);
    BK_TRY(bk_http_send(
        it->client, &(bk_http_request){.url = client_url(it, "/echo"), .timeout_ms = BK_UNLIMITED},
        &answer));
    assert_int_equal(echoed(answer.body, "X-Request-Timeout-Ms: "), -1);
    return BK_OK;
}

static bk_err no_deadline_header(void *data)
{
    assert_int_equal(echoed(get(data, "/echo").body, "X-Request-Timeout-Ms: "), -1);
    return BK_OK;
}

static void test_the_time_that_is_left_is_told_unless_told_otherwise(void **state)
{
    (void)state;
    run(deadline_header);
    run_with(&(bk_http_client_opts){.no_deadline_header = true}, no_deadline_header);
}

struct errand {
    struct client_app *it;
    const char *path;
    bk_err err;
};

static bk_err go(void *data)
{
    struct errand *errand = data;
    bk_http_answer answer;

    errand->err =
        bk_http_send(errand->it->client,
                     &(bk_http_request){.url = client_url(errand->it, errand->path)}, &answer);
    return BK_OK;
}

static bk_err cancelled(void *data)
{
    struct client_app *it = data;
    struct errand errands[] = {{it, "/slow", BK_OK}, {it, "/drip", BK_OK}, {it, "/slow", BK_OK}};
    bk_group *group = bk_group_open();
    bk_http_client_stats stats;

    for (size_t i = 0; i < 3; i++)
        bk_group_spawn(group, "errand", go, &errands[i]);
    BK_TRY(bk_sleep_ms(100));
    bk_group_cancel(group);
    BK_TRY(bk_group_wait(group));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(errands[i].err, BK_ECANCELED);
    /* Before it has begun. */
    bk_group_spawn(group, "errand", go, &errands[0]);
    bk_group_cancel(group);
    BK_TRY(bk_group_wait(group));
    bk_http_client_get_stats(it->client, &stats);
    assert_int_equal(stats.in_flight, 0);
    assert_text(get(it, "/hello").body, "hello");
    return BK_OK;
}

static void test_cancelling_the_fiber_breaks_the_request_off(void **state)
{
    (void)state;
    run(cancelled);
}

/* --- redirects, private addresses ------------------------------------------------------------- */

static bk_err follow(void *data)
{
    struct client_app *it = data;
    bk_http_answer answer = get(it, "/redirect/3");

    assert_text(answer.body, "hello");
    assert_text(answer.url, client_url(it, "/hello").ptr);
    assert_send_fails(it, BK_EUPSTREAM, "redirects", .url = client_url(it, "/loop"));
    assert_send_fails(it, BK_EUPSTREAM, "redirects", .url = client_url(it, "/redirect/4"));
    assert_send_fails(it, BK_EUPSTREAM, "file", .url = client_url(it, "/to/file:///etc/passwd"));
    assert_send_fails(it, BK_EUPSTREAM, "GET", .url = client_url(it, "/to/http://["));
    BK_TRY(bk_http_send(
        it->client, &(bk_http_request){.url = client_url(it, "/redirect/1"), .body = BK_LIT("x")},
        &answer));
    assert_int_equal(answer.status, 302); /* a POST is not sent elsewhere */
    return BK_OK;
}

static bk_err do_not_follow(void *data)
{
    bk_http_answer answer = get(data, "/redirect/1");

    assert_int_equal(answer.status, 302);
    assert_text(bk_http_answer_header(&answer, "location"), "/hello");
    return BK_OK;
}

static void test_redirects_are_followed_only_where_asked_and_only_so_often(void **state)
{
    (void)state;
    run(do_not_follow);
    run_with(&(bk_http_client_opts){.redirects = 3}, follow);
}

static bk_err private_hosts(void *data)
{
    static const char *const hosts[] = {
        "127.0.0.1",          "localhost",       "2130706433",        "0x7f.1",   "[::1]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0",           "10.1.2.3", "169.254.169.254",
        "192.168.0.1",        "[fe80::1]",       "[64:ff9b::7f00:1]", "[fd00::1]"};
    struct client_app *it = data;
    bk_http_client_stats stats;

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        bk_str url = bk_arena_printf(bk_fiber_arena(), "http://%s:%d/hello", hosts[i], server.port);
        assert_send_fails(it, BK_EFORBIDDEN, "private address", .url = url, .retries = 3);
    }
    bk_http_client_get_stats(it->client, &stats);
    assert_int_equal(stats.connects, 0);
    assert_int_equal(stats.retries, 0);
    return BK_OK;
}

static void test_private_addresses_are_refused_however_they_are_written(void **state)
{
    (void)state;
    run_with(&(bk_http_client_opts){.deny_private = true}, private_hosts);
}

/* --- sent again ------------------------------------------------------------------------------- */

static bk_err again(void *data)
{
    struct client_app *it = data;
    bk_http_answer answer;
    bk_http_client_stats stats;

    BK_TRY(bk_http_send(
        it->client, &(bk_http_request){.url = client_url(it, "/flaky/2"), .retries = 2}, &answer));
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.attempts, 3);
    BK_TRY(bk_http_send(it->client,
                        &(bk_http_request){.url = client_url(it, "/flaky/9/502"), .retries = 1},
                        &answer));
    assert_int_equal(answer.status, 502); /* the last one's answer */
    assert_int_equal(answer.attempts, 2);
    BK_TRY(bk_http_send(it->client,
                        &(bk_http_request){.url = client_url(it, "/flaky/1/500"), .retries = 5},
                        &answer));
    assert_int_equal(answer.status, 500); /* that would fail again */
    assert_send_fails(it, BK_EUPSTREAM, "Empty reply", .url = client_url(it, "/nothing"),
                      .retries = 2);
    bk_http_client_get_stats(it->client, &stats);
    assert_int_equal(stats.retries, 5);
    assert_send_fails(it, BK_ETIMEDOUT, "waiting", .url = client_url(it, "/slow"), .retries = 5,
                      .timeout_ms = 200);
    return BK_OK;
}

static void test_what_failed_for_the_moment_is_sent_again_where_asked(void **state)
{
    (void)state;
    run(again);
}

static bk_err closed_while_kept(void *data)
{
    struct client_app *it = data;
    bk_http_answer answer;

    /* The server takes a second request on the connection and closes it without an answer. What may
     * be repeated is sent on a new one; the rest may have been done. */
    assert_text(get(it, "/once").body, "once");
    assert_text(get(it, "/once").body, "once");
    assert_send_fails(it, BK_EUPSTREAM, "may have been carried out", .method = "POST",
                      .url = client_url(it, "/once"), .body = BK_LIT("x"));
    BK_TRY(bk_http_send(
        it->client, &(bk_http_request){.method = "POST", .url = client_url(it, "/once")}, &answer));
    assert_text(answer.body, "once");
    return BK_OK;
}

static void test_a_post_is_never_sent_twice(void **state)
{
    (void)state;
    run(closed_while_kept);
}

/* --- the body in pieces ----------------------------------------------------------------------- */

struct sink {
    size_t bytes, pieces;
    uint32_t sleep_ms;
    size_t fail_after; /* bytes; 0: never */
};

static bk_err take(bk_str piece, void *data)
{
    struct sink *sink = data;

    sink->bytes += piece.len;
    sink->pieces++;
    if (sink->fail_after != 0 && sink->bytes > sink->fail_after)
        return bk_fail(BK_ECONFLICT, "enough of it");
    return sink->sleep_ms != 0 ? bk_sleep_ms(sink->sleep_ms) : BK_OK;
}

BK_YIELDS static bk_err stream(const struct client_app *it, const char *path, struct sink *sink,
                               bk_http_answer *answer)
{
    return bk_http_send(
        it->client, &(bk_http_request){.url = client_url(it, path), .on_body = take, .data = sink},
        answer);
}

static bk_err in_pieces(void *data)
{
    struct client_app *it = data;
    struct sink quick = {0}, slow = {.sleep_ms = 5}, failing = {.fail_after = 100000};
    bk_http_answer answer;

    BK_TRY(stream(it, "/bytes/20000000", &quick, &answer)); /* more than a body may have */
    assert_int_equal(quick.bytes, 20000000);
    assert_int_equal(answer.body.len, 0);
    BK_TRY(stream(it, "/bytes/2000000", &slow, &answer));
    assert_int_equal(slow.bytes, 2000000);
    assert_in_range(slow.pieces, 2000000 / (64 * 1024), 2000);
    assert_int_equal(stream(it, "/endless", &failing, &answer), BK_ECONFLICT);
    assert_true(holds(chain_text(), "enough of it"));
    return BK_OK;
}

static bk_err pieces_of_trouble(void *data)
{
    struct client_app *it = data;
    struct sink none = {0}, cut = {0}, bounded = {0};
    bk_http_answer answer;

    BK_TRY(stream(it, "/status/404", &none, &answer));
    assert_int_equal(answer.status, 404);
    assert_int_equal(none.pieces, 0);
    assert_int_equal(stream(it, "/cut", &cut, &answer), BK_EUPSTREAM);
    assert_int_equal(cut.bytes, 9);
    assert_send_fails(it, BK_ETOOBIG, "100000 bytes", .url = client_url(it, "/endless"),
                      .on_body = take, .data = &bounded, .body_bytes = 100000);
    assert_in_range(bounded.bytes, 1, 100000);
    assert_text(get(it, "/hello").body, "hello");
    return BK_OK;
}

static void test_a_body_can_be_taken_in_pieces_by_one_who_is_slow(void **state)
{
    (void)state;
    run(in_pieces);
    run(pieces_of_trouble);
}

/* --- many ------------------------------------------------------------------------------------- */

struct crowd {
    struct client_app *it;
    uint32_t left, right;
};

static bk_err one_of_many(void *data)
{
    struct crowd *crowd = data;

    while (crowd->left != 0) {
        crowd->left--;
        bk_http_answer answer = get(crowd->it, "/late/3");
        crowd->right += bk_str_eq(answer.body, BK_LIT("late"));
    }
    return BK_OK;
}

static bk_err many(void *data)
{
    struct client_app *it = data;
    struct crowd crowd = {.it = it, .left = 1000};
    bk_group *group = bk_group_open();
    bk_http_client_stats stats;

    for (int i = 0; i < 100; i++)
        bk_group_spawn(group, "one of many", one_of_many, &crowd);
    BK_TRY(bk_group_wait(group));
    assert_int_equal(crowd.right, 1000);
    bk_http_client_get_stats(it->client, &stats);
    assert_int_equal(stats.requests, 1000);
    assert_in_range(stats.connects, 1, 20);
    return BK_OK;
}

static void test_a_thousand_requests_share_a_few_connections(void **state)
{
    (void)state;
    run_with(&(bk_http_client_opts){.connections_per_host = 20, .timeout_ms = 60000}, many);
}

static bk_err too_many(void *data)
{
    struct client_app *it = data;
    struct errand errands[2] = {{it, "/slow", BK_OK}, {it, "/slow", BK_OK}};
    bk_group *group = bk_group_open();

    for (size_t i = 0; i < 2; i++)
        bk_group_spawn(group, "errand", go, &errands[i]);
    BK_TRY(bk_sleep_ms(20));
    assert_send_fails(it, BK_EUNAVAILABLE, "2 requests are in flight",
                      .url = client_url(it, "/hello"));
    bk_group_cancel(group);
    return bk_group_wait(group);
}

static void test_requests_in_flight_are_bounded(void **state)
{
    (void)state;
    run_with(&(bk_http_client_opts){.requests = 2}, too_many);
}

/* --- JSON, and what each request has ---------------------------------------------------------- */

struct person {
    bk_str name;
    int64_t age;
};

BK_DESCRIBE(person_desc, struct person, BK_STR(name, BK_REQUIRED), BK_I64(age))

static bk_err json(void *data)
{
    struct client_app *it = data;
    struct person ann = {.name = BK_LIT("bob"), .age = 3}, got;
    bk_json *value;

    BK_TRY(bk_http_get_json(it->client, client_url(it, "/json"), &value));
    assert_text(bk_json_str(bk_json_get(value, BK_LIT("name"))), "ann");
    BK_TRY(bk_http_get_object(it->client, client_url(it, "/json"), person_desc, &got));
    assert_text(got.name, "ann");
    assert_int_equal(got.age, 7);
    BK_TRY(bk_http_post_object(it->client, client_url(it, "/body"), person_desc, &ann, person_desc,
                               &got));
    assert_text(got.name, "bob");
    assert_int_equal(got.age, 3);
    BK_TRY(
        bk_http_post_object(it->client, client_url(it, "/hello"), person_desc, &ann, NULL, NULL));
    return BK_OK;
}

static bk_err no_json(void *data)
{
    struct client_app *it = data;
    struct person got;
    bk_json *value;
    size_t fields;

    assert_int_equal(bk_http_get_json(it->client, client_url(it, "/status/404"), &value),
                     BK_EUPSTREAM);
    assert_true(holds(chain_text(), "the answer was 404"));
    assert_int_equal(bk_http_get_json(it->client, client_url(it, "/hello"), &value), BK_EUPSTREAM);
    assert_true(holds(chain_text(), "does not fit"));
    assert_int_equal(bk_http_get_object(it->client, client_url(it, "/bad-json"), person_desc, &got),
                     BK_EUPSTREAM);
    assert_true(holds(chain_text(), "/name"));
    (void)bk_error_fields(&fields);
    assert_int_equal(fields, 0); /* they are not our client's mistakes */
    return BK_OK;
}

static void test_json_is_one_call_and_what_does_not_fit_is_the_services_fault(void **state)
{
    (void)state;
    run(json);
    run(no_json);
}

static bk_err prepare(bk_http_headers *headers, void *data)
{
    if (strcmp(data, "bad") == 0)
        return bk_http_headers_add(headers, BK_LIT("a b"), BK_LIT("c"));
    return bk_http_headers_add(headers, BK_LIT("traceparent"), bk_str_of(data));
}

static bk_err prepared(void *data)
{
    assert_true(holds(get(data, "/echo").body, "\r\ntraceparent: 00-abc"));
    return BK_OK;
}

static bk_err badly_prepared(void *data)
{
    assert_send_fails((struct client_app *)data, BK_EINVAL, "\"a b\"",
                      .url = client_url(data, "/echo"));
    return BK_OK;
}

static void test_a_hook_adds_headers_to_each_request(void **state)
{
    char trace[] = "00-abc", bad[] = "bad";

    (void)state;
    run_with(&(bk_http_client_opts){.prepare = prepare, .data = trace}, prepared);
    run_with(&(bk_http_client_opts){.prepare = prepare, .data = bad}, badly_prepared);
}

/* --- ends ------------------------------------------------------------------------------------- */

static bk_err go_in_background(void *data)
{
    struct errand *errand = data;

    (void)go(errand);
    return BK_OK;
}

static bk_err leave_running(void *data)
{
    static struct errand errands[2];

    errands[0] = (struct errand){data, "/slow", BK_OK};
    errands[1] = (struct errand){data, "/drip", BK_OK};
    for (size_t i = 0; i < 2; i++)
        BK_TRY(bk_spawn("left", go_in_background, &errands[i]));
    return bk_sleep_ms(50);
}

static void test_an_app_stops_with_requests_in_flight(void **state)
{
    (void)state;
    struct client_app it = client_app_open(server.port, NULL);
    assert_int_equal(bk_test_run(it.test, leave_running, &it), BK_OK);
    bk_test_free(it.test);
    bk_app_free(it.app);
    assert_int_equal(count_descriptors(), it.descriptors);
}

static struct script victim;

static bk_err kill_server(void *data)
{
    struct client_app *it = data;
    struct errand errands[2] = {{it, "/slow", BK_OK}, {it, "/drip", BK_OK}};
    bk_group *group = bk_group_open();

    assert_text(get(it, "/hello").body, "hello"); /* which leaves a connection in the pool */
    for (size_t i = 0; i < 2; i++)
        bk_group_spawn(group, "errand", go, &errands[i]);
    BK_TRY(bk_sleep_ms(50));
    script_stop(&victim);
    BK_TRY(bk_group_wait(group));
    /* The first went out on the kept connection, so it was tried once more on a new one. */
    assert_int_equal(errands[0].err, BK_EUNAVAILABLE);
    assert_int_equal(errands[1].err, BK_EUPSTREAM);
    assert_send_fails(it, BK_EUNAVAILABLE, "connect", .url = client_url(it, "/hello"));
    return BK_OK;
}

static void test_a_server_that_dies_is_noticed_at_once(void **state)
{
    (void)state;
    victim = script_start("http_trouble.py", NULL);
    client_app_run(victim.port, NULL, kill_server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_has_status_headers_and_body_and_keeps_the_connection),
        cmocka_unit_test(test_method_headers_and_body_arrive_as_they_are),
        cmocka_unit_test(test_each_method_is_sent),
        cmocka_unit_test(test_odd_answers_that_are_right_are_taken),
        cmocka_unit_test(test_answers_that_are_wrong_are_errors_with_words),
        cmocka_unit_test(test_the_limit_of_a_body_is_exact_and_can_be_set_for_one_request),
        cmocka_unit_test(test_a_host_that_is_not_there_is_unavailable),
        cmocka_unit_test(test_a_wrong_request_is_refused_before_it_is_sent),
        cmocka_unit_test(test_a_request_ends_with_its_timeout_or_the_fibers_deadline),
        cmocka_unit_test(test_the_time_that_is_left_is_told_unless_told_otherwise),
        cmocka_unit_test(test_cancelling_the_fiber_breaks_the_request_off),
        cmocka_unit_test(test_redirects_are_followed_only_where_asked_and_only_so_often),
        cmocka_unit_test(test_private_addresses_are_refused_however_they_are_written),
        cmocka_unit_test(test_what_failed_for_the_moment_is_sent_again_where_asked),
        cmocka_unit_test(test_a_post_is_never_sent_twice),
        cmocka_unit_test(test_a_body_can_be_taken_in_pieces_by_one_who_is_slow),
        cmocka_unit_test(test_a_thousand_requests_share_a_few_connections),
        cmocka_unit_test(test_requests_in_flight_are_bounded),
        cmocka_unit_test(test_json_is_one_call_and_what_does_not_fit_is_the_services_fault),
        cmocka_unit_test(test_a_hook_adds_headers_to_each_request),
        cmocka_unit_test(test_an_app_stops_with_requests_in_flight),
        cmocka_unit_test(test_a_server_that_dies_is_noticed_at_once),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
