/* The HTTP client against our own server, on a thread of its own: TLS, HTTP/2, certificates. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CLIENT_APP_IS_NOT_ALONE
#include "../unit/text.h"
#include "harness/client_app.h"

static char folder[] = "/tmp/http-client-test-XXXXXX", cert[64], other_cert[64], key[64];
static bk_app *site;
static pthread_t site_thread;

static bk_err how(bk_req *req, bk_res *res) /* GET /how */
{
    return bk_res_text(res, 200,
                       bk_arena_printf(bk_req_arena(req), "%d %.*s", bk_req_version(req),
                                       BK_PRI(bk_req_scheme(req))));
}

static bk_err echo(bk_req *req, bk_res *res) /* POST /echo */
{
    return bk_res_text(res, 200, bk_req_body(req));
}

static bk_err sleep_long(bk_req *req, bk_res *res) /* GET /sleep */
{
    BK_TRY(bk_sleep_ms(20000));
    return how(req, res);
}

static void *run_site(void *data)
{
    assert_int_equal(bk_app_run(data), BK_OK);
    return NULL;
}

static int set_up(void **state)
{
    char command[512];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(cert, sizeof cert, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    snprintf(other_cert, sizeof other_cert, "%s/other.pem", folder);
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command,
                 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                 "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout %s -out %s "
                 "2>/dev/null",
                 key, i == 0 ? other_cert : cert);
        assert_int_equal(system(command), 0);
    }
    site = bk_app_new(NULL);
    bk_get(bk_app_router(site), "/how", how, NULL);
    bk_post(bk_app_router(site), "/echo", echo, NULL);
    bk_get(bk_app_router(site), "/sleep", sleep_long, NULL);
    assert_int_equal(bk_app_listen(site, NULL), BK_OK);
    assert_int_equal(bk_app_listen(site, &(bk_listen_opts){.tls_cert = cert, .tls_key = key}),
                     BK_OK);
    assert_int_equal(pthread_create(&site_thread, NULL, run_site, site), 0);
    return 0;
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    bk_app_stop(site);
    assert_int_equal(pthread_join(site_thread, NULL), 0);
    bk_app_free(site);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    return 0;
}

static void run_with(const bk_http_client_opts *opts, bk_err (*fn)(void *data))
{
    client_app_run(bk_app_port(site, 0), opts, fn);
}

static bk_str secure(const char *host, const char *path)
{
    return bk_arena_printf(bk_fiber_arena(), "https://%s:%d%s", host, bk_app_port(site, 1), path);
}

BK_YIELDS static bk_str body_of(const struct client_app *it, bk_str url)
{
    bk_http_answer answer;

    bk_err err = bk_http_send(it->client, &(bk_http_request){.url = url}, &answer);
    if (err != BK_OK)
        print_error("%.*s", BK_PRI(chain_text()));
    assert_int_equal(err, BK_OK);
    assert_int_equal(answer.status, 200);
    return answer.body;
}

static bk_err http2(void *data)
{
    assert_text(body_of(data, secure("localhost", "/how")), "20 https");
    assert_text(body_of(data, secure("localhost", "/how")), "20 https");
    assert_text(body_of(data, client_url(data, "/how")), "11 http");
    return BK_OK;
}

static bk_err http1(void *data)
{
    assert_text(body_of(data, secure("localhost", "/how")), "11 https");
    return BK_OK;
}

static void test_http2_is_spoken_where_tls_offers_it(void **state)
{
    (void)state;
    run_with(&(bk_http_client_opts){.ca_file = cert}, http2);
    run_with(&(bk_http_client_opts){.ca_file = cert, .http1_only = true}, http1);
}

static bk_err distrust(void *data)
{
    assert_send_fails((struct client_app *)data, BK_EUPSTREAM, "certificate",
                      .url = secure("localhost", "/how"), .retries = 2);
    return BK_OK;
}

static bk_err other_name(void *data)
{
    assert_send_fails((struct client_app *)data, BK_EUPSTREAM, "certificate",
                      .url = secure("127.0.0.1", "/how"));
    return BK_OK;
}

static void test_a_certificate_must_be_trusted_and_of_that_name(void **state)
{
    (void)state;
    run_with(NULL, distrust);
    run_with(&(bk_http_client_opts){.ca_file = other_cert}, distrust);
    run_with(&(bk_http_client_opts){.ca_file = cert}, other_name);
}

struct crowd {
    struct client_app *it;
    bool secure;
    uint32_t left, right;
};

static bk_err one_of_many(void *data)
{
    struct crowd *crowd = data;
    bk_http_answer answer;

    while (crowd->left != 0) {
        bk_str body = bk_arena_printf(bk_fiber_arena(), "%05u %4000s", crowd->left--, "x");
        bk_str url = crowd->secure ? secure("localhost", "/echo") : client_url(crowd->it, "/echo");
        BK_TRY(bk_http_send(crowd->it->client,
                            &(bk_http_request){.method = "POST", .url = url, .body = body},
                            &answer));
        crowd->right += answer.status == 200 && bk_str_eq(answer.body, body);
    }
    return BK_OK;
}

BK_YIELDS static bk_err all_of_many(struct client_app *it, bool by_tls, size_t connects)
{
    struct crowd crowd = {.it = it, .secure = by_tls, .left = 1000};
    bk_group *group = bk_group_open();
    bk_http_client_stats before, after;

    bk_http_client_get_stats(it->client, &before);
    for (int i = 0; i < 100; i++)
        bk_group_spawn(group, "one of many", one_of_many, &crowd);
    BK_TRY(bk_group_wait(group));
    assert_int_equal(crowd.right, 1000);
    bk_http_client_get_stats(it->client, &after);
    assert_in_range(after.connects - before.connects, 1, connects);
    return BK_OK;
}

static bk_err many(void *data)
{
    BK_TRY(all_of_many(data, false, 64));
    return all_of_many(data, true, 8);
}

static void test_a_thousand_posts_share_connections_and_streams(void **state)
{
    (void)state;
    run_with(&(bk_http_client_opts){.ca_file = cert, .timeout_ms = 60000}, many);
}

static bk_err cancel_one(void *data)
{
    struct client_app *it = data;

    /* One stream is broken off; those beside it and the connection live on. */
    assert_text(body_of(it, secure("localhost", "/how")), "20 https");
    assert_send_fails(it, BK_ETIMEDOUT, "waiting for the answer",
                      .url = secure("localhost", "/sleep"), .timeout_ms = 100);
    assert_text(body_of(it, secure("localhost", "/how")), "20 https");
    return BK_OK;
}

static void test_a_request_of_http2_ends_alone(void **state)
{
    (void)state;
    run_with(&(bk_http_client_opts){.ca_file = cert}, cancel_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http2_is_spoken_where_tls_offers_it),
        cmocka_unit_test(test_a_certificate_must_be_trusted_and_of_that_name),
        cmocka_unit_test(test_a_thousand_posts_share_connections_and_streams),
        cmocka_unit_test(test_a_request_of_http2_ends_alone),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
