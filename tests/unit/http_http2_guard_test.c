/* Judgements about HTTP/2 clients: http/http2_guard.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/router.h>
#include <backend/str.h>

#include "http/http2_guard.h"

static void test_a_bucket_takes_a_hundred_at_once(void **state)
{
    struct bk__h2_bucket bucket = {.at_ms = 5000};

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_true(bk__h2_bucket_add(&bucket, 5000, 1));
    assert_false(bk__h2_bucket_add(&bucket, 5000, 1));
}

static void test_a_bucket_loses_ten_a_second(void **state)
{
    struct bk__h2_bucket bucket = {.at_ms = 0};

    (void)state;
    assert_true(bk__h2_bucket_add(&bucket, 0, 100));
    assert_true(bk__h2_bucket_add(&bucket, 100, 1));
    assert_false(bk__h2_bucket_add(&bucket, 150, 1));
    assert_true(bk__h2_bucket_add(&bucket, 60 * 1000, 100));
    assert_false(bk__h2_bucket_add(&bucket, 60 * 1000, 1));
}

static void test_ten_a_second_may_go_on_for_ever(void **state)
{
    struct bk__h2_bucket bucket = {.at_ms = 0};

    (void)state;
    for (uint64_t ms = 0; ms < 1000 * 1000; ms += 100)
        assert_true(bk__h2_bucket_add(&bucket, ms, 1));
}

static void test_a_costly_unit_fills_the_bucket_sooner(void **state)
{
    struct bk__h2_bucket bucket = {.at_ms = 0};

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(bk__h2_bucket_add(&bucket, 1, 10));
    assert_false(bk__h2_bucket_add(&bucket, 1, 10));
}

static void test_what_stands_still_is_stalled_after_the_limit(void **state)
{
    struct bk__h2_watch watch = {0, 0};

    (void)state;
    assert_false(bk__h2_watch_stalled(&watch, 7, 1000, 500)); /* the first look */
    assert_false(bk__h2_watch_stalled(&watch, 7, 1500, 500));
    assert_true(bk__h2_watch_stalled(&watch, 7, 1501, 500));
}

static void test_what_moves_is_not_stalled(void **state)
{
    struct bk__h2_watch watch = {0, 0};

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        assert_false(bk__h2_watch_stalled(&watch, i, 1000 + i * 500, 500));
    assert_false(bk__h2_watch_stalled(&watch, 1, 1000 + 100 * 500, 500)); /* also backwards */
    assert_true(bk__h2_watch_stalled(&watch, 1, 1000 + 102 * 500, 500));
}

static void test_a_watch_without_limit_never_stalls(void **state)
{
    struct bk__h2_watch watch = {0, 0};

    (void)state;
    assert_false(bk__h2_watch_stalled(&watch, 7, 1, BK_UNLIMITED));
    assert_false(bk__h2_watch_stalled(&watch, 7, UINT32_MAX, BK_UNLIMITED));
}

static void test_a_watch_goes_on_where_its_clock_wraps(void **state)
{
    struct bk__h2_watch watch = {0, 0};
    uint64_t wrap = UINT64_C(1) << 32;

    (void)state;
    assert_false(bk__h2_watch_stalled(&watch, 7, wrap - 100, 500));
    assert_false(bk__h2_watch_stalled(&watch, 7, wrap + 300, 500));
    assert_true(bk__h2_watch_stalled(&watch, 7, wrap + 401, 500));
    watch = (struct bk__h2_watch){0, 0};
    assert_false(bk__h2_watch_stalled(&watch, 7, wrap, 500)); /* 0 would mean: not looked at yet */
    assert_true(bk__h2_watch_stalled(&watch, 7, wrap + 600, 500));
}

static void test_many_connections_are_swept_less_often(void **state)
{
    (void)state;
    assert_int_equal(bk__h2_sweep_ms(0), 100);
    assert_int_equal(bk__h2_sweep_ms(2000), 100);
    assert_int_equal(bk__h2_sweep_ms(10000), 500);
    assert_int_equal(bk__h2_sweep_ms(1000000), 1000);
}

static bool allowed(const char *name, const char *value)
{
    return bk__h2_field_allowed(bk_str_of(name), bk_str_of(value));
}

static void test_usual_fields_are_allowed(void **state)
{
    (void)state;
    assert_true(allowed("accept", "*/*"));
    assert_true(allowed("x-empty", ""));
    assert_true(allowed("x", "a\tb \xc3\xa4"));
    assert_true(allowed("te", "trailers"));
    assert_true(allowed("te", "Trailers"));
    assert_true(allowed("upgrade-insecure-requests", "1"));
}

static void test_fields_of_a_connection_are_refused(void **state)
{
    static const char *const names[] = {"connection", "keep-alive", "proxy-connection", "upgrade",
                                        "transfer-encoding"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_false(allowed(names[i], "x"));
        assert_true(bk__h2_field_is_hop(bk_str_of(names[i])));
    }
    assert_false(allowed("te", "gzip"));
    assert_false(allowed("te", "trailers, gzip"));
    assert_false(bk__h2_field_is_hop(BK_LIT("te")));
    assert_false(bk__h2_field_is_hop(BK_LIT("connections")));
}

static void test_names_that_are_no_lower_case_tokens_are_refused(void **state)
{
    (void)state;
    assert_false(allowed("", "x"));
    assert_false(allowed("Accept", "x"));
    assert_false(allowed("x y", "x"));
    assert_false(allowed("x:", "x"));
    assert_false(allowed(":path", "x"));
    assert_false(allowed("\xc3\xa4", "x"));
}

static void test_values_with_controls_or_outer_blanks_are_refused(void **state)
{
    (void)state;
    assert_false(allowed("x", "a\r\nb"));
    assert_false(allowed("x", "\x7f"));
    assert_false(allowed("x", " a"));
    assert_false(allowed("x", "a\t"));
    assert_false(bk__h2_field_allowed(BK_LIT("x"), bk_str_at("a\0b", 3)));
}

static bool path_allowed(const char *method, const char *path)
{
    return bk__h2_path_allowed(bk_str_of(method), bk_str_of(path));
}

static void test_a_path_begins_with_a_slash_and_is_visible_ascii(void **state)
{
    (void)state;
    assert_true(path_allowed("GET", "/"));
    assert_true(path_allowed("GET", "/a/b%20c?d=e&f"));
    assert_false(path_allowed("GET", ""));
    assert_false(path_allowed("GET", "a"));
    assert_false(path_allowed("GET", "http://localhost/"));
    assert_false(path_allowed("GET", "/a b"));
    assert_false(path_allowed("GET", "/a#b"));
    assert_false(path_allowed("GET", "/a\x7f"));
    assert_false(path_allowed("GET", "/\xc3\xa4"));
    assert_false(path_allowed("GET", "/a\n"));
}

static void test_a_star_is_for_options_only(void **state)
{
    (void)state;
    assert_true(path_allowed("OPTIONS", "*"));
    assert_false(path_allowed("GET", "*"));
    assert_false(path_allowed("OPTIONS", "**"));
    assert_true(path_allowed("OPTIONS", "/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bucket_takes_a_hundred_at_once),
        cmocka_unit_test(test_a_bucket_loses_ten_a_second),
        cmocka_unit_test(test_ten_a_second_may_go_on_for_ever),
        cmocka_unit_test(test_a_costly_unit_fills_the_bucket_sooner),
        cmocka_unit_test(test_what_stands_still_is_stalled_after_the_limit),
        cmocka_unit_test(test_what_moves_is_not_stalled),
        cmocka_unit_test(test_a_watch_without_limit_never_stalls),
        cmocka_unit_test(test_a_watch_goes_on_where_its_clock_wraps),
        cmocka_unit_test(test_many_connections_are_swept_less_often),
        cmocka_unit_test(test_usual_fields_are_allowed),
        cmocka_unit_test(test_fields_of_a_connection_are_refused),
        cmocka_unit_test(test_names_that_are_no_lower_case_tokens_are_refused),
        cmocka_unit_test(test_values_with_controls_or_outer_blanks_are_refused),
        cmocka_unit_test(test_a_path_begins_with_a_slash_and_is_visible_ascii),
        cmocka_unit_test(test_a_star_is_for_options_only),
    };

    return cmocka_run_group_tests_name("http2_guard", tests, NULL, NULL);
}
