/*
 * What options and environment say of the exporter.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <backend/app.h>
#include <backend/str.h>

#include "../harness/stops.h"
#include "ops/otlp.h"
#include "text.h"

extern char **environ;

static bk_arena *arena;

/* The machine's own settings play no part. */
static void clear_environment(void)
{
    for (char **it = environ; *it != NULL;) {
        char name[64];
        size_t len = strcspn(*it, "=");
        if (strncmp(*it, "OTEL_", 5) != 0 || len >= sizeof name) {
            it++;
            continue;
        }
        memcpy(name, *it, len);
        name[len] = '\0';
        unsetenv(name);
    }
}

static int set_up(void **state)
{
    (void)state;
    clear_environment();
    arena = bk_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clear_environment();
    bk_arena_free(arena);
    return 0;
}

static struct bk__otlp_settings settings_of(const bk_otlp_opts *opts)
{
    struct bk__otlp_settings out;

    assert_int_equal(bk__otlp_settings(arena, opts, &out), BK_OK);
    return out;
}

/* The environment, as pairs of name and value that end in NULL, makes this URL; NULL: none. */
static void assert_url(const char *const *variables, const char *endpoint, const char *want)
{
    for (; *variables != NULL; variables += 2)
        setenv(variables[0], variables[1], 1);
    struct bk__otlp_settings settings = settings_of(&(bk_otlp_opts){.endpoint = endpoint});
    clear_environment();
    assert_text(settings.url, want);
}

#define VARIABLES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BASE           "OTEL_EXPORTER_OTLP_ENDPOINT"
#define TRACES         "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"

static void test_the_endpoint_is_found_as_the_specification_says(void **state)
{
    (void)state;
    assert_url((const char *const[]){NULL}, NULL, NULL);
    assert_url(VARIABLES(BASE, ""), NULL, NULL);
    assert_url(VARIABLES(BASE, "http://c:4318"), NULL, "http://c:4318/v1/traces");
    assert_url(VARIABLES(BASE, "http://c:4318/"), NULL, "http://c:4318/v1/traces");
    assert_url(VARIABLES(BASE, "https://c/otel/"), NULL, "https://c/otel/v1/traces");
    assert_url(VARIABLES(TRACES, "http://t/x"), NULL, "http://t/x");
    assert_url(VARIABLES(TRACES, "http://t/x", BASE, "http://c"), NULL, "http://t/x");
    assert_url(VARIABLES(TRACES, "http://t/x"), "http://o", "http://o/v1/traces");
}

static void test_it_can_be_switched_off(void **state)
{
    (void)state;
    assert_url(VARIABLES("OTEL_SDK_DISABLED", "TRUE"), "http://o", NULL);
    assert_url(VARIABLES("OTEL_SDK_DISABLED", "1"), "http://o", "http://o/v1/traces");
    assert_url(VARIABLES("OTEL_TRACES_EXPORTER", "none"), "http://o", NULL);
    assert_url(VARIABLES("OTEL_TRACES_EXPORTER", "otlp"), "http://o", "http://o/v1/traces");
    bk_app *app = bk_app_new(NULL);
    bk_otlp_stats stats = {.dropped = 1};
    assert_null(bk_otlp_new(app, NULL));
    bk_otlp_get_stats(NULL, &stats);
    assert_int_equal(stats.dropped, 0);
    bk_app_free(app);
}

static void test_headers_are_decoded(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "a=1", 1);
    setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", " Authorization = Bearer%20x%3D%3D , tenant=7,", 1);
    struct bk__otlp_settings settings = settings_of(&(bk_otlp_opts){.endpoint = "http://o"});
    assert_text(settings.headers[0].name, "Authorization");
    assert_text(settings.headers[0].value, "Bearer x==");
    assert_text(settings.headers[1].name, "tenant");
    assert_text(settings.headers[1].value, "7");
    assert_absent(settings.headers[2].name);

    settings = settings_of(&(bk_otlp_opts){.endpoint = "http://o", .headers = "b=x=y"});
    assert_text(settings.headers[0].name, "b");
    assert_text(settings.headers[0].value, "x=y");
    assert_absent(settings.headers[1].name);
}

static void test_the_service_has_a_name_in_any_case(void **state)
{
    (void)state;
    bk_otlp_opts opts = {.endpoint = "http://o"};

    assert_text(settings_of(&opts).service, "unknown_service:ops_otlp_settings_test");
    setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=c,a=1,b=2", 1);
    assert_text(settings_of(&opts).service, "c");
    opts.resource = "b=3,b=4,service.name=d";
    struct bk__otlp_settings settings = settings_of(&opts);
    assert_text(settings.service, "d");
    assert_text(settings.resource[0].key, "b"); /* each once */
    assert_text(settings.resource[0].value, "3");
    assert_text(settings.resource[1].key, "a");
    assert_absent(settings.resource[2].key);
    setenv("OTEL_SERVICE_NAME", "e", 1);
    assert_text(settings_of(&opts).service, "e");
    opts.service = "f";
    assert_text(settings_of(&opts).service, "f");
}

static void test_numbers_have_defaults(void **state)
{
    (void)state;
    bk_otlp_opts opts = {.endpoint = "http://o"};
    struct bk__otlp_settings settings = settings_of(&opts);

    assert_int_equal(settings.interval_ms, 5000);
    assert_int_equal(settings.timeout_ms, 10000);
    assert_int_equal(settings.stop_ms, 3000);
    assert_int_equal(settings.spans, 2048);
    assert_int_equal(settings.batch, 512);
    assert_null(settings.ca_file);
    assert_null(settings.protocol);

    setenv("OTEL_BSP_SCHEDULE_DELAY", "100", 1);
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200", 1);
    setenv("OTEL_BSP_MAX_QUEUE_SIZE", "300", 1);
    setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "30", 1);
    setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", 1);
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", 1);
    settings = settings_of(&opts);
    assert_int_equal(settings.interval_ms, 100);
    assert_int_equal(settings.timeout_ms, 200);
    assert_int_equal(settings.spans, 300);
    assert_int_equal(settings.batch, 30);
    assert_string_equal(settings.ca_file, "/ca.pem");
    assert_string_equal(settings.protocol, "grpc");

    setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf",
           1); /* who takes that takes JSON */
    assert_null(settings_of(&opts).protocol);
    opts = (bk_otlp_opts){.endpoint = "http://o",
                          .interval_ms = 1,
                          .timeout_ms = 2,
                          .stop_ms = 3,
                          .spans = 4,
                          .batch = 5};
    settings = settings_of(&opts);
    assert_int_equal(settings.interval_ms, 1);
    assert_int_equal(settings.timeout_ms, 2);
    assert_int_equal(settings.stop_ms, 3);
    assert_int_equal(settings.spans, 4);
    assert_int_equal(settings.batch, 5);
}

static bk_otlp_opts wrong_opts;
static bk_app *wrong_app;

static void declare_wrong(void)
{
    (void)bk_otlp_new(wrong_app, &wrong_opts);
}

static void test_wrong_settings_stop_the_program_with_words(void **state)
{
    (void)state;
    static const struct {
        bk_otlp_opts opts;
        const char *name, *value; /* of the environment */
        const char *words;
    } cases[] = {
        {{.endpoint = "c:4318"}, NULL, NULL, "endpoint: the URL begins with neither"},
        {{.endpoint = "http://u:p@c"}, NULL, NULL, "endpoint: the URL has credentials"},
        {{0}, BASE, "c", BASE ": the URL begins with neither"},
        {{0}, TRACES, "http://", TRACES ": the URL names no host"},
        {{.headers = "a"}, BASE, "http://c", "headers: \"a\" is followed by no \"=\""},
        {{.headers = "=b"}, BASE, "http://c", "headers: a value has no name"},
        {{.headers = "a=%2"}, BASE, "http://c", "headers: a: \"%\" is followed by no two"},
        {{.headers = "a b=1"}, BASE, "http://c", "headers: \"a b\" is no name of a header"},
        {{.headers = "a=%0a"}, BASE, "http://c", "headers: header a: its value has control"},
        {{.headers = "Trailer=x"}, BASE, "http://c", "headers: header Trailer is set by the"},
        {{.endpoint = "http://c"},
         "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
         "secret",
         "OTEL_EXPORTER_OTLP_TRACES_HEADERS: "},
        {{.endpoint = "http://c", .resource = "a"}, NULL, NULL, "resource: "},
        {{.endpoint = "http://c"}, "OTEL_RESOURCE_ATTRIBUTES", "a", "OTEL_RESOURCE_ATTRIBUTES: "},
        {{.endpoint = "http://c"}, "OTEL_BSP_SCHEDULE_DELAY", "5s", "OTEL_BSP_SCHEDULE_DELAY: it"},
        {{.endpoint = "http://c"}, "OTEL_EXPORTER_OTLP_TIMEOUT", "0", "OTLP_TIMEOUT: it must be"},
        {{.endpoint = "http://c", .spans = 2000000}, NULL, NULL, "spans: it must be a number from"},
        {{.endpoint = "http://c", .batch = BK_UNLIMITED}, NULL, NULL, "batch: it must be"},
        {{.endpoint = "http://c", .ca_file = "/no/such"}, NULL, NULL, "cannot read /no/such"},
    };
    char words[1000];

    wrong_app = bk_app_new(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wrong_opts = cases[i].opts;
        if (cases[i].name != NULL)
            setenv(cases[i].name, cases[i].value, 1);
        if (!stops(declare_wrong, words, sizeof words) || strstr(words, cases[i].words) == NULL)
            fail_msg("no \"%s\" in: %s", cases[i].words, words);
        clear_environment();
    }
    bk_app_free(wrong_app);
}

static void test_the_collector_may_ask_to_wait(void **state)
{
    (void)state;
    const bk_time now = 784111777000000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *value;
        uint64_t ms;
    } cases[] = {
        {"1", 1000},
        {"120", 120000},
        {"0", 0},
        {"-1", 0},
        {"86400", 300000},
        {"99999999999", 300000},
        {"soon", 0},
        {"", 0},
        {"1.5", 0},
        {"Sun, 06 Nov 1994 08:49:40 GMT", 3000},
        {"Sun, 06 Nov 1994 08:49:30 GMT", 0},
        {"Mon, 06 Nov 1995 08:49:30 GMT", 300000},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (bk__otlp_retry_after_ms(bk_str_of(cases[i].value), now) != cases[i].ms)
            fail_msg("%s", cases[i].value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_endpoint_is_found_as_the_specification_says),
        cmocka_unit_test(test_it_can_be_switched_off),
        cmocka_unit_test(test_headers_are_decoded),
        cmocka_unit_test(test_the_service_has_a_name_in_any_case),
        cmocka_unit_test(test_numbers_have_defaults),
        cmocka_unit_test(test_wrong_settings_stop_the_program_with_words),
        cmocka_unit_test(test_the_collector_may_ask_to_wait),
    };
    return cmocka_run_group_tests_name("ops/otlp_settings", tests, set_up, tear_down);
}
