/*
 * Which bucket a value falls into, and which bounds are none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/app.h>
#include <backend/str.h>

#include "core/metrics.h"
#include "harness/stops.h"

static bk_app *app;

static int open_app(void **state)
{
    (void)state;
    app = bk_app_new(NULL);
    return 0;
}

static int close_app(void **state)
{
    (void)state;
    bk_app_free(app);
    return 0;
}

static const double bounds[] = {1, 2.5, 10};

static bk_histogram *sizes(void)
{
    return bk_histogram_new(
        app, &(bk_metric_opts){.name = "sizes", .help = "x", .buckets = bounds, .bucket_count = 3});
}

static double cell(const bk_histogram *histogram, size_t i)
{
    return bk__cell_get(&histogram->series.cells[i]);
}

static void test_a_bound_belongs_to_its_bucket(void **state)
{
    bk_histogram *histogram = sizes();

    (void)state;
    static const double values[] = {-4, 0, 1, 1.000001, 2.5, 10, 10.1, 1e300, INFINITY};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        bk_histogram_observe(histogram, values[i]);
    assert_true(cell(histogram, 0) == 3);
    assert_true(cell(histogram, 1) == 2);
    assert_true(cell(histogram, 2) == 1);
    assert_true(cell(histogram, 3) == 3);
    assert_true(isinf(cell(histogram, 4)));
}

static void test_what_is_no_number_is_not_counted(void **state)
{
    bk_histogram *histogram = sizes();

    (void)state;
    bk_histogram_observe(histogram, NAN);
    bk_histogram_observe(histogram, 4);
    assert_true(cell(histogram, 2) == 1);
    assert_true(cell(histogram, 4) == 4);
}

static void test_series_have_buckets_of_their_own(void **state)
{
    bk_histogram *histogram =
        bk_histogram_new(app, &(bk_metric_opts){.name = "t", .help = "x", .labels = {"kind"}});

    (void)state;
    bk_histogram *a = bk_histogram_with(histogram, BK_LABELS(BK_LIT("a")));
    bk_histogram *b = bk_histogram_with(histogram, BK_LABELS(BK_LIT("b")));
    bk_histogram_observe(a, 0.005);
    bk_histogram_observe(b, 0.0051);
    bk_histogram_observe(b, 11);
    assert_true(cell(a, 0) == 1 && cell(a, 1) == 0 && cell(a, 14) == 0);
    assert_true(cell(b, 0) == 0 && cell(b, 1) == 1 && cell(b, 14) == 1);
}

static bk_metric_opts wrong;

static void declare(void)
{
    (void)!bk_histogram_new(app, &wrong);
}

static void test_bounds_that_make_no_sense_stop_the_program(void **state)
{
    static const double down[] = {1, 1}, none[] = {1, NAN}, many[BK_METRIC_BUCKETS + 1] = {0};
    char words[256];

    (void)state;
    wrong = (bk_metric_opts){.name = "t", .help = "x", .buckets = down, .bucket_count = 2};
    assert_true(stops(declare, words, sizeof words));
    assert_non_null(strstr(words, "do not ascend"));
    wrong.buckets = none;
    assert_true(stops(declare, words, sizeof words));
    assert_non_null(strstr(words, "do not ascend"));
    wrong.buckets = many;
    wrong.bucket_count = BK_METRIC_BUCKETS + 1;
    assert_true(stops(declare, words, sizeof words));
    assert_non_null(strstr(words, "has 41 buckets, it may have 1 to 40"));
    wrong = (bk_metric_opts){.name = "t", .help = "x", .labels = {"le"}};
    assert_true(stops(declare, words, sizeof words));
    assert_non_null(strstr(words, "\"le\" cannot be a label"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_app, close_app)
    const struct CMUnitTest tests[] = {
        TEST(test_a_bound_belongs_to_its_bucket),
        TEST(test_what_is_no_number_is_not_counted),
        TEST(test_series_have_buckets_of_their_own),
        TEST(test_bounds_that_make_no_sense_stop_the_program),
    };
    return cmocka_run_group_tests_name("core_histogram", tests, NULL, NULL);
}
