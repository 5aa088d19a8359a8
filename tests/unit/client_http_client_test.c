#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/backend.h>

#include "harness/stops.h"
#include "text.h"

static bk_http_client_opts wrong_client;
static bk_mailer_opts wrong_mailer;

static void make_client(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_http_client_new(app, &wrong_client);
    bk_app_free(app);
}

static void make_mailer(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_mailer_new(app, &wrong_mailer);
    bk_app_free(app);
}

static void check_stops(void (*fn)(void), const char *want)
{
    char words[1024];

    assert_true(stops(fn, words, sizeof words));
    if (strstr(words, want) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", want, words);
}

static void test_wrong_options_of_a_client_stop_the_program(void **state)
{
    (void)state;
    wrong_client = (bk_http_client_opts){.ca_file = "/nowhere/ca.pem"};
    check_stops(make_client, "ca_file: cannot read /nowhere/ca.pem");
    wrong_client = (bk_http_client_opts){.redirects = 51};
    check_stops(make_client, "redirects is 51");
    wrong_client = (bk_http_client_opts){.connections = BK_UNLIMITED};
    check_stops(make_client, "cannot be unlimited");
}

static void test_wrong_options_of_a_mailer_stop_the_program(void **state)
{
    (void)state;
    wrong_mailer = (bk_mailer_opts){.url = BK_LIT("http://host")};
    check_stops(make_mailer, "smtp:, smtps: and file:");
    wrong_mailer = (bk_mailer_opts){.url = bk_str_of(NULL)};
    check_stops(make_mailer, "url:");
    wrong_mailer = (bk_mailer_opts){.url = BK_LIT("file:///nowhere/outbox")};
    check_stops(make_mailer, "cannot write to the folder /nowhere/outbox");
    wrong_mailer = (bk_mailer_opts){.url = BK_LIT("smtp://host?ca=/nowhere/ca.pem")};
    check_stops(make_mailer, "cannot read /nowhere/ca.pem");
    wrong_mailer =
        (bk_mailer_opts){.url = BK_LIT("smtp://host"), .from = {BK_LIT("a\nb@c"), {NULL, 0}}};
    check_stops(make_mailer, "from:");
    wrong_mailer = (bk_mailer_opts){.url = BK_LIT("smtp://host"), .timeout_ms = BK_UNLIMITED};
    check_stops(make_mailer, "switched off");
}

static void test_right_options_need_no_running_app(void **state)
{
    bk_app *app = bk_app_new(NULL);
    bk_http_client *client = bk_http_client_new(app, NULL);
    bk_http_client_stats stats;

    (void)state;
    bk_http_client_get_stats(client, &stats);
    assert_int_equal(stats.requests, 0);
    assert_non_null(bk_mailer_new(
        app, &(bk_mailer_opts){.url = BK_LIT("smtp://ann:secret@host"),
                               .from = {BK_LIT("shop@example.com"), BK_LIT("Shop")}}));
    bk_app_free(app);
}

static void test_a_header_is_found_in_any_case(void **state)
{
    const bk_http_header headers[] = {{BK_LIT("X-One"), BK_LIT("1")},
                                      {BK_LIT("x-one"), BK_LIT("2")}};
    const bk_http_answer answer = {.headers = headers, .header_count = 2};

    (void)state;
    assert_text(bk_http_answer_header(&answer, "X-ONE"), "1");
    assert_absent(bk_http_answer_header(&answer, "X-On"));
    assert_absent(bk_http_answer_header(&(bk_http_answer){.status = 200}, "x-one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_options_of_a_client_stop_the_program),
        cmocka_unit_test(test_wrong_options_of_a_mailer_stop_the_program),
        cmocka_unit_test(test_right_options_need_no_running_app),
        cmocka_unit_test(test_a_header_is_found_in_any_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
